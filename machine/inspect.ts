/**
 * What a kernel's memory says, read from outside: page tables, heap blocks, the bitmap of page frames.
 * Spec: specs/machine/inspect.md. Nothing here asks the guest or changes it.
 */

const PRESENT = 0x001;
const WRITABLE = 0x002;
const USER = 0x004;
const ACCESSED = 0x020;
const DIRTY = 0x040;
const LARGE = 0x080; // 4 MB page, in a directory entry
const GLOBAL = 0x100;

const CR0_PG = 0x80000000;
const CR4_PSE = 0x10;
const CR4_PGE = 0x80;

const PAGE = 0x1000;
const LARGE_PAGE = 0x400000;

/** Reads 4 bytes at an address. */
export type ReadWord = (address: number) => number;

/** The control registers that decide about paging. */
export interface PagingRegisters {
  /** Paging on. */
  readonly cr0: number;
  /** The page directory. */
  readonly cr3: number;
  /** 4 MB and global pages. */
  readonly cr4: number;
}

/** One page as the page tables have it. */
export interface PageMapping {
  /** First linear address. */
  readonly virtAddr: number;
  /** First physical address. */
  readonly physAddr: number;
  /** 4096 or 4194304. */
  readonly bytes: number;
  /** May be written: on both levels. */
  readonly writable: boolean;
  /** May be used from ring 3: on both levels. */
  readonly user: boolean;
  /** Survives a change of CR3. */
  readonly global: boolean;
  /** Was used. */
  readonly accessed: boolean;
  /** Was written to. */
  readonly dirty: boolean;
  /** Physical address of the entry that maps it. */
  readonly entryAddr: number;
  /** That entry. */
  readonly entry: number;
}

/** Consecutive pages with the same rights. */
export interface MappedRange {
  /** First linear address. */
  readonly virtAddr: number;
  /** First physical address. */
  readonly physAddr: number;
  /** Length. */
  readonly bytes: number;
  /** Rights and kind: `w` writable, `u` user, `g` global, `l` 4 MB pages; `-` where not. */
  readonly flags: string;
}

/** A block of the reference kernel's heap: specs/kernel/heap.md. */
export interface HeapBlock {
  /** Linear address of its header. */
  readonly address: number;
  /** Payload in bytes. */
  readonly size: number;
  /** Whether it is free. */
  readonly free: boolean;
  /** Header of the block below, 0 for none. */
  readonly prev: number;
  /** Header of the block above, 0 for none. */
  readonly next: number;
  /** What is wrong with it, or nothing. */
  readonly damage: string | undefined;
}

/** Numbers of page frames or bytes. */
export interface Usage {
  /** Used and free. */
  readonly total: number;
  /** Given away. */
  readonly used: number;
  /** Available. */
  readonly free: number;
}

/** Every page that is mapped, by ascending address; undefined while paging is off. */
export function pageMappings(
  readPhysical: ReadWord,
  { cr0, cr3, cr4 }: PagingRegisters,
): PageMapping[] | undefined {
  if ((cr0 & CR0_PG) === 0) return undefined;
  const directory = (cr3 & ~0xfff) >>> 0, pages: PageMapping[] = [];
  const globals = cr4 & CR4_PGE ? GLOBAL : 0;
  for (let i = 0; i < 1024; i++) {
    const entryAddr = directory + 4 * i, entry = readPhysical(entryAddr);
    if ((entry & PRESENT) === 0) continue;
    if (entry & LARGE && cr4 & CR4_PSE) {
      pages.push(mapping(i * LARGE_PAGE, LARGE_PAGE, entryAddr, entry, entry, globals));
    } else pages.push(...tableMappings(readPhysical, i, entry, globals));
  }
  return pages;
}

function tableMappings(
  readPhysical: ReadWord,
  index: number,
  directoryEntry: number,
  globals: number,
): PageMapping[] {
  const table = (directoryEntry & ~0xfff) >>> 0, pages: PageMapping[] = [];
  for (let i = 0; i < 1024; i++) {
    const entryAddr = table + 4 * i, entry = readPhysical(entryAddr);
    if ((entry & PRESENT) === 0) continue;
    const virtAddr = index * LARGE_PAGE + i * PAGE;
    pages.push(mapping(virtAddr, PAGE, entryAddr, entry, directoryEntry & entry, globals));
  }
  return pages;
}

function mapping(
  virtAddr: number,
  bytes: number,
  entryAddr: number,
  entry: number,
  rights: number,
  globals: number,
): PageMapping {
  return {
    virtAddr,
    physAddr: (entry & ~(bytes - 1)) >>> 0,
    bytes,
    writable: (rights & WRITABLE) !== 0,
    user: (rights & USER) !== 0,
    global: (entry & globals) !== 0,
    accessed: (entry & ACCESSED) !== 0,
    dirty: (entry & DIRTY) !== 0,
    entryAddr,
    entry,
  };
}

