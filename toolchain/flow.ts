/** Straightens a function's control flow: dead code, jumps to jumps, jumps to the next line. */
import { type Code, endsFlow, isJump, isLabel, type Line } from "./ir.ts";
import { jumpTargets } from "./liveness.ts";
import { opposite } from "./emitter.ts";
import { sameOperand, target } from "./operands.ts";

const targetOf = (line: Code): string => jumpTargets(line)[0];

function retarget(line: Code, names: ReadonlyMap<string, string>): Code {
  const map = (name: string) => names.get(name) ?? name;
  if (line.targets) return { ...line, targets: line.targets.map(map) };
  return isJump(line) ? { ...line, operands: [target(map(targetOf(line)))] } : line;
}

/** Labels that are followed by another label or by a jump, and where they really lead. */
function destinations(lines: readonly Line[]): Map<string, string> {
  const names = new Map<string, string>();
  lines.forEach((line, at) => {
    if (!isLabel(line)) return;
    let next = at;
    while (next < lines.length && isLabel(lines[next])) next++;
    const last = lines[next - 1] as { label: string };
    const follower = lines[next];
    const isJumping = follower && !isLabel(follower) && follower.mnemonic === "jmp" &&
      isJump(follower);
    names.set(line.label, isJumping ? targetOf(follower) : last.label);
  });
  return resolved(names);
}

function resolved(names: Map<string, string>): Map<string, string> {
  const follow = (name: string): string => {
    const seen = new Set<string>();
    while (names.has(name) && names.get(name) !== name && !seen.has(name)) {
      seen.add(name);
      name = names.get(name)!;
    }
    return name;
  };
  return new Map([...names.keys()].map((name) => [name, follow(name)]));
}

/** Drops what no path reaches and labels that no jump names. */
function reachable(lines: readonly Line[]): Line[] {
  const used = new Set(lines.flatMap(jumpTargets));
  const kept: Line[] = [];
  let dead = false;
  for (const line of lines) {
    if (isLabel(line)) {
      if (!used.has(line.label)) continue;
      dead = false;
    }
    if (dead) continue;
    kept.push(line);
    dead = endsFlow(line);
  }
  return kept;
}

/** Removes jumps to the next line and turns `jcc a; jmp b; a:` into `jncc b`. */
function straightened(lines: readonly Line[]): Line[] {
  const kept: Line[] = [];
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at], next = lines[at + 1];
    if (isJump(line) && leadsTo(lines, at + 1, targetOf(line))) continue;
    const skips = isJump(line) && line.mnemonic !== "jmp" && next && isJump(next) &&
      next.mnemonic === "jmp" && leadsTo(lines, at + 2, targetOf(line));
    if (skips) {
      kept.push({
        ...line,
        mnemonic: `j${opposite(line.mnemonic.slice(1))}`,
        operands: (next as Code).operands,
      });
      at++;
    } else kept.push(line);
  }
  return kept;
}

function leadsTo(lines: readonly Line[], at: number, label: string): boolean {
  for (; at < lines.length; at++) {
    const line = lines[at];
    if (!isLabel(line)) return false;
    if (line.label === label) return true;
  }
  return false;
}

function sameLine(a: Line, b: Line): boolean {
  if (isLabel(a) || isLabel(b)) return false;
  return a.mnemonic === b.mnemonic && !a.targets && !b.targets &&
    a.operands.length === b.operands.length &&
    a.operands.every((operand, at) => sameOperand(operand, b.operands[at]));
}

const MINIMUM_SHARED = 2; // lines; a shorter tail costs as much as the jump to it

/** Lets two paths that end alike share their last lines. */
function shareTails(lines: readonly Line[], fresh: () => string): Line[] | null {
  const ends = lines.flatMap((line, at) =>
    !isLabel(line) && endsFlow(line) && !line.targets ? [at] : []
  );
  for (const first of ends) {
    for (const second of ends) {
      if (first >= second) continue;
      const length = sharedLength(lines, first, second);
      if (length < MINIMUM_SHARED) continue;
      const name = fresh();
      const jump: Code = { mnemonic: "jmp", operands: [target(name)] };
      const start = first - length + 1, other = second - length + 1;
      return [
        ...lines.slice(0, start),
        jump,
        ...lines.slice(first + 1, other),
        { label: name },
        ...lines.slice(other),
      ];
    }
  }
  return null;
}

function sharedLength(lines: readonly Line[], first: number, second: number): number {
  let length = 0;
  while (
    first - length >= 0 && second - length > first &&
    sameLine(lines[first - length], lines[second - length])
  ) {
    length++;
  }
  return length;
}

/** Applies all rules until nothing changes. */
export function straighten(lines: readonly Line[]): Line[] {
  let current = [...lines];
  for (let length = Infinity; current.length < length;) {
    length = current.length;
    const names = destinations(current);
    current = current.map((line) => isLabel(line) ? line : retarget(line, names));
    current = straightened(reachable(current));
  }
  return current;
}

/** Shares equal tails, then straightens. */
export function compact(lines: readonly Line[]): Line[] {
  let count = 0;
  let current = straighten(lines);
  for (;;) {
    const shared = shareTails(current, () => `T${count++}`);
    if (!shared) return current;
    current = straighten(shared);
  }
}
