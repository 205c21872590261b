/** Stimuli of native vectors: random operands and hand-made encodings. Spec: specs/isa/vectors.md. */

/** Register numbers as ModRM encodes them. */
export const EAX = 0, ECX = 1, EDX = 2, EBX = 3, ESP = 4, EBP = 5, ESI = 6, EDI = 7;

/** The writable pages that every vector starts with. */
export const DATA = 0x200000, LOW_DATA = 0x7000, LOW_CODE = 0x6000, START = 0x100400;

/** Flags as EFLAGS has them; `ALWAYS` is bit 1 and IF, which user mode cannot clear. */
export const CF = 1, PF = 4, AF = 16, ZF = 64, SF = 128, DF = 0x400, OF = 0x800, ALWAYS = 0x202;
const STATUS = CF | PF | AF | ZF | SF | OF;
const NAMES = ["eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"];

/** Operand size in bits. */
export type Size = 8 | 16 | 32;

/** One instruction and what it starts from. */
export interface Stimulus {
  mnemonic: string;
  bytes: number[];
  /** Register values by number; the others keep their background. */
  registers?: Map<number, number>;
  /** EFLAGS; random status flags where absent. */
  flags?: number;
  /** Bytes laid over the background, by address. */
  memory?: Map<number, number[]>;
  /** EFLAGS bits that the manual leaves undefined. */
  unspecified?: number;
}

let seed = 1;

/** Starts the generator of a group again, so that groups do not depend on each other. */
export function reseed(value: number): void {
  seed = value;
}

/** The next 32 random bits (xorshift32). */
export function random(): number {
  seed ^= seed << 13;
  seed ^= seed >>> 17;
  seed ^= seed << 5;
  return seed >>> 0;
}

/** One of the items. */
export function pick<T>(items: readonly T[]): T {
  return items[random() % items.length];
}

const EDGES: Record<Size, readonly number[]> = {
  8: [0, 1, 2, 0x0f, 0x10, 0x55, 0x7e, 0x7f, 0x80, 0x81, 0xaa, 0xfe, 0xff],
  16: [0, 1, 2, 0xf, 0x10, 0xff, 0x100, 0x7fff, 0x8000, 0x8001, 0xfffe, 0xffff],
  32: [
    0,
    1,
    2,
    0xf,
    0x10,
    0xff,
    0xffff,
    0x7fffffff,
    0x80000000,
    0x80000001,
    0xfffffffe,
    0xffffffff,
  ],
};

/** The edge values of a size. */
export function edges(size: Size): readonly number[] {
  return EDGES[size];
}

/** An edge value two times out of three, a random one otherwise. */
export function value(size: Size): number {
  return random() % 3 ? pick(EDGES[size]) : (random() & mask(size)) >>> 0;
}

/** All ones of a size. */
export function mask(size: Size): number {
  return size === 32 ? 0xffffffff : (1 << size) - 1;
}

/** Random status flags. */
export function flags(): number {
  return ALWAYS | (random() & STATUS);
}

/** The little-endian bytes of a number. */
export function little(number: number, size: Size): number[] {
  return [number & 255, number >>> 8 & 255, number >>> 16 & 255, number >>> 24].slice(0, size / 8);
}

/** The operand size prefix, where one is needed in 32-bit code. */
export function prefix(size: Size): number[] {
  return size === 16 ? [0x66] : [];
}

/** The registers of an operand of this size, in a full register file. */
export function setRegister(
  registers: Map<number, number>,
  number: number,
  size: Size,
  operand: number,
): void {
  const high = size === 8 && number >= 4;
  const full = high ? number - 4 : number;
  const shift = high ? 8 : 0;
  const old = registers.get(full) ?? random();
  registers.set(full, (old & ~(mask(size) << shift) | operand << shift) >>> 0);
  if (size === 32) registers.set(full, operand >>> 0);
}

/** A memory operand: ModRM and what follows, the prefix in front, and the registers it needs. */
export interface Memory {
  prefix: number[];
  bytes: number[];
}

/** Encodes memory at `address` in one of the many ways, with registers that are not `busy`. */
export function memory(
  reg: number,
  address: number,
  registers: Map<number, number>,
  busy: readonly number[],
): Memory {
  if (address < 0x10000 && random() % 4) return memory16(reg, address, registers, busy);
  const free = [0, 1, 2, 3, 5, 6, 7].filter((number) => !busy.includes(number));
  const base = pick(free);
  const index = pick(free.filter((number) => number !== base));
  const build = pick([plain, byte, long, scaled, indexed, stack]);
  return { prefix: [], bytes: build(reg << 3, address, registers, base, index) };
}

type Build = (
  reg: number,
  address: number,
  registers: Map<number, number>,
  base: number,
  index: number,
) => number[];

const plain: Build = (reg, address, registers, base) => {
  if (base === EBP) return [reg | 5, ...little(address, 32)];
  registers.set(base, address);
  return [reg | base];
};

const byte: Build = (reg, address, registers, base) => {
  const displacement = random() << 24 >> 24;
  registers.set(base, (address - displacement) >>> 0);
  return [0x40 | reg | base, displacement & 255];
};

const long: Build = (reg, address, registers, base) => {
  const displacement = random();
  registers.set(base, (address - displacement) >>> 0);
  return [0x80 | reg | base, ...little(displacement, 32)];
};

