/**
 * IN, OUT, INS, OUTS and who may use which port. Spec: specs/cpu/io.md (Intel SDM vol. 1, 18.5;
 * vol. 2, IN, INS, OUT, OUTS).
 */
import type { Instruction } from "../isa/instruction.ts";
import { isUser, type SystemContext, type SystemOperation } from "./context.ts";
import { Fault } from "./fault.ts";
import { checkSegment, hasTss32 } from "./segments.ts";
import { DF, EAX, ECX, EDI, EDX, ES, ESI, GP, IOPL, TR } from "./state.ts";

const BITMAP_BASE = 102; // in a 32-bit TSS: offset of the I/O permission bitmap

/** Faults with #GP(0) unless IOPL or the TSS's bitmap admits `bytes` ports from `port`. */
function demandPort(cpu: SystemContext, port: number, bytes: number): void {
  const { state } = cpu;
  if (state.cpl <= (state.eflags & IOPL) >>> 12) return;
  if (!bitmapAdmits(cpu, port, bytes)) throw new Fault(GP, 0);
}

/** IO-3: all bits of the ports must be clear, in two bytes that both lie inside the TSS. */
function bitmapAdmits(cpu: SystemContext, port: number, bytes: number): boolean {
  const { state, paging } = cpu;
  const base = state.get(TR + 4), limit = state.get(TR + 8);
  if (!hasTss32(state) || limit < BITMAP_BASE + 1) return false;
  const at = paging.read((base + BITMAP_BASE) >>> 0, 2, false) + (port >>> 3);
  if (at + 1 > limit) return false;
  const bits = paging.read((base + at) >>> 0, 2, false) >>> (port & 7);
  return (bits & ((1 << bytes) - 1)) === 0;
}

/** Operand size in bytes: the low bit of the opcode chooses between 1 and the operand size. */
function operandBytes({ row, operandSize }: Instruction): number {
  return row.opcode[0] & 1 ? operandSize / 8 : 1;
}

function portOf(cpu: SystemContext, { row, immediate }: Instruction): number {
  return row.operands.includes("dx") ? cpu.state.get(EDX) & 0xffff : immediate & 0xff;
}

const WIDTH_MASK: Record<number, number> = { 1: 0xff, 2: 0xffff, 4: 0xffffffff };

function input(cpu: SystemContext, instruction: Instruction): void {
  const port = portOf(cpu, instruction), bytes = operandBytes(instruction);
  demandPort(cpu, port, bytes);
  const mask = WIDTH_MASK[bytes];
  const value = cpu.readPort(port, bytes);
  cpu.state.set(EAX, (cpu.state.get(EAX) & ~mask) | (value & mask));
}

function output(cpu: SystemContext, instruction: Instruction): void {
  const port = portOf(cpu, instruction), bytes = operandBytes(instruction);
  demandPort(cpu, port, bytes);
  cpu.writePort(port, bytes, (cpu.state.get(EAX) & WIDTH_MASK[bytes]) >>> 0);
}

/** Reads a register of the address size. */
function addressRegister(cpu: SystemContext, register: number, addressSize: number): number {
  return addressSize === 16 ? cpu.state.get(register) & 0xffff : cpu.state.get(register);
}

function addToRegister(cpu: SystemContext, register: number, addressSize: number, by: number) {
  const old = cpu.state.get(register), sum = old + by;
  cpu.state.set(register, addressSize === 16 ? (old & 0xffff0000) | (sum & 0xffff) : sum >>> 0);
}

/** One iteration of INS or OUTS through `pointer`; under REP the instruction repeats by itself. */
function string(
  cpu: SystemContext,
  instruction: Instruction,
  pointer: number,
  transfer: (port: number, bytes: number, offset: number) => void,
): void {
  const { addressSize, repeat } = instruction;
  if (repeat && addressRegister(cpu, ECX, addressSize) === 0) return;
  const port = cpu.state.get(EDX) & 0xffff, bytes = operandBytes(instruction);
  demandPort(cpu, port, bytes);
  transfer(port, bytes, addressRegister(cpu, pointer, addressSize));
  addToRegister(cpu, pointer, addressSize, cpu.state.eflags & DF ? -bytes : bytes);
  if (!repeat) return;
  addToRegister(cpu, ECX, addressSize, -1);
  if (addressRegister(cpu, ECX, addressSize) !== 0) cpu.jump(cpu.state.eip);
}

function inputString(cpu: SystemContext, instruction: Instruction): void {
  string(cpu, instruction, EDI, (port, bytes, offset) => {
    const linear = checkSegment(cpu.state, ES, offset, bytes, true);
    cpu.paging.probeWrite(linear, bytes, isUser(cpu)); // IO-5: a fault must not cost a byte
    cpu.paging.write(linear, bytes, cpu.readPort(port, bytes), isUser(cpu));
  });
}

function outputString(cpu: SystemContext, instruction: Instruction): void {
  string(cpu, instruction, ESI, (port, bytes, offset) => {
    const linear = checkSegment(cpu.state, instruction.segment, offset, bytes, false);
    cpu.writePort(port, bytes, cpu.paging.read(linear, bytes, isUser(cpu)));
  });
}

/** Port instructions, by mnemonic. */
export const portInstructions: Record<string, SystemOperation> = {
  in: input,
  out: output,
  ins: inputString,
  outs: outputString,
};
