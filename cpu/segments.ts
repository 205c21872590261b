/**
 * Descriptors and segment registers. Spec: specs/cpu/segments.md (Intel SDM vol. 3, 3.4, 5.2 to 5.8;
 * vol. 2, MOV, POP, LDS, LLDT, LTR). Code segments are loaded by `cpu/transfers.ts`.
 */
import type { SystemContext } from "./context.ts";
import { Fault } from "./fault.ts";
import {
  CS,
  GDTR,
  GP,
  LDTR,
  NP,
  READABLE,
  SEGMENT_ATTRIBUTES,
  SEGMENT_BASE,
  SEGMENT_FIRST,
  SEGMENT_LIMIT,
  SEGMENT_RIGHTS,
  SEGMENT_SELECTOR,
  SEGMENT_SPAN,
  SS,
  SS_FAULT,
  type State,
  TR,
  WRITABLE,
} from "./state.ts";

// The upper dword of a descriptor.
const ACCESSED = 1 << 8;
const READ_WRITE = 1 << 9; // code: readable; data: writable
const CONFORMING = 1 << 10; // code
const EXPAND_DOWN = 1 << 10; // data
const EXECUTABLE = 1 << 11;
const SEGMENT = 1 << 12; // not a system descriptor
const PRESENT = 1 << 15;
const BIG = 1 << 22; // D/B
const GRANULARITY = 1 << 23; // the limit counts 4 KB
const BUSY = 1 << 9; // in a TSS descriptor

const LDT = 2; // types of system descriptors
const TSS16 = 1, TSS32 = 9;

/** What a segment register caches of its descriptor. */
export interface SegmentCache {
  /** The visible part. */
  readonly selector: number;
  /** Base address. */
  readonly base: number;
  /** First valid offset. */
  readonly first: number;
  /** Last valid offset minus the first one. */
  readonly span: number;
  /** `READABLE`, `WRITABLE`; 0 when nothing may be accessed through it. */
  readonly rights: number;
  /** The descriptor's upper dword; 0 for a null selector. */
  readonly attributes: number;
  /** Limit in bytes. */
  readonly limit: number;
}

/** A descriptor as it stands in a table, with the selector that led to it. */
export class Descriptor {
  /** The selector that named it. */
  readonly selector: number;
  /** Its lower dword. */
  readonly low: number;
  /** Its upper dword. */
  readonly high: number;
  /** Its linear address. */
  readonly linear: number;

  /** The two dwords at `linear`. */
  constructor(selector: number, low: number, high: number, linear: number) {
    this.selector = selector;
    this.low = low;
    this.high = high;
    this.linear = linear;
  }

  /** Code or data, not a gate, TSS or LDT. */
  get isSegment(): boolean {
    return (this.high & SEGMENT) !== 0;
  }
  /** Code segment. */
  get isCode(): boolean {
    return this.isSegment && (this.high & EXECUTABLE) !== 0;
  }
  /** Conforming code segment. */
  get isConforming(): boolean {
    return this.isCode && (this.high & CONFORMING) !== 0;
  }
  /** Writable data segment. */
  get isWritable(): boolean {
    return this.isSegment && !this.isCode && (this.high & READ_WRITE) !== 0;
  }
  /** Data segment, or code segment that may be read. */
  get isReadable(): boolean {
    return this.isSegment && (!this.isCode || (this.high & READ_WRITE) !== 0);
  }
  /** P. */
  get isPresent(): boolean {
    return (this.high & PRESENT) !== 0;
  }
  /** Descriptor privilege level. */
  get dpl(): number {
    return this.high >>> 13 & 3;
  }
  /** Type of a system descriptor; of a segment its four type bits. */
  get type(): number {
    return this.high >>> 8 & 15;
  }
  /** Requested privilege level of the selector. */
  get rpl(): number {
    return this.selector & 3;
  }
  /** Base address. */
  get base(): number {
    return ((this.low >>> 16) | (this.high & 0xff) << 16 | (this.high & 0xff000000)) >>> 0;
  }
  /** Limit in bytes. */
  get limit(): number {
    const raw = (this.low & 0xffff) | (this.high & 0xf0000);
    return (this.high & GRANULARITY ? raw << 12 | 0xfff : raw) >>> 0;
  }

  /** What a segment register holds after this descriptor was loaded into it. */
  cache(): SegmentCache {
    const { selector, base, limit, high } = this;
    const attributes = (high | ACCESSED) >>> 0;
    const rights = (this.isReadable ? READABLE : 0) | (this.isWritable ? WRITABLE : 0);
    const down = !this.isCode && (high & EXPAND_DOWN) !== 0;
    if (!down) return { selector, base, first: 0, span: limit, rights, attributes, limit };
    const top = high & BIG ? 0xffffffff : 0xffff;
    if (limit >= top) return { selector, base, first: 0, span: 0, rights: 0, attributes, limit };
    return { selector, base, first: limit + 1, span: top - limit - 1, rights, attributes, limit };
  }
}

