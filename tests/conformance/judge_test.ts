import { assert, assertEquals, assertRejects } from "@std/assert";
import { type Chance, type Check, expect, Failure, Skip } from "../../conformance/check.ts";
import { checks as heapChecks } from "../../conformance/checks/heap.ts";
import { checks as linkChecks } from "../../conformance/checks/link.ts";
import { checks as monitorChecks } from "../../conformance/checks/monitor.ts";
import { judge, type JudgeOptions } from "../../conformance/judge.ts";
import { noManifest } from "../../conformance/manifest.ts";
import { counts, merge, type Report, verdicts } from "../../conformance/report.ts";
import { jsonReport, parseJsonReport } from "../../conformance/report_json.ts";
import { correct, defective, haltsAtOnce, reference } from "./kernels.ts";

function check(title: string, run: Check["run"], more: Partial<Check> = {}): Check {
  return { title, clauses: ["HEAP-3"], needs: [], run, ...more };
}

/** Checks of every sort: random ones, calls, dialogues. */
const quick = [...heapChecks.slice(0, 6), ...linkChecks, ...monitorChecks.slice(0, 4)];

Deno.test("Equal seeds give equal reports, in any number of parts [JUDGE-1]", async () => {
  const options: JudgeOptions = { name: "k.elf", seed: 3, runs: 2, checks: quick };
  const whole = jsonReport(await judge(reference, options));
  assertEquals(jsonReport(await judge(reference, options)), whole);
  const parts: Report[] = [], count = 3;
  for (let index = count; index >= 1; index--) { // in another order, too
    const part = jsonReport(await judge(reference, { ...options, shard: { index, count } }));
    parts.push(parseJsonReport(part));
  }
  assertEquals(jsonReport(merge(parts)), whole);
});

Deno.test("Each check finds the kernel as it first waited for input [JUDGE-2]", async () => {
  const addresses: number[] = [];
  const checks = ["one", "two"].map((title) =>
    check(title, (subject) => void addresses.push(subject.call("kmalloc", 64)))
  );
  const { results } = await judge(reference, { checks });
  assertEquals(addresses[0], addresses[1]);
  assertEquals(results.map(({ calls }) => calls), [1, 1]);
});

Deno.test("Each check has its own seed [JUDGE-3]", async () => {
  const seen: Record<string, Chance> = {};
  const checks = ["one", "two"].map((title) =>
    check(title, (_, random) => void (seen[title] = random))
  );
  await judge(reference, { checks, seed: 5, runs: 9, path: "1:2" });
  const { one, two } = seen;
  assert(one.seed !== two.seed);
  assertEquals([one.runs, one.path], [9, "1:2"]);
  await judge(reference, { checks: checks.toReversed(), seed: 5 });
  assertEquals(seen.one.seed, one.seed);
  await judge(reference, { checks, seed: 6 });
  assert(seen.one.seed !== one.seed);
});

Deno.test("What a check needs and the image lacks is the reason for skipping it [JUDGE-4]", async () => {
  const run = () => {};
  const checks = [
    check("a", run, { needs: ["kmalloc", "kfree"] }),
    check("b", run, { needs: ["kcalloc"] }),
    check("c", run, { needs: ["krealloc"] }),
  ];
  const manifest = {
    ...noManifest,
    names: new Map([["kfree", "my_free"]]),
    lacks: new Map([["kcalloc", ""], ["krealloc", "later"]]),
  };
  const reasons = async (image: Uint8Array, options: JudgeOptions) =>
    (await judge(image, options)).results.map((one) => one.status === "skipped" && one.reason);
  assertEquals(await reasons(reference, { checks, manifest }), [
    "the image has no symbol my_free",
    "the kernel lacks kcalloc",
    "the kernel lacks krealloc: later",
  ]);
  assertEquals(
    await reasons(withoutSymbols(reference), { checks }),
    Array(3).fill("the image has no symbols"),
  );
});

