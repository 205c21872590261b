/**
 * Records what a kernel does while it runs: serial lines, calls of its functions, control registers,
 * interrupts, ports. Spec: specs/conformance/recorder.md. Not recorded: calls that the kernel's own
 * compiler has inlined, which have no symbol to be seen at.
 */
import { boot, type BootOptions } from "../machine/boot.ts";
import { TICKS_PER_SECOND } from "../machine/clock.ts";
import type { Machine } from "../machine/machine.ts";
import type { MachineHooks } from "../machine/pc.ts";
import type { Stop } from "../machine/stop.ts";
import { type Event, type MachineEvent, machineEvent } from "../trace/event.ts";
import { signatures } from "./abi.ts";

/** Instructions after which a kernel that does not come to rest is given up. */
const BUDGET = 1_000_000_000;
/** Ticks after which one is given up whose periodic functions are recorded: it never seems to rest. */
const PATIENCE = 10 * TICKS_PER_SECOND;

/** What a recording contains. */
export interface Selection {
  /** Functions whose calls are recorded. */
  readonly functions?: readonly string[];
  /** Kinds of events that are recorded besides them. */
  readonly kinds: readonly ("serial" | "control" | "interrupt" | "exception" | "in" | "out")[];
}

/** A call that has not returned. */
interface OpenCall {
  readonly symbol: string;
  readonly arguments: readonly number[];
  readonly stamp: number;
  readonly returnAddress: number;
  /** ESP at entry: where the return address is. */
  readonly esp: number;
  /** Whether the line of the call is in the trace. */
  written: boolean;
}

/** Called when a function of the selection has returned. */
export type OnReturn = (symbol: string, depth: number) => void;

/** A machine whose deeds are written down. */
export class Recorder {
  /** The machine at work. */
  readonly machine: Machine;
  /** What happened so far. */
  readonly events: Event[] = [];
  readonly #kinds: ReadonlySet<string>;
  readonly #entries: ReadonlyMap<number, string>;
  readonly #open: OpenCall[] = [];
  #line = "";
  #muted = true; // while the machine is built: its firmware is not the kernel's deed

  /** Boots `image`. */
  constructor(image: Uint8Array, selection: Selection, options: BootOptions = {}) {
    this.#kinds = new Set(selection.kinds);
    this.machine = boot(image, { ...options, hooks: this.#hooks() });
    this.#muted = false;
    const { symbols } = this.machine;
    this.#entries = new Map(
      (selection.functions ?? []).filter((name) => symbols.find(name) !== undefined)
        .map((name) => [this.machine.address(name), name]),
    );
  }

  /** Adds an event that happens now. RECORDER-2: calls around it are written before it. */
  add(event: MachineEvent): void {
    if (this.#muted) return;
    for (const call of this.#open) {
      if (call.written) continue;
      call.written = true;
      const { stamp, symbol, arguments: values } = call;
      this.events.push(machineEvent(stamp, { kind: "call", symbol, arguments: values }));
    }
    this.events.push(machineEvent(this.machine.instructions, event));
  }

  /** Runs until the guest waits for input, or ends; `onReturn` is told of each return. */
  run(onReturn: OnReturn = () => {}): Stop {
    const end = this.machine.instructions + BUDGET, endTicks = this.machine.ticks + PATIENCE;
    for (;;) {
      const reaches = [...this.#entries.keys(), ...this.#open.map((call) => call.returnAddress)];
      const left = end - this.machine.instructions;
      const stop = this.machine.run({ until: { reaches }, budget: left, idleAfter: 100 });
      if (stop.kind !== "breakpoint" || this.machine.ticks > endTicks) return stop;
      this.#closeCalls(stop.address, onReturn);
      const symbol = this.#entries.get(stop.address);
      if (symbol !== undefined) this.#openCall(symbol);
    }
  }

  /** Lets `look` do anything to the machine and takes it back: RECORDER-5. */
  aside<T>(look: (machine: Machine) => T): T {
    const snapshot = this.machine.snapshot();
    this.#muted = true;
    try {
      return look(this.machine);
    } finally {
      this.machine.restore(snapshot);
      this.#muted = false;
    }
  }

  /** Writes what was sent after the last line end. */
  flush(): void {
    if (this.#line !== "") this.add({ kind: "serial", port: "com1", line: this.#line });
    this.#line = "";
  }

  #openCall(symbol: string): void {
    const { machine } = this, { esp } = machine.registers;
    const word = (index: number): number => machine.readWord(esp + 4 * index) ?? 0;
    const parameters = signatures[symbol]?.parameters ?? 0;
    this.#open.push({
      symbol,
      arguments: Array.from({ length: parameters }, (_, i) => word(i + 1)),
      stamp: machine.instructions,
      returnAddress: word(0),
      esp,
      written: false,
    });
  }

  /** Closes the calls that return here: more than one where a call was a jump at a function's end. */
  #closeCalls(address: number, onReturn: OnReturn): void {
    const { esp } = this.machine.registers;
    for (let call = this.#open.at(-1); call !== undefined; call = this.#open.at(-1)) {
      if (call.esp >= esp || call.returnAddress !== address) break;
      this.#closeCall(call);
      onReturn(call.symbol, this.#open.length);
    }
  }

  #closeCall(call: OpenCall): void {
    this.#open.pop();
    const { symbol, arguments: values } = call;
    const eax = this.machine.registers.eax;
    const result = signatures[symbol]?.result ? eax : undefined;
    this.add({ kind: "return", symbol, arguments: values, result });
  }

  #hooks(): MachineHooks {
    const wants = (kind: string): boolean => this.#kinds.has(kind);
    const port = (kind: "in" | "out") => (port: number, value: number): void =>
      this.add({ kind, port, bytes: 1, value });
    return {
      serial: (line, byte) => {
        if (line === "com1" && !this.#muted && wants("serial")) this.#serialByte(byte);
      },
      control: wants("control")
        ? (register, value) => this.add({ kind: "control", register: `cr${register}`, value })
        : undefined,
      delivered: (vector, code, source) => this.#delivered(vector, code, source),
      portRead: wants("in") ? port("in") : undefined,
      portWrite: wants("out") ? port("out") : undefined,
    };
  }

  #serialByte(byte: number): void {
    if (byte !== 0x0a) {
      this.#line += String.fromCharCode(byte);
      return;
    }
    this.add({ kind: "serial", port: "com1", line: this.#line });
    this.#line = "";
  }

  #delivered(vector: number, code: number, source: "exception" | "external" | "software"): void {
    const { eip, cr2 } = this.machine.registers;
    if (source !== "exception") {
      const from = source === "external" ? "hardware" : source;
      if (this.#kinds.has("interrupt")) this.add({ kind: "interrupt", vector, source: from, eip });
    } else if (this.#kinds.has("exception")) {
      const error = code < 0 ? undefined : code;
      this.add({ kind: "exception", vector, eip, error, cr2: vector === 14 ? cr2 : undefined });
    }
  }
}
