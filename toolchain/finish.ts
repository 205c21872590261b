/** Gives an allocated function its frame and makes small rewrites that save bytes. Spec: specs/toolchain/lower.md. */
import type { Allocated } from "./allocate.ts";
import { compact, straighten } from "./flow.ts";
import { type Code, isCopy, isJump, isLabel, type Line } from "./ir.ts";
import { liveness } from "./liveness.ts";
import {
  eax,
  ebp,
  ecx,
  esp,
  type Immediate,
  immediate,
  type Memory,
  memory,
  register,
  sameOperand,
  target,
} from "./operands.ts";

/** A jump table in .rodata. */
export interface JumpTable {
  /** Its symbol. */
  readonly symbol: string;
  /** Labels of the function, in the order of the entries. */
  readonly labels: readonly string[];
}

/** A finished function. */
export interface Finished {
  /** The code with its frame. */
  readonly lines: readonly Line[];
  /** Its jump tables. */
  readonly tables: readonly JumpTable[];
}

const code = (mnemonic: string, ...operands: Code["operands"]): Code => ({ mnemonic, operands });
const REMOVABLE = new Set("mov movzx movsx lea".split(" "));
const KEEP_FLAGS = new Set("mov movzx movsx lea push pop leave not".split(" "));

/** Removes copies to oneself and computations that nobody reads. */
export function removeDead(lines: readonly Line[], registerCount: number): Line[] {
  for (let current = [...lines];;) {
    const live = liveness(current, registerCount);
    const kept = current.filter((line, at) =>
      !isDead(line, (number) => live.isLiveAfter(at, number))
    );
    if (kept.length === current.length) return kept;
    current = kept;
  }
}

function isDead(line: Line, isLive: (number: number) => boolean): boolean {
  if (isLabel(line) || !REMOVABLE.has(line.mnemonic) || line.operands[0].kind !== "register") {
    return false;
  }
  if (isCopy(line) && sameOperand(line.operands[0], line.operands[1])) return true;
  const { number } = line.operands[0];
  return number !== 4 && number !== 5 && !isLive(number);
}

/** True when the flags after line `at` are read. */
function flagsLive(lines: readonly Line[], at: number): boolean {
  for (let next = at + 1; next < lines.length; next++) {
    const line = lines[next];
    if (isLabel(line) || line.mnemonic === "jmp") return false; // flags never cross a join
    if (/^(set|cmov|adc|sbb)/.test(line.mnemonic) || isJump(line)) return true;
    if (!KEEP_FLAGS.has(line.mnemonic)) return false;
  }
  return false;
}

/** `lea r, [r + x]` and its kin as shorter arithmetic. */
function shorterLea(line: Code): Code {
  const [to, from] = line.operands;
  if (line.mnemonic !== "lea" || to.kind !== "register" || from.kind !== "memory") return line;
  const { base, index, scale, displacement, symbol } = from;
  const constant = immediate(displacement, symbol);
  const hasConstant = displacement !== 0 || symbol !== null;
  if (base < 0) return index < 0 ? code("mov", to, constant) : line;
  if (index < 0 && base === to.number) return added(to, constant);
  if (index < 0 && !hasConstant) return code("mov", to, register(base));
  if (hasConstant || scale !== 1) return line;
  if (base === to.number) return code("add", to, register(index));
  return index === to.number ? code("add", to, register(base)) : line;
}

function added(to: Code["operands"][0], by: ReturnType<typeof immediate>): Code {
  if (by.symbol === null && by.value === 1) return code("inc", to);
  if (by.symbol === null && by.value === -1) return code("dec", to);
  return code("add", to, by);
}

type Rewrite = (line: Code) => Code;

const rewrites: Record<string, Rewrite> = {
  lea: shorterLea,
  mov: (line) => {
    const [to, from] = line.operands;
    const isZero = from.kind === "immediate" && from.value === 0 && from.symbol === null;
    return isZero && to.kind === "register" && to.width === 32 ? code("xor", to, to) : line;
  },
  add: (line) => {
    const [to, by] = line.operands;
    return by.kind === "immediate" ? added(to, by) : line;
  },
  sub: (line) => {
    const [to, by] = line.operands;
    if (by.kind !== "immediate" || by.symbol !== null) return line;
    return Math.abs(by.value) === 1 ? added(to, immediate(-by.value)) : line;
  },
};

/** Rewrites that leave the same flags. */
const tests: Record<string, Rewrite> = {
  cmp: (line) => {
    const [a, b] = line.operands;
    const isZero = b.kind === "immediate" && b.value === 0 && b.symbol === null;
    return isZero && a.kind === "register" ? code("test", a, a) : line;
  },
  test: (line) => {
    const [a, b] = line.operands;
    if (b.kind !== "immediate" || b.symbol !== null || b.value < 0 || b.value > 0x7f) return line;
    if (a.kind === "memory") return code("test", { ...a, width: 8 }, b);
    return a.kind === "register" && a.number < 4 ? code("test", register(a.number, 8), b) : line;
  },
  xor: (line) => {
    const [a, b] = line.operands;
    const isAll = b.kind === "immediate" && b.value === -1 && b.symbol === null;
    return isAll ? code("not", a) : line;
  },
};

