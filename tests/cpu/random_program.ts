/**
 * Random programs in ring 3, through the concrete machine and the processor. Every page starts unmapped and is
 * mapped, first often without the right to write, when a page fault asks for it. Programs reach all addresses,
 * their own code too, so instructions are overwritten, begun in the middle and cut by page ends.
 */
import type { Instruction } from "../../isa/instruction.ts";
import { decode } from "../../cpu/decode.ts";
import { Fault } from "../../cpu/fault.ts";
import { packFlags } from "../../cpu/state.ts";
import { setSegment } from "../../cpu/segments.ts";
import type { Random } from "../random.ts";
import { encode, meaningfulRows } from "./lockstep.ts";
import { concrete, type UndoableMemory } from "./model.ts";
import { HANDLERS, KERNEL_STACK, Program, RAM, TABLE } from "./program.ts";

const FIRST_PAGE = 0x10, LAST_PAGE = 0x40; // of ring 3
const RAM_BYTES = LAST_PAGE << 12;
const CODE_START = 0x11f80, CODE_END = 0x12080, DATA_START = 0x10100;
const CR2 = 304;
const LONGEST = 15;
const PRESENT = 1, WRITABLE = 2, USER = 4;
const ERROR_PRESENT = 1, ERROR_WRITE = 2, ERROR_USER = 4;
const FLAG_ZERO = 40, FLAG_SIGN = 44, FLAG_CARRY = 48, EFLAGS = 52;
const ARITHMETIC = 0x8d5, DF = 0x400, RF = 0x10000;
const HANDLER_INSTRUCTIONS = 3;

/** A page fault, and the state of the program when it happened. */
interface Stumble {
  /** What is compared: count, error code, CR2, EIP, EFLAGS, registers. */
  readonly seen: readonly number[];
  readonly page: number;
  /** The rights before, and the page table entry that the handler writes. */
  readonly rights: number;
  readonly entry: number;
}

/** Memory as the model of the page table maps it. */
class PagedMemory implements UndoableMemory {
  readonly rights: Uint8Array = new Uint8Array(LAST_PAGE);
  /** The address of the last fault. */
  faultAddress = 0;
  #old: [at: number, byte: number][] = [];

  readonly view: DataView;

  constructor(readonly bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer);
  }

  begin(): void {
    this.#old = [];
  }

  check(linear: number, bytes: number, write: boolean): void {
    const last = (linear + bytes - 1) % 2 ** 32;
    this.#checkPage(linear, write);
    if (last >>> 12 !== linear >>> 12) this.#checkPage((last & ~0xfff) >>> 0, write);
  }

  #checkPage(linear: number, write: boolean): void {
    const rights = this.rights[linear >>> 12] ?? 0;
    if (rights & PRESENT && (!write || rights & WRITABLE)) return;
    this.faultAddress = linear;
    const present = rights & PRESENT ? ERROR_PRESENT : 0;
    throw new Fault(14, present | (write ? ERROR_WRITE : 0) | ERROR_USER);
  }

  read(linear: number, bytes: number): number {
    this.check(linear, bytes, false);
    let value = 0;
    for (let i = 0; i < bytes; i++) value += this.bytes[linear + i] * 2 ** (8 * i);
    return value;
  }

  write(linear: number, bytes: number, value: number): void {
    this.check(linear, bytes, true);
    for (let i = 0; i < bytes; i++) {
      this.#old.push([linear + i, this.bytes[linear + i]]);
      this.bytes[linear + i] = Math.floor(value / 2 ** (8 * i)) & 0xff;
    }
  }

  probeWrite(linear: number, bytes: number): void {
    this.check(linear, bytes, true);
  }

  undo(): void {
    for (const [at, byte] of this.#old.reverse()) this.bytes[at] = byte;
  }
}

/** The program's run on the concrete machine. */
class ModelRun {
  readonly registers: DataView;
  readonly memory: PagedMemory;
  readonly stumbles: Stumble[] = [];
  eip: number;
  count = 0;

  constructor(program: Program, readonly flat: boolean, readonly random: Random) {
    this.registers = new DataView(program.cpu.state.bytes.slice(0, 256).buffer);
    this.memory = new PagedMemory(new Uint8Array(program.ram.buffer, RAM, RAM_BYTES).slice());
    this.eip = program.cpu.state.eip;
  }

