/** The stream is read by tap-parser, the parser of node-tap. */
import { assert, assertEquals } from "@std/assert";
import { Parser } from "npm:tap-parser@18.3.4";
import { tapReport } from "../../conformance/report_tap.ts";
import { verdicts } from "../../conformance/report.ts";
import { NASTY, sample } from "./sample_report.ts";

interface Point {
  readonly ok: boolean;
  readonly id: number;
  readonly name: string;
  readonly skip: string | boolean;
  readonly todo: string | boolean;
  readonly diag: Readonly<Record<string, unknown>> | null;
}

function read() {
  const events = Parser.parse(tapReport(sample)) as unknown as [string, unknown][];
  const points = events.filter(([kind]) => kind === "assert").map(([, point]) => point as Point);
  const find = (id: string) => points.find(({ name }) => name.startsWith(`${id} `))!;
  return { events, points, find };
}

Deno.test("A reader of TAP finds version, plan and points [REPORT-TAP-1]", () => {
  const { events, points } = read(), all = verdicts(sample);
  assertEquals(events[0], ["version", 14]);
  assertEquals(points.map(({ name }) => name), all.map(({ id, sentence }) => `${id} ${sentence}`));
  assertEquals(points.map(({ id }) => id), all.map((_, at) => at + 1));
  const complete = events.find(([kind]) => kind === "complete")![1] as Record<string, unknown>;
  assertEquals([complete.ok, complete.count, complete.fail], [false, all.length, 2]);
  assertEquals(events.filter(([kind]) => kind === "extra"), []);
});

Deno.test("It finds failures, and what is skipped or waived [REPORT-TAP-2]", () => {
  const { find } = read();
  assertEquals(find("HEAP-6").ok, true);
  const { ok, diag } = find("HEAP-7");
  assertEquals([ok, diag?.message], [false, "The user's calls keep <order> & sense"]);
  assertEquals(diag?.expected, "free plus used to be total");
  assertEquals(diag?.calls, ["kmalloc(16) = 0x00400010", "kfree(0x00400010)"]);
  assert(`${diag?.again}`.endsWith("--path 3:0:1"));
  assertEquals([find("PMM-1").ok, find("PMM-1").skip], [
    true,
    "skipped: the image has no symbol pmm_x",
  ]);
  assertEquals([find("HEAP-9").ok, find("HEAP-9").todo], [false, "not <yet>"]);
  assertEquals(find("TERMINAL-6").ok, true);
  assert(`${find("PANIC-2").skip}`.startsWith("not checkable: "));
});

Deno.test("No output of a kernel breaks the stream [REPORT-TAP-3]", () => {
  const { find } = read();
  assertEquals(find("HEAP-7").diag?.seen, NASTY);
  const hard = { ...sample, waived: { "HEAP-6": "a # b \\ c\nnot ok 1 - d" } };
  const points = (Parser.parse(tapReport(hard)) as unknown as [string, Point][])
    .filter(([kind]) => kind === "assert");
  const point = points.find(([, { name }]) => name.startsWith("HEAP-6 "))![1];
  assertEquals(point.todo, "a # b \\ c not ok 1 - d (it would pass)");
});
