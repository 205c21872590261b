/** Stimuli of fixtures/isa/moves.trace. Spec: specs/isa/vectors.md. */
import * as s from "./stimuli.ts";
import type { Form, Size, Stimulus } from "./stimuli.ts";

const SIZES: readonly Size[] = [8, 16, 32];
const WORDS: readonly Size[] = [16, 32];
const REGISTERS = [0, 1, 2, 3, 4, 5, 6, 7];
const STACK = 0x200c00;

/** A form whose reg field is a register that holds a random value. */
function withRegister(form: Omit<Form, "reg">, size: Size, memory: boolean): Stimulus {
  const reg = s.random() & 7;
  const registers = new Map<number, number>();
  s.setRegister(registers, reg, size, s.value(size));
  const made = memory ? s.inMemory : s.inRegister;
  return made({ ...form, reg }, s.value(form.size), registers, [s.full(reg, size)]);
}

function* plain(): Generator<Stimulus> {
  for (const size of SIZES) {
    const wide = size === 8 ? 0 : 1;
    for (const direction of [0, 2]) {
      const form = { mnemonic: "mov", opcode: [0x88 | wide | direction], size };
      for (let time = 0; time < 16; time++) yield withRegister(form, size, time % 4 !== 0);
    }
    yield* s.both(() => ({
      mnemonic: "mov",
      opcode: [0xc6 | wide],
      size,
      reg: 0,
      tail: s.little(s.value(size), size),
    }), 5);
    yield* immediates(size);
    yield* absolute(size);
  }
}

function* immediates(size: Size): Generator<Stimulus> {
  const opcode = size === 8 ? 0xb0 : 0xb8;
  for (const register of REGISTERS) {
    const tail = s.little(s.value(size), size);
    yield { mnemonic: "mov", bytes: [...s.prefix(size), opcode | register, ...tail] };
  }
}

/** MOV between the accumulator and an address in the instruction. */
function* absolute(size: Size): Generator<Stimulus> {
  for (const opcode of [0xa0, 0xa2]) {
    for (const short of [false, true]) {
      const address = short ? s.LOW_DATA + (s.random() & 0xff) : s.place();
      const where = s.little(address, short ? 16 : 32);
      const front = [...short ? [0x67] : [], ...s.prefix(size)];
      const bytes = [...front, opcode | (size === 8 ? 0 : 1), ...where];
      yield { mnemonic: "mov", bytes, registers: new Map([[s.EAX, s.random()]]) };
    }
  }
}

function* extensions(): Generator<Stimulus> {
  const forms = [["movzx", 0xb6], ["movsx", 0xbe]] as const;
  for (const [mnemonic, opcode] of forms) {
    for (const [from, to] of [[8, 16], [8, 32], [16, 32], [16, 16]] as const) {
      for (let time = 0; time < 10; time++) {
        const wide = from === 16 ? 1 : 0;
        const form = {
          mnemonic,
          opcode: [0x0f, opcode | wide],
          size: from,
          operandSize: to,
        } as const;
        yield withRegister({ ...form, opcode: [...form.opcode] }, to, time % 2 === 0);
      }
    }
  }
}

/** LEA with every addressing form: what it computes is the address. */
function* addresses(): Generator<Stimulus> {
  for (const size of WORDS) {
    for (const mod of [0, 0x40, 0x80]) {
      for (const rm of REGISTERS) {
        for (let time = 0; time < (rm === 4 ? 12 : 2); time++) yield address32(size, mod | rm);
        yield address16(size, mod | rm);
      }
    }
  }
}

function everyRegister(): Map<number, number> {
  return new Map(REGISTERS.map((register) => [register, s.random()]));
}

function address32(size: Size, modrm: number): Stimulus {
  const sib = s.random() & 0xff;
  const [mod, rm] = [modrm >> 6, modrm & 7];
  const long = mod === 2 || mod === 0 && (rm === 5 || rm === 4 && (sib & 7) === 5);
  const tail = s.little(s.random(), 32).slice(0, long ? 4 : mod);
  const reg = (s.random() & 7) << 3;
  const bytes = [...s.prefix(size), 0x8d, modrm | reg, ...rm === 4 ? [sib] : [], ...tail];
  return { mnemonic: "lea", bytes, registers: everyRegister() };
}

