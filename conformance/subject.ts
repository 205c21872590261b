/**
 * A kernel under judgement: booted once, called and looked at from the same state again and again.
 * Spec: specs/conformance/subject.md.
 */
import { boot, type BootOptions } from "../machine/boot.ts";
import type { Machine, RunOptions, Snapshot } from "../machine/machine.ts";
import type { MachineHooks } from "../machine/pc.ts";
import { describeStop, type Stop } from "../machine/stop.ts";
import { signatures } from "./abi.ts";
import { Failure, printed } from "./check.ts";
import { type Manifest, noManifest } from "./manifest.ts";

const IF = 0x200; // EFLAGS: interrupts on
/** Instructions after which a kernel that does not come to rest is given up. */
const BOOT_BUDGET = 200_000_000;
/** Instructions after which a call that does not return is given up. */
const CALL_BUDGET = 100_000_000;

/** How a call ended. */
export type Outcome =
  /** It returned; `value` is EAX, unsigned. */
  | { readonly kind: "returned"; readonly value: number; readonly instructions: number }
  /** It printed `said` and halted for good, as after a panic. */
  | { readonly kind: "panicked"; readonly said: string; readonly stop: Stop }
  /** Anything else: the stop says what. */
  | { readonly kind: "stopped"; readonly stop: Stop };

/** An interrupt or exception that was delivered to the kernel. */
export interface Delivery {
  /** Its vector. */
  readonly vector: number;
  /** The error code, or a negative number without one. */
  readonly code: number;
  /** What caused it. */
  readonly source: "exception" | "external" | "software";
  /** EIP in the moment of delivery: of the handler or of what was interrupted. */
  readonly eip: number;
}

/** A chip was programmed in a reserved way. */
export interface Diagnosis {
  /** The clause of the chip's specification. */
  readonly clause: string;
  /** What was done. */
  readonly message: string;
}

/** What the machine saw the kernel do. */
export interface Deeds {
  /** Interrupts and exceptions, in order. */
  readonly deliveries: Delivery[];
  /** Reserved programming of chips. */
  readonly diagnoses: Diagnosis[];
}

/** A kernel, and the machine that it has been booted on. */
export class Subject {
  /** The image. */
  readonly image: Uint8Array;
  /** What its author says about it. */
  readonly manifest: Manifest;
  /** The machine. */
  readonly machine: Machine;
  /** How the boot ended: `idle` for a kernel that waits for input. */
  readonly booted: Stop;
  /** What it sent on COM1 until then, one character a byte. */
  readonly bootOutput: string;
  /** What the machine saw until then. */
  readonly bootDeeds: Deeds;
  /** Number of calls made so far, by this subject and its variants. */
  get calls(): number {
    return this.#count.calls;
  }
  /** Instructions that a call may take before it counts as endless. */
  callBudget: number = CALL_BUDGET;
  #saved: Snapshot | undefined;
  readonly #options: BootOptions;
  readonly #count: { calls: number };
  readonly #log: string[] = [];
  #deeds: Deeds = { deliveries: [], diagnoses: [] };

