/**
 * Links an assembled object into a Multiboot ELF32 image. Spec: specs/toolchain/link.md.
 *
 *     file                memory
 *     ELF header          1 MB        segment 1, R-X: headers, .multiboot .text .rodata
 *     .multiboot
 *     .text
 *     .rodata
 *     .data               next page   segment 2, RW-: .data .bss
 *     symbols, names
 *     section headers
 */
import type {
  AssembledObject,
  AssembledSection,
  AssembledSymbol,
  SectionName,
} from "./assemble.ts";
import { BuildError } from "./build_error.ts";

/** The image's first address: 1 MB. */
export const LOAD_ADDRESS = 0x100000;

/** A section of the finished image. */
export interface PlacedSection {
  /** Its name. */
  readonly name: SectionName;
  /** Where it is in memory. */
  readonly address: number;
  /** Where it is in the file. */
  readonly offset: number;
  /** Bytes in memory; .bss has none in the file. */
  readonly size: number;
}

/** A symbol of the finished image. */
export interface PlacedSymbol {
  /** As the symbol table has it. */
  readonly name: string;
  /** Its address. */
  readonly address: number;
  /** Its bytes. */
  readonly size: number;
  /** Null for the bounds of the image. */
  readonly section: SectionName | null;
  /** What it names. */
  readonly kind: "function" | "object" | "none";
  /** True for what other programs may look for. */
  readonly isGlobal: boolean;
}

/** A linked image. */
export interface LinkedImage {
  /** The file. */
  readonly image: Uint8Array;
  /** Address of the entry point. */
  readonly entry: number;
  /** Sections in the order of their addresses. */
  readonly sections: readonly PlacedSection[];
  /** Symbols, local ones first, then by address. */
  readonly symbols: readonly PlacedSymbol[];
}

/** What the linker has to know besides the object. */
export interface LinkOptions {
  /** Symbol of the entry point. */
  readonly entry: string;
  /** True for symbols that other programs may look for. */
  isGlobal(name: string): boolean;
  /** The name in the symbol table, or null to leave the symbol out. */
  displayName(symbol: AssembledSymbol): string | null;
}

const HEADER_BYTES = 52, SEGMENT_BYTES = 32, SECTION_BYTES = 40, SYMBOL_BYTES = 16;
const PAGE = 4096;
const READ_ONLY: readonly SectionName[] = [".multiboot", ".text", ".rodata"];
const WRITABLE: readonly SectionName[] = [".data", ".bss"];
const ORDER: readonly SectionName[] = [...READ_ONLY, ...WRITABLE];
const FLAGS: Record<SectionName, number> = {
  ".multiboot": 2, // ALLOC
  ".text": 6, // ALLOC, EXECINSTR
  ".rodata": 2,
  ".data": 3, // ALLOC, WRITE
  ".bss": 3,
};
const PROGBITS = 1, SYMTAB = 2, STRTAB = 3, NOBITS = 8;
const alignUp = (value: number, to: number) => Math.ceil(value / to) * to;

/** Links; the same input always gives the same bytes. */
export function link(object: AssembledObject, options: LinkOptions): LinkedImage {
  const placed = place(object.sections);
  const addresses = addressesOf(object, placed);
  const file = new Uint8Array(alignUp(fileEnd(placed), 4));
  copySections(file, object, placed);
  relocate(file, object, placed, addresses);
  const entry = lookUp(addresses, options.entry, "the entry point");
  const symbols = symbolTable(object.symbols, addresses, options);
  const image = join(file, symbols, placed, entry);
  return { image, entry, sections: placed, symbols };
}

function fileEnd(placed: readonly PlacedSection[]): number {
  return Math.max(
    ...placed.map(({ name, offset, size }) => name === ".bss" ? offset : offset + size),
  );
}

function place(sections: readonly AssembledSection[]): PlacedSection[] {
  const placed: PlacedSection[] = [];
  let offset = HEADER_BYTES + 2 * SEGMENT_BYTES;
  let delta = LOAD_ADDRESS; // address minus file offset
  for (const name of ORDER) {
    const section = sections.find((candidate) => candidate.name === name);
    if (name === ".data") {
      offset = alignUp(offset, 4);
      const page = alignUp(offset + delta, PAGE);
      delta = page + offset % PAGE - offset; // congruent modulo a page, as loaders want
    }
    const size = section?.size ?? 0;
    const address = alignUp(offset + delta, section?.alignment ?? 1);
    const start = name === ".bss" ? offset : address - delta;
    placed.push({ name, address, offset: start, size });
    if (name !== ".bss") offset = start + size;
  }
  return placed;
}

