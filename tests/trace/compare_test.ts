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
