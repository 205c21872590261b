/**
 * A PC that has been started: run it, look at it, call its functions, save and restore it.
 * Spec: specs/machine/machine.md.
 */
import type { CpuSaved, CpuStop } from "../cpu/cpu.ts";
import type { AccessObserver } from "../cpu/paging.ts";
import { CR0, CR3, CR4, EAX, ESP, IF, SEGMENT_BASE } from "../cpu/state.ts";
import type { Uart } from "../devices/uart.ts";
import type { Screen } from "../devices/vga.ts";
import { memoryMap } from "./bootinfo.ts";
import { type ClockState, TICKS_PER_MILLISECOND, TICKS_PER_SECOND } from "./clock.ts";
import type { SymbolTable } from "./elf.ts";
import {
  bitmapUsage,
  type HeapBlock,
  heapBlocks,
  type PageMapping,
  pageMappings,
  type PagingRegisters,
  translateAddress,
  type Usage,
} from "./inspect.ts";
import type { Memory } from "./memory.ts";
import { type ChipStates, type MachineHooks, Pc, type PcOptions } from "./pc.ts";
import type { SerialPort, SerialState } from "./serial.ts";
import { type Registers, registersOf, type Stop, type StopReason } from "./stop.ts";

export type { Access, AccessObserver } from "../cpu/paging.ts";

/** Ticks between two looks at a predicate: MACHINE-8. */
const LOOK = TICKS_PER_MILLISECOND;
/** A HLT that no event ends for so long ends never: MACHINE-4. */
const LONGEST_SLEEP = 2 * TICKS_PER_SECOND;
const IDLE_ASKED = 100 * TICKS_PER_MILLISECOND, IDLE_UNASKED = 10 * TICKS_PER_SECOND;
const CALL_BUDGET = 1_000_000_000;
const LONGEST_INSTRUCTION = 15; // bytes
const GENERAL_END = 60; // of general registers, flags and EIP in the state

/** What ends a run besides the guest's own end. */
export type Until =
  /** The guest waits for input. */
  | "idle"
  /** This text has been sent on COM1. */
  | { readonly serial: string }
  /** Execution has come to one of these symbols or linear addresses. */
  | { readonly reaches: string | number | readonly (string | number)[] }
  /** This became true: looked at once a virtual millisecond. */
  | ((machine: Machine) => boolean);

/** How long a machine runs. */
export interface RunOptions {
  /** What ends the run. */
  readonly until?: Until;
  /** Instructions that may be executed; no end by default. */
  readonly budget?: number;
  /**
   * Virtual milliseconds of rest after which a guest counts as waiting for input: 100 if the run is
   * until `"idle"`, else 10,000. `Infinity` lets it rest.
   */
  readonly idleAfter?: number;
  /** This run goes on where the last one ended: rest counts from there. */
  readonly resume?: boolean;
}

/** How a call of a guest function ended. */
export type CallResult =
  /** It returned: EAX, and the instructions that it took. */
  | { readonly kind: "returned"; readonly value: number; readonly instructions: number }
  /** It did not return; the machine is where it stopped. */
  | { readonly kind: "stopped"; readonly stop: Stop };

/** A guest function did not return; `stop` says why. */
export class CallError extends Error {
  /** The class's name. */
  override readonly name = "CallError";
  /** What happened instead. */
  readonly stop: Stop;

  /** A call of `name` that ended with `stop`. */
  constructor(name: string, stop: Stop) {
    super(`Cannot get a result of ${name}: it stopped at ${stop.at} (${stop.kind})`);
    this.stop = stop;
  }
}

/** A machine at one moment. Taken in memory; valid for the machine that it was taken from. */
export interface Snapshot {
  /** RAM. */
  readonly ram: Uint8Array;
  /** Device memory. */
  readonly device: Uint8Array;
  /** The processor's registers. */
  readonly registers: Uint8Array;
  /** What the processor remembers besides. */
  readonly cpu: CpuSaved;
  /** What the chips remember. */
  readonly chips: ChipStates;
  /** The time. */
  readonly clock: ClockState;
  /** The host's ends of the serial lines. */
  readonly lines: Readonly<Record<"com1" | "com2" | "debug", SerialState>>;
  /** Accesses to ports that nobody claims. */
  readonly unclaimed: readonly (readonly [number, number])[];
}

