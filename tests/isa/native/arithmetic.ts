/** Stimuli of fixtures/isa/arithmetic.trace. Spec: specs/isa/vectors.md. */
import * as s from "./stimuli.ts";
import type { Form, Size, Stimulus } from "./stimuli.ts";

const SIZES: readonly Size[] = [8, 16, 32];
const WORDS: readonly Size[] = [16, 32];
const BINARY = ["add", "or", "adc", "sbb", "and", "sub", "xor", "cmp"];
const UNDEFINED: Record<string, number> = { or: s.AF, and: s.AF, xor: s.AF, test: s.AF };
const MULTIPLY = s.SF | s.ZF | s.AF | s.PF;
const DIVIDE = MULTIPLY | s.CF | s.OF;

/** A form whose reg field is a register that holds a value; the registers it has set. */
function withSource(
  mnemonic: string,
  opcode: number[],
  size: Size,
  held: number,
  memory: boolean,
): Stimulus {
  const reg = s.random() & 7;
  const registers = new Map<number, number>();
  s.setRegister(registers, reg, size, held);
  const form = { mnemonic, opcode, size, reg };
  return (memory ? s.inMemory : s.inRegister)(form, s.value(size), registers, [s.full(reg, size)]);
}

/** Every pair of edge values, thinned out, then each form. */
function* binary(): Generator<Stimulus> {
  for (const [number, mnemonic] of BINARY.entries()) {
    for (const size of SIZES) {
      for (const held of s.edges(size)) yield* pairs(mnemonic, number << 3, size, held);
      yield* immediates(mnemonic, number, size);
    }
  }
}

function* pairs(mnemonic: string, opcode: number, size: Size, held: number): Generator<Stimulus> {
  const wide = size === 8 ? 0 : 1;
  for (const memory of [false, true]) {
    for (const direction of [0, 2]) {
      if (memory !== (s.random() % 3 === 0)) continue;
      yield withSource(mnemonic, [opcode | direction | wide], size, held, memory);
    }
  }
}

function* immediates(mnemonic: string, number: number, size: Size): Generator<Stimulus> {
  const wide = size === 8 ? 0 : 1;
  const form = (opcode: number, bytes: Size) => (): Form => ({
    mnemonic,
    opcode: [opcode],
    size,
    reg: number,
    tail: s.little(s.value(bytes), bytes),
  });
  yield* s.both(form(0x80 | wide, size), 4);
  if (wide) yield* s.both(form(0x83, 8), 4);
  yield* accumulator(mnemonic, number << 3 | 4 | wide, size, 4);
}

function* accumulator(
  mnemonic: string,
  opcode: number,
  size: Size,
  times: number,
): Generator<Stimulus> {
  for (let time = 0; time < times; time++) {
    const registers = new Map<number, number>();
    s.setRegister(registers, s.EAX, size, s.value(size));
    const bytes = [...s.prefix(size), opcode, ...s.little(s.value(size), size)];
    yield { mnemonic, bytes, registers };
  }
}

function* test(): Generator<Stimulus> {
  for (const size of SIZES) {
    const wide = size === 8 ? 0 : 1;
    for (const held of s.edges(size)) {
      yield withSource("test", [0x84 | wide], size, held, s.random() % 2 === 0);
    }
    yield* accumulator("test", 0xa8 | wide, size, 5);
    yield* s.both(() => ({
      mnemonic: "test",
      opcode: [0xf6 | wide],
      size,
      reg: 0,
      tail: s.little(s.value(size), size),
    }), 5);
  }
}

const UNARY: readonly (readonly [string, number, number])[] = [
  ["inc", 0xfe, 0],
  ["dec", 0xfe, 1],
  ["not", 0xf6, 2],
  ["neg", 0xf6, 3],
];

function* unary(): Generator<Stimulus> {
  for (const [mnemonic, opcode, reg] of UNARY) {
    for (const size of SIZES) {
      const form = { mnemonic, opcode: [opcode | (size === 8 ? 0 : 1)], size, reg };
      for (const operand of s.edges(size)) yield s.inRegister(form, operand);
      for (let time = 0; time < 6; time++) yield s.inMemory(form, s.value(size));
    }
  }
}

/** INC and DEC with the register in the opcode. */
function* short(): Generator<Stimulus> {
  for (const [mnemonic, opcode] of [["inc", 0x40], ["dec", 0x48]] as const) {
    for (const size of WORDS) {
      for (let register = 0; register < 8; register++) {
        const registers = new Map<number, number>();
        s.setRegister(registers, register, size, s.value(size));
        yield { mnemonic, bytes: [...s.prefix(size), opcode | register], registers };
      }
    }
  }
}

