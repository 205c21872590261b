/**
 * Records what a kernel does while it runs: serial lines, calls of its functions, control registers,
 * interrupts, ports. Spec: specs/conformance/recorder.md. Not recorded: calls that the kernel's own
 * compiler has inlined, which have no symbol to be seen at.
 */
import { boot, type BootOptions } from "../machine/boot.ts";
import type { Machine } from "../machine/machine.ts";
import type { MachineHooks } from "../machine/pc.ts";
import type { Stop } from "../machine/stop.ts";
import { type Event, type MachineEvent, machineEvent } from "../trace/event.ts";
import { type Signature, signatures } from "./abi.ts";

/** Instructions after which a kernel that does not come to rest is given up. */
const BUDGET = 1_000_000_000;
/** Virtual milliseconds of rest that end a recording. */
const REST = 100;

/** What the machine's hooks can tell by themselves. */
export type HookKind =
  | ("serial" | "control" | "interrupt" | "exception")
  | ("in" | "out" | "diagnose");

/** What a recording contains. */
export interface Selection {
  /** Functions whose calls are recorded. */
  readonly functions?: readonly string[];
  /** Functions whose returns are told to the listener but not recorded. */
  readonly watched?: readonly string[];
  /** Shapes of functions that are not those of the kernel family. */
  readonly signatures?: Readonly<Record<string, Signature>>;
  /** Kinds of events that are recorded besides them. */
  readonly kinds: readonly HookKind[];
  /** Events after which the run ends; no end by default. */
  readonly most?: number;
}

/** A call that has not returned. */
interface OpenCall {
  readonly symbol: string;
  readonly arguments: readonly number[];
  readonly stamp: number;
  readonly returnAddress: number;
  /** ESP at entry: where the return address is. */
  readonly esp: number;
  /** Whether the line of the call is in the trace, or never will be. */
  written: boolean;
}

type Line = "com1" | "com2" | "debug";

/** Called when a function of the selection has returned; `depth` counts the calls still open. */
export type OnReturn = (symbol: string, depth: number) => void;

/** A machine whose deeds are written down. */
export class Recorder {
  /** The machine at work. */
  readonly machine: Machine;
  /** What happened so far. */
  readonly events: Event[] = [];
  /** For each event the linear address where the processor was. */
  readonly places: number[] = [];
  /** Told of each return. */
  onReturn: OnReturn = () => {};
  readonly #kinds: ReadonlySet<string>;
  readonly #signatures: Readonly<Record<string, Signature>>;
  readonly #recorded: ReadonlySet<string>;
  readonly #entries: ReadonlyMap<number, string>;
  readonly #returns = new Set<number>(); // addresses that calls have returned to, now or before
  readonly #open: OpenCall[] = [];
  readonly #most: number;
  readonly #lines: Record<Line, string> = { com1: "", com2: "", debug: "" };
  #awaited = "";
  #sent = ""; // on COM1, since the wait for #awaited began
  #muted = true; // while the machine is built: its firmware is not the kernel's deed

