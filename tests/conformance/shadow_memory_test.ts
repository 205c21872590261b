import { assert, assertEquals } from "@std/assert";
import { distance, ShadowMemory } from "../../conformance/shadow_memory.ts";

const BASE = 0x400100;

/** A memory with one allocation of 24 bytes. */
function one(written = 0): ShadowMemory {
  const memory = new ShadowMemory();
  memory.allocate(BASE, 24, "kmalloc(24)", written);
  return memory;
}

type Step = [address: number, bytes: number, access: "load" | "store" | "modify"];

function kind(memory: ShadowMemory, ...[offset, bytes, access]: Step): string {
  return memory.judge(BASE + offset, bytes, access)?.kind ?? "good";
}

const bounds: [...Step, expected: string][] = [
  [0, 4, "store", "good"],
  [23, 1, "store", "good"],
  [24, 1, "store", "out of bounds"],
  [22, 4, "store", "out of bounds"],
  [-1, 1, "store", "out of bounds"],
  [-2, 4, "store", "out of bounds"],
  [1000, 4, "store", "out of bounds"],
  [24, 1, "load", "out of bounds"],
  [-4, 4, "load", "out of bounds"],
  [22, 4, "load", "out of bounds"], // not aligned
  [20, 4, "modify", "good"],
];

Deno.test("ShadowMemory knows the bounds of allocations [SHADOW-1]", () => {
  for (const [offset, bytes, access, expected] of bounds) {
    assertEquals(kind(one(24), offset, bytes, access), expected, `${access} ${offset} ${bytes}`);
  }
  assertEquals(kind(new ShadowMemory(), 0, 1, "load"), "out of bounds");
});

Deno.test("ShadowMemory lets an aligned read end behind the allocation [SHADOW-1]", () => {
  const memory = new ShadowMemory();
  memory.allocate(BASE, 5, "kcalloc(5, 1)", 5);
  assertEquals(kind(memory, 4, 4, "load"), "good");
  assertEquals(kind(memory, 4, 2, "load"), "good");
  assertEquals(kind(memory, 4, 4, "store"), "out of bounds");
  assertEquals(kind(memory, 4, 4, "modify"), "out of bounds");
  assertEquals(kind(memory, 3, 4, "load"), "out of bounds");
  assertEquals(kind(memory, 5, 1, "load"), "out of bounds");
});

Deno.test("ShadowMemory calls an access to a freed allocation so [SHADOW-2, SHADOW-MEMORY-3]", () => {
  const memory = one(24);
  memory.allocate(BASE + 40, 8, "kmalloc(8)");
  assert(memory.free(BASE, "kfree(...)"));
  assertEquals(kind(memory, 0, 4, "load"), "use after free");
  assertEquals(kind(memory, 23, 1, "store"), "use after free");
  assertEquals(kind(memory, 24, 1, "store"), "out of bounds");
  assertEquals(memory.judge(BASE, 1, "load")?.block?.freed, "kfree(...)");
  assertEquals([memory.free(BASE, "again"), memory.free(BASE + 44, "inside")], [false, false]);
});

Deno.test("ShadowMemory calls a near miss of reused memory so [SHADOW-MEMORY-3]", () => {
  const memory = new ShadowMemory();
  memory.allocate(BASE, 200, "kmalloc(200)");
  memory.free(BASE, "kfree(...)");
  memory.allocate(BASE, 24, "kmalloc(24)", 24);
  assertEquals(kind(memory, 24, 1, "store"), "out of bounds");
  assertEquals(kind(memory, 40, 1, "store"), "out of bounds");
  assertEquals(kind(memory, 41, 1, "store"), "use after free");
  assertEquals(kind(memory, 22, 4, "store"), "out of bounds");
});

Deno.test("ShadowMemory names the nearest allocation and the distance [SHADOW-MEMORY-3]", () => {
  const memory = one();
  memory.allocate(BASE + 100, 8, "kmalloc(8)");
  const near = (offset: number, bytes: number): unknown[] => {
    const { block } = memory.judge(BASE + offset, bytes, "store")!;
    return [block!.base - BASE, distance(block!, BASE + offset, bytes)];
  };
  assertEquals(near(24, 4), [0, 0]);
  assertEquals(near(30, 4), [0, 6]);
  assertEquals(near(90, 4), [100, 6]);
  assertEquals(near(-8, 4), [0, 4]);
  assertEquals(near(98, 4), [100, 0]);
  assertEquals(near(110, 4), [100, 2]);
});

Deno.test("ShadowMemory knows what was never written [SHADOW-3, SHADOW-MEMORY-2]", () => {
  const memory = one();
  assertEquals(kind(memory, 0, 4, "load"), "never written");
  assertEquals(kind(memory, 0, 4, "modify"), "never written");
  memory.judge(BASE + 3, 1, "store");
  assertEquals(kind(memory, 0, 4, "load"), "good");
  assertEquals(kind(memory, 0, 2, "load"), "never written");
  assertEquals(kind(memory, 4, 4, "load"), "never written");
  memory.written(BASE + 4, 4);
  assertEquals(kind(memory, 4, 4, "load"), "good");
  assertEquals(kind(one(24), 20, 4, "load"), "good");
});

Deno.test("ShadowMemory moves what was written [SHADOW-MEMORY-2]", () => {
  for (const to of [BASE, BASE + 0x1000]) {
    const memory = one();
    memory.judge(BASE + 8, 4, "store");
    memory.move(BASE, to, 48, "krealloc(...)");
    const at = (offset: number) => memory.judge(to + offset, 4, "load")?.kind ?? "good";
    assertEquals([at(8), at(12), at(24), at(44)], ["good", ...Array(3).fill("never written")]);
    memory.move(to, to, 8, "krealloc(...)");
    assertEquals(at(8), "out of bounds");
    assertEquals(kind(memory, 16, 4, "load"), to === BASE ? "out of bounds" : "use after free");
  }
});

Deno.test("ShadowMemory replaces what a new allocation overlaps [SHADOW-MEMORY-4]", () => {
  const memory = one(), [first] = memory.blocks;
  assertEquals(memory.allocate(BASE + 24, 8, "beside"), []);
  assertEquals(memory.allocate(BASE + 16, 8, "inside"), [first]);
  assertEquals(memory.blocks.map(({ made }) => made), ["inside", "beside"]);
  assertEquals(memory.touching(BASE + 10, 8)?.made, "inside");
  assertEquals([memory.touching(BASE, 16), memory.touching(BASE + 32, 1)], [undefined, undefined]);
});

Deno.test("ShadowMemory is restored as it was saved [SHADOW-MEMORY-9]", () => {
  const memory = one(), saved = memory.save();
  for (let i = 0; i < 2; i++) {
    assertEquals(kind(memory, 0, 4, "load"), "never written");
    memory.judge(BASE, 4, "store");
    assertEquals(kind(memory, 0, 4, "load"), "good");
    memory.free(BASE, "kfree(...)");
    assertEquals(kind(memory, 0, 4, "load"), "use after free");
    memory.clear();
    assertEquals([memory.blocks.length, kind(memory, 0, 4, "load")], [0, "out of bounds"]);
    memory.restore(saved);
  }
});
