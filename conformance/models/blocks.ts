/**
 * Model of a heap: the allocations that live, what is in them, and the gaps between them. It knows no
 * headers: where the heap may keep some, a gap is taken to be smaller by {@link SLACK}.
 */
import { Skip } from "../check.ts";
import { Guest, hex, PAGE } from "./guest.ts";
import { patterns } from "./contents.ts";
import type { Stage } from "./play.ts";
import { type ShownBlock, shownBlocks } from "./texts.ts";

/** Where the heap starts. */
export const HEAP_START = 0x400000;
/** The most that it may become. */
export const HEAP_LIMIT = 0x800000;
/** More than a block may use besides what was asked for, twice: headers, rounding, small rests. */
export const SLACK = 80;
/** More than one block may use besides. */
const OVERHEAD = 64;

/** What a check demands; a model ignores what belongs to other clauses. */
export type Rule =
  /** Results are aligned, inside the heap, mapped, and overlap nothing. */
  | "place"
  /** What the caller wrote stays. */
  | "contents"
  /** An allocation that surely fits does not fail. */
  | "serve"
  /** What cannot be is refused and changes nothing. */
  | "refuse"
  /** The heap does not grow while a gap suffices. */
  | "fit"
  /** The heap grows by no more than needed, page by page, up to its limit. */
  | "growth"
  /** Used and free make the total; each allocation costs its size and a little. */
  | "sums"
  /** `kcalloc` clears. */
  | "zero"
  /** `krealloc` keeps contents and place. */
  | "resize"
  /** What is no allocation is neither freed nor resized. */
  | "foreign"
  /** `heap_expand` gives all or nothing. */
  | "expand"
  /** What was freed can be had again. */
  | "recover"
  /** Free neighbours become one block. */
  | "merge"
  /** `heap_coalesce_free_blocks` changes nothing that can be asked about. */
  | "coalesce"
  /** A damaged block is not freed. */
  | "damage"
  /** `heap_dump_blocks` shows blocks that tile the heap. */
  | "tile"
  /** `heap_dump_blocks` shows what is allocated. */
  | "dump";

/** A live allocation. */
export interface Allocation {
  /** Where. */
  readonly address: number;
  /** Bytes asked for. */
  readonly size: number;
  /** What it costs, header included. */
  readonly cost: number;
  /** Chooses what was written to it; undefined if nothing was. */
  readonly tag: number | undefined;
}

/** What the heap says about itself, and the free page frames. */
export interface Sizes {
  /** Bytes of the heap. */
  readonly total: number;
  /** Bytes of allocations, headers included. */
  readonly used: number;
  /** The other bytes. */
  readonly free: number;
  /** Free page frames. */
  readonly frames: number;
}

/** What was so before an allocation. */
interface Before {
  readonly sizes: Sizes;
  /** It surely fits without growth. */
  readonly isRoom: boolean;
  /** Bytes surely free at the heap's end. */
  readonly tail: number;
}

/** Bytes between allocations, as [start, end). */
interface Gap {
  readonly start: number;
  readonly end: number;
}

const SMALLEST = 32; // bytes between two allocations with a free block between them, at least

/** The heap of a kernel during one sequence of calls. */
export class Heap {
  /** The kernel. */
  readonly guest: Guest;
  /** What lives, by address. */
  readonly live: Allocation[] = [];
  /** Addresses that were allocations. */
  readonly dead: number[] = [];
  /** As of the last move. */
  sizes: Sizes;
  readonly #rules: ReadonlySet<Rule>;
  readonly #first: Sizes;
  readonly #seams: number[] = []; // where free blocks began that may have merged since
  #tags = 0;

  /** The heap as it is now; only `rules` are demanded. */
  constructor({ subject, prepared, results }: Stage, rules: readonly Rule[]) {
    this.guest = new Guest(subject, results);
    this.guest.calls.push(...prepared);
    this.#rules = new Set(rules);
    this.sizes = this.#first = this.look();
  }

