/**
 * Model of address spaces: which page each directory maps to which frame. It looks by a walk of the
 * tables in guest memory, and lets the guest itself read and write.
 */
import { HEAP_LIMIT, HEAP_START } from "./blocks.ts";
import { Ended, Guest, hex, type Mapped, PAGE, PRESENT, USER, WRITABLE } from "./guest.ts";
import type { Stage } from "./play.ts";

/** Where kernel space ends and each directory's own begins. */
export const KERNEL_SPACE_END = 0xc00000;
const TABLE_SPAN = 0x400000;
const KERNEL_TABLES = KERNEL_SPACE_END / TABLE_SPAN;
const OWN_TABLES_END = 1020; // a window may begin a little below the specified place

/** Tables in which pages are tried, and pages in each. */
const TABLES = [KERNEL_SPACE_END, 0x1000000, 0x40000000, 0x80000000, 0xbfc00000, 0xf0000000];
const PAGES = [0, 1, 2, 1023];
const POOL = 6; // frames to map

/** What a check demands; a model ignores what belongs to other clauses. */
export type SpaceRule =
  /** A mapping is in the tables, with its flags, and in force. */
  | "map"
  /** A mapping of the newest directory leads to the right frame. */
  | "reach"
  /** A removed mapping is neither in the tables nor in force; its frame stays allocated. */
  | "unmap"
  /** A missing table takes one frame, or nothing happens. */
  | "tables"
  /** An empty table is given back. */
  | "giveBack"
  /** `vmm_get_physical_address` and `vmm_is_page_present` agree with the tables. */
  | "query"
  /** What would harm the kernel is refused. */
  | "refuse"
  /** A new directory has the kernel's mappings and nothing else; they stay the same in all. */
  | "share"
  /** The directory asked for is the one in use. */
  | "switch"
  /** Directory entries allow user mode only where they must. */
  | "user";

/** A mapping in the model. */
export interface Page {
  /** Physical address of the frame. */
  readonly frame: number;
  /** Flags of the entry. */
  readonly flags: number;
}

/** A directory in the model. */
export interface Directory {
  /** Its physical address, which names it. */
  readonly physAddr: number;
  /** Mapped pages by linear address. */
  readonly pages: Map<number, Page>;
  /** Tables in which a user page was mapped. */
  readonly users: Set<number>;
}

/** A frame that is mapped, and what is in it. */
interface Content {
  readonly physAddr: number;
  readonly data: Uint8Array<ArrayBuffer>;
}

/** The address spaces of a kernel during one sequence of calls. */
export class Space {
  /** The kernel. */
  readonly guest: Guest;
  /** The first is the kernel's own. */
  readonly directories: Directory[] = [];
  readonly #rules: ReadonlySet<SpaceRule>;
  readonly #pool: Content[] = [];
  readonly #unmapped = new Set<number>(); // pages that were mapped in the directory in use
  #current = 0;
  #words = 0x11110000;

  /** The spaces as they are now; only `rules` are demanded. */
  constructor({ subject, prepared, results }: Stage, rules: readonly SpaceRule[]) {
    this.guest = new Guest(subject, results);
    this.guest.calls.push(...prepared);
    this.#rules = new Set(rules);
    this.#add(this.guest.directory);
  }

