/**
 * Lowers an expression tree to i686 code with virtual registers. Spec: specs/toolchain/lower.md.
 *
 * Calls are cdecl. Memory operands, immediates, `base + index * scale + displacement` and compare-and-branch are
 * chosen here; registers in allocate.ts, frames and small rewrites in finish.ts.
 */
import { addressSum } from "./address.ts";
import { BuildError } from "./build_error.ts";
import { commute, isPure, sameTree } from "./effects.ts";
import { CALL_CLOBBERS, Emitter, opposite } from "./emitter.ts";
import { type Intrinsic, intrinsics } from "./intrinsics.ts";
import type { Line } from "./ir.ts";
import { liveness } from "./liveness.ts";
import {
  type Immediate,
  immediate,
  type Memory,
  memory,
  type Operand,
  type Register,
  register,
  target,
  type Width,
} from "./operands.ts";
import {
  type BinaryOperator,
  childrenOf,
  type Comparison,
  type FunctionTree,
  type Node,
} from "./tree.ts";

/** What a function's code may refer to. */
export interface Environment {
  /** The link-time constant behind a global, or null for a variable. */
  constant(name: string): { symbol: string | null; value: number } | null;
  /** The symbol of a variable. */
  variable(name: string): string;
  /** The symbol that a call of a function goes to. */
  callee(name: string): string;
  /** Source position for messages. */
  where(name: string): string;
}

/** A lowered function, ready for allocation. */
export interface Lowered {
  readonly lines: readonly Line[];
  readonly registerCount: number;
  readonly homes: ReadonlyMap<number, number>;
}

const FIRST_PARAMETER = 8; // above saved EBP and the return address
const MIRRORED: Record<Comparison, Comparison> = {
  z: "z",
  nz: "nz",
  l: "nle",
  nle: "l",
  b: "nbe",
  nbe: "b",
  le: "nl",
  nl: "le",
  be: "nb",
  nb: "be",
};
const UNSIGNED: Partial<Record<Comparison, Comparison>> = {
  l: "b",
  nl: "nb",
  le: "be",
  nle: "nbe",
};
const COMMUTATIVE = new Set<BinaryOperator>(["add", "imul", "and", "or", "xor"]);
const ARITHMETIC = new Set<BinaryOperator>(["add", "sub", "and", "or", "xor"]);
const SHIFTS = new Set<BinaryOperator>(["shl", "shr", "sar", "rol", "ror"]);
const DIVISIONS: Partial<Record<BinaryOperator, [mnemonic: string, result: number]>> = {
  div: ["div", 0],
  idiv: ["idiv", 0],
  rem: ["div", 2],
  irem: ["idiv", 2],
};
const zero: Node = { kind: "const", value: 0 };

function isComparison(operator: string): operator is Comparison {
  return operator in MIRRORED;
}

function isBoolean(node: Node): boolean {
  if (node.kind === "unary") return node.operator === "eqz";
  return node.kind === "binary" && isComparison(node.operator);
}

/** Without a mask that the consumer of the low `bits` bits cannot see. */
function unmasked(node: Node, bits: number): Node {
  const mask = 2 ** bits - 1;
  if (node.kind !== "binary" || node.operator !== "and" || node.right.kind !== "const") return node;
  return (node.right.value & mask) === mask ? unmasked(node.left, bits) : node;
}

/** The low bits of a constant, as a signed number. */
function truncated({ value, symbol }: Immediate, width: Width): Immediate {
  return immediate(value << 32 - width >> 32 - width, symbol);
}

interface Join {
  readonly label: string;
  readonly result: number | null;
}

/** How often each local is read outside loops, and which are written or read inside one. */
function directParameters(tree: FunctionTree): Set<number> {
  const counts = new Map<number, number>();
  const visit = (node: Node, weight: number): void => {
    if (node.kind === "local.set") counts.set(node.index, Infinity);
    if (node.kind === "local.get") counts.set(node.index, (counts.get(node.index) ?? 0) + weight);
    const inner = node.kind === "loop" ? Infinity : weight;
    for (const child of childrenOf(node)) visit(child, inner);
  };
  visit(tree.body, 1);
  const parameters = Array.from({ length: tree.parameterCount }, (_, index) => index);
  return new Set(parameters.filter((index) => (counts.get(index) ?? 0) <= 1));
}

