/**
 * What a kernel may do with each byte of its heap, kept beside the guest's memory: which allocation it
 * belongs to, whether that was freed, whether anything was written. Spec: specs/conformance/shadow_memory.md.
 */
import type { Access } from "../machine/machine.ts";

/** So near to a younger allocation an access is taken for a miss of it, not for a use of older memory. */
const NEAR = 16;
/** Freed allocations that are remembered. */
const MOST_FREED = 1024;

/** An allocation. */
export interface Block {
  /** Its address, as the kernel gave it. */
  readonly base: number;
  /** The bytes that were asked for. */
  readonly size: number;
  /** The call that made it, in words. */
  readonly made: string;
  /** The call that freed it, in words. */
  readonly freed?: string;
}

/** What is wrong with an access. */
export interface Wrong {
  /** Which rule it breaks. */
  readonly kind: "out of bounds" | "use after free" | "never written";
  /** The allocation that it touches, else the nearest one; undefined where none is live. */
  readonly block: Block | undefined;
}

/** A {@link ShadowMemory}'s contents at one moment. */
export interface ShadowMemoryState {
  /** All that is kept. */
  readonly live: readonly Kept[];
  /** What was freed, oldest first. */
  readonly gone: readonly Kept[];
  /** Numbers the changes. */
  readonly clock: number;
}

/** An allocation and what is remembered of it. */
export interface Kept extends Block {
  /** One for each byte that was written. */
  readonly written: Uint8Array;
  /** When it was made, on the clock of changes. */
  readonly madeAt: number;
  /** When it was freed; Infinity while it is live. */
  readonly freedAt: number;
}

/** The allocations of a heap. Addresses are linear. */
export class ShadowMemory {
  #live: Kept[] = []; // by ascending address, disjoint
  #gone: Kept[] = [];
  #clock = 0;

  /** The live allocations, by ascending address. */
  get blocks(): readonly Block[] {
    return this.#live;
  }

  /** Forgets everything: a new heap. */
  clear(): void {
    this.#live = [];
    this.#gone = [];
  }

  /**
   * Records a new allocation and gives the live ones that it overlaps, which are none in a sound heap:
   * they are forgotten. `written` is how many of its bytes count as written, from the first on.
   */
  allocate(base: number, size: number, made: string, written = 0): Block[] {
    const bytes = new Uint8Array(size).fill(1, 0, Math.min(written, size));
    return this.#insert(base, bytes, made);
  }

  /** Frees the live allocation at exactly this address; false if there is none. */
  free(base: number, freed: string): boolean {
    const block = this.at(base) as Kept | undefined;
    if (block === undefined) return false;
    this.#live.splice(this.#live.indexOf(block), 1);
    this.#gone.push({ ...block, freed, freedAt: ++this.#clock });
    if (this.#gone.length > MOST_FREED) this.#gone.shift();
    return true;
  }

  /** A resize: contents move to `base`, bytes beyond the old size count as never written. */
  move(from: number, base: number, size: number, made: string): Block[] {
    const old = this.at(from) as Kept | undefined, bytes = new Uint8Array(size);
    bytes.set(old?.written.subarray(0, size) ?? bytes.fill(1)); // of an unknown block all is
    if (from === base) this.#live = this.#live.filter((block) => block !== old);
    else this.free(from, made);
    return this.#insert(base, bytes, made);
  }

  /** The live allocation at exactly this address. */
  at(base: number): Block | undefined {
    const block = this.#below(base);
    return block?.base === base ? block : undefined;
  }

  /** The live allocation that has any of these bytes. */
  touching(address: number, bytes: number): Block | undefined {
    const block = this.#below(address + bytes - 1);
    return block !== undefined && address < block.base + block.size ? block : undefined;
  }

  /** The allocation, freed last, that had this byte. */
  freed(address: number): Block | undefined {
    return this.#freedOf(address, 1);
  }

  /** Bytes were written from outside, such as by a test. */
  written(address: number, bytes: number): void {
    const block = this.#below(address);
    block?.written.fill(1, address - block.base, address - block.base + bytes);
  }

  /** Judges an access of code that is no part of the allocator, and remembers what it writes. */
  judge(address: number, bytes: number, access: Access): Wrong | undefined {
    const block = this.#below(address), offset = address - (block?.base ?? 0);
    if (block === undefined || !isInside(block, address, bytes, access)) {
      return this.#stray(address, bytes);
    }
    if (access === "store") {
      block.written.fill(1, offset, offset + bytes);
      return undefined;
    }
    if (block.written.subarray(offset, offset + bytes).includes(1)) return undefined;
    return { kind: "never written", block };
  }

  /** A copy of everything. */
  save(): ShadowMemoryState {
    return { live: copies(this.#live), gone: [...this.#gone], clock: this.#clock };
  }

  /** Takes back what `save` gave. */
  restore({ live, gone, clock }: ShadowMemoryState): void {
    this.#live = copies(live);
    this.#gone = [...gone];
    this.#clock = clock;
  }

  #insert(base: number, written: Uint8Array, made: string): Block[] {
    const size = written.length, end = base + size;
    const overlapped = this.#live.filter((b) => b.base < end && base < b.base + b.size);
    if (overlapped.length > 0) this.#live = this.#live.filter((b) => !overlapped.includes(b));
    const block = { base, size, made, written, madeAt: ++this.#clock, freedAt: Infinity };
    this.#live.splice(this.#indexAbove(base), 0, block);
    return overlapped;
  }

  /** The index of the first live allocation above an address. */
  #indexAbove(address: number): number {
    let low = 0, high = this.#live.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#live[middle].base <= address) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The last live allocation that begins at or below an address. */
  #below(address: number): Kept | undefined {
    return this.#live[this.#indexAbove(address) - 1];
  }

  /** An access that is not wholly inside one live allocation. */
  #stray(address: number, bytes: number): Wrong {
    const near = this.#nearest(address, bytes);
    const freed = this.#freedOf(address, bytes);
    const reused = near !== undefined && freed !== undefined && near.madeAt > freed.freedAt &&
      distance(near, address, bytes) <= NEAR;
    if (freed === undefined || reused || this.touching(address, bytes)) {
      return { kind: "out of bounds", block: near };
    }
    return { kind: "use after free", block: freed };
  }

  #freedOf(address: number, bytes: number): Kept | undefined {
    return this.#gone.findLast((b) => address < b.base + b.size && b.base < address + bytes);
  }

  #nearest(address: number, bytes: number): Kept | undefined {
    const above = this.#indexAbove(address);
    const [lower, upper] = [this.#live[above - 1], this.#live[above]];
    if (lower === undefined || upper === undefined) return lower ?? upper;
    const isLower = distance(lower, address, bytes) <= distance(upper, address, bytes);
    return isLower ? lower : upper;
  }
}

/** Bytes between an access and an allocation; 0 where they touch or overlap. */
export function distance({ base, size }: Block, address: number, bytes: number): number {
  return Math.max(base - (address + bytes), address - (base + size), 0);
}

/** SHADOW-1: whether an access that begins at or above an allocation's base stays in it. */
function isInside({ base, size }: Block, address: number, bytes: number, access: Access): boolean {
  const end = base + size;
  if (access === "load" && address < end && address % bytes === 0) return true;
  return address + bytes <= end;
}

function copies(blocks: readonly Kept[]): Kept[] {
  return blocks.map((block) => ({ ...block, written: block.written.slice() }));
}
