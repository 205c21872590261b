/**
 * What each instruction without a graph does: the table that interpreter and JIT both call.
 * Spec: specs/cpu/system.md (Intel SDM vol. 2). Not modelled: x87.
 */
import type { Instruction } from "../isa/instruction.ts";
import {
  demandRing0,
  readMemory,
  readRm,
  type SystemContext,
  type SystemOperation,
  writeRegister,
  writeRm,
} from "./context.ts";
import { controlInstructions, controlMoves } from "./control.ts";
import { Fault } from "./fault.ts";
import { interrupt, interruptReturn, writableFlags } from "./interrupts.ts";
import { portInstructions } from "./io.ts";
import {
  type Descriptor,
  findDescriptor,
  isNull,
  loadLdt,
  loadSegment,
  loadTask,
} from "./segments.ts";
import { Stack } from "./stack.ts";
import {
  BP,
  CR0,
  CS,
  DB,
  DS,
  EBP,
  ES,
  FLAG_ZERO,
  FS,
  GP,
  GS,
  IF,
  IOPL,
  LDTR,
  NM,
  NO_CODE,
  OF,
  OVERFLOW,
  RF,
  SS,
  TR,
  UD,
  VM,
} from "./state.ts";
import { nextEip, transfers } from "./transfers.ts";

const segmentNumbers: Record<string, number> = { es: ES, cs: CS, ss: SS, ds: DS, fs: FS, gs: GS };

// --- Software interrupts and flags

function softwareInterrupt(cpu: SystemContext, instruction: Instruction, vector: number): void {
  interrupt(cpu, vector, NO_CODE, "software", nextEip(cpu, instruction));
}

/** Faults with #GP(0) unless CPL is at most IOPL. */
function demandIopl(cpu: SystemContext): void {
  const { cpl, eflags } = cpu.state;
  if (cpl > (eflags & IOPL) >>> 12) throw new Fault(GP, 0);
}

function setInterruptFlag(cpu: SystemContext): void {
  demandIopl(cpu);
  if (!(cpu.state.eflags & IF)) cpu.holdInterrupts(); // SYSTEM-4
  cpu.state.eflags |= IF;
}

function pushFlags(cpu: SystemContext, { operandSize }: Instruction): void {
  const stack = Stack.current(cpu);
  stack.push(operandSize / 8, cpu.state.eflags & ~(VM | RF));
  stack.commit();
}

function popFlags(cpu: SystemContext, { operandSize }: Instruction): void {
  const bytes = operandSize / 8, stack = Stack.current(cpu), { state } = cpu;
  const flags = stack.pop(bytes), writable = writableFlags(cpu, bytes);
  stack.commit();
  state.eflags = state.eflags & ~(writable | RF) | flags & writable;
}

// --- Segment registers

/** Number of the segment register that ModRM.reg names. */
function segmentOf({ reg }: Instruction): number {
  if (reg > GS) throw new Fault(UD);
  return reg;
}

function moveToSegment(cpu: SystemContext, instruction: Instruction): void {
  const segment = segmentOf(instruction);
  if (segment === CS) throw new Fault(UD);
  loadSegment(cpu, segment, readRm(cpu, instruction, 2));
  if (segment === SS) cpu.holdInterrupts();
}

/** Stores a selector: a word in memory, zero-extended in a 32-bit register. */
function storeSelector(cpu: SystemContext, instruction: Instruction, selector: number): void {
  const bytes = instruction.isMemory ? 2 : instruction.operandSize / 8;
  writeRm(cpu, instruction, bytes, selector);
}

function pushSegment(cpu: SystemContext, { row, operandSize }: Instruction): void {
  const stack = Stack.current(cpu);
  stack.push(operandSize / 8, cpu.state.selector(segmentNumbers[row.operands[0]]));
  stack.commit();
}

function popSegment(cpu: SystemContext, { row, operandSize }: Instruction): void {
  const segment = segmentNumbers[row.operands[0]], stack = Stack.current(cpu);
  loadSegment(cpu, segment, stack.pop(operandSize / 8) & 0xffff);
  stack.commit();
  if (segment === SS) cpu.holdInterrupts();
}

/** LES and its kin: a segment register and a general register from memory. */
function loadPointer(segment: number): SystemOperation {
  return (cpu, instruction) => {
    const bytes = instruction.operandSize / 8;
    const offset = readMemory(cpu, instruction, bytes);
    loadSegment(cpu, segment, readMemory(cpu, instruction, 2, bytes));
    writeRegister(cpu, instruction.reg, bytes, offset);
  };
}

// --- Questions about selectors

/** Types of system descriptors that LAR and LSL know (Intel SDM vol. 2, LAR and LSL). */
const LAR_TYPES: readonly number[] = [1, 2, 3, 4, 5, 9, 11, 12];
const LSL_TYPES: readonly number[] = [1, 2, 3, 9, 11];

/** Whether the current ring, and that of the selector, may use a descriptor. */
function isVisible(cpu: SystemContext, descriptor: Descriptor): boolean {
  const lowest = Math.max(cpu.state.cpl, descriptor.rpl);
  return descriptor.isConforming || lowest <= descriptor.dpl;
}

function isKnown(descriptor: Descriptor, types: readonly number[]): boolean {
  return descriptor.isSegment || types.includes(descriptor.type);
}

