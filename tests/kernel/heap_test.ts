import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { Random } from "../random.ts";
import { bootGuest, type Guest } from "./guest.ts";
import { replayGolden } from "./traces.ts";

// Restated from specs/kernel/heap.md.
const START = 0x400000, INITIAL = 0x100000, MAXIMUM = 0x800000, HEADER = 16;
const MAGIC = 0x48454150;

interface Block {
  header: number;
  size: number;
  isFree: boolean;
}

/** Walks the blocks and checks on the way that they tile the heap (HEAP-2) and are merged (HEAP-6). */
function walk(guest: Guest): Block[] {
  const blocks: Block[] = [];
  let header = START, below = 0;
  while (header !== 0) {
    const [size, flag, prev, next] = [0, 4, 8, 12].map((at) => guest.word(header + at));
    assertEquals(flag & ~1, (MAGIC ^ header) & ~7, "flag word");
    assertEquals(prev, below, "prev");
    const end = header + HEADER + size;
    assertEquals(next === 0 ? START + guest.call("heap_get_total_size") : next, end, "next");
    const isFree = (flag & 1) === 1;
    assert(!(isFree && blocks.at(-1)?.isFree), "two free neighbours");
    blocks.push({ header, size, isFree });
    [below, header] = [header, next];
  }
  return blocks;
}

const sizes = (guest: Guest): number[] =>
  ["total", "free", "used"].map((name) => guest.call(`heap_get_${name}_size`));
const emptyHeap = [{ header: START, size: INITIAL - HEADER, isFree: true }];

Deno.test("The heap starts as one free block of a megabyte at 4 MB [HEAP-1]", () => {
  const guest = bootGuest();
  assertEquals(walk(guest), emptyHeap);
  assertEquals(guest.mapping(START) & 7, 3);
  assertEquals(guest.mapping(START + INITIAL - 1) & 7, 3);
  assertEquals(guest.mapping(START + INITIAL) & 1, 0);
});

Deno.test("kmalloc gives aligned addresses that do not overlap [HEAP-2] [HEAP-3]", () => {
  const guest = bootGuest();
  const wanted = [1, 8, 9, 100, 4096, 70000, 3];
  const addresses = wanted.map((size) => guest.call("kmalloc", size));
  addresses.forEach((address, n) => {
    assertEquals(address % 8, 0);
    guest.fill(address, wanted[n], n + 1);
  });
  addresses.forEach((address, n) =>
    assert(guest.bytes(address, wanted[n]).every((byte) => byte === n + 1))
  );
  const used = walk(guest).filter((block) => !block.isFree);
  assertEquals(used.map((block) => block.header + HEADER), addresses);
});

Deno.test("kmalloc gives nothing for no bytes and for too many [HEAP-4]", () => {
  const guest = bootGuest();
  for (const size of [0, MAXIMUM, MAXIMUM - 15, 0xffffffff, 0xfffffff8, 0x80000000]) {
    assertEquals(guest.call("kmalloc", size), 0);
  }
  assertEquals(walk(guest), emptyHeap);
  guest.call("kmalloc", INITIAL - HEADER); // the same with nothing free to begin with
  assertEquals(guest.call("kmalloc", 0xffffffff), 0);
  assertEquals(walk(guest).length, 1);
});

Deno.test("kmalloc keeps the rest of a split block available [HEAP-5]", () => {
  const guest = bootGuest();
  for (let n = 0; n < 200; n++) assertNotEquals(guest.call("kmalloc", 5000), 0);
  assertEquals(guest.call("heap_get_total_size"), INITIAL);
  assertEquals(walk(guest).length, 201);
});

Deno.test("A rest below 24 bytes stays with the allocation [HEAP-5]", () => {
  const guest = bootGuest();
  const [hole] = [guest.call("kmalloc", 120), guest.call("kmalloc", 8)];
  guest.call("kfree", hole);
  assertEquals(guest.call("kmalloc", 104), hole);
  assertEquals(guest.word(hole - HEADER), 120);
  guest.call("kfree", hole);
  assertEquals(guest.call("kmalloc", 96), hole);
  assertEquals(guest.word(hole - HEADER), 96);
});

Deno.test("kfree merges with both neighbours in every order [HEAP-6]", () => {
  const orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
  for (const order of orders) {
    const guest = bootGuest();
    const addresses = [100, 200, 300].map((size) => guest.call("kmalloc", size));
    for (const n of order) {
      assertEquals(guest.call("kfree", addresses[n]), 1);
      walk(guest);
    }
    assertEquals(walk(guest), emptyHeap);
  }
});

