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
  if (json?.format !== FORMAT || !fits(json.report, reportShape)) {
    throw new Error(`it is no report of the format "${FORMAT}"`);
  }
  return json.report as Report;
}

/** The form of a value: the name of its type, the form of an array's items, or those of members. */
type Shape = string | readonly [Shape] | { readonly [member: string]: Shape };

const resultShape: Shape = {
  index: "number",
  title: "string",
  clauses: ["string"],
  calls: "number",
  status: "string",
};
const findingShape: Shape = { expected: "string", seen: "string", calls: ["string"] };
const endShapes: ReadonlyMap<unknown, Shape> = new Map<unknown, Shape>([
  ["passed", {}],
  ["skipped", { reason: "string" }],
  ["failed", { finding: findingShape }],
]);
const reportShape: Shape = {
  image: { name: "string", bytes: "number", sha256: "string" },
  booted: "string",
  idle: "boolean",
  seed: "number",
  runs: "number",
  shard: { index: "number", count: "number" },
  checkCount: "number",
  waived: {},
  results: [resultShape],
};

/** Whether a value has a form; a check's result has that of its status, too. */
function fits(value: unknown, shape: Shape): boolean {
  const type: string = typeof value;
  if (typeof shape === "string") return type === shape;
  if (isList(shape)) return Array.isArray(value) && value.every((item) => fits(item, shape[0]));
  if (type !== "object" || value === null) return false;
  const members = value as Readonly<Record<string, unknown>>;
  const inside = Object.entries(shape).every(([name, inner]) => fits(members[name], inner));
  return inside && (shape !== resultShape || fits(value, endShapes.get(members.status) ?? "none"));
}

function isList(shape: Shape): shape is readonly [Shape] {
  return Array.isArray(shape);
}
