/**
 * What a check does to a kernel besides calling its functions: runs machine code of its own, raises
 * interrupts, lets time pass, reads descriptor tables. Spec: specs/conformance/probe.md.
 */
import { CallError, type CallResult } from "../machine/machine.ts";
import { describeStop } from "../machine/stop.ts";
import { Failure, Skip } from "./check.ts";
import type { Subject } from "./subject.ts";

/** PROBE-1: where a check's machine code and its data stand, a page each, in low memory. */
export const CODE = 0x90000, DATA = 0x91000;

const IF = 0x200; // EFLAGS: interrupts on
const TICKS_PER_MILLISECOND = 100_000;
const CODE_BUDGET = 100_000_000; // instructions
const INSTRUCTIONS_PER_MILLISECOND = 100_000;
const SIDT = 0x0d, SGDT = 0x05; // second byte after 0F 01, with an absolute address

/** A gate of the IDT. */
export interface Gate {
  /** Where it leads. */
  readonly offset: number;
  /** The code segment's selector. */
  readonly selector: number;
  /** Present, privilege level and type: bits 15 to 8 of the second word. */
  readonly flags: number;
}

/** A descriptor table as SGDT and SIDT store it. */
export interface Table {
  /** Its linear address. */
  readonly base: number;
  /** Its size less one. */
  readonly limit: number;
}

/** The little-endian bytes of words. */
export function words(...values: number[]): number[] {
  return values.flatMap((value) => [0, 8, 16, 24].map((shift) => value >>> shift & 0xff));
}

/** Puts bytes at {@link CODE} or {@link DATA}. A `Skip` if the kernel has not mapped low memory. */
export function put(subject: Subject, address: number, bytes: readonly number[]): void {
  const { machine } = subject;
  if (machine.translate(address) !== address) {
    throw new Skip(
      "low memory at 90000h, where a check's code would stand, is not mapped to itself",
    );
  }
  machine.writeBytes(address, Uint8Array.from(bytes));
}

/** Calls machine code, for so many instructions at most; how it ended. */
export function tryCode(
  subject: Subject,
  code: readonly number[],
  budget: number = CODE_BUDGET,
): CallResult {
  put(subject, CODE, code);
  return subject.machine.invoke(CODE, [], budget);
}

/** Calls machine code that must return; EAX. */
export function runCode(subject: Subject, what: string, code: readonly number[]): number {
  subject.note(what);
  const result = tryCode(subject, code);
  if (result.kind === "returned") return result.value >>> 0;
  const { stop } = result;
  throw new Failure({
    expected: `to go on after: ${what}`,
    seen: `${describeStop(stop)}, at ${stop.at}`,
    calls: [...subject.log],
  });
}

/** The word at a linear address; 0 where nothing is mapped. */
export function word(subject: Subject, address: number): number {
  return (subject.machine.readWord(address) ?? 0) >>> 0;
}

/** Writes a word at a linear address. */
export function setWord(subject: Subject, address: number, value: number): void {
  subject.machine.writeBytes(address, Uint8Array.from(words(value)));
}

/** GDTR. */
export function gdtr(subject: Subject): Table {
  return tableRegister(subject, SGDT);
}

/** IDTR. */
export function idtr(subject: Subject): Table {
  return tableRegister(subject, SIDT);
}

function tableRegister(subject: Subject, store: number): Table {
  put(subject, DATA, words(0, 0));
  const result = tryCode(subject, [0x0f, 0x01, store, ...words(DATA), 0xc3]);
  if (result.kind === "stopped") throw new CallError("a check's code", result.stop);
  return { limit: word(subject, DATA) & 0xffff, base: word(subject, DATA + 2) };
}

/** Gate `vector` of the table that IDTR names. */
export function gate(subject: Subject, { base }: Table, vector: number): Gate {
  const low = word(subject, base + 8 * vector), high = word(subject, base + 8 * vector + 4);
  return {
    offset: ((high & 0xffff0000) | (low & 0xffff)) >>> 0,
    selector: low >>> 16,
    flags: high >>> 8 & 0xff,
  };
}

