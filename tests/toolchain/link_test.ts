import { assert, assertEquals, assertThrows } from "@std/assert";
import { Assembler } from "../../toolchain/assemble.ts";
import { BuildError } from "../../toolchain/build_error.ts";
import { link, type LinkedImage } from "../../toolchain/link.ts";
import { eax, immediate, memory, target } from "../../toolchain/operands.ts";

const options = {
  entry: "_start",
  isGlobal: (name: string) => name === "_start",
  displayName: ({ name }: { name: string }) => name,
};

function program(more: (assembler: Assembler) => void = () => {}): LinkedImage {
  const assembler = new Assembler();
  assembler.section(".multiboot").align(4).symbol("header", "object");
  assembler.word(0x1badb002).word(3).word(-(0x1badb002 + 3)).end();
  assembler.section(".text").symbol("_start", "function").emit("call", target("f"));
  assembler.emit("mov", eax, memory(32, { symbol: "counter" })).emit("ret").end();
  assembler.symbol("f", "function").emit("mov", eax, immediate(2, "text")).emit("ret").end();
  assembler.section(".rodata").symbol("text", "object").bytes(1, 2, 3).end();
  assembler.section(".data").align(4).symbol("counter", "object").word(7).end();
  assembler.section(".bss").align(16).symbol("buffer", "object").reserve(100).end();
  more(assembler);
  return link(assembler.assemble(), options);
}

const view = (image: Uint8Array) => new DataView(image.buffer);
const half = (image: Uint8Array, at: number) => view(image).getUint16(at, true);
const word = (image: Uint8Array, at: number) => view(image).getUint32(at, true);
const words = (image: Uint8Array, at: number, count: number) =>
  Array.from({ length: count }, (_, n) => word(image, at + 4 * n));

interface Segment {
  offset: number;
  address: number;
  physical: number;
  fileBytes: number;
  memoryBytes: number;
  flags: number;
  alignment: number;
}

function segments(image: Uint8Array): Segment[] {
  const at = word(image, 28), size = half(image, 42);
  return Array.from({ length: half(image, 44) }, (_, n) => {
    const [type, offset, address, physical, fileBytes, memoryBytes, flags, alignment] = words(
      image,
      at + n * size,
      8,
    );
    assertEquals(type, 1);
    return { offset, address, physical, fileBytes, memoryBytes, flags, alignment };
  });
}

const nameAt = (image: Uint8Array, at: number) =>
  new TextDecoder().decode(image.slice(at, image.indexOf(0, at)));

function sections(image: Uint8Array) {
  const at = word(image, 32), size = half(image, 46), count = half(image, 48);
  const headers = Array.from({ length: count }, (_, n) => words(image, at + n * size, 10));
  const names = headers[half(image, 50)][4];
  return headers.map(([name, type, flags, address, offset, bytes, link, info]) => ({
    name: nameAt(image, names + name),
    type,
    flags,
    address,
    offset,
    bytes,
    link,
    info,
  }));
}

Deno.test("Linker writes an ELF32 executable for i386 at 1 MB [TOOLCHAIN-LINK-1]", () => {
  const { image, entry, symbols } = program();
  assertEquals([...image.slice(0, 7)], [0x7f, 0x45, 0x4c, 0x46, 1, 1, 1]);
  assertEquals([half(image, 16), half(image, 18), word(image, 20)], [2, 3, 1]);
  assertEquals(word(image, 24), entry);
  assertEquals(entry, symbols.find(({ name }) => name === "_start")!.address);
  const [code] = segments(image);
  assertEquals(code.address, 0x100000);
  for (const { address, physical } of segments(image)) assertEquals(address, physical);
});

Deno.test("Linker separates code from data to the page [TOOLCHAIN-LINK-2]", () => {
  const [code, data] = segments(program().image);
  assertEquals([code.flags, data.flags], [5, 6]);
  assert(
    Math.floor((code.address + code.memoryBytes - 1) / 4096) < Math.floor(data.address / 4096),
  );
  for (const { offset, address, alignment } of [code, data]) {
    assertEquals([offset % 4096, alignment], [address % 4096, 4096]);
  }
  assert(data.memoryBytes >= data.fileBytes + 100);
});

