/** Addition, subtraction, logic, multiplication and division. Spec: specs/isa/arithmetic.md. */
import {
  addCarries,
  carryFlag,
  setFlags,
  setLogicFlags,
  setResultFlags,
  subBorrows,
} from "./flags.ts";
import { fixed, type Machine, type Meaning, type Size } from "./machine.ts";
import { AH, AL, DE, EAX, EDX, FLAG_CARRY } from "./registers.ts";

/** ADD. */
export const add: Meaning = (m, { size, places: [dst, src] }) => {
  const a = m.modify(dst), b = m.get(src), sum = m.add(a, b);
  m.set(dst, sum);
  setFlags(m, size, sum, addCarries(m, a, b, sum));
};

/** ADC. */
export const adc: Meaning = (m, { size, places: [dst, src] }) => {
  const a = m.modify(dst), b = m.get(src), sum = m.add(m.add(a, b), carryFlag(m));
  m.set(dst, sum);
  setFlags(m, size, sum, addCarries(m, a, b, sum));
};

/** SUB. */
export const sub: Meaning = (m, { size, places: [dst, src] }) => {
  const a = m.modify(dst), b = m.get(src), difference = m.sub(a, b);
  m.set(dst, difference);
  setFlags(m, size, difference, subBorrows(m, a, b, difference));
};

/** SBB. */
export const sbb: Meaning = (m, { size, places: [dst, src] }) => {
  const a = m.modify(dst), b = m.get(src), difference = m.sub(m.sub(a, b), carryFlag(m));
  m.set(dst, difference);
  setFlags(m, size, difference, subBorrows(m, a, b, difference));
};

/** CMP. */
export const cmp: Meaning = (m, { size, places: [dst, src] }) => {
  compare(m, size, m.get(dst), m.get(src));
};

/** Sets the flags of a - b. */
export function compare<V, W>(m: Machine<V, W>, size: Size, a: V, b: V): void {
  const difference = m.sub(a, b);
  setFlags(m, size, difference, subBorrows(m, a, b, difference));
}

/** AND. */
export const and: Meaning = (m, { size, places: [dst, src] }) => {
  const result = m.and(m.modify(dst), m.get(src));
  m.set(dst, result);
  setLogicFlags(m, size, result);
};

/** OR. */
export const or: Meaning = (m, { size, places: [dst, src] }) => {
  const result = m.or(m.modify(dst), m.get(src));
  m.set(dst, result);
  setLogicFlags(m, size, result);
};

/** XOR. */
export const xor: Meaning = (m, { size, places: [dst, src] }) => {
  const result = m.xor(m.modify(dst), m.get(src));
  m.set(dst, result);
  setLogicFlags(m, size, result);
};

/** TEST. */
export const test: Meaning = (m, { size, places: [dst, src] }) => {
  setLogicFlags(m, size, m.and(m.get(dst), m.get(src)));
};

/** INC: CF is kept. */
export const inc: Meaning = (m, { size, places: [dst] }) => {
  const a = m.modify(dst), one = m.const(1), sum = m.add(a, one);
  m.set(dst, sum);
  stepFlags(m, size, sum, addCarries(m, a, one, sum));
};

/** DEC: CF is kept. */
export const dec: Meaning = (m, { size, places: [dst] }) => {
  const a = m.modify(dst), one = m.const(1), difference = m.sub(a, one);
  m.set(dst, difference);
  stepFlags(m, size, difference, subBorrows(m, a, one, difference));
};

/** All flags but CF by the result; OF stays the difference of the two top bits. */
function stepFlags<V, W>(m: Machine<V, W>, size: Size, result: V, carries: V): void {
  setResultFlags(m, size, result);
  const aligned = size === 32 ? carries : m.shl(carries, m.const(32 - size));
  const changed = m.sar(m.xor(m.register(FLAG_CARRY), aligned), m.const(31));
  const top = m.xor(aligned, m.and(changed, m.const(0xc0000000 | 0)));
  const kept = m.and(top, m.const(0xc0000000 | 0));
  m.setRegister(FLAG_CARRY, m.or(kept, m.and(carries, m.const(8))));
}

/** NEG. */
export const neg: Meaning = (m, { size, places: [dst] }) => {
  const zero = m.const(0), a = m.modify(dst), difference = m.sub(zero, a);
  m.set(dst, difference);
  setFlags(m, size, difference, subBorrows(m, zero, a, difference));
};

/** NOT: no flags. */
export const not: Meaning = (m, { places: [dst] }) => {
  m.set(dst, m.xor(m.modify(dst), m.const(-1)));
};

/** CF = OF = `lost`: the product needs more than the low half. SF, ZF, PF by the low half, AF 0 (undefined by the manual). */
function productFlags<V, W>(m: Machine<V, W>, size: Size, product: V, lost: V): void {
  setResultFlags(m, size, product);
  m.setRegister(FLAG_CARRY, m.shl(lost, m.const(31)));
}

/** Writes a double-width product of 16-bit operands to DX:AX. */
function setDxAx<V, W>(m: Machine<V, W>, product: V): void {
  m.set(fixed(EAX, 16), product);
  m.set(fixed(EDX, 16), m.shr(product, m.const(16)));
}

/** MUL. */
export const mul: Meaning = (m, { size, places: [src] }): void => {
  if (size === 32) return mul32(m, m.wideU(m.register(EAX)), m.wideU(m.get(src)), false);
  const product = m.mul(m.get(fixed(AL, size)), m.get(src));
  if (size === 8) m.set(fixed(EAX, 16), product);
  else setDxAx(m, product);
  productFlags(m, size, product, m.ltU(m.const(2 ** size - 1), product));
};

