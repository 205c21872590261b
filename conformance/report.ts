/**
 * What was found about a kernel, check by check, and what it means, clause by clause.
 * Spec: specs/conformance/report.md.
 */
import { clauses as allClauses } from "./clauses.ts";
import type { Clause } from "./specification.ts";
import { uncheckable } from "./uncheckable.ts";

/** One of several equal parts. */
export interface Shard {
  /** Which, from 1. */
  readonly index: number;
  /** Of how many. */
  readonly count: number;
}

/** What a failed check found, as data. */
export interface FindingText {
  /** What the specification promises. */
  readonly expected: string;
  /** What was there instead. */
  readonly seen: string;
  /** The calls that lead to it, printed; may be empty. */
  readonly calls: readonly string[];
  /** Replays it, with the seed. */
  readonly path?: string;
  /** The clauses that are broken, if not all of the check's. */
  readonly clauses?: readonly string[];
}

/** How a check ended. */
export type CheckResult = CheckHead & CheckEnd;

/** Which check it was. */
export interface CheckHead {
  /** Its place among the chosen checks, from 0. */
  readonly index: number;
  /** Its title. */
  readonly title: string;
  /** The clauses that it judges. */
  readonly clauses: readonly string[];
  /** Guest calls that it made. */
  readonly calls: number;
}

/** What came of it. */
export type CheckEnd =
  | { readonly status: "passed" }
  | { readonly status: "failed"; readonly finding: FindingText }
  | { readonly status: "skipped"; readonly reason: string };

/** All that was found about a kernel. Plain data: `JSON.parse(JSON.stringify(report))` equals it. */
export interface Report {
  /** The image. */
  readonly image: { readonly name: string; readonly bytes: number; readonly sha256: string };
  /** The manifest's name, if there was one. */
  readonly manifest?: string;
  /** How the boot ended, in words. */
  readonly booted: string;
  /** Whether it waited for input in the end. */
  readonly idle: boolean;
  /** What the random numbers began with. */
  readonly seed: number;
  /** Random sequences a check. */
  readonly runs: number;
  /** The clause, specification or title whose checks alone were made. */
  readonly only?: string;
  /** The part of these checks that was made. */
  readonly shard: Shard;
  /** Number of checks in all parts. */
  readonly checkCount: number;
  /** Reason by waived clause. */
  readonly waived: Readonly<Record<string, string>>;
  /** The checks made, in order. */
  readonly results: readonly CheckResult[];
}

/** What can be said of a clause. */
export type ClauseStatus = "passed" | "failed" | "skipped" | "waived" | "not checkable";

/** What the checks say of a clause. */
export interface Verdict extends Clause {
  /** The outcome. */
  readonly status: ClauseStatus;
  /** Why it is neither passed nor failed; or what a passed clause was not judged by. */
  readonly reason?: string;
  /** The checks that failed it. */
  readonly failures: readonly Failed[];
}

/** A failed check. */
export type Failed = CheckHead & Extract<CheckEnd, { status: "failed" }>;

/** REPORT-1 to REPORT-5: the verdicts, in the order of the specifications. */
export function verdicts(report: Report): Verdict[] {
  const whole = report.only === undefined && report.shard.count === 1;
  return allClauses.flatMap((clause) => {
    const results = report.results.filter(({ clauses }) => clauses.includes(clause.id));
    return whole || results.length > 0 ? [verdict(clause, results, report.waived[clause.id])] : [];
  });
}

function verdict(clause: Clause, results: readonly CheckResult[], waiver?: string): Verdict {
  const failures = results.filter((result): result is Failed =>
    result.status === "failed" && (result.finding.clauses ?? result.clauses).includes(clause.id)
  );
  const open = results.flatMap((result) => unjudged(result, clause.id));
  const passed = results.some(({ status }) => status === "passed");
  const why = uncheckable.get(clause.id);
  if (waiver !== undefined) {
    const note = failures.length > 0 ? "" : passed ? " (it would pass)" : "";
    return { ...clause, status: "waived", reason: waiver + note, failures };
  }
  if (failures.length > 0) return { ...clause, status: "failed", failures };
  const reason = [...new Set(open)].join("; ") || undefined;
  if (passed) {
    return { ...clause, status: "passed", reason: reason && `in part: ${reason}`, failures };
  }
  if (results.length > 0) return { ...clause, status: "skipped", reason, failures };
  return { ...clause, status: "not checkable", reason: why ?? "there is no check", failures };
}

/** Why a check says nothing about a clause that it was to judge. */
function unjudged(result: CheckResult, id: string): string[] {
  if (result.status === "skipped") return [result.reason];
  if (result.status === "passed" || result.finding.clauses?.includes(id) !== false) return [];
  return [`"${result.title}" failed before it was judged`];
}

/** Number of clauses by outcome. */
export function counts(all: readonly Verdict[]): Record<ClauseStatus, number> {
  const result = { passed: 0, failed: 0, skipped: 0, waived: 0, "not checkable": 0 };
  for (const { status } of all) result[status]++;
  return result;
}

/** Guest calls of all checks. */
export function callCount({ results }: Report): number {
  return results.reduce((sum, { calls }) => sum + calls, 0);
}

/** Parts that do not belong together; the message is one line that says why. */
export class MergeError extends Error {
  /** The class's name. */
  override readonly name = "MergeError";
}

/**
 * REPORT-6: puts the parts of a report together, to the whole or to the larger part `shard`. Throws a
 * {@link MergeError}.
 */
export function merge(parts: readonly Report[], shard: Shard = { index: 1, count: 1 }): Report {
  const [first] = parts;
  if (first === undefined) throw new MergeError("there are no parts");
  for (const part of parts) {
    const differs = differences(first, part);
    if (differs !== undefined) throw new MergeError(`the parts differ in ${differs}`);
  }
  const results = parts.flatMap((part) => part.results).sort((a, b) => a.index - b.index);
  const wanted = indexes(first.checkCount, shard);
  for (const index of wanted) {
    const made = results.filter((result) => result.index === index).length;
    if (made > 1) throw new MergeError(`two parts have check ${index + 1}`);
    if (made === 0) throw new MergeError(`no part has check ${index + 1} of ${first.checkCount}`);
  }
  return { ...first, shard, results: results.filter(({ index }) => wanted.includes(index)) };
}

/** REPORT-7: the checks of a part, by their places. */
export function indexes(checkCount: number, { index, count }: Shard): number[] {
  return Array.from({ length: checkCount }, (_, at) => at).filter((at) => at % count === index - 1);
}

/** What two parts of one report cannot differ in. */
function differences(a: Report, b: Report): string | undefined {
  const keys = [
    "image",
    "manifest",
    "booted",
    "seed",
    "runs",
    "only",
    "checkCount",
    "waived",
  ] as const;
  return keys.find((key) => JSON.stringify(a[key]) !== JSON.stringify(b[key])) ??
    (a.shard.count === b.shard.count ? undefined : "the number of parts");
}
