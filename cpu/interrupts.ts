/**
 * Delivery of interrupts and exceptions, and IRET. Spec: specs/cpu/interrupts.md (Intel SDM vol. 3,
 * chapter 6; vol. 2, INT n and IRET). Not modelled: task gates, return to a nested task, virtual-8086
 * mode.
 */
import type { SystemContext } from "./context.ts";
import { Fault, faultClass, isFault, Unmodelled } from "./fault.ts";
import {
  demand,
  type Descriptor,
  fetchDescriptor,
  isNull,
  markAccessed,
  setSegment,
} from "./segments.ts";
import { innerStack, Stack } from "./stack.ts";
import {
  AC,
  ARITHMETIC_FLAGS,
  CR2,
  CS,
  DF,
  DOUBLE_FAULT,
  ESP,
  GP,
  ID,
  IDTR,
  IF,
  IOPL,
  NO_CODE,
  NP,
  NT,
  PAGE_FAULT,
  RF,
  SS,
  TF,
  VM,
} from "./state.ts";
import { demandInside, enterCode, returnTo } from "./transfers.ts";

/**
 * Where an event comes from: `exception` of an instruction, `external` interrupt (also INT1), or a
 * `software` interrupt (INT n, INT3, INTO), whose gate must admit the current privilege level.
 */
export type Source = "exception" | "external" | "software";

/** One event of a chain that ended in shutdown. */
export interface ChainLink {
  /** Its vector. */
  readonly vector: number;
  /** Its error code, or `NO_CODE`. */
  readonly code: number;
  /** EIP when it was raised. */
  readonly eip: number;
  /** The address of a page fault. */
  readonly cr2?: number;
  /** It was no exception but an interrupt, of a device or by INT n. */
  readonly isInterrupt?: true;
}

/** The processor shut down: an exception met another one while a double fault was delivered. */
export class TripleFault {
  /** The events that led to it, first one first. */
  readonly chain: readonly ChainLink[];

  /** Shutdown after `chain`. */
  constructor(chain: readonly ChainLink[]) {
    this.chain = chain;
  }
}

interface Gate {
  readonly selector: number;
  readonly offset: number;
  readonly bytes: 2 | 4;
  readonly trap: boolean;
}

// Low five bits of a gate's type, S included.
const TASK_GATE = 5, INTERRUPT16 = 6, TRAP16 = 7, INTERRUPT32 = 14, TRAP32 = 15;
const GATES: readonly number[] = [TASK_GATE, INTERRUPT16, TRAP16, INTERRUPT32, TRAP32];
const IN_IDT = 2; // error code: the index is one of the IDT

/** The gate of `vector`, checked. */
function fetchGate(cpu: SystemContext, vector: number, source: Source, ext: number): Gate {
  const { state, paging } = cpu;
  const code = 8 * vector | IN_IDT | ext;
  if (8 * vector + 7 > state.get(IDTR + 4)) throw new Fault(GP, code);
  const linear = state.get(IDTR) + 8 * vector;
  const low = paging.read(linear >>> 0, 4, false);
  const high = paging.read((linear + 4) >>> 0, 4, false);
  const type = high >>> 8 & 31, dpl = high >>> 13 & 3;
  if (!GATES.includes(type)) throw new Fault(GP, code);
  if (source === "software" && dpl < state.cpl) throw new Fault(GP, code);
  if (!(high & 0x8000)) throw new Fault(NP, code);
  if (type === TASK_GATE) {
    throw new Unmodelled(`a task switch through the gate of vector ${vector}`);
  }
  const wide = type === INTERRUPT32 || type === TRAP32;
  const offset = wide ? (low & 0xffff | high & 0xffff0000) >>> 0 : low & 0xffff;
  return {
    selector: low >>> 16,
    offset,
    bytes: wide ? 4 : 2,
    trap: type === TRAP16 || type === TRAP32,
  };
}

/** The handler's code segment, checked. */
function handlerCode(cpu: SystemContext, selector: number, ext: number): Descriptor {
  if (isNull(selector)) throw new Fault(GP, ext);
  const code = fetchDescriptor(cpu, selector, GP, ext);
  demand(code.isCode && code.dpl <= cpu.state.cpl, GP, selector, ext);
  demand(code.isPresent, NP, selector, ext);
  return code;
}

/** What an event saves as EFLAGS: RF is set for faults (Intel SDM vol. 3, 17.3.1.1). */
function savedFlags(cpu: SystemContext, vector: number, source: Source): number {
  const { eflags } = cpu.state;
  return source === "exception" && isFault(vector) ? eflags | RF : eflags;
}

/**
 * Delivers one event through its gate: the handler is entered, and `returnEip` is where IRET comes back.
 * Throws a Fault, with the registers unchanged, where the delivery itself faults.
 */
