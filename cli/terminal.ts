/**
 * A person at a terminal: keys go to the guest as they are typed, and virtual time keeps the wall
 * clock's pace. Ctrl-A x leaves.
 */
import { TICKS_PER_MILLISECOND } from "../machine/clock.ts";
import type { Machine } from "../machine/machine.ts";
import type { Stop } from "../machine/stop.ts";

const CONTROL_A = 1, BACKSPACE = 8, ENTER = 13, DELETE = 127;
const FRAME_MILLISECONDS = 10;

/** Tells the keys that are for the guest from those that are for us. */
export class KeyFilter {
  #escaped = false;
  /** Whether the person wants to leave. */
  left = false;

  /** The bytes of `typed` that are for the guest. */
  filter(typed: Uint8Array): Uint8Array {
    const kept: number[] = [];
    for (const byte of typed) {
      if (this.#escaped) {
        this.#escaped = false;
        if (byte === CONTROL_A) kept.push(byte);
        else if (byte === 0x78) this.left = true; // x
      } else if (byte === CONTROL_A) this.#escaped = true;
      else kept.push(byte);
    }
    return Uint8Array.from(kept);
  }
}

/** The keys to press for bytes that a terminal sends: text for `type`, without what has no key. */
export function keysFor(bytes: Uint8Array): string {
  const named: Record<number, string> = { [ENTER]: "\n", [DELETE]: "\b", [BACKSPACE]: "\b" };
  return [...bytes].map((byte) =>
    named[byte] ??
      (byte === 9 || byte === 10 || (byte >= 32 && byte < 127) ? String.fromCharCode(byte) : "")
  ).join("");
}

/** Lets a person use the machine until it stops or they leave; undefined if they left. */
export async function interact(
  machine: Machine,
  keys: "serial" | "keyboard",
  budget: number,
  afterSlice: () => void,
): Promise<Stop | undefined> {
  const filter = new KeyFilter(), reader = Deno.stdin.readable.getReader();
  const last = machine.instructions + budget;
  let typed = reader.read(), began = performance.now() - machine.ticks / TICKS_PER_MILLISECOND;
  Deno.stdin.setRaw(true);
  try {
    for (;;) {
      const stop = slice(machine, began, last - machine.instructions);
      afterSlice();
      if (stop.kind !== "condition" && stop.kind !== "idle") return stop;
      const behind = performance.now() - began - machine.ticks / TICKS_PER_MILLISECOND;
      if (behind > FRAME_MILLISECONDS) began += behind - FRAME_MILLISECONDS; // too slow: let it slip
      const input = await Promise.race([typed, pause(FRAME_MILLISECONDS)]);
      if (input === undefined) continue;
      if (input.done) return undefined;
      give(machine, keys, filter.filter(input.value));
      if (filter.left) return undefined;
      typed = reader.read();
    }
  } finally {
    Deno.stdin.setRaw(false);
  }
}

/** Lets the machine catch up with the wall clock, for at most a frame. */
function slice(machine: Machine, began: number, budget: number): Stop {
  const due = (performance.now() - began) * TICKS_PER_MILLISECOND;
  const target = Math.min(due, machine.ticks + 10 * FRAME_MILLISECONDS * TICKS_PER_MILLISECOND);
  return machine.run({ until: (m) => m.ticks >= target, budget, idleAfter: Infinity });
}

function give(machine: Machine, keys: "serial" | "keyboard", bytes: Uint8Array): void {
  if (keys === "serial") machine.serial.send(bytes);
  else machine.type(keysFor(bytes));
}

function pause(milliseconds: number): Promise<undefined> {
  return new Promise((done) => setTimeout(() => done(undefined), milliseconds));
}
