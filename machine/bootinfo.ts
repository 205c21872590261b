/**
 * What a boot loader leaves for a kernel: the memory map and the Multiboot information structure.
 * Spec: specs/machine/bootinfo.md. Not given: drives, ROM configuration table, APM, VBE.
 */
import { ImageError, sectionData, type Segment } from "./elf.ts";
import type { KernelImage } from "./multiboot.ts";
import type { Memory } from "./memory.ts";

/** EAX at entry. */
export const BOOT_MAGIC = 0x2badb002;
/** Where the structure is, as with QEMU's loader; the memory map stands before it. */
export const INFO_ADDR = 0x9500;
const MAP_ADDR = 0x9000;
const STRINGS_ADDR = 0x9600;
const LOW_END = 0x9fc00;
const INFO_BYTES = 116;
const MODULE_BYTES = 16;
const PAGE = 0x1000;

const HAS_MEMORY = 1 << 0;
const HAS_COMMAND_LINE = 1 << 2;
const HAS_MODULES = 1 << 3;
const HAS_SECTIONS = 1 << 5;
const HAS_MAP = 1 << 6;
const HAS_LOADER_NAME = 1 << 9;
const HAS_FRAME_BUFFER = 1 << 12;

const SHT_SYMTAB = 2;
const SHT_STRTAB = 3;
const LOADER_NAME = "ClaudeOS PC";

/** A range of physical addresses. */
export interface Region {
  /** Its first address. */
  readonly base: number;
  /** Its size. */
  readonly bytes: number;
  /** Whether it is memory that a kernel may use. */
  readonly available: boolean;
}

/** A file that the boot loader puts into memory beside the kernel. */
export interface Module {
  /** Its bytes. */
  readonly data: Uint8Array;
  /** Its string: by custom a name and arguments. */
  readonly commandLine: string;
}

/** The memory map of a machine, by ascending address. */
export function memoryMap(ramBytes: number): Region[] {
  const top = ramBytes - 0x20000;
  return [
    { base: 0, bytes: 0x9fc00, available: true },
    { base: 0x9fc00, bytes: 0x400, available: false },
    { base: 0xf0000, bytes: 0x10000, available: false },
    { base: 0x100000, bytes: top - 0x100000, available: true },
    { base: top, bytes: 0x20000, available: false },
    { base: 0xfffc0000, bytes: 0x40000, available: false },
  ];
}

/** Where the low-memory tables and the modules go; nothing may lie on them. */
interface Layout {
  readonly image: KernelImage;
  readonly map: readonly Region[];
  readonly modules: readonly Module[];
  readonly moduleAddrs: readonly number[];
  readonly commandLine: string;
}

/**
 * Writes the boot information of `image` to memory: structure, map, strings and modules.
 * Returns the structure's address, for EBX. Throws {@link ImageError} where there is no room.
 */
export function writeBootInformation(
  memory: Memory,
  image: KernelImage,
  commandLine: string,
  modules: readonly Module[],
): number {
  const map = memoryMap(memory.ramBytes);
  const moduleAddrs = placeModules(image.segments, modules, map[3]);
  const layout = { image, map, modules, moduleAddrs, commandLine };
  const tables = new Tables(memory, chooseBase(image.segments, layout));
  modules.forEach((module, i) => memory.load(moduleAddrs[i], module.data));
  return writeStructure(memory, tables, layout);
}

/** Low memory, filled upwards. */
class Tables {
  readonly #memory: Memory;
  readonly base: number;
  #next: number;

  constructor(memory: Memory, base: number) {
    this.#memory = memory;
    this.base = base;
    this.#next = base + STRINGS_ADDR - MAP_ADDR;
  }

