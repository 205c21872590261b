/**
 * The smallest processor around the system code: state, paging and instructions executed one at a time
 * through the decoder and the system table. Selectors and addresses are the ones that the tests restate.
 */
import type { SystemContext } from "../../cpu/context.ts";
import { decode } from "../../cpu/decode.ts";
import { Fault, Unmodelled } from "../../cpu/fault.ts";
import { Paging } from "../../cpu/paging.ts";
import { setSegment } from "../../cpu/segments.ts";
import { allocateMemory, State } from "../../cpu/state.ts";
import { systemInstructions } from "../../cpu/system.ts";
import { resetControl } from "../../cpu/control.ts";

/** Where guest RAM begins in the memory of the state, and a few of its words (specs/cpu/state.md). */
export const RAM = 0x2100000;
const EIP = 56, CR0 = 300, GDTR = 316, IDTR = 324, CPL = 364;

/** Tables of the default environment. */
export const GDT = 0x1000, IDT = 0x2000, TSS = 0x3000, CODE = 0x8000, STACK = 0x9000;

/** Selectors: code and data of ring 0, code and data of ring 3 (with RPL 3). */
export const CODE0 = 0x08, DATA0 = 0x10, CODE3 = 0x1b, DATA3 = 0x23;

/** Flat descriptors by access byte: P, DPL, type. */
export const FLAT_CODE0 = 0x9a, FLAT_DATA0 = 0x92, FLAT_CODE3 = 0xfa, FLAT_DATA3 = 0xf2;

/** A processor in protected mode with flat segments, in ring 0, without paging. */
export class TestCpu implements SystemContext {
  readonly state: State;
  readonly paging: Paging;
  retired = 0;
  /** What the instruction asked of the processor: `halt`, `hold`, `mode`, `flush`, port accesses. */
  readonly asked: string[] = [];
  /** What each port reads as; all ones elsewhere. */
  readonly ports: Map<number, number> = new Map();
  #jumped = false;

  time(): number {
    return this.retired;
  }

  constructor(ramBytes = 0x200000) {
    const memory = allocateMemory(ramBytes);
    this.state = new State(memory);
    this.paging = new Paging(this.state, ramBytes);
    resetControl(this.state);
    this.state.set(CR0, 0x11);
    this.state.set(GDTR, GDT);
    this.state.set(GDTR + 4, 0xff);
    this.state.set(IDTR, IDT);
    this.state.set(IDTR + 4, 0x7ff);
    this.descriptor(CODE0, 0, 0xfffff, FLAT_CODE0, 0xc);
    this.descriptor(DATA0, 0, 0xfffff, FLAT_DATA0, 0xc);
    this.descriptor(CODE3, 0, 0xfffff, FLAT_CODE3, 0xc);
    this.descriptor(DATA3, 0, 0xfffff, FLAT_DATA3, 0xc);
    this.ring(0);
    this.state.setRegister(4, STACK);
    this.state.eip = CODE;
    this.state.eflags = 2;
  }

  /** Puts a descriptor into the GDT; `access` is its byte 5, `flags` are G, D/B, 0, AVL. */
  descriptor(selector: number, base: number, limit: number, access: number, flags = 0): void {
    const at = GDT + (selector & 0xfff8);
    this.poke(at, limit & 0xffff | base << 16);
    const high = base >>> 16 & 0xff | access << 8 | limit & 0xf0000 | flags << 20;
    this.poke(at + 4, high | base & 0xff000000);
  }

  /** Puts a call gate into the GDT or, with `table`, a gate into the IDT. */
  gate(index: number, selector: number, offset: number, access: number, count = 0): void {
    this.gateAt(IDT + 8 * index, selector, offset, access, count);
  }

  /** Puts a gate at an address. */
  gateAt(at: number, selector: number, offset: number, access: number, count = 0): void {
    this.poke(at, offset & 0xffff | selector << 16);
    this.poke(at + 4, offset & 0xffff0000 | access << 8 | count);
  }

  /** Makes CS and the other segment registers flat ones of ring `ring`. */
  ring(ring: 0 | 3): void {
    const code = ring ? CODE3 : CODE0, data = ring ? DATA3 : DATA0;
    const all = { base: 0, first: 0, span: 0xffffffff, limit: 0xffffffff };
    const dpl = ring << 13;
    for (const segment of [0, 2, 3, 4, 5]) {
      const attributes = 0xcf9300 | dpl;
      setSegment(this.state, segment, { ...all, selector: data, rights: 3, attributes });
    }
    const attributes = 0xcf9b00 | dpl;
    setSegment(this.state, 1, { ...all, selector: code, rights: 1, attributes });
    this.state.set(CPL, ring);
  }

  /** A 32-bit TSS at {@link TSS} with a stack for ring 0, loaded into TR. */
  tss(limit = 0x67, esp0 = 0xa000, ss0 = DATA0): void {
    this.descriptor(0x28, TSS, limit, 0x89);
    this.poke(TSS + 4, esp0);
    this.poke(TSS + 8, ss0);
    this.state.setRegister(0, 0x28);
    if (this.execute(0x0f, 0x00, 0xd8) !== "ok") throw new Error("Cannot load the TSS"); // ltr ax
  }

  /** Reads a doubleword of guest memory by physical address. */
  peek(physAddr: number): number {
    return this.paging.readPhysical(physAddr, 4);
  }

  /** Writes a doubleword of guest memory by physical address. */
  poke(physAddr: number, value: number): void {
    this.paging.writePhysical(physAddr, 4, value);
  }

  /** Executes the given machine code as the next instruction; says how it ended. */
  execute(...code: number[]): string {
    const { state } = this, start = state.get(EIP);
    const buffer = new Uint8Array(16);
    buffer.set(code);
    const big = (state.get(184 + 4) & 1 << 22) !== 0;
    const instruction = decode(buffer, 0, 16, start, big)!;
    this.#jumped = false;
    this.asked.length = 0;
    const outcome = this.outcome(() => {
      systemInstructions[instruction.row.mnemonic](this, instruction);
      if (!this.#jumped) state.eip = start + instruction.length;
    });
    this.retired++;
    return outcome;
  }

  /** Runs `action` and says how it ended: `ok`, `fault VECTOR CODE`, `unmodelled "..."`. */
  outcome(action: () => void): string {
    try {
      action();
      return "ok";
    } catch (thrown) {
      if (thrown instanceof Unmodelled) return `unmodelled ${JSON.stringify(thrown.what)}`;
      if (!(thrown instanceof Fault)) throw thrown;
      return `fault ${thrown.vector} ${thrown.code < 0 ? "none" : hex(thrown.code)}`;
    }
  }

  readPort(port: number, bytes: number): number {
    this.asked.push(`in ${hex(port)} ${bytes}`);
    return this.ports.get(port) ?? 2 ** (8 * bytes) - 1;
  }

  writePort(port: number, bytes: number, value: number): void {
    this.asked.push(`out ${hex(port)} ${bytes} ${hex(value)}`);
  }

  jump(eip: number): void {
    this.state.eip = eip;
    this.#jumped = true;
  }

  halt(): void {
    this.asked.push("halt");
  }

  holdInterrupts(): void {
    this.asked.push("hold");
  }

  modeChanged(): void {
    this.asked.push("mode");
  }

  flushCode(): void {
    this.asked.push("flush");
  }
}

/** A number in the traces' form. */
export function hex(value: number): string {
  return "0x" + (value >>> 0).toString(16);
}
