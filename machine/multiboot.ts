/**
 * Multiboot 1 header of a kernel image, and what it says about loading it.
 * Spec: specs/machine/multiboot.md. Not done: graphics modes, loading of symbols in a.out form.
 */
import {
  type ElfImage,
  ImageError,
  isElf,
  readElf,
  type SectionTable,
  type Segment,
  SymbolTable,
} from "./elf.ts";

const MAGIC = 0x1badb002;
const MAGIC_2 = 0xe85250d6; // of Multiboot 2
const SEARCH_BYTES = 8192;
const HEADER_BYTES = 12;
const ADDRESS_FIELDS_BYTES = 32;

const ALIGN_MODULES = 1 << 0;
const MEMORY_INFO = 1 << 1;
const VIDEO_MODE = 1 << 2;
const ADDRESS_FIELDS = 1 << 16;
const REQUIREMENTS = 0xffff; // bits that a loader must understand
const UNDERSTOOD = ALIGN_MODULES | MEMORY_INFO | VIDEO_MODE;

/** A Multiboot header. */
export interface MultibootHeader {
  /** Offset in the file. */
  readonly fileOffset: number;
  /** All flags. */
  readonly flags: number;
  /** Whether the kernel asks for a description of the frame buffer (flag 2). */
  readonly wantsVideo: boolean;
  /** Load addresses, when the header gives them (flag 16). */
  readonly addresses: MultibootAddresses | undefined;
}

/** The address fields of flag 16. All are physical addresses. */
export interface MultibootAddresses {
  /** Where the header itself is to be. */
  readonly headerAddr: number;
  /** Start of what is loaded. */
  readonly loadAddr: number;
  /** End of what is loaded; 0 means all of the file. */
  readonly loadEndAddr: number;
  /** End of the zeroed memory behind it; 0 means none. */
  readonly bssEndAddr: number;
  /** Where execution starts. */
  readonly entryAddr: number;
}

/** A kernel image, ready to be placed in memory. */
export interface KernelImage {
  /** The file. */
  readonly file: Uint8Array;
  /** Its Multiboot header. */
  readonly header: MultibootHeader;
  /** Physical address of the first instruction. */
  readonly entry: number;
  /** What to load. */
  readonly segments: readonly Segment[];
  /** Symbols; an empty table where the image has none. */
  readonly symbols: SymbolTable;
  /** Section headers of an ELF image. */
  readonly sectionTable: SectionTable | undefined;
}

/**
 * Reads a kernel image: a Multiboot header, then segments from its address fields or from ELF.
 * Throws {@link ImageError} with one line that says why it cannot be booted.
 */
export function readImage(file: Uint8Array): KernelImage {
  if (file.length === 0) throw new ImageError("the file is empty");
  const elf = attempt(() => readElf(file));
  const header = attempt(() => findHeader(file));
  if (header instanceof ImageError) throw isElf(file) && elf instanceof ImageError ? elf : header;
  const known = elf instanceof ImageError
    ? { symbols: new SymbolTable(), sectionTable: undefined }
    : { symbols: elf.symbols, sectionTable: elf.sectionTable };
  if (header.addresses !== undefined) { // MULTIBOOT-6: preferred to ELF's headers
    const segment = addressedSegment(file, header.fileOffset, header.addresses);
    return { file, header, ...known, entry: header.addresses.entryAddr, segments: [segment] };
  }
  if (elf instanceof ImageError) {
    throw isElf(file) ? elf : new ImageError(
      "it is not an ELF file and its Multiboot header has no load addresses",
    );
  }
  return { file, header, ...known, entry: elf.entry, segments: elf.segments };
}

function attempt<T>(read: () => T): T | ImageError {
  try {
    return read();
  } catch (error) {
    if (error instanceof ImageError) return error;
    throw error;
  }
}

/** The header in a file's first 8 KiB; throws {@link ImageError} if there is no valid one. */
export function findHeader(file: Uint8Array): MultibootHeader {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const end = Math.min(file.length, SEARCH_BYTES) - HEADER_BYTES;
  for (let offset = 0; offset <= end; offset += 4) {
    if (view.getUint32(offset, true) !== MAGIC || !sumsToZero(view, offset)) continue;
    return readHeader(view, offset);
  }
  throw new ImageError(whyNoHeader(view, isElf(file)));
}

function sumsToZero(view: DataView, offset: number): boolean {
  const [magic, flags, checksum] = [0, 4, 8].map((field) => view.getUint32(offset + field, true));
  return (magic + flags + checksum | 0) === 0;
}

