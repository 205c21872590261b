/**
 * System control port B, 61h: speaker and timer gate. Spec: specs/devices/portb.md.
 * Not modelled: parity and I/O check errors.
 */

import type { Device, Line, PortDevice } from "./device.ts";

const GATE2 = 0x01; // GATE of timer channel 2
const SPEAKER = 0x02; // lets OUT 2 through to the speaker
const CHECKS_OFF = 0x0c; // parity and I/O check disabled
const REFRESH = 0x10; // toggles with each refresh of memory
const OUT2 = 0x20; // OUT of timer channel 2

const REFRESH_PERIOD = 18; // clocks of 1 193 182 Hz
const CLOCK_HZ = 1_193_182;
const TICK_HZ = 100_000_000;
const CYCLE = 2 * REFRESH_PERIOD * TICK_HZ; // both halves of the refresh bit, in clocks / TICK_HZ

/** Everything that port B remembers. */
export interface SystemPortBState {
  /** Bits 3 to 0 as written. */
  control: number;
  /** Place within the two halves of the refresh bit, in clocks / 100 000 000. */
  phase: number;
}

/** Port 61h: one register. */
export class SystemPortB implements Device<SystemPortBState>, PortDevice {
  #s: SystemPortBState = { control: 0, phase: 0 };
  readonly #gate2: Line;
  readonly #out2: () => boolean;

  /** `gate2` goes to the timer's GATE 2; `out2` tells the level of its OUT 2. */
  constructor(gate2: Line, out2: () => boolean) {
    this.#gate2 = gate2;
    this.#out2 = out2;
  }

  /** Reads what was written, the refresh bit and OUT 2. */
  read(_register: number): number {
    const refresh = this.#s.phase >= CYCLE / 2 ? REFRESH : 0;
    return this.#s.control | refresh | (this.#out2() ? OUT2 : 0);
  }

  /** Writes gate, speaker and check bits; bits 7 to 4 are for reading only. */
  write(_register: number, value: number): void {
    const changed = (this.#s.control ^ value) & GATE2;
    this.#s.control = value & (GATE2 | SPEAKER | CHECKS_OFF);
    if (changed !== 0) this.#gate2((value & GATE2) !== 0);
  }

  /** Whether the speaker's cone is driven now. */
  speaker(): boolean {
    return (this.#s.control & SPEAKER) !== 0 && this.#out2();
  }

  /** All bits off. */
  reset(): void {
    this.write(0, 0);
    this.#s.phase = 0;
  }

  /** Lets virtual ticks pass. */
  advance(cycles: number): void {
    const units = (cycles % CYCLE) * CLOCK_HZ % CYCLE; // whole CYCLEs change nothing
    this.#s.phase = (this.#s.phase + units) % CYCLE;
  }

  /** Never: it only answers. */
  cyclesToEvent(): number {
    return Infinity;
  }

  /** A copy of the state. */
  state(): SystemPortBState {
    return { ...this.#s };
  }

  /** Takes the state back. */
  restore(state: SystemPortBState): void {
    this.#s = { ...state };
  }
}