function address16(size: Size, modrm: number): Stimulus {
  const [mod, rm] = [modrm >> 6, modrm & 7];
  const tail = s.little(s.random(), 32).slice(0, mod === 0 && rm === 6 ? 2 : mod);
  const bytes = [0x67, ...s.prefix(size), 0x8d, modrm | (s.random() & 7) << 3, ...tail];
  return { mnemonic: "lea", bytes, registers: everyRegister() };
}

function* exchanges(): Generator<Stimulus> {
  for (const size of SIZES) {
    const wide = size === 8 ? 0 : 1;
    for (let time = 0; time < 12; time++) {
      yield withRegister({ mnemonic: "xchg", opcode: [0x86 | wide], size }, size, time % 2 === 0);
      const added = { mnemonic: "xadd", opcode: [0x0f, 0xc0 | wide], size };
      yield withRegister(added, size, time % 2 === 0);
      yield compare(size, time % 2 === 0, time % 3 === 0);
    }
  }
  for (const size of WORDS) {
    for (const register of REGISTERS) {
      const registers = new Map([[s.EAX, s.random()], [register, s.random()]]);
      const mnemonic = register ? "xchg" : "nop";
      yield { mnemonic, bytes: [...s.prefix(size), 0x90 | register], registers };
    }
  }
}

/** CMPXCHG, with the accumulator equal to the operand or not. */
function compare(size: Size, memory: boolean, equal: boolean): Stimulus {
  const reg = s.pick(size === 8 ? [1, 2, 3, 5, 6, 7] : [1, 2, 3, 5, 6, 7, 4]);
  const operand = s.value(size);
  const registers = new Map<number, number>();
  s.setRegister(registers, s.EAX, size, equal ? operand : s.value(size));
  s.setRegister(registers, reg, size, s.value(size));
  const form = { mnemonic: "cmpxchg", opcode: [0x0f, 0xb0 | (size === 8 ? 0 : 1)], size, reg };
  return (memory ? s.inMemory : s.inRegister)(form, operand, registers, [s.EAX, s.full(reg, size)]);
}

function* compareEight(): Generator<Stimulus> {
  for (let time = 0; time < 16; time++) {
    const low = s.value(32), high = s.value(32);
    const same = time % 2 === 0;
    const registers = new Map([
      [s.EAX, same || time % 4 === 1 ? low : s.value(32)],
      [s.EDX, same || time % 4 === 3 ? high : s.value(32)],
      [s.EBX, s.random()],
      [s.ECX, s.random()],
    ]);
    const front = time % 4 === 0 ? [0xf0] : [];
    const form: Form = { mnemonic: "cmpxchg8b", opcode: [0x0f, 0xc7], size: 32, reg: 1, front };
    const content = [...s.little(low, 32), ...s.little(high, 32)];
    yield s.inMemory(form, content, registers, [s.EAX, s.ECX, s.EDX, s.EBX]);
  }
}

function* pushes(): Generator<Stimulus> {
  for (const size of WORDS) {
    for (const register of REGISTERS) {
      const registers = register === s.ESP ? undefined : new Map([[register, s.random()]]);
      yield { mnemonic: "push", bytes: [...s.prefix(size), 0x50 | register], registers };
      yield { mnemonic: "pop", bytes: [...s.prefix(size), 0x58 | register] };
    }
    for (const bytes of [8, size] as const) {
      for (let time = 0; time < 4; time++) {
        const tail = s.little(s.value(bytes), bytes);
        yield { mnemonic: "push", bytes: [...s.prefix(size), bytes === 8 ? 0x6a : 0x68, ...tail] };
      }
    }
    yield* throughOperand(size);
  }
}

/** PUSH and POP of a ModRM operand; an address by ESP counts after the POP. */
function* throughOperand(size: Size): Generator<Stimulus> {
  for (let time = 0; time < 8; time++) {
    const made = time % 4 ? s.inMemory : s.inRegister;
    yield made({ mnemonic: "push", opcode: [0xff], size, reg: 6 }, s.value(size), new Map(), [
      s.ESP,
    ]);
    yield made({ mnemonic: "pop", opcode: [0x8f], size, reg: 0 }, s.value(size), new Map(), [
      s.ESP,
    ]);
  }
  yield { mnemonic: "push", bytes: [...s.prefix(size), 0xff, 0x74, 0x24, 0x08] };
  yield { mnemonic: "pop", bytes: [...s.prefix(size), 0x8f, 0x44, 0x24, 0x08] };
}