  /** A failure of `rule`, if this check demands it, unless something holds. */
  demand(rule: Rule, holds: boolean, expected: string, seen: string): void {
    if (!holds && this.#rules.has(rule)) this.guest.fail(expected, seen);
  }

  /** Asks for the sizes; without these functions all that is allowed counts as there. */
  look(): Sizes {
    const { guest } = this, total = guest.askIf("heap_get_total_size") ?? HEAP_LIMIT;
    const used = guest.askIf("heap_get_used_size") ?? 0;
    const free = guest.askIf("heap_get_free_size") ?? total - used;
    return { total, used, free, frames: guest.askIf("pmm_get_free_pages") ?? 0 };
  }

  /** End of the heap, as far as it says. */
  get end(): number {
    return HEAP_START + this.sizes.total;
  }

  // ---- moves

  /** Calls `kmalloc`, and writes to all of the result. */
  allocate(size: number, isWritten = true): number {
    const before = this.#beforeAllocation(size);
    const address = this.guest.act("kmalloc", [size]);
    this.#allocated("kmalloc", before, address, size, isWritten);
    return address;
  }

  /** Calls `kcalloc`. */
  allocateCleared(count: number, size: number): void {
    const bytes = count * size, before = this.#beforeAllocation(bytes);
    const address = this.guest.act("kcalloc", [count, size], Math.min(bytes, HEAP_LIMIT));
    if (address !== 0 && bytes <= HEAP_LIMIT) this.#checkCleared(address, bytes);
    this.#allocated("kcalloc", before, address, bytes, true);
  }

  /** Calls `kfree` for a live allocation. */
  free(index: number): void {
    const found = this.#pick(index);
    if (!found) return;
    this.#forget(found);
    this.#callFree("merge", found.address, 1);
    const before = this.sizes, now = this.sizes = this.look();
    this.#checkSum("kfree", now.used - before.used, -found.cost, -found.cost);
    this.demand(
      "growth",
      now.total <= before.total,
      "a heap that does not grow in kfree",
      `${now.total} bytes after ${before.total}`,
    );
  }

  /** Frees everything. */
  freeAll(): void {
    while (this.live.length > 0) this.free(0);
  }

  /** Calls `krealloc` for a live allocation. */
  resize(index: number, size: number): void {
    const found = this.#pick(index);
    if (!found || size === 0) return;
    const room = this.roomAt(found), before = this.#beforeAllocation(size);
    const bytes = Math.min(found.size, size);
    const address = this.guest.act("krealloc", [found.address, size], bytes);
    if (address === 0) return this.#resizeFailed(before, size, room, found);
    this.#forget(found);
    this.demand("resize", size <= HEAP_LIMIT, `0 for ${size} bytes`, hex(address));
    this.demand(
      "resize",
      address === found.address || size > Math.max(room, found.size),
      `${hex(found.address)}: ${
        size > found.size ? "the free block above suffices" : "it shrinks"
      }`,
      `${hex(address)}`,
    );
    this.#checkKept(found, address, bytes, "resize");
    const now = this.look(), cost = now.used - before.sizes.used + found.cost;
    this.#checkSum("krealloc", cost, size, size + OVERHEAD);
    const isFreed = address === found.address || cost <= size + OVERHEAD;
    this.demand("resize", isFreed, `the ${found.cost} bytes of the old block freed`, "not freed");
    this.#place(before, now, address, size, cost, true);
  }

  /** Calls `krealloc` with size 0, which frees. */
  resizeToNothing(index: number): void {
    const found = this.#pick(index);
    if (!found) return;
    this.#forget(found);
    const address = this.guest.act("krealloc", [found.address, 0]);
    this.demand("resize", address === 0, "0 for size 0", hex(address));
    const before = this.sizes, now = this.sizes = this.look();
    const freed = before.used - now.used;
    this.demand("resize", freed >= found.size, `${found.size} bytes freed`, `${freed}`);
  }

  /** Calls `krealloc` with address 0, which allocates. */
  allocateByResize(size: number): void {
    const before = this.#beforeAllocation(size);
    const address = this.guest.act("krealloc", [0, size]);
    if (address === 0 && before.isRoom && size > 0) {
      this.demand("resize", false, `an allocation of ${size} bytes`, "0");
    }
    this.#allocated("krealloc", before, address, size, true);
  }

  /** Calls `heap_expand`. */
  expand(bytes: number): void {
    const before = this.sizes;
    const isDone = (this.guest.act("heap_expand", [bytes]) & 0xff) !== 0; // a C bool is a byte
    const now = this.sizes = this.look(), growth = now.total - before.total;
    const pages = Math.ceil(bytes / PAGE);
    const isBeyond = before.total + bytes > HEAP_LIMIT || pages > before.frames;
    this.demand(
      "expand",
      isDone || isBeyond || before.frames - pages < 3,
      `heap_expand(${bytes}) to succeed with ${before.total} bytes and ${before.frames} frames`,
      "0",
    );
    this.demand("expand", !(isDone && isBeyond), "0: limit or memory forbid it", "success");
    const wanted = isDone ? pages * PAGE : 0;
    this.demand("expand", growth === wanted, `growth by ${wanted} bytes`, `growth by ${growth}`);
    this.#checkFrames("expand", before, now);
    if (!isDone) this.#checkUnmapped("expand");
    this.#checkMapped("expand", before.total);
  }

  /** Calls `krealloc` for what is no allocation. */
  resizeForeign(kind: number, index: number, size: number): void {
    const found = this.foreign(kind, index);
    if (!found) return;
    const address = this.guest.act("krealloc", [found[0], size]);
    this.demand("foreign", address === 0, `0 for krealloc of ${found[1]}`, hex(address));
    this.#checkSame("foreign", `krealloc of ${found[1]}`);
  }

  /** Calls `kfree` for what is no allocation. */
  freeForeign(kind: number, index: number): void {
    const found = this.foreign(kind, index);
    if (!found) return;
    this.#callFree("foreign", found[0], 0);
    this.#checkSame("foreign", `kfree of ${found[1]}`);
  }

  /** Calls `kfree` for address 0. */
  freeNull(): void {
    this.#callFree("merge", 0, 1);
    this.#checkSame("merge", "kfree of address 0");
  }

  #callFree(rule: Rule, address: number, result: number): void {
    const seen = this.guest.act("kfree", [address]);
    const isRight = seen === result || !this.guest.results.has("kfree");
    this.demand(rule, isRight, `${result} from kfree of ${hex(address)}`, hex(seen));
  }

