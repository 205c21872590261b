/**
 * With what a trace is recorded, and how its head says so, so that a check can do the same.
 * Spec: specs/conformance/settings.md.
 */
import { type BootOptions, DEFAULT_RAM } from "../machine/boot.ts";
import type { Trace } from "../trace/event.ts";
import { DEFAULT_EVENTS, parseEvents } from "./event_list.ts";
import { type Action, parseScript } from "./input.ts";
import { LocatedError } from "./located_json.ts";

/** How a trace is recorded. */
export interface Settings {
  /** What is recorded: see {@link parseEvents}. */
  readonly events: string;
  /** Bytes of RAM. */
  readonly ramBytes: number;
  /** The kernel's command line. */
  readonly commandLine: string;
  /** Instructions after which the recording ends. */
  readonly budget: number;
  /** Virtual milliseconds of rest after which the kernel counts as waiting for input. */
  readonly rest: number;
  /** Whether stamps are compared: `exact`, or `free` for traces that outlive a recompilation. */
  readonly timing: "exact" | "free";
  /** What RAM begins with: zeros, or the pattern of a seed. */
  readonly ram: "zeros" | number | undefined;
  /** Serial characters take the time of the programmed rate. */
  readonly lineRate: boolean;
  /** The input. */
  readonly input: readonly Action[];
}

/** Where nothing else is said. */
export const defaultSettings: Settings = {
  events: DEFAULT_EVENTS,
  ramBytes: DEFAULT_RAM,
  commandLine: "",
  budget: 100_000_000,
  rest: 1000,
  timing: "exact",
  ram: undefined,
  lineRate: false,
  input: [],
};

/** A trace whose head cannot be followed; the message is one line. */
export class HeadError extends Error {
  /** The class's name. */
  override readonly name = "HeadError";
  /** The line's number in the trace, from 1. */
  readonly line: number;

  /** A `problem` in a line. */
  constructor(line: number, problem: string) {
    super(problem);
    this.line = line;
  }
}

/** How the machine is equipped for a recording. */
export function bootOptions({ ramBytes, commandLine, ram, lineRate }: Settings): BootOptions {
  const seed = typeof ram === "number" ? ram : undefined;
  return { ramBytes, commandLine, zeroRam: ram === "zeros", seed, lineRate };
}

const MEGABYTE = 0x100000;

/** A named line of the head. */
interface HeadLine {
  write(settings: Settings): string | undefined;
  read(value: string): Partial<Settings>;
}

/** SETTINGS-1: the lines, in their order. */
const headLines: Readonly<Record<string, HeadLine>> = {
  events: {
    write: ({ events }) => events,
    read: (value) => {
      parseEvents(value);
      return { events: value };
    },
  },
  memory: {
    write: ({ ramBytes }) => `${ramBytes / MEGABYTE}M`,
    read: (value) => ({ ramBytes: memorySize(value) }),
  },
  "command-line": {
    write: ({ commandLine }) => commandLine === "" ? undefined : commandLine,
    read: (commandLine) => ({ commandLine }),
  },
  ram: {
    write: ({ ram }) => ram === undefined ? undefined : ram === "zeros" ? ram : `seed ${ram}`,
    read: (value) => ({
      ram: value === "zeros" ? value : number(/^seed ([0-9]+)$/.exec(value)?.[1], value),
    }),
  },
  "serial-rate": {
    write: ({ lineRate }) => lineRate ? "programmed" : undefined,
    read: (value) => ({ lineRate: oneOf(value, "programmed", "fast") === "programmed" }),
  },
  budget: {
    write: ({ budget }) => `${budget}`,
    read: (value) => ({ budget: number(value, value) }),
  },
  rest: {
    write: ({ rest }) => `${rest}`,
    read: (value) => ({ rest: number(value, value) }),
  },
  timing: {
    write: ({ timing }) => timing,
    read: (value) => ({ timing: oneOf(value, "exact", "free") }),
  },
};

/** `text` as a number without fraction; the error shows `value`. */
function number(text: string | undefined, value: string): number {
  const result = Number(text);
  if (/^[0-9]+$/.test(text ?? "") && Number.isSafeInteger(result)) return result;
  throw new SyntaxError(`${value} is not what is expected here`);
}

/** RAM as the machine can have it. */
function memorySize(value: string): number {
  const bytes = Number(/^([0-9.]+)M$/.exec(value)?.[1]) * MEGABYTE;
  if (bytes >= 2 * MEGABYTE && bytes <= 1024 * MEGABYTE && bytes % 0x10000 === 0) return bytes;
  throw new SyntaxError(`${value} is no size of memory: 2M to 1024M, in steps of 64 KB`);
}

function oneOf<T extends string>(value: string, ...allowed: T[]): T {
  const found = allowed.find((one) => one === value);
  if (found !== undefined) return found;
  throw new SyntaxError(`${value} is not ${allowed.join(" or ")}`);
}

/** The head of a recording of `subject`, from `origin`. */
export function writeHead(subject: string, settings: Settings): string[] {
  const lines = [`subject: ${subject}`, "origin: recorded from this machine only"];
  for (const [name, { write }] of Object.entries(headLines)) {
    const value = write(settings);
    if (value !== undefined) lines.push(`${name}: ${value}`);
  }
  return [...lines, ...settings.input.map(({ source }) => `input: ${source}`)];
}

/** The settings in a trace's head; a {@link HeadError} where they are missing or wrong. */
export function readHead(trace: Trace): Settings {
  let settings: Settings = defaultSettings;
  const script: string[] = trace.head.map(() => "");
  let known = false;
  trace.head.forEach((text, index) => {
    const [, name, value] = /^([a-z-]+): (.*)$/.exec(text) ?? [];
    if (name === "input") script[index] = value;
    if (!Object.hasOwn(headLines, name ?? "")) return;
    known ||= name === "events";
    settings = { ...settings, ...inLine(index + 2, () => headLines[name].read(value)) };
  });
  if (!known) {
    throw new HeadError(1, "its head has no line `# events: ...`, so nobody can record it again");
  }
  return { ...settings, input: inLine(0, () => parseScript(`\n${script.join("\n")}`)) };
}

/** SETTINGS-3: errors name the trace's line. */
function inLine<T>(line: number, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof LocatedError) throw new HeadError(error.line, error.message);
    if (error instanceof SyntaxError) throw new HeadError(line, error.message);
    throw error;
  }
}