/**
 * PROBE-2: takes the processor away from the kernel's own idle loop: it halts in a loop of ours with
 * interrupts on, so that handlers run and nobody takes what they queue.
 */
export function park(subject: Subject): void {
  put(subject, CODE, [0xfb, 0x90, 0xf4, 0xeb, 0xfd]); // sti; nop; hlt; jmp -3
  subject.machine.invoke(CODE, [], 1);
  comeToRest(subject, CODE_BUDGET);
}

/** Goes on to the HLT of the parking loop, out of any handler. */
function comeToRest(subject: Subject, budget: number): void {
  const { machine } = subject, { eip } = machine.registers;
  if (eip === CODE + 2 || (eip === CODE + 3 && machine.pc.cpu.halted)) return;
  const stop = machine.run({ until: { reaches: CODE + 2 }, budget, idleAfter: Infinity });
  if (stop.kind === "breakpoint") return;
  throw new Failure({
    expected: "to go on after an interrupt",
    seen: `${describeStop(stop)}, at ${stop.at}`,
    calls: [...subject.log],
  });
}

/** Lets virtual time pass on a parked machine, at least so many milliseconds. */
export function pass(subject: Subject, milliseconds: number): void {
  const { machine } = subject, end = machine.ticks + milliseconds * TICKS_PER_MILLISECOND;
  const budget = CODE_BUDGET + milliseconds * INSTRUCTIONS_PER_MILLISECOND;
  machine.run({ until: () => machine.ticks >= end, budget, idleAfter: Infinity });
  comeToRest(subject, CODE_BUDGET);
}

/** The input of an IRQ at its controller. */
export function irqLine(subject: Subject, irq: number): (level: boolean) => void {
  const { master, slave } = subject.machine.pc;
  return (irq < 8 ? master : slave).irq(irq & 7);
}

/** IRQs in service: the master's in bits 0 to 7, the slave's above. */
export function inService(subject: Subject): number {
  const { master, slave } = subject.machine.pc;
  return slave.state().isr << 8 | master.state().isr;
}

/** Masks: the master's in bits 0 to 7, the slave's above. */
export function masks(subject: Subject): number {
  const { master, slave } = subject.machine.pc;
  return slave.state().imr << 8 | master.state().imr;
}

/** Sets the masks from outside. */
export function setMasks(subject: Subject, value: number): void {
  const { bus } = subject.machine.pc;
  bus.write(0x21, 1, value & 0xff);
  bus.write(0xa1, 1, value >>> 8 & 0xff);
}

/** The port accesses while `action` runs, as pairs of port and value written. */
export function portWrites(subject: Subject, action: () => void): [number, number][] {
  const { bus } = subject.machine.pc, { write } = bus, seen: [number, number][] = [];
  const listening = (port: number, bytes: number, value: number): void => {
    for (let i = 0; i < bytes; i++) seen.push([port + i, value >>> 8 * i & 0xff]);
    write.call(bus, port, bytes, value);
  };
  bus.write = listening;
  try {
    action();
  } finally {
    bus.write = write;
  }
  return seen;
}

/** What a kernel reports when code makes it end: its output, and how it stopped. */
export interface End {
  /** What it sent on COM1 since `fresh`, else what the screen shows. */
  readonly report: string;
  /** Whether the processor rests for good with interrupts off. */
  readonly halted: boolean;
  /** How it ended instead. */
  readonly seen: string;
}

/** How a call ended that should not return. */
export function endOf(subject: Subject, result: CallResult): End {
  const off = (subject.machine.registers.eflags & IF) === 0;
  const halted = result.kind === "stopped" && result.stop.kind === "halted" && off;
  const seen = result.kind === "returned" ? "it went on" : describeStop(result.stop);
  return { report: subject.said || subject.machine.screen.text, halted, seen };
}