  /** Calls `heap_coalesce_free_blocks`. */
  coalesce(): void {
    this.guest.act("heap_coalesce_free_blocks");
    this.#checkSame("coalesce", "heap_coalesce_free_blocks");
  }

  /** Frees one allocation and allocates as much again. */
  replace(index: number): void {
    const found = this.#pick(index);
    if (!found) return;
    this.free(index);
    const address = this.allocate(found.size);
    this.demand("recover", address !== 0, `the ${found.size} bytes just freed`, "0");
  }

  /** Frees everything; then one block is left, of which most can be allocated. */
  allocateAll(): void {
    this.freeAll();
    const { total } = this.sizes, size = total - SLACK;
    const address = this.allocate(size);
    const why = `${size} bytes of the ${total} that are free`;
    this.demand("merge", address !== 0, why, "0");
    const growth = this.sizes.total - total;
    this.demand("merge", growth === 0, `${why} without growth`, `growth by ${growth}`);
  }

  // ---- damage

  /** Frees an allocation, then writes two words to it as if it were not freed. */
  freeAndWrite(index: number, target: number, offset: number): void {
    const found = this.#pick(index);
    if (!found || found.size < 8) return;
    this.free(index);
    const other = this.#pick(target) ?? found; // the links lead into what somebody has
    const word = other.address + offset * 8;
    this.guest.note(`write of ${hex(word)}, twice, to the freed ${hex(found.address)}`);
    this.guest.write(found.address, wordBytes(word, word));
    this.guest.mayPanic = true; // HEAP-11
  }

