/**
 * An i686 processor: registers, the interpreter, system code, interrupts. Spec: specs/cpu/cpu.md.
 *
 * It counts retired instructions; that count is its only clock. Not modelled: real mode, virtual-8086 mode,
 * task switches, x87, breakpoints of debug registers.
 */
import type { Instruction } from "../isa/instruction.ts";
import { CodeCache, type CodeKind } from "./code_cache.ts";
import type { SystemContext } from "./context.ts";
import { resetControl } from "./control.ts";
import { Fault, Unmodelled } from "./fault.ts";
import { handlers, instantiate, interpreterModule, type Run } from "./interpreter.ts";
import { raise, type Source, type TripleFault } from "./interrupts.ts";
import { JUMP_CACHE_ENTRIES, OPERATION_BYTES } from "./operation.ts";
import { Paging, type PagingState } from "./paging.ts";
import { isBig, isFlat } from "./segments.ts";
import {
  CPL,
  CR0,
  CR3,
  CR4,
  CS,
  DB,
  DEBUG_REGISTERS,
  DS,
  EIP,
  ES,
  Exit,
  FAULT_CODE,
  FAULT_VECTOR,
  IF,
  JUMP_CACHE,
  JUMP_CACHES,
  NO_CODE,
  OPERATION,
  READ_SUPERVISOR,
  READ_TABLE,
  READ_USER,
  READABLE,
  REMAINING,
  SEGMENT_BASE,
  SEGMENT_LIMIT,
  SHADOW,
  SS,
  State,
  STOPPED,
  TF,
  WRITABLE,
  WRITE_SUPERVISOR,
  WRITE_TABLE,
  WRITE_USER,
} from "./state.ts";
import { systemInstructions } from "./system.ts";

/** Compiled code returns at least this often, so that V8 replaces its first, slow version. */
const LONGEST_RUN = 200_000;
const DR6 = DEBUG_REGISTERS + 4 * 6;
const DR6_BS = 0x4000; // single-step
const SOFTWARE_INTERRUPTS: ReadonlySet<string> = new Set(["int", "int1", "int3", "into"]);
/** Deliveries in a row without a completed instruction that count as endless: frames for over 3 MB of stack. */
const ENDLESS = 1 << 18;
const THIS_AND_NEXT = 2; // instructions that interrupts wait for

/** The I/O port space. */
export interface Ports {
  /** Reads 1, 2 or 4 bytes. */
  read(port: number, bytes: number): number;
  /** Writes 1, 2 or 4 bytes. */
  write(port: number, bytes: number, value: number): void;
}

/** What an observer may be told; all optional, none changes anything. */
export interface CpuHooks {
  /** An interrupt or exception is about to be delivered; EIP is where it happened. */
  delivered?(vector: number, code: number, source: Source): void;
  /** A control register was written with another value. */
  control?(register: 0 | 3 | 4, value: number): void;
}

/** What a processor is made of. */
export interface CpuOptions {
  /** From `allocateMemory`. */
  readonly memory: WebAssembly.Memory;
  /** Bytes of guest RAM in it: whole pages. */
  readonly ramBytes: number;
  /** The I/O port space. */
  readonly ports: Ports;
  /** The interrupt controller's answer to an acknowledge: a vector. */
  acknowledge(): number;
  /** The time-stamp counter's clock; instructions retired by default. */
  time?(): number;
  /** Observers. */
  readonly hooks?: CpuHooks;
  /** Another interpreter than the committed one, for tests. */
  readonly interpreter?: {
    readonly module: WebAssembly.Module;
    readonly handlers: ReadonlyMap<string, number>;
  };
}

/** Why `run` returned. */
export type CpuStop =
  | { readonly kind: "limit" }
  /** HLT: nothing runs until an interrupt comes. */
  | { readonly kind: "halt" }
  /** A breakpoint stands before the instruction at EIP. */
  | { readonly kind: "breakpoint" }
  /** A triple fault. */
  | { readonly kind: "shutdown"; readonly fault: TripleFault }
  /** Exceptions without end: each handler's first instruction faults again, so that none completes. */
  | { readonly kind: "exception-loop"; readonly vector: number }
  /** Something that this processor does not have. */
  | { readonly kind: "unmodelled"; readonly what: string };

/** What the processor remembers outside its registers, which are in memory. */
export interface CpuSaved {
  /** Instructions retired since reset. */
  readonly retired: number;
  /** It waits for an interrupt. */
  readonly halted: boolean;
  /** The level of the INTR pin. */
  readonly interruptLine: boolean;
  /** Deliveries since the last completed instruction. */
  readonly fruitless: number;
  /** How many instructions were completed at the last delivery. */
  readonly deliveredAt: number;
  /** The TLB and A20. */
  readonly paging: PagingState;
}

