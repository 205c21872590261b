/** Arguments of `boot` and `run`: what there is, what it means, and what is wrong with it. */
import { parseArgs } from "node:util";

/** Arguments that cannot be followed; the message is one line for the one who typed them. */
export class UsageError extends Error {
  /** The class's name. */
  override readonly name = "UsageError";
}

/** What `boot` and `run` are asked to do. */
export interface Options {
  /** The image's path; for `boot` undefined: the reference kernel. */
  image: string | undefined;
  /** Print the help and do nothing else. */
  help: boolean;
  /** Bytes of RAM. */
  ramBytes: number;
  /** Appended to the image's name as the command line. */
  append: string;
  /** Modules: a path and arguments. */
  initrd: string[];
  /** Instructions, or undefined for no limit. */
  budget: number | undefined;
  /** Where COM1 goes: `stdio`, `none`, or a file. */
  serial: string;
  /** A file to send to COM1 when the kernel first waits for input. */
  input: string | undefined;
  /** Where the terminal's keys go. */
  keys: "serial" | "keyboard";
  /** Draw the screen at the end. */
  screen: boolean;
  /** RAM begins as zeros. */
  zeroRam: boolean;
  /** Chooses what RAM begins with. */
  seed: number | undefined;
  /** Serial lines take their time. */
  lineRate: boolean;
  /** Virtual milliseconds of rest that end a run without a terminal. */
  idleAfter: number | undefined;
  /** The closing report as JSON. */
  json: boolean;
}

const specification = {
  help: { type: "boolean", short: "h" },
  memory: { type: "string", short: "m" },
  append: { type: "string" },
  initrd: { type: "string", multiple: true },
  budget: { type: "string" },
  serial: { type: "string" },
  input: { type: "string" },
  keys: { type: "string" },
  screen: { type: "boolean" },
  "zero-ram": { type: "boolean" },
  seed: { type: "string" },
  "line-rate": { type: "boolean" },
  idle: { type: "string" },
  json: { type: "boolean" },
} as const;

const optionHelp = `Options:
  -m, --memory SIZE    RAM, 2M to 1024M (default 32M)
      --append TEXT    kernel command line, after the image's name
      --initrd FILE    boot module; "FILE ARGUMENTS" gives it a string; may be repeated
      --budget N       stop after N instructions (100000, 5M, 2G)
      --serial WHERE   where COM1's output goes: stdio (default), none, or a file
      --input FILE     send FILE to COM1 when the kernel first waits for input
      --keys WHERE     where a terminal's keys go: serial (default) or keyboard
      --screen         draw the VGA screen at the end, in colour unless NO_COLOR is set
      --zero-ram       start with zeros in RAM instead of a pattern
      --seed N         choose the pattern
      --line-rate      serial bytes take the time of the programmed rate
      --idle MS        without a terminal: how long the kernel must rest, in virtual ms
      --json           closing report as one line of JSON
  -h, --help           this text

With a terminal on standard input its keys go to the kernel: Ctrl-A x leaves, Ctrl-A Ctrl-A sends
Ctrl-A. Without one the run ends when the kernel waits for input; standard input is not read.

Exit codes: odd ones are the guest's, even ones the machine's.
  0    the kernel waits for input, turned the machine off, or you left with Ctrl-A x
  odd  the kernel wrote VALUE to port F4h: (VALUE << 1) | 1, as with QEMU
  2    wrong arguments, or an image that cannot be booted
  4    triple fault
  6    halted for good
  8    the budget is spent
  10   the kernel reset the machine
  12   the kernel used something that the machine does not model
  14   exceptions without end: a handler's first instruction faults again
`;

/** What `--help` prints. */
export const helpTexts = {
  boot: `Boots the reference kernel, or IMAGE.

Usage: deno task boot [OPTIONS] [IMAGE]

${optionHelp}
Example: deno task boot --memory 64M --screen
`,
  run: `Boots a Multiboot 1 image.

Usage: deno task run [OPTIONS] IMAGE

${optionHelp}
Example: deno task run --memory 64M --append "debug=1" --budget 500M my-kernel.elf
`,
} as const;

/** Reads the arguments of a command; throws a {@link UsageError}. */
export function parseOptions(command: "boot" | "run", args: readonly string[]): Options {
  const { values, positionals } = parse(args);
  if (positionals.length > 1) {
    throw new UsageError(`Cannot boot ${positionals.length} images: give one`);
  }
  if (command === "run" && positionals.length === 0 && !values.help) {
    throw new UsageError("Cannot run: no image is given (deno task run IMAGE)");
  }
  const { help = false, append = "", initrd = [], serial = "stdio", input } = values;
  return {
    ...{ image: positionals[0], help, append, initrd, serial, input },
    ramBytes: memorySize(values.memory ?? "32M"),
    budget: values.budget === undefined ? undefined : quantity("--budget", values.budget, 1000),
    keys: keysOf(values.keys ?? "serial"),
    screen: values.screen ?? false,
    zeroRam: values["zero-ram"] ?? false,
    seed: values.seed === undefined ? undefined : quantity("--seed", values.seed, 1000),
    lineRate: values["line-rate"] ?? false,
    idleAfter: values.idle === undefined ? undefined : quantity("--idle", values.idle, 1000),
    json: values.json ?? false,
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: specification, allowPositionals: true });
  } catch (error) {
    throw new UsageError(`Cannot read the arguments: ${(error as Error).message.split("\n")[0]}`);
  }
}

const suffixes = ["", "k", "m", "g"];

/** A number with an optional suffix k, M or G, each `step` times the one before. */
export function quantity(option: string, text: string, step: number): number {
  const match = /^([0-9][0-9_]*)([kmg]?)$/i.exec(text);
  const value = match
    ? Number(match[1].replaceAll("_", "")) * step ** suffixes.indexOf(match[2].toLowerCase())
    : NaN;
  if (Number.isSafeInteger(value)) return value;
  throw new UsageError(`Cannot use ${option} ${text}: give a number such as 100000, 5M or 2G`);
}

/** Bytes of RAM: megabytes where no suffix is. */
export function memorySize(text: string): number {
  const bytes = quantity("--memory", /^[0-9]+$/.test(text) ? `${text}M` : text, 1024);
  if (bytes >= 0x200000 && bytes <= 0x40000000 && bytes % 0x10000 === 0) return bytes;
  throw new UsageError(`Cannot use --memory ${text}: give 2M to 1024M, a multiple of 64k`);
}

function keysOf(text: string): "serial" | "keyboard" {
  if (text === "serial" || text === "keyboard") return text;
  throw new UsageError(`Cannot use --keys ${text}: give serial or keyboard`);
}
