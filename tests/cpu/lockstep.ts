/**
 * Random single instructions through the concrete machine and the printed interpreter: same registers, flags,
 * memory and faults. The concrete machine's memory is a model of its own, with pages that are absent or
 * read-only, so that faults are compared, too.
 */
import type { Instruction } from "../../isa/instruction.ts";
import type { Row } from "../../isa/row.ts";
import { rows } from "../../isa/rows.ts";
import { Cpu, type CpuOptions } from "../../cpu/cpu.ts";
import { decode } from "../../cpu/decode.ts";
import { Fault } from "../../cpu/fault.ts";
import { addressKey, addressOf, formKey, formOf, needsAddress } from "../../cpu/form.ts";
import { setSegment } from "../../cpu/segments.ts";
import { allocateMemory, RAM_BASE } from "../../cpu/state.ts";
import type { Random } from "../random.ts";
import { concrete, type UndoableMemory } from "./model.ts";

const RAM_BYTES = 1 << 20, PAGES = RAM_BYTES >> 12;
const DIRECTORY = 0x1000, TABLE = 0x2000, CODE = 0x3000, DATA = 0x10000;
const REGISTER_BYTES = 256;
const PRESENT = 1, WRITABLE = 2, ACCESSED = 0x20, DIRTY = 0x40;
const ADDRESS = 36, EFLAGS = 52; // specs/cpu/state.md

/** How segments stand: flat, or with bases and limits of their own. */
export type Segments = "flat" | "general";

/** One comparison's verdict. */
export interface Result {
  readonly text: string;
  /** Keys of the forms that were executed. */
  readonly keys: readonly string[];
  /** What differs, or undefined. */
  readonly difference: string | undefined;
  /** It faulted in both. */
  readonly faulted: boolean;
}

/** Both machines, and what they work on. */
export class Lockstep {
  readonly #cpu: Cpu;
  readonly #random: Random;
  readonly #ram: Uint8Array;
  #delivered: Fault | undefined;

