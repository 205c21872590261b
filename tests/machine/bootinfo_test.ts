import { assertEquals, assertThrows } from "@std/assert";
import { memoryMap, writeBootInformation } from "../../machine/bootinfo.ts";
import { ImageError } from "../../machine/elf.ts";
import { Memory } from "../../machine/memory.ts";
import { readImage } from "../../machine/multiboot.ts";
import { concat, elf, header, kernel, type SegmentPlan } from "./images.ts";
import { replayGolden } from "./traces.ts";

const RAM = 0x400000;

/** Boot information in a memory of 4 MB: its address, and how to read it. */
function written(
  image: Uint8Array,
  { commandLine = "", modules = [] as { data: Uint8Array; commandLine: string }[] } = {},
) {
  const memory = new Memory(RAM);
  const info = writeBootInformation(memory, readImage(image), commandLine, modules);
  const word = (offset: number) => memory.read(info + offset, 4);
  const text = (address: number) => {
    let length = 0;
    while (memory.read(address + length, 1) !== 0) length++;
    return new TextDecoder().decode(memory.copy(address, length));
  };
  return { memory, info, word, text };
}

const module = (bytes: number, commandLine: string) => ({
  data: new Uint8Array(bytes).fill(0x5a),
  commandLine,
});

Deno.test("Boot information has QEMU's memory map for every size [BOOTINFO-1]", () => {
  for (const megabytes of [16, 32, 256]) {
    const top = megabytes * 0x100000 - 0x20000;
    assertEquals(
      memoryMap(megabytes * 0x100000).map((r) => [r.base, r.base + r.bytes, r.available]),
      [
        [0, 0x9fc00, true],
        [0x9fc00, 0xa0000, false],
        [0xf0000, 0x100000, false],
        [0x100000, top, true],
        [top, top + 0x20000, false],
        [0xfffc0000, 0x100000000, false],
      ],
    );
  }
  const { memory, word } = written(kernel([]));
  assertEquals(word(44), 6 * 24);
  assertEquals([0, 4, 8, 12, 16, 20].map((at) => memory.read(word(48) + 72 + at, 4)), [
    20,
    0x100000,
    0,
    RAM - 0x120000,
    0,
    1,
  ]);
});

Deno.test("Boot information gives lower and upper memory in KB [BOOTINFO-2]", () => {
  const { word } = written(kernel([]));
  assertEquals([word(4), word(8)], [639, 4096 - 1024 - 128]);
});

Deno.test("Boot information flags what it gives, the rest is zero [BOOTINFO-3]", () => {
  const plain = concat(
    header(0x10000, 0x100000, 0x100000, 0, 0, 0x100020),
    new Uint8Array(16),
  );
  const { word, text } = written(plain, { commandLine: "x" });
  assertEquals(word(0), 0x245); // memory, command line, map, loader's name
  assertEquals(
    [12, 20, 24, 28, 32, 36, 40, 52, 56, 60, 68, 72, 88, 112].map(word),
    Array(14).fill(0),
  );
  assertEquals([text(word(16)), text(word(64))], ["x", "ClaudeOS PC"]);
});

Deno.test("Boot information has strings in UTF-8 [BOOTINFO-4]", () => {
  const { word, text } = written(kernel([]), { commandLine: "naïve — €" });
  assertEquals(text(word(16)), "naïve — €");
});

Deno.test("Boot information lists modules with their ends and strings [BOOTINFO-5]", () => {
  const { memory, word, text } = written(kernel([]), {
    modules: [module(5, "a 1"), module(9, "b")],
  });
  assertEquals([word(0) & 8, word(20)], [8, 2]);
  const entries = [0, 16].map((at) =>
    [0, 4, 8].map((field) => memory.read(word(24) + at + field, 4))
  );
  assertEquals(entries.map(([start, end]) => end - start), [5, 9]);
  assertEquals(entries.map(([, , string]) => text(string)), ["a 1", "b"]);
  assertEquals(memory.copy(entries[1][0], 9), module(9, "").data);
});

Deno.test("Boot information puts modules behind the kernel or refuses them [BOOTINFO-6]", () => {
  const { memory, word } = written(kernel([], { memBytes: 0x1001 }), {
    modules: [module(4097, ""), module(1, "")],
  });
  assertEquals([0, 16].map((at) => memory.read(word(24) + at, 4)), [0x102000, 0x104000]);
  assertThrows(
    () => written(kernel([]), { modules: [module(RAM, "big")] }),
    ImageError,
    "module 'big' (4194304 bytes) does not fit",
  );
});

Deno.test("Boot information describes the text screen on request [BOOTINFO-7]", () => {
  const { word } = written(kernel([], { flags: 4 }));
  assertEquals(word(0) & 0x1000, 0x1000);
  assertEquals([88, 92, 96, 100, 104].map(word), [0xb8000, 0, 160, 80, 25]);
  assertEquals(word(108) & 0xffff, 0x0210); // 16 bits a character, text
});

Deno.test("Boot information gives section headers, symbols copied [BOOTINFO-8]", () => {
  const { memory, word } = written(kernel([0x90]));
  assertEquals([word(0) & 0x20, word(28), word(32), word(40)], [0x20, 3, 40, 2]);
  const table = memory.read(word(36) + 40 + 12, 4), strings = memory.read(word(36) + 80 + 12, 4);
  assertEquals(memory.read(table + 16 + 4, 4), 0x10000c); // the symbol's value
  assertEquals(memory.copy(strings + 1, 6), new TextEncoder().encode("_start"));
});

Deno.test("Boot information gives way to segments in low memory [BOOTINFO-9]", () => {
  const at = (segments: SegmentPlan[]) => written(elf(segments, segments[0].physAddr));
  const data = header();
  assertEquals(at([{ physAddr: 0x100000, data }]).info, 0x9500);
  assertEquals(at([{ physAddr: 0x9000, data, memBytes: 0x1000 }]).info, 0x1500);
  assertEquals(at([{ physAddr: 0x1000, data, memBytes: 0x20000 }]).info, 0x21500);
  const whole = [{ physAddr: 0x1000, data, memBytes: 0x9e800 }];
  assertThrows(() => at(whole), ImageError, "no room below 640 KB");
});

Deno.test("Boot information replays its golden trace", async () => {
  const { golden, trace } = await replayGolden("bootinfo");
  assertEquals(trace, golden);
});
