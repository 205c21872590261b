/** Compares traces and shows the first divergence. Spec: specs/trace.md. */

import type { Event, Trace } from "./event.ts";
import { formatEvent } from "./text.ts";

/** Where two traces part. */
export interface Divergence {
  /** The index of the first event that differs, from 0. */
  readonly index: number;
  /** Clauses named by the last note or stage before it. */
  readonly clauses: readonly string[];
  /** Lines that both traces have just before. */
  readonly before: readonly string[];
  /** The expected lines from the divergence on; empty when the expectation ends here. */
  readonly expected: readonly string[];
  /** The actual lines from the divergence on; empty when the actual trace ends here. */
  readonly actual: readonly string[];
}

/**
 * Finds the first event that differs, with `context` lines of both sides.
 * Heads are not compared. Returns `undefined` when all events are equal.
 */
export function compareTraces(
  expected: Trace,
  actual: Trace,
  context: number = 3,
): Divergence | undefined {
  const index = firstDifference(expected.events, actual.events);
  if (index < 0) return undefined;
  const lines = (events: readonly Event[], from: number, to: number): string[] =>
    events.slice(Math.max(from, 0), to).map(formatEvent);
  return {
    index,
    clauses: clausesBefore(expected.events, index),
    before: lines(expected.events, index - context, index),
    expected: lines(expected.events, index, index + 1 + context),
    actual: lines(actual.events, index, index + 1 + context),
  };
}

function firstDifference(expected: readonly Event[], actual: readonly Event[]): number {
  const count = Math.max(expected.length, actual.length);
  for (let i = 0; i < count; i++) {
    if (i >= expected.length || i >= actual.length) return i;
    if (formatEvent(expected[i]) !== formatEvent(actual[i])) return i;
  }
  return -1;
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
  const side = (sign: string, lines: readonly string[]): string[] =>
    lines.length === 0 ? [`${sign} (the trace ends here)`] : lines.map((line) => `${sign} ${line}`);
  const clauses = divergence.clauses.length === 0 ? "" : ` [${divergence.clauses.join(", ")}]`;
  return [
    `The traces differ at event ${divergence.index + 1}${clauses}:`,
    ...divergence.before.map((line) => `  ${line}`),
    ...side("-", divergence.expected),
    ...side("+", divergence.actual),
  ].join("\n");
}
