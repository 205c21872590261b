/** What the checker makes of a mutant or a variant: which clauses it fails, and which it should. */
import { judge } from "../../../conformance/judge.ts";
import { type Report, verdicts } from "../../../conformance/report.ts";
import { late } from "./late.ts";
import { buildPatched, type Patch, type Sources } from "./patch.ts";
import { mutants } from "./table.ts";
import { variants } from "./variants.ts";

/** A patched kernel, and what the checker shall say of it. */
export interface Patched {
  /** What was changed, in words. */
  readonly name: string;
  /** What was changed. */
  readonly patches: readonly Patch[];
  /** `mutant` of the table, `late` for one that the finished checker had not seen, `variant` for a correct one. */
  readonly kind: "mutant" | "late" | "variant";
  /** The clause that must fail; undefined for a correct kernel. */
  readonly clause?: string;
  /** Clauses that may fail besides. */
  readonly also: readonly string[];
}

/** How the checker did. */
export interface Trial {
  /** What was changed, in words. */
  readonly name: string;
  /** Which sort of kernel it is. */
  readonly kind: Patched["kind"];
  /** The clause that must fail; null for a correct kernel. */
  readonly clause: string | null;
  /** Titles of the checks that failed that clause. */
  readonly caughtBy: readonly string[];
  /** Clauses that failed besides and may. */
  readonly related: readonly string[];
  /** Clauses that failed and should not have. */
  readonly unrelated: readonly string[];
  /** The first finding behind each clause that failed. */
  readonly findings: Readonly<Record<string, string>>;
}

/** All patched kernels, in the order of the table. */
export const patchedKernels: readonly Patched[] = [
  ...mutants.map((mutant) => ({ also: [], ...mutant, patches: [mutant], kind: "mutant" as const })),
  ...late.map((mutant) => ({ also: [], ...mutant, patches: [mutant], kind: "late" as const })),
  ...variants.map((variant) => ({ ...variant, also: [], kind: "variant" as const })),
];

/** Builds a patched kernel and judges it; with `only`, by the checks of one clause or specification. */
export async function tryOut(
  sources: Sources,
  patched: Patched,
  runs: number,
  only?: string,
): Promise<Trial> {
  const image = await buildPatched(sources, patched.patches);
  return assess(patched, await judge(image, { name: patched.name, runs, only }));
}

/** Compares a report with what it should say. */
export function assess({ name, kind, clause, also }: Patched, report: Report): Trial {
  const failed = verdicts(report).filter(({ status }) => status === "failed");
  const others = failed.map(({ id }) => id).filter((id) => id !== clause);
  const caughtBy = failed.filter(({ id }) => id === clause)
    .flatMap(({ failures }) => failures.map(({ title }) => title));
  const findings = failed.map(({ id, failures: [{ title, finding }] }) =>
    [id, `${title}: expected ${finding.expected}, seen ${finding.seen}`] as const
  );
  return {
    ...{ name, kind, clause: clause ?? null, caughtBy },
    related: others.filter((id) => also.includes(id)),
    unrelated: others.filter((id) => !also.includes(id)),
    findings: Object.fromEntries(findings),
  };
}

/** Whether the checker said what it should: the clause, and none that has nothing to do with it. */
export function isRight({ clause, caughtBy, unrelated }: Trial): boolean {
  return (clause === null || caughtBy.length > 0) && unrelated.length === 0;
}
