/**
 * Implicit memory accesses: the stack, string operands, XLAT. Spec: specs/isa/memory.md.
 *
 * A flat form uses offsets as linear addresses; any other adds the segment's base and checks rights and
 * limit. The operand that ModRM names goes through {@link generalAddress} in an operation of its own.
 */
import type { Form, Machine } from "./machine.ts";
import {
  ADDRESS,
  CS,
  ES,
  ESP,
  GP,
  READABLE,
  SEGMENT_ATTRIBUTES,
  SEGMENT_BASE,
  SEGMENT_FIRST,
  SEGMENT_LIMIT,
  SEGMENT_RIGHTS,
  SEGMENT_SPAN,
  SS,
  SS_FAULT,
  WRITABLE,
} from "./registers.ts";

/** Which segment an implicit access goes through: SS, ES, or the source's, DS unless overridden. */
export type Through = "stack" | "destination" | "source";

/** Reads one cached field of a segment. */
type Field<V> = (field: number) => V;

function segmentFields<V, W>(m: Machine<V, W>, through: Through): Field<V> {
  if (through === "source") return (field) => m.sourceSegment(field);
  const segment = through === "stack" ? SS : ES;
  return (field) => m.register(field + 4 * segment);
}

/** The linear address of `offset`; faults if the segment does not admit the access. */
export function linear<V, W>(
  m: Machine<V, W>,
  form: Form,
  through: Through,
  offset: V,
  bytes: number,
  write: boolean,
): V {
  if (form.flat) return offset;
  const masked = through === "stack" ? m.and(offset, stackMask(m)) : maskAddress(m, form, offset);
  const field = segmentFields(m, through);
  checkSegment(m, field, masked, bytes, write, through === "stack" ? SS_FAULT : GP);
  return m.add(field(SEGMENT_BASE), masked);
}

function maskAddress<V, W>(m: Machine<V, W>, form: Form, offset: V): V {
  return form.addressSize === 16 ? m.and(offset, m.const(0xffff)) : offset;
}

/** Rights first, then the limit (Intel SDM vol. 3, 5.3). */
function checkSegment<V, W>(
  m: Machine<V, W>,
  field: Field<V>,
  offset: V,
  bytes: number,
  write: boolean,
  vector: number,
): void {
  const need = m.const(write ? WRITABLE : READABLE);
  m.faultIf(m.eq(m.and(field(SEGMENT_RIGHTS), need), m.const(0)), vector, 0);
  const from = m.sub(offset, field(SEGMENT_FIRST)), span = field(SEGMENT_SPAN);
  m.faultIf(m.ltU(span, from), vector, 0);
  if (bytes === 1) return;
  const short = m.ltU(m.sub(span, from), m.const(bytes - 1));
  m.faultIf(m.and(short, m.ltU(span, m.const(-1))), vector, 0); // ISA-MEMORY-3: segments of 4 GB wrap
}

/** FFFFh or FFFFFFFFh, by the B bit of SS. */
function stackMask<V, W>(m: Machine<V, W>): V {
  const big = m.and(m.register(SEGMENT_ATTRIBUTES + 4 * SS), m.const(1 << 22));
  return m.select(big, m.const(-1), m.const(0xffff));
}

/** ESP. */
export function stackPointer<V, W>(m: Machine<V, W>): V {
  return m.register(ESP);
}

/** Writes ESP, or only SP where the stack is 16-bit. */
export function setStackPointer<V, W>(m: Machine<V, W>, form: Form, value: V): void {
  if (form.flat) return m.setRegister(ESP, value);
  const mask = stackMask(m), old = m.register(ESP);
  m.setRegister(ESP, m.xor(old, m.and(m.xor(old, value), mask)));
}

/** Pushes a value of the form's size. */
export function push<V, W>(m: Machine<V, W>, form: Form, value: V): void {
  const bytes = form.size / 8, top = m.sub(stackPointer(m), m.const(bytes));
  m.store(form.size, linear(m, form, "stack", top, bytes, true), value); // may fault: before ESP changes
  setStackPointer(m, form, top);
}

/** Pops a value of the form's size, and `extra` bytes more. */
export function pop<V, W>(m: Machine<V, W>, form: Form, extra?: V): V {
  const bytes = form.size / 8, top = stackPointer(m);
  const value = m.load(form.size, linear(m, form, "stack", top, bytes, false));
  const above = m.add(top, m.const(bytes));
  setStackPointer(m, form, extra === undefined ? above : m.add(above, extra));
  return value;
}

/** A jump target that the code segment admits. */
export function checkTarget<V, W>(m: Machine<V, W>, form: Form, target: V): V {
  const eip = form.size === 16 ? m.and(target, m.const(0xffff)) : target;
  if (!form.flat) m.faultIf(m.ltU(m.register(SEGMENT_LIMIT + 4 * CS), eip), GP, 0);
  return eip;
}

/**
 * What the operation before a general memory operand does: the linear address of the operand goes to
 * ADDRESS. `bytes` 0 is LEA: no segment at all.
 */
export interface GeneralAddress {
  /** Bytes accessed, or 0 for the bare offset. */
  readonly bytes: number;
  /** The access writes. */
  readonly write: boolean;
  /** Address size. */
  readonly addressSize: 16 | 32;
  /** The segment is SS, whose faults are #SS. */
  readonly stack: boolean;
  /** Operand size of a bit-string instruction, whose register index moves the operand; else 0. */
  readonly bitString: 0 | 16 | 32;
}

/** See {@link GeneralAddress}. */
export function generalAddress<V, W>(m: Machine<V, W>, form: GeneralAddress): void {
  let offset = m.address();
  if (form.bitString !== 0) {
    const size = form.bitString,
      index = m.signExtend(size, m.get({ kind: "register", slot: 1, size }));
    const [log, bytesLog] = size === 32 ? [5, 2] : [4, 1];
    offset = m.add(offset, m.shl(m.sar(index, m.const(log)), m.const(bytesLog)));
  }
  if (form.addressSize === 16) offset = m.and(offset, m.const(0xffff));
  if (form.bytes === 0) return m.setRegister(ADDRESS, offset);
  const field: Field<V> = (name) => m.sourceSegment(name);
  checkSegment(m, field, offset, form.bytes, form.write, form.stack ? SS_FAULT : GP);
  m.setRegister(ADDRESS, m.add(field(SEGMENT_BASE), offset));
}
