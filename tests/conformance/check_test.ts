import { assertEquals, assertThrows } from "@std/assert";
import { expect, expectSame, Failure, printed, Skip } from "../../conformance/check.ts";
import { checks } from "../../conformance/checks/all.ts";
import { clauses } from "../../conformance/clauses.ts";
import { freshSubject } from "./kernels.ts";

Deno.test("A failure has expectation, observation, calls and clauses [CHECK-1]", () => {
  const subject = freshSubject();
  const address = subject.call("kmalloc", 16);
  const failure = assertThrows(
    () => expectSame(subject, "the result", address, 0, ["HEAP-4"]),
    Failure,
  );
  assertEquals(failure.expected, "the result 0");
  assertEquals(failure.seen, `the result ${printed(address)}`);
  assertEquals(failure.calls, [`kmalloc(16) = ${printed(address)}`]);
  assertEquals(failure.clauses, ["HEAP-4"]);
  expect(subject, true, "", "");
});

Deno.test("A skip has a reason [CHECK-2]", () => {
  assertEquals(new Skip("no prompt").reason, "no prompt");
});

Deno.test("Values are printed in the form that people write them in [CHECK-3]", () => {
  assertEquals(
    [0, 65535, 65536, -1, 0xffffffff, "a\n", true].map(printed),
    ["0", "65535", "0x00010000", "-1", "0xffffffff", `"a\\n"`, "true"],
  );
});

Deno.test("Titles are unique, and clauses are those of the specifications [CHECK-4]", () => {
  const titles = checks.map(({ title }) => title);
  assertEquals(titles.filter((title, at) => titles.indexOf(title) !== at), []);
  const known = new Set(clauses.map(({ id }) => id));
  assertEquals(checks.flatMap((check) => check.clauses).filter((id) => !known.has(id)), []);
  assertEquals(checks.filter((check) => check.clauses.length === 0), []);
});
