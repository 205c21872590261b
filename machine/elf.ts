/**
 * Reader of 32-bit ELF files for the i386: loadable segments, sections, symbols.
 * Spec: specs/machine/elf.md. Not read: relocations, dynamic linking, debug information.
 */

const ELF_HEADER_BYTES = 52;
const PROGRAM_HEADER_BYTES = 32;
const SECTION_HEADER_BYTES = 40;
const SYMBOL_BYTES = 16;

const CLASS_32 = 1;
const CLASS_64 = 2;
const LITTLE_ENDIAN = 1;
const TYPE_EXECUTABLE = 2;
const MACHINE_386 = 3;
const PT_LOAD = 1;
const SHT_SYMTAB = 2;
const SHT_NOBITS = 8;
const SHN_UNDEF = 0;
const STT_FILE = 4;
const STT_SECTION = 3;

const REACH = 0x10000; // how far behind a symbol an address still belongs to it

const typeNames: Readonly<Record<number, string>> = {
  1: "a relocatable object: link it first",
  3: "a shared object or position-independent program: link it with -no-pie -static",
  4: "a core dump",
};

/** An image that cannot be booted; the message is one line that says why. */
export class ImageError extends Error {
  /** The class's name. */
  override readonly name = "ImageError";
}

/** A piece of an image and where it goes. Addresses are unsigned 32-bit numbers. */
export interface Segment {
  /** Where it is loaded. */
  readonly physAddr: number;
  /** Where the program expects it once paging is on. */
  readonly virtAddr: number;
  /** The bytes from the file. */
  readonly data: Uint8Array;
  /** Size in memory; what exceeds `data` is zeros. */
  readonly memBytes: number;
  /** ELF's flags: execute 1, write 2, read 4. */
  readonly flags: number;
}

/** A named address of an image. */
export interface ImageSymbol {
  /** The name, as the linker wrote it. */
  readonly name: string;
  /** Its value: a linear address, except for absolute symbols. */
  readonly address: number;
  /** Size in bytes, 0 when the image does not say. */
  readonly bytes: number;
  /** ELF's type: none 0, object 1, function 2. */
  readonly type: number;
  /** Whether it is visible outside its compilation unit. */
  readonly global: boolean;
}

/** A section header, for the boot information structure. */
export interface Section {
  /** Section type. */
  readonly type: number;
  /** Linear address, 0 when it is not loaded. */
  readonly address: number;
  /** Offset in the file. */
  readonly fileOffset: number;
  /** Size in bytes. */
  readonly bytes: number;
  /** Index of the section that this one refers to, such as a symbol table's strings. */
  readonly link: number;
}

/** The section headers as the file has them. */
export interface SectionTable {
  /** The headers' bytes, 40 each. */
  readonly headers: Uint8Array;
  /** The same, read. */
  readonly sections: readonly Section[];
  /** Index of the section with the sections' names. */
  readonly namesIndex: number;
}

/** What a loader and a debugger need of an ELF file. */
export interface ElfImage {
  /** Entry point, as a physical address. */
  readonly entry: number;
  /** Segments to load, in the file's order; empty ones are left out. */
  readonly segments: readonly Segment[];
  /** Symbols, sorted by address. */
  readonly symbols: SymbolTable;
  /** Section headers, unless the file has none. */
  readonly sectionTable: SectionTable | undefined;
}

/** Symbols by name and by address. */
export class SymbolTable {
  /** All symbols, sorted by address. */
  readonly all: readonly ImageSymbol[];
  #byName: Map<string, ImageSymbol> | undefined;

  /** Symbols in any order; of two with one name, a global one hides a local one. */
  constructor(symbols: readonly ImageSymbol[] = []) {
    this.all = [...symbols].sort((a, b) => a.address - b.address);
  }

  /** The symbol with a name. */
  find(name: string): ImageSymbol | undefined {
    if (this.#byName === undefined) {
      this.#byName = new Map();
      for (const symbol of this.all) {
        if (symbol.global || !this.#byName.has(symbol.name)) this.#byName.set(symbol.name, symbol);
      }
    }
    return this.#byName.get(name);
  }

  /** The symbol that an address is in: `name`, and how far behind its start. */
  at(address: number): { symbol: ImageSymbol; offset: number } | undefined {
    let low = 0, high = this.all.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.all[middle].address <= address) low = middle + 1;
      else high = middle;
    }
    for (let i = low - 1; i >= 0; i--) { // ELF-12
      const symbol = this.all[i], offset = address - symbol.address;
      if (offset > REACH) break;
      if (symbol.bytes === 0 || offset < symbol.bytes) return { symbol, offset };
    }
    return undefined;
  }

  /** `name+0x1c` for an address, `0x00101234` where no symbol is. */
  describe(address: number): string {
    const found = this.at(address);
    if (found === undefined) return `0x${address.toString(16).padStart(8, "0")}`;
    return found.offset === 0
      ? found.symbol.name
      : `${found.symbol.name}+0x${found.offset.toString(16)}`;
  }
}

/** Whether a file begins with ELF's magic number. */
export function isElf(file: Uint8Array): boolean {
  return file.length >= 4 && file[0] === 0x7f && file[1] === 0x45 && file[2] === 0x4c &&
    file[3] === 0x46;
}

/** Reads an ELF executable; throws {@link ImageError} with the reason where it cannot be loaded. */
export function readElf(file: Uint8Array): ElfImage {
  checkIdentification(file);
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const segments = readSegments(file, view);
  const sectionTable = readSections(file, view);
  return {
    entry: physicalEntry(view.getUint32(24, true), segments),
    segments,
    symbols: new SymbolTable(sectionTable ? readSymbols(file, sectionTable) : []),
    sectionTable,
  };
}