function rewrite(lines: readonly Line[]): Line[] {
  return lines.map((line, at) => {
    if (isLabel(line)) return line;
    const same = tests[line.mnemonic]?.(line) ?? line;
    const shorter: Rewrite | undefined = rewrites[same.mnemonic];
    return shorter !== undefined && !flagsLive(lines, at) ? { ...same, ...shorter(same) } : same;
  });
}

/** Bytes that a line adds to the stack. */
function pushedBytes(line: Line): number {
  if (isLabel(line)) return 0;
  if (line.mnemonic === "push" || line.mnemonic === "pushf") return 4;
  if (line.mnemonic === "pop") return -4;
  return line.mnemonic.startsWith("cleanup") ? -(line.operands[0] as Immediate).value : 0;
}

/** Where ESP must be right: the ends of straight code, and before what sets flags for a jump. */
function settles(line: Line): boolean {
  return isLabel(line) || /^(j|cmp|test|epilogue)/.test(line.mnemonic);
}

/** True when a call's arguments, pushed from line `at` on, are computed with jumps. */
function branchesWhilePushing(lines: readonly Line[], at: number): boolean {
  for (let bytes = 0; at < lines.length; at++) {
    bytes += pushedBytes(lines[at]);
    if (bytes <= 0) return false;
    if (settles(lines[at])) return true;
  }
  return true;
}

/** Gathers the removal of arguments at the end of straight code: ESP matters only there. */
function gatherCleanups(lines: readonly Line[], isFramed: boolean): Line[] {
  const gathered: Line[] = [];
  let waste = 0, pushed = 0;
  const flush = () => {
    if (waste > 0) gathered.push(code("cleanup.now", immediate(waste)));
    waste = 0;
  };
  lines.forEach((line, at) => {
    const { mnemonic } = isLabel(line) ? { mnemonic: "" } : line;
    if (mnemonic === "ud2" || mnemonic === "epilogue" && !isFramed) waste = 0;
    if (settles(line) && pushed === 0) flush();
    if (mnemonic === "push" && pushed === 0 && branchesWhilePushing(lines, at)) flush();
    pushed += pushedBytes(line);
    if (mnemonic === "cleanup") {
      waste += (line as Code & { operands: [Immediate] }).operands[0].value;
    } else gathered.push(line);
  });
  return gathered;
}

/** Replaces `cleanup` by POP where a register is free for it, else by ADD. */
function expandCleanups(lines: readonly Line[]): Line[] {
  const live = liveness(lines, 8);
  return lines.flatMap((line, at): Line[] => {
    if (isLabel(line) || line.mnemonic !== "cleanup.now") return [line];
    const { value } = line.operands[0] as Immediate;
    const free = [ecx, register(2), eax].find(({ number }) => !live.isLiveAfter(at, number));
    if (free && value <= 8) return Array.from({ length: value / 4 }, () => code("pop", free));
    return [code("add", esp, immediate(value))];
  });
}

class Framer {
  readonly #input: Allocated;
  readonly #returns: number;

  constructor(input: Allocated) {
    this.#input = input;
    this.#returns =
      input.lines.filter((line) => !isLabel(line) && line.mnemonic === "epilogue").length;
  }

  prologue(): Line[] {
    const { frameBytes, saved } = this.#input;
    const locals = frameBytes === 0
      ? []
      : [frameBytes === 4 ? code("push", ecx) : code("sub", esp, immediate(frameBytes))];
    return [
      code("push", ebp),
      code("mov", ebp, esp),
      ...locals,
      ...saved.map((number) => code("push", register(number))),
    ];
  }

  /** The first return that has registers to restore is the only one; the others jump to it. */
  epilogue(last: boolean): Line[] {
    const { saved } = this.#input;
    const restore = saved.toReversed().map((number) => code("pop", register(number)));
    const whole = [...restore, code("leave"), code("ret")];
    if (this.#returns < 2 || saved.length === 0) return whole;
    return last ? [{ label: "return" }, ...whole] : [code("jmp", target("return"))];
  }
}

function withFrame(input: Allocated, lines: readonly Line[]): Line[] {
  const framer = new Framer({ ...input, lines });
  const isReturn = (line: Line) => !isLabel(line) && line.mnemonic === "epilogue";
  const last = lines.findLastIndex(isReturn);
  const body = lines.flatMap((line, at) => isReturn(line) ? framer.epilogue(at === last) : [line]);
  return [...framer.prologue(), ...body];
}

function withTables(name: string, lines: readonly Line[]): Finished {
  const tables: JumpTable[] = [];
  const expanded = lines.map((line): Line => {
    if (isLabel(line) || line.mnemonic !== "jmp.table") return line;
    const symbol = `${name}.table${tables.length}`;
    tables.push({ symbol, labels: line.targets! });
    const [selector] = line.operands;
    const entry: Memory = memory(32, {
      index: (selector as { number: number }).number,
      scale: 4,
      symbol,
    });
    return { mnemonic: "jmp", operands: [entry], targets: line.targets };
  });
  return { lines: expanded, tables };
}

/** Finishes one function. */
export function finish(name: string, input: Allocated): Finished {
  let lines: Line[] = removeDead(straighten(input.lines), 8);
  lines = compact(gatherCleanups(lines, input.saved.length > 0));
  lines = withFrame(input, expandCleanups(lines));
  lines = rewrite(straighten(lines));
  return withTables(name, lines);
}
