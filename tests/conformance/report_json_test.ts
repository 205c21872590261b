import { assertEquals, assertThrows } from "@std/assert";
import { jsonReport, parseJsonReport } from "../../conformance/report_json.ts";
import { counts, verdicts } from "../../conformance/report.ts";
import { sample } from "./sample_report.ts";

Deno.test("JSON has format, report, verdicts and counts [REPORT-JSON-1]", () => {
  const text = jsonReport(sample), json = JSON.parse(text), all = verdicts(sample);
  assertEquals(Object.keys(json), ["format", "report", "clauses", "counts"]);
  assertEquals(json.format, "claudeos-conformance 1");
  assertEquals(json.clauses.length, all.length);
  const clause = json.clauses.find(({ id }: { id: string }) => id === "HEAP-9");
  assertEquals([clause.status, clause.reason, clause.file], [
    "waived",
    "not <yet>",
    "specs/kernel/heap.md",
  ]);
  assertEquals(clause.failedChecks, [
    "The user's calls keep <order> & sense",
    "A second opinion",
  ]);
  assertEquals(json.counts, counts(all));
});

Deno.test("parseJsonReport gives the report back [REPORT-JSON-2]", () => {
  const text = jsonReport(sample);
  assertEquals(parseJsonReport(text), sample);
  assertEquals(jsonReport(parseJsonReport(text)), text);
  assertThrows(() => parseJsonReport("{"), Error, "it is no JSON: ");
  for (const other of ["{}", "null", "[1]", `{"format": "claudeos-conformance 2"}`]) {
    assertThrows(() => parseJsonReport(other), Error, "it is no report of the format");
  }
  const damages: readonly (readonly [string, string])[] = [
    ['"status": "skipped"', '"status": "asleep"'],
    ['"idle": true', '"idle": 1'],
    ['"title": "No twins"', '"titel": "No twins"'],
    ['"seen": "1"', '"seen": null'],
  ];
  for (const [part, other] of damages) {
    assertEquals(text.includes(part), true, part);
    const damaged = text.replace(part, other);
    assertThrows(() => parseJsonReport(damaged), Error, "it is no report of the format");
  }
});
