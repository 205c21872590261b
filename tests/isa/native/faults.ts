/** Stimuli of fixtures/isa/faults.trace: accesses to pages that do not exist. Spec: specs/isa/vectors.md. */
import * as s from "./stimuli.ts";
import type { Form, Size, Stimulus } from "./stimuli.ts";

const SIZES: readonly Size[] = [8, 16, 32];
const END = s.DATA + 0x1000;

/** Instructions with a ModRM operand: mnemonic, byte opcode, reg field, immediate bytes. */
const BYTE_FORMS: readonly (readonly [string, number[], number, number])[] = [
  ["add", [0x00], s.EDX, 0],
  ["add", [0x02], s.EDX, 0],
  ["cmp", [0x38], s.EDX, 0],
  ["cmp", [0x80], 7, 1],
  ["xor", [0x80], 6, 1],
  ["test", [0xf6], 0, 1],
  ["inc", [0xfe], 0, 0],
  ["not", [0xf6], 2, 0],
  ["neg", [0xf6], 3, 0],
  ["mul", [0xf6], 4, 0],
  ["div", [0xf6], 6, 0],
  ["mov", [0x88], s.EDX, 0],
  ["mov", [0x8a], s.EDX, 0],
  ["mov", [0xc6], 0, 1],
  ["xchg", [0x86], s.EDX, 0],
  ["shl", [0xc0], 4, 1],
  ["rcr", [0xd0], 3, 0],
  ["sar", [0xd2], 7, 0],
  ["xadd", [0x0f, 0xc0], s.EDX, 0],
  ["cmpxchg", [0x0f, 0xb0], s.EDX, 0],
];

/** The same for instructions that have no byte form. */
const WORD_FORMS: readonly (readonly [string, number[], number, number])[] = [
  ["imul", [0x0f, 0xaf], s.EDX, 0],
  ["cmovo", [0x0f, 0x40], s.EDX, 0],
  ["cmovno", [0x0f, 0x41], s.EDX, 0],
  ["bt", [0x0f, 0xba], 4, 1],
  ["btc", [0x0f, 0xba], 7, 1],
  ["bsf", [0x0f, 0xbc], s.EDX, 0],
  ["shld", [0x0f, 0xa4], s.EDX, 1],
  ["push", [0xff], 6, 0],
  ["pop", [0x8f], 0, 0],
  ["jmp", [0xff], 4, 0],
  ["call", [0xff], 2, 0],
];

function* throughOperand(): Generator<Stimulus> {
  for (const size of SIZES) {
    const words = WORD_FORMS.map(([mnemonic, opcode, reg, bytes]) =>
      ({ mnemonic, opcode, size, reg, tail: [0x23].slice(0, bytes) }) as Form
    );
    const forms = BYTE_FORMS.map(([mnemonic, opcode, reg, bytes]) =>
      wide(mnemonic, opcode, reg, bytes, size)
    );
    for (const form of size === 8 ? forms : [...forms, ...words]) yield* places(form);
  }
}

/** The byte opcode or its neighbour for larger operands. */
function wide(mnemonic: string, opcode: number[], reg: number, bytes: number, size: Size): Form {
  const last = opcode[opcode.length - 1] | (size === 8 ? 0 : 1);
  const long = bytes && !mnemonic.startsWith("sh") ? s.little(5, size) : [5].slice(0, bytes);
  return { mnemonic, opcode: [...opcode.slice(0, -1), last], size, reg, tail: long };
}

/** Behind the page, across its end, across its beginning. */
function* places(form: Form): Generator<Stimulus> {
  const addresses = [END + (s.random() & 0xfff), END - form.size / 8 + 1, s.DATA - 1];
  for (const address of addresses.slice(0, form.size === 8 ? 1 : 3)) {
    const registers = new Map([[s.EDX, s.random()]]);
    yield s.inMemory(form, [], registers, [s.EAX, s.ECX, s.EDX, s.ESP], address);
  }
}

/** PUSH, POP and their kin with ESP where there is no stack. */
function* throughStack(): Generator<Stimulus> {
  const down = [["push", 0x52], ["push", 0x6a, 0x11], ["pushf", 0x9c], [
    "call",
    0xe8,
    0,
    0,
    0,
    0,
  ]] as const;
  const up = [["pop", 0x5a], ["popf", 0x9d], ["ret", 0xc3], ["ret", 0xc2, 4, 0]] as const;
  for (const [mnemonic, ...bytes] of down) {
    for (const esp of [s.DATA, s.DATA + 2, END + 4, END + 2]) yield stack(mnemonic, bytes, esp);
  }
  for (const [mnemonic, ...bytes] of up) {
    for (const esp of [END, END - 2, s.DATA - 4, s.DATA - 2]) yield stack(mnemonic, bytes, esp);
  }
  yield { mnemonic: "leave", bytes: [0xc9], registers: new Map([[s.EBP, END]]) };
  yield { mnemonic: "leave", bytes: [0xc9], registers: new Map([[s.EBP, END - 2]]) };
}

function stack(mnemonic: string, bytes: readonly number[], esp: number): Stimulus {
  return { mnemonic, bytes: [...bytes], registers: new Map([[s.ESP, esp]]) };
}