  /**
   * Boots `image` until it waits for input or ends otherwise. Throws an `ImageError` if it cannot be
   * booted. `prepare` may change the machine before the first instruction.
   */
  constructor(
    image: Uint8Array,
    manifest: Manifest = noManifest,
    options: BootOptions = {},
    count: { calls: number } = { calls: 0 },
    prepare: (machine: Machine) => void = () => {},
  ) {
    this.image = image;
    this.manifest = manifest;
    this.#options = options;
    this.#count = count;
    this.machine = boot(image, { ...options, hooks: this.#listeners(options.hooks) });
    this.#forget(); // the firmware's deeds
    prepare(this.machine);
    this.booted = this.machine.run({ until: "idle", budget: BOOT_BUDGET });
    this.bootOutput = this.machine.serial.text;
    this.bootDeeds = this.#deeds;
    this.#forget();
  }

  /**
   * The same image on another machine: other memory size, seed, command line. `prepare` may change the
   * machine before the kernel's first instruction.
   */
  variant(options: BootOptions, prepare?: (machine: Machine) => void): Subject {
    const all = { ...this.#options, ...options };
    return new Subject(this.image, this.manifest, all, this.#count, prepare);
  }

  /**
   * Goes back to the moment when the kernel first waited for input; that moment is saved by the first
   * `fresh()`. Throws a RangeError if the machine has gone on before that.
   */
  fresh(): void {
    if (this.#saved !== undefined) this.machine.restore(this.#saved);
    else if (this.machine.ticks === this.booted.ticks) this.#saved = this.machine.snapshot();
    else throw new RangeError("Cannot go back: the first fresh() comes too late");
    this.#forget();
  }

  /** What it sent on COM1 since then, one character a byte. */
  get said(): string {
    return this.machine.serial.text.slice(this.bootOutput.length);
  }

  /** The calls since then, as `kmalloc(16) = 0x00400010`. */
  get log(): readonly string[] {
    return this.#log;
  }

  /** What the machine saw since then. */
  get deeds(): Deeds {
    return this.#deeds;
  }

  // ---- names

  /** Whether the image has this name of the ABI, by itself or by its manifest. */
  has(name: string): boolean {
    return !this.manifest.lacks.has(name) && this.#symbol(name) !== undefined;
  }

  /** The linear address of a name of the ABI; throws a RangeError where `has` is false. */
  address(name: string): number {
    const symbol = this.manifest.lacks.has(name) ? undefined : this.#symbol(name);
    if (symbol !== undefined) return symbol.address;
    throw new RangeError(`Cannot find ${name}: list it in the check's needs`);
  }

  /** The word at a data name of the ABI; undefined where it is not mapped. */
  variable(name: string): number | undefined {
    return this.machine.readWord(this.address(name));
  }

  #symbol(name: string): { readonly address: number } | undefined {
    return this.machine.symbols.find(this.manifest.names.get(name) ?? name);
  }

  // ---- calling

  /** Calls a function of the ABI and gives EAX, unsigned. A {@link Failure} if it does not return. */
  call(name: string, ...args: (number | string)[]): number {
    const outcome = this.invoke(name, args);
    if (outcome.kind === "returned") return outcome.value;
    throw new Failure({
      expected: `${name} to return`,
      seen: describeOutcome(outcome),
      calls: [...this.#log],
    });
  }

  /** As `call`, with the way it ended as a value; if it did not return, the guest stays there. */
  invoke(name: string, args: readonly (number | string)[] = []): Outcome {
    this.#count.calls++;
    const before = this.machine.serial.text.length;
    const result = this.machine.invoke(this.address(name), args, this.callBudget);
    const outcome = result.kind === "returned"
      ? { ...result, value: result.value >>> 0 }
      : this.#stopped(result.stop, before);
    this.#log.push(printCall(name, args, outcome));
    return outcome;
  }

  #stopped(stop: Stop, before: number): Outcome {
    const said = this.machine.serial.text.slice(before);
    if (stop.kind !== "halted" || said === "") return { kind: "stopped", stop };
    return { kind: "panicked", said, stop };
  }

  /** Lets the kernel go on. */
  run(options: RunOptions): Stop {
    return this.machine.run(options);
  }

  /** Turns interrupts on or off for the calls that follow, until `fresh`. */
  setInterrupts(on: boolean): void {
    const { state } = this.machine.pc.cpu;
    state.eflags = on ? state.eflags | IF : state.eflags & ~IF;
    this.machine.pc.cpu.modeChanged();
  }

  /** Adds a line to the log: something done to the kernel that is no call. */
  note(line: string): void {
    this.#log.push(line);
  }

  // ---- listening

  #forget(): void {
    this.#log.length = 0;
    this.#deeds = { deliveries: [], diagnoses: [] };
    this.callBudget = CALL_BUDGET;
  }

  #listeners(others: MachineHooks = {}): MachineHooks {
    return {
      ...others,
      delivered: (vector, code, source) => {
        others.delivered?.(vector, code, source);
        const { eip } = this.machine.pc.cpu.state;
        this.#deeds.deliveries.push({ vector, code, source, eip });
      },
      diagnose: (clause, message) => {
        others.diagnose?.(clause, message);
        this.#deeds.diagnoses.push({ clause, message });
      },
    };
  }
}

/** A call as reports print it. Without a result where the function has none. */
export function printCall(
  name: string,
  args: readonly (number | string)[],
  outcome?: Outcome,
): string {
  const text = `${name}(${args.map(printed).join(", ")})`;
  if (outcome === undefined) return text;
  if (outcome.kind !== "returned") return `${text}: ${describeOutcome(outcome)}`;
  return signatures[name]?.result === false ? text : `${text} = ${printed(outcome.value)}`;
}

/** How a call ended, in words. */
export function describeOutcome(outcome: Outcome): string {
  if (outcome.kind === "returned") return `it returned ${printed(outcome.value)}`;
  const { stop } = outcome;
  if (outcome.kind === "panicked") {
    const line = outcome.said.trim().split("\n")[0].trim();
    return `it printed ${JSON.stringify(line)} and halted`;
  }
  if (stop.kind === "budget") return `it did not return, and is at ${stop.at}`;
  return `${describeStop(stop)}, at ${stop.at}`;
}
