/**
 * What the system code needs of the processor it runs in, and how it reaches an instruction's operands.
 * Spec: specs/cpu/context.md.
 */
import type { Instruction } from "../isa/instruction.ts";
import { Fault } from "./fault.ts";
import type { Paging } from "./paging.ts";
import { checkSegment } from "./segments.ts";
import { GP, type State } from "./state.ts";

/** The processor, as the system code sees it. */
export interface SystemContext {
  /** Registers and flags. */
  readonly state: State;
  /** The paging unit and guest memory. */
  readonly paging: Paging;
  /** The time-stamp counter's clock, before the present instruction. */
  time(): number;
  /** Reads 1, 2 or 4 bytes from the I/O port space. */
  readPort(port: number, bytes: number): number;
  /** Writes 1, 2 or 4 bytes to the I/O port space. */
  writePort(port: number, bytes: number, value: number): void;
  /** Continues at `eip` instead of after the instruction; with its own EIP, the instruction repeats. */
  jump(eip: number): void;
  /** Waits for an interrupt after the present instruction. */
  halt(): void;
  /** Holds interrupts off until after the next instruction (STI, MOV SS, POP SS). */
  holdInterrupts(): void;
  /** Called after CPL or a segment's cache changed: access tables and decoding depend on them. */
  modeChanged(): void;
  /** Called after linear addresses may mean other memory: code must be found again by address. */
  flushCode(): void;
}

/** What an instruction does: it throws a Fault or Unmodelled, or is complete when it returns. */
export type SystemOperation = (cpu: SystemContext, instruction: Instruction) => void;

/** Whether accesses at the current privilege level are user accesses. */
export function isUser(cpu: SystemContext): boolean {
  return cpu.state.cpl === 3;
}

/** Faults with #GP(0) unless CPL is 0. */
export function demandRing0(cpu: SystemContext): void {
  if (cpu.state.cpl !== 0) throw new Fault(GP, 0);
}

/** Offset of the memory operand within its segment. */
export function effectiveOffset(cpu: SystemContext, instruction: Instruction): number {
  const { base, index, scale, displacement, addressSize } = instruction;
  const sum = (base < 0 ? 0 : cpu.state.register(base)) +
    (index < 0 ? 0 : cpu.state.register(index) << scale) + displacement;
  return addressSize === 16 ? sum & 0xffff : sum >>> 0;
}

/** Linear address of `bytes` bytes, `skip` bytes into the memory operand, checked by its segment. */
export function linearAddress(
  cpu: SystemContext,
  instruction: Instruction,
  bytes: number,
  write: boolean,
  skip = 0,
): number {
  const offset = effectiveOffset(cpu, instruction) + skip;
  const wrapped = instruction.addressSize === 16 ? offset & 0xffff : offset >>> 0;
  return checkSegment(cpu.state, instruction.segment, wrapped, bytes, write);
}

/** Reads 1, 2 or 4 bytes of the memory operand, `skip` bytes into it. */
export function readMemory(
  cpu: SystemContext,
  instruction: Instruction,
  bytes: number,
  skip = 0,
): number {
  const linear = linearAddress(cpu, instruction, bytes, false, skip);
  return cpu.paging.read(linear, bytes, isUser(cpu));
}

/** Writes 1, 2 or 4 bytes of the memory operand, `skip` bytes into it. */
export function writeMemory(
  cpu: SystemContext,
  instruction: Instruction,
  bytes: number,
  value: number,
  skip = 0,
): void {
  const linear = linearAddress(cpu, instruction, bytes, true, skip);
  cpu.paging.write(linear, bytes, value, isUser(cpu));
}

/** Reads the low 16 or 32 bits of general register `index`. */
export function readRegister(cpu: SystemContext, index: number, bytes: number): number {
  const value = cpu.state.register(index);
  return bytes === 2 ? value & 0xffff : value;
}

/** Writes the low 16 bits of general register `index`, or all 32. */
export function writeRegister(
  cpu: SystemContext,
  index: number,
  bytes: number,
  value: number,
): void {
  const kept = bytes === 2 ? cpu.state.register(index) & 0xffff0000 : 0;
  cpu.state.setRegister(index, kept | (bytes === 2 ? value & 0xffff : value));
}

/** Reads 2 or 4 bytes of the operand that ModRM.rm names. */
export function readRm(cpu: SystemContext, instruction: Instruction, bytes: number): number {
  return instruction.isMemory
    ? readMemory(cpu, instruction, bytes)
    : readRegister(cpu, instruction.rm, bytes);
}

/** Writes 2 or 4 bytes of the operand that ModRM.rm names. */
export function writeRm(
  cpu: SystemContext,
  instruction: Instruction,
  bytes: number,
  value: number,
): void {
  if (instruction.isMemory) writeMemory(cpu, instruction, bytes, value);
  else writeRegister(cpu, instruction.rm, bytes, value);
}
