/** Compares traces and shows the first divergence. Spec: specs/trace.md. */

import type { Event, Trace } from "./event.ts";
import { formatEvent, formatField } from "./text.ts";

/** Where two traces part. */
export interface Divergence {
  /** The index of the first event that differs, from 0. */
  readonly index: number;
  /** Clauses named by the last note or stage before it. */
  readonly clauses: readonly string[];
  /** The difference in words. */
  readonly what: string;
  /** Lines that both traces have just before. */
  readonly before: readonly string[];
  /** The expected lines from the divergence on; empty when the expectation ends here. */
  readonly expected: readonly string[];
  /** The actual lines from the divergence on; empty when the actual trace ends here. */
  readonly actual: readonly string[];
}

/**
 * Finds the first event that differs, with `context` lines of both sides. Heads are not compared, nor
 * stamps if `timing` is `free`. Returns `undefined` when all events are equal.
 */
export function compareTraces(
  expected: Trace,
  actual: Trace,
  context: number = 3,
  timing: "exact" | "free" = "exact",
): Divergence | undefined {
  const written = timing === "exact" ? formatEvent : withoutStamp;
  const index = firstDifference(expected.events, actual.events, written);
  if (index < 0) return undefined;
  const lines = (events: readonly Event[], from: number, to: number): string[] =>
    events.slice(Math.max(from, 0), to).map(formatEvent);
  return {
    index,
    clauses: clausesBefore(expected.events, index),
    what: explain(expected.events[index], actual.events[index]),
    before: lines(expected.events, index - context, index),
    expected: lines(expected.events, index, index + 1 + context),
    actual: lines(actual.events, index, index + 1 + context),
  };
}

function withoutStamp(event: Event): string {
  return formatEvent({ ...event, stamp: 0 });
}

function firstDifference(
  expected: readonly Event[],
  actual: readonly Event[],
  written: (event: Event) => string,
): number {
  const count = Math.max(expected.length, actual.length);
  for (let i = 0; i < count; i++) {
    if (i >= expected.length || i >= actual.length) return i;
    if (written(expected[i]) !== written(actual[i])) return i;
  }
  return -1;
}

/** TRACE-16: what differs, in words. */
function explain(expected: Event | undefined, actual: Event | undefined): string {
  if (expected === undefined) return `there is one more event, ${actual?.kind}`;
  if (actual === undefined) return `it ends where ${expected.kind} is expected`;
  if (expected.kind !== actual.kind) return `${actual.kind} comes instead of ${expected.kind}`;
  const [wanted, found] = [expected, actual].map(({ fields }) => fields.map(formatField));
  const at = wanted.findIndex((field, index) => field !== found[index]);
  if (at < 0) return lateness(expected, actual, found.length - wanted.length);
  return `${expected.kind}: ${fieldName(expected.kind, wanted, at)} is ${
    found[at] ?? "missing"
  }, not ${wanted[at]}`;
}

/** Names of fields, for kinds with few; the specification's table has them all. */
const fieldNames: Readonly<Record<string, readonly string[]>> = {
  serial: ["the port", "the line"],
  screen: ["the row", "the text", "the colours"],
  cursor: ["the row", "the column"],
  call: ["the function"],
  return: ["the function"],
  memory: ["the source", "the subject", "the total", "what is free", "what is used"],
  control: ["the register", "the value"],
  interrupt: ["the vector", "the source", "the address"],
  exception: ["the vector", "the address"],
  mapping: ["the address", "the length", "the physical address", "the rights"],
  block: ["the address", "the size", "the use"],
  stop: ["the reason", "the code"],
};

function fieldName(kind: string, fields: readonly string[], at: number): string {
  if (fields[at - 1] === "=") return "the result";
  const name = fieldNames[kind]?.[at];
  if (name !== undefined) return name;
  return kind === "call" || kind === "return" ? `argument ${at}` : `field ${at + 1}`;
}

function lateness(expected: Event, actual: Event, moreFields: number): string {
  if (moreFields > 0) return `${expected.kind} has more fields than expected`;
  const late = actual.stamp - expected.stamp;
  return `${expected.kind} comes too ${late > 0 ? "late" : "early"} by ${Math.abs(late)}`;
}

/** The clauses in brackets of the nearest earlier text that names any: TRACE-12. */
function clausesBefore(events: readonly Event[], index: number): string[] {
  for (let i = Math.min(index, events.length - 1); i >= 0; i--) {
    if (events[i].kind !== "note" && events[i].kind !== "stage") continue;
    const clauses = formatEvent(events[i]).match(/[A-Z][A-Z0-9]*-[0-9]+/g);
    if (clauses !== null) return clauses;
  }
  return [];
}

/** Draws a divergence for people: common lines, then `-` expected and `+` actual. */
export function formatDivergence(divergence: Divergence): string {
  const clauses = divergence.clauses.length === 0 ? "" : ` [${divergence.clauses.join(", ")}]`;
  return [
    `The traces differ at event ${divergence.index + 1}${clauses}:`,
    ...divergenceLines(divergence),
  ].join("\n");
}

/** The lines of both sides alone: common ones, then `-` expected and `+` actual. */
export function divergenceLines({ before, expected, actual }: Divergence): string[] {
  const side = (sign: string, lines: readonly string[]): string[] =>
    lines.length === 0 ? [`${sign} (the trace ends here)`] : lines.map((line) => `${sign} ${line}`);
  return [...before.map((line) => `  ${line}`), ...side("-", expected), ...side("+", actual)];
}
