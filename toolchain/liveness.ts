/** Which registers are live after each line of a function. */
import { effectsOf, endsFlow, isJump, isLabel, type Line } from "./ir.ts";

/** Live registers after each line, and before the first. */
export interface Liveness {
  /** Calls `visit` for every register that is live after the line. */
  forEachLiveAfter(line: number, visit: (register: number) => void): void;
  /** True when the value after the line is read later. */
  isLiveAfter(line: number, register: number): boolean;
  /** True when the value is read before it is written. */
  isLiveAtEntry(register: number): boolean;
}

/** Labels that a line can jump to. */
export function jumpTargets(line: Line): readonly string[] {
  if (isLabel(line)) return [];
  if (line.targets) return line.targets;
  if (!isJump(line)) return [];
  const [operand] = line.operands;
  return operand.kind === "target" ? [operand.name] : [];
}

function successors(lines: readonly Line[]): number[][] {
  const labels = new Map<string, number>();
  lines.forEach((line, index) => isLabel(line) && labels.set(line.label, index));
  return lines.map((line, index) => {
    const next = jumpTargets(line).map((name) => labels.get(name)!);
    return endsFlow(line) || index + 1 === lines.length ? next : [...next, index + 1];
  });
}

/** Computes liveness by the usual backward data flow. */
export function liveness(lines: readonly Line[], registerCount: number): Liveness {
  const words = (registerCount + 31) >> 5;
  const before = new Uint32Array(lines.length * words);
  const after = new Uint32Array(lines.length * words);
  const next = successors(lines);
  const effects = lines.map(effectsOf);
  const step = (index: number): boolean => {
    const row = index * words;
    for (const follower of next[index]) {
      for (let w = 0; w < words; w++) after[row + w] |= before[follower * words + w];
    }
    const live = after.slice(row, row + words);
    for (const number of effects[index].writes) live[number >> 5] &= ~(1 << (number & 31));
    for (const number of effects[index].reads) live[number >> 5] |= 1 << (number & 31);
    let changed = false;
    for (let w = 0; w < words; w++) {
      if (before[row + w] !== live[w]) changed = true;
      before[row + w] = live[w];
    }
    return changed;
  };
  for (let changed = true; changed;) {
    changed = false;
    for (let index = lines.length - 1; index >= 0; index--) if (step(index)) changed = true;
  }
  const has = (set: Uint32Array, row: number, number: number) =>
    (set[row * words + (number >> 5)] >>> (number & 31) & 1) === 1;
  return {
    isLiveAfter: (line, number) => has(after, line, number),
    isLiveAtEntry: (number) => lines.length > 0 && has(before, 0, number),
    forEachLiveAfter(line, visit) {
      for (let w = 0; w < words; w++) {
        for (let rest = after[line * words + w]; rest !== 0; rest &= rest - 1) {
          visit(w * 32 + 31 - Math.clz32(rest & -rest));
        }
      }
    },
  };
}
