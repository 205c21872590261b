/** The text form of traces: parse and format. Spec: specs/trace.md. */

import type { Event, Field, Trace } from "./event.ts";

/** The first line of every trace of this version. */
export const FIRST_LINE = "# claudeos-trace 1";

const KIND = /^[a-z][a-z0-9-]*$/;
const BARE = /^[!#-~]+$/; // TRACE-6: printable ASCII but space and quote
const STAMP = /^(0|[1-9][0-9]*)$/;
const FIELDS = / ("(?:[^"\\]|\\.)*"|[!#-~]+)/y;

/** Writes one field: a bare token as it is, a text as a JSON string. */
export function formatField(field: Field): string {
  if (typeof field !== "string") return quote(field.text);
  if (!BARE.test(field)) {
    throw new RangeError(
      `Cannot write ${JSON.stringify(field)} as a bare token: it is empty or has a space, ` +
        `a quote or a character outside ASCII; use text(...)`,
    );
  }
  return field;
}

/** JSON string with everything outside printable ASCII escaped: one spelling for each text. */
function quote(value: string): string {
  return JSON.stringify(value).replace(
    /[\u007f-\uffff]/g, // TRACE-7
    (character) => "\\u" + character.charCodeAt(0).toString(16).padStart(4, "0"),
  );
}

/** Writes one event as a line without line end. */
export function formatEvent(event: Event): string {
  if (!KIND.test(event.kind)) {
    throw new RangeError(`Cannot write an event of kind ${JSON.stringify(event.kind)}: not a word`);
  }
  return [event.stamp, event.kind, ...event.fields.map(formatField)].join(" ");
}

/** Writes a whole trace. */
export function formatTrace(trace: Trace): string {
  const head = trace.head.map((line) => line === "" ? "#" : `# ${line}`);
  return [FIRST_LINE, ...head, ...trace.events.map(formatEvent), ""].join("\n");
}

/** Reads a whole trace; a `SyntaxError` names the line and what to do about it. */
export function parseTrace(source: string): Trace {
  const lines = source.split("\n");
  if (lines[0] !== FIRST_LINE) {
    fail(1, `the first line must be "${FIRST_LINE}", found ${JSON.stringify(lines[0])}`);
  }
  if (lines.pop() !== "") fail(lines.length + 1, "the last line has no line feed at its end");
  const end = lines.findIndex((line) => !line.startsWith("#"));
  const headLines = end < 0 ? lines : lines.slice(0, end);
  const eventLines = end < 0 ? [] : lines.slice(end);
  const events = eventLines.map((line, index) => parseEvent(line, headLines.length + index + 1));
  checkOrder(events, headLines.length + 1);
  return { head: headLines.slice(1).map((line) => line.replace(/^# ?/, "")), events };
}

/** Reads one event; `line` is the line number for errors. */
export function parseEvent(source: string, line: number = 1): Event {
  if (source.startsWith("#")) fail(line, "a comment stands after the first event; move it up");
  const [stamp, kind] = source.split(" ", 2);
  if (!STAMP.test(stamp) || !Number.isSafeInteger(+stamp)) {
    fail(line, `${JSON.stringify(stamp)} is no stamp: a decimal number is expected first`);
  }
  if (kind === undefined || !KIND.test(kind)) {
    fail(line, `${JSON.stringify(kind ?? "")} is no kind: a lower-case word is expected second`);
  }
  return { stamp: +stamp, kind, fields: parseFields(source, stamp.length + 1 + kind.length, line) };
}

function parseFields(source: string, start: number, line: number): Field[] {
  const fields: Field[] = [];
  let position = start;
  while (position < source.length) {
    FIELDS.lastIndex = position;
    const match = FIELDS.exec(source);
    if (match === null) fail(line, `no field at column ${position + 1}: ${source.slice(position)}`);
    fields.push(parseField(match[1], line));
    position = FIELDS.lastIndex;
  }
  return fields;
}

function parseField(written: string, line: number): Field {
  if (!written.startsWith('"')) return written;
  try {
    return { text: JSON.parse(written) };
  } catch {
    fail(line, `${written} is no JSON string`);
  }
}

function checkOrder(events: readonly Event[], firstLine: number): void {
  for (let i = 1; i < events.length; i++) {
    if (events[i].stamp >= events[i - 1].stamp) continue;
    fail(firstLine + i, `stamp ${events[i].stamp} is before ${events[i - 1].stamp}`);
  }
}

/** Reads the number in a bare token: decimal or `0x` and lower-case hexadecimal digits. */
export function parseNumber(field: Field | undefined): number {
  if (typeof field !== "string" || !/^(0|[1-9][0-9]*|0x[0-9a-f]+)$/.test(field)) {
    throw new SyntaxError(`Cannot read ${JSON.stringify(field)} as a number: decimal or 0x-hex`);
  }
  return Number(field);
}

/** The value of a `name: value` line of the head. */
export function headValue(trace: Trace, name: string): string | undefined {
  const line = trace.head.find((line) => line.startsWith(`${name}: `));
  return line?.slice(name.length + 2);
}

function fail(line: number, problem: string): never {
  throw new SyntaxError(`Cannot read the trace at line ${line}: ${problem}`);
}
