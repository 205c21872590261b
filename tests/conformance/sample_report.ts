/** A report with every outcome in it, and texts that are hard to write down. */
import type { CheckResult, Report } from "../../conformance/report.ts";

/** What a kernel may print: markup, control characters, directives. */
export const NASTY = `<b>&"x"\x00\x1b[1m]]> # SKIP \\ \u00e9\n\tend`;

const results: CheckResult[] = [
  { index: 0, title: "Blocks merge", clauses: ["HEAP-6"], calls: 3, status: "passed" },
  {
    index: 1,
    title: "The user's calls keep <order> & sense",
    clauses: ["HEAP-7", "HEAP-8", "HEAP-9"],
    calls: 40,
    status: "failed",
    finding: {
      expected: "free plus used to be total",
      seen: NASTY,
      calls: ["kmalloc(16) = 0x00400010", "kfree(0x00400010)"],
      path: "3:0:1",
      clauses: ["HEAP-7", "HEAP-9"],
    },
  },
  {
    index: 2,
    title: "No twins",
    clauses: ["HEAP-6", "PMM-1"],
    calls: 0,
    status: "skipped",
    reason: "the image has no symbol pmm_x",
  },
  {
    index: 3,
    title: "A second opinion",
    clauses: ["HEAP-9"],
    calls: 1,
    status: "failed",
    finding: { expected: "0", seen: "1", calls: [] },
  },
  { index: 4, title: "The console scrolls", clauses: ["TERMINAL-6"], calls: 7, status: "passed" },
];

/** The report. HEAP-9 fails and is waived, TERMINAL-6 passes and is waived. */
export const sample: Report = {
  image: { name: "my kernel.elf", bytes: 12345, sha256: "0123456789abcdef".repeat(4) },
  manifest: "my.json",
  booted: "the guest waits for input",
  idle: true,
  seed: 7,
  runs: 10,
  shard: { index: 1, count: 1 },
  checkCount: results.length,
  waived: { "HEAP-9": "not <yet>", "TERMINAL-6": "no scrolling" },
  results,
};