  /** Machines over fresh memory; `interpreter` replaces the committed one. */
  constructor(random: Random, interpreter?: CpuOptions["interpreter"]) {
    const memory = allocateMemory(RAM_BYTES);
    this.#random = random;
    this.#cpu = new Cpu({
      memory,
      ramBytes: RAM_BYTES,
      ports: { read: () => 0, write: () => {} },
      acknowledge: () => 0,
      hooks: { delivered: (vector, code) => this.#delivered ??= new Fault(vector, code) },
      interpreter,
    });
    this.#ram = new Uint8Array(memory.buffer, RAM_BASE, RAM_BYTES);
    for (let at = DATA; at < RAM_BYTES; at++) this.#ram[at] = random.below(256);
    this.#mapPages();
  }

  /** Identity mapping with holes and read-only pages above the code. */
  #mapPages(): void {
    const words = new Uint32Array(this.#ram.buffer, RAM_BASE, RAM_BYTES / 4);
    words[DIRECTORY / 4] = TABLE | PRESENT | WRITABLE | ACCESSED;
    for (let page = 0; page < PAGES; page++) {
      const kind = pageKind(page);
      const flags = kind === ABSENT
        ? 0
        : kind === READ_ONLY
        ? PRESENT | ACCESSED
        : PRESENT | WRITABLE | ACCESSED | DIRTY;
      words[TABLE / 4 + page] = page << 12 | flags;
    }
    const { state } = this.#cpu;
    state.set(308, DIRECTORY); // CR3
    state.set(300, 0x80010001); // CR0: PG, WP, PE
  }

  /** Executes one random instruction of the row in both machines. */
  step(row: Row, segments: Segments): Result {
    const random = this.#random, { state } = this.#cpu;
    this.#randomState(segments);
    const eip = CODE + random.below(64);
    const instruction = this.#place(row, eip);
    if (instruction.row !== row) {
      return { text: row.text, keys: [], difference: undefined, faulted: false };
    }
    const flat = segments === "flat", memory = new ModelMemory(this.#ram);
    const registers = new DataView(state.bytes.slice(0, REGISTER_BYTES).buffer);
    const expected = concrete(instruction, flat, registers, memory);
    this.#delivered = undefined;
    state.eip = eip;
    this.#cpu.changed();
    this.#cpu.run(this.#cpu.retired + 1);
    const fault = this.#delivered as Fault | undefined;
    const difference = compareFaults(expected, fault) ??
      this.#compare(typeof expected === "number" ? expected : eip, registers, memory, !!fault);
    const keys = keysOf(instruction, flat);
    return { text: `${row.text} at ${hex(eip)}`, keys, difference, faulted: fault !== undefined };
  }

  /** Registers that mostly point into RAM, all flags, segments. */
  #randomState(segments: Segments): void {
    const random = this.#random, { state } = this.#cpu;
    for (let i = 0; i < 8; i++) {
      state.setRegister(
        i,
        random.oneIn(3) ? random.pick(EDGES) : DATA + random.below(RAM_BYTES - 0x20000),
      );
    }
    state.eflags = random.u32() & 0xcd5 | 2; // arithmetic flags and DF; IF and TF off
    state.set(ADDRESS, 0xdeadbeef);
    for (let segment = 0; segment < 6; segment++) {
      setSegment(state, segment, this.#segment(segment, segments));
    }
    state.set(364, 0); // CPL
  }

  #segment(segment: number, segments: Segments): Parameters<typeof setSegment>[2] {
    const random = this.#random,
      isCode = segment === 1,
      rights = isCode ? 1 : random.oneIn(8) ? 1 : 3;
    const attributes = isCode ? 0xcf9a00 : 0xcf9200;
    if (segments === "flat" && segment < 4) {
      return {
        selector: 8,
        base: 0,
        limit: 0xffffffff,
        first: 0,
        span: 0xffffffff,
        rights: isCode ? 1 : 3,
        attributes,
      };
    }
    const base = isCode ? 0 : random.below(0x8000),
      limit = isCode || random.oneIn(6) ? 0xffffffff : 0x10000 + random.below(0xf0000);
    const big = segment === 2 && random.oneIn(2) ? 0 : 0x400000;
    return {
      selector: 8,
      base,
      limit,
      first: 0,
      span: limit,
      rights,
      attributes: attributes & ~0x400000 | (isCode ? 0x400000 : big),
    };
  }

  /** Writes a random instruction of the row at `eip`, and decodes it. */
  #place(row: Row, eip: number): Instruction {
    const bytes = encode(row, this.#random);
    this.#ram.set(bytes, eip);
    return decode(this.#ram, eip, eip + 32, eip, true)!;
  }

  #compare(
    eip: number,
    registers: DataView,
    memory: ModelMemory,
    fault: boolean,
  ): string | undefined {
    const { state } = this.#cpu;
    if (state.eip !== eip) return `EIP is ${hex(state.eip)}, expected ${hex(eip)}`;
    for (let offset = 0; offset < EFLAGS + 4; offset += 4) {
      const actual = state.get(offset), expected = registers.getUint32(offset, true);
      if (offset === ADDRESS && fault) continue; // no register, but the address operation's result
      if (actual !== expected) return `word ${offset} is ${hex(actual)}, expected ${hex(expected)}`;
    }
    return memory.compare();
  }
}

const ABSENT = 3, READ_ONLY = 4;

/** Every fifth page is absent, every fifth read-only; the page tables are not mapped, and low memory is plain. */
function pageKind(page: number): number {
  if (page === DIRECTORY >> 12 || page === TABLE >> 12) return ABSENT;
  return page < DATA >> 12 ? 0 : page % 5;
}

const EDGES = [
  0,
  1,
  2,
  0x7f,
  0x80,
  0xff,
  0x7fff,
  0x8000,
  0xffff,
  0x7fffffff,
  0x80000000,
  0xffffffff,
  0x12345678,
];

/** Keys of the form, and of the address operation before it. */
function keysOf(instruction: Instruction, flat: boolean): string[] {
  const key = formKey(formOf(instruction, flat));
  return needsAddress(instruction, flat) ? [key, addressKey(addressOf(instruction))] : [key];
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}

function compareFaults(
  expected: Fault | number | undefined,
  actual: Fault | undefined,
): string | undefined {
  const text = (it: Fault | number | undefined) =>
    it instanceof Fault ? `fault ${it.vector} code ${it.code}` : "no fault";
  return text(expected) === text(actual)
    ? undefined
    : `${text(actual)}, expected ${text(expected)}`;
}

