/** Bit tests, bit scans, conditional bytes and moves. Spec: specs/isa/bits.md. */
import { condition, conditionOf, setCarryFlag } from "./flags.ts";
import type { Form, Machine, Meaning } from "./machine.ts";
import { FLAG_ZERO } from "./registers.ts";

/** What BT, BTS, BTR or BTC leaves of the operand. */
type Change = <V, W>(m: Machine<V, W>, value: V, mask: V) => V;

/** A bit test with an optional change; flags but CF are kept (undefined by the manual). */
function bitTest(change?: Change): Meaning {
  return (m, form) => {
    const [dst, src] = form.places;
    if (dst.kind === "memory" && src.kind === "register") return bitString(m, form, change);
    const index = m.and(m.get(src), m.const(form.size - 1));
    const value = change ? m.modify(dst) : m.get(dst);
    if (change) m.set(dst, change(m, value, m.shl(m.const(1), index)));
    setCarryFlag(m, m.and(m.shr(value, index), m.const(1)));
  };
}

/** A register index reaches beyond a memory operand: its upper bits, signed, count whole operands. */
function bitString<V, W>(m: Machine<V, W>, form: Form, change?: Change): void {
  const { size, places: [, src] } = form;
  const offset = m.signExtend(size, m.get(src)), index = m.and(offset, m.const(size - 1));
  const linear = form.flat ? m.add(m.address(), bitOperand(m, form, offset)) : m.address();
  if (change) m.probe(size / 8, linear);
  const value = m.load(size, linear);
  if (change) m.store(size, linear, change(m, value, m.shl(m.const(1), index)));
  setCarryFlag(m, m.and(m.shr(value, index), m.const(1)));
}

/** Bytes from the memory operand to the one that holds bit `offset`. */
export function bitOperand<V, W>(m: Machine<V, W>, { size }: Form, offset: V): V {
  const [log, bytesLog] = size === 32 ? [5, 2] : [4, 1];
  return m.shl(m.sar(offset, m.const(log)), m.const(bytesLog));
}

/** BT. */
export const bt: Meaning = bitTest();
/** BTS. */
export const bts: Meaning = bitTest((m, value, mask) => m.or(value, mask));
/** BTR. */
export const btr: Meaning = bitTest((m, value, mask) => m.and(value, m.xor(mask, m.const(-1))));
/** BTC. */
export const btc: Meaning = bitTest((m, value, mask) => m.xor(value, mask));

/** BSF: the destination is kept for a zero source; flags but ZF are kept (both undefined by the manual). */
export const bsf: Meaning = (m, { places: [dst, src] }) => {
  const value = m.get(src);
  m.set(dst, m.select(value, m.ctz(value), m.get(dst)));
  m.setRegister(FLAG_ZERO, value);
};

/** BSR: as {@link bsf}. */
export const bsr: Meaning = (m, { places: [dst, src] }) => {
  const value = m.get(src);
  m.set(dst, m.select(value, m.sub(m.const(31), m.clz(value)), m.get(dst)));
  m.setRegister(FLAG_ZERO, value);
};

/** BSWAP; of a 16-bit register it leaves zero (undefined by the manual). */
export const bswap: Meaning = (m, { size, places: [dst] }): void => {
  if (size === 16) return m.set(dst, m.const(0));
  const value = m.get(dst), mask = m.const(0xff00ff);
  const even = m.rotl(m.and(value, mask), m.const(24)); // bytes 0 and 2 to 3 and 1
  const odd = m.and(m.rotl(value, m.const(8)), mask); // bytes 1 and 3 to 2 and 0
  m.set(dst, m.or(even, odd));
};

/** SETcc. */
export const set: Meaning = (m, form) => {
  m.set(form.places[0], condition(m, conditionOf(form, "set")));
};

/** CMOVcc: the source is read, and may fault, whatever the condition. */
export const cmov: Meaning = (m, form) => {
  const [dst, src] = form.places, value = m.get(src);
  m.set(dst, m.select(condition(m, conditionOf(form, "cmov")), value, m.get(dst)));
};
