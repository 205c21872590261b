/** `deno task mutants`: builds kernels with a planted defect each, and sees whether the checker finds it. */
import { parseArgs } from "node:util";
import { QUICK_RUNS } from "../conformance/judge.ts";
import { readSources } from "../tests/conformance/mutants/patch.ts";
import {
  isRight,
  type Patched,
  patchedKernels,
  type Trial,
  tryOut,
} from "../tests/conformance/mutants/trial.ts";

const USAGE =
  `Proves the conformance checker on kernels with one planted defect each, and on correct ones that
differ from the reference kernel.

Usage: deno task mutants [OPTIONS]

  --only NAME   Only kernels whose name, kind (mutant, late, variant) or clause has NAME in it.
  --shard I/N   Only the I-th of N parts, to share the work.
  --runs N      Random sequences a check (default ${QUICK_RUNS}).
  --list        Print the table without judging.
  --why         Print what was found below each kernel.
  --json        Print one line of JSON a kernel.
  --help        Show this text.

A defect must be failed by its clause, and by no clause that has nothing to do with it; a correct kernel by
none. Exit codes: 0 if all are so, 1 if one is not, 2 wrong usage.`;

interface Arguments {
  readonly chosen: readonly Patched[];
  readonly runs: number;
  readonly list: boolean;
  readonly why: boolean;
  readonly json: boolean;
}

const specification = {
  only: { type: "string" },
  shard: { type: "string" },
  runs: { type: "string" },
  list: { type: "boolean", default: false },
  why: { type: "boolean", default: false },
  json: { type: "boolean", default: false },
} as const;

/** The arguments, or what is wrong with them. */
function parse(args: readonly string[]): Arguments | string {
  try {
    const { only, shard = "1/1", runs = `${QUICK_RUNS}`, ...flags } =
      parseArgs({ args: [...args], options: specification }).values;
    const [, part, parts] = /^([1-9]\d*)\/([1-9]\d*)$/.exec(shard)?.map(Number) ?? [];
    if (!(part <= parts)) return `--shard takes I/N, such as 1/2, not "${shard}"`;
    if (!/^[1-9]\d{0,5}$/.test(runs)) return `--runs takes a number of sequences, not "${runs}"`;
    const named = patchedKernels.filter((subject) => only === undefined || isNamed(subject, only));
    if (named.length === 0) return `no kernel has "${only}" in its name; see --list`;
    return {
      chosen: named.filter((_, at) => at % parts === part - 1),
      runs: Number(runs),
      ...flags,
    };
  } catch (error) {
    return `${(error as Error).message.split("\n")[0]}; see --help`;
  }
}

const KINDS: ReadonlySet<string> = new Set(patchedKernels.map(({ kind }) => kind));

function isNamed({ name, kind, clause }: Patched, part: string): boolean {
  return KINDS.has(part) ? kind === part : name.includes(part) || clause === part;
}

const NAME = 62, CLAUSE = 21;

function row(name: string, clause: string, caughtBy: string, unrelated: string): string {
  return `${name.padEnd(NAME)}${clause.padEnd(CLAUSE)}${caughtBy.padEnd(CLAUSE)}${unrelated}`
    .trimEnd();
}

function trialRow({ name, kind, clause, caughtBy, unrelated }: Trial): string {
  const label = kind === "mutant" ? name : `${name} (${kind})`;
  const outcome = clause === null
    ? "-"
    : caughtBy.length === 0
    ? "NOT CAUGHT"
    : plural(caughtBy.length);
  return row(label, clause ?? "none", outcome, unrelated.join(" ") || "-");
}

function plural(count: number): string {
  return count === 1 ? "1 check" : `${count} checks`;
}

function summary(trials: readonly Trial[]): string {
  const kinds = [["mutant", "mutants"], ["late", "late mutants"], ["variant", "variants"]] as const;
  return kinds.flatMap(([kind, title]) => {
    const some = trials.filter((trial) => trial.kind === kind);
    return some.length === 0
      ? []
      : [`${title}: ${some.filter(isRight).length} of ${some.length} right`];
  }).join(", ");
}

function show(trial: Trial, { json, why }: Arguments): void {
  if (json) return console.log(JSON.stringify(trial));
  console.log(trialRow(trial));
  if (!why) return;
  for (const [id, finding] of Object.entries(trial.findings)) console.log(`    ${id}: ${finding}`);
}

async function tryAll(options: Arguments): Promise<number> {
  const sources = await readSources(), trials: Trial[] = [];
  if (!options.json) console.log(row("Kernel", "Clause", "Caught by", "Unrelated failures"));
  for (const subject of options.chosen) {
    const trial = await tryOut(sources, subject, options.runs);
    trials.push(trial);
    show(trial, options);
  }
  if (!options.json) console.log(summary(trials));
  return trials.every(isRight) ? 0 : 1;
}

function list({ chosen }: Arguments): number {
  for (const { name, clause, also } of chosen) {
    console.log(row(name, clause ?? "none", "", also.join(" ")));
  }
  return 0;
}

/** Runs the command; returns its exit code. */
export async function main(args: readonly string[]): Promise<number> {
  if (args.includes("--help")) {
    console.log(USAGE);
    return 0;
  }
  const options = parse(args);
  if (typeof options === "string") {
    console.error(`mutants: ${options}`);
    return 2;
  }
  return options.list ? list(options) : await tryAll(options);
}

if (import.meta.main) Deno.exit(await main(Deno.args));
