/** A report in the Test Anything Protocol, version 14. Spec: specs/conformance/report_tap.md. */
import { type Failed, type Report, type Verdict, verdicts } from "./report.ts";
import { againCommand } from "./report_text.ts";

/** The report: a test point for each clause. */
export function tapReport(report: Report): string {
  const all = verdicts(report);
  const lines = [
    "TAP version 14",
    `1..${all.length}`,
    ...all.flatMap((verdict, at) => pointLines(report, verdict, at + 1)),
  ];
  return lines.map((line) => `${line}\n`).join("");
}

/** REPORT-TAP-2: what is neither passed nor failed is a skipped point, what is waived one to do. */
function pointLines(report: Report, verdict: Verdict, number: number): string[] {
  const { id, sentence, status, reason = "", failures } = verdict;
  const point = `${number} - ${escaped(`${id} ${sentence}`)}`;
  if (status === "passed") return [`ok ${point}`];
  if (status === "failed") {
    return [`not ok ${point}`, ...failures.flatMap((failed) => diagnostics(report, failed))];
  }
  if (status !== "waived") return [`ok ${point} # SKIP ${escaped(`${status}: ${reason}`)}`];
  return [`${failures.length > 0 ? "not ok" : "ok"} ${point} # TODO ${escaped(reason)}`];
}

/** The failure as a YAML block. Scalars in double quotes: YAML takes JSON's. */
function diagnostics(report: Report, failed: Failed): string[] {
  const { title, finding } = failed;
  const entries: readonly (readonly [string, unknown])[] = [
    ["message", title],
    ["expected", finding.expected],
    ["seen", finding.seen],
    ["calls", finding.calls],
    ["again", againCommand(report, failed)],
  ];
  return ["  ---", ...entries.map(([key, value]) => `  ${key}: ${JSON.stringify(value)}`), "  ..."];
}

/** REPORT-TAP-3: no character that would begin a directive or a line. */
function escaped(text: string): string {
  return text.replaceAll(/[\\#]/g, (c) => `\\${c}`).replaceAll(/[\r\n]+/g, " ");
}