/** The error code that names a selector: its index and table bit, and EXT. */
export function selectorCode(selector: number, ext = 0): number {
  return (selector & 0xfffc) | ext;
}

/** Whether a selector is null: index 0 of the GDT. */
export function isNull(selector: number): boolean {
  return (selector & 0xfffc) === 0;
}

/** Linear address of the descriptor of `selector`, or undefined outside its table. */
function descriptorAddress(state: State, selector: number): number | undefined {
  const local = (selector & 4) !== 0;
  const base = state.get(local ? LDTR + 4 : GDTR);
  const limit = state.get(local ? LDTR + 8 : GDTR + 4);
  const missing = local && isNull(state.get(LDTR));
  return missing || (selector | 7) > limit ? undefined : (base + (selector & 0xfff8)) >>> 0;
}

/** The descriptor of `selector`, or undefined outside its table. */
export function findDescriptor(cpu: SystemContext, selector: number): Descriptor | undefined {
  const linear = descriptorAddress(cpu.state, selector);
  if (linear === undefined) return undefined;
  const low = cpu.paging.read(linear, 4, false);
  return new Descriptor(selector, low, cpu.paging.read((linear + 4) >>> 0, 4, false), linear);
}

/** The descriptor of `selector`; a fault with `vector` naming it if it is outside its table. */
export function fetchDescriptor(
  cpu: SystemContext,
  selector: number,
  vector: number = GP,
  ext = 0,
): Descriptor {
  const descriptor = findDescriptor(cpu, selector);
  if (!descriptor) throw new Fault(vector, selectorCode(selector, ext));
  return descriptor;
}

/** Faults with `vector`, naming the selector, unless `allowed`. */
export function demand(allowed: boolean, vector: number, selector: number, ext = 0): void {
  if (!allowed) throw new Fault(vector, selectorCode(selector, ext));
}

/** Sets the accessed bit of a segment descriptor in its table; written only if it was clear. */
export function markAccessed(cpu: SystemContext, descriptor: Descriptor): void {
  if (descriptor.high & ACCESSED) return;
  cpu.paging.write((descriptor.linear + 5) >>> 0, 1, descriptor.high >>> 8 & 0xff | 1, false);
}

/** What segment register `segment` holds. */
export function cachedSegment(state: State, segment: number): SegmentCache {
  const at = 4 * segment;
  return {
    selector: state.get(SEGMENT_SELECTOR + at),
    base: state.get(SEGMENT_BASE + at),
    first: state.get(SEGMENT_FIRST + at),
    span: state.get(SEGMENT_SPAN + at),
    rights: state.get(SEGMENT_RIGHTS + at),
    attributes: state.get(SEGMENT_ATTRIBUTES + at),
    limit: state.get(SEGMENT_LIMIT + at),
  };
}

/** Writes segment register `segment`, unchecked. */
export function setSegment(state: State, segment: number, cache: SegmentCache): void {
  const at = 4 * segment;
  state.set(SEGMENT_SELECTOR + at, cache.selector);
  state.set(SEGMENT_BASE + at, cache.base);
  state.set(SEGMENT_FIRST + at, cache.first);
  state.set(SEGMENT_SPAN + at, cache.span);
  state.set(SEGMENT_RIGHTS + at, cache.rights);
  state.set(SEGMENT_ATTRIBUTES + at, cache.attributes);
  state.set(SEGMENT_LIMIT + at, cache.limit);
}

/** What a segment register holds after a null selector was loaded: nothing may be accessed. */
export function nullSegment(selector: number): SegmentCache {
  return { selector, base: 0, first: 0, span: 0, rights: 0, attributes: 0, limit: 0 };
}

/**
 * Whether offsets through `segment` are linear addresses: base 0, every offset valid, and all of the
 * `rights` given. The B bit of SS and the D bit of CS are not part of it.
 */
export function isFlat(state: State, segment: number, rights: number): boolean {
  const { base, first, span, rights: given } = cachedSegment(state, segment);
  return base === 0 && first === 0 && span === 0xffffffff && (given & rights) === rights;
}

/** The D/B bit of `segment`: 32-bit code, or a 32-bit stack pointer. */
export function isBig(state: State, segment: number): boolean {
  return (state.get(SEGMENT_ATTRIBUTES + 4 * segment) & BIG) !== 0;
}

