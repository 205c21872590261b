/** Decimal adjustment. Spec: specs/isa/decimal.md. */
import { carryFlag, setResultFlags } from "./flags.ts";
import { fixed, type Machine, type Meaning } from "./machine.ts";
import { AH, AL, DE, EAX, FLAG_CARRY } from "./registers.ts";

/** AF as 0 or 1. */
function adjustFlag<V, W>(m: Machine<V, W>): V {
  return m.and(m.shr(m.register(FLAG_CARRY), m.const(3)), m.const(1));
}

/** Writes CF and AF; OF becomes 0 (undefined by the manual). */
function setCarryAdjust<V, W>(m: Machine<V, W>, carry: V, adjust: V): void {
  m.setRegister(FLAG_CARRY, m.or(m.mul(carry, m.const(0xc0000000 | 0)), m.shl(adjust, m.const(3))));
}

/** The low digit of AL is above 9, or AF is set. */
function lowDigitOverflows<V, W>(m: Machine<V, W>, al: V): V {
  return m.or(m.ltU(m.const(9), m.and(al, m.const(15))), adjustFlag(m));
}

/** DAA (sign 1) and DAS (sign -1). */
function packed(sign: 1 | -1): Meaning {
  return (m) => {
    const al = m.get(fixed(AL, 8)), low = lowDigitOverflows(m, al);
    const high = m.or(m.ltU(m.const(0x99), al), carryFlag(m));
    const correction = m.add(m.mul(low, m.const(6)), m.mul(high, m.const(0x60)));
    const result = m.add(al, m.mul(correction, m.const(sign)));
    const borrow = sign === 1 ? high : m.or(high, m.and(low, m.ltU(al, m.const(6)))); // AL - 6 went below zero
    m.set(fixed(AL, 8), result);
    setResultFlags(m, 8, result);
    setCarryAdjust(m, borrow, low);
  };
}

/** DAA. */
export const daa: Meaning = packed(1);
/** DAS. */
export const das: Meaning = packed(-1);

/** AAA (sign 1) and AAS (sign -1): AX moves by 106h where the low digit overflows. */
function unpacked(sign: 1 | -1): Meaning {
  return (m) => {
    const ax = m.get(fixed(EAX, 16)), low = lowDigitOverflows(m, m.get(fixed(AL, 8)));
    const result = m.and(m.add(ax, m.mul(low, m.const(sign * 0x106))), m.const(0xff0f));
    m.set(fixed(EAX, 16), result);
    setResultFlags(m, 8, m.and(result, m.const(0xff))); // undefined by the manual
    setCarryAdjust(m, low, low);
  };
}

/** AAA. */
export const aaa: Meaning = unpacked(1);
/** AAS. */
export const aas: Meaning = unpacked(-1);

/** AAM: AH and AL become quotient and remainder; an immediate of zero is a divide error. */
export const aam: Meaning = (m, { places: [base] }) => {
  const al = m.get(fixed(AL, 8)), divisor = m.get(base);
  m.faultIf(m.eq(divisor, m.const(0)), DE);
  const remainder = m.remU(al, divisor);
  m.set(fixed(AH, 8), m.divU(al, divisor));
  m.set(fixed(AL, 8), remainder);
  setResultFlags(m, 8, remainder);
  m.setRegister(FLAG_CARRY, m.const(0)); // undefined by the manual
};

/** AAD. */
export const aad: Meaning = (m, { places: [base] }) => {
  const result = m.and(
    m.add(m.get(fixed(AL, 8)), m.mul(m.get(fixed(AH, 8)), m.get(base))),
    m.const(0xff),
  );
  m.set(fixed(EAX, 16), result);
  setResultFlags(m, 8, result);
  m.setRegister(FLAG_CARRY, m.const(0)); // undefined by the manual
};
