/** Stimuli of fixtures/isa/shifts.trace. Spec: specs/isa/vectors.md. */
import * as s from "./stimuli.ts";
import type { Form, Size, Stimulus } from "./stimuli.ts";

const SIZES: readonly Size[] = [8, 16, 32];
const SHIFTS: readonly (readonly [string, number])[] = [
  ["rol", 0],
  ["ror", 1],
  ["rcl", 2],
  ["rcr", 3],
  ["shl", 4],
  ["shr", 5],
  ["sar", 7],
];
const COUNTS = [...Array.from({ length: 41 }, (_, count) => count), 0x80, 0xe1, 0xff];

/** What the manual leaves undefined after a shift or rotate by `count`. */
function undefinedAfter(mnemonic: string, size: Size, count: number): number {
  const masked = count & 31;
  if (masked === 0) return 0;
  const overflow = masked === 1 ? 0 : s.OF;
  if (mnemonic[0] === "r") return overflow;
  const carry = mnemonic !== "sar" && mnemonic.length === 3 && masked >= size && size < 32;
  return overflow | s.AF | (carry ? s.CF : 0);
}

function count(registers: Map<number, number>, number: number): Map<number, number> {
  s.setRegister(registers, s.ECX, 8, number);
  return registers;
}

function* byCount(mnemonic: string, reg: number, size: Size, number: number): Generator<Stimulus> {
  const wide = size === 8 ? 0 : 1;
  const immediate: Form = { mnemonic, opcode: [0xc0 | wide], size, reg, tail: [number] };
  const variable: Form = { mnemonic, opcode: [0xd2 | wide], size, reg };
  const unspecified = undefinedAfter(mnemonic, size, number);
  const [first, second] = s.random() & 1 ? [s.inMemory, s.inRegister] : [s.inRegister, s.inMemory];
  yield { ...first(immediate, s.value(size)), unspecified };
  yield { ...second(variable, s.value(size), count(new Map(), number), [s.ECX]), unspecified };
}

function* byOne(mnemonic: string, reg: number, size: Size): Generator<Stimulus> {
  const form: Form = { mnemonic, opcode: [size === 8 ? 0xd0 : 0xd1], size, reg };
  const unspecified = undefinedAfter(mnemonic, size, 1);
  for (const made of s.both(() => form, 6)) yield { ...made, unspecified };
}

/** SHLD and SHRD; a 16-bit operand by more than 16 is undefined altogether and left out. */
function* double(
  mnemonic: string,
  opcode: number,
  size: Size,
  number: number,
): Generator<Stimulus> {
  if ((number & 31) > size) return;
  const unspecified = undefinedAfter(mnemonic, size, number);
  for (const variable of [false, true]) {
    const reg = s.pick([0, 2, 3, 4, 5, 6, 7]);
    const registers = new Map<number, number>();
    s.setRegister(registers, reg, size, s.value(size));
    const tail = variable ? [] : [number];
    const form: Form = { mnemonic, opcode: [0x0f, opcode | (variable ? 1 : 0)], size, reg, tail };
    const made = s.random() & 1 ? s.inMemory : s.inRegister;
    if (variable) count(registers, number);
    yield { ...made(form, s.value(size), registers, [reg, s.ECX]), unspecified };
  }
}

/** SAL, which is SHL by another number. */
function* alias(): Generator<Stimulus> {
  for (const size of SIZES) {
    yield* byOne("shl", 6, size);
    for (const number of [0, 1, 5, size]) yield* byCount("shl", 6, size, number);
  }
}

/** The whole group. */
export function* shifts(): Generator<Stimulus> {
  for (const size of SIZES) {
    for (const [mnemonic, reg] of SHIFTS) {
      yield* byOne(mnemonic, reg, size);
      for (const number of COUNTS) yield* byCount(mnemonic, reg, size, number);
    }
    if (size === 8) continue;
    for (const [mnemonic, opcode] of [["shld", 0xa4], ["shrd", 0xac]] as const) {
      for (const number of COUNTS) yield* double(mnemonic, opcode, size, number);
    }
  }
  yield* alias();
}