  /** A failure of `rule`, if this check demands it, unless something holds. */
  demand(rule: SpaceRule, holds: boolean, expected: string, seen: string): void {
    if (!holds && this.#rules.has(rule)) this.guest.fail(expected, seen);
  }

  /** The directory in use. */
  get current(): Directory {
    return this.directories[this.#current];
  }

  // ---- moves

  /** Calls `vmm_map_page` for one of the pages that are tried. */
  map(page: number, frame: number, flags: number, directory: number, offset = 0): void {
    const content = this.#frame(frame), where = this.#directory(directory);
    if (!content) return;
    const virt = pageAt(page), before = this.#before(where, virt);
    const args = [where.physAddr, virt + offset, content.physAddr + offset, flags];
    const result = this.guest.act("vmm_map_page", args);
    const isNew = this.#countNewTable(before, where, virt);
    const isDone = this.guest.walk(virt, where.physAddr) !== undefined;
    this.#checkResult(isDone ? "map" : "tables", "vmm_map_page", result, isDone ? 1 : 0);
    const isMapped = where.pages.has(virt) || before.hasTable || isNew || before.frames !== 0;
    if (!isMapped) return;
    where.pages.set(virt, { frame: content.physAddr, flags: flags | PRESENT });
    if (flags & USER) where.users.add(virt >>> 22);
    if (where === this.current) this.#unmapped.delete(virt);
  }

  /** Calls `vmm_map_page` for the newest directory. */
  mapInNewest(page: number, frame: number, flags: number): void {
    this.map(page, frame, flags, this.directories.length - 1);
  }

  /** Calls `vmm_unmap_page` for one of the pages that are tried. */
  unmap(page: number, directory: number, offset = 0): void {
    const where = this.#directory(directory), virt = this.#mappedPage(where, page);
    const before = this.#before(where, virt), wasMapped = where.pages.delete(virt);
    const result = this.guest.act("vmm_unmap_page", [where.physAddr, virt + offset]);
    this.#checkResult("unmap", "vmm_unmap_page", result, wasMapped ? 1 : 0);
    if (wasMapped && where === this.current) this.#unmapped.add(virt);
    const gone = Number(before.hasTable) - Number(this.#hasTable(where, virt));
    const freed = this.#frames() - before.frames;
    const frames = `${freed} page frames more are free`;
    this.demand("unmap", freed === gone, "the mapped frame to stay allocated", frames);
    const isEmpty = [...where.pages.keys()].every((other) => other >>> 22 !== virt >>> 22);
    const isKept = wasMapped && isEmpty && gone === 0;
    this.demand("giveBack", !isKept, "the empty page table given back to the PMM", frames);
    this.demand("giveBack", freed === gone, `${gone} page tables given back to the PMM`, frames);
  }

  /** Lets the guest read and, where it may, write through a mapping of the directory in use. */
  touch(page: number): void {
    const virt = this.#mappedPage(this.current, page), found = this.current.pages.get(virt);
    const content = this.#pool.find(({ physAddr }) => physAddr === found?.frame);
    if (!found || !content) return;
    const word = this.guest.peek(virt), wanted = wordOf(content.data);
    const shown = word === undefined ? "an exception" : hex(word);
    this.demand(
      "map",
      word === wanted,
      `${hex(wanted)}, which is in frame ${hex(found.frame)}`,
      shown,
    );
    if (word === undefined) throw new Ended();
    if ((found.flags & WRITABLE) === 0) return;
    if (this.guest.poke(virt, ++this.#words)) {
      new DataView(content.data.buffer).setUint32(0, this.#words, true);
    } else this.demand("map", false, `a writable page at ${hex(virt)}`, "an exception");
  }

  /** Calls both questions about an address. */
  query(address: number, directory: number): void {
    const { guest } = this, { physAddr } = this.#directory(directory);
    const mapped = guest.walk(address, physAddr)?.physAddr;
    const seen = guest.act("vmm_get_physical_address", [physAddr, address]);
    const why = `of ${hex(address)} by the page tables`;
    this.demand(
      "query",
      seen === (mapped ?? 0),
      `${hex(mapped ?? 0)}, the frame ${why}`,
      hex(seen),
    );
    const present = guest.act("vmm_is_page_present", [physAddr, address]) & 0xff; // a C bool is a byte
    const wanted = mapped === undefined ? 0 : 1;
    this.demand("query", present === wanted, `${wanted}, the presence ${why}`, `${present}`);
  }

  /** Asks about a page that is tried. */
  queryPage(page: number, directory: number, offset: number): void {
    this.query(pageAt(page) + offset, directory);
  }

  /** Calls `vmm_create_page_directory`. */
  create(): void {
    const before = this.#frames();
    const physAddr = this.guest.act("vmm_create_page_directory");
    const taken = before - this.#frames();
    if (physAddr === 0) {
      this.demand("share", before <= 1, `a directory with ${before} free frames`, "0");
      this.demand("share", taken === 0, "no frame taken without a directory", `${taken} taken`);
      return;
    }
    this.demand("share", physAddr % PAGE === 0, "the address of a page frame", hex(physAddr));
    this.demand("share", taken >= 1, "a frame for the directory", `${taken} taken`);
    const isOld = this.directories.some((other) => other.physAddr === physAddr);
    this.demand("share", !isOld, "a new directory", `${hex(physAddr)} again`);
    this.#add(physAddr);
    if (!this.#rules.has("share")) return;
    this.#checkOwnTables(physAddr);
    this.#checkShared(physAddr, 0, KERNEL_SPACE_END);
  }

  /** Calls `vmm_switch_page_directory`. */
  switch(directory: number): void {
    const index = directory % this.directories.length, { physAddr } = this.directories[index];
    this.guest.act("vmm_switch_page_directory", [physAddr]);
    this.#current = index;
    this.#unmapped.clear();
    this.#checkCurrent(physAddr);
  }

  /** Calls `heap_expand`; the new pages are then in every directory. */
  growHeap(pages: number): void {
    const start = HEAP_START + this.guest.ask("heap_get_total_size");
    this.guest.act("heap_expand", [pages * PAGE]);
    const total = this.guest.ask("heap_get_total_size"),
      end = HEAP_START + Math.min(total, HEAP_LIMIT);
    for (const { physAddr } of this.directories) this.#checkShared(physAddr, start, end);
  }

  // ---- what is refused

  /** Calls `vmm_map_page` with what it must refuse. */
  mapForeign(kind: number, index: number): void {
    const content = this.#frame(0), own = this.current.physAddr;
    if (!content) return;
    const free = pageAt(index), kernel = [0x100000, 0xb8000, HEAP_START, 0xbff000][index % 4];
    const inWindow = [0xffc40000, 0xffe00000, 0xfffff000][index % 3];
    const kinds: readonly (readonly [number, number, number, string])[] = [
      [own, kernel, PRESENT | WRITABLE | USER, "the user flag in kernel space"],
      [own, inWindow, PRESENT | WRITABLE, "an address in the window"],
      [content.physAddr, free, PRESENT | WRITABLE, "a frame that is no directory"],
      [own + 4, free, PRESENT | WRITABLE, "a misaligned directory"],
      [0, free, PRESENT | WRITABLE, "directory 0"],
    ];
    const [directory, virt, flags, why] = kinds[kind % kinds.length];
    const frames = this.#frames(), before = this.guest.walk(virt, own);
    const result = this.guest.act("vmm_map_page", [directory, virt, content.physAddr, flags]);
    this.#checkResult("refuse", "vmm_map_page", result, 0);
    const seen = shown(this.guest.walk(virt, own)), was = shown(before);
    this.demand(
      "refuse",
      seen === was,
      `${was} at ${hex(virt)} as before, because of ${why}`,
      seen,
    );
    const taken = frames - this.#frames();
    this.demand("refuse", taken === 0, `no frame taken, because of ${why}`, `${taken} taken`);
    this.#checkContents("refuse");
  }

  /** Calls `vmm_switch_page_directory` with what is no directory. */
  switchForeign(index: number): void {
    const content = this.#frame(0), own = this.current.physAddr;
    if (!content) return;
    const no = [content.physAddr, 0, own + 4, 0xfffff000][index % 4];
    this.guest.act("vmm_switch_page_directory", [no]);
    this.#checkCurrent(own);
  }

  // ---- judging

  /** What must hold after every move. */
  judge(): void {
    const arePagesJudged = this.#rules.has("map") || this.#rules.has("unmap");
    if (this.#rules.has("reach")) this.#checkReached(this.directories.at(-1)!);
    for (const directory of this.directories) {
      if (arePagesJudged) tried.forEach((virt) => this.#checkPage(directory, virt));
      if (this.#rules.has("user")) this.#checkUsers(directory);
    }
    this.#checkContents("map");
  }

  /** At the end: what was unmapped is unmapped for the processor too. */
  judgeUnmapped(): void {
    const virt = [...this.#unmapped].at(-1);
    if (virt === undefined) return;
    const seen = this.guest.peek(virt);
    this.demand("unmap", seen === undefined, `a page fault at ${hex(virt)}`, hex(seen ?? 0));
  }

  /** At the end: what may only be read cannot be written. */
  judgeReadOnly(): void {
    const found = [...this.current.pages].find(([, { flags }]) => (flags & WRITABLE) === 0);
    if (!found) return;
    const isDone = this.guest.poke(found[0], 0);
    this.demand("map", !isDone, `a page fault: ${hex(found[0])} may only be read`, "no exception");
  }

  /** At the end: without mappings there are no tables. */
  unmapAll(): void {
    this.directories.forEach((directory, index) => {
      for (const virt of directory.pages.keys()) this.unmap(indexOf(virt), index);
    });
  }

  #checkResult(rule: SpaceRule, name: string, seen: number, result: number): void {
    const isRight = seen === result || !this.guest.results.has(name);
    this.demand(rule, isRight, `${result} from ${name}`, hex(seen));
  }

  #checkPage(directory: Directory, virt: number): void {
    const seen = this.guest.walk(virt, directory.physAddr), wanted = directory.pages.get(virt);
    if (seen === undefined && wanted === undefined) return;
    const place = `at ${hex(virt)} in directory ${hex(directory.physAddr)}`;
    if (wanted === undefined) {
      return this.demand("unmap", seen === undefined, `no page ${place}`, shown(seen));
    }
    const { frame, flags } = wanted;
    const expected = shown({
      physAddr: frame,
      writable: (flags & WRITABLE) !== 0,
      user: (flags & USER) !== 0,
    });
    this.demand("map", shown(seen) === expected, `${expected} ${place}`, shown(seen));
  }

  /** VMM-9. */
  #checkReached({ physAddr, pages }: Directory): void {
    for (const [virt, { frame }] of pages) {
      const seen = this.guest.walk(virt, physAddr)?.physAddr ?? 0;
      this.demand("reach", seen === frame, `frame ${hex(frame)} at ${hex(virt)}`, hex(seen));
    }
    this.#checkContents("reach");
  }

  /** VMM-13. */
  #checkUsers({ physAddr, users }: Directory): void {
    for (let table = 0; table < OWN_TABLES_END; table++) {
      const entry = this.guest.physWord(physAddr + 4 * table);
      if ((entry & (USER | PRESENT)) !== (USER | PRESENT)) continue;
      const why = table < KERNEL_TABLES ? "in kernel space" : "where no user page was mapped";
      const expected = `a directory entry without the user flag ${why}`;
      this.demand("user", users.has(table), expected, `entry ${table} is ${hex(entry)}`);
    }
  }

  /** Frames with data keep it: the kernel makes no tables of them. */
  #checkContents(rule: SpaceRule): void {
    if (!this.#rules.has(rule)) return;
    const { ram } = this.guest.machine.memory;
    for (const { physAddr, data } of this.#pool) {
      const at = differenceOf(ram, physAddr, data);
      const expected = `the contents of frame ${hex(physAddr)} unchanged`;
      this.demand(rule, at === undefined, expected, `byte ${at} is not`);
    }
  }

  /** VMM-11: nothing outside kernel space. */
  #checkOwnTables(physAddr: number): void {
    for (let table = KERNEL_TABLES; table < OWN_TABLES_END; table++) {
      const entry = this.guest.physWord(physAddr + 4 * table);
      const seen = `entry ${table} is ${hex(entry)}`;
      this.demand("share", (entry & PRESENT) === 0, "nothing but the kernel's mappings", seen);
    }
  }

  #checkShared(physAddr: number, start: number, end: number): void {
    for (let virt = start; virt < end; virt += PAGE) {
      const inUse = this.guest.walk(virt), mapped = this.guest.walk(virt, physAddr);
      if (isSame(inUse, mapped)) continue;
      const wanted = shown(inUse), seen = shown(mapped);
      const expected = `${wanted} at ${hex(virt)} in directory ${
        hex(physAddr)
      }, as in the one in use`;
      this.demand("share", seen === wanted, expected, seen);
    }
  }

  #checkCurrent(physAddr: number): void {
    const { guest } = this;
    this.demand(
      "switch",
      guest.directory === physAddr,
      `CR3 ${hex(physAddr)}`,
      hex(guest.directory),
    );
    if (!guest.subject.has("current_page_directory")) return;
    const seen = guest.subject.variable("current_page_directory") ?? 0;
    this.demand("switch", seen === physAddr, `current_page_directory ${hex(physAddr)}`, hex(seen));
  }

  #countNewTable(before: Before, where: Directory, virt: number): boolean {
    const isNew = !before.hasTable && this.#hasTable(where, virt);
    const taken = before.frames - this.#frames(),
      expected = `${Number(isNew)} frames for page tables`;
    this.demand("tables", taken === Number(isNew), expected, `${taken} taken`);
    const isMapped = this.guest.walk(virt, where.physAddr) !== undefined;
    const isPossible = before.hasTable || before.frames > 0;
    this.demand("tables", isMapped || !isPossible, `a page at ${hex(virt)}`, "none");
    this.demand("tables", isPossible || !isMapped, `no page at ${hex(virt)} without memory`, "one");
    return isNew;
  }

  // ---- the model's own

  #add(physAddr: number): void {
    this.directories.push({ physAddr, pages: new Map(), users: new Set() });
  }

  #directory(index: number): Directory {
    return this.directories[index % this.directories.length];
  }