/** The screen: cells with attributes, cursor, and the same as text. */
export interface MachineScreen extends Screen {
  /** One line a row, without trailing spaces. */
  readonly text: string;
}

/** What one run has to remember. */
interface Run {
  /** Instruction count at which the budget is spent. */
  readonly end: number;
  /** Ticks of rest that count as idle. */
  readonly idleAfter: number;
  readonly predicate: ((machine: Machine) => boolean) | undefined;
  /** Time of the next look at it. */
  nextLook: number;
}

/** A booted machine. Everything is synchronous. */
export class Machine {
  /** The chips and their wiring. */
  readonly pc: Pc;
  /** Symbols of the kernel image. */
  readonly symbols: SymbolTable;
  #awaited: TextMatch | undefined;
  #base: Snapshot | undefined; // what the account of written pages began with
  #stoppedAt: number | undefined; // the breakpoint that the last run met
  #interrupted = false; // somebody asked to end the run
  #breakpoints: ReadonlySet<number> = new Set(); // of the processor: places and taps
  #places: ReadonlySet<number> = new Set(); // what the run ends at
  readonly #taps = new Map<number, () => void>();

  /** A machine with nothing in its memory; `boot` makes one that stands at a kernel's entry. */
  constructor(options: PcOptions, symbols: SymbolTable) {
    const { hooks = {} } = options;
    const serial: MachineHooks["serial"] = (line, byte) => {
      hooks.serial?.(line, byte);
      if (line === "com1" && this.#awaited?.feed(byte)) this.pc.cpu.limit = 0; // leave soon
    };
    this.pc = new Pc({ ...options, hooks: { ...hooks, serial } });
    this.symbols = symbols;
  }

  // ---- running

  /** Runs until something ends it; the result says what. Never throws for what a guest does. */
  run({ until, budget = Infinity, idleAfter, resume }: RunOptions = {}): Stop {
    const rest = until === "idle" ? IDLE_ASKED : IDLE_UNASKED;
    const run: Run = {
      end: this.instructions + budget,
      idleAfter: idleAfter === undefined ? rest : idleAfter * TICKS_PER_MILLISECOND,
      predicate: typeof until === "function" ? until : undefined,
      nextLook: this.ticks + LOOK,
    };
    this.#arm(until);
    if (!resume) this.pc.idle.restart();
    let reason: StopReason | undefined;
    while (reason === undefined) reason = this.#step(run);
    this.#awaited = undefined;
    return this.#stop(reason);
  }

  /** Executes exactly `count` instructions, fewer if something else ends it. */
  step(count = 1): Stop {
    return this.run({ budget: count, idleAfter: Infinity });
  }

  /** Ends the run at work after the present instruction, as if a condition were met: for hooks. */
  interrupt(): void {
    this.#interrupted = true;
    this.pc.cpu.limit = 0;
  }

  /** Types a text on the keyboard, on the US layout. */
  type(text: string): void {
    this.pc.keyboard.type(text);
  }

  /**
   * Calls a guest function by cdecl and gives EAX; registers are afterwards as before. Strings are
   * put on the guest's stack. Throws a {@link CallError} if it does not return.
   */
  call(symbol: string | number, ...args: (number | string)[]): number {
    const result = this.invoke(symbol, args);
    if (result.kind === "returned") return result.value;
    throw new CallError(`${symbol}`, result.stop);
  }

  /** As `call`, with the way it ended as a value; if it did not return, the guest stays there. */
  invoke(
    symbol: string | number,
    args: readonly (number | string)[] = [],
    budget: number = CALL_BUDGET,
  ): CallResult {
    const { pc } = this, saved = pc.memory.registers.slice(), halted = pc.cpu.halted;
    const back = pc.cpu.state.eip, start = this.instructions, stoppedAt = this.#stoppedAt;
    this.#stoppedAt = undefined; // it begins elsewhere
    pc.cpu.wake(); // it shall run, not wait
    const stackTop = this.#pushCall(back, args);
    pc.cpu.state.eip = this.address(symbol);
    pc.cpu.modeChanged();
    for (;;) {
      const left = budget - (this.instructions - start);
      const stop = this.run({ until: { reaches: back }, budget: left, idleAfter: Infinity });
      if (stop.kind !== "breakpoint") return { kind: "stopped", stop };
      if (pc.cpu.state.register(ESP >> 2) !== stackTop + 4) continue; // someone else came by
      const value = pc.cpu.state.register(EAX >> 2), instructions = this.instructions - start;
      this.#restoreRegisters(saved, halted);
      this.#stoppedAt = stoppedAt;
      return { kind: "returned", value, instructions };
    }
  }

  // ---- looking

  /** Instructions retired since power-on. */
  get instructions(): number {
    return this.pc.retired;
  }

  /** Virtual time since power-on, in ticks of 10 ns. */
  get ticks(): number {
    return this.pc.retired + this.pc.clock.skipped;
  }

  /** COM1: what the guest sent, and a way to send to it. */
  get serial(): SerialPort {
    return this.pc.com1;
  }

  /** COM2. */
  get serial2(): SerialPort {
    return this.pc.com2;
  }

  /** The screen. */
  get screen(): MachineScreen {
    return { ...this.pc.vga.screen(), text: this.pc.vga.text() };
  }

  /** Memory by physical address. */
  get memory(): Memory {
    return this.pc.memory;
  }

  /** The processor's registers. */
  get registers(): Registers {
    return registersOf(this.pc.cpu.state);
  }

  /** The linear address of a symbol; throws a RangeError if the image has none of that name. */
  address(symbol: string | number): number {
    if (typeof symbol === "number") return symbol;
    const found = this.symbols.find(symbol);
    if (found) return found.address;
    throw new RangeError(
      `Cannot find the symbol ${symbol}: the image has ${this.symbols.all.length}`,
    );
  }

  /** The physical address of a linear one by the page tables, or undefined. */
  translate(address: number): number | undefined {
    return translateAddress(this.#physicalWord, this.#pagingRegisters, address >>> 0);
  }

  /** Every page that the page tables map; undefined while paging is off. */
  pageTables(): PageMapping[] | undefined {
    return pageMappings(this.#physicalWord, this.#pagingRegisters);
  }

  /** The blocks of the reference kernel's heap, in the order of memory. */
  heapBlocks(): HeapBlock[] {
    return heapBlocks((address) => this.readWord(address));
  }

  /** Page frames by the bitmap at `pmm_bitmap`, up to the last one that the memory map has. */
  pageUsage(): Usage {
    const bitmap = this.readWord(this.address("pmm_bitmap")) ?? 0;
    const available = memoryMap(this.memory.ramBytes)[3];
    const pageCount = (available.base + available.bytes) >>> 12;
    return bitmapUsage((index) => this.readWord(bitmap + 4 * index) ?? 0, pageCount);
  }

  /** The word at a linear address, or undefined where nothing is mapped. */
  readWord(address: number): number | undefined {
    if ((address & 0xfff) <= 0xffc) {
      const physAddr = this.translate(address);
      return physAddr === undefined ? undefined : this.memory.read(physAddr, 4);
    }
    let value = 0;
    for (let i = 3; i >= 0; i--) {
      const physAddr = this.translate(address + i);
      if (physAddr === undefined) return undefined;
      value = value * 256 + this.memory.read(physAddr, 1);
    }
    return value;
  }

  /** A copy of bytes at linear addresses, shorter where a page is missing. */
  readBytes(address: number, length: number): Uint8Array {
    const bytes: number[] = [];
    for (let i = 0; i < length; i++) {
      const physAddr = this.translate(address + i);
      if (physAddr === undefined) break;
      bytes.push(this.memory.read(physAddr, 1));
    }
    return Uint8Array.from(bytes);
  }

  /** Writes bytes at linear addresses; throws a RangeError where a page is missing. */
  writeBytes(address: number, data: Uint8Array): void {
    data.forEach((byte, i) => {
      const physAddr = this.translate(address + i);
      if (physAddr === undefined) {
        throw new RangeError(`Cannot write to ${hex(address + i)}: it is not mapped`);
      }
      this.pc.cpu.paging.writePhysical(physAddr, 1, byte);
    });
  }

  /** The linear address as `symbol+offset`. */
  describe(address: number): string {
    return this.symbols.describe(address);
  }

  /** A checksum of everything that the guest could notice, 16 hexadecimal digits. */
  hash(): string {
    const { memory, clock } = this.pc, sum = new Checksum();
    sum.words(memory.ram);
    sum.words(memory.device);
    const rest = [
      this.registers,
      this.pc.cpu.halted,
      this.pc.retired,
      clock.state(),
      this.pc.chipStates(),
    ];
    sum.words(padded(new TextEncoder().encode(JSON.stringify(rest))));
    return sum.text;
  }

  /**
   * Calls `observer` whenever execution comes to this linear address, before the instruction there, in
   * every run and call from now on. It may look at the machine and set other taps, not change the
   * machine. An interrupt that is served first makes execution come there twice. `undefined` ends it.
   */
  tap(address: number, observer: (() => void) | undefined): void {
    if (observer) this.#taps.set(address, observer);
    else this.#taps.delete(address);
    this.#setBreakpoints();
  }

  /**
   * Tells `observer` of every access to data at linear addresses from `start` up to `end`, widened to
   * pages, instead of what an earlier `watch` told: when the page tables allow it and before it is made.
   * {@link currentAddress} then says whose it is. `undefined` ends it.
   */
  watch(start: number, end: number, observer: AccessObserver | undefined): void {
    if (observer) this.pc.cpu.paging.watch(start, end, observer);
    else this.pc.cpu.paging.unwatch();
  }

  /** The linear address of the present instruction, also in observers and hooks. */
  get currentAddress(): number {
    return this.#linear(this.pc.cpu.currentEip);
  }

  // ---- saving

  /** Saves everything. */
  snapshot(): Snapshot {
    const { memory, cpu, com1, com2, debug, clock, bus } = this.pc;
    this.pc.cpu.paging.forgetWritten();
    return this.#base = {
      ram: memory.ram.slice(),
      device: memory.device.slice(),
      registers: memory.registers.slice(),
      cpu: cpu.save(),
      chips: this.pc.chipStates(),
      clock: clock.state(),
      lines: { com1: com1.state(), com2: com2.state(), debug: debug.state() },
      unclaimed: [...bus.unclaimed],
    };
  }

  /** Goes back to what `snapshot()` saved. */
  restore(snapshot: Snapshot): void {
    const { memory, cpu, clock, bus } = this.pc;
    const changed = snapshot === this.#base ? [...cpu.paging.writtenPages] : undefined;
    if (changed) {
      for (const page of changed) {
        memory.copyPage(page, snapshot.ram, snapshot.device);
      }
    } else {
      memory.ram.set(snapshot.ram);
      memory.device.set(snapshot.device);
    }
    memory.registers.set(snapshot.registers);
    cpu.restore(snapshot.cpu, changed);
    cpu.paging.forgetWritten();
    this.#base = snapshot;
    this.pc.restoreChips(snapshot.chips);
    clock.restore(snapshot.clock);
    for (const name of ["com1", "com2", "debug"] as const) {
      this.pc[name].restore(snapshot.lines[name]);
    }
    bus.restoreUnclaimed(snapshot.unclaimed);
  }

  // ---- inside a run

  /** Lets the guest go on for a while; the reason if the run ends. */
  #step(run: Run): StopReason | undefined {
    const { pc } = this;
    pc.clock.reach(pc.retired);
    if (run.predicate && this.ticks >= run.nextLook) {
      if (run.predicate(this)) return { kind: "condition" };
      run.nextLook = this.ticks + LOOK;
    }
    if (pc.retired >= run.end) return { kind: "budget" };
    const look = run.predicate ? run.nextLook - pc.clock.skipped : Infinity;
    if (this.#stoppedAt === this.#linearEip()) pc.cpu.skipBreakpoint();
    this.#stoppedAt = undefined;
    const stop = pc.execute(Math.min(run.end, look));
    pc.clock.reach(pc.retired);
    return this.#granted() ?? this.#reasons[stop.kind](stop as never, run);
  }

  /** What the guest or a condition asked for while it ran. */
  #granted(): StopReason | undefined {
    const { wish } = this.pc;
    this.pc.wish = undefined;
    if (wish?.kind === "guest-exit") return { ...wish, code: wish.value << 1 | 1 };
    if (wish) return wish;
    const interrupted = this.#interrupted;
    this.#interrupted = false;
    if (interrupted) return { kind: "condition" };
    return this.#awaited?.matched ? { kind: "condition" } : undefined;
  }

  readonly #reasons: {
    readonly [K in CpuStop["kind"]]: (
      stop: Extract<CpuStop, { kind: K }>,
      run: Run,
    ) => StopReason | undefined;
  } = {
    limit: () => undefined,
    halt: (_, run) => this.#halted(run),
    breakpoint: () => {
      const address = this.#stoppedAt = this.#linearEip();
      this.#taps.get(address)?.();
      if (!this.#places.has(address)) return undefined;
      const symbol = this.symbols.at(address);
      return {
        kind: "breakpoint",
        address,
        symbol: symbol?.offset ? undefined : symbol?.symbol.name,
      };
    },
    shutdown: ({ fault }) => ({
      kind: "triple-fault",
      chain: fault.chain,
      registers: this.registers,
      code: [...this.readBytes(this.#linear(fault.chain[0].eip), LONGEST_INSTRUCTION)],
    }),
    "exception-loop": ({ vector }) => ({ kind: "exception-loop", vector }),
    unmodelled: ({ what }) => ({ kind: "unmodelled", what }),
  };

  /** HLT: jumps to the next event; a reason if none can help. */
  #halted(run: Run): StopReason | undefined {
    const { pc } = this;
    if ((pc.cpu.state.eflags & IF) === 0) return { kind: "halted", why: "interrupts are off" };
    const checksum = () => pc.screenChecksum();
    pc.idle.inputPending(pc.keyboard.pending + pc.com1.pending + pc.com2.pending);
    const rest = pc.idle.halted(pc.clock.now, pc.retired, checksum);
    if (rest >= run.idleAfter && pc.idle.confirm(pc.clock.now, checksum())) return { kind: "idle" };
    return this.#sleep(run);
  }

  /** Skips time until an interrupt is requested. */
  #sleep(run: Run): StopReason | undefined {
    const { pc } = this, asleep = pc.clock.now;
    while (!pc.master.state().int) {
      const ticks = pc.clock.ticksToEvent();
      if (ticks === Infinity || pc.clock.now - asleep > LONGEST_SLEEP) return this.#asleep();
      const look = run.predicate ? Math.max(run.nextLook - this.ticks, 1) : Infinity;
      pc.clock.skip(Math.min(ticks, look));
      if (look <= ticks) return undefined;
    }
    return undefined;
  }

  /** No event wakes the guest: perhaps input would. */
  #asleep(): StopReason | undefined {
    if (!this.#inputWakes) return { kind: "halted", why: "no interrupt can wake it" };
    return { kind: "idle" };
  }

  /** Whether an interrupt of keyboard or serial line would reach the processor. */
  get #inputWakes(): boolean {
    const mask = this.pc.master.state().imr;
    const enabled = [0x02, ier(this.pc.uart1) && 0x10, ier(this.pc.uart2) && 0x08];
    return enabled.some((bit) => bit !== 0 && (mask & bit) === 0);
  }

