/**
 * The small ports of a PC: POST code, debug console, debug exit, fast A20 and reset, reset control,
 * power-off. Spec: specs/devices/ports.md. Not modelled: sleep states but off, the CMOS lock.
 */

import type { Device, Diagnose, Line, PortDevice } from "./device.ts";

const CONSOLE_PRESENT = 0xe9;

const FAST_RESET = 0x01;
const FAST_A20 = 0x02;
const FAST_RESERVED = 0x3c;

const RESET_CPU = 0x04; // 0 → 1 resets
const RESET_RESERVED = 0xf1;

const PM1_SLEEP_TYPE = 0x1c; // of the upper byte: bits 10 to 12
const PM1_SLEEP_ENABLE = 0x20; // of the upper byte: bit 13
const PM1_SCI = 0x01; // of the lower byte: ACPI mode

/** What one of these devices remembers. */
export interface PortState {
  /** The value of its register. */
  value: number;
}

/** What these devices have in common: one number to remember, and nothing happens by itself. */
export abstract class Latch implements Device<PortState> {
  /** What is remembered. */
  protected value: number;
  readonly #initial: number;

  /** `initial` is the value after power-on. */
  constructor(initial: number) {
    this.value = this.#initial = initial;
  }

  reset(): void {
    this.value = this.#initial;
  }

  advance(_cycles: number): void {}

  cyclesToEvent(): number {
    return Infinity;
  }

  state(): PortState {
    return { value: this.value };
  }

  restore(state: PortState): void {
    this.value = state.value;
  }
}

/** Port 80h: shows the progress of firmware and kernels; many write it only to wait. */
export class PostPort extends Latch implements PortDevice {
  readonly #show: (code: number) => void;

  /** `show` gets every byte that is written. */
  constructor(show: (code: number) => void = () => {}) {
    super(0);
    this.#show = show;
  }

  read(_register: number): number {
    return this.value;
  }

  write(_register: number, value: number): void {
    this.value = value & 0xff;
    this.#show(this.value);
  }
}

/** Port E9h: a byte that is written is a character of the debug console. */
export class DebugConsole extends Latch implements PortDevice {
  readonly #put: (byte: number) => void;

  /** `put` gets every byte that is written. */
  constructor(put: (byte: number) => void = () => {}) {
    super(CONSOLE_PRESENT);
    this.#put = put;
  }

  read(_register: number): number {
    return CONSOLE_PRESENT;
  }

  write(_register: number, value: number): void {
    this.#put(value & 0xff);
  }
}

/** Ports F4h to F7h: a write to the first one ends the run with the byte. */
export class DebugExit extends Latch implements PortDevice {
  readonly #exit: (value: number) => void;

  /** `exit` gets the byte as it was written; a process's exit status is `(value << 1) | 1`. */
  constructor(exit: (value: number) => void) {
    super(0);
    this.#exit = exit;
  }

  read(_register: number): number {
    return 0;
  }

  write(register: number, value: number): void {
    if (register === 0) this.#exit(value & 0xff); // PORTS-4: the low byte of a wider write
  }
}

/** Port 92h: address line 20 and a fast reset of the processor. */
export class FastGate extends Latch implements PortDevice {
  readonly #a20: Line;
  readonly #reset: Line;
  readonly #diagnose: Diagnose;

  /** `a20` is called on changes, enabled after reset; `reset` is pulsed. */
  constructor(a20: Line, reset: Line, diagnose: Diagnose = () => {}) {
    super(FAST_A20);
    this.#a20 = a20;
    this.#reset = reset;
    this.#diagnose = diagnose;
  }

  /** Enables address line 20 again. */
  override reset(): void {
    this.#setA20(FAST_A20);
    super.reset();
  }

  read(_register: number): number {
    return this.value;
  }

  write(_register: number, value: number): void {
    if (value & FAST_RESERVED) {
      this.#diagnose("PORTS-8", `${hex(value)} is written to port 92h: bits 2 to 5 do nothing`);
    }
    const rises = (~this.value & value & FAST_RESET) !== 0;
    this.#setA20(value);
    this.value = value & 0xff & ~FAST_RESERVED;
    if (rises) pulse(this.#reset);
  }

  #setA20(value: number): void {
    if ((value ^ this.value) & FAST_A20) this.#a20((value & FAST_A20) !== 0);
  }
}

/** Port CF9h: resets the whole machine. */
export class ResetControl extends Latch implements PortDevice {
  readonly #reset: Line;
  readonly #diagnose: Diagnose;

  /** `reset` is pulsed. */
  constructor(reset: Line, diagnose: Diagnose = () => {}) {
    super(0);
    this.#reset = reset;
    this.#diagnose = diagnose;
  }

  read(_register: number): number {
    return this.value;
  }

  write(_register: number, value: number): void {
    if (value & RESET_RESERVED) {
      this.#diagnose("PORTS-10", `${hex(value)} is written to port CF9h: reserved bits are set`);
    }
    const rises = (~this.value & value & RESET_CPU) !== 0;
    this.value = value & 0xff & ~RESET_RESERVED;
    if (rises) pulse(this.#reset);
  }
}

/** Ports 604h and 605h: the ACPI register PM1a_CNT, as far as it turns the machine off. */
export class PowerControl extends Latch implements PortDevice {
  readonly #off: () => void;
  readonly #diagnose: Diagnose;

  /** `off` is called when the guest turns the machine off. */
  constructor(off: () => void, diagnose: Diagnose = () => {}) {
    super(0);
    this.#off = off;
    this.#diagnose = diagnose;
  }

  read(register: number): number {
    return this.value >> (8 * (register & 1)) & 0xff;
  }

  write(register: number, value: number): void {
    if ((register & 1) === 0) {
      this.value = this.value & 0xff00 | value & PM1_SCI;
      return;
    }
    this.value = this.value & 0xff | (value & PM1_SLEEP_TYPE) << 8; // PORTS-12: enable reads as 0
    if (value & PM1_SLEEP_ENABLE) this.#sleep((value & PM1_SLEEP_TYPE) >> 2);
  }

  #sleep(type: number): void {
    if (type === 0) this.#off();
    else this.#diagnose("PORTS-13", `Sleep type ${type} is not modelled: only 0, off`);
  }
}

function pulse(line: Line): void {
  line(true);
  line(false);
}

function hex(value: number): string {
  return "0x" + value.toString(16).padStart(2, "0");
}
