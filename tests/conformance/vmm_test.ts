import { assert, assertEquals } from "@std/assert";
import { checks } from "../../conformance/checks/vmm.ts";
import { judged } from "./judged.ts";
import { correct, defective, reference } from "./kernels.ts";
import { buildPatched, readSources } from "./mutants/patch.ts";

const FEW = { seed: 1, runs: 12 }, MANY = { seed: 1, runs: 100 };

Deno.test("Paging checks pass kernels with the directory in any frame", async () => {
  for (const image of [reference, correct, defective]) {
    const { failures, skipped } = await judged(image, checks, FEW);
    assertEquals([[...failures.keys()], [...skipped.keys()]], [[], []]);
  }
});

Deno.test("Paging checks judge the clauses of mapping", () => {
  const judgedClauses = new Set(checks.flatMap(({ clauses }) => clauses));
  const all = [4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14].map((n) => `VMM-${n}`);
  assertEquals([...judgedClauses].sort(), all.sort());
  assertEquals(new Set(checks.map(({ title }) => title)).size, checks.length);
});

/** Defect, the clause that names it, patch, and the last of the calls that show it. */
const faults: readonly [string, string, string, string, readonly string[]][] = [
  [
    "an unmapped page that the processor still has",
    "VMM-6",
    "store<u32>(entry, 0);\n  invlpg(virt);",
    "store<u32>(entry, 0);",
    ["vmm_map_page", "read", "vmm_unmap_page", "read"],
  ],
  [
    "a changed mapping that the processor does not see",
    "VMM-4",
    "(flags & FLAGS) | PRESENT);\n  invlpg(virt);",
    "(flags & FLAGS) | PRESENT);",
    ["vmm_map_page", "read", "pmm_alloc_page", "vmm_map_page", "read"],
  ],
];

for (const [defect, clause, find, replace, names] of faults) {
  Deno.test(`Paging checks find ${defect} [${clause}]`, async () => {
    const file = "kernel/vmm.ts";
    const image = await buildPatched(await readSources(), [{ file, find, replace }]);
    const { failures } = await judged(image, checks, MANY, [clause]);
    const calls = failures.get(clause)?.calls ?? [];
    const last = calls.slice(-names.length).map((line) => line.match(/^\w+/)?.[0]);
    assertEquals(last, [...names]);
    assert(calls.length <= 8);
  });
}