  /** Prepares what the run is to wait for. */
  #arm(until: Until | undefined): void {
    const waits = typeof until === "object" ? until : undefined;
    this.#awaited = waits && "serial" in waits ? new TextMatch(waits.serial) : undefined;
    const places = waits && "reaches" in waits ? [waits.reaches].flat() : [];
    const addresses = places.map((place) => this.address(place));
    this.#places = new Set(addresses);
    this.#setBreakpoints();
  }

  #setBreakpoints(): void {
    const addresses = [...this.#places, ...this.#taps.keys()];
    const wanted = new Set(addresses), { size } = this.#breakpoints;
    const same = wanted.size === size && addresses.every((a) => this.#breakpoints.has(a));
    if (same) return; // changing them costs translated code
    this.#breakpoints = wanted;
    this.pc.cpu.setBreakpoints(wanted);
  }

  #stop(reason: StopReason): Stop {
    const { eip } = this.pc.cpu.state, at = this.describe(this.#linearEip());
    return { ...reason, instructions: this.instructions, ticks: this.ticks, eip, at };
  }

  // ---- parts of the above

  readonly #physicalWord = (physAddr: number): number => this.memory.read(physAddr, 4);

  get #pagingRegisters(): PagingRegisters {
    const { state } = this.pc.cpu;
    return { cr0: state.get(CR0), cr3: state.get(CR3), cr4: state.get(CR4) };
  }

  #linearEip(): number {
    return this.#linear(this.pc.cpu.state.eip);
  }

  #linear(eip: number): number {
    return (this.pc.cpu.state.get(SEGMENT_BASE + 4) + eip) >>> 0; // CS's base
  }

  /** Pushes strings, arguments and the return address; returns ESP. */
  #pushCall(back: number, args: readonly (number | string)[]): number {
    const { state } = this.pc.cpu;
    let top = (state.register(ESP >> 2) & ~15) >>> 0;
    const words = args.map((arg) => {
      if (typeof arg === "number") return arg;
      const bytes = new TextEncoder().encode(`${arg}\0`);
      top = (top - bytes.length & ~3) >>> 0;
      this.writeBytes(top, bytes);
      return top;
    });
    top = ((top - 4 * words.length & ~15) - 4) >>> 0;
    const frame = new DataView(new ArrayBuffer(4 + 4 * words.length));
    [back, ...words].forEach((word, i) => frame.setUint32(4 * i, word, true));
    this.writeBytes(top, new Uint8Array(frame.buffer));
    state.setRegister(ESP >> 2, top);
    return top;
  }

  /** After a call: the registers as before, the tables and control registers as they are now. */
  #restoreRegisters(saved: Uint8Array, halted: boolean): void {
    const { memory, cpu } = this.pc;
    memory.registers.set(saved.subarray(0, GENERAL_END));
    cpu.modeChanged();
    if (halted) cpu.halt();
  }
}

