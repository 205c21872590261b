import { assert, assertEquals, assertMatch } from "@std/assert";
import { bootGuest, type Guest } from "./guest.ts";
import { replayGolden } from "./traces.ts";

const PAGE = 4096;

const counts = (guest: Guest): number[] =>
  ["total", "free", "used"].map((name) => guest.call(`pmm_get_${name}_pages`));

/** The frames that the bitmap calls free. */
function freeFrames(guest: Guest): number[] {
  const bitmap = guest.word(guest.address("pmm_bitmap"));
  const total = guest.call("pmm_get_total_pages");
  const bytes = guest.bytes(bitmap, Math.ceil(total / 32) * 4);
  const isFree = (frame: number) => (bytes[frame >> 3] >> (frame & 7) & 1) === 0;
  return Array.from({ length: bytes.length * 8 }, (_, frame) => frame).filter(isFree);
}

Deno.test("The total follows the memory map [PMM-1]", () => {
  for (const megabytes of [16, 32, 64, 256]) {
    const guest = bootGuest({ megabytes });
    assertEquals(guest.call("pmm_get_total_pages"), megabytes * 256 - 32); // 128 KB are the firmware's
  }
});

Deno.test("Free and used add up to the total, and match the bitmap [PMM-2] [PMM-3]", () => {
  const guest = bootGuest();
  const check = () => {
    const [total, free, used] = counts(guest);
    assertEquals(free + used, total);
    const frames = freeFrames(guest);
    assertEquals(frames.length, free);
    assert(frames.every((frame) => frame < total));
  };
  check();
  const pages = Array.from({ length: 40 }, () => guest.call("pmm_alloc_page"));
  check();
  for (const page of pages) guest.call("pmm_free_page", page);
  check();
});

Deno.test("The bits beyond the total are set [PMM-3]", () => {
  const guest = bootGuest({ kilobytes: 20 * 1024 + 64 }); // not a multiple of 32 frames
  const total = guest.call("pmm_get_total_pages");
  assert(total % 32 !== 0);
  assert(freeFrames(guest).every((frame) => frame < total));
});

Deno.test("Low memory, kernel, modules and holes are reserved [PMM-4]", () => {
  const modules = [10000, 5000].map((length) => Uint8Array.from({ length }, (_, n) => n * length));
  const guest = bootGuest({ modules });
  const free = new Set(freeFrames(guest));
  const reserved = (start: number, end: number) => {
    for (let frame = start >> 12; frame < Math.ceil(end / PAGE); frame++) {
      assert(!free.has(frame), `frame ${frame}`);
      guest.said(() => assertEquals(guest.call("pmm_free_page", frame * PAGE), 0));
    }
  };
  reserved(0, 0x100000);
  reserved(guest.address("kernel_start"), guest.address("kernel_end"));
  for (const module of modules) {
    const start = placeOf(guest, module);
    reserved(start, start + module.length);
  }
});

/** Where the loader put a module: modules are page aligned. */
function placeOf(guest: Guest, module: Uint8Array): number {
  for (let start = 0; start < 32 << 20; start += PAGE) {
    const found = guest.machine.memory.ram.subarray(start, start + 100);
    if (found.every((byte, n) => byte === module[n])) return start;
  }
  throw new Error("the module is nowhere");
}

Deno.test("pmm_alloc_page gives the lowest free frame [PMM-5]", () => {
  const guest = bootGuest();
  const frames = freeFrames(guest);
  const pages = frames.slice(0, 100).map((frame) => frame * PAGE);
  assertEquals(pages.map(() => guest.call("pmm_alloc_page")), pages);
  for (const n of [70, 0, 99]) guest.call("pmm_free_page", pages[n]);
  assertEquals([0, 1, 2].map(() => guest.call("pmm_alloc_page")), [0, 70, 99].map((n) => pages[n]));
});

Deno.test("pmm_alloc_page gives 0 when memory is out, and recovers [PMM-6] [PMM-7]", () => {
  const guest = bootGuest({ megabytes: 4 });
  const free = guest.call("pmm_get_free_pages");
  const pages = new Set<number>();
  for (let page = guest.call("pmm_alloc_page"); page !== 0; page = guest.call("pmm_alloc_page")) {
    pages.add(page);
  }
  assertEquals(pages.size, free);
  assertEquals(counts(guest)[1], 0);
  assertEquals(guest.call("pmm_alloc_page"), 0);
  for (const page of pages) assertEquals(guest.call("pmm_free_page", page), 1);
  assertEquals(counts(guest)[1], free);
});

Deno.test("pmm_free_page refuses what was not handed out, and says why [PMM-8]", () => {
  const guest = bootGuest();
  const page = guest.call("pmm_alloc_page");
  const refused: [number, RegExp][] = [
    [page + 4, /not page aligned/],
    [0xfffff000, /outside memory/],
    [guest.address("kernel_start"), /reserved/],
    [0, /reserved/],
    [page + PAGE, /already free/],
  ];
  const before = counts(guest);
  for (const [address, reason] of refused) {
    const line = guest.said(() => assertEquals(guest.call("pmm_free_page", address), 0));
    assert(line.startsWith(`pmm_free_page: 0x${address.toString(16).padStart(8, "0")} is`), line);
    assertMatch(line, reason);
  }
  assertEquals(counts(guest), before);
  assertEquals(guest.call("pmm_free_page", page), 1);
  guest.said(() => assertEquals(guest.call("pmm_free_page", page), 0));
});

Deno.test("pmm_dump_stats prints the counts [PMM-9]", () => {
  const guest = bootGuest();
  const [total, free, used] = counts(guest);
  assertEquals(
    guest.said(() => guest.call("pmm_dump_stats")),
    `PMM: ${total} pages of 4096 bytes, ${free} free, ${used} used\n`,
  );
});

Deno.test("The PMM replays its golden trace", async () => {
  const { golden, trace } = await replayGolden("pmm");
  assertEquals(trace, golden);
});
