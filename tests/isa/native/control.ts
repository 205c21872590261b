/** Stimuli of fixtures/isa/control.trace and privileged.trace. Spec: specs/isa/vectors.md. */
import { combinations, CONDITIONS } from "./bits.ts";
import * as s from "./stimuli.ts";
import type { Form, Size, Stimulus } from "./stimuli.ts";

const STACK = 0x200c00;

/** A place in the page of INT3 bytes, in a page below 64 KB for 16-bit targets. */
function target(size: Size): number {
  return (size === 16 ? s.LOW_CODE : s.START & ~0xfff) + (s.random() & 0xfff);
}

/** The displacement to a place, after an instruction of `length` bytes. */
function relative(size: Size, length: number): number[] {
  return s.little(target(size) - s.START - length, size);
}

function* conditional(): Generator<Stimulus> {
  for (const [number, condition] of CONDITIONS.entries()) {
    const mnemonic = `j${condition}`;
    for (const flags of combinations()) {
      const distance = s.pick([0x10, 0x7f, 0x80, 0xf0]);
      yield { mnemonic, bytes: [0x70 | number, distance], flags };
    }
    for (const size of [32, 32, 32, 16, 16, 16] as const) {
      const front = [...s.prefix(size), 0x0f, 0x80 | number];
      yield { mnemonic, bytes: [...front, ...relative(size, front.length + size / 8)] };
    }
  }
}

function* loops(): Generator<Stimulus> {
  for (const [mnemonic, opcode] of [["loopne", 0xe0], ["loope", 0xe1], ["loop", 0xe2]] as const) {
    yield* counted(mnemonic, opcode);
  }
  for (const short of [[], [0x67]]) yield* counted(short.length ? "jcxz" : "jecxz", 0xe3, short);
}

function* counted(mnemonic: string, opcode: number, fixed?: number[]): Generator<Stimulus> {
  for (const short of fixed ? [fixed] : [[], [0x67]]) {
    for (const count of [0, 1, 2, 0x10000, 0x10001, 0x80000000, 0xffffffff, 0xabcd0000]) {
      const flags = s.flags();
      const registers = new Map([[s.ECX, count]]);
      yield { mnemonic, bytes: [...short, opcode, s.pick([0x40, 0x80])], flags, registers };
    }
  }
}

function* jumps(): Generator<Stimulus> {
  for (const distance of [0, 1, 0x7f, 0x80]) yield { mnemonic: "jmp", bytes: [0xeb, distance] };
  for (const size of [16, 32] as const) {
    for (const [mnemonic, opcode, reg] of [["jmp", 0xe9, 4], ["call", 0xe8, 2]] as const) {
      for (let time = 0; time < 4; time++) {
        const front = [...s.prefix(size), opcode];
        yield { mnemonic, bytes: [...front, ...relative(size, front.length + size / 8)] };
        const form: Form = { mnemonic, opcode: [0xff], size, reg };
        const made = time % 2 ? s.inMemory : s.inRegister;
        yield made(form, target(size), new Map(), [s.ESP]);
      }
    }
  }
  const memory = new Map([[STACK + 8, s.little(target(32), 32)]]); // ESP counts before the push
  yield { mnemonic: "call", bytes: [0xff, 0x54, 0x24, 0x08], memory };
}

function* returns(): Generator<Stimulus> {
  for (const size of [16, 32] as const) {
    for (const bytes of [[0xc3], [0xc3], [0xc2, 0, 0], [0xc2, 8, 0], [0xc2, 3, 1]]) {
      const memory = new Map([[STACK, s.little(target(size), size)]]);
      yield { mnemonic: "ret", bytes: [...s.prefix(size), ...bytes], memory };
    }
  }
}

function* flagInstructions(): Generator<Stimulus> {
  const forms = [["cmc", 0xf5], ["clc", 0xf8], ["stc", 0xf9], ["cld", 0xfc], [
    "std",
    0xfd,
  ]] as const;
  for (const [mnemonic, opcode] of forms) {
    for (const direction of [0, s.DF]) {
      for (const carry of [0, s.CF]) {
        yield { mnemonic, bytes: [opcode], flags: s.flags() & ~s.CF | direction | carry };
      }
    }
  }
}

/** Prefixes that change nothing: branch hints, REP RET, REP JMP. */
function* prefixed(): Generator<Stimulus> {
  for (const hint of [0x2e, 0x3e]) {
    for (const flags of [0x202, 0x242]) yield { mnemonic: "jz", bytes: [hint, 0x74, 0x20], flags };
  }
  const memory = new Map([[STACK, s.little(target(32), 32)]]);
  yield { mnemonic: "ret", bytes: [0xf3, 0xc3], memory };
  yield { mnemonic: "jmp", bytes: [0xf2, 0xe9, ...relative(32, 6)] };
}

/** Instructions that raise an exception on purpose. */
function* checks(): Generator<Stimulus> {
  for (const overflow of [0, s.OF]) {
    yield { mnemonic: "into", bytes: [0xce], flags: s.flags() & ~s.OF | overflow };
  }
  yield { mnemonic: "ud2", bytes: [0x0f, 0x0b] };
  for (const size of [16, 32] as const) {
    for (const [index, low, high] of [[5, 5, 9], [9, 5, 9], [10, 5, 9], [4, 5, 9], [-3, -3, -3]]) {
      const registers = new Map<number, number>();
      s.setRegister(registers, s.EDX, size, (index & s.mask(size)) >>> 0);
      const content = [...s.little(low, size), ...s.little(high, size)];
      const form: Form = { mnemonic: "bound", opcode: [0x62], size, reg: s.EDX };
      yield s.inMemory(form, content, registers, [s.EDX]);
    }
  }
}

/** The whole group. */
export function* control(): Generator<Stimulus> {
  yield* conditional();
  yield* loops();
  yield* jumps();
  yield* returns();
  yield* flagInstructions();
  yield* checks();
  yield* prefixed();
}

const PRIVILEGED: readonly (readonly [string, ...number[]])[] = [
  ["hlt", 0xf4],
  ["cli", 0xfa],
  ["sti", 0xfb],
  ["in", 0xe4, 0x60],
  ["in", 0xec],
  ["in", 0x66, 0xed],
  ["out", 0xe6, 0x80],
  ["out", 0xee],
  ["out", 0xef],
  ["ins", 0x6c],
  ["outs", 0xf3, 0x6e],
  ["mov", 0x0f, 0x20, 0xc0],
  ["mov", 0x0f, 0x22, 0xd8],
  ["mov", 0x0f, 0x21, 0xc0],
  ["mov", 0x0f, 0x23, 0xf8],
  ["clts", 0x0f, 0x06],
  ["invd", 0x0f, 0x08],
  ["wbinvd", 0x0f, 0x09],
  ["rdmsr", 0x0f, 0x32],
  ["wrmsr", 0x0f, 0x30],
  ["lgdt", 0x0f, 0x01, 0x13],
  ["lidt", 0x0f, 0x01, 0x1b],
  ["lmsw", 0x0f, 0x01, 0xf0],
  ["invlpg", 0x0f, 0x01, 0x3b],
  ["lldt", 0x0f, 0x00, 0xd0],
  ["ltr", 0x0f, 0x00, 0xd8],
];

/** What a program in ring 3 with IOPL 0 must not do. */
export function* privileged(): Generator<Stimulus> {
  for (const [mnemonic, ...bytes] of PRIVILEGED) {
    yield { mnemonic, bytes, registers: new Map([[s.EBX, s.DATA], [s.EAX, 0], [s.EDX, 0x80]]) };
  }
}