  /** One of the mapped pages, or, where there is none, one of those that are tried. */
  #mappedPage({ pages }: Directory, index: number): number {
    const virts = [...pages.keys()];
    const isTried = index >= TABLES.length * PAGES.length || virts.length === 0;
    return isTried || pages.has(pageAt(index)) ? pageAt(index) : virts[index % virts.length];
  }

  #before(where: Directory, virt: number): Before {
    return { frames: this.#frames(), hasTable: this.#hasTable(where, virt) };
  }

  #frames(): number {
    return this.guest.askIf("pmm_get_free_pages") ?? 0;
  }

  #hasTable({ physAddr }: Directory, virt: number): boolean {
    return (this.guest.physWord(physAddr + 4 * (virt >>> 22)) & PRESENT) !== 0;
  }

  /** A frame to map, with data in it; taken from the PMM when first needed. */
  #frame(index: number): Content | undefined {
    const known = this.#pool[index % POOL];
    if (known || this.#pool.length === POOL) return known;
    const physAddr = this.guest.act("pmm_alloc_page");
    if (physAddr === 0) return this.#pool[0];
    const data = contents[this.#pool.length].slice();
    this.guest.machine.memory.load(physAddr, data);
    const content = { physAddr, data };
    this.#pool.push(content);
    return content;
  }
}