/** One-operand forms: AL, AX or EAX times (or DX:AX … divided by) the operand. */
function* accumulating(): Generator<Stimulus> {
  for (const [mnemonic, reg] of [["mul", 4], ["imul", 5], ["div", 6], ["idiv", 7]] as const) {
    for (const size of SIZES) {
      for (let time = 0; time < 26; time++) {
        yield wide({ mnemonic, opcode: [size === 8 ? 0xf6 : 0xf7], size, reg }, time % 3 === 0);
      }
    }
  }
}

function wide(form: Form, memory: boolean): Stimulus {
  const operand = s.value(form.size);
  const divide = form.reg >= 6;
  const registers = new Map<number, number>();
  s.setRegister(registers, s.EAX, form.size, s.value(form.size));
  const high = divide ? dividend(form, operand) : s.value(form.size);
  s.setRegister(registers, form.size === 8 ? 4 : s.EDX, form.size, high);
  const made = memory ? s.inMemory : s.inRegister;
  return made(form, operand, registers, form.size === 8 ? [s.EAX] : [s.EAX, s.EDX]);
}

/** The upper half of a dividend: mostly small enough for the quotient to fit. */
function dividend(form: Form, divisor: number): number {
  const limit = Math.max(
    1,
    form.reg === 6 ? divisor : Math.floor((divisor & s.mask(form.size - 1 as Size)) / 2),
  );
  const choice = s.random() % 8;
  if (choice === 0) return s.value(form.size);
  if (choice === 1) return divisor;
  const small = s.random() % limit;
  return form.reg === 7 && choice < 5 ? (~small & s.mask(form.size)) >>> 0 : small;
}

/** IMUL with two and three operands. */
function* multiply(): Generator<Stimulus> {
  for (const size of WORDS) {
    for (let time = 0; time < 24; time++) {
      yield withSource("imul", [0x0f, 0xaf], size, s.value(size), time % 3 === 0);
    }
    for (const [opcode, bytes] of [[0x69, size], [0x6b, 8]] as const) {
      yield* s.both(() => ({
        mnemonic: "imul",
        opcode: [opcode],
        size,
        reg: s.random() & 7,
        tail: s.little(s.value(bytes), bytes),
      }), 8);
    }
  }
}

/** LOCK in front of what may have it, and of what may not. */
function* locked(): Generator<Stimulus> {
  for (const mnemonic of ["add", "sbb", "xor", "cmp"]) {
    const made = withSource(mnemonic, [BINARY.indexOf(mnemonic) << 3 | 1], 32, s.value(32), true);
    yield { ...made, bytes: [0xf0, ...made.bytes] };
  }
  for (const [mnemonic, opcode, reg] of UNARY) {
    yield s.inMemory({ mnemonic, opcode: [opcode], size: 8, reg, front: [0xf0] }, s.value(8));
  }
  yield s.inRegister({ mnemonic: "inc", opcode: [0xff], size: 32, reg: 0, front: [0xf0] }, 1);
}

/** Encodings that mean the same as others: 82h for 80h, F6h /1 and F7h /1 for TEST. */
function* aliases(): Generator<Stimulus> {
  for (const [reg, mnemonic] of BINARY.entries()) {
    yield* s.both(() => ({ mnemonic, opcode: [0x82], size: 8, reg, tail: [s.value(8)] }), 1);
  }
  for (const size of SIZES) {
    const opcode = [size === 8 ? 0xf6 : 0xf7];
    const tail = s.little(s.value(size), size);
    yield* s.both(() => ({ mnemonic: "test", opcode, size, reg: 1, tail }), 1);
  }
}

/** The whole group. */
export function* arithmetic(): Generator<Stimulus> {
  for (const made of [...binary(), ...test()]) {
    yield { ...made, unspecified: UNDEFINED[made.mnemonic] };
  }
  yield* unary();
  yield* short();
  for (const made of accumulating()) {
    yield { ...made, unspecified: made.mnemonic.endsWith("div") ? DIVIDE : MULTIPLY };
  }
  for (const made of multiply()) yield { ...made, unspecified: MULTIPLY };
  for (const made of [...locked(), ...aliases()]) {
    yield { ...made, unspecified: UNDEFINED[made.mnemonic] };
  }
}