/** A random encoding of the row. */
export function encode(row: Row, random: Random): number[] {
  const bytes: number[] = [], wide = !random.oneIn(3), long = !random.oneIn(4);
  if (!wide) bytes.push(0x66);
  if (!long) bytes.push(0x67);
  if (random.oneIn(6)) bytes.push(random.pick([0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65]));
  if (/^(movs|cmps|stos|lods|scas)$/.test(row.mnemonic)) {
    bytes.push(...random.pick([[], [0xf2], [0xf3]]));
  }
  bytes.push(...row.opcode);
  if (row.plus) bytes[bytes.length - 1] += random.below(8);
  if (row.modrm) bytes.push(...modrm(row, random, long));
  for (let i = 0; i < 8; i++) {
    bytes.push(random.oneIn(3) ? random.pick([0, 1, 0x7f, 0x80, 0xff, 31]) : random.below(256));
  }
  if (row.mnemonic === "enter") bytes.splice(bytes.indexOf(0xc8) + 3, 1, 0);
  return bytes;
}

function modrm(row: Row, random: Random, long: boolean): number[] {
  const memoryOnly = row.operands.some((kind) => /^m($|\d|v|p)/.test(kind));
  const mod = memoryOnly ? random.below(3) : random.below(4),
    reg = row.digit < 0 ? random.below(8) : row.digit;
  const rm = random.below(8), bytes = [mod << 6 | reg << 3 | rm];
  if (!long || mod === 3) return bytes;
  if (rm === 4) {
    bytes.push(random.oneIn(2) ? 0x20 | random.below(8) : random.below(64) & 0x3f | 0x00);
  }
  if (mod === 2) bytes.push(random.below(256), random.below(256), 0, 0); // a displacement that stays near
  else if (mod === 0 && rm === 5) {
    bytes.push(random.below(256), random.below(256), random.below(16), 0);
  }
  return bytes;
}

/** Memory as the page table of {@link Lockstep} maps it. Writes are kept aside; the machine makes them itself. */
class ModelMemory implements UndoableMemory {
  readonly #ram: Uint8Array;
  readonly #written = new Map<number, number>();

  constructor(ram: Uint8Array) {
    this.#ram = ram;
  }

  #check(linear: number, bytes: number, write: boolean): void {
    for (const at of [linear, linear + bytes - 1].map((it) => it % 2 ** 32)) {
      const page = Math.floor(at / 4096), kind = pageKind(page);
      const present = page < PAGES && kind !== ABSENT;
      if (!present || (write && kind === READ_ONLY)) {
        throw new Fault(14, (present ? 1 : 0) | (write ? 2 : 0));
      }
    }
  }

  read(linear: number, bytes: number): number {
    this.#check(linear, bytes, false);
    let value = 0;
    for (let i = 0; i < bytes; i++) value += this.#byte((linear + i) % 2 ** 32) * 2 ** (8 * i);
    return value;
  }

  #byte(at: number): number {
    return this.#written.get(at) ?? this.#original(at);
  }

  /** Device memory, A0000h to BFFFFh, lies before RAM in the machine's memory. */
  #original(at: number): number {
    if (at < 0xa0000 || at >= 0xc0000) return this.#ram[at];
    return new Uint8Array(this.#ram.buffer)[0x2000000 + at - 0xa0000];
  }

  write(linear: number, bytes: number, value: number): void {
    this.#check(linear, bytes, true);
    for (let i = 0; i < bytes; i++) {
      this.#written.set((linear + i) % 2 ** 32, Math.floor(value / 2 ** (8 * i)) & 0xff);
    }
  }

  probeWrite(linear: number, bytes: number): void {
    this.#check(linear, bytes, true);
  }

  /** What was written must be as before. */
  undo(): void {
    for (const at of this.#written.keys()) this.#written.set(at, this.#original(at));
  }

  /** Compares what was written with the machine's memory. */
  compare(): string | undefined {
    for (const [at, byte] of this.#written) {
      const actual = this.#original(at);
      if (actual !== byte) return `byte at ${hex(at)} is ${hex(actual)}, expected ${hex(byte)}`;
    }
    return undefined;
  }
}

/** Rows with a meaning. */
export const meaningfulRows: readonly Row[] = rows.filter((row) => row.meaning !== undefined);