  /** Calls `kfree` for an allocation whose header, or a neighbour's, is overwritten meanwhile. */
  freeDamaged(index: number, which: number, seed: number): void {
    const found = this.#pick(index), place = found && this.#headerOf(found, which % 3);
    if (!place) return;
    const { guest } = this, [start, end] = place;
    const before = [...guest.pieces(start, end - start)].flatMap(([, piece]) => [...piece]);
    const damage = before.map((byte, i) => byte ^ (Math.imul(seed + i, 0x9e3779b1) >>> 24 || 0x55));
    guest.write(start, Uint8Array.from(damage));
    guest.note(`${end - start} bytes at ${hex(start)}, ${owners[which % 3]}, overwritten`);
    guest.mayPanic = true;
    guest.act("kfree", [found.address]);
    guest.mayPanic = false;
    this.#checkSame("damage", `kfree with ${owners[which % 3]} damaged`);
    guest.write(start, Uint8Array.from(before));
    guest.note(`the bytes at ${hex(start)} put back`);
  }

  /** Where the header of an allocation lies, or that of the live one just below or above it. */
  #headerOf(found: Allocation, which: number): readonly [start: number, end: number] | undefined {
    const at = this.live.indexOf(found);
    const owner = this.live[at + [0, -1, 1][which]], below = this.live[at + [-1, -2, 0][which]];
    const [lower, upper] = which === 1 ? [owner, found] : [below, owner];
    if (!owner || (which !== 0 && !isAdjacent(lower, upper))) return undefined;
    const floor = below ? below.address + below.size : HEAP_START;
    return [Math.max(floor, owner.address - this.#header), owner.address];
  }

  /** Bytes of a header, as far as what allocations cost tells. */
  get #header(): number {
    const costs = this.live.map(({ size, cost }) => cost - Math.ceil(size / 8) * 8);
    return Math.max(8, Math.min(OVERHEAD, ...costs));
  }

  // ---- what the kernel shows

  /** Calls `heap_dump_blocks` and compares what it shows with the model. */
  judgeDump(): void {
    const said = this.guest.listen("heap_dump_blocks");
    const blocks = shownBlocks(said);
    const seen = blocks.length > 0 ? "" : JSON.stringify(said.slice(0, 100));
    this.demand("dump", seen === "", "a line a block: address, bytes, used or free", seen);
    if (seen !== "") throw new Skip(`heap_dump_blocks prints no lines that can be read`);
    const used = blocks.filter(({ isFree }) => !isFree);
    if (this.#first.used === 0) {
      const count = `${this.live.length} used blocks`;
      this.demand("dump", used.length === this.live.length, count, `${used.length}`);
    }
    for (const found of this.live) this.#checkShown(found, used);
    this.#checkTiles(blocks);
  }

