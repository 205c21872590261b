/**
 * A report as JUnit XML, as continuous integration reads it: a suite for each specification, a test case
 * for each clause. Spec: specs/conformance/report_junit.md.
 */
import { type Report, type Verdict, verdicts } from "./report.ts";
import { againCommand } from "./report_text.ts";

/** The report as an XML document. */
export function junitReport(report: Report): string {
  const all = verdicts(report), suites = Map.groupBy(all, ({ file }) => file);
  const lines = [
    `<?xml version="1.0" encoding="UTF-8"?>`,
    `<testsuites name=${attribute(report.image.name)} ${totals(all)}>`,
    ...[...suites].flatMap(([file, group]) => suiteLines(report, file, group)),
    `</testsuites>`,
  ];
  return lines.map((line) => `${line}\n`).join("");
}

function suiteLines(report: Report, file: string, group: readonly Verdict[]): string[] {
  return [
    `  <testsuite name=${attribute(file)} ${totals(group)}>`,
    ...group.flatMap((verdict) => caseLines(report, verdict)),
    `  </testsuite>`,
  ];
}

function caseLines(report: Report, verdict: Verdict): string[] {
  const { id, sentence, file, status, reason = "" } = verdict;
  const name = attribute(`${id} ${sentence}`);
  const head = `    <testcase classname=${attribute(className(file))} name=${name} time="0"`;
  if (status === "passed") return [`${head}/>`];
  const inside = status === "failed"
    ? verdict.failures.map((failed) =>
      `      <failure type=${attribute(id)} message=${attribute(messageOf(failed.finding))}>` +
      `${escaped(detail(report, failed))}</failure>`
    )
    : [`      <skipped message=${attribute(`${status}: ${reason}`)}/>`];
  return [`${head}>`, ...inside, `    </testcase>`];
}

function messageOf({ expected, seen }: { expected: string; seen: string }): string {
  return `expected ${expected}; seen ${seen}`;
}

function detail(report: Report, failed: Verdict["failures"][number]): string {
  const { title, finding } = failed;
  return [title, ...finding.calls, `again: ${againCommand(report, failed)}`].join("\n");
}

function totals(group: readonly Verdict[]): string {
  const failures = group.filter(({ status }) => status === "failed").length;
  const skipped = group.filter(({ status }) => status !== "failed" && status !== "passed").length;
  return `tests="${group.length}" failures="${failures}" errors="0" skipped="${skipped}" time="0"`;
}

/** `specs/kernel/heap.md` as `kernel.heap`. */
function className(file: string): string {
  return file.replace(/^specs\//, "").replace(/\.md$/, "").replaceAll("/", ".");
}

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
};

function attribute(text: string): string {
  const value = escaped(text).replaceAll(/[\n\t]/g, (c) => `&#${c.charCodeAt(0)};`);
  return `"${value}"`;
}

/** REPORT-JUNIT-4: text without what XML 1.0 cannot hold. */
function escaped(text: string): string {
  return text.replaceAll(/[&<>"]/g, (c) => entities[c])
    .replaceAll(/[^\t\n\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]/gu, "\ufffd");
}
