/** Stimuli of fixtures/isa/decimal.trace. Spec: specs/isa/vectors.md. */
import * as s from "./stimuli.ts";
import type { Stimulus } from "./stimuli.ts";

const LOW = [0x00, 0x05, 0x09, 0x0a, 0x0f, 0x10, 0x18, 0x25, 0x3c, 0x59, 0x60, 0x6a, 0x79, 0x7f];
const HIGH = [0x80, 0x8b, 0x90, 0x93, 0x99, 0x9a, 0x9f, 0xa0, 0xaa, 0xc7, 0xe5, 0xf0, 0xf9, 0xff];
const DIGITS = s.OF | s.SF | s.ZF | s.PF;
const ADJUSTS: readonly (readonly [string, number, number])[] = [
  ["daa", 0x27, s.OF],
  ["das", 0x2f, s.OF],
  ["aaa", 0x37, DIGITS],
  ["aas", 0x3f, DIGITS],
];

function* adjusts(): Generator<Stimulus> {
  for (const [mnemonic, opcode, unspecified] of ADJUSTS) {
    for (const al of [...LOW, ...HIGH]) {
      for (const carries of [0, s.AF, s.CF, s.AF | s.CF]) {
        const flags = s.flags() & ~(s.AF | s.CF) | carries;
        const registers = new Map([[s.EAX, (s.random() & 0xffffff00 | al) >>> 0]]);
        yield { mnemonic, bytes: [opcode], registers, flags, unspecified };
      }
    }
  }
}

/** AAM and AAD with any base; AAM with 0 is a divide error. */
function* bases(): Generator<Stimulus> {
  for (const [mnemonic, opcode] of [["aam", 0xd4], ["aad", 0xd5]] as const) {
    for (const base of [10, 10, 10, 0, 1, 2, 8, 16, 0x7f, 0x80, 0xff]) {
      for (let time = 0; time < 4; time++) {
        const registers = new Map([[s.EAX, s.random()]]);
        yield { mnemonic, bytes: [opcode, base], registers, unspecified: s.OF | s.AF | s.CF };
      }
    }
  }
}

/** The whole group. */
export function* decimal(): Generator<Stimulus> {
  yield* adjusts();
  yield* bases();
}