function checkIdentification(file: Uint8Array): void {
  if (!isElf(file)) throw new ImageError("it is not an ELF file");
  if (file[4] === CLASS_64) {
    throw new ImageError("it is a 64-bit ELF file; a 32-bit i386 one is needed (gcc -m32)");
  }
  if (file.length < ELF_HEADER_BYTES) {
    throw new ImageError(`it is truncated: ${file.length} bytes are less than an ELF header's 52`);
  }
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const type = view.getUint16(16, true), machine = view.getUint16(18, true);
  if (file[4] !== CLASS_32) throw new ImageError(`its ELF class is ${file[4]}, not 1 (32-bit)`);
  if (file[5] !== LITTLE_ENDIAN) throw new ImageError("it is a big-endian ELF file");
  if (machine !== MACHINE_386) {
    throw new ImageError(`it is an ELF file for machine ${machine}, not for the i386 (3)`);
  }
  if (type !== TYPE_EXECUTABLE) {
    throw new ImageError(`it is not an executable but ${typeNames[type] ?? `of type ${type}`}`);
  }
}

function readSegments(file: Uint8Array, view: DataView): Segment[] {
  const offset = view.getUint32(28, true), count = view.getUint16(44, true);
  const stride = view.getUint16(42, true);
  if (count === 0) throw new ImageError("it has no program headers: link it");
  if (stride < PROGRAM_HEADER_BYTES) {
    throw new ImageError(`its program headers are ${stride} bytes long, not 32`);
  }
  demandInFile(file, offset, stride * count, "its program headers");
  const segments: Segment[] = [];
  for (let i = 0; i < count; i++) {
    const header = offset + i * stride;
    if (view.getUint32(header, true) !== PT_LOAD || view.getUint32(header + 20, true) === 0) {
      continue;
    }
    segments.push(readSegment(file, view, header, i));
  }
  if (segments.length === 0) throw new ImageError("it has no loadable segment");
  return segments;
}

function readSegment(file: Uint8Array, view: DataView, header: number, index: number): Segment {
  const fileOffset = view.getUint32(header + 4, true),
    fileBytes = view.getUint32(header + 16, true);
  const memBytes = view.getUint32(header + 20, true);
  demandInFile(file, fileOffset, fileBytes, `segment ${index}`);
  if (fileBytes > memBytes) {
    throw new ImageError(
      `segment ${index} has ${fileBytes} bytes in the file but only ${memBytes} in memory`,
    );
  }
  return {
    physAddr: view.getUint32(header + 12, true),
    virtAddr: view.getUint32(header + 8, true),
    data: file.subarray(fileOffset, fileOffset + fileBytes),
    memBytes,
    flags: view.getUint32(header + 24, true),
  };
}

function demandInFile(file: Uint8Array, offset: number, bytes: number, what: string): void {
  if (offset + bytes <= file.length) return;
  throw new ImageError(
    `it is truncated: ${what} should end at byte ${offset + bytes}, the file has ${file.length}`,
  );
}

/** ELF-8: an entry point in a segment's virtual range is moved to its physical one. */
function physicalEntry(entry: number, segments: readonly Segment[]): number {
  for (const { physAddr, virtAddr, memBytes } of segments) {
    if (entry >= virtAddr && entry - virtAddr < memBytes) return entry - virtAddr + physAddr;
  }
  return entry;
}

/** Section headers are for people: where they are damaged, the image still boots (ELF-10). */
function readSections(file: Uint8Array, view: DataView): SectionTable | undefined {
  const offset = view.getUint32(32, true), count = view.getUint16(48, true);
  if (offset === 0 || count === 0 || view.getUint16(46, true) !== SECTION_HEADER_BYTES) {
    return undefined;
  }
  const end = offset + count * SECTION_HEADER_BYTES;
  if (end > file.length) return undefined;
  const sections: Section[] = [];
  for (let header = offset; header < end; header += SECTION_HEADER_BYTES) {
    sections.push({
      type: view.getUint32(header + 4, true),
      address: view.getUint32(header + 12, true),
      fileOffset: view.getUint32(header + 16, true),
      bytes: view.getUint32(header + 20, true),
      link: view.getUint32(header + 24, true),
    });
  }
  return { headers: file.subarray(offset, end), sections, namesIndex: view.getUint16(50, true) };
}

/** The bytes of a section, empty where the file does not have them. */
export function sectionData(file: Uint8Array, section: Section | undefined): Uint8Array {
  if (section === undefined || section.type === SHT_NOBITS) return new Uint8Array();
  if (section.fileOffset + section.bytes > file.length) return new Uint8Array();
  return file.subarray(section.fileOffset, section.fileOffset + section.bytes);
}

function readSymbols(file: Uint8Array, { sections }: SectionTable): ImageSymbol[] {
  const table = sections.find((section) => section.type === SHT_SYMTAB);
  const data = sectionData(file, table), names = sectionData(file, sections[table?.link ?? -1]);
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const symbols: ImageSymbol[] = [];
  for (let at = 0; at + SYMBOL_BYTES <= data.length; at += SYMBOL_BYTES) {
    const name = nameAt(names, view.getUint32(at, true));
    const type = data[at + 12] & 15;
    if (name === "" || type === STT_FILE || type === STT_SECTION) continue;
    if (view.getUint16(at + 14, true) === SHN_UNDEF) continue;
    const address = view.getUint32(at + 4, true), bytes = view.getUint32(at + 8, true);
    symbols.push({ name, address, bytes, type, global: data[at + 12] >> 4 !== 0 });
  }
  return symbols;
}

function nameAt(names: Uint8Array, start: number): string {
  const end = names.indexOf(0, start);
  if (start >= names.length || end < 0) return "";
  return String.fromCharCode(...names.subarray(start, Math.min(end, start + 1024)));
}
