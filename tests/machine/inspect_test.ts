import { assertEquals } from "@std/assert";
import {
  bitmapUsage,
  heapBlocks,
  heapUsage,
  mappedRanges,
  pageMappings,
  translateAddress,
} from "../../machine/inspect.ts";
import { replayGolden } from "./traces.ts";

const PAGED = { cr0: 0x80000011, cr3: 0x1000, cr4: 0x90 }; // 4 MB and global pages on

/** Memory as a list of words. */
function memory(words: Record<number, number>): (address: number) => number {
  return (address) => words[address] ?? 0;
}

Deno.test("Inspection without paging finds no tables [INSPECT-1]", () => {
  const unpaged = { ...PAGED, cr0: 0x11 };
  assertEquals(pageMappings(memory({}), unpaged), undefined);
  assertEquals(translateAddress(memory({}), unpaged, 0x12345678), 0x12345678);
});

Deno.test("Inspection joins the rights of both levels [INSPECT-2]", () => {
  const read = memory({
    0x1000: 0x2007, // present, writable, user
    0x1004: 0x3001, // present
    0x1008: 0x4006, // not present
    0x2000: 0xa067, // accessed, dirty
    0x2004: 0xb001,
    0x2008: 0xc006, // not present
    0x3ffc: 0xfffff007,
    0x4000: 0xd007,
  });
  const pages = pageMappings(read, PAGED)!;
  assertEquals(pages.map((p) => [p.virtAddr, p.physAddr, p.writable, p.user, p.dirty]), [
    [0, 0xa000, true, true, true],
    [0x1000, 0xb000, false, false, false],
    [0x7ff000, 0xfffff000, false, false, false],
  ]);
  assertEquals(
    [0x123, 0x1fff, 0x2000, 0x7ff004, 0x800000].map((a) => translateAddress(read, PAGED, a)),
    [
      0xa123,
      0xbfff,
      undefined,
      0xfffff004,
      undefined,
    ],
  );
});

Deno.test("Inspection knows 4 MB and global pages while they are on [INSPECT-3]", () => {
  const read = memory({ 0x1ffc: 0xffc00183, 0xffc00000: 0x5003 });
  const [large] = pageMappings(read, PAGED)!;
  assertEquals([large.virtAddr, large.bytes, large.global], [0xffc00000, 0x400000, true]);
  assertEquals(translateAddress(read, PAGED, 0xffc12345), 0xffc12345);
  const [small] = pageMappings(read, { ...PAGED, cr4: 0 })!;
  assertEquals([small.bytes, small.physAddr, small.global], [4096, 0x5000, false]);
});

Deno.test("Inspection joins pages into ranges [INSPECT-4]", () => {
  const page = (virtAddr: number, physAddr: number, writable = true) => ({
    ...{ virtAddr, physAddr, bytes: 4096, writable },
    ...{ user: false, global: false, accessed: false, dirty: false, entryAddr: 0, entry: 0 },
  });
  const pages = [page(0, 0x5000), page(0x1000, 0x6000), page(0x2000, 0x9000)];
  pages.push(page(0x3000, 0xa000, false), page(0x5000, 0xb000, false));
  assertEquals(mappedRanges(pages).map((r) => [r.virtAddr, r.bytes, r.flags]), [
    [0, 0x2000, "w---"],
    [0x2000, 0x1000, "w---"],
    [0x3000, 0x1000, "----"],
    [0x5000, 0x1000, "----"],
  ]);
});

/** A heap's words: blocks of the given sizes; negative sizes are used. */
function heap(...sizes: number[]): Record<number, number> {
  const words: Record<number, number> = {};
  let address = 0x400000, below = 0;
  sizes.forEach((size, i) => {
    const bytes = Math.abs(size), next = address + 16 + bytes;
    words[address] = bytes;
    words[address + 4] = (0x48454150 ^ address) + (size > 0 ? 1 : 0);
    words[address + 8] = below;
    words[address + 12] = i < sizes.length - 1 ? next : 0;
    below = address;
    address = next;
  });
  return words;
}

Deno.test("Inspection lists heap blocks in the order of memory [INSPECT-5]", () => {
  const blocks = heapBlocks(memory(heap(-8, 64, -1024)));
  assertEquals(blocks.map((b) => [b.address, b.size, b.free, b.damage]), [
    [0x400000, 8, false, undefined],
    [0x400018, 64, true, undefined],
    [0x400068, 1024, false, undefined],
  ]);
  assertEquals(heapBlocks(() => undefined), []);
});

Deno.test("Inspection names what is wrong with a heap block [INSPECT-6]", () => {
  const damaged = (change: Record<number, number>) =>
    heapBlocks(memory({ ...heap(-8, 64, -1024), ...change })).map((block) => block.damage);
  assertEquals(damaged({ 0x40001c: 0 }), [undefined, "its flag word does not belong here"]);
  assertEquals(damaged({ 0x400018: 4 }), [undefined, "its size 4 is no multiple of 8"]);
  assertEquals(damaged({ 0x400020: 0x400008 }), [
    undefined,
    "its link to the block below is wrong",
  ]);
  assertEquals(damaged({ 0x400024: 0x400018 }), [
    undefined,
    "its link to the block above is wrong",
  ]);
  assertEquals(
    damaged({ 0x400068: 0x800000, 0x400074: 0 })[2],
    "it reaches past the end of the heap",
  );
});

Deno.test("Inspection sums heap blocks with their headers [INSPECT-7]", () => {
  const usage = heapUsage(heapBlocks(memory(heap(-8, 64, -1024))));
  assertEquals(usage, { total: 24 + 80 + 1040, used: 24 + 1040, free: 80 });
});

Deno.test("Inspection counts a bitmap's bits below the number of pages [INSPECT-8]", () => {
  const words = [0xffffffff, 0x80000001, 0xfffffff0];
  assertEquals(bitmapUsage((i) => words[i], 68), { total: 68, used: 34, free: 34 });
  assertEquals(bitmapUsage((i) => words[i], 96).used, 32 + 2 + 28);
});

Deno.test("Inspection replays its golden trace", async () => {
  const { golden, trace } = await replayGolden("inspect");
  assertEquals(trace, golden);
});
