/**
 * Linear to physical addresses, and physical addresses to host memory. Spec: specs/cpu/paging.md
 * (Intel SDM vol. 3, chapter 4). Not modelled: PAE, PSE-36, the PAT, caching types.
 *
 * Two layers: the TLB, which the guest can observe and which therefore changes only as the guest's
 * accesses and invalidations say; and the access tables of `cpu/state.ts`, which are filled from it
 * and may be emptied at any time.
 */
import { Fault } from "./fault.ts";
import {
  CPL,
  CR0,
  CR2,
  CR3,
  CR4,
  DEVICE_MEMORY,
  FAULT_CODE,
  FAULT_VECTOR,
  PAGE_FAULT,
  RAM_BASE,
  READ_SUPERVISOR,
  READ_USER,
  type State,
  STOPPED,
  WRITE_SUPERVISOR,
  WRITE_USER,
} from "./state.ts";

const CR0_WP = 0x10000; // supervisor writes obey R/W
const CR0_PG = 0x80000000; // paging
const CR4_PSE = 0x10; // 4 MB pages
const CR4_PGE = 0x80; // global pages

// Entries of page directories and tables; a TLB word has the same bits.
const PRESENT = 0x1;
const WRITABLE = 0x2;
const USER = 0x4;
const ACCESSED = 0x20;
const DIRTY = 0x40;
const LARGE = 0x80; // in a directory entry: it maps 4 MB
const GLOBAL = 0x100;
const LISTED = 0x800; // in a TLB word: the page is in #listed

const LARGE_RESERVED = 0x3ff000; // without PSE-36 and PAT: PAGING-7
const TABLE_RESERVED = 0x80; // the PAT bit: PAGING-7

const CODE_WRITE = 0x2; // page-fault error code: see PAGING-6
const CODE_USER = 0x4;
const CODE_PRESENT = 0x1;
const CODE_RESERVED = 0x8;

const DEVICE_START = 0xa0000, DEVICE_END = 0xc0000;
const FAULTED = -1;

/** What the page tables say of one linear address. */
export interface Translation {
  /** Physical address. */
  readonly physAddr: number;
  /** R/W of all levels. */
  readonly writable: boolean;
  /** U/S of all levels. */
  readonly user: boolean;
  /** A of the entry that maps the page. */
  readonly accessed: boolean;
  /** D of the entry that maps the page. */
  readonly dirty: boolean;
  /** Mapped by a 4 MB page. */
  readonly large: boolean;
  /** Global, while CR4.PGE is set. */
  readonly global: boolean;
}

/** The part of the paging hardware that a snapshot needs besides memory and control registers. */
export interface PagingState {
  /** Whether address line 20 is open. */
  readonly a20: boolean;
  /** The TLB: linear page number and word, in turn. */
  readonly entries: readonly number[];
}

/** What an access does; `modify` reads what a `store` will then write back. */
export type Access = "load" | "store" | "modify";

/** Is told of an access that is allowed and about to be made; it must change nothing. */
export type AccessObserver = (linear: number, bytes: number, access: Access) => void;

/** A walk's result: where the entries are, and what they hold. `word` is a TLB word, 0 if none. */
interface Walk {
  readonly directoryAddr: number;
  readonly directory: number;
  readonly tableAddr: number;
  readonly table: number;
  readonly word: number;
  readonly reserved: boolean;
}

/** The paging unit, the TLB, and the way to guest memory. */
export class Paging {
  /** Called after a write into a page that holds translated code. */
  onCodeWrite: (physAddr: number, bytes: number) => void = () => {};
  /** Accesses to addresses where nothing is: reads gave all ones, writes were lost. */
  readonly absent: { reads: number; writes: number } = { reads: 0, writes: 0 };