type BinaryNode = Extract<Node, { kind: "binary" }>;

/** Lowers one function. */
export class Lowering {
  readonly code: Emitter = new Emitter();
  readonly #tree: FunctionTree;
  readonly #environment: Environment;
  readonly #locals: number[];
  readonly #direct: Set<number>;
  readonly #homes = new Map<number, number>();
  readonly #joins = new Map<string, Join>();
  #waiting = 0; // bytes of arguments already pushed for outer calls

  constructor(tree: FunctionTree, environment: Environment) {
    this.#tree = tree;
    this.#environment = environment;
    this.#direct = directParameters(tree);
    this.#locals = Array.from({ length: tree.localCount }, () => this.code.fresh());
  }

  /** Code of the whole function. */
  run(): Lowered {
    this.#loadParameters();
    const { body, hasResult } = this.#tree;
    if (hasResult) this.#return(body);
    else {
      this.effect(body);
      this.code.emit("epilogue");
    }
    this.#clearLocals();
    const { lines, registerCount } = this.code;
    return { lines, registerCount, homes: this.#homes };
  }

  #home(index: number): Memory {
    return memory(32, { base: 5, displacement: FIRST_PARAMETER + 4 * index });
  }

  #loadParameters(): void {
    for (let index = 0; index < this.#tree.parameterCount; index++) {
      if (this.#direct.has(index)) continue;
      const home = this.#home(index);
      this.#homes.set(this.#locals[index], home.displacement);
      this.code.move(this.#locals[index], home);
    }
  }

  /** Locals start as zero: those that are read before they are written need it. */
  #clearLocals(): void {
    const live = liveness(this.code.lines, this.code.registerCount);
    const clear = this.#locals.filter((number) => live.isLiveAtEntry(number));
    const lines = clear.map((number): Line => ({
      mnemonic: "mov",
      operands: [register(number), immediate(0)],
    }));
    this.code.lines.unshift(...lines);
  }

  // ---- order of evaluation

  /** Nodes that may be evaluated in any order, with the same effect as the given ones in sequence. */
  ordered(nodes: readonly Node[]): Node[] {
    return nodes.map((node, at) => {
      if (this.#constant(node)) return node;
      if (nodes.slice(at + 1).every((later) => commute(node, later))) return node;
      const value = this.value(node);
      const held = this.#locals.includes(value) ? this.code.copy(register(value)).number : value;
      return { kind: "register", number: held };
    });
  }

  // ---- operands

  #constant(node: Node): { symbol: string | null; value: number } | null {
    if (node.kind === "const") return { symbol: null, value: node.value };
    return node.kind === "global.get" ? this.#environment.constant(node.name) : null;
  }

  /** The node as an immediate, if it is a constant. */
  immediate(node: Node): Immediate | null {
    const constant = this.#constant(node);
    return constant && immediate(constant.value, constant.symbol);
  }