Deno.test("kfree of address 0 does nothing [HEAP-6]", () => {
  const guest = bootGuest();
  assertEquals(guest.said(() => guest.call("kfree", 0)), "");
  assertEquals(walk(guest), emptyHeap);
});

Deno.test("Used and free sizes count headers and add up [HEAP-7]", () => {
  const guest = bootGuest();
  assertEquals(sizes(guest), [INITIAL, INITIAL, 0]);
  const first = guest.call("kmalloc", 1000);
  guest.call("kmalloc", 1);
  assertEquals(sizes(guest), [INITIAL, INITIAL - 1040, 1040]);
  guest.call("kfree", first);
  assertEquals(sizes(guest), [INITIAL, INITIAL - 24, 24]);
});

Deno.test("The heap grows by the pages that a request lacks [HEAP-8]", () => {
  const guest = bootGuest();
  assertNotEquals(guest.call("kmalloc", INITIAL), 0); // a header short
  assertEquals(guest.call("heap_get_total_size"), INITIAL + 4096);
  assertEquals(guest.call("kmalloc", 4096 - 2 * HEADER), START + INITIAL + 2 * HEADER);
  assertEquals(guest.call("heap_get_total_size"), INITIAL + 4096);
  assertNotEquals(guest.call("kmalloc", 1), 0);
  assertEquals(guest.call("heap_get_total_size"), INITIAL + 8192);
  walk(guest);
});

Deno.test("The heap can be used up to its 8 MB, and recovers [HEAP-4] [HEAP-8]", () => {
  const guest = bootGuest();
  const addresses: number[] = [];
  for (let at = guest.call("kmalloc", 65520); at !== 0; at = guest.call("kmalloc", 65520)) {
    addresses.push(at);
  }
  assertEquals(addresses.length, 128);
  assertEquals(sizes(guest), [MAXIMUM, 0, MAXIMUM]);
  assertEquals(guest.call("kmalloc", 1), 0);
  for (const address of addresses) assertEquals(guest.call("kfree", address), 1);
  assertEquals(walk(guest), [{ header: START, size: MAXIMUM - HEADER, isFree: true }]);
  assertEquals(guest.call("kmalloc", MAXIMUM - HEADER), START + HEADER);
});

Deno.test("kfree and krealloc refuse what is no allocation, and say why [HEAP-9]", () => {
  const guest = bootGuest();
  const [a, b, c] = [64, 64, 64].map((size) => guest.call("kmalloc", size));
  guest.copy(b, a - HEADER, HEADER); // the copy of a header is not a header
  guest.call("kfree", a);
  const refused: [number, RegExp][] = [
    [a, /already free/],
    [b + 8, /not an allocation/],
    [b + 16, /not an allocation/],
    [b + 4, /not 8-byte aligned/],
    [START - 8, /outside the heap/],
    [START + MAXIMUM + 16, /outside the heap/],
    [8, /outside the heap/],
    [0xfffffff8, /outside the heap/],
  ];
  const before = walk(guest);
  for (const [address, reason] of refused) {
    const name = `0x${address.toString(16).padStart(8, "0")}`;
    const line = guest.said(() => assertEquals(guest.call("kfree", address), 0));
    assert(line.startsWith(`kfree: ${name}`), line);
    assertMatch(line, reason);
    assertMatch(guest.said(() => assertEquals(guest.call("krealloc", address, 8), 0)), reason);
  }
  assertEquals(walk(guest), before);
  guest.call("kfree", b);
  const merged = guest.said(() => assertEquals(guest.call("kfree", b), 0));
  assertMatch(merged, /not an allocation/); // it is a part of a by now
  guest.call("kfree", c);
  assertEquals(walk(guest), emptyHeap);
});

Deno.test("kcalloc zeroes, and refuses products that overflow [HEAP-10]", () => {
  const guest = bootGuest();
  const dirty = guest.call("kmalloc", 1000);
  guest.fill(dirty, 1000, 0xff);
  guest.call("kfree", dirty);
  const zeroed = guest.call("kcalloc", 10, 100);
  assertEquals(zeroed, dirty);
  assert(guest.bytes(zeroed, 1000).every((byte) => byte === 0));
  for (const [count, size] of [[0x10000, 0x10000], [0x80000001, 2], [0, 5], [5, 0], [1, MAXIMUM]]) {
    assertEquals(guest.call("kcalloc", count, size), 0);
  }
});

Deno.test("A write to freed memory is found, not followed [HEAP-11]", () => {
  const guest = bootGuest();
  const [a] = [guest.call("kmalloc", 64), guest.call("kmalloc", 64)];
  guest.call("kfree", a);
  guest.setWord(a, START + 0x5000);
  assertMatch(guest.fate(() => guest.call("kmalloc", 64)), /KERNEL PANIC: .*freed block/);
});

