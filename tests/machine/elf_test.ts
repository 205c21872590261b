import { assertEquals, assertThrows } from "@std/assert";
import { ImageError, isElf, readElf, SymbolTable } from "../../machine/elf.ts";
import { elf, header, type SymbolPlan } from "./images.ts";
import { replayGolden } from "./traces.ts";

const data = header();
const good = (): Uint8Array => elf([{ physAddr: 0x100000, data }], 0x100004);

/** The good file with one byte changed. */
function patched(offset: number, value: number): Uint8Array {
  const file = good();
  file[offset] = value;
  return file;
}

function refuses(file: Uint8Array, message: string): void {
  assertThrows(() => readElf(file), ImageError, message);
}

Deno.test("ELF refuses a file with another magic number [ELF-1]", () => {
  assertEquals(isElf(good()), true);
  assertEquals(isElf(patched(3, 0x47)), false);
  refuses(patched(3, 0x47), "it is not an ELF file");
  refuses(new Uint8Array(2), "it is not an ELF file");
});

Deno.test("ELF refuses other classes, byte orders and processors [ELF-2]", () => {
  refuses(patched(4, 2), "64-bit");
  refuses(patched(5, 2), "big-endian");
  refuses(patched(18, 8), "machine 8");
});

Deno.test("ELF refuses what is not an executable [ELF-3]", () => {
  refuses(patched(16, 1), "link it first");
  refuses(patched(16, 3), "-no-pie");
  refuses(patched(16, 9), "of type 9");
});

Deno.test("ELF refuses a truncated file wherever it is cut [ELF-4]", () => {
  const file = good();
  for (let bytes = 4; bytes < file.length; bytes++) {
    if (bytes === 4) continue;
    refuses(file.subarray(0, bytes), "truncated");
  }
  refuses(file.subarray(0, file.length - 1), `${file.length}, the file has ${file.length - 1}`);
});

Deno.test("ELF refuses a file with nothing to load [ELF-5]", () => {
  refuses(patched(44, 0), "no program headers");
  refuses(elf([{ physAddr: 0x100000, data, type: 2 }], 0), "no loadable segment");
  refuses(elf([{ physAddr: 0, data: new Uint8Array(), memBytes: 0 }], 0), "no loadable segment");
});

Deno.test("ELF gives segments with both addresses, in the file's order [ELF-6]", () => {
  const segments = [
    { physAddr: 0x200000, virtAddr: 0xc0200000, data },
    { physAddr: 0x100000, data },
    { physAddr: 0x300000, data, type: 4 },
  ];
  assertEquals(
    readElf(elf(segments, 0)).segments.map(({ physAddr, virtAddr }) => [physAddr, virtAddr]),
    [[0x200000, 0xc0200000], [0x100000, 0x100000]],
  );
});

Deno.test("ELF segments may be larger in memory, never in the file [ELF-7]", () => {
  const image = readElf(elf([{ physAddr: 0x100000, data, memBytes: 0x1000 }], 0));
  assertEquals([image.segments[0].data, image.segments[0].memBytes], [data, 0x1000]);
  refuses(elf([{ physAddr: 0x100000, data, memBytes: 4 }], 0), "12 bytes in the file but only 4");
});

Deno.test("ELF moves a virtual entry point to its physical address [ELF-8]", () => {
  const segments = [{ physAddr: 0x100000, virtAddr: 0xc0100000, data }];
  assertEquals(readElf(elf(segments, 0xc0100004)).entry, 0x100004);
  assertEquals(readElf(elf(segments, 0x100004)).entry, 0x100004);
});

const plan: SymbolPlan[] = [
  { name: "second", address: 0x100020, bytes: 0x10 },
  { name: "first", address: 0x100000, bytes: 8 },
  { name: "undefined", address: 0, section: 0 },
  { name: ".text", address: 0x100000, info: 3 },
  { name: "file.c", address: 0, info: 4, section: 0xfff1 },
];

Deno.test("ELF reads symbols by address, without those of sections and files [ELF-9]", () => {
  const { symbols } = readElf(elf([{ physAddr: 0x100000, data }], 0, plan));
  assertEquals(symbols.all.map(({ name, address }) => [name, address]), [
    ["first", 0x100000],
    ["second", 0x100020],
  ]);
  assertEquals(symbols.find("second")?.bytes, 0x10);
  assertEquals(symbols.find("third"), undefined);
});

Deno.test("ELF stays good when its section headers are damaged [ELF-10]", () => {
  const file = elf([{ physAddr: 0x100000, data }], 0, plan);
  const view = new DataView(file.buffer);
  const sections = view.getUint32(32, true);
  view.setUint32(sections + 40 + 16, 0x7fffffff, true); // the symbol table's offset
  assertEquals(readElf(file).symbols.all, []);
  view.setUint32(32, 0x7fffffff, true); // the section headers' offset
  assertEquals(readElf(file).sectionTable, undefined);
  assertEquals(readElf(file).segments.length, 1);
});

Deno.test("SymbolTable prefers a global symbol to a local one [ELF-11]", () => {
  const twice = (global: boolean, address: number) => ({
    name: "twice",
    address,
    bytes: 0,
    type: 2,
    global,
  });
  assertEquals(new SymbolTable([twice(true, 9), twice(false, 5)]).find("twice")?.address, 9);
  assertEquals(new SymbolTable([twice(false, 9), twice(true, 5)]).find("twice")?.address, 5);
});

const table = new SymbolTable([
  { name: "sized", address: 0x1000, bytes: 0x10, type: 2, global: true },
  { name: "open", address: 0x2000, bytes: 0, type: 0, global: false },
  { name: "inner", address: 0x2010, bytes: 4, type: 2, global: false },
]);

Deno.test("SymbolTable finds the nearest symbol that reaches an address [ELF-12]", () => {
  const at = (address: number) => table.at(address)?.symbol.name;
  assertEquals([0xfff, 0x1000, 0x100f, 0x1010].map(at), [undefined, "sized", "sized", undefined]);
  assertEquals([0x2010, 0x2013, 0x2014].map(at), ["inner", "inner", "open"]);
  assertEquals([0x12000, 0x12001].map(at), ["open", undefined]);
});

Deno.test("SymbolTable describes addresses for people [ELF-13]", () => {
  assertEquals(table.describe(0x1000), "sized");
  assertEquals(table.describe(0x100c), "sized+0xc");
  assertEquals(table.describe(0x900), "0x00000900");
});

Deno.test("ELF replays its golden trace", async () => {
  const { golden, trace } = await replayGolden("elf");
  assertEquals(trace, golden);
});