  /** The node as a 32-bit memory operand, if it is simply read from memory. */
  #inMemory(node: Node): Memory | null {
    if (node.kind === "local.get" && this.#direct.has(node.index)) return this.#home(node.index);
    if (node.kind === "global.get" && !this.#constant(node)) return this.#variable(node.name);
    if (node.kind === "load" && node.bytes === 4) {
      return this.address(node.pointer, node.offset, 32);
    }
    return null;
  }

  #variable(name: string): Memory {
    return memory(32, { symbol: this.#environment.variable(name) });
  }

  /** The node as a register, a memory operand or an immediate, to be used at once. */
  operand(node: Node): Operand {
    return this.immediate(node) ?? this.placed(node);
  }

  /** The node as a register or memory operand, to be used at once. */
  placed(node: Node): Register | Memory {
    return this.#inMemory(node) ?? register(this.value(node));
  }

  /** A memory operand for an address expression. */
  address(pointer: Node, offset: number, width: Width | 0): Memory {
    const sum = addressSum(pointer, offset, (node) => this.#constant(node));
    const nodes = this.ordered(sum.terms.map((term) => term.node));
    const [first, second] = nodes.map((node) => this.value(node));
    const scale = sum.terms.at(-1)?.scale ?? 1;
    const { symbol, displacement } = sum;
    if (second === undefined && scale > 2) {
      return memory(width, { index: first, scale, symbol, displacement });
    }
    const index = second ?? (scale === 2 ? first : -1);
    return memory(width, {
      base: first ?? -1,
      index,
      scale: second === undefined ? 1 : scale,
      symbol,
      displacement,
    });
  }

  // ---- values

  /** Evaluates a node into a register; a local's own register stands for reading it. */
  value(node: Node): number {
    const constant = this.immediate(node);
    if (constant) return this.code.copy(constant).number;
    switch (node.kind) {
      case "register":
        return node.number;
      case "local.get":
        return this.#direct.has(node.index) ? this.#read(node) : this.#locals[node.index];
      case "global.get":
        return this.#read(node);
      case "local.set":
        this.#setLocal(node.index, node.value);
        return this.#locals[node.index];
      case "load":
        return this.#load(node);
      case "unary":
        return this.#unary(node);
      case "binary":
        return this.#binary(node);
      case "select":
        return this.#select(node);
      case "call":
      case "call_indirect":
        return this.#call(node) ?? this.code.fresh();
      default:
        return this.#structured(node);
    }
  }

  #read(node: Node): number {
    return this.code.copy(this.#inMemory(node)!).number;
  }

  #structured(node: Node): number {
    const result = this.code.fresh();
    this.#into(result, node);
    return result;
  }

  /** Evaluates a node into the given register. */
  #into(result: number, node: Node): void {
    switch (node.kind) {
      case "block":
        return this.#block(node, result);
      case "loop":
        return this.#loop(node, result);
      case "if":
        return this.#if(node, result);
      case "break":
        if (node.condition && node.value) return this.#breakWithResult(node, result);
        return this.effect(node);
      case "switch":
      case "return":
      case "unreachable":
      case "store":
      case "global.set":
      case "drop":
      case "nop":
        return this.effect(node);
      default:
        this.code.move(result, this.operand(node));
    }
  }

  #load(node: Extract<Node, { kind: "load" }>): number {
    const from = this.address(node.pointer, node.offset, 8 * node.bytes as Width);
    const result = this.code.fresh();
    const mnemonic = node.bytes === 4 ? "mov" : node.signed ? "movsx" : "movzx";
    this.code.emit(mnemonic, [register(result), from]);
    return result;
  }

