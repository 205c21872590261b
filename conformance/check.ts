/**
 * What a check is, and how it says what it found. Spec: specs/conformance/check.md.
 */
import type { Subject } from "./subject.ts";

/** Where a random check gets its randomness from: equal values give equal calls. */
export interface Chance {
  /** Starts the random numbers. */
  readonly seed: number;
  /** How many random sequences to try. */
  readonly runs: number;
  /** Replays one sequence, as {@link Failure.path} of an earlier run named it. */
  readonly path?: string;
}

/**
 * One judgement about a kernel. It finds `subject` as the kernel first waited for input, may do
 * anything to it, returns if all is well, and throws a {@link Failure} or a {@link Skip} if not.
 */
export interface Check {
  /** What is so when it passes, as a sentence without its full stop; unique among all checks. */
  readonly title: string;
  /** The clauses that it judges. */
  readonly clauses: readonly string[];
  /** Names of the ABI that it cannot do without: if one is missing, it is skipped. */
  readonly needs: readonly string[];
  /** Whether it also judges a kernel that never waited for input; other checks are skipped then. */
  readonly early?: boolean;
  /** Judges. */
  run(subject: Subject, random: Chance): void | Promise<void>;
}

/** What a failed check found. */
export interface Finding {
  /** What the specification promises. */
  readonly expected: string;
  /** What was there instead. */
  readonly seen: string;
  /** The calls that lead to it, printed, the shortest known sequence; none where none is needed. */
  readonly calls?: readonly string[];
  /** Replays it, with the seed. */
  readonly path?: string;
  /** The clauses that are broken, if not all of the check's. */
  readonly clauses?: readonly string[];
}

/** Thrown by a check: the kernel does not do what a clause says. */
export class Failure extends Error {
  /** The class's name. */
  override readonly name = "Failure";
  /** What the specification promises. */
  readonly expected: string;
  /** What was there instead. */
  readonly seen: string;
  /** The calls that lead to it, printed; may be empty. */
  readonly calls: readonly string[];
  /** Replays it, with the seed. */
  readonly path: string | undefined;
  /** The clauses that are broken; undefined means all of the check's. */
  readonly clauses: readonly string[] | undefined;

  /** A failure with what was found. */
  constructor({ expected, seen, calls = [], path, clauses }: Finding) {
    super(`expected ${expected}, seen ${seen}`);
    this.expected = expected;
    this.seen = seen;
    this.calls = calls;
    this.path = path;
    this.clauses = clauses;
  }
}

/** Thrown by a check that cannot judge this kernel. */
export class Skip {
  /** Why not. */
  readonly reason: string;

  /** A check that is skipped for `reason`. */
  constructor(reason: string) {
    this.reason = reason;
  }
}

/** Throws a {@link Failure} with the calls made so far unless `holds`. */
export function expect(
  subject: Subject,
  holds: boolean,
  expected: string,
  seen: string,
  clauses?: readonly string[],
): asserts holds {
  if (!holds) throw new Failure({ expected, seen, calls: [...subject.log], clauses });
}

/** Throws a {@link Failure} with the calls made so far unless two values are the same; `what` names them. */
export function expectSame<T extends number | string | boolean>(
  subject: Subject,
  what: string,
  seen: T,
  expected: T,
  clauses?: readonly string[],
): void {
  const show = (value: T): string => `${what} ${printed(value)}`;
  expect(subject, seen === expected, show(expected), show(seen), clauses);
}

/** A value as reports print it: addresses and other large numbers in hexadecimal digits. */
export function printed(value: number | string | boolean): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "boolean" || (value < 0x10000 && value >= -0x10000)) return `${value}`;
  return `0x${(value >>> 0).toString(16).padStart(8, "0")}`;
}
