/** Arguments of `trace`: what there is, what it means, and what is wrong with it. */
import { parseArgs, type ParseArgsOptionsConfig } from "node:util";
import { memorySize, quantity, UsageError } from "./options.ts";

const eventHelp = `Kinds of events for --events, separated by commas:
  serial      lines on COM1, COM2 and the debug console
  screen      rows and cursor that have changed when input is given and at the end
  call=NAME,… calls of these functions and their results; NAME* stands for all that begin so;
              NAME/2 says that a function takes two arguments, NAME/2/void that it gives no result
              (those of the Day 6 kernels are known)
  memory      statistics of page frames and heap: what the kernel says, what its memory shows
  pages       ranges that the page tables map
  blocks      blocks of the heap
  control     control registers
  interrupt   interrupts; with the timer on, many
  exception   exceptions, with error code and CR2
  port        reads and writes of ports, many
  diagnose    programming of chips that their datasheets call reserved
`;

const exitHelp = `Exit codes: 0 equal, or done; 1 different; 2 wrong arguments or bad input.
`;

/** What `--help` prints. */
export const traceHelp = {
  trace: `Records what a kernel does, shows it, and finds where another run differs.

Usage: deno task trace COMMAND [ARGUMENTS]

Commands:
  record IMAGE -o FILE   boot a kernel and write what it does
  check IMAGE FILE       record it again as FILE says, and compare
  diff A B               compare two traces
  show FILE              print a trace for reading

COMMAND --help tells more. The format is that of specs/trace.md.
${exitHelp}
Example: deno task trace record my-kernel.elf -o boot.trace --events serial,screen
         deno task trace check my-kernel.elf boot.trace
`,
  record:
    `Boots a kernel, records what it does until it waits for input or ends, and writes it to a file.

Usage: deno task trace record IMAGE -o FILE [OPTIONS]

Options:
  -o, --output FILE    where the trace goes; - is standard output
      --events LIST    what is recorded (default serial,screen,control,exception,diagnose)
      --input SCRIPT   what is typed and sent, and when: see below
  -m, --memory SIZE    RAM, 2M to 1024M (default 32M)
      --budget N       end after N instructions (default 100M: one virtual second of work)
      --rest MS        virtual milliseconds of rest that count as waiting (default 1000)
      --timing WHICH   exact (default): the instruction counts belong to the trace;
                       free: only the order does, so that it outlives a recompilation
      --append TEXT    kernel command line, after the image's name
      --zero-ram       start with zeros in RAM instead of a pattern
      --seed N         choose the pattern
      --line-rate      serial bytes take the time of the programmed rate
  -h, --help           this text

The trace's head says all this, so that \`check\` needs only the image and the trace.

${eventHelp}
A script has one action a line; specs/conformance/input.md has the details:
  at 1500000 type "mem\\n"             # after so many instructions, on the keyboard
  after serial "> " send "heap\\n"     # when the kernel has sent this, on COM1
  after screen "Press" press Enter    # when this is on the screen
  after idle stop                     # when the kernel waits for input

Exit codes: 0 written; 2 wrong arguments or bad input, and nothing is written.

Example: deno task trace record my-kernel.elf -o heap.trace --events serial,call=kmalloc,kfree
`,
  check:
    `Records a kernel again with the settings and the input of a trace, and shows where it leaves it.

Usage: deno task trace check IMAGE FILE [OPTIONS]

Options:
      --input SCRIPT   other input than the trace's
      --timing WHICH   exact or free, other than the trace says
      --json           the result as one line of JSON
  -h, --help           this text

${exitHelp}
Example: deno task trace check my-kernel.elf boot.trace
`,
  diff: `Compares two traces event by event; their heads do not count.

Usage: deno task trace diff A B [OPTIONS]

Options:
      --timing WHICH   exact (default): also the instruction counts; free: only the order
      --json           the result as one line of JSON
  -h, --help           this text

${exitHelp}
Example: deno task trace diff before.trace after.trace
`,
  show: `Prints a trace for reading: stamps in columns, calls indented.

Usage: deno task trace show FILE [OPTIONS]

Options:
      --events LIST    only these kinds
  -h, --help           this text

${eventHelp}
Example: deno task trace show boot.trace --events serial,call=kmalloc,kfree
`,
} as const;