function* frames(): Generator<Stimulus> {
  for (const size of WORDS) {
    const front = s.prefix(size);
    for (let time = 0; time < 3; time++) {
      yield {
        mnemonic: "pusha",
        bytes: [...front, 0x60],
        registers: new Map([[s.EDX, s.random()]]),
      };
      const memory = new Map([[STACK + 8 * time, s.little(s.random(), 32)]]);
      yield { mnemonic: "popa", bytes: [...front, 0x61], memory };
    }
    for (const [bytes, level] of [[0, 0], [16, 0], [0x123, 0], [8, 1], [0, 2], [12, 3], [4, 33]]) {
      yield { mnemonic: "enter", bytes: [...front, 0xc8, bytes & 255, bytes >> 8, level] };
    }
    for (const frame of [0x200a00, 0x200b01, 0x200400]) {
      yield { mnemonic: "leave", bytes: [...front, 0xc9], registers: new Map([[s.EBP, frame]]) };
    }
  }
}

/** Flags that user mode may load: the status flags, DF, AC and ID, and what it must not change. */
function* flagTransfers(): Generator<Stimulus> {
  const wild = () => (s.random() & 0x240ed5 | s.pick([0, 0x3000, 0x4000, 0x200, 0x8028])) >>> 0;
  for (const size of WORDS) {
    for (let time = 0; time < 12; time++) {
      const flags = s.flags() | s.pick([0, s.DF]);
      yield { mnemonic: "pushf", bytes: [...s.prefix(size), 0x9c], flags };
      const memory = new Map([[STACK, s.little(wild(), 32)]]);
      yield { mnemonic: "popf", bytes: [...s.prefix(size), 0x9d], memory };
    }
  }
  for (let time = 0; time < 12; time++) {
    const registers = new Map([[s.EAX, s.random()]]);
    yield { mnemonic: "lahf", bytes: [0x9f], registers };
    yield { mnemonic: "sahf", bytes: [0x9e], registers };
  }
}

/** Sign extension of the accumulator. */
function* conversions(): Generator<Stimulus> {
  const forms = [["cbw", 0x66, 0x98], ["cwde", 0x98], ["cwd", 0x66, 0x99], ["cdq", 0x99]] as const;
  for (const [mnemonic, ...bytes] of forms) {
    for (const low of [0, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0x12348765, 0x80000000, 0x7fffffff]) {
      yield { mnemonic, bytes: [...bytes], registers: new Map([[s.EAX, low]]) };
    }
  }
}

/** XLAT, and segment overrides, which change nothing while segments are flat. */
function* overrides(): Generator<Stimulus> {
  for (const segment of [[], [0x26], [0x2e], [0x36], [0x3e]]) {
    const near = new Map([[s.EBX, s.DATA + 0x500], [s.EAX, s.random()]]);
    yield { mnemonic: "xlat", bytes: [...segment, 0xd7], registers: near };
    const low = new Map([[s.EBX, 0x55557100], [s.EAX, s.random()]]);
    yield { mnemonic: "xlat", bytes: [...segment, 0x67, 0xd7], registers: low };
    yield withRegister({ mnemonic: "mov", opcode: [0x8b], size: 32, front: segment }, 32, true);
  }
}

/** What does nothing: hints, with or without an operand, and prefixes that mean nothing here. */
function* hints(): Generator<Stimulus> {
  for (let opcode = 0x18; opcode <= 0x1f; opcode++) {
    const form = () => ({
      mnemonic: "nop",
      opcode: [0x0f, opcode],
      size: 32 as Size,
      reg: s.random() & 7,
    });
    yield s.inMemory(form(), []);
    if (opcode !== 0x18) yield s.inRegister(form(), s.random());
  }
  const padding = [[0xf3, 0x90], [0x66, 0x66, 0x90], [0xf3, 0x0f, 0x1e, 0xfb], [
    0xf3,
    0x0f,
    0x1e,
    0xfa,
  ]];
  for (const bytes of padding) yield { mnemonic: "nop", bytes };
  const nopw = [0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0];
  for (const more of [[], [0x66], [0x66, 0x66]]) {
    yield { mnemonic: "nop", bytes: [...more, ...nopw] };
  }
}

/** The whole group. */
export function* moves(): Generator<Stimulus> {
  yield* plain();
  yield* extensions();
  yield* addresses();
  yield* exchanges();
  yield* compareEight();
  yield* pushes();
  yield* frames();
  yield* flagTransfers();
  yield* conversions();
  yield* overrides();
  yield* hints();
}