/** The processor. */
export class Cpu implements SystemContext {
  /** Registers. */
  readonly state: State;
  /** Paging unit and memory. */
  readonly paging: Paging;
  /** Absolute count of retired instructions at which `run` returns; may be lowered while it runs. */
  limit = 0;
  readonly #ports: Ports;
  readonly #acknowledge: () => number;
  readonly #time: () => number;
  readonly #hooks: CpuHooks;
  readonly #code: CodeCache;
  readonly #run: Run;
  #retired = 0;
  /** Instructions given to compiled code that is running, else 0. */
  #granted = 0;
  #kind: CodeKind = { code32: true, flat: false, limit: 0 };
  #codeBase = 0;
  #interruptLine = false;
  /** Deliveries since the last completed instruction, and how many were completed at the last one. */
  #fruitless = 0;
  #deliveredAt = -1;
  #halted = false;
  #jumped = false;
  #skipBreakpoint = false;
  /** A single-step trap follows the present instruction. */
  #steps = false;
  /** A direct jump whose target was not known, or 0. */
  #linkFrom = 0;
  /** The operation at EIP if it is known, else 0; valid in the code cache's generation. */
  #next = 0;
  #generation = -1;
  #stop: CpuStop | undefined;

  /** A processor after reset (registers are the caller's to set). */
  constructor(options: CpuOptions) {
    const { memory, ramBytes, ports, hooks = {}, interpreter } = options;
    this.state = new State(memory);
    this.paging = new Paging(this.state, ramBytes);
    this.#ports = ports;
    this.#acknowledge = () => options.acknowledge();
    this.#time = options.time ? () => options.time!() : () => this.retired;
    this.#hooks = hooks;
    this.#code = new CodeCache(this.state, this.paging, interpreter?.handlers ?? handlers);
    this.paging.onCodeWrite = (physAddr, bytes) => this.#codeWritten(physAddr, bytes);
    this.#run = instantiate(interpreter?.module ?? interpreterModule(), memory, {
      load: (linear, bytes) => this.paging.loadSlow(linear >>> 0, bytes),
      store: (linear, bytes, value) => this.paging.storeSlow(linear >>> 0, bytes, value),
      modify: (linear, bytes) => this.paging.modifySlow(linear >>> 0, bytes),
      probe: (linear, bytes) => this.paging.probeSlow(linear >>> 0, bytes),
    });
    resetControl(this.state);
    this.modeChanged();
  }

  /** Instructions retired since reset; exact also while a port is accessed. */
  get retired(): number {
    return this.#granted === 0
      ? this.#retired
      : this.#retired + this.#granted - this.state.get(REMAINING);
  }

  /** EIP of the present instruction, also for whoever is told of one of its accesses (CPU-17). */
  get currentEip(): number {
    return this.#granted === 0 ? this.state.eip : this.#code.eip(this.state.get(OPERATION));
  }

  /** The processor waits for an interrupt. */
  get halted(): boolean {
    return this.#halted;
  }

  /** The level of the INTR pin. */
  setInterruptLine(level: boolean): void {
    this.#interruptLine = level;
  }

  /** Stops before the instructions at these linear addresses. */
  setBreakpoints(linear: ReadonlySet<number>): void {
    this.#code.setBreakpoints(linear);
  }

  /** Ends the wait of a HLT, as an interrupt would. */
  wake(): void {
    this.#halted = false;
  }

  /** Lets the instruction at EIP run although a breakpoint stands before it. */
  skipBreakpoint(): void {
    this.#skipBreakpoint = true;
  }

  /** Call this after registers, control registers or memory were changed from outside while it does not run. */
  changed(): void {
    this.#linkFrom = 0;
    this.paging.refill();
    this.#code.clear();
    this.modeChanged();
  }

  /** What {@link restore} takes back, together with the memory. */
  save(): CpuSaved {
    return {
      retired: this.#retired,
      halted: this.#halted,
      interruptLine: this.#interruptLine,
      fruitless: this.#fruitless,
      deliveredAt: this.#deliveredAt,
      paging: this.paging.state(),
    };
  }

  /**
   * Goes on from what {@link save} gave; the memory must be as it was then. Code is translated again only on
   * the physical pages that `changedPages` names (by default everywhere).
   */
  restore(saved: CpuSaved, changedPages?: readonly number[]): void {
    this.#retired = saved.retired;
    this.#halted = saved.halted;
    this.#interruptLine = saved.interruptLine;
    this.#fruitless = saved.fruitless;
    this.#deliveredAt = saved.deliveredAt;
    this.#stop = undefined;
    this.#skipBreakpoint = false;
    this.#linkFrom = 0;
    this.paging.restore(saved.paging);
    if (changedPages) this.#code.forgetPages(changedPages);
    else this.#code.clear();
    this.modeChanged();
  }

  /** Executes until `limit` instructions have retired since reset, or something else stops it. */
  run(limit: number): CpuStop {
    this.limit = limit;
    for (;;) {
      const stop = this.#stop ?? this.#between();
      if (stop) {
        this.#stop = undefined;
        return stop;
      }
      this.#execute();
    }
  }

  /** What may happen between two instructions. */
  #between(): CpuStop | undefined {
    if (this.#retired >= this.limit) return { kind: "limit" };
    if (this.#interruptLine && !this.#shadowed && this.state.eflags & IF) this.#interrupt();
    return this.#halted ? { kind: "halt" } : this.#stop;
  }

  /** Interrupts wait for the next instruction, or the one after it. */
  get #shadowed(): boolean {
    return this.state.get(SHADOW) !== 0;
  }

  #interrupt(): void {
    this.#deliver(this.#acknowledge(), NO_CODE, "external");
  }

  #deliver(vector: number, code: number, source: Source): void {
    this.#hooks.delivered?.(vector, code, source);
    this.#halted = false;
    this.#skipBreakpoint = false;
    this.#linkFrom = 0;
    this.#next = 0;
    this.state.set(SHADOW, 0);
    this.#fruitless = this.#retired === this.#deliveredAt ? this.#fruitless + 1 : 0;
    this.#deliveredAt = this.#retired;
    if (this.#fruitless > ENDLESS) {
      this.#stop = { kind: "exception-loop", vector };
      return;
    }
    try {
      const shutdown = raise(this, vector, code, source);
      if (shutdown) this.#stop = { kind: "shutdown", fault: shutdown };
    } catch (reason) {
      this.#stop = unmodelled(reason);
    }
  }

  /** Executes some instructions: one, if something must happen after it. */
  #execute(): void {
    const stepping = (this.state.eflags & TF) !== 0, before = this.#retired;
    const single = stepping || (this.#shadowed && this.#interruptLine);
    const operation = this.#operation();
    if (operation === 0) return; // the fetch faulted
    this.#steps = stepping;
    this.#compiled(operation, single ? 1 : Math.min(this.limit - before, LONGEST_RUN));
    if (this.#retired === before) return;
    if (this.#shadowed) this.state.set(SHADOW, this.state.get(SHADOW) - 1);
    if (this.#steps && !this.#stop) this.#singleStep();
  }

  #singleStep(): void {
    this.state.set(DR6, this.state.get(DR6) | DR6_BS);
    this.#deliver(DB, NO_CODE, "exception");
  }

  /** The operation at EIP, or 0 after a fault. */
  #operation(): number {
    const skip = this.#skipBreakpoint;
    this.#skipBreakpoint = false;
    const { state } = this, isCurrent = this.#generation === this.#code.generation;
    if (this.#next !== 0 && isCurrent && !skip) return this.#next;
    try {
      const operation = this.#code.lookUp(state.eip, this.#kind, state.cpl === 3);
      const isLinkable = this.#generation === this.#code.generation; // it may have made room
      if (this.#linkFrom !== 0 && isLinkable) this.#code.link(this.#linkFrom, operation);
      this.#linkFrom = 0;
      return skip ? this.#code.behindBreakpoint(operation) : operation;
    } catch (reason) {
      this.#linkFrom = 0;
      this.#caught(reason);
      return 0;
    }
  }

  #caught(reason: unknown): void {
    if (reason instanceof Fault) this.#deliver(reason.vector, reason.code, "exception");
    else this.#stop = unmodelled(reason);
  }

  /** Runs compiled code and does what it left to do. */
  #compiled(operation: number, count: number): void {
    const { state } = this;
    this.#next = 0;
    this.#generation = this.#code.generation;
    this.#granted = count;
    const exit = this.#run(operation, count);
    this.#retired = this.retired;
    this.#granted = 0;
    const at = state.get(OPERATION);
    if (exit !== Exit.LOOKUP && exit !== Exit.CONTINUE) state.set(EIP, this.#code.eip(at));
    this.#exits[exit](at);
  }

  /** What follows each {@link Exit}. */
  readonly #exits: Record<number, (operation: number) => void> = {
    [Exit.COUNT]: (at) => this.#next = at,
    [Exit.LOOKUP]: (at) => {
      this.#retired++;
      if (this.#generation === this.#code.generation) this.#linkFrom = at;
    },
    [Exit.CONTINUE]: () => {},
    [Exit.FAULT]: () => {
      this.state.set(STOPPED, 0);
      this.#deliver(this.state.get(FAULT_VECTOR), this.state.get(FAULT_CODE) | 0, "exception");
    },
    [Exit.SYSTEM]: (at) => this.#system(at),
    [Exit.BREAK]: () => this.#stop = { kind: "breakpoint" },
  };

  /** Executes a system instruction. */
  #system(operation: number): void {
    const { state } = this, instruction = this.#code.instruction(operation);
    const control = this.#hooks.control && [state.get(CR0), state.get(CR3), state.get(CR4)];
    this.#jumped = false;
    try {
      systemInstructions[instruction.row.mnemonic](this, instruction);
    } catch (reason) {
      return this.#caught(reason);
    }
    this.#retired++;
    if (this.#endsStep(instruction.row.mnemonic)) this.#steps = false;
    if (control) this.#reportControl(control);
    if (this.#jumped) return;
    this.#advance(instruction);
    if (this.#generation === this.#code.generation) this.#next = operation + OPERATION_BYTES;
  }

  /** The instruction that was just executed has no single-step trap after it (CPU-9). */
  #endsStep(mnemonic: string): boolean {
    if (this.#jumped) return SOFTWARE_INTERRUPTS.has(mnemonic);
    return this.state.get(SHADOW) === THIS_AND_NEXT && mnemonic !== "sti"; // it loaded SS
  }

  #advance({ eip, length }: Instruction): void {
    this.state.eip = this.#kind.code32 ? eip + length : eip + length & 0xffff;
  }

  #reportControl(before: readonly number[]): void {
    ([[0, CR0], [3, CR3], [4, CR4]] as const).forEach(([register, offset], i) => {
      const value = this.state.get(offset);
      if (value !== before[i]) this.#hooks.control!(register, value);
    });
  }

  /** Leaves after the present instruction when it wrote into code, which its block may continue with. */
  #codeWritten(physAddr: number, bytes: number): void {
    if (!this.#code.written(physAddr, bytes) || this.#granted === 0) return;
    const rest = this.state.get(REMAINING);
    this.#granted -= rest - 1;
    this.state.set(REMAINING, 1);
  }

  // ---- what system code may ask for

  /** See {@link SystemContext}. */
  readPort(port: number, bytes: number): number {
    return this.#ports.read(port, bytes);
  }

  /** See {@link SystemContext}. */
  writePort(port: number, bytes: number, value: number): void {
    this.#ports.write(port, bytes, value);
  }

  /** The time-stamp counter's clock. */
  time(): number {
    return this.#time();
  }

  /** See {@link SystemContext}. */
  jump(eip: number): void {
    this.state.eip = eip;
    this.#jumped = true;
  }

  /** See {@link SystemContext}. */
  halt(): void {
    this.#halted = true;
  }

  /** See {@link SystemContext}. */
  holdInterrupts(): void {
    this.state.set(SHADOW, THIS_AND_NEXT);
  }

  /** See {@link SystemContext}. */
  modeChanged(): void {
    const { state } = this, user = state.get(CPL) === 3;
    state.set(READ_TABLE, user ? READ_USER : READ_SUPERVISOR);
    state.set(WRITE_TABLE, user ? WRITE_USER : WRITE_SUPERVISOR);
    state.set(JUMP_CACHE, JUMP_CACHES + (user ? 8 * JUMP_CACHE_ENTRIES : 0));
    const code32 = isBig(state, CS), codeBase = state.get(SEGMENT_BASE + 4 * CS);
    const flat = code32 && isBig(state, SS) && isFlat(state, CS, 0) &&
      isFlat(state, SS, READABLE | WRITABLE) &&
      isFlat(state, DS, READABLE | WRITABLE) && isFlat(state, ES, READABLE | WRITABLE);
    this.#next = 0;
    const limit = state.get(SEGMENT_LIMIT + 4 * CS), kind = this.#kind;
    const same = code32 === kind.code32 && flat === kind.flat && limit === kind.limit;
    if (same && codeBase === this.#codeBase) return;
    this.#kind = { code32, flat, limit };
    this.#codeBase = codeBase;
    this.#code.forgetJumps();
  }

  /** See {@link SystemContext}. */
  flushCode(): void {
    this.#code.forgetJumps();
  }
}

/** A stop for what is not modelled; anything else is an error of ours. */
function unmodelled(reason: unknown): CpuStop {
  if (reason instanceof Unmodelled) return { kind: "unmodelled", what: reason.what };
  throw reason;
}
