/**
 * Far jumps, calls and returns: direct, through memory, and through call gates with a change of stack.
 * Spec: specs/cpu/transfers.md (Intel SDM vol. 2, CALL, JMP, RET; vol. 3, 5.8).
 * Not modelled: task switches, virtual-8086 mode.
 */
import type { Instruction } from "../isa/instruction.ts";
import { readMemory, type SystemContext, type SystemOperation } from "./context.ts";
import { Fault, Unmodelled } from "./fault.ts";
import {
  cachedSegment,
  demand,
  type Descriptor,
  fetchDescriptor,
  isNull,
  markAccessed,
  nullSegment,
  setSegment,
  stackDescriptor,
} from "./segments.ts";
import { innerStack, Stack } from "./stack.ts";
import { CPL, CS, DS, EIP, ES, ESP, FS, GP, GS, NP, SS } from "./state.ts";

const CALL_GATE16 = 4, CALL_GATE32 = 12, TASK_GATE = 5;
const AVAILABLE_TSS: readonly number[] = [1, 9];
const BIG = 1 << 22;
const SEGMENT = 1 << 12; // attributes: code or data
const CONFORMING_CODE = 0xc00; // attributes: executable and conforming

/** Makes `code` the code segment at privilege `cpl` and continues at `eip`, which was checked. */
export function enterCode(
  cpu: SystemContext,
  code: Descriptor,
  cpl: number,
  eip: number,
): void {
  const selector = (code.selector & 0xfffc) | cpl;
  setSegment(cpu.state, CS, { ...code.cache(), selector });
  cpu.state.set(CPL, cpl);
  cpu.modeChanged();
  cpu.jump(eip);
}

/** Faults with #GP(`code`) unless the code segment reaches `eip`. */
export function demandInside(code: Descriptor, eip: number, errorCode = 0): void {
  if (eip > code.limit) throw new Fault(GP, errorCode);
}

/** The descriptor for a far transfer's selector. */
function fetchTarget(cpu: SystemContext, selector: number): Descriptor {
  if (isNull(selector)) throw new Fault(GP, 0);
  return fetchDescriptor(cpu, selector);
}

/** Checks a code segment that a JMP or CALL names itself: the ring stays. */
function checkDirect(cpu: SystemContext, code: Descriptor): void {
  const { cpl } = cpu.state, { selector } = code;
  const allowed = code.isConforming ? code.dpl <= cpl : code.rpl <= cpl && code.dpl === cpl;
  demand(allowed, GP, selector);
  demand(code.isPresent, NP, selector);
}

/** A far jump or call through a system descriptor: which gate it is, or the fault that it earns. */
function checkGate(cpu: SystemContext, gate: Descriptor): { bytes: 2 | 4; count: number } {
  const { selector, type } = gate;
  demand(gate.dpl >= cpu.state.cpl && gate.dpl >= gate.rpl, GP, selector);
  const isTask = type === TASK_GATE || AVAILABLE_TSS.includes(type);
  demand(isTask || type === CALL_GATE16 || type === CALL_GATE32, GP, selector);
  demand(gate.isPresent, NP, selector);
  if (isTask) throw new Unmodelled("a task switch by a far jump or call");
  return { bytes: type === CALL_GATE32 ? 4 : 2, count: gate.high & 31 };
}

/** The code segment that a call gate leads to, and the offset in it. */
function gateTarget(
  cpu: SystemContext,
  gate: Descriptor,
  bytes: number,
  maySwitch: boolean,
): { code: Descriptor; eip: number } {
  const code = fetchTarget(cpu, gate.low >>> 16), { cpl } = cpu.state;
  const exact = !code.isConforming && !maySwitch;
  demand(code.isCode && (exact ? code.dpl === cpl : code.dpl <= cpl), GP, code.selector);
  demand(code.isPresent, NP, code.selector);
  const offset = (gate.low & 0xffff) | (gate.high & 0xffff0000);
  return { code, eip: bytes === 4 ? offset >>> 0 : offset & 0xffff };
}

/** JMP far. */
export function jumpFar(cpu: SystemContext, selector: number, offset: number): void {
  const target = fetchTarget(cpu, selector);
  if (target.isSegment) {
    demand(target.isCode, GP, selector);
    checkDirect(cpu, target);
    return finishJump(cpu, target, offset);
  }
  const { bytes } = checkGate(cpu, target);
  const { code, eip } = gateTarget(cpu, target, bytes, false);
  finishJump(cpu, code, eip);
}

function finishJump(cpu: SystemContext, code: Descriptor, eip: number): void {
  demandInside(code, eip);
  markAccessed(cpu, code);
  enterCode(cpu, code, cpu.state.cpl, eip);
}

/** CALL far; `bytes` is the operand size of a direct call, `next` the return address. */
export function callFar(
  cpu: SystemContext,
  selector: number,
  offset: number,
  bytes: number,
  next: number,
): void {
  const target = fetchTarget(cpu, selector);
  if (target.isSegment) {
    demand(target.isCode, GP, selector);
    checkDirect(cpu, target);
    return finishCall(cpu, target, offset, bytes, next);
  }
  const gate = checkGate(cpu, target);
  const { code, eip } = gateTarget(cpu, target, gate.bytes, true);
  if (code.isConforming || code.dpl === cpu.state.cpl) {
    return finishCall(cpu, code, eip, gate.bytes, next);
  }
  callInner(cpu, code, eip, gate.bytes, gate.count, next);
}