  readonly #state: State;
  readonly #words: Int32Array;
  readonly #view: DataView;
  readonly #ramBytes: number;
  readonly #tlb = new Int32Array(1 << 20);
  readonly #codePages: Uint8Array;
  #listed: number[] = [];
  /** Physical pages that may have been written since {@link forgetWritten}, as flags and as a list. */
  readonly #written: Uint8Array;
  #writtenPages: number[] = [];
  #anyLarge = false;
  /** Linear pages whose every access is slow, and who is told of them. */
  #watchedFirst = 0;
  #watchedEnd = 0;
  #observer: AccessObserver = () => {};
  #a20Mask = 0xffffffff;
  #faultCode = 0;

  /** Paging over the memory of `state`, which has `ramBytes` of guest RAM (whole pages). */
  constructor(state: State, ramBytes: number) {
    if (ramBytes % 4096 !== 0 || RAM_BASE + ramBytes > state.bytes.byteLength) {
      throw new RangeError(`Cannot use ${ramBytes} bytes of RAM: not whole pages of the memory`);
    }
    this.#state = state;
    this.#words = state.words;
    this.#view = new DataView(state.bytes.buffer);
    this.#ramBytes = ramBytes;
    this.#codePages = new Uint8Array(Math.max(ramBytes, 0x100000) >>> 12);
    this.#written = new Uint8Array(this.#codePages.length);
  }

  // --- Physical memory

