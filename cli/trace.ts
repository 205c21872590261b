/** Records, checks, compares and shows traces: `deno task trace COMMAND`. */
import {
  chosen,
  DEFAULT_EVENTS,
  type EventChoice,
  parseEvents,
} from "../conformance/event_list.ts";
import { type Action, parseScript } from "../conformance/input.ts";
import { LocatedError } from "../conformance/located_json.ts";
import { type Recording, recordTrace, symbolOf } from "../conformance/recording.ts";
import { defaultSettings, HeadError, type Settings } from "../conformance/settings.ts";
import {
  checkTrace,
  formatDifference,
  lineOf,
  type TraceDifference,
} from "../conformance/trace_check.ts";
import { ImageError } from "../machine/elf.ts";
import { describeStop } from "../machine/stop.ts";
import { compareTraces, type Divergence, divergenceLines } from "../trace/compare.ts";
import type { Trace } from "../trace/event.ts";
import { showTrace } from "../trace/show.ts";
import { formatTrace, parseTrace } from "../trace/text.ts";
import { readFile, readText, writeWhole } from "./files.ts";
import { UsageError } from "./options.ts";
import { print } from "./output.ts";
import { USAGE } from "./report.ts";
import {
  parseTraceOptions,
  type TraceCommand,
  traceHelp,
  type TraceOptions,
} from "./trace_options.ts";

const EQUAL = 0, DIFFERENT = 1;
/** Events that a trace may have: more are a mistake. */
const MOST_EVENTS = 2_000_000;

const commands: Readonly<Record<TraceCommand, (options: TraceOptions) => number>> = {
  record,
  check,
  diff,
  show,
};

/** Runs `trace` with its arguments; the exit code. Bad input is told in one line. */
export function trace([name, ...args]: readonly string[]): number {
  try {
    if (isCommand(name)) return carryOut(name, parseTraceOptions(name, args));
    const asked = ["help", "--help", "-h"].includes(name);
    print(asked ? Deno.stdout : Deno.stderr, asked ? traceHelp.trace : unknown(name));
    return asked ? EQUAL : USAGE;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    print(Deno.stderr, `${error.message}\n`);
    return USAGE;
  }
}

function isCommand(name: string | undefined): name is TraceCommand {
  return name !== undefined && Object.hasOwn(commands, name);
}

function unknown(name: string | undefined): string {
  if (name === undefined) return traceHelp.trace;
  const names = Object.keys(commands).join(", ");
  return `Cannot run trace ${name}: give ${names}, or --help\n`;
}

function carryOut(name: TraceCommand, options: TraceOptions): number {
  if (!options.help) return commands[name](options);
  print(Deno.stdout, traceHelp[name]);
  return EQUAL;
}

// ---- the commands

function record(options: TraceOptions): number {
  const { files: [path], output, input } = options;
  if (output === undefined) {
    throw new UsageError("Cannot record: no file is given for it (-o FILE)");
  }
  if (isSameFile(output, path)) throw new UsageError(`Cannot write ${output}: it is the image`);
  const image = readFile(path, `Cannot record ${path}`);
  const settings = toSettings(options, path);
  const recording = guarded({ image: path, script: input, trace: undefined }, () => {
    const recording = recordTrace(image, baseName(path), settings, MOST_EVENTS);
    checkComplete(recording, settings);
    return recording;
  });
  const text = formatTrace(recording.trace);
  if (output === "-") print(Deno.stdout, text);
  else writeWhole(output, text);
  const { trace: { events }, stop } = recording;
  const end = `${describeStop(stop)} after ${stop.instructions} instructions`;
  print(Deno.stderr, `${events.length} events; ${end}\n`);
  return EQUAL;
}

function check(options: TraceOptions): number {
  const { files: [path, file], input, timing } = options;
  const image = readFile(path, `Cannot check ${path}`), golden = readTrace(file);
  const changes: Partial<Settings> = {
    ...(input === undefined ? {} : { input: readScript(input) }),
    ...(timing === undefined ? {} : { timing }),
  };
  const difference = guarded(
    { image: path, script: input, trace: file },
    () => checkTrace(image, golden, changes),
  );
  if (options.json) print(Deno.stdout, checkJson(difference, golden));
  else if (difference) print(Deno.stdout, `${formatDifference(difference, path, file)}\n`);
  else print(Deno.stdout, `${path} does what ${file} says: ${golden.events.length} events\n`);
  return difference ? DIFFERENT : EQUAL;
}

function diff({ files: [a, b], json, timing }: TraceOptions): number {
  const left = readTrace(a), right = readTrace(b);
  const divergence = compareTraces(left, right, 3, timing);
  if (json) print(Deno.stdout, diffJson(divergence, left, right));
  else if (divergence) print(Deno.stdout, diffReport(divergence, [a, b], [left, right]));
  else print(Deno.stdout, `${a} and ${b} have the same ${left.events.length} events\n`);
  return divergence ? DIFFERENT : EQUAL;
}

