/**
 * The arithmetic flags as three words, and the sixteen conditions. Spec: specs/isa/flags.md.
 *
 * `zero` and `sign` hold the result, sign-extended from its size; `carry` the carries out of each bit,
 * shifted so that the operand's top bit is bit 31. Every combination of flags can be written down, also
 * those that no result has (ZF and SF both set by POPF).
 */
import { FLAG_CARRY, FLAG_SIGN, FLAG_ZERO } from "./registers.ts";
import type { Form, Machine, Size } from "./machine.ts";

/** SF, ZF and PF by the result; CF, OF and AF by the carries out of each bit of the operand. */
export function setFlags<V, W>(m: Machine<V, W>, size: Size, result: V, carries: V): void {
  setResultFlags(m, size, result);
  const aligned = size === 32
    ? carries
    : m.or(m.shl(carries, m.const(32 - size)), m.and(carries, m.const(8)));
  m.setRegister(FLAG_CARRY, aligned);
}

/** SF, ZF and PF by the result. */
export function setResultFlags<V, W>(m: Machine<V, W>, size: Size, result: V): void {
  const extended = size === 32 ? result : m.signExtend(size, result);
  m.setRegister(FLAG_ZERO, extended);
  m.setRegister(FLAG_SIGN, extended);
}

/** Flags of AND, OR, XOR, TEST: CF = OF = 0, AF = 0 (undefined by the manual). */
export function setLogicFlags<V, W>(m: Machine<V, W>, size: Size, result: V): void {
  setResultFlags(m, size, result);
  m.setRegister(FLAG_CARRY, m.const(0));
}

/** Carries out of each bit of a + b (+ carry). */
export function addCarries<V, W>(m: Machine<V, W>, a: V, b: V, sum: V): V {
  return m.or(m.and(a, b), m.and(m.or(a, b), m.xor(sum, m.const(-1))));
}

/** Borrows out of each bit of a - b (- borrow). */
export function subBorrows<V, W>(m: Machine<V, W>, a: V, b: V, difference: V): V {
  return m.xor(difference, m.and(m.xor(a, b), m.xor(b, difference))); // where a and b differ it is b
}

/** CF as 0 or 1. */
export function carryFlag<V, W>(m: Machine<V, W>): V {
  return m.shr(m.register(FLAG_CARRY), m.const(31));
}

/** Writes CF (0 or 1), all other flags kept. */
export function setCarryFlag<V, W>(m: Machine<V, W>, carry: V): void {
  const old = m.register(FLAG_CARRY);
  const changed = m.sar(m.xor(old, m.shl(carry, m.const(31))), m.const(31));
  m.setRegister(FLAG_CARRY, m.xor(old, m.and(changed, m.const(0xc0000000 | 0)))); // OF is their difference
}

/** Writes CF and bit 30 (CF xor OF) from the top two bits of `top`; AF is kept. */
export function setCarryOverflow<V, W>(m: Machine<V, W>, top: V): void {
  const kept = m.and(m.register(FLAG_CARRY), m.const(8));
  m.setRegister(FLAG_CARRY, m.or(m.and(top, m.const(0xc0000000 | 0)), kept));
}

/** A value whose sign bit is OF. */
function overflowSign<V, W>(m: Machine<V, W>): V {
  const carry = m.register(FLAG_CARRY);
  return m.xor(carry, m.shl(carry, m.const(1)));
}

/** PF as 0 or 1. */
function parity<V, W>(m: Machine<V, W>): V {
  const ones = m.popcnt(m.and(m.register(FLAG_SIGN), m.const(0xff)));
  return m.xor(m.and(ones, m.const(1)), m.const(1));
}

/** The even conditions, each 0 or 1 (Intel SDM vol. 1, appendix B). */
const conditions: readonly (<V, W>(m: Machine<V, W>) => V)[] = [
  (m) => m.shr(overflowSign(m), m.const(31)), // O
  (m) => carryFlag(m), // B
  (m) => m.eq(m.register(FLAG_ZERO), m.const(0)), // Z
  (m) => m.or(carryFlag(m), m.eq(m.register(FLAG_ZERO), m.const(0))), // BE
  (m) => m.shr(m.register(FLAG_SIGN), m.const(31)), // S
  (m) => parity(m), // P
  (m) => m.shr(m.xor(m.register(FLAG_SIGN), overflowSign(m)), m.const(31)), // L
  (m) =>
    m.or(
      m.shr(m.xor(m.register(FLAG_SIGN), overflowSign(m)), m.const(31)),
      m.eq(m.register(FLAG_ZERO), m.const(0)),
    ), // LE
];

/** Suffixes of the conditions, by their number in the opcode. */
export const conditionNames: readonly string[] = [
  "o",
  "no",
  "b",
  "nb",
  "z",
  "nz",
  "be",
  "nbe",
  "s",
  "ns",
  "p",
  "np",
  "l",
  "nl",
  "le",
  "nle",
];

/** Condition 0–15 as 0 or 1. */
export function condition<V, W>(m: Machine<V, W>, number: number): V {
  const even = conditions[number >> 1](m);
  return number & 1 ? m.eq(even, m.const(0)) : even;
}

/** The condition that a form's name ends with, e.g. 4 for `setz`. */
export function conditionOf(form: Form, prefix: string): number {
  return conditionNames.indexOf(form.name.slice(prefix.length));
}