export function interrupt(
  cpu: SystemContext,
  vector: number,
  code: number,
  source: Source,
  returnEip: number,
): void {
  const { state } = cpu;
  const ext = source === "software" ? 0 : 1;
  const gate = fetchGate(cpu, vector, source, ext);
  const handler = handlerCode(cpu, gate.selector, ext);
  const ring = handler.isConforming ? state.cpl : handler.dpl;
  const inner = ring < state.cpl ? innerStack(cpu, ring, ext) : undefined;
  const stack = inner?.stack ?? Stack.current(cpu, ext);
  const frame = [savedFlags(cpu, vector, source), state.selector(CS), returnEip];
  if (inner) frame.unshift(state.selector(SS), state.get(ESP));
  if (code !== NO_CODE) frame.push(code);
  stack.demandRoom(gate.bytes * frame.length, gate.bytes);
  demandInside(handler, gate.offset, ext);
  markAccessed(cpu, handler);
  if (inner) markAccessed(cpu, inner.descriptor);
  for (const value of frame) stack.push(gate.bytes, value);
  if (inner) setSegment(state, SS, inner.descriptor.cache());
  stack.commit();
  state.eflags &= ~(TF | NT | RF | VM | (gate.trap ? 0 : IF));
  enterCode(cpu, handler, ring, gate.offset);
}

/** What follows when delivering `vector` met a fault: that fault, a double fault, or shutdown. */
function escalate(vector: number, source: Source, fault: Fault): Fault | undefined {
  const first = source === "exception" ? faultClass(vector) : "benign";
  const second = faultClass(fault.vector);
  if (second === "benign" || first === "benign") return fault;
  if (first === "double fault") return undefined;
  if (first === "contributory" && second === "page fault") return fault;
  return new Fault(DOUBLE_FAULT, 0);
}

/**
 * Delivers an event that happened at EIP, with everything that follows from faults on the way. Returns
 * undefined once a handler is entered, or the chain of events when the processor shuts down.
 */
export function raise(
  cpu: SystemContext,
  vector: number,
  code: number,
  source: Source,
): TripleFault | undefined {
  const { state } = cpu, chain: ChainLink[] = [];
  let event = new Fault(vector, code), from = source;
  for (;;) {
    chain.push(
      from === "exception" ? link(cpu, event) : { vector, code, eip: state.eip, isInterrupt: true },
    );
    const fault = tryDelivery(cpu, event, from, state.eip);
    if (!fault) return undefined;
    const next = escalate(event.vector, from, fault);
    if (next !== fault) chain.push(link(cpu, fault));
    if (!next) return new TripleFault(chain);
    [event, from] = [next, "exception"];
  }
}

function link(cpu: SystemContext, { vector, code }: Fault): ChainLink {
  const { eip } = cpu.state;
  return vector === PAGE_FAULT
    ? { vector, code, eip, cr2: cpu.state.get(CR2) }
    : { vector, code, eip };
}

function tryDelivery(
  cpu: SystemContext,
  event: Fault,
  source: Source,
  returnEip: number,
): Fault | undefined {
  try {
    interrupt(cpu, event.vector, event.code, source, returnEip);
    return undefined;
  } catch (fault) {
    if (fault instanceof Fault) return fault;
    throw fault;
  }
}

/** The bits of EFLAGS that POPF and IRET may write at the current privilege (Intel SDM vol. 2, POPF). */
export function writableFlags(cpu: SystemContext, bytes: number): number {
  const { cpl, eflags } = cpu.state;
  const always = ARITHMETIC_FLAGS | TF | DF | NT;
  const wide = bytes === 4 ? AC | ID : 0;
  const interruptFlag = cpl <= (eflags & IOPL) >>> 12 ? IF : 0;
  return always | wide | interruptFlag | (cpl === 0 ? IOPL : 0);
}

/** IRET with an operand of 2 or 4 bytes. */
export function interruptReturn(cpu: SystemContext, bytes: number): void {
  const { state } = cpu;
  const old = state.eflags;
  if (old & NT) throw new Unmodelled("the return from a nested task by IRET with NT set");
  const stack = Stack.current(cpu);
  const eip = stack.pop(bytes), selector = stack.pop(bytes) & 0xffff, flags = stack.pop(bytes);
  if (bytes === 4 && flags & VM && state.cpl === 0) {
    throw new Unmodelled("a return to virtual-8086 mode");
  }
  const writable = writableFlags(cpu, bytes);
  returnTo(cpu, stack, bytes, selector, eip, 0);
  // INTERRUPTS-12: RF would end with the next instruction, and nothing observes it before.
  state.eflags = old & ~(writable | RF) | flags & writable;
}
