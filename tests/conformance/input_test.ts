import { assertEquals, assertThrows } from "@std/assert";
import { type Action, parseScript } from "../../conformance/input.ts";
import { LocatedError } from "../../conformance/located_json.ts";

/** Conditions and deeds of a script, without places. */
function read(...lines: string[]): Pick<Action, "condition" | "deed">[] {
  return parseScript(lines.join("\n")).map(({ condition, deed }) => ({ condition, deed }));
}

Deno.test("parseScript reads every condition and every deed [INPUT-1]", () => {
  assertEquals(
    read(
      "# a script",
      "",
      '  at 1_500 type "a#\\n"   # not the first #',
      'after serial "> " send "x"',
      'after screen "ok" press Enter',
      "after idle hold ShiftLeft",
      "after idle release ShiftLeft",
      "after idle stop#",
    ),
    [
      { condition: { kind: "at", instructions: 1500 }, deed: { kind: "type", text: "a#\n" } },
      { condition: { kind: "serial", text: "> " }, deed: { kind: "send", text: "x" } },
      { condition: { kind: "screen", text: "ok" }, deed: { kind: "press", key: "Enter" } },
      { condition: { kind: "idle" }, deed: { kind: "hold", key: "ShiftLeft" } },
      { condition: { kind: "idle" }, deed: { kind: "release", key: "ShiftLeft" } },
      { condition: { kind: "idle" }, deed: { kind: "stop" } },
    ],
  );
  assertEquals(read("\r", "after idle stop\r").length, 1);
});

Deno.test("parseScript refuses a moment before an earlier one [INPUT-2]", () => {
  assertEquals(read("at 5 stop", "after idle stop", "at 5 stop").length, 3);
  const error = assertThrows(() => parseScript("at 5 stop\n\nat 4 stop"), LocatedError, "before 5");
  assertEquals(error.line, 3);
});

Deno.test("parseScript says where a line is wrong, what is expected and what is there [INPUT-4]", () => {
  const wrong: [string, string][] = [
    ["before idle stop", "at or after is expected, found before"],
    ["at noon stop", "a number of instructions is expected, such as 1500000, found noon"],
    ["at 1.5 stop", "found 1.5"],
    ["at 99999999999999999999 stop", "found 99999999999999999999"],
    ["after", "the line ends where serial or screen or idle is expected"],
    ["after key stop", "serial or screen or idle is expected, found key"],
    ["after serial > stop", "a text in quotes is expected, with JSON's escapes, found >"],
    ['after serial "" stop', 'found ""'],
    ['after serial "a\\q" stop', 'found "a\\q"'],
    ['after serial "a stop', 'a text in quotes is expected, found "a stop'],
    ["after idle", "the line ends where type or send"],
    ["after idle # stop", "the line ends where type or send"],
    ["after idle jump", "found jump"],
    ['after idle press "Enter"', "a key, such as Enter or KeyA is expected"],
    ["after idle stop now", "the line should end before now"],
  ];
  for (const [line, problem] of wrong) {
    const error = assertThrows(() => parseScript(`\n${line}`), LocatedError, problem);
    assertEquals(error.line, 2);
  }
});

Deno.test("parseScript keeps the words of an action [INPUT-5]", () => {
  const [action] = parseScript('  after  serial "#" send "x\\u0041"  # why\n');
  assertEquals(action.source, 'after  serial "#" send "x\\u0041"');
  assertEquals(parseScript(action.source)[0].deed, action.deed);
});