  /** Host address of a physical address (A20 applied), or 0 where nothing is. */
  hostAddress(physAddr: number): number {
    const address = (physAddr & this.#a20Mask) >>> 0;
    if (address >= DEVICE_START && address < DEVICE_END) {
      return DEVICE_MEMORY + address - DEVICE_START;
    }
    return address < this.#ramBytes ? RAM_BASE + address : 0;
  }

  /** Reads 1, 2 or 4 bytes that lie in one page; all ones where nothing is. */
  readPhysical(physAddr: number, bytes: number): number {
    const host = this.hostAddress(physAddr);
    if (host === 0) {
      this.absent.reads++;
      return bytes === 4 ? 0xffffffff : (1 << (8 * bytes)) - 1;
    }
    if (bytes === 4) return this.#view.getUint32(host, true);
    return bytes === 2 ? this.#view.getUint16(host, true) : this.#view.getUint8(host);
  }

  /** Writes 1, 2 or 4 bytes that lie in one page; lost where nothing is. */
  writePhysical(physAddr: number, bytes: number, value: number): void {
    const host = this.hostAddress(physAddr);
    if (host === 0) {
      this.absent.writes++;
      return;
    }
    if (bytes === 4) this.#view.setInt32(host, value, true);
    else if (bytes === 2) this.#view.setInt16(host, value, true);
    else this.#view.setInt8(host, value);
    const masked = (physAddr & this.#a20Mask) >>> 0;
    this.#markWritten(masked >>> 12);
    if (this.#codePages[masked >>> 12]) this.onCodeWrite(masked, bytes);
  }

  /** Whether address line 20 is open. */
  get a20(): boolean {
    return this.#a20Mask === 0xffffffff;
  }

  /** Opens or closes address line 20: closed, bit 20 of every physical address reads as zero. */
  set a20(open: boolean) {
    if (open === this.a20) return;
    this.#a20Mask = open ? 0xffffffff : 0xffefffff;
    this.flush(true);
  }

  // --- Translation

  /** Physical address for an access by `user` code or by supervisor code; throws a page fault. */
  translate(linear: number, write: boolean, user: boolean): number {
    const physAddr = this.#translate(linear, write, user);
    if (physAddr === FAULTED) throw new Fault(PAGE_FAULT, this.#faultCode);
    return physAddr;
  }

  /** What the page tables in memory say now, without any effect; undefined where nothing is mapped. */
  probe(linear: number): Translation | undefined {
    const { reads } = this.absent;
    const { word, table, directory, reserved } = this.#lookup(linear);
    this.absent.reads = reads;
    if (!(word & PRESENT) || reserved) return undefined;
    const entry = word & LARGE ? directory : table;
    return {
      physAddr: ((word & ~0xfff) | (linear & 0xfff)) >>> 0,
      writable: (word & WRITABLE) !== 0,
      user: (word & USER) !== 0,
      accessed: (entry & ACCESSED) !== 0,
      dirty: (entry & DIRTY) !== 0,
      large: (word & LARGE) !== 0,
      global: (word & GLOBAL) !== 0,
    };
  }

  /** Physical address or FAULTED, with CR2 and #faultCode set. Fills TLB and access tables. */
  #translate(linear: number, write: boolean, user: boolean): number {
    const page = linear >>> 12;
    let word = this.#tlb[page];
    // PAGING-12: what the TLB does not permit is looked up again.
    if (!(word & PRESENT) || (write && !(word & DIRTY)) || !this.#permits(word, write, user)) {
      word = this.#walk(linear, write, user);
      if (word === 0) return FAULTED;
      this.#enter(page, word);
    }
    this.#fill(page, write);
    return ((word & ~0xfff) | (linear & 0xfff)) >>> 0;
  }

  #permits(word: number, write: boolean, user: boolean): boolean {
    if (user && !(word & USER)) return false;
    if (!write || word & WRITABLE) return true;
    return !user && !(this.#words[CR0 >> 2] & CR0_WP);
  }

  /** Walks, sets accessed and dirty bits, and gives the TLB word; 0 after a fault. */
  #walk(linear: number, write: boolean, user: boolean): number {
    const walk = this.#lookup(linear);
    const { word, directory, reserved } = walk;
    const present = (word & PRESENT) !== 0;
    if (this.#paged && directory & PRESENT && !(reserved && word & LARGE)) {
      this.#setBits(walk.directoryAddr, directory, ACCESSED); // PAGING-5: it was used
    }
    if (!present || reserved || !this.#permits(word, write, user)) {
      this.#faultCode = (present ? CODE_PRESENT : 0) | (write ? CODE_WRITE : 0) |
        (user ? CODE_USER : 0) | (present && reserved ? CODE_RESERVED : 0);
      this.#state.set(CR2, linear);
      this.#drop(linear >>> 12);
      return 0;
    }
    if (!this.#paged) return word;
    const bits = ACCESSED | (write ? DIRTY : 0);
    if (word & LARGE) this.#setBits(walk.directoryAddr, directory | ACCESSED, bits);
    else this.#setBits(walk.tableAddr, walk.table, bits);
    return word | (write ? DIRTY : 0);
  }

  get #paged(): boolean {
    return (this.#words[CR0 >> 2] & CR0_PG) !== 0;
  }

  #setBits(entryAddr: number, entry: number, bits: number): void {
    if ((entry & bits) !== bits) this.writePhysical(entryAddr, 4, entry | bits);
  }

  /** Reads the entries for `linear`; no effect but counting reads of absent memory. */
  #lookup(linear: number): Walk {
    const none = { directoryAddr: 0, directory: 0, tableAddr: 0, table: 0, reserved: false };
    const page = linear & ~0xfff;
    if (!this.#paged) {
      return { ...none, word: this.#mask(page) | PRESENT | WRITABLE | USER | DIRTY };
    }
    const cr4 = this.#words[CR4 >> 2];
    const globals = cr4 & CR4_PGE ? GLOBAL : 0;
    const directoryAddr = ((this.#words[CR3 >> 2] & ~0xfff) | (linear >>> 22 << 2)) >>> 0;
    const directory = this.readPhysical(directoryAddr, 4);
    if (!(directory & PRESENT)) return { ...none, directoryAddr, directory, word: 0 };
    const pse = (cr4 & CR4_PSE) !== 0;
    if (pse && directory & LARGE) {
      const frame = this.#mask((directory & 0xffc00000) | (linear & 0x3ff000));
      const flags = directory & (PRESENT | WRITABLE | USER | DIRTY | LARGE | globals);
      const reserved = (directory & LARGE_RESERVED) !== 0;
      return { ...none, directoryAddr, directory, word: frame | flags, reserved };
    }
    const tableAddr = ((directory & ~0xfff) | ((linear >>> 12 & 0x3ff) << 2)) >>> 0;
    const table = this.readPhysical(tableAddr, 4);
    const flags = (table & (PRESENT | WRITABLE | USER | DIRTY | globals)) &
      (directory | ~(WRITABLE | USER)); // PAGING-3: a right must be given on both levels
    const word = table & PRESENT ? this.#mask(table & ~0xfff) | flags : 0;
    const reserved = pse && (table & TABLE_RESERVED) !== 0;
    return { directoryAddr, directory, tableAddr, table, word, reserved };
  }

  #mask(physAddr: number): number {
    return physAddr & this.#a20Mask;
  }

  // --- TLB and access tables

  #enter(page: number, word: number): void {
    if (!(this.#tlb[page] & LISTED)) this.#listed.push(page);
    this.#tlb[page] = word | LISTED;
    if (word & LARGE) this.#anyLarge = true;
  }

  /** Fills the access tables for a page that the TLB knows. */
  #fill(page: number, isWrite: boolean): void {
    const words = this.#words, word = this.#tlb[page];
    const host = this.hostAddress(word & ~0xfff), physPage = (word & this.#a20Mask) >>> 12;
    if (isWrite) this.#markWritten(physPage);
    if (page >= this.#watchedFirst && page < this.#watchedEnd) return; // PAGING-22
    const direct = word & DIRTY && !this.#codePages[physPage] && this.#written[physPage];
    const write = direct ? host : 0;
    const wp = words[CR0 >> 2] & CR0_WP;
    words[(READ_SUPERVISOR >> 2) + page] = host;
    words[(READ_USER >> 2) + page] = word & USER ? host : 0;
    words[(WRITE_SUPERVISOR >> 2) + page] = word & WRITABLE || !wp ? write : 0;
    words[(WRITE_USER >> 2) + page] = word & WRITABLE && word & USER ? write : 0;
  }

  #markWritten(physPage: number): void {
    if (this.#written[physPage] !== 0 || physPage >= this.#written.length) return;
    this.#written[physPage] = 1;
    this.#writtenPages.push(physPage);
  }

  /** Memory was written from outside: as after a write of the processor's. */
  memoryChanged(physAddr: number, bytes: number): void {
    for (let page = physAddr >>> 12; page <= (physAddr + bytes - 1) >>> 12; page++) {
      this.#markWritten(page);
      if (this.#codePages[page]) this.onCodeWrite(page << 12, 4096);
    }
  }

  /** Physical pages of which something may have been written since {@link forgetWritten}. */
  get writtenPages(): readonly number[] {
    return this.#writtenPages;
  }

  /** Begins a new account of written pages: the first write to each is noticed again. */
  forgetWritten(): void {
    for (const physPage of this.#writtenPages) this.#written[physPage] = 0;
    for (const page of this.#listed) this.#clearWrites(page);
    this.#writtenPages = [];
  }

  #clear(page: number): void {
    const words = this.#words;
    words[(READ_SUPERVISOR >> 2) + page] = 0;
    words[(READ_USER >> 2) + page] = 0;
    this.#clearWrites(page);
  }

  #clearWrites(page: number): void {
    this.#words[(WRITE_SUPERVISOR >> 2) + page] = 0;
    this.#words[(WRITE_USER >> 2) + page] = 0;
  }

  #drop(page: number): void {
    this.#tlb[page] &= LISTED;
    this.#clear(page);
  }

  /** Forgets translations: all of them, or all but global ones (MOV to CR3 with CR4.PGE). */
  flush(global: boolean): void {
    const kept: number[] = [];
    for (const page of this.#listed) {
      if (!global && (this.#tlb[page] & (PRESENT | GLOBAL)) === (PRESENT | GLOBAL)) {
        kept.push(page);
        continue;
      }
      this.#tlb[page] = 0;
      this.#clear(page);
    }
    this.#listed = kept;
    this.#anyLarge = kept.length > 0 && this.#anyLarge;
  }

  /** INVLPG: forgets the page of `linear`, also a global one, and all of its 4 MB page. */
  invalidate(linear: number): void {
    const page = linear >>> 12;
    this.#drop(page);
    if (!this.#anyLarge) return;
    const first = page & ~0x3ff;
    for (let other = first; other < first + 0x400; other++) {
      if (this.#tlb[other] & LARGE) this.#drop(other);
    }
  }

  /** Empties the access tables and keeps the TLB: after CR0.WP changed. */
  refill(): void {
    for (const page of this.#listed) this.#clear(page);
  }

  /**
   * Says whether a physical page holds translated code. Writes to such a page take the slow path,
   * which reports them through {@link onCodeWrite}.
   */
  setCodePage(physPage: number, holdsCode: boolean): void {
    if (physPage >= this.#codePages.length) return; // nothing is there: nobody can write to it
    if (this.#codePages[physPage] === Number(holdsCode)) return;
    this.#codePages[physPage] = Number(holdsCode);
    if (!holdsCode) return; // entries come back with the next slow write
    for (const page of this.#listed) {
      const word = this.#tlb[page];
      if (word & PRESENT && word >>> 12 === physPage) this.#clearWrites(page);
    }
  }

  // --- Watching

  /**
   * Tells `observer` of every access to data that touches the pages of `start` up to `end`, where an
   * earlier `watch` ends. Neither fetches of code nor the walks of the page tables are told.
   */
  watch(start: number, end: number, observer: AccessObserver): void {
    this.#watchedFirst = start >>> 12;
    this.#watchedEnd = Math.ceil(end / 4096);
    this.#observer = observer;
    this.refill();
  }

  /** Ends what {@link watch} began. */
  unwatch(): void {
    this.watch(0, 0, () => {});
  }

  #told(linear: number, bytes: number, access: Access): void {
    const last = (linear + bytes - 1) >>> 12;
    if (last < this.#watchedFirst || linear >>> 12 >= this.#watchedEnd) return;
    this.#observer(linear, bytes, access);
  }

  // --- Accesses of the system code: they throw

  /** Reads 1, 2 or 4 bytes at a linear address. */
  read(linear: number, bytes: number, user: boolean): number {
    const first = this.translate(linear, false, user);
    const inFirst = 4096 - (linear & 0xfff);
    const second = bytes > inFirst ? this.translate(nextPage(linear), false, user) : 0;
    this.#told(linear, bytes, "load");
    if (bytes <= inFirst) return this.readPhysical(first, bytes);
    return this.#readSplit(first, second, inFirst, bytes);
  }

  /** Writes 1, 2 or 4 bytes at a linear address: all of them or, with a fault, none. */
  write(linear: number, bytes: number, value: number, user: boolean): void {
    const first = this.translate(linear, true, user);
    const inFirst = 4096 - (linear & 0xfff);
    const second = bytes > inFirst ? this.translate(nextPage(linear), true, user) : 0;
    this.#told(linear, bytes, "store");
    if (bytes <= inFirst) return this.writePhysical(first, bytes, value);
    this.#writeSplit(first, second, inFirst, bytes, value);
  }

  /** Checks that 1 to 4096 bytes at a linear address may be written. */
  probeWrite(linear: number, bytes: number, user: boolean): void {
    this.translate(linear, true, user);
    if (bytes > 4096 - (linear & 0xfff)) this.translate(nextPage(linear), true, user);
  }

  #readSplit(first: number, second: number, inFirst: number, bytes: number): number {
    let value = 0;
    for (let i = 0; i < bytes; i++) {
      const physAddr = i < inFirst ? first + i : second + i - inFirst;
      value |= this.readPhysical(physAddr, 1) << (8 * i);
    }
    return value >>> 0;
  }

  #writeSplit(
    first: number,
    second: number,
    inFirst: number,
    bytes: number,
    value: number,
  ): void {
    for (let i = 0; i < bytes; i++) {
      const physAddr = i < inFirst ? first + i : second + i - inFirst;
      this.writePhysical(physAddr, 1, value >>> (8 * i) & 0xff);
    }
  }

  // --- Slow accesses of compiled code, at the current privilege: a fault is recorded in the state

  /** Reads 1, 2 or 4 bytes, zero-extended; 0 with STOPPED set after a fault. */
  loadSlow(linear: number, bytes: number): number {
    const value = this.#loadFor(linear, bytes, false);
    return value | 0;
  }

  /** Reads 1, 2 or 4 bytes that will be written back: checked for writing first. */
  modifySlow(linear: number, bytes: number): number {
    return this.#loadFor(linear, bytes, true) | 0;
  }

  /** Writes 1, 2 or 4 bytes; nothing is written after a fault. */
  storeSlow(linear: number, bytes: number, value: number): void {
    const first = this.#translateOrStop(linear, true);
    if (first === FAULTED) return;
    const inFirst = 4096 - (linear & 0xfff);
    const second = bytes > inFirst ? this.#translateOrStop(nextPage(linear), true) : 0;
    if (second === FAULTED) return;
    this.#told(linear, bytes, "store");
    if (bytes <= inFirst) return this.writePhysical(first, bytes, value);
    this.#writeSplit(first, second, inFirst, bytes, value);
  }

  /** Checks that 1 to 4096 bytes may be written, without writing. */
  probeSlow(linear: number, bytes: number): void {
    if (this.#translateOrStop(linear, true) === FAULTED) return;
    if (bytes > 4096 - (linear & 0xfff)) this.#translateOrStop(nextPage(linear), true);
  }

  #loadFor(linear: number, bytes: number, write: boolean): number {
    const first = this.#translateOrStop(linear, write);
    if (first === FAULTED) return 0;
    const inFirst = 4096 - (linear & 0xfff);
    const second = bytes > inFirst ? this.#translateOrStop(nextPage(linear), write) : 0;
    if (second === FAULTED) return 0;
    this.#told(linear, bytes, write ? "modify" : "load");
    if (bytes <= inFirst) return this.readPhysical(first, bytes);
    return this.#readSplit(first, second, inFirst, bytes);
  }

  #translateOrStop(linear: number, write: boolean): number {
    const physAddr = this.#translate(linear >>> 0, write, this.#words[CPL >> 2] === 3);
    if (physAddr !== FAULTED) return physAddr;
    this.#state.set(FAULT_VECTOR, PAGE_FAULT);
    this.#state.set(FAULT_CODE, this.#faultCode);
    this.#state.set(STOPPED, 1);
    return FAULTED;
  }

  // --- Snapshots

  /** The TLB and A20, as plain data. */
  state(): PagingState {
    const entries = this.#listed.filter((page) => this.#tlb[page] & PRESENT)
      .flatMap((page) => [page, this.#tlb[page] & ~LISTED]);
    return { a20: this.a20, entries };
  }

  /** Takes over what {@link state} gave; memory and control registers must be restored before. */
  restore(saved: PagingState): void {
    this.flush(true);
    this.a20 = saved.a20;
    for (let i = 0; i < saved.entries.length; i += 2) {
      this.#enter(saved.entries[i], saved.entries[i + 1]);
    }
    for (const page of this.#listed) this.#clear(page);
  }
}

function nextPage(linear: number): number {
  return ((linear & ~0xfff) + 0x1000) >>> 0;
}
