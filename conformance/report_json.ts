/** A report for programs, and for being put together again. Spec: specs/conformance/report_json.md. */
import { counts, type Report, type Verdict, verdicts } from "./report.ts";

const FORMAT = "claudeos-conformance 1";

/** What a JSON report consists of. */
export interface JsonReport {
  /** The format's name and version. */
  readonly format: string;
  /** All that was found, check by check. */
  readonly report: Report;
  /** What it means, clause by clause. */
  readonly clauses: readonly JsonVerdict[];
  /** Number of clauses by outcome. */
  readonly counts: Readonly<Record<string, number>>;
}

/** A verdict; the failed checks by their titles. */
export type JsonVerdict = Omit<Verdict, "failures"> & { readonly failedChecks: readonly string[] };

/** The report as one JSON text with a line feed at its end. */
export function jsonReport(report: Report): string {
  const all = verdicts(report);
  const clauses = all.map(({ failures, ...verdict }) => ({
    ...verdict,
    failedChecks: failures.map(({ title }) => title),
  }));
  const json: JsonReport = { format: FORMAT, report, clauses, counts: counts(all) };
  return `${JSON.stringify(json, null, 2)}\n`;
}

/** Reads what {@link jsonReport} wrote. Throws an Error with one line where it is none. */
export function parseJsonReport(text: string): Report {
  let json: Partial<JsonReport>;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new Error(`it is no JSON: ${(error as Error).message}`);
  }
  if (json?.format !== FORMAT || !Array.isArray(json.report?.results)) {
    throw new Error(`it is no report of the format "${FORMAT}"`);
  }
  return json.report;
}
