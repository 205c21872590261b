/** Draws a trace for people: stamps in columns, calls indented. Spec: specs/trace.md. */

import type { Event, Trace } from "./event.ts";
import { formatEvent, formatField } from "./text.ts";

/** The head and the events that `wants` takes, one a line. */
export function showTrace(trace: Trace, wants: (event: Event) => boolean = () => true): string {
  const width = grouped(trace.events.at(-1)?.stamp ?? 0).length;
  const open: string[] = []; // calls that have a line and have not returned
  const lines = trace.events.filter(wants).map((event) => {
    if (event.kind === "return" && open.at(-1) === callOf(event)) open.pop();
    const line = `${grouped(event.stamp).padStart(width)}  ${"  ".repeat(open.length)}`;
    if (event.kind === "call") open.push(callOf(event));
    return line + drawn(event);
  });
  const head = trace.head.length > 0 ? [...trace.head, ""] : [];
  return [...head, ...lines].map((line) => `${line}\n`).join("");
}

/** Function and arguments, for a call and its return alike. */
function callOf({ fields }: Event): string {
  const [symbol, ...values] = fields.map(formatField), end = values.indexOf("=");
  return `${symbol}(${values.slice(0, end < 0 ? undefined : end).map(shortened).join(", ")})`;
}

function drawn(event: Event): string {
  if (event.kind === "call") return `call ${callOf(event)}`;
  if (event.kind !== "return") return formatEvent(event).slice(`${event.stamp} `.length);
  const end = event.fields.indexOf("=");
  return end < 0 ? callOf(event) : `${callOf(event)} = ${formatField(event.fields[end + 1])}`;
}

/** Small numbers in decimal: sizes are easier to read so. */
function shortened(field: string): string {
  return Number(field) < 0x10000 ? `${Number(field)}` : field;
}

function grouped(stamp: number): string {
  return `${stamp}`.replace(/\B(?=([0-9]{3})+$)/g, ",");
}