  #unary(node: Extract<Node, { kind: "unary" }>): number {
    if (node.operator === "eqz") return this.#boolean(node);
    if (node.operator === "extend8" || node.operator === "extend16") {
      const width = node.operator === "extend8" ? 8 : 16;
      return this.#extended("movsx", this.value(unmasked(node.value, width)), width);
    }
    if (node.operator === "popcnt") return this.#routine("bit_count", [node.value]);
    return this.#bitScan(node.operator, node.value);
  }

  #extended(mnemonic: string, from: number, width: Width): number {
    const result = this.code.fresh();
    this.code.emit(mnemonic, [register(result), register(from, width)]);
    return result;
  }

  /** BSR and BSF leave their destination alone for zero: it is preset to the answer for zero. */
  #bitScan(operator: "clz" | "ctz", node: Node): number {
    const from = this.placed(node);
    const result = this.code.copy(immediate(operator === "clz" ? 63 : 32));
    const found = register(this.code.fresh());
    this.code.emit(operator === "clz" ? "bsr" : "bsf", [found, from], { reads: [] });
    this.code.emit("cmovnz", [result, found]);
    if (operator === "clz") this.code.emit("xor", [result, immediate(31)]);
    return result.number;
  }

  #binary(node: BinaryNode): number {
    const { operator } = node;
    if (isComparison(operator)) return this.#boolean(node);
    if (operator in DIVISIONS) return this.#divide(node);
    if (SHIFTS.has(operator)) return this.#shift(node);
    if (operator === "add" && !this.#endsInMemory(node)) return this.#sum(node);
    if (operator === "and" && node.right.kind === "const") {
      const width = ({ 0xff: 8, 0xffff: 16 } as const)[node.right.value as 0xff | 0xffff];
      if (width) return this.#extended("movzx", this.value(unmasked(node.left, width)), width);
    }
    return this.#arithmetic(node);
  }

  #endsInMemory({ left, right }: BinaryNode): boolean {
    const isRead = (node: Node) =>
      node.kind === "load" && node.bytes === 4 ||
      node.kind === "global.get" && !this.#constant(node) ||
      node.kind === "local.get" && this.#direct.has(node.index);
    return isRead(right) || isRead(left) && !this.#constant(right);
  }

  #sum(node: Node): number {
    const from = this.address(node, 0, 0);
    if (from.base < 0 && from.index < 0) {
      return this.code.copy(immediate(from.displacement, from.symbol)).number;
    }
    const isPlain = from.index < 0 && from.displacement === 0 && from.symbol === null;
    if (isPlain) return from.base;
    const result = this.code.fresh();
    this.code.emit("lea", [register(result), from]);
    return result;
  }

  #arithmetic({ operator, left, right }: BinaryNode): number {
    let [first, second] = this.ordered([left, right]);
    const swap = COMMUTATIVE.has(operator) && !this.#constant(second) &&
      (this.#constant(first) ||
        first.kind === "local.get" && second.kind !== "local.get" && second.kind !== "load");
    if (swap) [first, second] = [second, first];
    const from = operator === "sub" ? this.immediate(first) : null;
    if (from?.value === 0 && from.symbol === null) return this.#negated(second);
    const isSimple = second.kind === "local.get" || second.kind === "register" ||
      this.#constant(second);
    const begin = isSimple ? null : this.#late(second);
    const source = this.placed(first);
    const by = begin ?? this.operand(second);
    if (operator === "imul" && by.kind === "immediate") {
      const result = register(this.code.fresh());
      this.code.emit("imul", [result, source, by]);
      return result.number;
    }
    const result = this.code.copy(source);
    this.code.emit(operator, [result, by]);
    return result.number;
  }

  /** A second operand that needs code of its own is computed before the first one is fetched. */
  #late(node: Node): Register | null {
    const isRead = node.kind === "load" && node.bytes === 4 || node.kind === "global.get";
    return isRead ? null : register(this.value(node));
  }

  #negated(node: Node): number {
    const result = this.code.copy(this.operand(node));
    this.code.emit("neg", [result]);
    return result.number;
  }

  #shift({ operator, left, right }: BinaryNode): number {
    const [first, second] = this.ordered([left, right]);
    const count = this.immediate(second);
    if (count && count.symbol === null) {
      const result = this.code.copy(this.operand(first));
      this.code.emit(operator, [result, immediate(count.value & 31)]);
      return result.number;
    }
    const amount = register(this.value(second));
    const result = this.code.copy(this.operand(first));
    this.code.move(1, amount);
    this.code.emit(operator, [result, register(1, 8)]);
    return result.number;
  }

  /** A division by zero, and the quotient of the least number by -1, are #DE as they trap in WebAssembly. */
  #divide(node: BinaryNode): number {
    const [left, right] = this.ordered([node.left, node.right]);
    const [mnemonic, result] = DIVISIONS[node.operator]!;
    const divisor = this.#inMemory(right) ?? register(this.value(right));
    const dividend = this.operand(left);
    const isSigned = mnemonic === "idiv";
    const constant = this.#constant(right);
    if (node.operator === "irem" && (!constant || constant.value === -1)) {
      return this.#signedRemainder(dividend, divisor);
    }
    this.code.move(0, dividend);
    if (isSigned) this.code.emit("cwd", [], { reads: [0], clobbers: [2] });
    else this.code.move(2, immediate(0));
    this.code.emit(mnemonic, [divisor], { reads: [0, 2], clobbers: [0, 2] });
    return this.code.copy(register(result)).number;
  }

  /** The remainder by -1 is 0, also where IDIV would trap for the quotient. */
  #signedRemainder(dividend: Operand, divisor: Register | Memory): number {
    const { code } = this;
    const value = code.copy(dividend), end = code.newLabel();
    const result = code.copy(immediate(0));
    code.emit("cmp", [divisor, immediate(-1)]);
    code.jumpIf("z", end);
    code.move(0, value);
    code.emit("cwd", [], { reads: [0], clobbers: [2] });
    code.emit("idiv", [divisor], { reads: [0, 2], clobbers: [0, 2] });
    code.move(result.number, register(2));
    code.place(end);
    return result.number;
  }

  #boolean(node: Node): number {
    const compared = this.#simpleComparison(node);
    if (!compared) return this.#choose(node, 1, 0);
    const operands = this.#compareOperands(compared.left, compared.right);
    const condition = operands.mirrored ? MIRRORED[compared.condition] : compared.condition;
    const result = this.code.copy(immediate(0));
    this.code.emit(operands.mnemonic, operands.operands);
    this.code.emit(`set${this.#narrowed(condition, operands.narrow)}`, [
      register(result.number, 8),
    ]);
    return result.number;
  }

  #simpleComparison(node: Node): { condition: Comparison; left: Node; right: Node } | null {
    if (node.kind === "unary" && node.operator === "eqz") {
      return isBoolean(node.value) || node.value.kind === "if"
        ? null
        : { condition: "z", left: node.value, right: zero };
    }
    if (node.kind !== "binary" || !isComparison(node.operator)) return null;
    return { condition: node.operator, left: node.left, right: node.right };
  }

  #choose(condition: Node, ifTrue: number, ifFalse: number): number {
    const end = this.code.newLabel();
    const result = this.code.fresh();
    const [otherwise] = [this.code.newLabel()];
    this.branch(condition, otherwise, false);
    this.code.move(result, immediate(ifTrue));
    this.code.jump(end);
    this.code.place(otherwise);
    this.code.move(result, immediate(ifFalse));
    this.code.place(end);
    return result;
  }

  #select(node: Extract<Node, { kind: "select" }>): number {
    const [ifTrue, ifFalse, condition] = this.ordered([node.ifTrue, node.ifFalse, node.condition]);
    const yes = this.immediate(ifTrue);
    const end = this.code.newLabel();
    if (yes) {
      const result = this.code.copy(this.operand(ifFalse)).number;
      this.branch(condition, end, false);
      this.code.move(result, yes);
      this.code.place(end);
      return result;
    }
    const chosen = register(this.value(ifTrue));
    const result = this.code.copy(this.operand(ifFalse));
    const test = this.#test(condition);
    this.code.emit(`cmov${test}`, [result, chosen]);
    return result.number;
  }

  // ---- conditions

  /** Sets the flags for `node != 0`; returns the condition that holds then. */
  #test(node: Node): string {
    if (node.kind === "unary" && node.operator === "eqz") return opposite(this.#test(node.value));
    const compared = this.#simpleComparison(node) ??
      { condition: "nz" as const, left: node, right: zero };
    const { mnemonic, operands, mirrored, narrow } = this.#compareOperands(
      compared.left,
      compared.right,
    );
    this.code.emit(mnemonic, operands);
    return this.#narrowed(mirrored ? MIRRORED[compared.condition] : compared.condition, narrow);
  }

  #narrowed(condition: Comparison, narrow: boolean): Comparison {
    return narrow ? UNSIGNED[condition] ?? condition : condition;
  }

  #compareOperands(
    left: Node,
    right: Node,
  ): { mnemonic: string; operands: Operand[]; mirrored: boolean; narrow: boolean } {
    let [a, b] = this.ordered([left, right]);
    const mirrored = this.#constant(a) !== null && this.#constant(b) === null;
    if (mirrored) [a, b] = [b, a];
    const by = this.immediate(b);
    if (by && by.symbol === null) {
      const narrow = this.#narrowLoad(a, by.value);
      if (narrow) return { mnemonic: "cmp", operands: [narrow, by], mirrored, narrow: true };
      if (by.value === 0 && a.kind === "binary" && a.operator === "and") {
        return { mnemonic: "test", operands: this.#testOperands(a), mirrored, narrow: false };
      }
    }
    const second = by ?? (this.#isSimple(b) ? null : register(this.value(b)));
    const first = second?.kind === "immediate" || second?.kind === "register"
      ? this.placed(a)
      : register(this.value(a));
    return {
      mnemonic: "cmp",
      operands: [first, second ?? this.placed(b)],
      mirrored,
      narrow: false,
    };
  }

  #isSimple(node: Node): boolean {
    return node.kind === "local.get" || node.kind === "global.get" || node.kind === "register" ||
      node.kind === "load" && node.bytes === 4;
  }

  /** A byte or word in memory that is compared with a constant of its own range. */
  #narrowLoad(node: Node, value: number): Memory | null {
    if (node.kind !== "load" || node.bytes === 4 || node.signed) return null;
    const width = 8 * node.bytes as 8 | 16;
    if (value < 0 || value >= 2 ** width) return null;
    return this.address(node.pointer, node.offset, width);
  }

  #testOperands(node: BinaryNode): Operand[] {
    const [a, b] = this.ordered([node.left, node.right]);
    const by = this.immediate(b);
    if (!by) {
      return [this.#isSimple(b) ? this.placed(b) : register(this.value(b)), register(this.value(a))]
        .slice(0, 2);
    }
    const narrow = by.symbol === null ? this.#narrowLoad(a, by.value) : null;
    return [narrow ?? this.placed(a), by];
  }

  /** Jumps to the label when `(node != 0) === sense`. */
  branch(node: Node, label: string, sense: boolean): void {
    if (node.kind === "const") {
      return (node.value !== 0) === sense ? this.code.jump(label) : undefined;
    }
    if (node.kind === "unary" && node.operator === "eqz") {
      return this.branch(node.value, label, !sense);
    }
    if (node.kind === "if" && node.ifFalse) return this.#branchIf(node, label, sense);
    if (node.kind === "binary" && this.#isJunction(node)) return this.#junction(node, label, sense);
    const condition = this.#test(node);
    this.code.jumpIf(sense ? condition : opposite(condition), label);
  }

  /** `a & b` of truth values and `a | b`, whose second operand need not be evaluated. */
  #isJunction({ operator, left, right }: BinaryNode): boolean {
    if (!isPure(right)) return false;
    return operator === "or" && isBoolean(left) && isBoolean(right) ||
      operator === "and" && isBoolean(left) && isBoolean(right);
  }

  #junction(
    { operator, left, right }: BinaryNode,
    label: string,
    sense: boolean,
  ): void {
    const [first, second] = [left, right];
    const isShort = operator === "or" ? sense : !sense;
    if (isShort) {
      this.branch(first, label, sense);
      return this.branch(second, label, sense);
    }
    const skip = this.code.newLabel();
    this.branch(first, skip, !sense);
    this.branch(second, label, sense);
    this.code.place(skip);
  }

  #branchIf(node: Extract<Node, { kind: "if" }>, label: string, sense: boolean): void {
    const otherwise = this.code.newLabel(), end = this.code.newLabel();
    this.branch(node.condition, otherwise, false);
    this.branch(node.ifTrue, label, sense);
    this.code.jump(end);
    this.code.place(otherwise);
    this.branch(node.ifFalse!, label, sense);
    this.code.place(end);
  }

  // ---- statements

  /** Evaluates a node for its effect. */
  effect(node: Node): void {
    switch (node.kind) {
      case "nop":
      case "const":
      case "register":
      case "local.get":
        return;
      case "drop":
        return this.effect(node.value);
      case "local.set":
        return this.#setLocal(node.index, node.value);
      case "global.set":
        return this.#store(this.#variable(node.name), node.value, {
          kind: "global.get",
          name: node.name,
        });
      case "store":
        return this.#storeTo(node);
      case "block":
        return this.#block(node, null);
      case "loop":
        return this.#loop(node, null);
      case "if":
        return this.#if(node, null);
      case "break":
        return this.#break(node);
      case "switch":
        return this.#switch(node);
      case "return":
        return node.value ? this.#return(node.value) : this.code.emit("epilogue");
      case "unreachable":
        return this.code.emit("ud2");
      case "call":
      case "call_indirect":
        this.#call(node);
        return;
      case "binary":
        if (node.operator in DIVISIONS) return void this.value(node); // it may trap
        return this.#effects(node);
      default:
        return this.#effects(node);
    }
  }

  #effects(node: Node): void {
    for (const child of this.ordered(childrenOf(node))) this.effect(child);
  }

  /** The value is complete before the local changes: a block may read the local after a conditional break. */
  #setLocal(index: number, value: Node): void {
    this.code.move(this.#locals[index], this.operand(value));
  }

  #return(value: Node): void {
    if (value.kind === "block" || value.kind === "if" || value.kind === "loop") {
      const result = this.value(value);
      this.code.move(0, register(result));
    } else if (value.kind === "unreachable" || value.kind === "return" || value.kind === "break") {
      return this.effect(value);
    } else this.code.move(0, this.operand(value));
    this.code.emit("epilogue", [], { reads: [0] });
  }

  #storeTo(node: Extract<Node, { kind: "store" }>): void {
    const [pointer, value] = this.ordered([node.pointer, node.value]);
    const width = 8 * node.bytes as Width;
    const modified: Node = {
      kind: "load",
      bytes: node.bytes,
      signed: false,
      offset: node.offset,
      pointer,
    };
    const value2 = width === 32 ? value : unmasked(value, width);
    if (isPure(pointer) && this.#modifies(value2, modified)) {
      return this.#modify(() => this.address(pointer, node.offset, width), width, value2);
    }
    const from = this.#datum(value2, width);
    this.code.emit("mov", [this.address(pointer, node.offset, width), from]);
  }

  #store(to: Memory, value: Node, old: Node): void {
    if (this.#modifies(value, old)) return this.#modify(() => to, 32, value);
    this.code.emit("mov", [to, this.#datum(value, 32)]);
  }

  /** True for `old op x`: one instruction on memory does it. */
  #modifies(value: Node, old: Node): value is BinaryNode {
    if (value.kind !== "binary") return false;
    const { operator, left, right } = value;
    const fits = ARITHMETIC.has(operator) ||
      SHIFTS.has(operator) && right.kind === "const" && old.kind === "global.get";
    return fits && sameTree(left, old) && commute(left, right) && isPure(right);
  }

  #modify(to: () => Memory, width: Width, { operator, right }: BinaryNode): void {
    const from = this.#datum(right, width);
    this.code.emit(operator, [to(), from]);
  }

  /** The node as an immediate or register of the given width; an address has 32 bits and so fits no other. */
  #datum(node: Node, width: Width): Register | Immediate {
    const constant = this.immediate(node);
    if (constant && (constant.symbol === null || width === 32)) return truncated(constant, width);
    return register(this.value(node), width);
  }

  // ---- control flow

  #block(node: Extract<Node, { kind: "block" }>, result: number | null): void {
    const end = this.code.newLabel();
    if (node.name) this.#joins.set(node.name, { label: end, result });
    const last = node.children.length - 1;
    node.children.forEach((child, at) => {
      if (at === last && result !== null && node.hasResult) this.#into(result, child);
      else this.effect(child);
    });
    this.code.place(end);
  }

  #loop(node: Extract<Node, { kind: "loop" }>, result: number | null): void {
    const start = this.code.newLabel();
    if (node.name) this.#joins.set(node.name, { label: start, result: null });
    this.code.depth++;
    this.code.place(start);
    if (result !== null && node.hasResult) this.#into(result, node.body);
    else this.effect(node.body);
    this.code.depth--;
  }

  #if(node: Extract<Node, { kind: "if" }>, result: number | null): void {
    const arm = (child: Node) => result === null ? this.effect(child) : this.#into(result, child);
    const otherwise = this.code.newLabel();
    this.branch(node.condition, otherwise, false);
    arm(node.ifTrue);
    if (!node.ifFalse) return this.code.place(otherwise);
    const end = this.code.newLabel();
    this.code.jump(end);
    this.code.place(otherwise);
    arm(node.ifFalse);
    this.code.place(end);
  }

  #break(node: Extract<Node, { kind: "break" }>): void {
    const join = this.#joins.get(node.name)!;
    if (node.value) {
      const [value, condition] = this.ordered([
        node.value,
        ...node.condition ? [node.condition] : [],
      ]);
      if (join.result === null) this.effect(value);
      else this.#into(join.result, value);
      return condition ? this.branch(condition, join.label, true) : this.code.jump(join.label);
    }
    if (node.condition) this.branch(node.condition, join.label, true);
    else this.code.jump(join.label);
  }

  #breakWithResult(node: Extract<Node, { kind: "break" }>, result: number): void {
    const value = this.value(node.value!);
    this.#break({ ...node, value: { kind: "register", number: value } });
    this.code.move(result, register(value));
  }

  #switch(node: Extract<Node, { kind: "switch" }>): void {
    const name = (join: string) => this.#joins.get(join)!.label;
    const joined = this.#joins.get(node.defaultName)!;
    const [value, by] = node.value
      ? this.ordered([node.value, node.selector])
      : [null, node.selector];
    if (value && joined.result !== null) this.#into(joined.result, value);
    const selector = register(this.value(by));
    const labels = node.names.map(name), other = name(node.defaultName);
    const cases = labels.flatMap((label, at) => label === other ? [] : [{ label, at }]);
    if (6 * cases.length < 14 + 4 * labels.length) {
      for (const { label, at } of cases) {
        this.code.emit("cmp", [selector, immediate(at)]);
        this.code.jumpIf("z", label);
      }
      return this.code.jump(other);
    }
    this.code.emit("cmp", [selector, immediate(labels.length)]);
    this.code.jumpIf("nb", other);
    this.code.emit("jmp.table", [selector], { targets: labels });
  }

  // ---- calls

  #call(node: Extract<Node, { kind: "call" | "call_indirect" }>): number | null {
    if (node.kind === "call_indirect") return this.#callIndirect(node);
    const symbol = this.#environment.callee(node.target);
    const intrinsic: Intrinsic | undefined = intrinsics.get(symbol);
    if (intrinsic) return intrinsic(this, this.ordered(node.operands)) ?? null;
    if (symbol === "cstr") {
      throw new BuildError(
        `Cannot lower ${this.#tree.name} (${
          this.#environment.where(this.#tree.name)
        }): cstr() takes a string literal`,
      );
    }
    return this.#cdecl(target(symbol), node.operands, node.hasResult);
  }

  /** Calls a support routine of the image. */
  #routine(symbol: string, operands: readonly Node[]): number {
    return this.#cdecl(target(symbol), operands, true)!;
  }

  #callIndirect(node: Extract<Node, { kind: "call_indirect" }>): number | null {
    const nodes = this.ordered([...node.operands, node.target]);
    const index = this.value(nodes.pop()!);
    const entry = memory(32, { index, scale: 4, symbol: "function_table" });
    return this.#cdecl(entry, nodes, node.hasResult);
  }

  #cdecl(callee: Operand, operands: readonly Node[], hasResult: boolean): number | null {
    const nodes = this.ordered(operands);
    const before = this.#waiting;
    for (const node of nodes.toReversed()) {
      this.code.emit("push", [this.operand(node)]);
      this.#waiting += 4;
    }
    this.code.emit("call", [callee], { clobbers: CALL_CLOBBERS });
    this.#waiting = before;
    this.code.cleanUp(4 * nodes.length, before > 0);
    return hasResult ? this.code.copy(register(0)).number : null;
  }
}

/** Lowers one function. */
export function lower(tree: FunctionTree, environment: Environment): Lowered {
  return new Lowering(tree, environment).run();
}