Deno.test("Linker keeps the Multiboot header in front [TOOLCHAIN-LINK-3]", () => {
  const { image, sections } = program();
  const { offset } = sections.find(({ name }) => name === ".multiboot")!;
  assert(offset < 8192 && offset % 4 === 0);
  const [magic, flags, checksum] = words(image, offset, 3);
  assertEquals([magic, magic + flags + checksum >>> 0], [0x1badb002, 0]);
});

Deno.test("Linker defines the bounds of the image [TOOLCHAIN-LINK-4]", () => {
  const { image, symbols } = program();
  const address = (name: string) => symbols.find((symbol) => symbol.name === name)!.address;
  const [code, data] = segments(image);
  assertEquals(address("kernel_start"), 0x100000);
  const end = address("kernel_readonly_end");
  assert(end % 4096 === 0 && end >= code.address + code.memoryBytes && end <= data.address);
  assertEquals(address("kernel_end"), Math.ceil((data.address + data.memoryBytes) / 4) * 4);
});

Deno.test("Linker writes symbols with sizes, local ones first [TOOLCHAIN-LINK-5]", () => {
  const { image, symbols } = program();
  const table = sections(image).find(({ name }) => name === ".symtab")!;
  const strings = sections(image)[table.link];
  const found = Array.from({ length: table.bytes / 16 }, (_, n) => {
    const [name, address, size] = words(image, table.offset + 16 * n, 3);
    const info = image[table.offset + 16 * n + 12];
    return { name: nameAt(image, strings.offset + name), address, size, info };
  }).slice(1);
  assertEquals(found.map(({ name }) => name), symbols.map(({ name }) => name));
  assertEquals(found.find(({ name }) => name === "f")!.size, 6);
  assertEquals(found.find(({ name }) => name === "buffer")!.size, 100);
  assertEquals(found.find(({ name }) => name === "_start")!.info, 0x12); // global function
  assertEquals(found.find(({ name }) => name === "counter")!.info, 0x01); // local object
  const isGlobal = found.map(({ info }) => info >> 4 === 1);
  assertEquals(isGlobal, isGlobal.toSorted((a, b) => Number(a) - Number(b)));
  assertEquals(table.info, 1 + isGlobal.indexOf(true));
});

Deno.test("Linker fills in the addresses of symbols [TOOLCHAIN-LINK-5]", () => {
  const { image, symbols } = program();
  const address = (name: string) => symbols.find((symbol) => symbol.name === name)!.address;
  const start = address("_start") - 0x100000;
  assertEquals(address("_start") + 5 + word(image, start + 1), address("f"));
  assertEquals(word(image, start + 6), address("counter"));
  assertEquals(word(image, address("f") - 0x100000 + 1), address("text") + 2);
});

Deno.test("Linker names a missing symbol and who needs it [TOOLCHAIN-LINK-6]", () => {
  const missing = (assembler: Assembler) =>
    assembler.section(".text").symbol("g", "function").emit("call", target("nowhere"));
  assertThrows(() => program(missing), BuildError, "nowhere, needed by g,");
  const twice = (assembler: Assembler) => assembler.section(".text").symbol("f", "function");
  assertThrows(() => program(twice), BuildError, "f is defined twice");
});

Deno.test("Linker describes the sections [TOOLCHAIN-LINK-7]", () => {
  const { image } = program();
  const found = sections(image);
  assertEquals(found.slice(1, 6).map(({ name, type, flags }) => [name, type, flags]), [
    [".multiboot", 1, 2],
    [".text", 1, 6],
    [".rodata", 1, 2],
    [".data", 1, 3],
    [".bss", 8, 3],
  ]);
  const rodata = found.find(({ name }) => name === ".rodata")!;
  assertEquals([...image.slice(rodata.offset, rodata.offset + rodata.bytes)], [1, 2, 3]);
});
