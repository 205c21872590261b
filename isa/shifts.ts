/** Shifts and rotates. Spec: specs/isa/shifts.md. */
import { carryFlag, setCarryOverflow, setResultFlags } from "./flags.ts";
import type { Form, Machine, Meaning, Place, Size } from "./machine.ts";
import { FLAG_CARRY, FLAG_SIGN, FLAG_ZERO } from "./registers.ts";

/** A shift that changes no flag when its count is zero, whatever it wrote before. */
function keepFlagsIfZero<V, W>(m: Machine<V, W>, count: V, words: Flags<V>): void {
  m.setRegister(FLAG_ZERO, m.select(count, words.result, m.register(FLAG_ZERO)));
  m.setRegister(FLAG_SIGN, m.select(count, words.result, m.register(FLAG_SIGN)));
  m.setRegister(FLAG_CARRY, m.select(count, words.carry, m.register(FLAG_CARRY)));
}

/** The result, sign-extended, and the word of carries. */
interface Flags<V> {
  result: V;
  carry: V;
}

/** Sets the flags of a shift by `count`; a count known not to be zero needs no choice. */
function setShiftFlags<V, W>(m: Machine<V, W>, form: Form, count: V, result: V, top: V): void {
  const carry = m.and(top, m.const(0xc0000000 | 0)); // AF 0 (undefined by the manual)
  if (form.places[form.places.length - 1].kind === "count") {
    setResultFlags(m, form.size, result);
    m.setRegister(FLAG_CARRY, carry);
    return;
  }
  const extended = form.size === 32 ? result : m.signExtend(form.size, result);
  keepFlagsIfZero(m, count, { result: extended, carry });
}

/** The count operand modulo 32. */
function countOf<V, W>(m: Machine<V, W>, place: Place): V {
  return m.and(m.get(place), m.const(31));
}

/** Moves the operand's top bit to bit 31. */
function toTop<V, W>(m: Machine<V, W>, size: Size, value: V): V {
  return size === 32 ? value : m.shl(value, m.const(32 - size));
}

/** A word whose bit 31 is the low bit of `carry` and bit 30 the operand's top bit in `result`: OF is their difference. */
function carryAndTop<V, W>(m: Machine<V, W>, size: Size, carry: V, result: V): V {
  const bit = m.shl(carry, m.const(31));
  return m.or(bit, m.and(m.shr(toTop(m, size, result), m.const(1)), m.const(0x40000000)));
}

/** A word whose bit 31 is the low bit of `carry`, such that OF is the difference of the result's two top bits. */
function carryAndDifference<V, W>(m: Machine<V, W>, size: Size, carry: V, result: V): V {
  const bit = m.shl(carry, m.const(31)), top = toTop(m, size, result);
  const overflow = m.and(
    m.shr(m.xor(top, m.shl(top, m.const(1))), m.const(1)),
    m.const(0x40000000),
  );
  return m.xor(m.or(bit, m.shr(bit, m.const(1))), overflow);
}

/** SHL (and SAL). */
export const shl: Meaning = (m, form) => {
  const [dst, src] = form.places,
    a = m.modify(dst),
    count = countOf(m, src),
    result = m.shl(a, count);
  m.set(dst, result);
  const out = form.size === 32
    ? m.shr(a, m.sub(m.const(32), count)) // bit 32 - count
    : m.shr(result, m.const(form.size));
  setShiftFlags(m, form, count, result, carryAndTop(m, form.size, out, result));
};

/** SHR. */
export const shr: Meaning = (m, form) => {
  const [dst, src] = form.places,
    a = m.modify(dst),
    count = countOf(m, src),
    result = m.shr(a, count);
  m.set(dst, result);
  const out = m.shr(a, m.sub(count, m.const(1)));
  setShiftFlags(m, form, count, result, carryAndDifference(m, form.size, out, result));
};

/** SAR. */
export const sar: Meaning = (m, form) => {
  const [dst, src] = form.places, count = countOf(m, src);
  const a = m.signExtend(form.size, m.modify(dst)), result = m.sar(a, count);
  m.set(dst, result);
  const out = m.sar(a, m.sub(count, m.const(1)));
  setShiftFlags(m, form, count, result, carryAndDifference(m, form.size, out, result));
};

/** Repeats an 8- or 16-bit operand through 32 bits, so that 32-bit rotation rotates it. */
function replicate<V, W>(m: Machine<V, W>, size: Size, a: V): V {
  if (size === 32) return a;
  return m.mul(a, m.const(size === 16 ? 0x10001 : 0x1010101));
}

