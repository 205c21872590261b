import { assert, assertEquals } from "@std/assert";
import { checks } from "../../conformance/checks/heap.ts";
import { judged } from "./judged.ts";
import { correct, defective, reference } from "./kernels.ts";
import { buildPatched, readSources } from "./mutants/patch.ts";

const FEW = { seed: 1, runs: 12 }, MANY = { seed: 1, runs: 100 };
const FILE = "kernel/heap.ts";

Deno.test("Heap checks pass a heap that panics for damaged links, and a best-fit one [PLAY-4]", async () => {
  for (const image of [reference, correct]) {
    const { failures, skipped } = await judged(image, checks, FEW);
    assertEquals([[...failures.keys()], [...skipped.keys()]], [[], []]);
  }
});

Deno.test("Heap checks judge every clause of the heap", () => {
  const judgedClauses = new Set(checks.flatMap(({ clauses }) => clauses));
  const all = Array.from({ length: 16 }, (_, n) => `HEAP-${n + 1}`);
  assertEquals([...judgedClauses].sort(), all.sort());
  assertEquals(new Set(checks.map(({ title }) => title)).size, checks.length);
});

Deno.test("Heap checks shrink a size that wraps to one call [HEAP-4]", async () => {
  const { failures } = await judged(defective, checks, MANY, ["HEAP-4"]);
  assertEquals(failures.get("HEAP-4")?.calls, ["kmalloc(0xffffffff) = 0x00501010"]);
});

Deno.test("Heap checks shrink a lost rest to the allocation that makes the heap grow [HEAP-5]", async () => {
  const { failures } = await judged(defective, checks, MANY, ["HEAP-5"]);
  const { calls = [], expected } = failures.get("HEAP-5") ?? {};
  assertEquals(calls.length, 1);
  assert(expected?.startsWith("no growth: a free block has room for"));
});

Deno.test("Heap checks shrink a double free to three calls [HEAP-9, PLAY-3]", async () => {
  const { failures } = await judged(defective, checks, MANY, ["HEAP-9"]);
  assertEquals(failures.get("HEAP-9")?.calls, [
    "kmalloc(1) = 0x00501010",
    "kfree(0x00501010)",
    "kfree(0x00501010)",
  ]);
});

Deno.test("A failed check is the same again with its seed, and alone with its path [PLAY-1, PLAY-2]", async () => {
  const [first, second] = [
    await judged(defective, checks, MANY, ["HEAP-9"]),
    await judged(defective, checks, MANY, ["HEAP-9"]),
  ].map(({ failures }) => failures.get("HEAP-9")!);
  assertEquals([second.calls, second.path], [first.calls, first.path]);
  const replayed = await judged(defective, checks, { ...MANY, path: first.path }, ["HEAP-9"]);
  assertEquals(replayed.failures.get("HEAP-9")?.calls, first.calls);
});

const faults: readonly [defect: string, clause: string, find: string, replace: string][] = [
  [
    "krealloc that keeps half of the contents",
    "HEAP-13",
    "min(size, load<u32>(source - HEADER_SIZE + SIZE))",
    "min(size, load<u32>(source - HEADER_SIZE + SIZE)) >> 1",
  ],
  [
    "damaged list links that are followed",
    "HEAP-11",
    'function damaged(): void {\n  kernel_panic(cstr("Heap: a freed block was written to"));\n}',
    "function damaged(): void {}",
  ],
];

for (const [defect, clause, find, replace] of faults) {
  Deno.test(`Heap checks find ${defect} [${clause}]`, async () => {
    const image = await buildPatched(await readSources(), [{ file: FILE, find, replace }]);
    const { failures } = await judged(image, checks, MANY, [clause]);
    assertEquals([...failures.keys()], [clause]);
    assert(failures.get(clause)!.calls.length <= 8);
  });
}