function finishCall(
  cpu: SystemContext,
  code: Descriptor,
  eip: number,
  bytes: number,
  next: number,
): void {
  const stack = Stack.current(cpu);
  stack.demandRoom(2 * bytes, bytes);
  demandInside(code, eip);
  markAccessed(cpu, code);
  stack.push(bytes, cpu.state.selector(CS));
  stack.push(bytes, next);
  stack.commit();
  enterCode(cpu, code, cpu.state.cpl, eip);
}

/** A call to an inner ring: the parameters move to the ring's own stack. */
function callInner(
  cpu: SystemContext,
  code: Descriptor,
  eip: number,
  bytes: number,
  count: number,
  next: number,
): void {
  const { state } = cpu;
  const { stack, descriptor } = innerStack(cpu, code.dpl);
  stack.demandRoom((4 + count) * bytes, bytes);
  demandInside(code, eip);
  const outer = Stack.current(cpu);
  const parameters = Array.from({ length: count }, () => outer.pop(bytes));
  markAccessed(cpu, code);
  markAccessed(cpu, descriptor);
  stack.push(bytes, state.selector(SS));
  stack.push(bytes, state.get(ESP));
  for (const parameter of parameters.reverse()) stack.push(bytes, parameter);
  stack.push(bytes, state.selector(CS));
  stack.push(bytes, next);
  setSegment(state, SS, descriptor.cache());
  stack.commit();
  enterCode(cpu, code, code.dpl, eip);
}

/** Checks the code segment that a far return or IRET names. */
function returnTarget(cpu: SystemContext, selector: number): Descriptor {
  const code = fetchTarget(cpu, selector), { rpl } = code;
  demand(code.isCode, GP, selector);
  demand(rpl >= cpu.state.cpl, GP, selector);
  demand(code.isConforming ? code.dpl <= rpl : code.dpl === rpl, GP, selector);
  demand(code.isPresent, NP, selector);
  return code;
}

/**
 * Returns to `selector`:`eip`, which `stack` gave; drops `extra` bytes of parameters, and takes ESP and
 * SS from the stack where the return goes to an outer ring.
 */
export function returnTo(
  cpu: SystemContext,
  stack: Stack,
  bytes: number,
  selector: number,
  eip: number,
  extra: number,
): void {
  const code = returnTarget(cpu, selector);
  stack.skip(extra);
  if (code.rpl === cpu.state.cpl) {
    demandInside(code, eip);
    markAccessed(cpu, code);
    stack.commit();
    return enterCode(cpu, code, code.rpl, eip);
  }
  const pointer = stack.pop(bytes), stackSelector = stack.pop(bytes) & 0xffff;
  const descriptor = stackDescriptor(cpu, stackSelector, code.rpl);
  demandInside(code, eip);
  markAccessed(cpu, code);
  markAccessed(cpu, descriptor);
  // TRANSFERS-8: a 16-bit stack takes SP only.
  const keep = descriptor.high & BIG ? 0 : 0xffff0000;
  const merged = ((pointer & ~keep) | (cpu.state.get(ESP) & keep)) >>> 0;
  const outer = new Stack(cpu, descriptor.cache(), merged, code.rpl === 3);
  outer.skip(extra);
  outer.commit();
  setSegment(cpu.state, SS, descriptor.cache());
  dropInnerSegments(cpu, code.rpl);
  enterCode(cpu, code, code.rpl, eip);
}

/** Nulls the data segments that ring `cpl` may not use (Intel SDM vol. 2, RET). */
function dropInnerSegments(cpu: SystemContext, cpl: number): void {
  for (const segment of [ES, DS, FS, GS]) {
    const { attributes } = cachedSegment(cpu.state, segment);
    if (!(attributes & SEGMENT)) continue;
    const conforming = (attributes & CONFORMING_CODE) === CONFORMING_CODE;
    const dpl = attributes >>> 13 & 3;
    if (!conforming && dpl < cpl) setSegment(cpu.state, segment, nullSegment(0));
  }
}

/** RET far. */
export function returnFar(cpu: SystemContext, bytes: number, extra: number): void {
  const stack = Stack.current(cpu);
  const eip = stack.pop(bytes), selector = stack.pop(bytes) & 0xffff;
  returnTo(cpu, stack, bytes, selector, eip, extra);
}

/** Selector and offset of a far transfer: from the instruction, or from memory. */
function farPointer(cpu: SystemContext, instruction: Instruction): [number, number] {
  const bytes = instruction.operandSize / 8;
  if (!instruction.isMemory) return [instruction.immediate2 & 0xffff, instruction.immediate >>> 0];
  const offset = readMemory(cpu, instruction, bytes);
  return [readMemory(cpu, instruction, 2, bytes), offset];
}

/** The EIP after `instruction`. */
export function nextEip(cpu: SystemContext, instruction: Instruction): number {
  return (cpu.state.get(EIP) + instruction.length) >>> 0;
}

/** The far transfers, by mnemonic. */
export const transfers: Record<string, SystemOperation> = {
  jmpf: (cpu, instruction) => jumpFar(cpu, ...farPointer(cpu, instruction)),
  callf: (cpu, instruction) => {
    const bytes = instruction.operandSize / 8;
    callFar(cpu, ...farPointer(cpu, instruction), bytes, nextEip(cpu, instruction));
  },
  retf: (cpu, { operandSize, immediate }) => returnFar(cpu, operandSize / 8, immediate & 0xffff),
};