/** Looks for what its author may have meant as a header. */
function whyNoHeader(view: DataView, elf: boolean): string {
  let second = -1, badSum = -1, unaligned = -1, late = -1;
  for (let offset = 0; offset + HEADER_BYTES <= view.byteLength; offset++) {
    const word = view.getUint32(offset, true);
    if (word === MAGIC_2 && offset % 8 === 0 && second < 0) second = offset;
    if (word !== MAGIC) continue;
    const valid = sumsToZero(view, offset);
    if (offset % 4 !== 0) unaligned = valid && unaligned < 0 ? offset : unaligned;
    else if (!valid) badSum = badSum < 0 && offset < SEARCH_BYTES ? offset : badSum;
    else if (late < 0) late = offset;
  }
  if (badSum >= 0) return `the Multiboot header at offset ${hex(badSum)} has a bad checksum`;
  if (late >= 0) return `its Multiboot header is at offset ${hex(late)}, past the first 8 KiB`;
  if (unaligned >= 0) {
    return `its Multiboot header is at offset ${hex(unaligned)}, not a multiple of 4`;
  }
  if (second >= 0) {
    return `it has a Multiboot 2 header at offset ${hex(second)}; Multiboot 1 is needed`;
  }
  return elf
    ? "it has no Multiboot header in its first 8 KiB"
    : "it is not an ELF file and has no Multiboot header in its first 8 KiB";
}

function readHeader(view: DataView, fileOffset: number): MultibootHeader {
  const flags = view.getUint32(fileOffset + 4, true);
  const unknown = flags & REQUIREMENTS & ~UNDERSTOOD;
  if (unknown !== 0) { // MULTIBOOT-5
    const bit = 31 - Math.clz32(unknown & -unknown);
    throw new ImageError(`its Multiboot header requires feature ${bit}, which no loader defines`);
  }
  return {
    fileOffset,
    flags,
    wantsVideo: (flags & VIDEO_MODE) !== 0,
    addresses: flags & ADDRESS_FIELDS ? readAddresses(view, fileOffset) : undefined,
  };
}

function readAddresses(view: DataView, offset: number): MultibootAddresses {
  if (offset + ADDRESS_FIELDS_BYTES > view.byteLength) {
    throw new ImageError("it is truncated within its Multiboot header");
  }
  return {
    headerAddr: view.getUint32(offset + 12, true),
    loadAddr: view.getUint32(offset + 16, true),
    loadEndAddr: view.getUint32(offset + 20, true),
    bssEndAddr: view.getUint32(offset + 24, true),
    entryAddr: view.getUint32(offset + 28, true),
  };
}

/** MULTIBOOT-7 to MULTIBOOT-9: the one segment that the address fields describe. */
function addressedSegment(
  file: Uint8Array,
  headerOffset: number,
  { headerAddr, loadAddr, loadEndAddr, bssEndAddr }: MultibootAddresses,
): Segment {
  const start = headerOffset - (headerAddr - loadAddr);
  if (loadAddr > headerAddr || start < 0) {
    throw new ImageError(
      `its load address ${hex(loadAddr)} does not fit the header's address ${hex(headerAddr)}`,
    );
  }
  const bytes = loadEndAddr === 0 ? file.length - start : loadEndAddr - loadAddr;
  if (bytes < 0) throw new ImageError(`its load end ${hex(loadEndAddr)} is below its start`);
  if (start + bytes > file.length) {
    throw new ImageError(
      `it is truncated: it should be loaded up to byte ${
        start + bytes
      }, the file has ${file.length}`,
    );
  }
  const end = bssEndAddr === 0 ? loadAddr + bytes : bssEndAddr;
  if (end < loadAddr + bytes) {
    throw new ImageError(`its bss end ${hex(bssEndAddr)} is below the end of what is loaded`);
  }
  const data = file.subarray(start, start + bytes);
  return { physAddr: loadAddr, virtAddr: loadAddr, data, memBytes: end - loadAddr, flags: 7 };
}

/** Where the memory of devices lies: no RAM. */
const DEVICE_START = 0xa0000, DEVICE_END = 0xc0000;

/**
 * Checks that segments fit into `ramBytes` of memory: in RAM, apart from each other, entry point
 * inside. Throws {@link ImageError}.
 */
export function checkPlacement(
  { segments, entry }: Pick<ElfImage, "segments" | "entry">,
  ramBytes: number,
): void {
  for (const segment of segments) {
    const end = segment.physAddr + segment.memBytes;
    const fits = end <= DEVICE_START || (segment.physAddr >= DEVICE_END && end <= ramBytes);
    if (fits) continue;
    throw new ImageError(
      `its segment ${range(segment)} lies outside the ${ramBytes / 0x100000} MB of memory`,
    );
  }
  const sorted = [...segments].sort((a, b) => a.physAddr - b.physAddr);
  for (let i = 1; i < sorted.length; i++) {
    if (sorted[i - 1].physAddr + sorted[i - 1].memBytes <= sorted[i].physAddr) continue;
    throw new ImageError(`its segments ${range(sorted[i - 1])} and ${range(sorted[i])} overlap`);
  }
  const inside = sorted.some(({ physAddr, memBytes }) =>
    entry >= physAddr && entry - physAddr < memBytes
  );
  if (!inside) throw new ImageError(`its entry point ${hex(entry)} is in none of its segments`);
}

function range({ physAddr, memBytes }: Segment): string {
  return `${hex(physAddr)}-${hex(physAddr + memBytes - 1)}`;
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}
