/**
 * Virtual time: one tick of 10 ns for each retired instruction, and those that HLT skips.
 * Spec: specs/machine/clock.md.
 */
import type { Device } from "../devices/device.ts";

/** Ticks of virtual time in a second and in a millisecond. */
export const TICKS_PER_SECOND = 100_000_000, TICKS_PER_MILLISECOND = 100_000;

/** The part of a chip that the clock drives. */
export type Timed = Pick<Device<unknown>, "advance" | "cyclesToEvent">;

/** What the clock remembers. */
export interface ClockState {
  /** The time. */
  now: number;
  /** Ticks that passed without an instruction. */
  skipped: number;
}

/** Keeps all chips at one time. */
export class Clock {
  readonly #chips: readonly Timed[];
  #now = 0;
  #skipped = 0;

  /** A clock for these chips, at time 0. They are advanced in this order. */
  constructor(chips: readonly Timed[]) {
    this.#chips = chips;
  }

  /** Ticks since power-on, as the chips have seen them. */
  get now(): number {
    return this.#now;
  }

  /** Ticks that passed while the processor was halted. */
  get skipped(): number {
    return this.#skipped;
  }

  /** Brings the chips to the time at which `retired` instructions are done. */
  reach(retired: number): void {
    this.#advance(retired + this.#skipped - this.#now);
  }

  /** Lets ticks pass without instructions. */
  skip(ticks: number): void {
    this.#skipped += ticks;
    this.#advance(ticks);
  }

  /** Ticks from `now` until a chip acts by itself; `Infinity` when all wait. */
  ticksToEvent(): number {
    let ticks = Infinity;
    for (const chip of this.#chips) ticks = Math.min(ticks, chip.cyclesToEvent());
    return ticks;
  }

  /** The number of retired instructions at which a chip acts by itself, if none is skipped. */
  deadline(): number {
    return this.#now + this.ticksToEvent() - this.#skipped;
  }

  /** What the clock remembers. */
  state(): ClockState {
    return { now: this.#now, skipped: this.#skipped };
  }

  /** Takes back what `state()` returned. */
  restore(state: ClockState): void {
    this.#now = state.now;
    this.#skipped = state.skipped;
  }

  #advance(ticks: number): void {
    if (ticks === 0) return;
    if (ticks < 0) throw new RangeError(`Cannot advance the clock by ${ticks} ticks`);
    this.#now += ticks;
    for (const chip of this.#chips) chip.advance(ticks);
  }
}
