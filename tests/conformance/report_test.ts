import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  callCount,
  counts,
  indexes,
  merge,
  MergeError,
  type Report,
  type Verdict,
  verdicts,
} from "../../conformance/report.ts";
import { sample } from "./sample_report.ts";

function verdictOf(id: string, report: Report = sample): Verdict {
  return verdicts(report).find((verdict) => verdict.id === id)!;
}

Deno.test("A clause fails with a check, unless that names other clauses [REPORT-1]", () => {
  assertEquals(verdictOf("HEAP-7").status, "failed");
  assertEquals(verdictOf("HEAP-7").failures.map(({ index }) => index), [1]);
  assertEquals(verdictOf("HEAP-8").status, "skipped");
});

Deno.test("A clause passes if one check could judge it [REPORT-2]", () => {
  const { status, reason } = verdictOf("HEAP-6");
  assertEquals([status, reason], ["passed", "in part: the image has no symbol pmm_x"]);
});

Deno.test("A clause that no check could judge is skipped for their reasons [REPORT-3]", () => {
  assertEquals(verdictOf("PMM-1").reason, "the image has no symbol pmm_x");
  const before = `"The user's calls keep <order> & sense" failed before it was judged`;
  assertEquals(verdictOf("HEAP-8").reason, before);
});

Deno.test("Waivers outweigh everything, and useless ones are marked [REPORT-4]", () => {
  const { status, reason, failures } = verdictOf("HEAP-9");
  assertEquals([status, reason, failures.length], ["waived", "not <yet>", 2]);
  assertEquals(verdictOf("TERMINAL-6").reason, "no scrolling (it would pass)");
});

Deno.test("Clauses without a check stand in whole reports only [REPORT-5]", () => {
  assertEquals(verdictOf("GDT-1").status, "not checkable");
  assert(verdictOf("PANIC-2").reason!.includes("assertion"));
  assert(verdicts({ ...sample, only: "HEAP" }).every(({ status }) => status !== "not checkable"));
  const part = { ...sample, shard: { index: 1, count: 5 }, results: sample.results.slice(0, 1) };
  assertEquals(verdicts(part).map(({ id }) => id), ["HEAP-6"]);
});

Deno.test("Counts are those of clauses and calls", () => {
  const all = verdicts(sample), number = counts(all);
  assertEquals(Object.values(number).reduce((a, b) => a + b), all.length);
  assertEquals([number.passed, number.failed, number.skipped, number.waived], [1, 1, 2, 2]);
  assertEquals(callCount(sample), 51);
});

function part(index: number, count: number): Report {
  const wanted = indexes(sample.checkCount, { index, count });
  const results = sample.results.filter((result) => wanted.includes(result.index));
  return { ...sample, shard: { index, count }, results };
}

Deno.test("Parts put together are the whole [REPORT-6]", () => {
  assertEquals(merge([part(2, 3), part(3, 3), part(1, 3)]), sample);
  assertEquals(merge([part(1, 4), part(3, 4)], { index: 1, count: 2 }), part(1, 2));
  const refuse = (parts: Report[], message: string) =>
    assertEquals(assertThrows(() => merge(parts), MergeError).message, message);
  refuse([], "there are no parts");
  refuse([part(1, 2)], "no part has check 2 of 5");
  refuse([part(1, 2), part(2, 2), part(2, 2)], "two parts have check 2");
  refuse([part(1, 2), part(2, 3)], "the parts differ in the number of parts");
  refuse([part(1, 2), { ...part(2, 2), seed: 8 }], "the parts differ in seed");
});

Deno.test("Part i of n has every n-th check from the i-th [REPORT-7]", () => {
  assertEquals(indexes(7, { index: 2, count: 3 }), [1, 4]);
  assertEquals(indexes(2, { index: 3, count: 3 }), []);
});
