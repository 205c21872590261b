import { assertEquals, assertThrows } from "@std/assert";
import { ImageError, type Segment } from "../../machine/elf.ts";
import { checkPlacement, findHeader, readImage } from "../../machine/multiboot.ts";
import { concat, elf, header, words } from "./images.ts";
import { replayGolden } from "./traces.ts";

const pad = (bytes: number): Uint8Array => new Uint8Array(bytes);
const at = (offset: number, ...parts: Uint8Array[]): Uint8Array => concat(pad(offset), ...parts);

function refuses(file: Uint8Array, message: string): void {
  assertThrows(() => readImage(file), ImageError, message);
}

Deno.test("Multiboot header is found at a multiple of 4 within 8 KiB [MULTIBOOT-1]", () => {
  assertEquals(findHeader(at(0, header())).fileOffset, 0);
  assertEquals(findHeader(at(8180, header())).fileOffset, 8180);
  assertThrows(() => findHeader(at(8184, header(), pad(64))), ImageError, "past the first 8 KiB");
});

Deno.test("Multiboot header must sum to zero [MULTIBOOT-2]", () => {
  const bad = words(0x1badb002, 3, 5);
  assertThrows(() => findHeader(at(16, bad)), ImageError, "offset 0x10 has a bad checksum");
  assertEquals(findHeader(concat(bad, header())).fileOffset, 12);
});

Deno.test("Multiboot names what it found instead of a header [MULTIBOOT-3]", () => {
  refuses(at(0x2004, header()), "offset 0x2004, past the first 8 KiB");
  refuses(at(0x102, header()), "offset 0x102, not a multiple of 4");
  refuses(at(64, words(0xe85250d6, 0, 16, 0)), "Multiboot 2 header at offset 0x40");
  refuses(pad(4096), "it is not an ELF file and has no Multiboot header");
  refuses(elf([{ physAddr: 0x100000, data: pad(16) }], 0x100000), "it has no Multiboot header");
});

Deno.test("Multiboot takes alignment and memory information as given [MULTIBOOT-4]", () => {
  for (const flags of [0, 1, 2, 3]) assertEquals(findHeader(header(flags)).flags, flags);
});

Deno.test("Multiboot refuses unknown requirements, not unknown options [MULTIBOOT-5]", () => {
  for (let bit = 3; bit < 16; bit++) {
    assertThrows(() => findHeader(header(1 << bit)), ImageError, `requires feature ${bit},`);
  }
  assertEquals(findHeader(header(1 << 17)).flags, 1 << 17);
});

const fields = header(0x10000, 0x100020, 0x100000, 0x100060, 0x101000, 0x100040);

Deno.test("Multiboot address fields come before ELF's headers [MULTIBOOT-6]", () => {
  const symbols = [{ name: "here", address: 0x100040 }];
  const file = elf([{ physAddr: 0x500000, data: pad(64) }], 0x500000, symbols);
  const start = 0x400 - 0x20;
  const both = concat(file, pad(0x400 - file.length), fields, pad(0x100));
  const image = readImage(both);
  assertEquals(image.segments[0].physAddr, 0x100000);
  assertEquals(image.segments[0].data, both.subarray(start, start + 0x60));
  assertEquals([image.entry, image.symbols.find("here")?.address], [0x100040, 0x100040]);
  both[4] = 2; // a 64-bit file
  assertEquals(readImage(both).segments[0].physAddr, 0x100000);
});

Deno.test("Multiboot address fields place the file around the header [MULTIBOOT-7]", () => {
  const file = at(0x40, fields, pad(0x100));
  file[0x20] = 0x77;
  const [segment] = readImage(file).segments;
  assertEquals([segment.data[0], segment.data.length, segment.memBytes], [0x77, 0x60, 0x1000]);
});

Deno.test("Multiboot load end 0 is the file's end, bss end 0 is no bss [MULTIBOOT-8]", () => {
  const file = at(0x10, header(0x10000, 0x100010, 0x100000, 0, 0, 0x100010), pad(0x20));
  const [segment] = readImage(file).segments;
  assertEquals([segment.data.length, segment.memBytes], [0x50, 0x50]);
});

Deno.test("Multiboot refuses address fields that contradict each other [MULTIBOOT-9]", () => {
  const fields = (...values: number[]) => at(0x10, header(0x10000, ...values), pad(0x20));
  refuses(fields(0x100000, 0x100004, 0, 0, 0), "does not fit the header's address");
  refuses(fields(0x100014, 0x100000, 0, 0, 0), "does not fit the header's address");
  refuses(fields(0x100010, 0x100000, 0x90000, 0, 0), "load end 0x90000 is below");
  refuses(fields(0x100010, 0x100000, 0x100800, 0, 0), "truncated");
  refuses(fields(0x100010, 0x100000, 0x100020, 0x100010, 0), "bss end 0x100010 is below");
  refuses(header(0x10000), "truncated within its Multiboot header");
});

Deno.test("Multiboot accepts the wish for a video mode [MULTIBOOT-10]", () => {
  assertEquals(findHeader(header(4)).wantsVideo, true);
  assertEquals(findHeader(header(3)).wantsVideo, false);
});

Deno.test("Multiboot refuses what has neither ELF nor addresses [MULTIBOOT-11]", () => {
  refuses(pad(0), "the file is empty");
  refuses(header(), "not an ELF file and its Multiboot header has no load addresses");
});

const segment = (physAddr: number, memBytes: number): Segment => ({
  physAddr,
  virtAddr: physAddr,
  data: pad(0),
  memBytes,
  flags: 7,
});
const check = (entry: number, ...segments: Segment[]) =>
  checkPlacement({ segments, entry }, 0x2000000);

Deno.test("Multiboot segments must lie in available memory [MULTIBOOT-12]", () => {
  check(0x1000, segment(0, 0xa0000), segment(0xc0000, 0x1f40000));
  const outside: [number, number, string][] = [
    [0, 0xa0001, "0x0-0xa0000"],
    [0xa0000, 16, "0xa0000-0xa000f"],
    [0xbffff, 16, "0xbffff-0xc000e"],
    [0x100000, 0x1f00001, "0x100000-0x2000000"],
    [0xc0000000, 4096, "0xc0000000-0xc0000fff"],
    [0xfffffff0, 0x200000, "0xfffffff0-0x1001fffef"],
  ];
  for (const [base, bytes, range] of outside) {
    const message = `segment ${range} lies outside the 32 MB of memory`;
    assertThrows(() => check(base, segment(base, bytes)), ImageError, message);
  }
});

Deno.test("Multiboot segments must not overlap [MULTIBOOT-13]", () => {
  check(0x100000, segment(0x101000, 0x1000), segment(0x100000, 0x1000));
  assertThrows(
    () => check(0x100000, segment(0x101000, 0x1000), segment(0x100000, 0x1001)),
    ImageError,
    "segments 0x100000-0x101000 and 0x101000-0x101fff overlap",
  );
});

Deno.test("Multiboot entry point must lie in a segment [MULTIBOOT-14]", () => {
  check(0x100fff, segment(0x100000, 0x1000));
  assertThrows(
    () => check(0x101000, segment(0x100000, 0x1000)),
    ImageError,
    "entry point 0x101000",
  );
});

Deno.test("Multiboot replays its golden trace", async () => {
  const { golden, trace } = await replayGolden("multiboot");
  assertEquals(trace, golden);
});
