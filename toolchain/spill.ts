/** Rewrites a function so that some registers live in memory or are repeated as constants. */
import { type Code, effectsOf, isLabel, type Line } from "./ir.ts";
import { type Immediate, type Memory, type Operand, register, sameOperand } from "./operands.ts";

/** Where a spilled register lives: a stack slot, or nowhere because it is a constant. */
export type SpillPlace = Memory | Immediate;

const set = (names: string) => new Set(names.split(" "));
/** Instructions whose first operand may be in memory. */
const MEMORY_FIRST = set(
  "mov add sub and or xor adc sbb cmp test inc dec neg not shl shr sar rol ror push div idiv mul call jmp",
);
/** Instructions whose second operand may be in memory. */
const MEMORY_SECOND = set("mov add sub and or xor adc sbb cmp imul movzx movsx bsr bsf");
/** Instructions whose second operand may be an immediate. */
const IMMEDIATE_SECOND = set("mov add sub and or xor adc sbb cmp test shl shr sar rol ror");

function mayBeMemory(code: Code, position: number): boolean {
  const { mnemonic, operands } = code;
  if (operands.some((operand) => operand.kind === "memory")) return false;
  if (position === 1) return MEMORY_SECOND.has(mnemonic) || mnemonic.startsWith("cmov");
  return position === 0 && (MEMORY_FIRST.has(mnemonic) || mnemonic.startsWith("set"));
}

function mayBeImmediate(code: Code, position: number): boolean {
  if (code.mnemonic === "push") return true;
  return position === 1 && code.operands.length === 2 && IMMEDIATE_SECOND.has(code.mnemonic);
}

/** `test` has its memory operand first, and is symmetric. */
function orient(code: Code, places: ReadonlyMap<number, SpillPlace>): Code {
  const [first, second] = code.operands;
  if (code.mnemonic !== "test" || second.kind !== "register") return code;
  if (!places.has(second.number) || sameOperand(first, second)) return code;
  return { ...code, operands: [second, first] };
}

class Rewriter {
  readonly #places: ReadonlyMap<number, SpillPlace>;
  registerCount: number;

  constructor(places: ReadonlyMap<number, SpillPlace>, registerCount: number) {
    this.#places = places;
    this.registerCount = registerCount;
  }

  rewrite(line: Line): Line[] {
    if (isLabel(line)) return [line];
    if (this.#isConstantDefinition(line) || this.#isFetchFromHome(line)) return [];
    let code = orient(line, this.#places);
    code = {
      ...code,
      operands: code.operands.map((operand, at) => this.#direct(code, operand, at)),
    };
    code = this.#inAddress(code);
    const [first, second] = code.operands;
    if (code.mnemonic === "mov" && sameOperand(first, second)) return [];
    return this.#throughTemporaries(code);
  }

  #isConstantDefinition(code: Code): boolean {
    const [first] = code.operands;
    return code.mnemonic === "mov" && first.kind === "register" &&
      this.#places.get(first.number)?.kind === "immediate";
  }

  #isFetchFromHome({ mnemonic, operands: [first, second] }: Code): boolean {
    if (mnemonic !== "mov" || first.kind !== "register" || second.kind !== "memory") return false;
    const place = this.#places.get(first.number);
    return place !== undefined && sameOperand(place, second);
  }

  /** The operand's place itself, where the instruction can have it. */
  #direct(code: Code, operand: Operand, position: number): Operand {
    if (operand.kind !== "register") return operand;
    const place = this.#places.get(operand.number);
    if (!place) return operand;
    const same = code.operands.filter((other) =>
      other.kind === "register" && this.#places.has(other.number)
    );
    if (place.kind === "immediate") return mayBeImmediate(code, position) ? place : operand;
    const copyInPlace = code.mnemonic === "mov" && same.length === 2 &&
      same.every((other) =>
        other.kind === "register" && sameOperand(this.#places.get(other.number)!, place)
      );
    const memories = same.filter((other) =>
      other.kind === "register" && this.#places.get(other.number)!.kind === "memory"
    );
    const isFirst = copyInPlace || memories.length === 1 ||
      memories[0] === operand && position === 0 &&
        !sameOperand(memories[0], memories[1]);
    return isFirst && mayBeMemory(code, position) ? { ...place, width: operand.width } : operand;
  }

  /** Folds constants into an address. */
  #inAddress(code: Code): Code {
    const operands = code.operands.map((operand) =>
      operand.kind === "memory" ? this.#withConstantBase(this.#withConstantIndex(operand)) : operand
    );
    return { ...code, operands };
  }

  #withConstantIndex(operand: Memory): Memory {
    const place = this.#places.get(operand.index);
    if (place?.kind !== "immediate" || place.symbol !== null) return operand;
    const displacement = operand.displacement + place.value * operand.scale | 0;
    return { ...operand, index: -1, scale: 1, displacement };
  }

  #withConstantBase(operand: Memory): Memory {
    const place = this.#places.get(operand.base);
    if (place?.kind !== "immediate" || place.symbol && operand.symbol) return operand;
    const displacement = operand.displacement + place.value | 0;
    const { index, scale } = operand;
    const rest = scale === 1 ? { base: index, index: -1 } : { base: -1, index };
    return { ...operand, ...rest, displacement, symbol: operand.symbol ?? place.symbol };
  }

  #throughTemporaries(code: Code): Line[] {
    const { reads, writes } = effectsOf(code);
    const before: Line[] = [], after: Line[] = [];
    const names = new Map<number, number>();
    for (const number of new Set([...reads, ...writes])) {
      const place = this.#places.get(number);
      if (!place) continue;
      const temporary = this.registerCount++;
      names.set(number, temporary);
      const move = (operands: Operand[]): Code => ({
        mnemonic: "mov",
        operands,
        depth: code.depth,
      });
      if (reads.includes(number)) before.push(move([register(temporary), place]));
      if (writes.includes(number)) after.push(move([place, register(temporary)]));
    }
    if (names.size === 0) return [code];
    return [...before, renamed(code, names), ...after];
  }
}

function renamed(code: Code, names: ReadonlyMap<number, number>): Code {
  const name = (number: number) => names.get(number) ?? number;
  const operands = code.operands.map((operand): Operand => {
    if (operand.kind === "register") return { ...operand, number: name(operand.number) };
    if (operand.kind === "memory") {
      return { ...operand, base: name(operand.base), index: name(operand.index) };
    }
    return operand;
  });
  return { ...code, operands };
}

/** Rewrites all lines; the places are by register number. */
export function spill(
  lines: readonly Line[],
  places: ReadonlyMap<number, SpillPlace>,
  registerCount: number,
): { lines: Line[]; registerCount: number } {
  const rewriter = new Rewriter(places, registerCount);
  const rewritten = lines.flatMap((line) => rewriter.rewrite(line));
  return { lines: rewritten, registerCount: rewriter.registerCount };
}