  /** Takes back the faults of an instruction that is not executed any more. */
  forgetFaults(from: number): void {
    for (const { page, rights } of this.stumbles.splice(from).reverse()) {
      this.memory.rights[page] = rights;
    }
  }

  /** Executes at most `most` instructions, up to one that it does not know or a fault for good. */
  run(most: number): void {
    while (this.count < most && this.#step());
  }

  #step(): boolean {
    this.memory.begin();
    const result = this.#execute();
    if (result === "unknown") return false;
    if (result instanceof Fault) return result.vector === 14 && this.#map(result.code);
    this.eip = result ?? this.eip;
    this.count++;
    return true;
  }

  #execute(): number | undefined | Fault | "unknown" {
    const instruction = this.#fetch();
    if (instruction instanceof Fault) return instruction;
    const { row, immediate2 } = instruction;
    if (row.meaning === undefined || immediate2 !== 0) return "unknown";
    return concrete(instruction, this.flat, this.registers, this.memory);
  }

  #fetch(): Instruction | Fault {
    const { memory, eip } = this, end = (eip | 0xfff) + 1;
    try {
      memory.check(eip, 1, false);
      const instruction = decode(memory.bytes, eip, end, eip, true);
      if (instruction) return instruction;
      memory.check(end >>> 0, 1, false);
      return decode(memory.bytes, eip, end + LONGEST, eip, true)!;
    } catch (reason) {
      if (reason instanceof Fault) return reason;
      throw reason;
    }
  }

  /** What the handler of a page fault does; false where it cannot help. */
  #map(code: number): boolean {
    const { memory: { rights, faultAddress } } = this, page = faultAddress >>> 12;
    if (page < FIRST_PAGE || page >= LAST_PAGE) return false;
    const write = (code & ERROR_WRITE) !== 0 || this.random.oneIn(2);
    const before = rights[page];
    rights[page] = PRESENT | (write ? WRITABLE : 0);
    const seen = [this.count, code, faultAddress, this.eip, this.flags, ...this.general];
    this.stumbles.push({ seen, page, rights: before, entry: page << 12 | rights[page] | USER });
    return true;
  }

  get general(): number[] {
    return Array.from({ length: 8 }, (_, i) => this.registers.getUint32(4 * i, true));
  }

  get flags(): number {
    const [zero, sign, carry, rest] = [FLAG_ZERO, FLAG_SIGN, FLAG_CARRY, EFLAGS].map((at) =>
      this.registers.getInt32(at, true)
    );
    return (packFlags(zero, sign, carry) | rest | 2) >>> 0;
  }
}

/** What came of one program. */
export interface ProgramResult {
  readonly instructions: number;
  readonly faults: number;
  /** The first difference, or undefined. */
  readonly difference: string | undefined;
}

/** Both machines with one program. */
class Race {
  readonly #program: Program;
  readonly #model: ModelRun;
  readonly #random: Random;
  #faults = 0;
  difference: string | undefined;