/** Answers in ZF whether the operand's descriptor exists and passes `test`; gives it if so. */
function question(
  cpu: SystemContext,
  instruction: Instruction,
  test: (descriptor: Descriptor) => boolean,
): Descriptor | undefined {
  const selector = readRm(cpu, instruction, 2);
  const found = isNull(selector) ? undefined : findDescriptor(cpu, selector);
  const passes = found !== undefined && isVisible(cpu, found) && test(found);
  cpu.state.set(FLAG_ZERO, passes ? 0 : 1);
  return passes ? found : undefined;
}

function loadRights(cpu: SystemContext, instruction: Instruction): void {
  const found = question(cpu, instruction, (descriptor) => isKnown(descriptor, LAR_TYPES));
  if (!found) return;
  writeRegister(cpu, instruction.reg, instruction.operandSize / 8, found.high & 0xf0ff00);
}

function loadLimit(cpu: SystemContext, instruction: Instruction): void {
  const found = question(cpu, instruction, (descriptor) => isKnown(descriptor, LSL_TYPES));
  if (!found) return;
  writeRegister(cpu, instruction.reg, instruction.operandSize / 8, found.limit);
}

/** ARPL: raises the RPL of the destination to that of the source. */
function adjustRpl(cpu: SystemContext, instruction: Instruction): void {
  const selector = readRm(cpu, instruction, 2);
  const rpl = cpu.state.register(instruction.reg) & 3;
  const raise = (selector & 3) < rpl;
  if (raise) writeRm(cpu, instruction, 2, (selector & 0xfffc) | rpl);
  cpu.state.set(FLAG_ZERO, raise ? 0 : 1);
}

// --- The rest

/** ENTER with any nesting level: the frame pointers of the enclosing procedures follow EBP. */
function enter(cpu: SystemContext, instruction: Instruction): void {
  const { operandSize, immediate, immediate2 } = instruction;
  const bytes = operandSize / 8, level = immediate2 & 31, { state } = cpu;
  const stack = Stack.current(cpu), display = Stack.current(cpu, 0, state.get(EBP));
  stack.push(bytes, state.get(EBP));
  const frame = stack.pointer;
  for (let i = 1; i < level; i++) {
    display.skip(-bytes);
    stack.push(bytes, display.peek(bytes));
  }
  if (level > 0) stack.push(bytes, frame);
  stack.skip(-(immediate & 0xffff));
  stack.commit();
  writeRegister(cpu, EBP >> 2, bytes, frame);
}

const CR0_MP = 0x2, CR0_EM = 0x4, CR0_TS = 0x8;

/** No x87: #NM where the guest asked to emulate it or to switch its context, else #UD. */
function escape(cpu: SystemContext): void {
  throw new Fault(cpu.state.get(CR0) & (CR0_EM | CR0_TS) ? NM : UD);
}

function wait(cpu: SystemContext): void {
  if ((cpu.state.get(CR0) & (CR0_MP | CR0_TS)) === (CR0_MP | CR0_TS)) throw new Fault(NM);
}

/** `mov` means several instructions: by the kinds of its operands. */
const moves: Record<string, SystemOperation> = {
  ...controlMoves,
  "sreg rm16": moveToSegment,
  "rmv sreg": (cpu, instruction) =>
    storeSelector(cpu, instruction, cpu.state.selector(segmentOf(instruction))),
};

function undefinedInstruction(): void {
  throw new Fault(UD);
}

/** Every instruction that compiled code leaves to the system code, by mnemonic. */
export const systemInstructions: Record<string, SystemOperation> = {
  ...controlInstructions,
  ...portInstructions,
  ...transfers,
  mov: (cpu, instruction) => moves[instruction.row.operands.join(" ")](cpu, instruction),
  push: pushSegment,
  pop: popSegment,
  les: loadPointer(ES),
  lds: loadPointer(DS),
  lss: loadPointer(SS),
  lfs: loadPointer(FS),
  lgs: loadPointer(GS),
  int: (cpu, instruction) => softwareInterrupt(cpu, instruction, instruction.immediate & 0xff),
  int3: (cpu, instruction) => softwareInterrupt(cpu, instruction, BP),
  into: (cpu, instruction) => {
    if (cpu.state.eflags & OF) softwareInterrupt(cpu, instruction, OVERFLOW);
  },
  int1: (cpu, instruction) => interrupt(cpu, DB, NO_CODE, "external", nextEip(cpu, instruction)),
  iret: (cpu, { operandSize }) => interruptReturn(cpu, operandSize / 8),
  cli: (cpu) => {
    demandIopl(cpu);
    cpu.state.eflags &= ~IF;
  },
  sti: setInterruptFlag,
  pushf: pushFlags,
  popf: popFlags,
  hlt: (cpu) => {
    demandRing0(cpu);
    cpu.halt();
  },
  lldt: (cpu, instruction) => {
    demandRing0(cpu);
    loadLdt(cpu, readRm(cpu, instruction, 2));
  },
  ltr: (cpu, instruction) => {
    demandRing0(cpu);
    loadTask(cpu, readRm(cpu, instruction, 2));
  },
  sldt: (cpu, instruction) => storeSelector(cpu, instruction, cpu.state.get(LDTR)),
  str: (cpu, instruction) => storeSelector(cpu, instruction, cpu.state.get(TR)),
  lar: loadRights,
  lsl: loadLimit,
  verr: (cpu, instruction) => void question(cpu, instruction, (found) => found.isReadable),
  verw: (cpu, instruction) => void question(cpu, instruction, (found) => found.isWritable),
  arpl: adjustRpl,
  enter,
  fpu: escape,
  wait,
  ud2: undefinedInstruction,
  undefined: undefinedInstruction,
  toolong: () => {
    throw new Fault(GP, 0);
  },
};