  /** Puts bytes at the next multiple of 4. */
  put(data: Uint8Array): number {
    const address = (this.#next + 3) & ~3;
    this.#memory.load(address, data);
    this.#next = address + data.length;
    return address;
  }

  /** Puts a NUL-terminated string. */
  text(text: string): number {
    return this.put(new TextEncoder().encode(`${text}\0`));
  }
}

/** BOOTINFO-9: QEMU's place, or another 4 KiB boundary in low memory where no segment lies. */
function chooseBase(segments: readonly Segment[], layout: Layout): number {
  const bytes = STRINGS_ADDR - MAP_ADDR + tableBytes(layout);
  for (const base of candidates()) {
    const end = base + bytes;
    const free = segments.every((s) => s.physAddr >= end || s.physAddr + s.memBytes <= base);
    if (free && end <= LOW_END) return base;
  }
  throw new ImageError(`there is no room below 640 KB for its boot information (${bytes} bytes)`);
}

function* candidates(): Generator<number> {
  yield MAP_ADDR;
  for (let base = PAGE; base < LOW_END; base += PAGE) yield base;
}

function tableBytes({ image, modules, commandLine }: Layout): number {
  let bytes = 16 + 4 * commandLine.length + LOADER_NAME.length + 8;
  for (const { commandLine } of modules) bytes += MODULE_BYTES + 4 * commandLine.length + 8;
  const table = image.sectionTable;
  if (table !== undefined) {
    bytes += table.headers.length;
    for (const section of table.sections) bytes += (isKept(section.type) ? section.bytes : 0) + 4;
  }
  return bytes;
}

function isKept(sectionType: number): boolean {
  return sectionType === SHT_SYMTAB || sectionType === SHT_STRTAB;
}

/** Modules begin at page boundaries, after everything else above 1 MB (BOOTINFO-6). */
function placeModules(
  segments: readonly Segment[],
  modules: readonly Module[],
  high: Region,
): number[] {
  let next = high.base;
  for (const { physAddr, memBytes } of segments) next = Math.max(next, physAddr + memBytes);
  return modules.map(({ data, commandLine }) => {
    const start = Math.ceil(next / PAGE) * PAGE;
    next = start + data.length;
    if (next <= high.base + high.bytes) return start;
    throw new ImageError(`module '${commandLine}' (${data.length} bytes) does not fit in memory`);
  });
}

function writeStructure(memory: Memory, tables: Tables, layout: Layout): number {
  const { image, map, modules, commandLine } = layout;
  const info = tables.base + INFO_ADDR - MAP_ADDR;
  const set = (offset: number, value: number) => memory.write(info + offset, 4, value);
  memory.load(info, new Uint8Array(INFO_BYTES));
  let flags = HAS_MEMORY | HAS_COMMAND_LINE | HAS_MAP | HAS_LOADER_NAME;
  set(4, map[0].bytes / 1024);
  set(8, map[3].bytes / 1024);
  set(16, tables.text(commandLine));
  if (modules.length > 0) flags |= HAS_MODULES;
  set(20, modules.length);
  set(24, modules.length > 0 ? writeModules(tables, layout) : 0);
  if (writeSections(tables, image, set)) flags |= HAS_SECTIONS;
  set(44, 24 * map.length);
  set(48, writeMap(memory, tables.base, map));
  set(64, tables.text(LOADER_NAME));
  if (image.header.wantsVideo) {
    flags |= HAS_FRAME_BUFFER;
    writeFrameBuffer(memory, info);
  }
  set(0, flags);
  return info;
}

function writeMap(memory: Memory, address: number, map: readonly Region[]): number {
  map.forEach(({ base, bytes, available }, i) => {
    const words = [20, base, 0, bytes, 0, available ? 1 : 2];
    words.forEach((word, j) => memory.write(address + 24 * i + 4 * j, 4, word));
  });
  return address;
}

function writeModules(tables: Tables, { modules, moduleAddrs }: Layout): number {
  const words = modules.flatMap(({ data, commandLine }, i) => {
    const start = moduleAddrs[i];
    return [start, start + data.length, tables.text(commandLine), 0];
  });
  return tables.put(new Uint8Array(Uint32Array.from(words).buffer));
}

/** BOOTINFO-8: section headers, with symbols and strings copied to where they say. */
function writeSections(
  tables: Tables,
  image: KernelImage,
  set: (offset: number, value: number) => void,
): boolean {
  const table = image.sectionTable;
  if (table === undefined) return false;
  const headers = table.headers.slice(), view = new DataView(headers.buffer);
  table.sections.forEach((section, i) => {
    if (!isKept(section.type) || section.address !== 0) return;
    view.setUint32(40 * i + 12, tables.put(sectionData(image.file, section)), true);
  });
  set(28, table.sections.length);
  set(32, 40);
  set(36, tables.put(headers));
  set(40, table.namesIndex);
  return true;
}

/** BOOTINFO-7: VGA text, 80 columns of 25 rows. */
function writeFrameBuffer(memory: Memory, info: number): void {
  const TEXT = 2;
  const words = [0xb8000, 0, 160, 80, 25, 16 | TEXT << 8];
  words.forEach((word, i) => memory.write(info + 88 + 4 * i, 4, word));
}
