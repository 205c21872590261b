import { assert, assertEquals } from "@std/assert";
import { againCommand, textReport } from "../../conformance/report_text.ts";
import type { Failed } from "../../conformance/report.ts";
import { sample } from "./sample_report.ts";

const lines = textReport(sample).split("\n");

Deno.test("The head names image, boot, seed and manifest [REPORT-TEXT-1]", () => {
  assertEquals(lines.slice(0, 4), [
    "my kernel.elf: 12,345 bytes, SHA-256 0123456789abcdef",
    "boot: the guest waits for input",
    "seed 7, 10 random sequences a check",
    "manifest: my.json",
  ]);
  const part = textReport({ ...sample, only: "HEAP", shard: { index: 2, count: 3 } });
  assert(part.includes("seed 7, 10 random sequences a check, only HEAP, part 2 of 3\n"));
});

Deno.test("A failure is told with all that one needs to see it again [REPORT-TEXT-2]", () => {
  const at = lines.findIndex((line) => line.startsWith("FAILED "));
  assertEquals(lines[at], "FAILED The user's calls keep <order> & sense [HEAP-7]");
  const rest = lines.slice(at + 1).join("\n");
  assert(rest.startsWith("  | `heap_get_used_size()` is the sum"), rest);
  assert(rest.includes("  expected: free plus used to be total\n"));
  assert(rest.includes("  calls:\n    kmalloc(16) = 0x00400010\n    kfree(0x00400010)\n"));
  assert(rest.includes(
    "  again:    deno task conform 'my kernel.elf' --manifest my.json --seed 7 --runs 10 " +
      "--only 'The user'\\''s calls keep <order> & sense' --path 3:0:1\n",
  ));
  assert(!rest.includes("A second opinion"), "it is waived");
});

Deno.test("A failure without a path has a command without one", () => {
  const plain = sample.results[3] as Failed;
  const command = againCommand({ ...sample, manifest: undefined }, plain);
  assertEquals(
    command,
    "deno task conform 'my kernel.elf' --seed 7 --runs 10 --only 'A second opinion'",
  );
});

Deno.test("The other clauses stand by outcome and reason [REPORT-TEXT-3]", () => {
  const text = lines.join("\n");
  assert(text.includes("passed (1)\n  HEAP-6: in part: the image has no symbol pmm_x\n"));
  assert(text.includes("waived by the manifest (2)\n  HEAP-9: not <yet>\n  TERMINAL-6: no scroll"));
  assert(/\n {2}GDT-1 to GDT-4, HEAP-1 to HEAP-5, /.test(text), text);
});

Deno.test("The last line has the sums [REPORT-TEXT-4]", () => {
  const last = lines.at(-2)!;
  assert(/^[0-9]+ clauses: 1 passed, 1 failed, 2 skipped, 2 waived, /.test(last), last);
  assert(last.endsWith("; 5 checks, 51 guest calls"), last);
});

Deno.test("Lines are at most 100 characters long [REPORT-TEXT-5]", () => {
  const long = lines.filter((line) => line.length > 100 && !line.startsWith("  again:"));
  assertEquals(long, []);
  assertEquals(textReport(sample), textReport(sample));
});
