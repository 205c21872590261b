/** Judges a kernel image clause by clause: `deno task conform IMAGE`. */
import { parseArgs } from "node:util";
import { checks } from "../conformance/checks/all.ts";
import { FULL_RUNS, judge, type JudgeOptions, QUICK_RUNS, select } from "../conformance/judge.ts";
import { type Manifest, ManifestError, parseManifest } from "../conformance/manifest.ts";
import {
  counts,
  merge,
  MergeError,
  type Report,
  type Shard,
  verdicts,
} from "../conformance/report.ts";
import { jsonReport, parseJsonReport } from "../conformance/report_json.ts";
import { junitReport } from "../conformance/report_junit.ts";
import { tapReport } from "../conformance/report_tap.ts";
import { textReport } from "../conformance/report_text.ts";
import { ImageError } from "../machine/elf.ts";
import { checkPlacement, type KernelImage, readImage } from "../machine/multiboot.ts";
import { DEFAULT_RAM } from "../machine/boot.ts";
import { readFile, readText, writeWhole } from "./files.ts";
import { UsageError } from "./options.ts";
import { print } from "./output.ts";
import { USAGE } from "./report.ts";

const FAILED = 1;

const HELP = `Judges a Multiboot 1 kernel image by the clauses of specs/kernel.

Usage: deno task conform [OPTIONS] IMAGE
       deno task conform [OUTPUT OPTIONS] --merge REPORT.json...

Options:
      --manifest FILE  names, missing functions and waived clauses of this kernel (JSON)
      --seed N         where the random numbers begin (default 1); equal seeds, equal reports
      --runs N         random sequences a check (default ${FULL_RUNS})
      --quick          the same as --runs ${QUICK_RUNS}
      --only WHAT      checks of one clause (HEAP-7), one specification (HEAP) or one title
      --path PATH      replay one random sequence, as the report of its failure says
      --shard I/N      make part I of N of the checks; --merge puts JSON reports together
      --jobs N         work on N parts at once; the report is the same (default: the processors, at most 4)
Output options:
      --json           report as JSON on standard output
      --tap            report as TAP version 14 on standard output
      --junit FILE     also write the report as JUnit XML
  -h, --help           this text

Exit codes:
  0    no clause failed
  1    a clause failed
  2    wrong arguments, an image that cannot be booted or never waits for input

Example: deno task conform --quick --manifest my-kernel.json my-kernel.elf
`;

const specification = {
  help: { type: "boolean", short: "h" },
  manifest: { type: "string" },
  seed: { type: "string" },
  runs: { type: "string" },
  quick: { type: "boolean" },
  only: { type: "string" },
  path: { type: "string" },
  shard: { type: "string" },
  jobs: { type: "string" },
  merge: { type: "boolean" },
  json: { type: "boolean" },
  tap: { type: "boolean" },
  junit: { type: "string" },
} as const;

type Values = ReturnType<typeof parse>["values"];

/** A job for a worker. */
export interface Job {
  /** The image. */
  readonly image: Uint8Array;
  /** What to judge it by. */
  readonly options: JudgeOptions;
}

/** Carries out the command with its arguments; the exit code. Bad input is told in one line. */
export async function conform(args: readonly string[]): Promise<number> {
  try {
    const { values, positionals } = parse(args);
    if (values.help) return print(Deno.stdout, HELP), 0;
    if (values.json && values.tap) throw new UsageError("Cannot print both: give --json or --tap");
    const report = values.merge ? merged(positionals) : await judged(values, positionals);
    output(report, values);
    return exitCode(report);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    print(Deno.stderr, `${error.message}\n`);
    return USAGE;
  }
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: specification, allowPositionals: true });
  } catch (error) {
    throw new UsageError(`Cannot read the arguments: ${(error as Error).message.split("\n")[0]}`);
  }
}

function output(report: Report, { json, tap, junit }: Values): void {
  if (junit !== undefined) writeWhole(junit, junitReport(report));
  const printer = json ? jsonReport : tap ? tapReport : textReport;
  print(Deno.stdout, printer(report));
}

function exitCode(report: Report): number {
  if (!report.idle) {
    print(
      Deno.stderr,
      `Cannot judge ${report.image.name}: it never waits for input: ${report.booted}\n`,
    );
    return USAGE;
  }
  return counts(verdicts(report)).failed > 0 ? FAILED : 0;
}

// ---- judging

