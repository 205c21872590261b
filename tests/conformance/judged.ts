/** Runs checks on a kernel image and gives what they found. */
import { type Chance, type Check, Failure, Skip } from "../../conformance/check.ts";
import { Subject } from "../../conformance/subject.ts";

/** What some checks found. */
export interface Judged {
  /** The first failure of each clause. */
  readonly failures: ReadonlyMap<string, Failure>;
  /** Reasons of skipped checks by title. */
  readonly skipped: ReadonlyMap<string, string>;
  /** Calls of guest functions that were made. */
  readonly calls: number;
}

/** Runs the checks that cite one of `clauses`, by default all. */
export async function judged(
  image: Uint8Array,
  checks: readonly Check[],
  chance: Chance,
  clauses?: readonly string[],
): Promise<Judged> {
  const subject = new Subject(image), failures = new Map<string, Failure>();
  const skipped = new Map<string, string>();
  for (const check of checks) {
    if (clauses && !check.clauses.some((id) => clauses.includes(id))) continue;
    subject.fresh();
    try {
      await check.run(subject, chance);
    } catch (found) {
      if (found instanceof Skip) skipped.set(check.title, found.reason);
      else if (!(found instanceof Failure)) throw found;
      else for (const id of check.clauses) if (!failures.has(id)) failures.set(id, found);
    }
  }
  return { failures, skipped, calls: subject.calls };
}