/** A command of `trace`. */
export type TraceCommand = Exclude<keyof typeof traceHelp, "trace">;

const text = { type: "string" } as const, flag = { type: "boolean" } as const;
const help = { type: "boolean", short: "h" } as const;

const specifications: Readonly<Record<TraceCommand, ParseArgsOptionsConfig>> = {
  record: {
    ...{ help, events: text, input: text, budget: text, rest: text, timing: text, append: text },
    ...{ "zero-ram": flag, seed: text, "line-rate": flag },
    output: { type: "string", short: "o" },
    memory: { type: "string", short: "m" },
  },
  check: { help, input: text, timing: text, json: flag },
  diff: { help, timing: text, json: flag },
  show: { help, events: text },
};

const operands: Readonly<Record<TraceCommand, readonly string[]>> = {
  record: ["IMAGE"],
  check: ["IMAGE", "FILE"],
  diff: ["A", "B"],
  show: ["FILE"],
};

/** What a command of `trace` is asked to do; what a command has not is absent. */
export interface TraceOptions {
  /** Print the help and do nothing else. */
  readonly help: boolean;
  /** The files, as many as the command takes. */
  readonly files: readonly string[];
  /** Where the trace goes. */
  readonly output: string | undefined;
  /** The list of events. */
  readonly events: string | undefined;
  /** The path of the script. */
  readonly input: string | undefined;
  /** Bytes of RAM. */
  readonly ramBytes: number | undefined;
  /** Instructions. */
  readonly budget: number | undefined;
  /** Virtual milliseconds. */
  readonly rest: number | undefined;
  /** Whether stamps count. */
  readonly timing: "exact" | "free" | undefined;
  /** Behind the image's name on the command line. */
  readonly append: string | undefined;
  /** What RAM begins with. */
  readonly ram: "zeros" | number | undefined;
  /** Serial lines take their time. */
  readonly lineRate: boolean;
  /** The result as JSON. */
  readonly json: boolean;
}

/** Reads the arguments of a command; throws a {@link UsageError}. */
export function parseTraceOptions(command: TraceCommand, args: readonly string[]): TraceOptions {
  const { values, positionals } = parse(command, args);
  const string = (name: string): string | undefined => values[name] as string | undefined;
  const on = (name: string): boolean => values[name] === true;
  const count = (name: string): number | undefined =>
    string(name) === undefined ? undefined : quantity(`--${name}`, string(name)!, 1000);
  const memory = string("memory");
  if (!on("help")) checkOperands(command, positionals);
  return {
    ...{ help: on("help"), files: positionals, output: string("output"), events: string("events") },
    ...{ input: string("input"), budget: count("budget"), rest: count("rest") },
    ramBytes: memory === undefined ? undefined : memorySize(memory),
    timing: timingOf(string("timing")),
    append: string("append"),
    ram: on("zero-ram") ? "zeros" : count("seed"),
    lineRate: on("line-rate"),
    json: on("json"),
  };
}

function parse(command: TraceCommand, args: readonly string[]) {
  try {
    const options = specifications[command];
    return parseArgs({ args: [...args], options, allowPositionals: true });
  } catch (error) {
    throw new UsageError(`Cannot read the arguments: ${(error as Error).message.split("\n")[0]}`);
  }
}

function checkOperands(command: TraceCommand, given: readonly string[]): void {
  const wanted = operands[command];
  if (given.length === wanted.length) return;
  const usage = `deno task trace ${command} ${wanted.join(" ")}`;
  const problem = given.length < wanted.length
    ? `no ${wanted[given.length]} is given`
    : `${given[wanted.length]} is one file too many`;
  throw new UsageError(`Cannot ${command}: ${problem} (${usage})`);
}

function timingOf(value: string | undefined): "exact" | "free" | undefined {
  if (value === undefined || value === "exact" || value === "free") return value;
  throw new UsageError(`Cannot use --timing ${value}: give exact or free`);
}
