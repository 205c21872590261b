import { assert, assertEquals, assertThrows } from "@std/assert";
import { clauses } from "../../conformance/clauses.ts";
import { applyPatches, readSources } from "./mutants/patch.ts";
import { assess, isRight, patchedKernels, tryOut } from "./mutants/trial.ts";

const RUNS = 3;

/** A mutant or variant whose name has `part` in it, judged by one specification's checks. */
async function trialOf(part: string, only: string) {
  const patched = patchedKernels.find(({ name }) => name.includes(part));
  assert(patched, part);
  return await tryOut(await readSources(), patched, RUNS, only);
}

Deno.test("Every patch of a mutant or variant fits the kernel's sources", async () => {
  const sources = await readSources();
  for (const { patches } of patchedKernels) applyPatches(sources, patches);
});

Deno.test("applyPatches refuses a text that is not there, or there twice", () => {
  const sources = new Map([["kernel/a.ts", "one two two"]]);
  const patch = { file: "kernel/a.ts", find: "one", replace: "$&" };
  assertEquals(applyPatches(sources, [patch]).get("kernel/a.ts"), "$& two two");
  assertThrows(() => applyPatches(sources, [{ ...patch, find: "three" }]), Error, "0 times");
  assertThrows(() => applyPatches(sources, [{ ...patch, find: "two" }]), Error, "2 times");
  assertThrows(() => applyPatches(sources, [{ ...patch, file: "b" }]), Error, "no such file");
});

Deno.test("There are enough mutants and variants, each with a name of its own and clauses that exist", () => {
  const count = (kind: string) => patchedKernels.filter((patched) => patched.kind === kind).length;
  assert(count("mutant") >= 60);
  assertEquals(count("late"), 10);
  assert(count("variant") >= 3);
  assertEquals(new Set(patchedKernels.map(({ name }) => name)).size, patchedKernels.length);
  const known = new Set(clauses.map(({ id }) => id));
  const cited = patchedKernels.flatMap(({ clause, also }) => clause ? [clause, ...also] : also);
  assertEquals(cited.filter((id) => !known.has(id)), []);
});

Deno.test("Every file of the kernel but link.ts has a mutant", async () => {
  const files = new Set(patchedKernels.flatMap(({ patches }) => patches.map(({ file }) => file)));
  assertEquals([...(await readSources()).keys()].filter((file) => !files.has(file)), [
    "kernel/link.ts", // declarations only
  ]);
});

Deno.test("A mutant is right if its clause fails and nothing unrelated does", () => {
  const [patched] = patchedKernels.filter(({ also }) => also.length > 0);
  const failed = (...ids: string[]) => ({
    ...{ image: { name: "", bytes: 0, sha256: "" }, booted: "", idle: true, seed: 1, runs: 1 },
    ...{ shard: { index: 1, count: 1 }, checkCount: ids.length, waived: {} },
    results: ids.map((id, index) => ({
      ...{ index, title: `judges ${id}`, clauses: [id], calls: 0, status: "failed" as const },
      finding: { expected: "this", seen: "that", calls: [] },
    })),
  });
  const { clause = "", also: [other] } = patched;
  const trial = assess(patched, failed(clause, other));
  assertEquals(trial.caughtBy, [`judges ${clause}`]);
  assertEquals([trial.related, trial.unrelated], [[other], []]);
  assert(isRight(trial));
  assert(!isRight(assess(patched, failed(other))));
  assert(!isRight(assess(patched, failed(clause, "LINK-1"))));
  assert(isRight(assess({ ...patched, clause: undefined }, failed())));
  assert(!isRight(assess({ ...patched, clause: undefined }, failed("LINK-1"))));
});

Deno.test("The checker finds a heap that counts freed headers as used", async () => {
  assert(isRight(await trialOf("freed headers stay in use", "HEAP-7")));
});

Deno.test("The checker finds caps lock on digits, and nothing else about the keyboard", async () => {
  assert(isRight(await trialOf("caps lock shifts digits", "KERNEL-KEYBOARD")));
});

Deno.test("The checker has no objection to a best-fit heap", async () => {
  assert(isRight(await trialOf("best-fit heap", "HEAP")));
});