/** Rotates set CF and OF only, and nothing for a count of zero. */
function setRotateFlags<V, W>(m: Machine<V, W>, form: Form, count: V, top: V): void {
  if (form.places[1].kind === "count") return setCarryOverflow(m, top);
  const old = m.register(FLAG_CARRY), kept = m.and(old, m.const(8));
  m.setRegister(FLAG_CARRY, m.select(count, m.or(m.and(top, m.const(0xc0000000 | 0)), kept), old));
}

/** ROL. */
export const rol: Meaning = (m, form) => {
  const [dst, src] = form.places, a = m.modify(dst), count = countOf(m, src);
  const result = m.rotl(replicate(m, form.size, a), count);
  m.set(dst, result);
  setRotateFlags(m, form, count, carryAndTop(m, form.size, result, result));
};

/** ROR. */
export const ror: Meaning = (m, form) => {
  const [dst, src] = form.places, a = m.modify(dst), count = countOf(m, src);
  const result = m.rotl(replicate(m, form.size, a), m.sub(m.const(0), count));
  m.set(dst, result);
  setRotateFlags(m, form, count, toTop(m, form.size, result)); // CF is the top bit, OF differs by the next
};

/** The operand with CF above its top bit, and the count modulo its size + 1, as 64-bit values. */
function throughCarry<V, W>(m: Machine<V, W>, size: Size, a: V, count: V): { ring: W; turns: V } {
  const carry = m.wideShl(m.wideU(carryFlag(m)), m.wideU(m.const(size)));
  const turns = size === 32 ? count : m.remU(count, m.const(size + 1));
  return { ring: m.wideOr(m.wideU(a), carry), turns };
}

/** RCL. */
export const rcl: Meaning = (m, form) => {
  const { size, places: [dst, src] } = form;
  const a = m.modify(dst),
    count = countOf(m, src),
    { ring, turns } = throughCarry(m, size, a, count);
  const back = m.sub(m.const(size + 1), turns);
  const turned = m.wideOr(m.wideShl(ring, m.wideU(turns)), m.wideShr(ring, m.wideU(back)));
  const result = m.low(turned), out = m.low(m.wideShr(turned, m.wideU(m.const(size))));
  m.set(dst, result);
  setRotateFlags(m, form, count, carryAndTop(m, size, out, result));
};

/** RCR. */
export const rcr: Meaning = (m, form) => {
  const { size, places: [dst, src] } = form;
  const a = m.modify(dst),
    count = countOf(m, src),
    { ring, turns } = throughCarry(m, size, a, count);
  const back = m.sub(m.const(size + 1), turns);
  const turned = m.wideOr(m.wideShr(ring, m.wideU(turns)), m.wideShl(ring, m.wideU(back)));
  const result = m.low(turned), out = m.low(m.wideShr(turned, m.wideU(m.const(size))));
  m.set(dst, result);
  setRotateFlags(m, form, count, carryAndDifference(m, size, out, result));
};

/** The destination followed by what is shifted in, high end first, with `size` bits above it free. */
function joined<V, W>(m: Machine<V, W>, size: Size, high: V, low: V): W {
  return m.wideOr(m.wideShl(m.wideU(high), m.wideU(m.const(size))), m.wideU(low));
}

/** SHLD. A 16-bit count above 16 shifts the destination in again (undefined by the manual). */
export const shld: Meaning = (m, form) => {
  const { size, places: [dst, src, by] } = form;
  const a = m.modify(dst), count = countOf(m, by);
  const pair = joined(m, size, a, m.get(src));
  const long = size === 32 ? pair : m.wideOr(m.wideShl(pair, m.wideU(m.const(16))), m.wideU(a));
  const width = size === 32 ? 64 : 48;
  const result = m.low(m.wideShr(long, m.wideU(m.sub(m.const(width - size), count))));
  const out = m.low(m.wideShr(long, m.wideU(m.sub(m.const(width), count))));
  m.set(dst, result);
  setShiftFlags(m, form, count, result, carryAndTop(m, size, out, result));
};

/** SHRD. A 16-bit count above 16 shifts the destination in again (undefined by the manual). */
export const shrd: Meaning = (m, form) => {
  const { size, places: [dst, src, by] } = form;
  const a = m.modify(dst), count = countOf(m, by), b = m.get(src);
  const pair = joined(m, size, b, a);
  const long = size === 32 ? pair : m.wideOr(pair, m.wideShl(m.wideU(a), m.wideU(m.const(32))));
  const result = m.low(m.wideShr(long, m.wideU(count)));
  const out = m.low(m.wideShr(long, m.wideU(m.sub(count, m.const(1)))));
  m.set(dst, result);
  setShiftFlags(m, form, count, result, carryAndDifference(m, size, out, result));
};