const STRINGS: readonly (readonly [string, number, boolean, boolean])[] = [
  ["movs", 0xa4, true, true],
  ["cmps", 0xa6, true, true],
  ["stos", 0xaa, false, true],
  ["lods", 0xac, true, false],
  ["scas", 0xae, false, true],
];

/** String instructions that run out of their page: what was done stays done. */
function* strings(): Generator<Stimulus> {
  for (const [mnemonic, opcode, source, target] of STRINGS) {
    for (const size of SIZES) {
      for (const down of [false, true]) {
        for (
          const out of [source ? [s.ESI] : [], target ? [s.EDI] : []].filter((list) => list.length)
        ) {
          yield* string({ mnemonic, opcode, size, down, out: out[0] });
        }
      }
    }
  }
}

interface Run {
  mnemonic: string;
  opcode: number;
  size: Size;
  down: boolean;
  out: number;
}

const STATUS = s.CF | s.PF | s.AF | s.ZF | s.SF | s.OF;
const SEVENS = Array(32).fill(7), MORE_SEVENS = Array(96).fill(7);
/** Equal bytes at both strings, for runs that go up and down. */
const EQUAL_UP: [number, number[]][] = [[s.DATA + 0x4e0, MORE_SEVENS], [END - 32, SEVENS]];
const EQUAL_DOWN: [number, number[]][] = [[s.DATA, SEVENS], [s.DATA + 0x4e0, MORE_SEVENS]];

/** Once, and three elements and a bit before the page ends. */
function* string({ mnemonic, opcode, size, down, out }: Run): Generator<Stimulus> {
  const step = size / 8;
  const bytes = [...s.prefix(size), opcode | (size === 8 ? 0 : 1)];
  const flags = s.flags() | (down ? s.DF : 0);
  const outside = down ? s.DATA - step : END;
  yield { mnemonic, bytes, flags, registers: new Map([[out, outside]]) };
  const edge = down ? s.DATA + 2 * step + (step >> 1) : END - 3 * step - (step >> 1);
  const other = out === s.ESI ? s.EDI : s.ESI;
  const registers = new Map([[s.ECX, 9], [out, edge], [other, s.DATA + 0x500]]);
  const repeat = mnemonic === "scas" ? 0xf2 : 0xf3;
  if (mnemonic === "scas") registers.set(s.EAX, 0x5a5a5a5a);
  const compares = mnemonic === "cmps" || mnemonic === "scas";
  const memory = mnemonic === "cmps" ? new Map(down ? EQUAL_DOWN : EQUAL_UP) : undefined;
  const unspecified = compares ? STATUS : undefined;
  yield { mnemonic, bytes: [repeat, ...bytes], flags, registers, memory, unspecified };
}

/** Other ways to memory. */
function* others(): Generator<Stimulus> {
  yield { mnemonic: "xlat", bytes: [0xd7], registers: new Map([[s.EBX, END], [s.EAX, 5]]) };
  yield { mnemonic: "mov", bytes: [0xa1, ...s.little(END - 2, 32)] };
  yield { mnemonic: "mov", bytes: [0xa3, ...s.little(END - 2, 32)] };
  yield s.inMemory({ mnemonic: "setz", opcode: [0x0f, 0x94], size: 8, reg: 0 }, [], new Map(), [
    s.ESP,
  ], END);
  for (const [address, reg] of [[END, 1], [END - 4, 1]]) {
    const busy = [s.EAX, s.EBX, s.ECX, s.EDX, s.ESP];
    yield s.inMemory(
      { mnemonic: "cmpxchg8b", opcode: [0x0f, 0xc7], size: 32, reg },
      [],
      new Map(),
      busy,
      address,
    );
  }
  const bits = new Map([[s.ECX, 0x8000]]); // the bit lies 4 KB further
  const busy = [s.ECX, s.ESP];
  for (const [mnemonic, opcode] of [["bt", 0xa3], ["btr", 0xb3]] as const) {
    const form: Form = { mnemonic, opcode: [0x0f, opcode], size: 32, reg: s.ECX };
    yield s.inMemory(form, [], new Map(bits), busy, s.DATA + 0x100);
  }
  yield s.inMemory({ mnemonic: "bound", opcode: [0x62], size: 32, reg: s.EDX }, [], new Map(), [
    s.EDX,
    s.ESP,
  ], END - 4);
}

/** Jumps to where nothing is: the jump is done, the fetch faults. */
function* fetches(): Generator<Stimulus> {
  yield { mnemonic: "jmp", bytes: [0xe9, ...s.little(0x2000, 32)] };
  yield { mnemonic: "jmp", bytes: [0xff, 0xe2], registers: new Map([[s.EDX, 0x500000]]) };
  yield { mnemonic: "call", bytes: [0xe8, ...s.little(0x2000, 32)] };
  yield { mnemonic: "ret", bytes: [0xc3], memory: new Map([[0x200c00, s.little(0x500000, 32)]]) };
}

/** The whole group. */
export function* faults(): Generator<Stimulus> {
  yield* throughOperand();
  yield* throughStack();
  yield* strings();
  yield* others();
  yield* fetches();
}