/** IMUL with one operand. */
export const imul1: Meaning = (m, { size, places: [src] }): void => {
  if (size === 32) return mul32(m, m.wideS(m.register(EAX)), m.wideS(m.get(src)), true);
  const a = m.signExtend(size, m.get(fixed(AL, size))), b = m.signExtend(size, m.get(src));
  const product = m.mul(a, b);
  if (size === 8) m.set(fixed(EAX, 16), product);
  else setDxAx(m, product);
  productFlags(m, size, product, notEqual(m, product, m.signExtend(size, product)));
};

function notEqual<V, W>(m: Machine<V, W>, a: V, b: V): V {
  return m.eq(m.eq(a, b), m.const(0));
}

function mul32<V, W>(m: Machine<V, W>, a: W, b: W, signed: boolean): void {
  const product = m.wideMul(a, b), low = m.low(product);
  const high = m.low(m.wideShr(product, m.wideU(m.const(32))));
  m.setRegister(EAX, low);
  m.setRegister(EDX, high);
  productFlags(m, 32, low, notEqual(m, high, signed ? m.sar(low, m.const(31)) : m.const(0)));
}

/** IMUL with two operands, or three. */
export const imul: Meaning = (m, { size, places }): void => {
  const dst = places[0], a = m.get(places[places.length - 2]), b = m.get(places[places.length - 1]);
  if (size === 32) {
    const product = m.wideMul(m.wideS(a), m.wideS(b)), low = m.low(product);
    m.set(dst, low);
    return productFlags(m, size, low, m.eq(m.wideEq(product, m.wideS(low)), m.const(0)));
  }
  const product = m.mul(m.signExtend(size, a), m.signExtend(size, b));
  m.set(dst, product);
  productFlags(m, size, product, notEqual(m, product, m.signExtend(size, product)));
};

/** DIV; flags are kept (undefined by the manual). */
export const div: Meaning = (m, { size, places: [src] }): void => {
  const divisor = m.get(src);
  m.faultIf(m.eq(divisor, m.const(0)), DE);
  if (size === 32) return div32(m, divisor);
  const dividend = size === 8 ? m.get(fixed(EAX, 16)) : dxAx(m);
  const quotient = m.divU(dividend, divisor);
  m.faultIf(m.ltU(m.const(2 ** size - 1), quotient), DE);
  setQuotient(m, size, quotient, m.remU(dividend, divisor));
};

function dxAx<V, W>(m: Machine<V, W>): V {
  return m.or(m.shl(m.get(fixed(EDX, 16)), m.const(16)), m.get(fixed(EAX, 16)));
}

function edxEax<V, W>(m: Machine<V, W>): W {
  const high = m.wideShl(m.wideU(m.register(EDX)), m.wideU(m.const(32)));
  return m.wideOr(high, m.wideU(m.register(EAX)));
}

function setQuotient<V, W>(m: Machine<V, W>, size: Size, quotient: V, remainder: V): void {
  m.set(fixed(AL, size), quotient);
  m.set(fixed(size === 8 ? AH : EDX, size), remainder);
}

function div32<V, W>(m: Machine<V, W>, divisor: V): void {
  const dividend = edxEax(m), wide = m.wideU(divisor);
  m.faultIf(m.eq(m.ltU(m.register(EDX), divisor), m.const(0)), DE); // the quotient needs 33 bits
  setQuotient(m, 32, m.low(m.wideDivU(dividend, wide)), m.low(m.wideRemU(dividend, wide)));
}

/** IDIV; flags are kept (undefined by the manual). */
export const idiv: Meaning = (m, { size, places: [src] }): void => {
  const divisor = m.signExtend(size, m.get(src));
  m.faultIf(m.eq(divisor, m.const(0)), DE);
  if (size === 32) return idiv32(m, divisor);
  const dividend = size === 8 ? m.signExtend(16, m.get(fixed(EAX, 16))) : dxAx(m);
  const least = m.eq(dividend, m.const(0x80000000 | 0)), minusOne = m.eq(divisor, m.const(-1));
  m.faultIf(m.and(least, minusOne), DE); // the only quotient that a 32-bit division cannot give
  const quotient = m.divS(dividend, divisor);
  m.faultIf(notEqual(m, quotient, m.signExtend(size, quotient)), DE);
  setQuotient(m, size, quotient, m.remS(dividend, divisor));
};

function idiv32<V, W>(m: Machine<V, W>, divisor: V): void {
  const dividend = edxEax(m), wide = m.wideS(divisor);
  const least = m.and(
    m.eq(m.register(EDX), m.const(0x80000000 | 0)),
    m.eq(m.register(EAX), m.const(0)),
  );
  m.faultIf(m.and(least, m.eq(divisor, m.const(-1))), DE);
  const quotient = m.wideDivS(dividend, wide), low = m.low(quotient);
  m.faultIf(m.eq(m.wideEq(quotient, m.wideS(low)), m.const(0)), DE);
  setQuotient(m, 32, low, m.low(m.wideRemS(dividend, wide)));
}

/** CBW, CWDE. */
export const cbw: Meaning = (m, { size }) => {
  const half = size === 32 ? 16 : 8;
  m.set(fixed(EAX, size), m.signExtend(half, m.get(fixed(EAX, half))));
};

/** CWD, CDQ. */
export const cwd: Meaning = (m, { size }) => {
  m.set(fixed(EDX, size), m.sar(m.signExtend(size, m.get(fixed(EAX, size))), m.const(31)));
};