Deno.test("heap_expand grows by whole pages [HEAP-12]", () => {
  const guest = bootGuest();
  assertEquals(guest.call("heap_expand", 4097), 1);
  assertEquals(sizes(guest), [INITIAL + 8192, INITIAL + 8192, 0]);
  assertEquals(walk(guest).length, 1);
  assertEquals(guest.call("heap_expand", MAXIMUM), 0);
  assertEquals(guest.call("heap_expand", 0xffffffff), 0);
});

Deno.test("A growth that memory cannot satisfy gives every page back [HEAP-12]", () => {
  const guest = bootGuest();
  const before = walk(guest);
  guest.drain(5);
  assertEquals(guest.call("heap_expand", 6 * 4096), 0);
  assertEquals(guest.call("kmalloc", 2 * INITIAL), 0);
  assertEquals(guest.call("pmm_get_free_pages"), 5);
  assertEquals(guest.mapping(START + INITIAL), 0);
  assertEquals(walk(guest), before);
  assertEquals(guest.call("heap_expand", 5 * 4096), 1);
});

Deno.test("krealloc keeps the contents, in place where it can [HEAP-13]", () => {
  const guest = bootGuest();
  const a = guest.call("krealloc", 0, 100);
  guest.fill(a, 100, 7);
  assertEquals(guest.call("krealloc", a, 50), a);
  assertEquals(guest.call("krealloc", a, 5000), a); // the free block above suffices
  const wall = guest.call("kmalloc", 8);
  const moved = guest.call("krealloc", a, 9000);
  assert(moved > wall);
  assert(guest.bytes(moved, 50).every((byte) => byte === 7));
  assertEquals(guest.call("krealloc", moved, 0xfffffff0), 0);
  assertEquals(guest.call("krealloc", moved, 0), 0);
  guest.call("kfree", wall);
  assertEquals(walk(guest), emptyHeap);
});

Deno.test("kfree of a block with a damaged header changes nothing [HEAP-14]", () => {
  const guest = bootGuest();
  const [a, b] = [guest.call("kmalloc", 64), guest.call("kmalloc", 64)];
  guest.fill(a, 64 + HEADER, 0xee); // an overflow of a into b's header
  for (const address of [a, b]) {
    const line = guest.said(() => assertEquals(guest.call("kfree", address), 0));
    assertMatch(line, /damaged header|not an allocation/);
  }
  assertEquals(guest.call("heap_get_used_size"), 160);
});

Deno.test("The dumps show sizes and blocks [HEAP-15]", () => {
  const guest = bootGuest();
  guest.call("kmalloc", 1024);
  assertEquals(
    guest.said(() => guest.call("heap_dump_stats")),
    "Heap: 1048576 bytes, 1047536 free, 1040 used\n",
  );
  assertEquals(
    guest.said(() => guest.call("heap_dump_blocks")),
    "0x00400000  1024 bytes used\n0x00400410  1047520 bytes free\n",
  );
});

Deno.test("heap_coalesce_free_blocks finds nothing left to merge [HEAP-16]", () => {
  const guest = bootGuest();
  const addresses = [1, 2, 3, 4].map(() => guest.call("kmalloc", 64));
  for (const address of addresses) guest.call("kfree", address);
  assertEquals(guest.call("heap_coalesce_free_blocks"), 0);
});

Deno.test("Random calls keep every promise, and end with one free block [HEAP-2] [HEAP-6]", () => {
  const guest = bootGuest();
  const random = new Random(0x5eed);
  const live = new Map<number, number>();
  for (let n = 0; n < 10_000; n++) {
    const size = 1 + random.below(random.oneIn(8) ? 60000 : 600);
    const victim = live.size === 0 ? 0 : random.pick([...live.keys()]);
    const choice = live.size === 0 ? 0 : random.below(4);
    if (choice >= 2) guest.call("kfree", victim);
    const address = choice === 3
      ? 0
      : choice === 1
      ? guest.call("krealloc", victim, size)
      : guest.call("kmalloc", size);
    if (choice >= 2 || (choice === 1 && address !== 0)) live.delete(victim);
    if (address !== 0) live.set(address, size);
    if (n % 250 === 0) walk(guest);
  }
  for (const address of live.keys()) assertEquals(guest.call("kfree", address), 1);
  assertEquals(walk(guest).length, 1);
  assertEquals(guest.call("heap_get_used_size"), 0);
});

Deno.test("The heap replays its golden trace", async () => {
  const { golden, trace } = await replayGolden("heap");
  assertEquals(trace, golden);
});