/** INSPECT-4: joins pages that follow each other in both address spaces with the same rights. */
export function mappedRanges(pages: readonly PageMapping[]): MappedRange[] {
  const ranges: MappedRange[] = [];
  for (const page of pages) {
    const flags = flagsOf(page), last = ranges.at(-1);
    const joins = last !== undefined && last.flags === flags &&
      last.virtAddr + last.bytes === page.virtAddr && last.physAddr + last.bytes === page.physAddr;
    if (joins) ranges[ranges.length - 1] = { ...last, bytes: last.bytes + page.bytes };
    else {ranges.push({
        virtAddr: page.virtAddr,
        physAddr: page.physAddr,
        bytes: page.bytes,
        flags,
      });}
  }
  return ranges;
}

function flagsOf({ writable, user, global, bytes }: PageMapping): string {
  return (writable ? "w" : "-") + (user ? "u" : "-") + (global ? "g" : "-") +
    (bytes === PAGE ? "-" : "l");
}

/** The physical address of a linear one, or undefined where none is mapped. */
export function translateAddress(
  readPhysical: ReadWord,
  { cr0, cr3, cr4 }: PagingRegisters,
  address: number,
): number | undefined {
  if ((cr0 & CR0_PG) === 0) return address;
  const entry = readPhysical(((cr3 & ~0xfff) >>> 0) + 4 * (address >>> 22));
  if ((entry & PRESENT) === 0) return undefined;
  if (entry & LARGE && cr4 & CR4_PSE) {
    return ((entry & ~(LARGE_PAGE - 1)) | (address & (LARGE_PAGE - 1))) >>> 0;
  }
  const page = readPhysical(((entry & ~0xfff) >>> 0) + 4 * (address >>> 12 & 0x3ff));
  return page & PRESENT ? ((page & ~0xfff) | (address & 0xfff)) >>> 0 : undefined;
}

const HEAP_START = 0x400000;
const HEAP_MAXIMUM = 0x800000;
const HEAP_HEADER = 16;
const HEAP_MAGIC = 0x48454150; // "HEAP"; xor the header's address

/**
 * The blocks of the heap in the order of memory. `read` reads linear addresses and gives undefined
 * where nothing is mapped. The list ends at the last block or at the first damaged one.
 */
export function heapBlocks(read: (address: number) => number | undefined): HeapBlock[] {
  const blocks: HeapBlock[] = [];
  let address = HEAP_START, below = 0;
  for (;;) {
    const fields = [0, 4, 8, 12].map((offset) => read(address + offset));
    if (fields.includes(undefined)) return blocks;
    const [size, flag, prev, next] = fields as number[];
    const damage = heapDamage(address, size, flag, prev, next, below);
    blocks.push({ address, size, free: (flag & 1) !== 0, prev, next, damage });
    if (damage !== undefined || next === 0) return blocks;
    below = address;
    address = next;
  }
}

/** INSPECT-6: what no header of a sound heap shows. */
function heapDamage(
  address: number,
  size: number,
  flag: number,
  prev: number,
  next: number,
  below: number,
): string | undefined {
  if (((flag ^ HEAP_MAGIC ^ address) & ~1) !== 0) return "its flag word does not belong here";
  if (size < 8 || size % 8 !== 0) return `its size ${size} is no multiple of 8`;
  if (prev !== below) return "its link to the block below is wrong";
  const end = address + HEAP_HEADER + size;
  if (next !== 0 && next !== end) return "its link to the block above is wrong";
  if (end > HEAP_START + HEAP_MAXIMUM) return "it reaches past the end of the heap";
  return undefined;
}

/** Sums over heap blocks, headers included. */
export function heapUsage(blocks: readonly HeapBlock[]): Usage {
  let used = 0, free = 0;
  for (const block of blocks) {
    if (block.free) free += block.size + HEAP_HEADER;
    else used += block.size + HEAP_HEADER;
  }
  return { total: used + free, used, free };
}

/** Counts the bits of a bitmap of `pageCount` page frames; a set bit is a used frame. */
export function bitmapUsage(readWord: (index: number) => number, pageCount: number): Usage {
  let used = 0;
  for (let page = 0; page < pageCount; page += 32) {
    const valid = pageCount - page >= 32 ? 0xffffffff : (1 << (pageCount - page)) - 1;
    used += bitCount(readWord(page >>> 5) & valid);
  }
  return { total: pageCount, used, free: pageCount - used };
}

function bitCount(word: number): number {
  let bits = word - (word >>> 1 & 0x55555555);
  bits = (bits & 0x33333333) + (bits >>> 2 & 0x33333333);
  return Math.imul(bits + (bits >>> 4) & 0x0f0f0f0f, 0x01010101) >>> 24;
}
