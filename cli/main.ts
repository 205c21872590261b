/** All commands behind one name: `main.ts boot`, `main.ts run IMAGE`. */
import { print } from "./output.ts";
import { USAGE } from "./report.ts";
import { start } from "./start.ts";
import { trace } from "./trace.ts";

const HELP = `A deterministic PC and the kernel it boots.

Usage: deno run --allow-read --allow-write cli/main.ts COMMAND [ARGUMENTS]

Commands:
  boot [IMAGE]   boot the reference kernel
  run IMAGE      boot any Multiboot 1 image
  conform IMAGE  judge a kernel clause by clause
  trace          record, check, compare and show traces
  help           this text; COMMAND --help tells more

Example: deno run --allow-read cli/main.ts run --budget 500M my-kernel.elf
`;

async function main([command, ...args]: readonly string[]): Promise<number> {
  if (command === "trace") return trace(args);
  if (command === "conform") return await (await import("./conform.ts")).conform(args);
  if (command === "boot" || command === "run") return await start(command, args);
  const asked = command === "help" || command === "--help" || command === "-h";
  print(asked ? Deno.stdout : Deno.stderr, HELP);
  return asked ? 0 : USAGE;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
