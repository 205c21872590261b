import { assertEquals, assertThrows } from "@std/assert";
import {
  formatEvent,
  formatField,
  formatTrace,
  headValue,
  parseEvent,
  parseNumber,
  parseTrace,
} from "../../trace/text.ts";

const FIRST = "# claudeos-trace 1\n";

Deno.test("parseTrace refuses another first line and shows it [TRACE-1]", () => {
  assertThrows(
    () => parseTrace("# other 2\n"),
    SyntaxError,
    'line 1: the first line must be "# cl',
  );
  assertThrows(() => parseTrace("# other 2\n"), SyntaxError, 'found "# other 2"');
  assertThrows(() => parseTrace(""), SyntaxError, 'found ""');
  assertEquals(parseTrace(FIRST), { head: [], events: [] });
});

Deno.test("parseTrace reads named values from the head [TRACE-2]", () => {
  const trace = parseTrace(FIRST + "# subject: devices/pit\n#\n# free words\n0 advance\n");
  assertEquals(trace.head, ["subject: devices/pit", "", "free words"]);
  assertEquals(headValue(trace, "subject"), "devices/pit");
  assertEquals(headValue(trace, "origin"), undefined);
});

Deno.test("parseTrace refuses a comment after the first event [TRACE-3]", () => {
  assertThrows(() => parseTrace(FIRST + "0 advance\n# late\n"), SyntaxError, "line 3: a comment");
});

Deno.test("parseTrace refuses text whose last line has no line feed [TRACE-4]", () => {
  assertThrows(() => parseTrace(FIRST + "0 advance"), SyntaxError, "line 2: the last line has no");
});

Deno.test("parseTrace refuses a stamp below the one before [TRACE-5]", () => {
  assertEquals(parseTrace(FIRST + "5 advance\n5 advance\n9 advance\n").events.length, 3);
  assertThrows(
    () => parseTrace(FIRST + "5 advance\n4 advance\n"),
    SyntaxError,
    "line 3: stamp 4 is before 5",
  );
});

Deno.test("parseEvent refuses what the grammar does not have, naming line and column [TRACE-8]", () => {
  const cases: [string, string][] = [
    ["", '"" is no stamp'],
    ["-1 in", '"-1" is no stamp'],
    ["01 in", '"01" is no stamp'],
    ["9007199254740992 in", "is no stamp"],
    ["0", '"" is no kind'],
    ["0 In", '"In" is no kind'],
    ["0 in  a", "no field at column 5"],
    ["0 in ", "no field at column 5"],
    ["0 in a ä", "no field at column 7"],
    ['0 in "a', "no field at column 5"],
    ['0 in "\\x"', "is no JSON string"],
  ];
  for (const [line, message] of cases) {
    assertThrows(() => parseEvent(line, 7), SyntaxError, `at line 7: `, line);
    assertThrows(() => parseEvent(line, 7), SyntaxError, message, line);
  }
});

Deno.test("formatField writes a bare token as it is, and refuses what is none [TRACE-6]", () => {
  assertEquals(formatField("0x40"), "0x40");
  assertEquals(formatField({ text: "word" }), '"word"');
  for (const bad of ["", "a b", 'a"b', "ä", "\n"]) {
    assertThrows(() => formatField(bad), RangeError, "as a bare token");
  }
});

Deno.test("formatField escapes everything outside printable ASCII [TRACE-7]", () => {
  assertEquals(
    formatField({ text: 'a"\\\n\t\x01\x7fä☺' }),
    '"a\\"\\\\\\n\\t\\u0001\\u007f\\u00e4\\u263a"',
  );
  assertEquals(parseEvent('0 note "\\u00e4"').fields, [{ text: "ä" }]);
});

Deno.test("formatEvent refuses a kind that is no word [TRACE-8]", () => {
  assertThrows(() => formatEvent({ stamp: 0, kind: "a b", fields: [] }), RangeError, '"a b"');
});

Deno.test("formatTrace gives back what parseTrace read [TRACE-8]", () => {
  const source = FIRST +
    '# subject: x\n#\n0 in 0x40 = 0xff\n12 serial com1 "a \\"b\\""\n12 advance\n';
  const trace = parseTrace(source);
  assertEquals(trace.events[1], { stamp: 12, kind: "serial", fields: ["com1", { text: 'a "b"' }] });
  assertEquals(formatTrace(trace), source);
});

Deno.test("parseNumber reads decimal and lower-case hexadecimal, nothing else [TRACE-8]", () => {
  assertEquals([parseNumber("0"), parseNumber("84"), parseNumber("0xff")], [0, 84, 255]);
  for (const bad of ["", "0xFF", "1e3", "012", "-1", { text: "1" }, undefined]) {
    assertThrows(() => parseNumber(bad), SyntaxError, "as a number");
  }
});
