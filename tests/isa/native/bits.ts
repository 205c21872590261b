/** Stimuli of fixtures/isa/bits.trace. Spec: specs/isa/vectors.md. */
import * as s from "./stimuli.ts";
import type { Form, Size, Stimulus } from "./stimuli.ts";

const WORDS: readonly Size[] = [16, 32];
const BIT_TESTS: readonly (readonly [string, number])[] = [["bt", 4], ["bts", 5], ["btr", 6], [
  "btc",
  7,
]];
/** Names of the sixteen conditions, in the order of their encoding. */
export const CONDITIONS = [
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
const AFTER_BIT_TEST = s.OF | s.SF | s.AF | s.PF;
const AFTER_SCAN = s.OF | s.SF | s.AF | s.PF | s.CF;

function* bitTests(): Generator<Stimulus> {
  for (const [mnemonic, number] of BIT_TESTS) {
    for (const size of WORDS) {
      yield* s.both(() => ({
        mnemonic,
        opcode: [0x0f, 0xba],
        size,
        reg: number,
        tail: [s.random() & 3 ? s.random() % size : s.random() & 255],
      }), 8);
      for (let time = 0; time < 10; time++) yield byRegister(mnemonic, number, size, false);
      for (let time = 0; time < 16; time++) yield byRegister(mnemonic, number, size, true);
    }
  }
}

/** The bit offset in a register: modulo the size, or for memory a signed distance from the address. */
function byRegister(mnemonic: string, number: number, size: Size, inMemory: boolean): Stimulus {
  const reg = s.random() & 7;
  const form: Form = { mnemonic, opcode: [0x0f, 0x83 | number << 3], size, reg };
  const registers = new Map<number, number>();
  const offset = inMemory ? distance() : s.value(size);
  s.setRegister(registers, reg, size, (offset & s.mask(size)) >>> 0);
  if (!inMemory) return s.inRegister(form, s.value(size), registers, [reg]);
  const bytes = (offset >> (size === 16 ? 4 : 5)) * size / 8;
  return s.inMemory(
    form,
    s.value(size),
    registers,
    [reg],
    s.DATA + 0x700 + (s.random() & 63),
    bytes,
  );
}

function distance(): number {
  return s.pick([
    0,
    1,
    15,
    16,
    31,
    32,
    33,
    64,
    -1,
    -8,
    -16,
    -17,
    -32,
    -33,
    -1000,
    1000,
    5000,
    -5000,
  ]);
}

function* scans(): Generator<Stimulus> {
  for (const [mnemonic, opcode] of [["bsf", 0xbc], ["bsr", 0xbd]] as const) {
    for (const size of WORDS) {
      for (const operand of [...s.edges(size), 0, 0x0180, 0x4000, 0x7000]) {
        const reg = s.random() & 7;
        const registers = new Map<number, number>();
        s.setRegister(registers, reg, size, s.value(size));
        const made = s.random() & 1 ? s.inMemory : s.inRegister;
        yield made({ mnemonic, opcode: [0x0f, opcode], size, reg }, operand, registers, [reg]);
      }
    }
  }
}

function* swaps(): Generator<Stimulus> {
  for (let register = 0; register < 8; register++) {
    const registers = new Map([[register, s.random()]]);
    yield { mnemonic: "bswap", bytes: [0x0f, 0xc8 | register], registers };
  }
}

/** Every combination of the five flags that conditions look at. */
export function combinations(): number[] {
  const flags = [s.CF, s.PF, s.ZF, s.SF, s.OF];
  return Array.from(
    { length: 32 },
    (_, set) => flags.reduce((sum, flag, bit) => set >> bit & 1 ? sum | flag : sum, s.ALWAYS),
  );
}

function* sets(): Generator<Stimulus> {
  for (const [number, condition] of CONDITIONS.entries()) {
    const form = {
      mnemonic: `set${condition}`,
      opcode: [0x0f, 0x90 | number],
      size: 8,
      reg: 0,
    } as const;
    for (const flags of combinations()) {
      if (s.random() & 7) yield { mnemonic: form.mnemonic, bytes: [...form.opcode, 0xc0], flags };
      else yield { ...s.inMemory({ ...form, opcode: [...form.opcode] }, 0xa5), flags };
    }
  }
}

function* conditionalMoves(): Generator<Stimulus> {
  for (const [number, condition] of CONDITIONS.entries()) {
    for (let time = 0; time < 12; time++) {
      const size = WORDS[time & 1];
      const reg = s.random() & 7;
      const registers = new Map<number, number>();
      s.setRegister(registers, reg, size, s.value(size));
      const form = { mnemonic: `cmov${condition}`, opcode: [0x0f, 0x40 | number], size, reg };
      yield (time % 3 ? s.inRegister : s.inMemory)(form, s.value(size), registers, [reg]);
    }
  }
}

/** LOCK in front of what may have it. */
function* locked(): Generator<Stimulus> {
  for (const [mnemonic, reg] of BIT_TESTS.slice(1)) {
    const form: Form = { mnemonic, opcode: [0x0f, 0xba], size: 32, reg, tail: [9], front: [0xf0] };
    yield s.inMemory(form, s.value(32));
  }
}

/** The whole group. */
export function* bits(): Generator<Stimulus> {
  for (const made of [...bitTests(), ...locked()]) yield { ...made, unspecified: AFTER_BIT_TEST };
  for (const made of scans()) yield { ...made, unspecified: AFTER_SCAN };
  yield* swaps();
  yield* sets();
  yield* conditionalMoves();
}