/** Linear address of `bytes` bytes at `offset`; #SS(0) or #GP(0) where the segment forbids the access. */
export function checkSegment(
  state: State,
  segment: number,
  offset: number,
  bytes: number,
  write: boolean,
): number {
  const cache = cachedSegment(state, segment);
  if (!admits(cache, offset, bytes, write)) throw new Fault(segment === SS ? SS_FAULT : GP, 0);
  return (cache.base + offset) >>> 0;
}

/** Whether a segment's rights and limit admit an access. A flat segment wraps: SEGMENTS-5. */
export function admits(
  cache: SegmentCache,
  offset: number,
  bytes: number,
  write: boolean,
): boolean {
  if (!(cache.rights & (write ? WRITABLE : READABLE))) return false;
  if (cache.span === 0xffffffff) return true;
  const from = (offset - cache.first) >>> 0;
  return from <= cache.span && cache.span - from >= bytes - 1;
}

/** Checks a selector for SS at privilege `cpl`; `ext` is the EXT bit of the error code. */
export function stackDescriptor(
  cpu: SystemContext,
  selector: number,
  cpl: number,
  vector: number = GP,
  ext = 0,
): Descriptor {
  if (isNull(selector)) throw new Fault(vector, ext);
  const descriptor = fetchDescriptor(cpu, selector, vector, ext);
  demand(descriptor.rpl === cpl, vector, selector, ext);
  demand(descriptor.isWritable, vector, selector, ext);
  demand(descriptor.dpl === cpl, vector, selector, ext);
  demand(descriptor.isPresent, SS_FAULT, selector, ext);
  return descriptor;
}

/** Checks a selector that is not null for DS, ES, FS or GS. */
function dataDescriptor(cpu: SystemContext, selector: number): Descriptor {
  const descriptor = fetchDescriptor(cpu, selector);
  demand(descriptor.isReadable, GP, selector);
  const lowest = Math.max(descriptor.rpl, cpu.state.cpl);
  demand(descriptor.isConforming || lowest <= descriptor.dpl, GP, selector);
  demand(descriptor.isPresent, NP, selector);
  return descriptor;
}

/** Loads a selector into ES, SS, DS, FS or GS, as MOV does. */
export function loadSegment(cpu: SystemContext, segment: number, selector: number): void {
  if (segment === CS) {
    throw new RangeError("Cannot load CS like a data segment: use a far transfer");
  }
  const { state } = cpu;
  if (segment !== SS && isNull(selector)) {
    setSegment(state, segment, nullSegment(selector));
  } else {
    const descriptor = segment === SS
      ? stackDescriptor(cpu, selector, state.cpl)
      : dataDescriptor(cpu, selector);
    markAccessed(cpu, descriptor);
    setSegment(state, segment, descriptor.cache());
  }
  cpu.modeChanged();
}

/** Writes LDTR or TR. */
function setSystemSegment(state: State, register: number, descriptor: Descriptor): void {
  state.set(register, descriptor.selector);
  state.set(register + 4, descriptor.base);
  state.set(register + 8, descriptor.limit);
  state.set(register + 12, descriptor.high);
}

/** LLDT: loads LDTR; a null selector means that there is no LDT. */
export function loadLdt(cpu: SystemContext, selector: number): void {
  if (isNull(selector)) {
    return setSystemSegment(cpu.state, LDTR, new Descriptor(selector, 0, 0, 0));
  }
  const descriptor = globalDescriptor(cpu, selector);
  demand(!descriptor.isSegment && descriptor.type === LDT, GP, selector);
  demand(descriptor.isPresent, NP, selector);
  setSystemSegment(cpu.state, LDTR, descriptor);
}

/** LTR: loads the task register and marks the TSS busy. */
export function loadTask(cpu: SystemContext, selector: number): void {
  if (isNull(selector)) throw new Fault(GP, 0);
  const descriptor = globalDescriptor(cpu, selector);
  const { isSegment, type, low, high, linear } = descriptor;
  demand(!isSegment && (type === TSS16 || type === TSS32), GP, selector);
  demand(descriptor.isPresent, NP, selector);
  const busy = (high | BUSY) >>> 0;
  cpu.paging.write((linear + 4) >>> 0, 4, busy, false);
  setSystemSegment(cpu.state, TR, new Descriptor(selector, low, busy, linear));
}

function globalDescriptor(cpu: SystemContext, selector: number): Descriptor {
  demand((selector & 4) === 0, GP, selector);
  return fetchDescriptor(cpu, selector);
}

/** Whether the task register names a 32-bit TSS. */
export function hasTss32(state: State): boolean {
  return (state.get(TR + 12) >>> 8 & 0xd) === TSS32;
}
