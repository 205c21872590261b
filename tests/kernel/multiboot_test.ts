import { assert, assertEquals, assertMatch } from "@std/assert";
import { bootGuest, type Guest, wordBytes } from "./guest.ts";
import { replayGolden } from "./traces.ts";

const MB = 0x100000, GB4 = 0x100000000;
const HAS_SIZE = 1, HAS_MAP = 0x40;
const INFO = 0x80000, MAP = 0x80100;

type Region = [base: number, length: number, type: number];

/** Puts an information structure with a memory map into low memory. */
function writeInfo(guest: Guest, flags: number, regions: Region[], entrySize = 20): void {
  const words = new Array(22).fill(0);
  words[0] = flags;
  words[2] = 3072; // mem_upper: 3 MB
  words[11] = regions.length * (entrySize + 4);
  words[12] = MAP;
  words.forEach((word, n) => guest.setWord(INFO + n * 4, word));
  regions.forEach((region, n) => writeRegion(guest, MAP + n * (entrySize + 4), entrySize, region));
}

function writeRegion(guest: Guest, at: number, size: number, [base, length, type]: Region): void {
  const halves = (value: number) => [value % GB4, Math.floor(value / GB4)];
  const words = [size, ...halves(base), ...halves(length), type];
  guest.machine.writeBytes(at, Uint8Array.from(words.flatMap((word) => [...wordBytes(word)])));
}

/** Total and free pages after `pmm_init` with this information. */
function learn(guest: Guest, flags: number, regions: Region[], entrySize?: number): number[] {
  writeInfo(guest, flags, regions, entrySize);
  guest.call("pmm_init", INFO);
  return [guest.call("pmm_get_total_pages"), guest.call("pmm_get_free_pages")];
}

/** Frames from the kernel's end to an address. */
const framesTo = (guest: Guest, end: number): number =>
  (end >> 12) - Math.ceil(guest.address("kernel_end") / 4096);

Deno.test("The memory map is walked by its entries' own sizes [KERNEL-MULTIBOOT-1]", () => {
  const guest = bootGuest();
  const regions: Region[] = [[0, 0x9fc00, 1], [MB, 7 * MB, 1], [8 * MB, MB, 2], [9 * MB, MB, 1]];
  const expected = [2560, framesTo(guest, 8 * MB) + 256];
  assertEquals(learn(guest, HAS_MAP, regions), expected);
  assertEquals(learn(guest, HAS_MAP, regions, 28), expected);
});

Deno.test("Without a map the size of upper memory counts [KERNEL-MULTIBOOT-2]", () => {
  const guest = bootGuest();
  assertEquals(learn(guest, HAS_SIZE, []), [1024, framesTo(guest, 4 * MB)]);
});

Deno.test("Without any memory information the kernel panics [KERNEL-MULTIBOOT-2]", () => {
  const guest = bootGuest();
  writeInfo(guest, 0, []);
  assertMatch(guest.fate(() => guest.call("pmm_init", INFO)), /KERNEL PANIC: .*no memory/);
});

Deno.test("Available regions count by whole frames, others by touched ones [KERNEL-MULTIBOOT-3]", () => {
  const guest = bootGuest();
  const regions: Region[] = [[MB, 3 * MB + 0xfff, 1], [4 * MB + 0x1001, 0x2000, 1]];
  assertEquals(learn(guest, HAS_MAP, regions), [1027, framesTo(guest, 4 * MB) + 1]);
  const reserved: Region[] = [[MB, 3 * MB, 1], [3 * MB + 0xfff, 2, 2]];
  assertEquals(learn(guest, HAS_MAP, reserved), [1024, framesTo(guest, 4 * MB) - 2]);
});

Deno.test("Memory beyond 4 GB does not count [KERNEL-MULTIBOOT-4]", () => {
  const guest = bootGuest();
  const low: Region = [MB, 3 * MB, 1];
  const expected = [1024, framesTo(guest, 4 * MB)];
  assertEquals(learn(guest, HAS_MAP, [low, [GB4, GB4, 1]]), expected);
  const across = learn(guest, HAS_MAP, [low, [GB4 - 0x2000, GB4, 1]]);
  assertEquals(across, [0x100000, expected[1] + 2]);
});

Deno.test("Where regions overlap, memory is not available [KERNEL-MULTIBOOT-5]", () => {
  const guest = bootGuest();
  const regions: Region[] = [[2 * MB, MB, 2], [MB, 3 * MB, 1], [MB, 3 * MB, 1]];
  assertEquals(learn(guest, HAS_MAP, regions), [1024, framesTo(guest, 4 * MB) - 256]);
});

Deno.test("The kernel panics without a Multiboot loader [KERNEL-MULTIBOOT-6]", () => {
  const guest = bootGuest();
  const report = guest.fate(() => guest.call("kernel_main", 0x12345678, 0));
  assertMatch(report, /KERNEL PANIC: not started by a Multiboot loader/);
});

Deno.test("The image has a header that asks for memory information [KERNEL-MULTIBOOT-7]", () => {
  const file = Deno.readFileSync(new URL("../../fixtures/kernel.elf", import.meta.url));
  const words = new Uint32Array(file.slice(0, 8192).buffer);
  const at = words.findIndex((word, n) =>
    word === 0x1badb002 && (word + words[n + 1] + words[n + 2]) >>> 0 === 0
  );
  assert(at >= 0);
  assertEquals(words[at + 1] & 2, 2);
});

Deno.test("Memory information replays its golden trace", async () => {
  const { golden, trace } = await replayGolden("multiboot");
  assertEquals(trace, golden);
});
