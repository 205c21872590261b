/**
 * Model of page frames: who has which. Frames may be given in any order. The ABI leaves it to the
 * kernel whether `pmm_free_page` has a result.
 */
import { memoryMap } from "../../machine/bootinfo.ts";
import { readImage } from "../../machine/multiboot.ts";
import type { Subject } from "../subject.ts";
import { HEAP_LIMIT, HEAP_START } from "./blocks.ts";
import { Guest, hex, PAGE, PRESENT } from "./guest.ts";
import type { Stage } from "./play.ts";

const FIRST_MB = 0x100000;
const ENTRIES = 1024;

/** What a check demands; a model ignores what belongs to other clauses. */
export type FrameRule =
  /** Free and used make the total, and change by one. */
  | "counts"
  /** The bitmap says the same. */
  | "bitmap"
  /** What is reserved is given to nobody. */
  | "reserved"
  /** No frame has two owners. */
  | "owner"
  /** A freed frame is free. */
  | "free"
  /** What was not given cannot be freed. */
  | "foreign";

/** What the kernel says about page frames. */
export interface Counts {
  /** All. */
  readonly total: number;
  /** Neither given nor reserved. */
  readonly free: number;
  /** The others. */
  readonly used: number;
}

/** Takes page frames from the kernel until so many are left; what was done, as a report prints it. */
export function takeFrames(subject: Subject, left: number): readonly string[] {
  for (let frames = subject.call("pmm_get_free_pages"); frames > left; frames--) {
    subject.call("pmm_alloc_page");
  }
  return [`pmm_alloc_page() until ${left} page frames are free`];
}

/** Whether a frame may be given at all: in available memory, above 1 MB, not the kernel's image. */
export function reservedReason(subject: Subject): (physAddr: number) => string | undefined {
  const regions = memoryMap(subject.machine.memory.ramBytes).filter(({ available }) => available);
  const { segments } = readImage(subject.image);
  return (physAddr) => {
    const end = physAddr + PAGE;
    if (physAddr < FIRST_MB) return "in the first megabyte";
    if (!regions.some(({ base, bytes }) => physAddr >= base && end <= base + bytes)) {
      return "outside available memory";
    }
    const isImage = segments.some((segment) =>
      physAddr < segment.physAddr + segment.memBytes && end > segment.physAddr
    );
    return isImage ? "part of the kernel's image" : undefined;
  };
}

/** The page frames of a kernel during one sequence of calls. */
export class Frames {
  /** The kernel. */
  readonly guest: Guest;
  /** Frames that were given and not freed. */
  readonly held: number[] = [];
  /** Frames that were freed and not given again. */
  readonly freed: number[] = [];
  /** As of the last move. */
  counts: Counts;
  readonly #rules: ReadonlySet<FrameRule>;
  readonly #kernels: ReadonlySet<number>;
  readonly #reserved: (physAddr: number) => string | undefined;

  /** The frames as they are now; only `rules` are demanded. */
  constructor({ subject, prepared, results }: Stage, rules: readonly FrameRule[]) {
    this.guest = new Guest(subject, results);
    this.guest.calls.push(...prepared);
    this.#rules = new Set(rules);
    this.#kernels = kernelFrames(this.guest);
    this.#reserved = reservedReason(subject);
    this.counts = this.look();
  }

  /** A failure of `rule`, if this check demands it, unless something holds. */
  demand(rule: FrameRule, holds: boolean, expected: string, seen: string): void {
    if (!holds && this.#rules.has(rule)) this.guest.fail(expected, seen);
  }

  /** Asks for the counts. */
  look(): Counts {
    const { guest } = this;
    return {
      total: guest.ask("pmm_get_total_pages"),
      free: guest.ask("pmm_get_free_pages"),
      used: guest.ask("pmm_get_used_pages"),
    };
  }

  // ---- moves

  /** Takes all there are, quickly: without looking at the counts in between. */
  takeAll(): void {
    const { guest } = this, seen = new Set<number>();
    for (let n = 0; n <= this.counts.total; n++) {
      const physAddr = guest.ask("pmm_alloc_page");
      if (physAddr === 0) break;
      if (n === 0) guest.note("pmm_alloc_page() until it returns 0");
      this.demand("owner", !seen.has(physAddr), "a frame that nobody has", hex(physAddr));
      seen.add(physAddr);
      this.#checkOwner(physAddr);
    }
    this.held.push(...seen);
    const { free } = this.counts;
    this.demand("owner", seen.size === free, `${free} frames in all`, `${seen.size}`);
    this.counts = this.look();
  }

  /** Calls `pmm_alloc_page`. */
  take(): number {
    const physAddr = this.guest.act("pmm_alloc_page");
    const isTaken = this.#taken(physAddr);
    this.#checkChange("counts", isTaken ? -1 : 0, "pmm_alloc_page");
    return physAddr;
  }

  /** Calls `pmm_alloc_page` several times. */
  takeSome(count: number): void {
    let taken = 0;
    for (let n = 0; n < count; n++) if (this.#taken(this.guest.ask("pmm_alloc_page"))) taken++;
    this.guest.note(`pmm_alloc_page() ${count} times`);
    this.#checkChange("counts", -taken, `pmm_alloc_page, ${count} times`);
  }

  /** Takes a result of `pmm_alloc_page` into the model. */
  #taken(physAddr: number): boolean {
    if (physAddr === 0) {
      const { free } = this.look();
      this.demand("free", free === 0, "a frame", `0 with ${free} free frames`);
      return false;
    }
    this.demand("owner", !this.held.includes(physAddr), "a frame that nobody has", hex(physAddr));
    this.#checkOwner(physAddr);
    const at = this.freed.indexOf(physAddr);
    if (at >= 0) this.freed.splice(at, 1);
    this.held.push(physAddr);
    return true;
  }

  /** Calls `pmm_free_page` for a frame that was given. */
  give(index: number): void {
    if (this.held.length === 0) return;
    const [physAddr] = this.held.splice(index % this.held.length, 1);
    this.freed.push(physAddr);
    this.#callFree("free", physAddr, 1);
    this.#checkChange("free", 1, "pmm_free_page of an allocated frame");
  }

  /** Calls `pmm_free_page` for what must not be freed. */
  giveForeign(kind: number, index: number): void {
    const found = this.#foreign(kind, index);
    if (found === undefined || this.held.includes(found[0])) return;
    this.#callFree("foreign", found[0], 0);
    this.#checkChange("foreign", 0, `pmm_free_page of ${found[1]}`);
  }

  #callFree(rule: FrameRule, physAddr: number, result: number): void {
    const seen = this.guest.act("pmm_free_page", [physAddr]);
    const isRight = seen === result || !this.guest.results.has("pmm_free_page");
    this.demand(rule, isRight, `${result} from pmm_free_page of ${hex(physAddr)}`, hex(seen));
  }

