/** Records a kernel again as its trace's head says, and compares. Spec: specs/conformance/trace_check.md. */
import type { Machine } from "../machine/machine.ts";
import { compareTraces, type Divergence, divergenceLines } from "../trace/compare.ts";
import { formatEvent, headValue, parseTrace } from "../trace/text.ts";
import type { Trace } from "../trace/event.ts";
import { readSourceLines } from "./source_lines.ts";
import { type Recording, recordTrace } from "./recording.ts";
import { readHead, type Settings } from "./settings.ts";
import { touchedClauses } from "./touched.ts";

/** Events by which a kernel may outrun its trace before it is stopped. */
const SPARE_EVENTS = 100;
const MOST_FRAMES = 16;

/** Where the processor was. */
export interface TracePlace {
  /** Linear address of the instruction. */
  readonly address: number;
  /** The same as `function+offset`. */
  readonly text: string;
  /** `file:line`, where the image has line information. */
  readonly source: string | undefined;
}

/** Where a kernel leaves its trace. */
export interface TraceDifference {
  /** The difference. */
  readonly divergence: Divergence;
  /** The line of the trace's file, from 1, that differs; one past its end if it ends there. */
  readonly line: number;
  /** The clauses that it touches, as far as they are known. */
  readonly clauses: readonly string[];
  /** Where the kernel was at its differing event, the innermost function first; empty at its end. */
  readonly places: readonly TracePlace[];
}

/**
 * Records `image` with the settings in the head of `golden`, changed by `changes`, and compares;
 * undefined if all is equal. Throws a SyntaxError for a `golden` that is no trace, a `HeadError` for
 * a head that cannot be followed, and what {@link recordTrace} throws.
 */
export function checkTrace(
  image: Uint8Array,
  golden: string | Trace,
  changes: Partial<Settings> = {},
): TraceDifference | undefined {
  const expected = typeof golden === "string" ? parseTrace(golden) : golden;
  const settings = { ...readHead(expected), ...changes };
  const subject = headValue(expected, "subject") ?? "";
  const again = (most: number): Recording => recordTrace(image, subject, settings, most);
  const { trace } = again(expected.events.length + SPARE_EVENTS);
  const divergence = compareTraces(expected, trace, 3, settings.timing);
  if (divergence === undefined) return undefined;
  const { index } = divergence, event = trace.events[index];
  const recording = event && again(index + 1); // stops in that very moment
  const places = recording ? backtrace(image, recording) : [];
  const line = lineOf(expected, index);
  const clauses = clausesOf(divergence, expected, trace, places, recording?.machine);
  return { divergence, line, clauses, places };
}

/** The line of a trace's file that an event stands in, from 1. */
export function lineOf({ head }: Trace, index: number): number {
  return head.length + 2 + index;
}

/** TRACE-CHECK-3: of the expected event, else of the actual one, else of the last note. */
function clausesOf(
  divergence: Divergence,
  expected: Trace,
  actual: Trace,
  places: readonly TracePlace[],
  machine: Machine | undefined,
): readonly string[] {
  const { index } = divergence, sides = [expected.events[index], actual.events[index]];
  const [wanted, found] = sides.map((event) => event && formatEvent({ ...event, stamp: 0 }));
  if (wanted === found) return []; // only its moment differs
  const symbols = places.map(({ text }) => text.split("+")[0]);
  const has = (symbol: string): boolean => machine?.symbols.find(symbol) !== undefined;
  for (const event of sides) {
    const clauses = event ? touchedClauses(event, symbols, has) : [];
    if (clauses.length > 0) return clauses;
  }
  return divergence.clauses;
}

/** TRACE-CHECK-4: the place of the last event, and the callers. */
function backtrace(image: Uint8Array, { machine, places }: Recording): TracePlace[] {
  const sourceOf = readSourceLines(image);
  const place = (address: number, called: boolean): TracePlace => ({
    address,
    text: machine.describe(address),
    source: sourceOf(called ? address - 1 : address),
  });
  const found = [place(places.at(-1)!, false)], caller = callerOfLeaf(machine);
  if (caller !== undefined) found.push(place(caller, true));
  for (let frame = machine.registers.ebp; found.length < MOST_FRAMES;) {
    const outer = machine.readWord(frame), back = machine.readWord(frame + 4);
    if (back === undefined || outer === undefined || machine.symbols.at(back) === undefined) break;
    found.push(place(back, true));
    if (outer <= frame) break;
    frame = outer;
  }
  return found;
}

const CALL = 0xe8, CALL_BYTES = 5; // with a displacement of 32 bits

/** Where a function without a frame returns to: its return address is at ESP, behind a call of it. */
function callerOfLeaf(machine: Machine): number | undefined {
  const back = machine.readWord(machine.registers.esp) ?? 0;
  const call = machine.readBytes(back - CALL_BYTES >>> 0, CALL_BYTES);
  if (call.length < CALL_BYTES || call[0] !== CALL) return undefined;
  const target = back + new DataView(call.buffer).getInt32(1, true) >>> 0;
  return machine.symbols.at(machine.currentAddress)?.symbol.address === target ? back : undefined;
}

/** The report for people; `kernel` and `file` are the names that it uses. */
export function formatDifference(
  { divergence, line, clauses, places }: TraceDifference,
  kernel: string,
  file: string,
): string {
  const touched = clauses.length === 0 ? "" : ` [${clauses.join(", ")}]`;
  return [
    `${kernel} leaves ${file} at line ${line}, event ${divergence.index + 1}${touched}: ` +
    divergence.what,
    ...divergenceLines(divergence).map((text) => `  ${text}`),
    ...placeLines(places),
  ].join("\n");
}

function placeLines(places: readonly TracePlace[]): string[] {
  return places.map(({ address, text, source }, index) => {
    const lead = index === 0 ? "at" : "called from";
    const hex = `0x${address.toString(16).padStart(8, "0")}`;
    const named = text === hex ? hex : `${text} (${hex})`;
    return `${lead} ${named}${source === undefined ? "" : `, ${source}`}`;
  });
}