async function judged(values: Values, positionals: readonly string[]): Promise<Report> {
  const began = performance.now();
  if (positionals.length !== 1) {
    throw new UsageError(
      `Cannot judge ${positionals.length} images: give one (deno task conform IMAGE)`,
    );
  }
  const [name] = positionals, image = readFile(name, `Cannot judge ${name}`);
  const options = {
    ...optionsOf(values),
    name,
    ...manifestOf(values.manifest, kernelOf(name, image)),
  };
  const jobs = values.jobs === undefined ? processors() : quantity("--jobs", values.jobs, 1, 64);
  const report = await judgeAtOnce(image, options, jobs);
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  print(Deno.stderr, `${report.results.length} checks in ${seconds} s\n`);
  return report;
}

function processors(): number {
  return Math.min(navigator.hardwareConcurrency, 4);
}

function kernelOf(name: string, image: Uint8Array): KernelImage {
  try {
    const kernel = readImage(image);
    checkPlacement(kernel, DEFAULT_RAM);
    return kernel;
  } catch (error) {
    if (error instanceof ImageError) throw new UsageError(`Cannot judge ${name}: ${error.message}`);
    throw error;
  }
}

function manifestOf(
  path: string | undefined,
  { symbols }: KernelImage,
): { manifest?: Manifest; manifestName?: string } {
  if (path === undefined) return {};
  const text = readText(path, `Cannot read the manifest ${path}`);
  try {
    const manifest = parseManifest(text, path, (symbol) => symbols.find(symbol) !== undefined);
    return { manifest, manifestName: path };
  } catch (error) {
    if (error instanceof ManifestError) throw new UsageError(error.message);
    throw error;
  }
}

function optionsOf(values: Values): JudgeOptions & { shard: Shard } {
  const { seed, runs, quick, only, path, shard } = values;
  if (quick && runs !== undefined) throw new UsageError("Cannot use both --quick and --runs");
  if (path !== undefined && only === undefined) {
    throw new UsageError("Cannot replay --path: --only must say of which check");
  }
  try {
    select(checks, only);
  } catch (error) {
    throw new UsageError(`Cannot use --only: ${(error as Error).message}`);
  }
  const most = 0x7fffffff;
  return {
    seed: seed === undefined ? undefined : quantity("--seed", seed, 0, most),
    runs: runs === undefined ? quick ? QUICK_RUNS : FULL_RUNS : quantity("--runs", runs, 1, most),
    ...{ only, path },
    shard: shardOf(shard ?? "1/1"),
  };
}

function quantity(option: string, text: string, least: number, most: number): number {
  const value = /^[0-9]{1,10}$/.test(text) ? Number(text) : NaN;
  if (value >= least && value <= most) return value;
  throw new UsageError(
    `Cannot use ${option} ${text}: give a whole number from ${least} to ${most}`,
  );
}

function shardOf(text: string): Shard {
  const [index, count] = (/^([0-9]{1,4})\/([0-9]{1,4})$/.exec(text) ?? []).slice(1).map(Number);
  if (index >= 1 && index <= count) return { index, count };
  throw new UsageError(`Cannot use --shard ${text}: give I/N, such as 2/4`);
}

/** Judges in parts, each by a worker of its own, and puts the parts together. */
async function judgeAtOnce(
  image: Uint8Array,
  options: JudgeOptions & { shard: Shard },
  jobs: number,
): Promise<Report> {
  const { shard } = options;
  if (jobs === 1) return await judge(image, options);
  const parts = Array.from({ length: jobs }, (_, job) => ({
    index: shard.index + job * shard.count,
    count: shard.count * jobs,
  }));
  const work = parts.map((part) => employ({ image, options: { ...options, shard: part } }));
  return merge(await Promise.all(work), shard);
}

function employ(job: Job): Promise<Report> {
  const worker = new Worker(new URL("./conform_worker.ts", import.meta.url), { type: "module" });
  return new Promise<Report>((resolve, reject) => {
    worker.onmessage = ({ data }: MessageEvent<Report>) => resolve(data);
    worker.onerror = (event) => {
      event.preventDefault();
      reject(new Error(event.message));
    };
    worker.postMessage(job);
  }).finally(() => worker.terminate());
}

// ---- putting together

function merged(paths: readonly string[]): Report {
  const parts = paths.map((path) => {
    const text = readText(path, `Cannot read the report ${path}`);
    try {
      return parseJsonReport(text);
    } catch (error) {
      throw new UsageError(`Cannot read the report ${path}: ${(error as Error).message}`);
    }
  });
  try {
    return merge(parts);
  } catch (error) {
    if (!(error instanceof MergeError)) throw error;
    throw new UsageError(`Cannot put the reports together: ${error.message}`);
  }
}

if (import.meta.main) Deno.exit(await conform(Deno.args));