/** Whether a UART may interrupt for received bytes. */
function ier(uart: Uart): number {
  return uart.state().ier & 1;
}

function padded(bytes: Uint8Array): Uint8Array {
  const result = new Uint8Array(bytes.length + 3 & ~3);
  result.set(bytes);
  return result;
}

function hex(address: number): string {
  return `0x${address.toString(16).padStart(8, "0")}`;
}

/** Waits for a text in a stream of bytes. */
class TextMatch {
  readonly #text: string;
  #tail = "";
  matched = false;

  constructor(text: string) {
    this.#text = text;
    this.matched = text === "";
  }

  feed(byte: number): boolean {
    this.#tail = (this.#tail + String.fromCharCode(byte)).slice(-this.#text.length);
    if (this.#tail === this.#text) this.matched = true;
    return this.matched;
  }
}

/** Two sums of words, each by multiplying with another odd constant. */
class Checksum {
  #a = 0x811c9dc5;
  #b = 0x9e3779b9;

  words(bytes: Uint8Array): void {
    const words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2);
    let a = this.#a, b = this.#b;
    for (let i = 0; i < words.length; i++) {
      a = Math.imul(a ^ words[i], 0x01000193);
      b = Math.imul((b << 5 | b >>> 27) + words[i], 0x85ebca6b);
    }
    this.#a = a;
    this.#b = b;
  }

  get text(): string {
    return [this.#a, this.#b].map((sum) => (sum >>> 0).toString(16).padStart(8, "0")).join("");
  }
}
