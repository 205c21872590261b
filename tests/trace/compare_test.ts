import { assertEquals } from "@std/assert";
import { compareTraces, formatDivergence } from "../../trace/compare.ts";
import { parseTrace } from "../../trace/text.ts";

const trace = (...lines: string[]) => parseTrace(["# claudeos-trace 1", ...lines, ""].join("\n"));

const expected = trace(
  "# origin: here",
  '0 note "zero means 65536 [PIT-6]"',
  "0 out 0 0",
  "1 in 0 = 0x00",
  "2 advance",
);

Deno.test("compareTraces finds no divergence in equal events, whatever the heads [TRACE-12]", () => {
  const actual = { head: ["origin: there"], events: expected.events };
  assertEquals(compareTraces(expected, actual), undefined);
});

Deno.test("compareTraces shows the first difference, its context and clause [TRACE-12]", () => {
  const actual = trace(
    '0 note "zero means 65536 [PIT-6]"',
    "0 out 0 0",
    "1 in 0 = 0x01",
    "2 advance",
  );
  assertEquals(compareTraces(expected, actual, 1), {
    index: 2,
    clauses: ["PIT-6"],
    what: "in: the result is 0x01, not 0x00",
    before: ["0 out 0 0"],
    expected: ["1 in 0 = 0x00", "2 advance"],
    actual: ["1 in 0 = 0x01", "2 advance"],
  });
});

Deno.test("compareTraces finds where a trace ends early [TRACE-13]", () => {
  const short = { head: [], events: expected.events.slice(0, 3) };
  assertEquals(compareTraces(expected, short)?.index, 3);
  assertEquals(compareTraces(expected, short)?.actual, []);
  assertEquals(compareTraces(short, expected)?.expected, []);
  assertEquals(compareTraces(short, expected)?.clauses, ["PIT-6"]);
});

Deno.test("formatDivergence draws both sides [TRACE-12]", () => {
  const short = { head: [], events: expected.events.slice(0, 3) };
  assertEquals(
    formatDivergence(compareTraces(expected, short, 1)!),
    "The traces differ at event 4 [PIT-6]:\n" +
      "  1 in 0 = 0x00\n" +
      "- 2 advance\n" +
      "+ (the trace ends here)",
  );
});

Deno.test("compareTraces leaves stamps out of account if timing is free [TRACE-17]", () => {
  const later = { ...expected, events: expected.events.map((e) => ({ ...e, stamp: e.stamp + 9 })) };
  assertEquals(compareTraces(expected, later)?.index, 0);
  assertEquals(compareTraces(expected, later, 3, "free"), undefined);
});

Deno.test("compareTraces says in words what differs [TRACE-16]", () => {
  const words: [string, string, string][] = [
    ["5 return f 0x01 = 0x02", "5 return f 0x01 = 0x03", "return: the result is 0x03, not 0x02"],
    ['5 serial com1 "a b"', '5 serial com1 "a c"', 'serial: the line is "a c", not "a b"'],
    ["5 call f 0x01", "5 call f", "call: argument 1 is missing, not 0x01"],
    ["5 line int 1", "5 line int 0", "line: field 2 is 0, not 1"],
    ["5 call f", "5 call f 0x01", "call has more fields than expected"],
    ["5 call f", "9 call f", "call comes too late by 4"],
    ["5 call f", "2 call f", "call comes too early by 3"],
    ["5 call f", "5 stop idle", "stop comes instead of call"],
  ];
  for (const [wanted, found, what] of words) {
    assertEquals(compareTraces(trace(wanted), trace(found))?.what, what);
  }
  assertEquals(compareTraces(trace("5 call f"), trace())?.what, "it ends where call is expected");
  assertEquals(compareTraces(trace(), trace("5 call f"))?.what, "there is one more event, call");
});