  #foreign(kind: number, index: number): readonly [number, string] | undefined {
    const { held, freed, counts: { total } } = this;
    const offset = 1 + index % (PAGE - 1), { segments } = readImage(this.guest.subject.image);
    const { physAddr, memBytes } = segments[index % segments.length];
    const image = (physAddr + index * PAGE % memBytes) & ~0xfff;
    const far = [total, total + 1, 0xfffff, 0x80000, 0xe0000][index % 5] * PAGE;
    const low = [0, 0xb8, 0x9f, 0xf0, 0x01][index % 5] * PAGE;
    const kinds: readonly (readonly [number | undefined, string])[] = [
      [freed.length ? freed[index % freed.length] : undefined, "a free frame"],
      [held.length ? held[index % held.length] + offset : undefined, "an address within a frame"],
      [image, "a page of the kernel"],
      [low, "a page of the first megabyte"],
      [far < total * PAGE ? undefined : far, "an address outside memory"],
      [image + offset, "an address within a page of the kernel"],
    ];
    const [address, why] = kinds[kind % kinds.length];
    return address === undefined ? undefined : [address, why];
  }

  // ---- judging

  /** What must hold after every move. */
  judge(): void {
    const { total, free, used } = this.counts;
    const seen = `${free} + ${used} = ${free + used}`;
    this.demand("counts", free + used === total, `free + used = total = ${total}`, seen);
    if (this.#rules.has("bitmap")) this.#checkBitmap();
  }

  #checkOwner(physAddr: number): void {
    const { total } = this.counts, shown = hex(physAddr);
    this.demand("owner", physAddr % PAGE === 0, "the address of a page frame", shown);
    this.demand("owner", physAddr < total * PAGE, `a frame below ${hex(total * PAGE)}`, shown);
    const isKernels = this.#kernels.has(physAddr);
    this.demand("owner", !isKernels, "a frame that nobody has", `${shown}, which the kernel uses`);
    const reason = this.#reserved(physAddr);
    this.demand(
      "reserved",
      reason === undefined,
      "a frame that may be given",
      `${shown}, ${reason}`,
    );
  }

  #checkChange(rule: FrameRule, change: number, why: string): void {
    const before = this.counts, now = this.counts = this.look();
    const seen = `${now.free} free, ${now.used} used, ${now.total} in all`;
    const expected = `${before.free + change} free, ${
      before.used - change
    } used, ${before.total} in all`;
    this.demand(rule, seen === expected, `${expected} after ${why}`, seen);
  }

  /** PMM-3: the clear bits are the free frames. */
  #checkBitmap(): void {
    const { total, free } = this.counts, bits = this.#bitmap();
    let clear = 0;
    for (let frame = 0; frame < total; frame++) if (!bits(frame)) clear++;
    this.demand("bitmap", clear === free, `${free} clear bits`, `${clear}`);
    for (let frame = total; frame % 32 !== 0; frame++) {
      this.demand("bitmap", bits(frame), `the bit of frame ${frame}, behind the end, set`, "clear");
    }
    for (const physAddr of this.held) {
      this.demand("bitmap", bits(physAddr / PAGE), `the bit of ${hex(physAddr)} set`, "clear");
    }
    for (const physAddr of this.freed) {
      this.demand("bitmap", !bits(physAddr / PAGE), `the bit of ${hex(physAddr)} clear`, "set");
    }
  }

  #bitmap(): (frame: number) => boolean {
    const { guest } = this, address = guest.subject.variable("pmm_bitmap") ?? 0;
    const bytes = new Uint8Array(this.counts.total / 8 + 8).fill(0xff);
    for (const [offset, piece] of guest.pieces(address, bytes.length)) bytes.set(piece, offset);
    return (frame) => (bytes[frame >> 3] >> (frame & 7) & 1) !== 0;
  }
}

/** Frames that the kernel visibly uses: its directory, the tables in it, the pages of its heap. */
export function kernelFrames(guest: Guest): Set<number> {
  const frames = new Set([guest.directory]);
  for (let n = 0; n < ENTRIES; n++) {
    const entry = guest.physWord(guest.directory + 4 * n);
    if (entry & PRESENT) frames.add((entry & ~0xfff) >>> 0);
  }
  for (let page = HEAP_START; page < HEAP_START + HEAP_LIMIT; page += PAGE) {
    const mapped = guest.walk(page);
    if (mapped) frames.add(mapped.physAddr);
  }
  return frames;
}
