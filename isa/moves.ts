/** Moves, exchanges, the stack and flag transfers. Spec: specs/isa/moves.md. */
import { compare } from "./arithmetic.ts";
import { addCarries, carryFlag, condition, setCarryFlag, setFlags } from "./flags.ts";
import {
  linear,
  pop as popValue,
  push as pushValue,
  setStackPointer,
  stackPointer,
} from "./memory.ts";
import { fixed, type Meaning } from "./machine.ts";
import {
  AH,
  EAX,
  EBP,
  EBX,
  ECX,
  EDI,
  EDX,
  EFLAGS,
  ESI,
  ESP,
  FLAG_CARRY,
  FLAG_SIGN,
  FLAG_ZERO,
} from "./registers.ts";

/** MOV. */
export const mov: Meaning = (m, { places: [dst, src] }) => {
  m.set(dst, m.get(src));
};

/** MOVZX. */
export const movzx: Meaning = mov;

/** MOVSX. */
export const movsx: Meaning = (m, { places: [dst, src] }) => {
  m.set(dst, m.signExtend(src.size, m.get(src)));
};

/** LEA. */
export const lea: Meaning = (m, { places: [dst] }) => {
  m.set(dst, m.address());
};

/** XCHG. */
export const xchg: Meaning = (m, { places: [dst, src] }) => {
  const a = m.modify(dst), b = m.get(src);
  m.set(src, a);
  m.set(dst, b);
};

/** XADD: the sum is written last, so that it stays when both operands are one register. */
export const xadd: Meaning = (m, { size, places: [dst, src] }) => {
  const a = m.modify(dst), b = m.get(src), sum = m.add(a, b);
  m.set(src, a);
  m.set(dst, sum);
  setFlags(m, size, sum, addCarries(m, a, b, sum));
};

/** CMPXCHG: the destination is written in both cases. */
export const cmpxchg: Meaning = (m, { size, places: [dst, src] }) => {
  const accumulator = fixed(EAX, size),
    a = m.get(accumulator),
    old = m.modify(dst),
    equal = m.eq(a, old);
  const value = m.get(src);
  m.set(accumulator, old);
  m.set(dst, m.select(equal, value, old));
  compare(m, size, a, old);
};

/** CMPXCHG8B: ZF only. */
export const cmpxchg8b: Meaning = (m) => {
  const at = m.address(), above = m.add(at, m.const(4));
  m.probe(8, at);
  const low = m.load(32, at), high = m.load(32, above);
  const differ = m.or(m.xor(low, m.register(EAX)), m.xor(high, m.register(EDX)));
  m.store(32, at, m.select(differ, low, m.register(EBX)));
  m.store(32, above, m.select(differ, high, m.register(ECX)));
  m.setRegister(EAX, low);
  m.setRegister(EDX, high);
  m.setRegister(FLAG_ZERO, differ);
};

/** PUSH. */
export const push: Meaning = (m, form) => {
  pushValue(m, form, m.get(form.places[0]));
};

/** POP; a memory operand's address counts with the raised ESP, which the decoder adds. */
export const pop: Meaning = (m, form) => {
  const value = popValue(m, form);
  m.set(form.places[0], value); // after ESP: `pop esp` keeps what was popped
};

const GENERAL = [EAX, ECX, EDX, EBX, ESP, EBP, ESI, EDI];

/** PUSHA, PUSHAD: all eight places are checked before the first is written. */
export const pusha: Meaning = (m, form) => {
  const bytes = form.size / 8, top = stackPointer(m), bottom = m.sub(top, m.const(8 * bytes));
  const places = GENERAL.map((_, i) =>
    linear(m, form, "stack", m.sub(top, m.const((i + 1) * bytes)), bytes, true)
  );
  if (form.flat) m.probe(8 * bytes, bottom);
  else for (const at of places) m.probe(bytes, at); // a 16-bit stack may wrap between them
  GENERAL.forEach((register, i) =>
    m.store(form.size, places[i], m.get(fixed(register, form.size)))
  );
  setStackPointer(m, form, bottom);
};

