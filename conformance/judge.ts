/** Judges a kernel by all checks. Spec: specs/conformance/judge.md. */
import { describeStop } from "../machine/stop.ts";
import type { Chance, Check } from "./check.ts";
import { Failure, Skip } from "./check.ts";
import { checks as allChecks } from "./checks/all.ts";
import { type Manifest, noManifest } from "./manifest.ts";
import { type CheckResult, type FindingText, indexes, type Report, type Shard } from "./report.ts";
import { Subject } from "./subject.ts";

/** What to judge by. */
export interface JudgeOptions {
  /** The image's name, for the report. */
  readonly name?: string;
  /** What the author says about it. */
  readonly manifest?: Manifest;
  /** The manifest's name, for the report. */
  readonly manifestName?: string;
  /** Starts the random numbers; 1 where nothing is said. */
  readonly seed?: number;
  /** Random sequences a check; {@link FULL_RUNS} where nothing is said. */
  readonly runs?: number;
  /** The part of the checks to make: all of them where nothing is said. */
  readonly shard?: Shard;
  /** Only checks of this clause, of this specification's clauses (`HEAP`), or with this title. */
  readonly only?: string;
  /** Replays one random sequence. */
  readonly path?: string;
  /** Told of each check when it is done. */
  readonly onResult?: (result: CheckResult) => void;
  /** The checks; all that there are where nothing is said. */
  readonly checks?: readonly Check[];
}

/** Random sequences a check. */
export const FULL_RUNS = 100;
/** The same for a quick look. */
export const QUICK_RUNS = 10;

/**
 * Judges an image. The report depends on image and options alone. Throws an `ImageError` if the image
 * cannot be booted, and a RangeError if no check is left to make.
 */
export async function judge(image: Uint8Array, options: JudgeOptions = {}): Promise<Report> {
  const { manifest = noManifest, seed = 1, runs = FULL_RUNS, only } = options;
  const shard = options.shard ?? { index: 1, count: 1 };
  const chosen = select(options.checks ?? allChecks, only);
  const subject = new Subject(image, manifest), results: CheckResult[] = [];
  for (const at of indexes(chosen.length, shard)) {
    const check = chosen[at];
    const chance = { seed: seedOf(check, seed), runs, path: options.path };
    const result = await judgeCheck(subject, check, at, chance);
    results.push(result);
    options.onResult?.(result);
  }
  return {
    image: { name: options.name ?? "image", bytes: image.length, sha256: await sha256(image) },
    manifest: options.manifestName,
    booted: describeStop(subject.booted),
    idle: subject.booted.kind === "idle",
    ...{ seed, runs, only, shard, checkCount: chosen.length },
    waived: Object.fromEntries(manifest.waive),
    results,
  };
}

/** The checks that `only` names. */
export function select(checks: readonly Check[], only?: string): readonly Check[] {
  if (only === undefined) return checks;
  const chosen = checks.filter(({ title, clauses }) =>
    title === only || clauses.some((id) => id === only || id.replace(/-[0-9]+$/, "") === only)
  );
  if (chosen.length > 0) return chosen;
  throw new RangeError(`no check has the clause, specification or title ${JSON.stringify(only)}`);
}

/** Makes one check; the result depends on subject, check and chance alone. */
async function judgeCheck(
  subject: Subject,
  check: Check,
  index: number,
  chance: Chance,
): Promise<CheckResult> {
  const { title, clauses } = check, before = subject.calls;
  const head = { index, title, clauses };
  const reason = whyNot(subject, check);
  if (reason !== undefined) return { ...head, status: "skipped", calls: 0, reason };
  subject.fresh();
  try {
    await check.run(subject, chance);
    return { ...head, status: "passed", calls: subject.calls - before };
  } catch (thrown) {
    const calls = subject.calls - before;
    if (thrown instanceof Skip) return { ...head, status: "skipped", calls, reason: thrown.reason };
    return { ...head, status: "failed", calls, finding: findingOf(thrown, subject) };
  }
}

/** Why a check cannot be made, or undefined. */
function whyNot({ booted, machine, manifest }: Subject, check: Check): string | undefined {
  if (booted.kind !== "idle" && !check.early) {
    return `the kernel never waited for input: ${describeStop(booted)}, at ${booted.at}`;
  }
  for (const name of check.needs) {
    const lacks = manifest.lacks.get(name);
    if (lacks !== undefined) return `the kernel lacks ${name}${lacks && `: ${lacks}`}`;
    const symbol = manifest.names.get(name) ?? name;
    if (machine.symbols.all.length === 0) return "the image has no symbols";
    if (machine.symbols.find(symbol) === undefined) return `the image has no symbol ${symbol}`;
  }
  return undefined;
}

/** JUDGE-6: also a check that could not go on is a failure of the kernel that it looked at. */
function findingOf(thrown: unknown, subject: Subject): FindingText {
  if (thrown instanceof Failure) {
    const { expected, seen, calls, path, clauses } = thrown;
    return { expected, seen, calls, path, clauses };
  }
  const seen = thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : `${thrown}`;
  return { expected: "a kernel that this check can look at", seen, calls: [...subject.log] };
}

/** JUDGE-3: a check's own seed, the same in every order and every part. */
function seedOf({ title }: Check, seed: number): number {
  let hash = Math.imul(seed ^ 0x811c9dc5, 0x01000193);
  for (let i = 0; i < title.length; i++) {
    hash = Math.imul(hash ^ title.charCodeAt(i), 0x01000193);
  }
  return hash | 0;
}

async function sha256(bytes: Uint8Array): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new Uint8Array(bytes));
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