const find = (placed: readonly PlacedSection[], name: SectionName): PlacedSection =>
  placed.find((section) => section.name === name)!;

function addressesOf(
  object: AssembledObject,
  placed: readonly PlacedSection[],
): Map<string, number> {
  const addresses = new Map<string, number>();
  for (const { name, section, offset } of object.symbols) {
    if (addresses.has(name)) throw new BuildError(`Cannot link: symbol ${name} is defined twice`);
    addresses.set(name, find(placed, section).address + offset);
  }
  const rodata = find(placed, ".rodata"), bss = find(placed, ".bss");
  addresses.set("kernel_start", LOAD_ADDRESS);
  addresses.set("kernel_readonly_end", alignUp(rodata.address + rodata.size, PAGE));
  addresses.set("kernel_end", alignUp(bss.address + bss.size, 4));
  return addresses;
}

function lookUp(addresses: ReadonlyMap<string, number>, name: string, by: string): number {
  const address = addresses.get(name);
  if (address === undefined) {
    throw new BuildError(`Cannot link: ${name}, needed by ${by}, is not defined anywhere`);
  }
  return address;
}

function copySections(
  file: Uint8Array,
  object: AssembledObject,
  placed: readonly PlacedSection[],
): void {
  for (const { name, bytes } of object.sections) file.set(bytes, find(placed, name).offset);
}

function relocate(
  file: Uint8Array,
  object: AssembledObject,
  placed: readonly PlacedSection[],
  addresses: ReadonlyMap<string, number>,
): void {
  const view = new DataView(file.buffer);
  for (const { section, offset, kind, symbol, addend } of object.relocations) {
    const { address, offset: start } = find(placed, section);
    const target = lookUp(addresses, symbol, enclosing(object, section, offset)) + addend;
    const value = kind === "absolute" ? target : target - (address + offset + 4);
    view.setUint32(start + offset, value, true);
  }
}

/** The function or object around an offset, for messages. */
function enclosing(object: AssembledObject, section: SectionName, offset: number): string {
  const around = object.symbols.findLast((symbol) =>
    symbol.kind !== "label" && symbol.section === section && symbol.offset <= offset
  );
  return around?.name ?? section;
}

const LINKER_SYMBOLS = ["kernel_start", "kernel_readonly_end", "kernel_end"];

function symbolTable(
  symbols: readonly AssembledSymbol[],
  addresses: ReadonlyMap<string, number>,
  options: LinkOptions,
): PlacedSymbol[] {
  const table = symbols.flatMap((symbol): PlacedSymbol[] => {
    const name = options.displayName(symbol);
    if (symbol.kind === "label" || name === null) return [];
    const { section, size, kind } = symbol;
    const isGlobal = options.isGlobal(symbol.name);
    return [{ name, address: addresses.get(symbol.name)!, size, section, kind, isGlobal }];
  });
  const own = LINKER_SYMBOLS.map((name): PlacedSymbol => {
    const address = addresses.get(name)!;
    return { name, address, size: 0, section: null, kind: "none", isGlobal: true };
  });
  const byAddress = (a: PlacedSymbol, b: PlacedSymbol) =>
    Number(a.isGlobal) - Number(b.isGlobal) || a.address - b.address || (a.name < b.name ? -1 : 1);
  return [...table, ...own].sort(byAddress); // ELF wants local symbols first
}

/** Collects names; equal names share their place. */
class Strings {
  readonly bytes: number[] = [0];
  readonly #known = new Map<string, number>();

  add(text: string): number {
    if (!this.#known.has(text)) {
      this.#known.set(text, this.bytes.length);
      this.bytes.push(...new TextEncoder().encode(text), 0);
    }
    return this.#known.get(text)!;
  }
}

/** Writes little-endian fields one after the other. */
class Writer {
  readonly bytes: number[] = [];

  half(...values: number[]): this {
    for (const value of values) this.bytes.push(value & 0xff, value >> 8 & 0xff);
    return this;
  }

  word(...values: number[]): this {
    for (const value of values) this.half(value & 0xffff, value >>> 16);
    return this;
  }
}