/** POPA, POPAD: the saved ESP is skipped. */
export const popa: Meaning = (m, form) => {
  const bytes = form.size / 8, top = stackPointer(m);
  const values = GENERAL.map((_, i) =>
    m.load(form.size, linear(m, form, "stack", m.add(top, m.const((7 - i) * bytes)), bytes, false))
  );
  GENERAL.forEach((register, i) => {
    if (register !== ESP) m.set(fixed(register, form.size), values[i]);
  });
  setStackPointer(m, form, m.add(top, m.const(8 * bytes)));
};

/** ENTER with nesting level 0; the others are system code. */
export const enter: Meaning = (m, form) => {
  const bytes = form.size / 8, frame = m.sub(stackPointer(m), m.const(bytes));
  m.store(form.size, linear(m, form, "stack", frame, bytes, true), m.get(fixed(EBP, form.size)));
  m.set(fixed(EBP, form.size), frame);
  setStackPointer(m, form, m.sub(frame, m.get(form.places[0])));
};

/** LEAVE. */
export const leave: Meaning = (m, form) => {
  const bytes = form.size / 8, frame = m.register(EBP);
  const value = m.load(form.size, linear(m, form, "stack", frame, bytes, false));
  setStackPointer(m, form, m.add(frame, m.const(bytes)));
  m.set(fixed(EBP, form.size), value);
};

/** LAHF. */
export const lahf: Meaning = (m) => {
  const bit = (number: number, at: number) => m.shl(condition(m, number), m.const(at));
  const adjust = m.shl(m.and(m.register(FLAG_CARRY), m.const(8)), m.const(1)); // AF to bit 4
  const high = m.or(bit(8, 7), bit(4, 6)), low = m.or(bit(10, 2), bit(2, 0));
  m.set(fixed(AH, 8), m.or(m.or(high, low), m.or(adjust, m.const(2))));
};

/** SAHF. */
export const sahf: Meaning = (m) => {
  const flags = m.get(fixed(AH, 8)),
    bit = (at: number) => m.and(m.shr(flags, m.const(at)), m.const(1));
  const old = m.register(FLAG_CARRY),
    overflow = m.and(m.xor(old, m.shl(old, m.const(1))), m.const(0x80000000 | 0));
  const carry = m.shl(bit(0), m.const(31));
  m.setRegister(FLAG_ZERO, m.xor(bit(6), m.const(1)));
  m.setRegister(FLAG_SIGN, m.or(m.shl(bit(7), m.const(31)), m.xor(bit(2), m.const(1))));
  const second = m.shr(m.xor(carry, overflow), m.const(1));
  m.setRegister(FLAG_CARRY, m.or(m.or(carry, second), m.shl(bit(4), m.const(3))));
};

/** CLC. */
export const clc: Meaning = (m): void => setCarryFlag(m, m.const(0));
/** STC. */
export const stc: Meaning = (m): void => setCarryFlag(m, m.const(1));
/** CMC. */
export const cmc: Meaning = (m): void => setCarryFlag(m, m.xor(carryFlag(m), m.const(1)));
/** CLD. */
export const cld: Meaning = (m): void =>
  m.setRegister(EFLAGS, m.and(m.register(EFLAGS), m.const(~0x400)));
/** STD. */
export const std: Meaning = (m): void =>
  m.setRegister(EFLAGS, m.or(m.register(EFLAGS), m.const(0x400)));
/** NOP. */
export const nop: Meaning = () => {};

/** XLAT: the byte at EBX + AL. */
export const xlat: Meaning = (m, form) => {
  const offset = m.add(m.register(EBX), m.get(fixed(EAX, 8)));
  m.set(fixed(EAX, 8), m.load(8, linear(m, form, "source", offset, 1, false)));
};