  #checkShown({ address, size }: Allocation, used: readonly ShownBlock[]): void {
    const block = used.findLast((other) => other.address <= address);
    const holds = block !== undefined && block.size >= size && address - block.address <= OVERHEAD;
    const seen = block ? `${block.size} bytes at ${hex(block.address)}` : "none";
    this.demand("dump", holds, `a used block for the ${size} bytes at ${hex(address)}`, seen);
  }

  /** HEAP-2: from the heap's start to its end without a gap. */
  #checkTiles(blocks: readonly ShownBlock[]): void {
    const payload = blocks.reduce((sum, { size }) => sum + size, 0);
    const header = Math.round((this.sizes.total - payload) / blocks.length);
    let end = HEAP_START;
    for (const { address, size } of blocks) {
      this.demand("tile", address === end, `a block at ${hex(end)}`, `one at ${hex(address)}`);
      end = address + header + size;
    }
    const expected = `the last block to end at ${hex(this.end)}`;
    this.demand("tile", end === this.end, expected, `${hex(end)}`);
  }

  // ---- addresses that are no allocation

  /** An address that `kfree` and `krealloc` must not obey; undefined where there is none such. */
  foreign(kind: number, index: number): readonly [address: number, why: string] | undefined {
    const kinds: readonly (() => readonly [number | undefined, string])[] = [
      () => [
        this.dead.filter((address) => !this.#covers(address)).at(-1 - index % 4),
        "a freed block",
      ],
      () => [this.#inside(index, 8 * (1 + index % 40)), "the middle of a block"],
      () => [this.#inside(index, 1 + index % 7), "a misaligned address"],
      () => [[0x1000, 0x100000, HEAP_START - 8, 0x7c00][index % 4], "an address below the heap"],
      () => [this.end + [0, 8, 16, 4096][index % 4], "an address above the heap"],
      () => [[0xfffffff0, 0xffc00010, 0x80000000, 0xc00010][index % 4], "an address far away"],
      () => [HEAP_START + (index % 2) * 8, "the start of the heap"],
    ];
    const [address, why] = kinds[kind % kinds.length]();
    if (address === undefined || this.live.some((found) => found.address === address)) return;
    return [address, why];
  }

  #inside(index: number, offset: number): number | undefined {
    const found = this.#pick(index);
    return found && offset < found.size ? found.address + offset : undefined;
  }

  #covers(address: number): boolean {
    return this.live.some((found) => found.address === address);
  }

  // ---- what is free

  /** Gaps in the order of memory. */
  #gaps(): Gap[] {
    const starts = [HEAP_START, ...this.live.map(({ address, size }) => address + size)];
    const ends = [...this.live.map(({ address }) => address), this.end];
    return starts.map((start, i) => ({ start, end: ends[i] }));
  }

  /** An allocation of so many bytes surely fits into one of the gaps. */
  get largest(): number {
    if (this.#first.used !== 0) return 0; // the kernel's own allocations stand who knows where
    return Math.max(...this.#gaps().map(({ start, end }) => end - start)) - SLACK;
  }

  /** Bytes that an allocation surely can have where it is, also if free blocks did not merge. */
  roomAt({ address }: Allocation): number {
    if (this.#first.used !== 0) return 0;
    const above = this.live.find((other) => other.address > address)?.address ?? this.end;
    const isWhole = !this.#seams.some((seam) => seam > address && seam < above);
    return isWhole ? above - address - SLACK : 0;
  }

  #beforeAllocation(size: number): Before {
    const { start, end } = this.#gaps().at(-1)!;
    const tail = this.#first.used === 0 ? Math.max(0, end - start - SLACK) : 0;
    return { sizes: this.sizes, isRoom: size <= this.largest, tail };
  }

  // ---- judging

  /** What must hold after every move. */
  judge(): void {
    for (const found of this.live) this.#checkKept(found, found.address, found.size, "contents");
    const { total, used, free } = this.sizes;
    this.demand(
      "sums",
      used + free === total,
      `used + free = total = ${total}`,
      `${used} + ${free} = ${used + free}`,
    );
    this.demand(
      "growth",
      total <= HEAP_LIMIT && total % PAGE === 0,
      `whole pages, ${HEAP_LIMIT} bytes at most`,
      `${total}`,
    );
  }

  /** After freeing everything the heap uses what it used at first. */
  judgeEmpty(): void {
    const { used } = this.#first;
    const seen = `${this.sizes.used}`;
    this.demand("sums", this.sizes.used === used, `${used} bytes used after freeing all`, seen);
  }

  #allocated(
    name: string,
    before: Before,
    address: number,
    size: number,
    isWritten: boolean,
  ): void {
    if (size === 0 || size > HEAP_LIMIT) {
      this.demand("refuse", address === 0, `0 for ${size} bytes`, hex(address));
      this.demand("zero", address === 0 || name !== "kcalloc", `0 for ${size} bytes`, hex(address));
    }
    if (address === 0) return this.#failed(before, size);
    const now = this.look(), cost = now.used - before.sizes.used;
    this.#checkSum(name, cost, size, size + OVERHEAD);
    this.#place(before, now, address, size, cost, isWritten);
    if (before.isRoom) this.#checkFit(before.sizes, now, size);
    else this.#checkGrowth(before, now, size);
  }

  #failed({ sizes, isRoom }: Before, size: number): void {
    const isPossible = sizes.total + size + PAGE + SLACK <= HEAP_LIMIT &&
      (size + SLACK) / PAGE + 4 < sizes.frames;
    if (size > 0) {
      this.demand("serve", !isRoom && !isPossible, `an allocation of ${size} bytes`, "0");
    }
    this.#checkSame("refuse", "a failed allocation");
  }

  #resizeFailed(
    { sizes }: Before,
    size: number,
    room: number,
    found: Allocation,
  ): void {
    const isPossible = sizes.total + size + PAGE + SLACK <= HEAP_LIMIT &&
      (size + SLACK) / PAGE + 4 < sizes.frames;
    const holds = !isPossible && size > Math.max(room, found.size);
    this.demand("resize", holds, `an allocation of ${size} bytes`, "0");
    this.#checkSame("resize", "a failed krealloc");
    this.#checkKept(found, found.address, found.size, "resize");
  }

  /** Nothing that can be asked about has changed. */
  #checkSame(rule: Rule, why: string): void {
    const before = this.sizes, now = this.sizes = this.look();
    for (const key of ["total", "used", "free", "frames"] as const) {
      const expected = `the same after ${why}: ${before[key]} ${names[key]}`;
      this.demand(rule, now[key] === before[key], expected, `${now[key]}`);
    }
  }

  #checkSum(name: string, change: number, least: number, most: number): void {
    if (!this.guest.subject.has("heap_get_used_size")) return;
    const expected = least === most ? `${least}` : `${least} to ${most}`;
    this.demand(
      "sums",
      change >= least && change <= most,
      `heap_get_used_size() to change by ${expected} in ${name}`,
      `a change by ${change}`,
    );
  }

  /** Takes an allocation into the model after looking where it is. */
  #place(
    before: Before,
    now: Sizes,
    address: number,
    size: number,
    cost: number,
    isWritten: boolean,
  ): void {
    this.sizes = now;
    const end = address + size, inside = address >= HEAP_START && end <= this.end;
    this.demand("place", address % 8 === 0, "a multiple of 8", hex(address));
    this.demand("place", inside, `${size} bytes from 0x00400000 to ${hex(this.end)}`, hex(address));
    const other = this.live.find((found) =>
      address < found.address + found.size && found.address < end
    );
    if (other) {
      const theirs = `${hex(other.address)}, which has ${other.size}`;
      this.demand("place", false, `${size} bytes apart from ${theirs}`, hex(address));
    }
    const page = inside ? this.guest.firstUnwritable(address, end) : undefined;
    this.demand(
      "place",
      page === undefined,
      "mapped and writable memory",
      `${hex(page ?? 0)} is not`,
    );
    this.#checkFrames("growth", before.sizes, now);
    this.#checkMapped("sums", before.sizes.total);
    const tag = isWritten ? ++this.#tags : undefined;
    this.live.push({ address, size, cost, tag });
    this.live.sort((a, b) => a.address - b.address);
    if (tag !== undefined) this.#write(address, size, tag);
  }

  #checkFit(before: Sizes, now: Sizes, size: number): void {
    const growth = now.total - before.total;
    this.demand(
      "fit",
      growth === 0,
      `no growth: a free block has room for ${size} bytes`,
      `${growth} bytes more`,
    );
  }

  /** HEAP-8: by no more than needed beside a free block at the heap's end. */
  #checkGrowth({ sizes, tail }: Before, now: Sizes, size: number): void {
    if (this.#first.used !== 0) return;
    const growth = now.total - sizes.total;
    const most = Math.ceil(Math.max(0, size + SLACK - tail) / PAGE) * PAGE;
    const expected = `growth by ${most} bytes at most: ${tail} are free at the heap's end`;
    this.demand("growth", growth <= most, expected, `growth by ${growth}`);
  }

  /** Growth takes one frame a page, and some for page tables. */
  #checkFrames(rule: Rule, before: Sizes, now: Sizes): void {
    if (!this.guest.subject.has("pmm_get_free_pages")) return;
    const taken = before.frames - now.frames, pages = (now.total - before.total) / PAGE;
    const tables = pages > 0 ? 2 : 0;
    const expected = `${pages} frames taken for ${pages} pages`;
    this.demand(rule, taken >= pages && taken <= pages + tables, expected, `${taken} taken`);
  }

  /** The pages from a size up to the heap's end are mapped for the kernel to write. */
  #checkMapped(rule: Rule, from: number): void {
    if (!this.guest.subject.has("heap_get_total_size")) return;
    const page = this.guest.firstUnwritable(HEAP_START + from, this.end);
    this.demand(
      rule,
      page === undefined,
      `the heap mapped up to ${hex(this.end)}`,
      `no page at ${hex(page ?? 0)}`,
    );
  }

  #checkUnmapped(rule: Rule): void {
    for (let page = this.end; page < HEAP_START + HEAP_LIMIT; page += PAGE) {
      const isMapped = this.guest.walk(page) !== undefined;
      this.demand(rule, !isMapped, `no page above the heap's end`, `a page at ${hex(page)}`);
    }
  }

  // ---- contents

  #write(address: number, size: number, tag: number): void {
    for (const [offset, data] of patterns(size, tag)) this.guest.write(address + offset, data);
  }

  #checkKept({ size, tag }: Allocation, address: number, bytes: number, rule: Rule): void {
    if (tag === undefined) return;
    for (const [offset, data] of patterns(size, tag)) {
      if (offset >= bytes) continue;
      const kept = data.subarray(0, Math.min(data.length, bytes - offset));
      const at = this.guest.difference(address + offset, kept);
      if (at === undefined) continue;
      const place = `byte ${offset + at} of the ${size} at ${hex(address)}`;
      this.demand(rule, false, `${place} as the caller wrote it`, "another value");
    }
  }

  #checkCleared(address: number, bytes: number): void {
    const at = this.guest.difference(address, new Uint8Array(bytes));
    const seen = `byte ${at} of ${hex(address)} is not`;
    this.demand("zero", at === undefined, `${bytes} zero bytes`, seen);
  }

  // ---- the model's own

  #pick(index: number): Allocation | undefined {
    return this.live[index % Math.max(1, this.live.length)];
  }

  #forget(found: Allocation): void {
    this.live.splice(this.live.indexOf(found), 1);
    this.#seams.push(found.address, found.address + found.size);
    this.dead.push(found.address);
  }
}

/** Whether no free block lies between two allocations. */
function isAdjacent(lower: Allocation, upper: Allocation | undefined): boolean {
  return upper !== undefined && upper.address - (lower.address + lower.size) < SMALLEST;
}

function wordBytes(...words: readonly number[]): Uint8Array {
  return Uint8Array.from(words.flatMap((word) => [0, 8, 16, 24].map((shift) => word >>> shift)));
}

const owners = ["its header", "the header below", "the header above"];

const names: Readonly<Record<keyof Sizes, string>> = {
  total: "bytes in all",
  used: "bytes used",
  free: "bytes free",
  frames: "free page frames",
};