function show({ files: [file], events }: TraceOptions): number {
  const choice = events === undefined ? undefined : choiceOf(events), golden = readTrace(file);
  const wants = (event: Trace["events"][number]): boolean =>
    choice === undefined || chosen(choice, event.kind, symbolOf(event) ?? "");
  print(Deno.stdout, showTrace(golden, wants));
  return EQUAL;
}

// ---- what they print

function checkJson(difference: TraceDifference | undefined, golden: Trace): string {
  if (!difference) return `${JSON.stringify({ equal: true, events: golden.events.length })}\n`;
  const { divergence: { index, what, before, expected, actual }, line, clauses, places } =
    difference;
  const event = index + 1;
  return `${
    JSON.stringify({ equal: false, line, event, clauses, what, before, expected, actual, places })
  }\n`;
}

function diffJson(divergence: Divergence | undefined, left: Trace, right: Trace): string {
  if (!divergence) return `${JSON.stringify({ equal: true, events: left.events.length })}\n`;
  const { index, clauses, what, before, expected, actual } = divergence;
  const lines = [lineOf(left, index), lineOf(right, index)], event = index + 1;
  return `${
    JSON.stringify({ equal: false, lines, event, clauses, what, before, expected, actual })
  }\n`;
}

function diffReport(divergence: Divergence, names: string[], traces: Trace[]): string {
  const [left, right] = traces.map((trace, i) => `${names[i]}:${lineOf(trace, divergence.index)}`);
  const { index, clauses, what } = divergence;
  const touched = clauses.length === 0 ? "" : ` [${clauses.join(", ")}]`;
  const lines = [
    `${left} and ${right} differ, event ${index + 1}${touched}: ${what}`,
    ...divergenceLines(divergence).map((line) => `  ${line}`),
  ];
  return lines.map((line) => `${line}\n`).join("");
}

// ---- what they are given

function toSettings(options: TraceOptions, path: string): Settings {
  const { events = DEFAULT_EVENTS, ramBytes, budget, rest, timing, append, ram, lineRate, input } =
    options;
  choiceOf(events);
  const name = baseName(path);
  return {
    events,
    ramBytes: ramBytes ?? defaultSettings.ramBytes,
    commandLine: append === undefined ? name : `${name} ${append}`,
    budget: budget ?? defaultSettings.budget,
    rest: rest ?? defaultSettings.rest,
    timing: timing ?? defaultSettings.timing,
    ...{ ram, lineRate },
    input: input === undefined ? [] : readScript(input),
  };
}

function choiceOf(events: string): EventChoice {
  try {
    return parseEvents(events);
  } catch (error) {
    if (error instanceof SyntaxError) throw new UsageError(`Cannot use --events: ${error.message}`);
    throw error;
  }
}

function readScript(path: string): Action[] {
  const source = readText(path, `Cannot use ${path}`);
  return guarded({ image: "", script: path, trace: undefined }, () => parseScript(source));
}

function readTrace(path: string): Trace {
  const source = readText(path, `Cannot use ${path}`);
  try {
    return parseTrace(source);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    const [, line, problem] = /^Cannot read the trace at line (\d+): (.*)$/s.exec(error.message) ??
      [undefined, "1", error.message];
    throw new UsageError(`Cannot use ${path}:${line}: ${problem}`);
  }
}

/** The files that errors may be about. */
interface Blame {
  readonly image: string;
  /** The script, if it is a file of its own. */
  readonly script: string | undefined;
  readonly trace: string | undefined;
}

/** Does `work`; what is wrong with its input becomes a line with file and line number. */
function guarded<T>({ image, script, trace }: Blame, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof LocatedError) {
      throw new UsageError(`Cannot use ${script ?? trace}:${error.line}: ${error.message}`);
    }
    if (error instanceof HeadError) {
      throw new UsageError(`Cannot use ${trace}:${error.line}: ${error.message}`);
    }
    if (error instanceof ImageError || error instanceof SyntaxError) {
      throw new UsageError(`Cannot record ${image}: ${error.message}`);
    }
    throw error;
  }
}

function checkComplete({ full, missed, stop }: Recording, { input }: Settings): void {
  if (full) {
    throw new SyntaxError(
      `more than ${MOST_EVENTS} events up to instruction ${stop.instructions}: choose fewer ` +
        `kinds with --events, or a smaller --budget`,
    );
  }
  if (missed === undefined) return;
  const { action, why } = missed, left = input.length - input.indexOf(action);
  throw new LocatedError(action.line, `${action.source} is never done: ${why}; ${left} left`);
}

function isSameFile(output: string, image: string): boolean {
  try {
    return Deno.realPathSync(output) === Deno.realPathSync(image);
  } catch {
    return false; // one of them is not there
  }
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

if (import.meta.main) Deno.exit(trace(Deno.args));
