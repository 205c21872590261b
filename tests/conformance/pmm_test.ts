import { assert, assertEquals } from "@std/assert";
import { checks } from "../../conformance/checks/pmm.ts";
import { judged } from "./judged.ts";
import { correct, defective, reference } from "./kernels.ts";
import { buildPatched, readSources } from "./mutants/patch.ts";

const FEW = { seed: 1, runs: 12 }, MANY = { seed: 1, runs: 100 };

Deno.test("Page frame checks pass the reference kernel and one that takes frames from the top", async () => {
  for (const image of [reference, correct]) {
    const { failures, skipped } = await judged(image, checks, FEW);
    assertEquals([[...failures.keys()], [...skipped.keys()]], [[], []]);
  }
});

Deno.test("Page frame checks judge every clause of page frames", () => {
  const judgedClauses = new Set(checks.flatMap(({ clauses }) => clauses));
  assertEquals([...judgedClauses].sort(), [1, 2, 3, 4, 5, 6, 7, 8, 9].map((n) => `PMM-${n}`));
  assertEquals(new Set(checks.map(({ title }) => title)).size, checks.length);
});

Deno.test("Page frame checks shrink the freeing of kernel pages to one call [PMM-8]", async () => {
  const { failures } = await judged(defective, checks, MANY);
  assertEquals([...failures.keys()], ["PMM-8"]);
  const { calls, path } = failures.get("PMM-8")!;
  assertEquals(calls, ["pmm_free_page(0x00100000)"]);
  const replayed = await judged(defective, checks, { ...MANY, path }, ["PMM-8"]);
  assertEquals(replayed.failures.get("PMM-8")?.calls, calls);
  assert(replayed.calls < 100);
});

const faults: readonly [defect: string, clause: string, find: string, replace: string][] = [
  [
    "frames that are freed and not counted",
    "PMM-3",
    "  freePages++;\n  hint",
    "  if ((frame & 31) != 0) freePages++;\n  hint",
  ],
  [
    "a memory size that does not come from the loader",
    "PMM-1",
    "totalPages && start < end) totalPages = end;",
    "totalPages && start < end) totalPages = 8160;",
  ],
];

for (const [defect, clause, find, replace] of faults) {
  Deno.test(`Page frame checks find ${defect} [${clause}]`, async () => {
    const file = "kernel/pmm.ts";
    const image = await buildPatched(await readSources(), [{ file, find, replace }]);
    const { failures } = await judged(image, checks, MANY, [clause]);
    assertEquals([...failures.keys()], [clause]);
  });
}
