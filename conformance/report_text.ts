/** A report for people. Spec: specs/conformance/report_text.md. */
import {
  callCount,
  type ClauseStatus,
  counts,
  type Failed,
  type Report,
  type Verdict,
  verdicts,
} from "./report.ts";

const WIDTH = 100;

/** The report as lines, each with its line feed. */
export function textReport(report: Report): string {
  const all = verdicts(report);
  const lines = [
    ...headLines(report),
    ...failedChecks(all).flatMap((failed) => ["", ...failureLines(report, failed, all)]),
    "",
    ...statusLines(all),
    "",
    ...tailLines(report, all),
  ];
  return lines.map((line) => `${line}\n`).join("");
}

function headLines({ image, manifest, booted, seed, runs, only, shard }: Report): string[] {
  const part = shard.count === 1 ? "" : `, part ${shard.index} of ${shard.count}`;
  const chosen = only === undefined ? "" : `, only ${only}`;
  return [
    `${image.name}: ${grouped(image.bytes)} bytes, SHA-256 ${image.sha256.slice(0, 16)}`,
    `boot: ${booted}`,
    `seed ${seed}, ${runs} random sequences a check${chosen}${part}`,
    ...(manifest === undefined ? [] : [`manifest: ${manifest}`]),
  ];
}

/** The failed checks, each once. */
function failedChecks(all: readonly Verdict[]): Failed[] {
  const failures = all.filter(({ status }) => status === "failed").flatMap((one) => one.failures);
  return [...new Set(failures)].sort((a, b) => a.index - b.index);
}

/** REPORT-TEXT-2: a failure: clauses, expectation, observation, calls, how to see it again. */
function failureLines(report: Report, failed: Failed, all: readonly Verdict[]): string[] {
  const { title, clauses, finding } = failed;
  const broken = all.filter(({ id, status }) =>
    status === "failed" && (finding.clauses ?? clauses).includes(id)
  );
  const calls = finding.calls.map((call) => `    ${call}`);
  return [
    `FAILED ${title} [${broken.map(({ id }) => id).join(", ")}]`,
    ...broken.flatMap(({ text, file }) => wrapped(`${text} (${file})`, "  | ")),
    ...wrapped(`expected: ${finding.expected}`, "  "),
    ...wrapped(`seen:     ${finding.seen}`, "  "),
    ...(calls.length === 0 ? [] : [`  calls:`, ...calls]),
    `  again:    ${againCommand(report, failed)}`,
  ];
}

/** The command that makes one check again, with its counterexample alone where it has a path. */
export function againCommand({ image, manifest, seed, runs }: Report, failed: Failed): string {
  const { title, finding } = failed;
  const words = ["deno task conform", quoted(image.name)];
  if (manifest !== undefined) words.push("--manifest", quoted(manifest));
  words.push("--seed", `${seed}`, "--runs", `${runs}`, "--only", quoted(title));
  if (finding.path !== undefined) words.push("--path", quoted(finding.path));
  return words.join(" ");
}

/** A word as a POSIX shell takes it. */
function quoted(word: string): string {
  return /^[\w./:@%+=-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

const headings: readonly (readonly [ClauseStatus, string])[] = [
  ["passed", "passed"],
  ["skipped", "skipped"],
  ["waived", "waived by the manifest"],
  ["not checkable", "not checkable"],
];

/** REPORT-TEXT-3: the clauses that have not failed, those of one reason together. */
function statusLines(all: readonly Verdict[]): string[] {
  return headings.flatMap(([status, heading]) => {
    const chosen = all.filter((verdict) => verdict.status === status);
    const groups = Map.groupBy(chosen, ({ reason }) => reason);
    const lines = [...groups].flatMap(([reason, group]) => {
      const ids = abridged(group.map(({ id }) => id));
      return wrapped(reason === undefined ? ids : `${ids}: ${reason}`, "  ");
    });
    return chosen.length === 0 ? [] : [`${heading} (${chosen.length})`, ...lines];
  });
}

/** `HEAP-1 to HEAP-3, HEAP-7`. */
function abridged(ids: readonly string[]): string {
  const runs: [first: string, last: string][] = [];
  for (const id of ids) {
    const run = runs.at(-1);
    if (run !== undefined && follows(run[1], id)) run[1] = id;
    else runs.push([id, id]);
  }
  return runs.map(([first, last]) =>
    first === last ? first : `${first}${follows(first, last) ? "," : " to"} ${last}`
  ).join(", ");
}

function follows(id: string, next: string): boolean {
  const [, stem, number] = /^(.*)-([0-9]+)$/.exec(id)!;
  return next === `${stem}-${Number(number) + 1}`;
}

function tailLines(report: Report, all: readonly Verdict[]): string[] {
  const numbers = Object.entries(counts(all)).filter(([, count]) => count > 0);
  const outcome = numbers.map(([status, count]) => `${count} ${status}`).join(", ");
  const checks = `${report.results.length} checks, ${grouped(callCount(report))} guest calls`;
  return [`${all.length} clauses: ${outcome}; ${checks}`];
}

function grouped(value: number): string {
  return value.toLocaleString("en-US");
}

/** Lines of at most {@link WIDTH} characters, further ones indented by two more. */
function wrapped(text: string, indent: string): string[] {
  const lines: string[] = [];
  let line = indent;
  for (const word of text.split(/ (?! )/)) {
    const room = line.trim() === indent.trim();
    if (!room && line.length + 1 + word.length > WIDTH) {
      lines.push(line);
      line = `${indent}  ${word}`;
    } else line += room ? word : ` ${word}`;
  }
  return [...lines, line];
}