  /** Boots `image`. */
  constructor(image: Uint8Array, selection: Selection, options: BootOptions = {}) {
    const { functions = [], watched = [], most = Infinity } = selection;
    this.#kinds = new Set(selection.kinds);
    this.#signatures = { ...signatures, ...selection.signatures };
    this.#recorded = new Set(functions);
    this.#most = most;
    this.machine = boot(image, { ...options, hooks: this.#hooks() });
    this.#muted = false;
    const { symbols } = this.machine;
    this.#entries = new Map(
      [...watched, ...functions].filter((name) => symbols.find(name) !== undefined)
        .map((name) => [this.machine.address(name), name]),
    );
  }

  /** Whether there are as many events as there may be. */
  get full(): boolean {
    return this.events.length >= this.#most;
  }

  /** Adds an event that happens now. RECORDER-2: calls around it are written before it. */
  add(event: MachineEvent): void {
    if (this.#muted || this.full) return;
    for (const call of this.#open) {
      if (call.written) continue;
      call.written = true;
      const { stamp, symbol, arguments: values } = call;
      this.#push(stamp, { kind: "call", symbol, arguments: values }, this.machine.address(symbol));
    }
    this.#push(this.machine.instructions, event, this.machine.currentAddress);
    if (this.full) this.machine.interrupt();
  }

  /** Runs until the guest waits for input, or ends; `onReturn` is told of each return. */
  run(onReturn: OnReturn = () => {}): Stop {
    this.onReturn = onReturn;
    return this.advance(this.machine.instructions + BUDGET, REST);
  }

  /**
   * Runs until `instructions` are retired, until the guest has been at rest for `idleAfter` virtual
   * milliseconds, until the text of `waitFor` is sent (a stop of kind `condition`), or until it ends.
   */
  advance(instructions: number, idleAfter: number): Stop {
    for (let resume = false;; resume = true) {
      const reaches = [...this.#entries.keys(), ...this.#returns];
      const budget = Math.max(instructions - this.machine.instructions, 0);
      const stop = this.machine.run({ until: { reaches }, budget, idleAfter, resume });
      if (stop.kind !== "breakpoint") return stop;
      this.#closeCalls(stop.address);
      const symbol = this.#entries.get(stop.address);
      if (symbol !== undefined) this.#openCall(symbol);
      if (this.full) return { ...stop, kind: "condition" };
    }
  }

  /** Ends the run that follows when the guest has sent this text on COM1 from now on. */
  waitFor(text: string | undefined): void {
    this.#awaited = text ?? "";
    this.#sent = "";
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
    for (const port of ["com1", "com2", "debug"] as const) {
      if (this.#lines[port] !== "") this.#endLine(port);
    }
  }

  #push(stamp: number, event: MachineEvent, place: number): void {
    this.events.push(machineEvent(stamp, event));
    this.places.push(place);
  }

  #openCall(symbol: string): void {
    const { machine } = this, { esp } = machine.registers;
    const word = (index: number): number => machine.readWord(esp + 4 * index) ?? 0;
    const parameters = this.#signatures[symbol]?.parameters ?? 0;
    const returnAddress = word(0), last = this.#open.at(-1);
    if (last?.esp === esp && last.symbol === symbol) return; // an interrupt was served in between
    this.#returns.add(returnAddress);
    this.#open.push({
      symbol,
      arguments: Array.from({ length: parameters }, (_, i) => word(i + 1)),
      stamp: machine.instructions,
      returnAddress,
      esp,
      written: !this.#recorded.has(symbol),
    });
  }

  /** Closes the calls that return here: more than one where a call was a jump at a function's end. */
  #closeCalls(address: number): void {
    const { esp } = this.machine.registers;
    for (let call = this.#open.at(-1); call !== undefined; call = this.#open.at(-1)) {
      if (call.esp >= esp || call.returnAddress !== address) break;
      this.#closeCall(call);
      this.onReturn(call.symbol, this.#open.length);
    }
  }

  #closeCall(call: OpenCall): void {
    this.#open.pop();
    const { symbol, arguments: values } = call;
    if (!this.#recorded.has(symbol)) return;
    const eax = this.machine.registers.eax;
    const result = this.#signatures[symbol]?.result ? eax : undefined;
    this.add({ kind: "return", symbol, arguments: values, result });
  }

  #hooks(): MachineHooks {
    const wants = (kind: HookKind): boolean => this.#kinds.has(kind);
    const port = (kind: "in" | "out") => (port: number, value: number): void =>
      this.add({ kind, port, bytes: 1, value });
    return {
      serial: (port, byte) => this.#serialByte(port, byte),
      control: wants("control")
        ? (register, value) => this.add({ kind: "control", register: `cr${register}`, value })
        : undefined,
      delivered: (vector, code, source) => this.#delivered(vector, code, source),
      diagnose: wants("diagnose")
        ? (clause, message) => this.add({ kind: "diagnose", clause, message })
        : undefined,
      portRead: wants("in") ? port("in") : undefined,
      portWrite: wants("out") ? port("out") : undefined,
    };
  }

  #serialByte(port: Line, byte: number): void {
    if (this.#muted) return;
    const character = String.fromCharCode(byte);
    if (this.#kinds.has("serial")) {
      if (byte === 0x0a) this.#endLine(port);
      else this.#lines[port] += character;
    }
    if (port !== "com1" || this.#awaited === "") return;
    this.#sent = (this.#sent + character).slice(-this.#awaited.length);
    if (this.#sent === this.#awaited) this.machine.interrupt();
  }

  #endLine(port: Line): void {
    this.add({ kind: "serial", port, line: this.#lines[port] });
    this.#lines[port] = "";
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