Deno.test("A kernel that never waits for input is judged by early checks only [JUDGE-5]", async () => {
  const checks = [check("late", () => {}), check("early", () => {}, { early: true })];
  const { results, idle, booted } = await judge(haltsAtOnce, { checks });
  assertEquals([idle, booted], [false, "halted for good: interrupts are off"]);
  assertEquals(results.map(({ status }) => status), ["skipped", "passed"]);
  const [late] = results;
  assert(late.status === "skipped");
  assert(late.reason.startsWith("the kernel never waited for input: halted for good"));
});

Deno.test("Whatever a check throws is a result [JUDGE-6]", async () => {
  const checks = [
    check("fails", (subject) => expect(subject, subject.call("kmalloc", 8) === 0, "0", "more")),
    check("narrow", () => {
      throw new Failure({ expected: "a", seen: "b", path: "1:0", clauses: ["HEAP-3"] });
    }),
    check("skips", () => {
      throw new Skip("no reason");
    }),
    check("breaks", (subject) => subject.machine.writeBytes(0xfeedf000, new Uint8Array(1))),
    check("rejects", () => Promise.reject("just so")),
  ];
  const { results } = await judge(reference, { checks });
  assertEquals(results.map(({ status }) => status), [
    ...["failed", "failed", "skipped", "failed", "failed"],
  ]);
  const seen = results.map((one) => one.status === "failed" ? one.finding.seen : one.status);
  assertEquals(seen.slice(0, 3), ["more", "b", "skipped"]);
  assert(seen[3].startsWith("RangeError: Cannot write to 0xfeedf000"), seen[3]);
  assertEquals(seen[4], "just so");
});

Deno.test("only and parts choose checks [JUDGE-7]", async () => {
  const titles = async (options: JudgeOptions) =>
    (await judge(correct, options)).results.map(({ title }) => title);
  const checks = ["a", "b", "c", "d", "e"].map((title, at) =>
    check(title, () => {}, { clauses: [at < 3 ? `HEAP-${at + 1}` : "PMM-1"] })
  );
  assertEquals(await titles({ checks, only: "HEAP-2" }), ["b"]);
  assertEquals(await titles({ checks, only: "HEAP" }), ["a", "b", "c"]);
  assertEquals(await titles({ checks, only: "d" }), ["d"]);
  assertEquals(await titles({ checks, shard: { index: 2, count: 2 } }), ["b", "d"]);
  await assertRejects(
    () => judge(correct, { checks, only: `HEAP-${33}` }),
    RangeError,
    `HEAP-${33}`,
  );
});

Deno.test("An image without symbols is judged by what it shows", async () => {
  const stripped = withoutSymbols(reference);
  const report = await judge(stripped, { runs: 1 });
  const { failed, passed, skipped } = counts(verdicts(report));
  assertEquals(failed, 0);
  assert(passed >= 12 && skipped > 50, `${passed} passed, ${skipped} skipped`);
  const boot = verdicts(report).filter(({ id }) => /^(MAIN|MONITOR)-/.test(id));
  assert(boot.filter(({ status }) => status === "passed").length >= 8);
});

Deno.test("The correct kernels pass, the defective one does not", async () => {
  const failed = async (image: Uint8Array) => {
    const report = await judge(image, { runs: 2, only: "HEAP" });
    return verdicts(report).filter(({ status }) => status === "failed").map(({ id }) => id);
  };
  assertEquals(await failed(reference), []);
  assertEquals(await failed(correct), []);
  assert((await failed(defective)).length >= 2);
});

/** The image without its section headers, and so without symbols. */
function withoutSymbols(image: Uint8Array): Uint8Array {
  const copy = image.slice(), view = new DataView(copy.buffer);
  view.setUint32(32, 0, true); // e_shoff
  view.setUint32(48, 0, true); // e_shnum, e_shstrndx
  return copy;
}