/** What was so before a call. */
interface Before {
  readonly frames: number;
  readonly hasTable: boolean;
}

function pageAt(index: number): number {
  const table = TABLES[Math.floor(index / PAGES.length) % TABLES.length];
  return table + PAGES[index % PAGES.length] * PAGE;
}

function indexOf(virt: number): number {
  const table = TABLES.findIndex((start) => start >>> 22 === virt >>> 22);
  return table * PAGES.length + PAGES.indexOf(virt >>> 12 & 0x3ff);
}

/** What is first in the frames that are mapped. */
const contents = Array.from({ length: POOL }, (_, n) => contentOf(n + 1));

function contentOf(seed: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length: PAGE }, (_, i) => (i * 31 * seed + seed * 0x1b) & 0xff);
}

/** All pages that are tried. */
const tried = TABLES.flatMap((table) => PAGES.map((page) => table + page * PAGE));

function differenceOf(ram: Uint8Array, start: number, data: Uint8Array): number | undefined {
  for (let i = 0; i < data.length; i++) if (ram[start + i] !== data[i]) return i;
}

function isSame(a: Mapped | undefined, b: Mapped | undefined): boolean {
  return a?.physAddr === b?.physAddr && a?.writable === b?.writable && a?.user === b?.user;
}

function wordOf(data: Uint8Array): number {
  return new DataView(data.buffer).getUint32(0, true);
}

function shown(mapped: Mapped | undefined): string {
  if (!mapped) return "no page";
  const { physAddr, writable, user } = mapped;
  return `frame ${hex(physAddr)} ${writable ? "writable" : "read-only"}${user ? " for users" : ""}`;
}

/** Addresses in kernel space and beside it, to ask about. */
export const KERNEL_ADDRESSES: readonly number[] = [
  ...[0, 0x1234, 0xb8000, 0x100000, 0x3ffffc, HEAP_START, HEAP_START + 0x12345],
  ...[HEAP_START + HEAP_LIMIT - 4, KERNEL_SPACE_END + 0x5000, 0xe0000ffc],
];
