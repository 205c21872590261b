/**
 * A processor with flat segments, an IDT and a TSS, for running small machine-code programs. Selectors,
 * addresses and offsets are restated from specs/cpu/state.md and the manual.
 */
import { Cpu, type CpuHooks, type CpuOptions, type CpuStop } from "../../cpu/cpu.ts";
import { fetchDescriptor, loadTask, setSegment } from "../../cpu/segments.ts";
import { allocateMemory } from "../../cpu/state.ts";

/** Where guest RAM begins in the memory, and words of the state. */
export const RAM = 0x2100000;
const GDTR = 316, IDTR = 324, CR0 = 300, CR3 = 308, CPL = 364;

/** The program's world: tables, handlers of 16 bytes each, code and the stacks' tops. */
export const GDT = 0x1000,
  IDT = 0x2000,
  TSS = 0x3000,
  HANDLERS = 0x4000,
  DIRECTORY = 0x5000,
  TABLE = 0x6000,
  KERNEL_STACK = 0x8000,
  CODE = 0x10000,
  STACK = 0x20000;
/** Selectors. */
export const CODE0 = 0x08, DATA0 = 0x10, CODE3 = 0x1b, DATA3 = 0x23;

/** Numbers of the general registers. */
export const EAX = 0, ECX = 1, EDX = 2, EBX = 3, ESP = 4, EBP = 5, ESI = 6, EDI = 7;

/** An OUT to this port, `e6 f4`, ends the run. */
const STOP_PORT = 0xf4;

/** What differs from the plain program. */
export interface ProgramOptions {
  readonly ramBytes?: number;
  readonly hooks?: CpuHooks;
  readonly ports?: CpuOptions["ports"];
  readonly acknowledge?: () => number;
}

/** A processor in ring 0 at {@link CODE}, and its memory. */
export class Program {
  readonly cpu: Cpu;
  readonly ram: DataView;
  /** `port value` of each OUT. */
  readonly out: string[] = [];

  /** All vectors lead to a handler that the test writes; untouched, it is HLT. */
  constructor(options: ProgramOptions = {}) {
    const { ramBytes = 0x100000, hooks, acknowledge = () => 0x20 } = options;
    const memory = allocateMemory(ramBytes);
    this.ram = new DataView(memory.buffer, RAM, ramBytes);
    const write = (port: number, _bytes: number, value: number) => {
      if (port === STOP_PORT) this.cpu.limit = 0;
      this.out.push(`${port.toString(16)} ${value.toString(16)}`);
    };
    const ports = options.ports ?? { read: () => 0xff, write };
    this.cpu = new Cpu({ memory, ramBytes, ports, acknowledge, hooks });
    this.#tables();
    this.ring(0);
    this.cpu.state.setRegister(ESP, STACK);
    this.cpu.state.eip = CODE;
    this.cpu.state.eflags = 2;
    loadTask(this.cpu, 0x28);
    this.cpu.changed();
  }

  #tables(): void {
    const { state } = this.cpu;
    const descriptors = [0, 0xcf9b00, 0xcf9300, 0xcffb00, 0xcff300];
    descriptors.forEach((high, i) => this.words(GDT + 8 * i, i ? 0xffff : 0, high));
    this.words(GDT + 0x28, TSS << 16 | 0x67, 0x8900);
    for (let vector = 0; vector < 256; vector++) {
      const handler = HANDLERS + 16 * vector;
      this.words(IDT + 8 * vector, CODE0 << 16 | handler, 0xee00);
      this.bytes(handler, "f4");
    }
    this.words(TSS + 4, KERNEL_STACK, DATA0);
    const values = [[GDTR, GDT], [GDTR + 4, 0x7f], [IDTR, IDT], [IDTR + 4, 0x7ff]];
    for (const [at, value] of values) state.set(at, value);
    state.set(CR0, 0x11);
  }

  /** Loads flat segments of a ring. */
  ring(ring: 0 | 3): void {
    for (let segment = 0; segment < 6; segment++) {
      const selector = segment === 1 ? [CODE0, CODE3][ring && 1] : [DATA0, DATA3][ring && 1];
      setSegment(this.cpu.state, segment, fetchDescriptor(this.cpu, selector).cache());
    }
    this.cpu.state.set(CPL, ring);
    this.cpu.modeChanged();
  }

  /** Maps the first `pages` pages to themselves, writable by everyone, and turns paging on. */
  page(pages: number, flags = 7): void {
    this.words(DIRECTORY, TABLE | 7);
    for (let page = 0; page < pages; page++) this.words(TABLE + 4 * page, page << 12 | flags);
    this.cpu.state.set(CR3, DIRECTORY);
    this.cpu.state.set(CR0, 0x80010011);
    this.cpu.changed();
  }

  /** Writes doublewords at a physical address. */
  words(at: number, ...values: number[]): void {
    values.forEach((value, i) => this.ram.setUint32(at + 4 * i, value, true));
  }

  /** Writes machine code, in hex, at a physical address; gives the address after it. */
  bytes(at: number, hex: string): number {
    const digits = hex.replaceAll(/[^0-9a-f]/g, "");
    for (let i = 0; i < digits.length; i += 2) {
      this.ram.setUint8(at + i / 2, parseInt(digits.slice(i, i + 2), 16));
    }
    return at + digits.length / 2;
  }

  /** Writes machine code at {@link CODE}. */
  code(hex: string): this {
    this.bytes(CODE, hex);
    return this;
  }

  /** Runs at most `count` instructions more. */
  run(count = 1000): CpuStop["kind"] {
    return this.cpu.run(this.cpu.retired + count).kind;
  }

  /** Continues at `eip`; translated code is kept. */
  go(eip: number): this {
    this.cpu.state.eip = eip;
    this.cpu.modeChanged();
    return this;
  }

  /** A general register. */
  register(index: number): number {
    return this.cpu.state.register(index);
  }

  /** The doubleword at a physical address. */
  word(at: number): number {
    return this.ram.getUint32(at, true);
  }

  /** Registers, EIP, EFLAGS and count, to compare. */
  get summary(): readonly number[] {
    const { state, retired } = this.cpu;
    const general = Array.from({ length: 8 }, (_, i) => state.register(i));
    return [...general, state.eip, state.eflags, retired];
  }
}