  constructor(random: Random, flat: boolean) {
    const ports = { read: () => 0, write: () => this.#handleFault() };
    this.#random = random;
    this.#program = new Program({ ramBytes: RAM_BYTES, ports });
    write(this.#program, random);
    start(this.#program, random, flat);
    this.#model = new ModelRun(this.#program, flat, random);
  }

  get result(): ProgramResult {
    return {
      instructions: this.#model.count,
      faults: this.#faults,
      difference: this.difference,
    };
  }

  /** The guest's page fault handler asks for the page. */
  #handleFault(): void {
    const { seen, page, entry } = this.#model.stumbles[this.#faults] ?? NOTHING;
    const actual = this.#observe(this.#program.cpu.retired - HANDLER_INSTRUCTIONS * this.#faults);
    if (`${actual}` !== `${seen}`) {
      this.difference ??= `fault ${this.#faults}: ${actual}, expected ${seen}`;
    }
    if (page) this.#program.words(TABLE + 4 * page, entry);
    this.#faults++;
  }

  /** The program's state as the handler finds it on its stack. */
  #observe(count: number): number[] {
    const word = (below: number) => this.#program.word(KERNEL_STACK - below);
    const general = this.#program.summary.slice(0, 8).with(4, word(8));
    const address = this.#program.cpu.state.get(CR2);
    return [count, word(24), address, word(20), word(12) & ~RF, ...general];
  }

  /** Runs from a random place on to where the model stops; the processor in pieces of any size. */
  lap(most: number): void {
    const { cpu } = this.#program, model = this.#model, random = this.#random;
    this.#depart();
    model.run(model.count + most);
    const left = () => model.count + HANDLER_INSTRUCTIONS * this.#faults - cpu.retired;
    while (left() > 0 && !this.difference) {
      this.#program.run(random.oneIn(4) ? 1 : Math.min(1 + random.below(100), left()));
    }
    this.#arrive();
  }

  #depart(): void {
    const eip = CODE_START + this.#random.below(CODE_END - CODE_START);
    randomRegisters(this.#random).forEach((value, i) => {
      this.#program.cpu.state.setRegister(i, value);
      this.#model.registers.setUint32(4 * i, value, true);
    });
    this.#program.go(eip);
    this.#model.eip = eip;
  }

  #arrive(): void {
    const { cpu } = this.#program, model = this.#model;
    const actual = [...this.#program.summary.slice(0, 8), cpu.state.eip, cpu.state.eflags];
    const expected = [...model.general, model.eip, model.flags];
    if (`${actual}` !== `${expected}`) this.difference ??= `${actual}, expected ${expected}`;
    model.forgetFaults(this.#faults);
  }

  /** Compares all memory of the program. */
  compareMemory(): void {
    const { ram } = this.#program, { view } = this.#model.memory;
    for (let at = FIRST_PAGE << 12; at < RAM_BYTES; at += 4) {
      if (ram.getUint32(at, true) !== view.getUint32(at, true)) {
        this.difference ??= `memory at ${at.toString(16)} differs`;
      }
    }
  }
}

const NOTHING: Stumble = { seen: [], page: 0, rights: 0, entry: 0 };

/** Runs a random program of about `most` instructions in both machines. */
export function runRandomProgram(random: Random, flat: boolean, most: number): ProgramResult {
  const race = new Race(random, flat);
  for (let laps = 0; laps < most && race.result.instructions < most; laps++) {
    race.lap(200);
    if (race.difference) break;
  }
  race.compareMemory();
  return race.result;
}

/** Random instructions around the end of a page, and random data. */
function write(program: Program, random: Random): void {
  const ram = new Uint8Array(program.ram.buffer, RAM, RAM_BYTES);
  for (let i = 0; i < 2000; i++) ram[(FIRST_PAGE << 12) + random.below(0x8000)] = random.u32();
  let at = CODE_START;
  while (at < CODE_END) {
    const bytes = Uint8Array.from([...encode(random.pick(meaningfulRows), random), ...Array(16)]);
    const { length } = decode(bytes, 0, bytes.length, at, true)!;
    ram.set(bytes.subarray(0, length), at);
    at += length;
  }
}

/** Mostly addresses of data, sometimes of the program itself. */
function randomRegisters(random: Random): number[] {
  const registers = Array.from({ length: 8 }, () => {
    if (random.oneIn(8)) return random.pick([random.u32(), random.below(8)]);
    return random.oneIn(6) ? CODE_START + random.below(0x100) : DATA_START + random.below(0x8000);
  });
  return registers.with(4, 0x14000 + random.below(0x2000));
}

function start(program: Program, random: Random, flat: boolean): void {
  const { cpu } = program;
  program.page(FIRST_PAGE, PRESENT | WRITABLE);
  program.bytes(HANDLERS + 16 * 14, "e6 80 83 c4 04 cf"); // out 80h, al; add esp, 4; iret
  program.ring(3);
  cpu.state.eflags = random.u32() & (ARITHMETIC | (random.oneIn(4) ? DF : 0)) | 2;
  for (const segment of flat ? [] : [0, 3, 4, 5]) {
    const span = 0x8000 + random.below(0x20000), base = random.below(0x100);
    const cache = { selector: 0x23, base, limit: span, first: 0, span, rights: 3 };
    setSegment(cpu.state, segment, { ...cache, attributes: 0xcff300 });
  }
  cpu.changed();
}
