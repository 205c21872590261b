/**
 * Tells a guest that waits for input from one that works. Spec: specs/machine/idle.md.
 */
import { TICKS_PER_MILLISECOND } from "./clock.ts";

/** IDLE-2: writing to these is housekeeping of a timer interrupt: PICs, PIT, RTC, POST code. */
const housekeeping: ReadonlySet<number> = new Set([
  ...[0x20, 0x21, 0xa0, 0xa1],
  ...[0x40, 0x41, 0x42, 0x43],
  ...[0x70, 0x71, 0x80],
]);

/** Instructions after which a guest that did not halt has worked. */
const WORK = TICKS_PER_MILLISECOND;

/** Measures how long the guest has been at rest. */
export class IdleWatch {
  #since = -1;
  #retired = 0;
  #screen = 0;
  #pending = 0;

  /** The guest wrote to a port. */
  portWritten(port: number): void {
    if (!housekeeping.has(port)) this.#since = -1;
  }

  /** So much input waits for the guest; when it takes some, it works (IDLE-4). */
  inputPending(count: number): void {
    if (count !== this.#pending) this.#since = -1;
    this.#pending = count;
  }

  /** Begins anew: a run counts rest from its own start (IDLE-5). */
  restart(): void {
    this.#since = -1;
  }

  /**
   * The guest has halted with interrupts on, at time `now`, after `retired` instructions; `screen`
   * is a checksum of what the screen shows. Returns for how many ticks it has been at rest.
   */
  halted(now: number, retired: number, screen: () => number): number {
    const worked = retired - this.#retired > WORK;
    this.#retired = retired;
    if (this.#since < 0 || worked) {
      this.#since = now;
      this.#screen = screen();
    }
    return now - this.#since;
  }

  /** Whether the screen is as it was when the rest began; if not, a new rest begins at `now`. */
  confirm(now: number, screen: number): boolean {
    if (screen === this.#screen) return true;
    this.#since = now;
    this.#screen = screen;
    return false;
  }
}