function symbolBytes(symbols: readonly PlacedSymbol[], names: Strings): number[] {
  const writer = new Writer().word(0, 0, 0, 0);
  const types = { none: 0, object: 1, function: 2 };
  for (const { name, address, size, section, kind, isGlobal } of symbols) {
    const index = section === null ? 0xfff1 : ORDER.indexOf(section) + 1; // ABS: no section
    writer.word(names.add(name), address, size);
    writer.bytes.push((isGlobal ? 1 : 0) << 4 | types[kind], 0);
    writer.half(index);
  }
  return writer.bytes;
}

interface Header {
  readonly name: string;
  readonly type: number;
  readonly flags: number;
  readonly address: number;
  readonly offset: number;
  readonly size: number;
  readonly link: number;
  readonly info: number;
  readonly entrySize: number;
}

function sectionHeaders(placed: readonly PlacedSection[]): Header[] {
  return placed.map(({ name, address, offset, size }) => ({
    name,
    type: name === ".bss" ? NOBITS : PROGBITS,
    flags: FLAGS[name],
    address,
    offset,
    size,
    link: 0,
    info: 0,
    entrySize: 0,
  }));
}

function join(
  file: Uint8Array,
  symbols: readonly PlacedSymbol[],
  placed: readonly PlacedSection[],
  entry: number,
): Uint8Array {
  const names = new Strings(), sectionNames = new Strings();
  const table = symbolBytes(symbols, names);
  const headers = sectionHeaders(placed);
  const tail: number[] = [];
  const append = (name: string, type: number, bytes: number[], more: Partial<Header> = {}) => {
    const offset = file.length + tail.length;
    const plain = { flags: 0, address: 0, link: 0, info: 0, entrySize: 0 };
    headers.push({ name, type, ...plain, offset, size: bytes.length, ...more });
    tail.push(...bytes);
  };
  const firstGlobal = 1 + symbols.findIndex((symbol) => symbol.isGlobal);
  const link = headers.length + 2; // .strtab comes right after
  append(".symtab", SYMTAB, table, { link, info: firstGlobal, entrySize: SYMBOL_BYTES });
  append(".strtab", STRTAB, names.bytes);
  for (const { name } of headers) sectionNames.add(name);
  sectionNames.add(".shstrtab");
  append(".shstrtab", STRTAB, sectionNames.bytes);
  while (tail.length % 4) tail.push(0);
  const headersAt = file.length + tail.length;
  tail.push(...headerBytes(headers, sectionNames));
  const image = new Uint8Array(file.length + tail.length);
  image.set(file);
  image.set(fileHeader(placed, entry, headersAt, headers.length + 1));
  image.set(tail, file.length);
  return image;
}

function headerBytes(headers: readonly Header[], names: Strings): number[] {
  const writer = new Writer().word(...new Array(SECTION_BYTES / 4).fill(0));
  for (const { name, type, flags, address, offset, size, link, info, entrySize } of headers) {
    const alignment = type === STRTAB ? 1 : 4;
    writer.word(
      names.add(name),
      type,
      flags,
      address,
      offset,
      size,
      link,
      info,
      alignment,
      entrySize,
    );
  }
  return writer.bytes;
}

/** ELF header and program headers. */
function fileHeader(
  placed: readonly PlacedSection[],
  entry: number,
  headersAt: number,
  headerCount: number,
): number[] {
  const writer = new Writer();
  writer.bytes.push(0x7f, 0x45, 0x4c, 0x46, 1, 1, 1, ...new Array(9).fill(0)); // ELF32, little-endian
  writer.half(2, 3).word(1, entry, HEADER_BYTES, headersAt, 0); // executable, i386
  writer.half(HEADER_BYTES, SEGMENT_BYTES, 2, SECTION_BYTES, headerCount, headerCount - 1);
  const rodata = find(placed, ".rodata"), data = find(placed, ".data"), bss = find(placed, ".bss");
  const textBytes = rodata.offset + rodata.size;
  writer.word(1, 0, LOAD_ADDRESS, LOAD_ADDRESS, textBytes, textBytes, 5, PAGE); // read, execute
  const { address, offset, size } = data;
  const inMemory = bss.address + bss.size - address;
  writer.word(1, offset, address, address, size, inMemory, 6, PAGE); // read, write
  return writer.bytes;
}
