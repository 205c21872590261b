/** Runs native vectors on a processor of ours, in ring 3 with segments of 4 GB. Spec: specs/isa/vectors.md. */
import { Cpu, type CpuOptions } from "../../cpu/cpu.ts";
import { fetchDescriptor, loadTask, setSegment } from "../../cpu/segments.ts";
import {
  allocateMemory,
  CPL,
  CR0,
  CR2,
  CR3,
  CS,
  DS,
  ES,
  GDTR,
  IDTR,
  RAM_BASE,
  SS,
} from "../../cpu/state.ts";
import {
  CODE_PAGES,
  DATA_PAGES,
  type Outcome,
  pagesBefore,
  START,
  type Vector,
} from "./vectors.ts";

const RAM_BYTES = 0x800000;
const PAGE_SIZE = 4096;
const LONGEST_REPEAT = 100; // iterations of a string instruction

const GDT = 0x300000, IDT = 0x300100, TSS = 0x300200, STACK_TOP = 0x302000, HANDLERS = 0x310000;
const DIRECTORY = 0x303000, PAGE_TABLE = 0x304000;
const PRESENT = 1, WRITABLE = 2, USER = 4, PAGING = 0x80000000;
const PAGE_FAULT = 14;
const HANDLER_BYTES = 16, VECTORS = 32;
const KERNEL_CODE = 0x08, KERNEL_DATA = 0x10, USER_CODE = 0x1b, USER_DATA = 0x23, TASK = 0x28;
const JUMP_TO_ITSELF = 0xfeeb; // the handlers: a fault retires nothing, so one of their instructions runs
const NO_PORTS = 0x68 << 16; // where the TSS's port bitmap would begin: at its end
const GATE = 0xee00; // present, ring 3, 32-bit interrupt gate

/** Ring 0 code and data, ring 3 code and data, the TSS; the segments of ring 3 begin at `base`. */
function descriptors(base: number): number[][] {
  const low = base << 16 | 0xffff, middle = base >>> 16 & 0xff;
  return [
    [0, 0],
    [0x0000ffff, 0x00cf9b00],
    [0x0000ffff, 0x00cf9300],
    [low, 0x00cffb00 | middle],
    [low, 0x00cff300 | middle],
    [(TSS & 0xffff) << 16 | 0x67, 0x8900 | TSS >>> 16],
  ];
}

/** How a runner differs from the plain one. */
export interface RunnerOptions {
  /** Another interpreter than the committed one. */
  readonly interpreter?: CpuOptions["interpreter"];
  /** Where the segments begin, below 16 MB; 0 makes them flat, with paging. Addresses of a vector are offsets in them. */
  readonly base?: number;
}

/** A processor that runs one vector after the other. Exceptions end in handlers of ring 0. */
export class VectorRunner {
  readonly #cpu: Cpu;
  readonly #ram: DataView;
  readonly #base: number;

  /** A processor with its tables set up. */
  constructor({ interpreter, base = 0 }: RunnerOptions = {}) {
    this.#base = base;
    const memory = allocateMemory(RAM_BYTES);
    this.#ram = new DataView(memory.buffer, RAM_BASE);
    this.#cpu = new Cpu({
      memory,
      ramBytes: RAM_BYTES,
      ports: { read: () => 0, write: () => {} },
      acknowledge: () => 0,
      interpreter,
    });
    this.#writeTables();
    loadTask(this.#cpu, TASK);
    if (base === 0) this.#startPaging();
  }

  /** Executes the vector's instruction; what came of it. */
  run(vector: Vector): Outcome {
    this.#prepare(vector);
    for (let count = 0; count < LONGEST_REPEAT; count++) {
      this.#step();
      if (this.#cpu.state.eip !== START) break;
    }
    if (!CODE_PAGES.includes(this.#cpu.state.eip & -PAGE_SIZE)) this.#step(); // the fetch faults
    return this.#outcome();
  }

  #step(): void {
    this.#cpu.run(this.#cpu.retired + 1);
  }

  #writeTables(): void {
    const { state } = this.#cpu, table = descriptors(this.#base);
    table.forEach((words, index) => this.#write(GDT + 8 * index, words));
    for (let vector = 0; vector < VECTORS; vector++) {
      const handler = HANDLERS + HANDLER_BYTES * vector;
      const words = [KERNEL_CODE << 16 | handler & 0xffff, handler & 0xffff0000 | GATE];
      this.#write(IDT + 8 * vector, words);
      this.#write(handler, [JUMP_TO_ITSELF]);
    }
    this.#write(TSS + 4, [STACK_TOP, KERNEL_DATA]);
    this.#write(TSS + 0x64, [NO_PORTS]);
    state.set(GDTR, GDT);
    state.set(GDTR + 4, 8 * table.length - 1);
    state.set(IDTR, IDT);
    state.set(IDTR + 4, 8 * VECTORS - 1);
  }

  /** Maps the pages of a vector for ring 3 and all others of ours for ring 0. */
  #startPaging(): void {
    const { state } = this.#cpu, pages = [...CODE_PAGES, ...DATA_PAGES];
    this.#write(DIRECTORY, [PAGE_TABLE | PRESENT | WRITABLE | USER]);
    for (const page of pages) this.#map(page, PRESENT | WRITABLE | USER);
    for (let page = GDT; page <= HANDLERS; page += PAGE_SIZE) this.#map(page, PRESENT | WRITABLE);
    state.set(CR3, DIRECTORY);
    state.set(CR0, state.get(CR0) | PAGING);
  }

  #map(page: number, flags: number): void {
    this.#write(PAGE_TABLE + 4 * (page >>> 12), [page | flags]);
  }

  #write(physAddr: number, words: readonly number[]): void {
    words.forEach((word, index) => this.#ram.setUint32(physAddr + 4 * index, word, true));
  }

  #prepare(vector: Vector): void {
    const { state } = this.#cpu, { registers, eip, flags } = vector.before;
    for (const [page, bytes] of pagesBefore(vector)) state.bytes.set(bytes, this.#host(page));
    this.#enterRing3();
    registers.forEach((value, index) => state.setRegister(index, value));
    state.eip = eip;
    state.eflags = flags;
    this.#cpu.changed();
  }

  /** Host address of an offset in the segments of ring 3. */
  #host(offset: number): number {
    return RAM_BASE + this.#base + offset;
  }

  #enterRing3(): void {
    const { state } = this.#cpu;
    for (const segment of [ES, CS, SS, DS]) {
      const selector = segment === CS ? USER_CODE : USER_DATA;
      setSegment(state, segment, fetchDescriptor(this.#cpu, selector).cache());
    }
    state.set(CPL, 3);
  }

  #outcome(): Outcome {
    const { state } = this.#cpu;
    const registers = Array.from({ length: 8 }, (_, index) => state.register(index));
    const page = (address: number) =>
      state.bytes.slice(this.#host(address), this.#host(address) + PAGE_SIZE);
    if (state.cpl === 3) {
      return { registers, eip: state.eip, flags: state.eflags, fault: undefined, page };
    }
    const [eip, , flags, esp] = [20, 16, 12, 8].map((at) =>
      this.#ram.getUint32(STACK_TOP - at, true)
    );
    const fault = (state.eip - HANDLERS) / HANDLER_BYTES;
    const pageFault = fault === PAGE_FAULT
      ? { error: this.#ram.getUint32(STACK_TOP - 24, true), address: state.get(CR2) }
      : undefined;
    return { registers: registers.with(4, esp), eip, flags, fault, pageFault, page };
  }
}
