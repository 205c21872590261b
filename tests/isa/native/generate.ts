/**
 * Writes fixtures/isa/*.trace anew: stimuli from here, responses from the host processor.
 * Spec: specs/isa/vectors.md. Needs gcc with 32-bit libraries and an x86 host.
 *
 *     deno run --allow-write --allow-run tests/isa/native/generate.ts
 */
import { arithmetic } from "./arithmetic.ts";
import { bits } from "./bits.ts";
import { control, privileged } from "./control.ts";
import { decimal } from "./decimal.ts";
import { faults } from "./faults.ts";
import { moves } from "./moves.ts";
import { shifts } from "./shifts.ts";
import { format, reseed, type Stimulus } from "./stimuli.ts";
import { strings } from "./strings.ts";

const GROUPS = { arithmetic, shifts, bits, moves, strings, decimal, control, privileged, faults };
const SOURCE = new URL("./native.c", import.meta.url).pathname;
const FIXTURES = new URL("../../../fixtures/isa/", import.meta.url);

/** Runs a program with text on its input; its output as text. */
async function run(program: string, args: string[], input = ""): Promise<string> {
  const child = new Deno.Command(program, { args, stdin: "piped", stdout: "piped" }).spawn();
  const output = child.output();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(input));
  await writer.close();
  const { success, stdout } = await output;
  if (!success) throw new Error(`Cannot run ${program} ${args.join(" ")}: it failed`);
  return new TextDecoder().decode(stdout);
}

/** The head of a fixture, which says how to read it. */
function head(group: string, origin: string): string {
  return [
    "# claudeos-trace 1",
    `# subject: isa/${group}`,
    `# origin: ${origin}, each instruction alone in 32-bit user mode`,
    "# format: specs/isa/vectors.md",
    "# NUMBER MNEMONIC BYTES [REGISTER=HEX]... fl=EFLAGS [@ADDRESS=BYTES]...",
    "#   = [REGISTER=HEX]... [fault=VECTOR [error=HEX cr2=HEX]] [eip=HEX] fl=EFLAGS [@ADDRESS=BYTES]... [uf=EFLAGS]",
    "# right of the = stands what changed; uf are the flags that the manual leaves undefined",
    "",
  ].join("\n");
}

async function record(native: string, group: string, stimuli: Stimulus[]): Promise<string> {
  const input = stimuli.map((stimulus, stamp) => `${format(stimulus, stamp)}\n`).join("");
  const lines = (await run(native, [], input)).trimEnd().split("\n");
  if (lines.length !== stimuli.length) {
    throw new Error(`Cannot record ${group}: stopped after ${lines.at(-1)}`);
  }
  return lines.map((line, stamp) => {
    const { unspecified } = stimuli[stamp];
    return unspecified ? `${line} uf=${unspecified.toString(16)}\n` : `${line}\n`;
  }).join("");
}

const folder = await Deno.makeTempDir();
const native = `${folder}/native`;
await run("gcc", ["-m32", "-no-pie", "-O1", "-o", native, SOURCE]);
const origin = (await run(native, ["--origin"])).trim();
await Deno.mkdir(FIXTURES, { recursive: true });
for (const [index, [group, generate]] of Object.entries(GROUPS).entries()) {
  reseed(0x9e3779b9 ^ index * 0x01000193);
  const lines = await record(native, group, [...generate()]);
  await Deno.writeTextFile(new URL(`${group}.trace`, FIXTURES), head(group, origin) + lines);
  console.log(`${group}: ${lines.split("\n").length - 1} vectors, ${lines.length} bytes`);
}
await Deno.remove(folder, { recursive: true });