const scaled: Build = (reg, address, registers, base, index) => {
  const scale = random() & 3, displacement = random() << 24 >> 24, count = random();
  registers.set(index, count);
  registers.set(base, (address - (count << scale) - displacement) >>> 0);
  return [0x44 | reg, scale << 6 | index << 3 | base, displacement & 255];
};

const indexed: Build = (reg, address, registers, _base, index) => {
  const scale = random() & 3, count = random();
  registers.set(index, count);
  return [4 | reg, scale << 6 | index << 3 | 5, ...little(address - (count << scale), 32)];
};

const stack: Build = (reg, address, registers) => {
  const esp = registers.get(ESP) ?? 0x200c00;
  return [0x84 | reg, 0x24, ...little(address - esp, 32)];
};

const BASES16: readonly (readonly number[])[] = [
  [EBX, ESI],
  [EBX, EDI],
  [EBP, ESI],
  [EBP, EDI],
  [ESI],
  [EDI],
  [EBP],
  [EBX],
];

function memory16(
  reg: number,
  address: number,
  registers: Map<number, number>,
  busy: readonly number[],
): Memory {
  const mod = random() % 3;
  const usable = [0, 1, 2, 3, 4, 5, 6, 7].filter((rm) =>
    (mod || rm !== 6) && !BASES16[rm].some((base) => busy.includes(base))
  );
  if (!usable.length || random() % 8 === 0) {
    return { prefix: [0x67], bytes: [reg << 3 | 6, ...little(address, 16)] };
  }
  const rm = pick(usable);
  const displacement = mod === 0 ? 0 : mod === 1 ? random() << 24 >> 24 : random() & 0xffff;
  const rest = BASES16[rm].length === 2 ? random() & 0xffff : 0;
  const [first, second] = BASES16[rm];
  const high = () => random() & 0xffff0000;
  registers.set(first, (high() | (address - displacement - rest) & 0xffff) >>> 0);
  if (second !== undefined) registers.set(second, (high() | rest) >>> 0);
  const tail = little(displacement, 32).slice(0, mod);
  return { prefix: [0x67], bytes: [mod << 6 | reg << 3 | rm, ...tail] };
}

/** An instruction with a ModRM operand, except for that operand. */
export interface Form {
  mnemonic: string;
  opcode: number[];
  /** Size of the ModRM operand. */
  size: Size;
  /** The reg field: a register or an opcode extension. */
  reg: number;
  /** Operand size, where it differs from `size`. */
  operandSize?: Size;
  /** Immediate bytes. */
  tail?: number[];
  /** Prefix bytes, in front of all others. */
  front?: number[];
}

/** The register of which a register of this size is a part. */
export function full(number: number, size: Size): number {
  return size === 8 ? number & 3 : number;
}

/** Completes a form with a register that holds `operand`. */
export function inRegister(
  form: Form,
  operand: number,
  registers: Map<number, number> = new Map(),
  busy: readonly number[] = [],
): Stimulus {
  const rm = pick([0, 1, 2, 3, 4, 5, 6, 7].filter((rm) => !busy.includes(full(rm, form.size))));
  setRegister(registers, rm, form.size, operand);
  const tail = [0xc0 | form.reg << 3 | rm, ...form.tail ?? []];
  const front = [...form.front ?? [], ...prefix(form.operandSize ?? form.size)];
  return { mnemonic: form.mnemonic, bytes: [...front, ...form.opcode, ...tail], registers };
}

/** Completes a form with memory that holds `operand`. */
export function inMemory(
  form: Form,
  operand: number | number[],
  registers: Map<number, number> = new Map(),
  busy: readonly number[] = [],
  address: number = place(),
  displaced = 0,
): Stimulus {
  const where = memory(form.reg, address - displaced, registers, busy);
  const tail = [...where.bytes, ...form.tail ?? []];
  const front = [...form.front ?? [], ...where.prefix, ...prefix(form.operandSize ?? form.size)];
  const content = typeof operand === "number" ? little(operand, form.size) : operand;
  return {
    mnemonic: form.mnemonic,
    bytes: [...front, ...form.opcode, ...tail],
    registers,
    memory: new Map(content.length ? [[address, content]] : []),
  };
}

/** Completes a form both ways, `times` each, with values of its size. */
export function both(form: () => Form, times: number, operand?: () => number): Stimulus[] {
  return Array.from({ length: 2 * times }, (_, time) => {
    const made = form();
    const content = operand ? operand() : value(made.size);
    return (time & 1 ? inMemory : inRegister)(made, content);
  });
}

/** An address where an operand may stand: mostly in the high page, sometimes unaligned. */
export function place(): number {
  const page = random() % 4 ? DATA + 0x100 : LOW_DATA + 0x100;
  return page + (random() % 0x300) & (random() % 3 ? ~3 : ~0);
}

/** The stimulus as the left half of a line. */
export function format(stimulus: Stimulus, stamp: number): string {
  const hex = (bytes: readonly number[]) =>
    bytes.map((byte) => byte.toString(16).padStart(2, "0")).join("");
  const registers = [...stimulus.registers ?? []].sort((a, b) => a[0] - b[0])
    .map(([number, operand]) => `${NAMES[number]}=${(operand >>> 0).toString(16)}`);
  const memory = [...stimulus.memory ?? []].map(([at, bytes]) =>
    `@${at.toString(16)}=${hex(bytes)}`
  );
  const fl = `fl=${(stimulus.flags ?? flags()).toString(16)}`;
  return [stamp, stimulus.mnemonic, hex(stimulus.bytes), ...registers, fl, ...memory].join(" ");
}
