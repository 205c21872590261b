/** The XML is read by junit2json, which other tools use to read what JUnit and its like write. */
import { assert, assertEquals } from "@std/assert";
import { parse } from "npm:junit2json@4.0.0";
import { junitReport } from "../../conformance/report_junit.ts";
import { verdicts } from "../../conformance/report.ts";
import { sample } from "./sample_report.ts";

async function read() {
  const root = await parse(junitReport(sample));
  assert(root && "testsuite" in root && root.testsuite);
  const suites = root.testsuite;
  const cases = suites.flatMap((suite) => suite.testcase ?? []);
  const find = (id: string) => cases.find(({ name }) => name?.startsWith(`${id} `))!;
  return { root, suites, cases, find };
}

Deno.test("A reader of JUnit XML finds suites and cases [REPORT-JUNIT-1]", async () => {
  const { root, suites, cases, find } = await read();
  const all = verdicts(sample);
  assertEquals(root.name, "my kernel.elf");
  assertEquals(suites.map(({ name }) => name), [...new Set(all.map(({ file }) => file))]);
  assertEquals(cases.map(({ name }) => name), all.map(({ id, sentence }) => `${id} ${sentence}`));
  assertEquals(find("HEAP-7").classname, "kernel.heap");
});

Deno.test("It finds failures and what is skipped, with reasons [REPORT-JUNIT-2]", async () => {
  const { find } = await read();
  const [failure] = find("HEAP-7").failure!;
  assertEquals(failure.type, "HEAP-7");
  assert(failure.message!.startsWith("expected free plus used to be total; seen <b>&"));
  assert(failure.inner!.includes("kmalloc(16) = 0x00400010\nkfree(0x00400010)\nagain: deno task"));
  assertEquals(find("HEAP-6").failure, undefined);
  assertEquals(find("HEAP-6").skipped, undefined);
  assertEquals(find("HEAP-9").skipped?.[0].message, "waived: not <yet>");
  assertEquals(find("PMM-1").skipped?.[0].message, "skipped: the image has no symbol pmm_x");
  assert(find("PANIC-2").skipped?.[0].message?.startsWith("not checkable: "));
});

Deno.test("Its totals are right [REPORT-JUNIT-3]", async () => {
  const { root, suites, cases } = await read();
  assertEquals([root.tests, root.failures, root.errors, root.time], [cases.length, 1, 0, 0]);
  const sum = (key: "tests" | "failures" | "skipped") =>
    suites.reduce((total, suite) => total + (suite[key] ?? 0), 0);
  assertEquals([sum("tests"), sum("failures")], [cases.length, 1]);
  assertEquals(sum("skipped"), cases.filter(({ skipped }) => skipped !== undefined).length);
});

Deno.test("No output of a kernel breaks the document [REPORT-JUNIT-4]", async () => {
  const { find } = await read();
  const message = find("HEAP-7").failure![0].message!;
  assert(message.endsWith(`<b>&"x"\ufffd\ufffd[1m]]> # SKIP \\ \u00e9\n\tend`), message);
});
