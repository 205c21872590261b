/** Lowers expressions to values: order of evaluation, operands, addresses, arithmetic. Spec: specs/toolchain/lower.md. */
import { addressSum } from "./address.ts";
import { commute } from "./effects.ts";
import { Emitter } from "./emitter.ts";
import {
  type Immediate,
  immediate,
  type Memory,
  memory,
  type Operand,
  type Register,
  register,
  type Width,
} from "./operands.ts";
import {
  type BinaryNode,
  COMMUTATIVE,
  DIVISIONS,
  isComparison,
  SHIFTS,
  unmasked,
} from "./operators.ts";
import { childrenOf, type FunctionTree, type Node } from "./tree.ts";

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

const FIRST_PARAMETER = 8; // above saved EBP and the return address

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

/** Values of one function. */
export abstract class ValueLowering {
  /** The function's code so far. */
  readonly code: Emitter = new Emitter();
  /** The function. */
  protected readonly tree: FunctionTree;
  /** What it may refer to. */
  protected readonly environment: Environment;
  /** Registers of the locals. */
  protected readonly locals: readonly number[];
  /** Parameters that are read where they came, in memory. */
  protected readonly direct: ReadonlySet<number>;

  /** Lowers the given function. */
  constructor(tree: FunctionTree, environment: Environment) {
    this.tree = tree;
    this.environment = environment;
    this.direct = directParameters(tree);
    this.locals = Array.from({ length: tree.localCount }, () => this.code.fresh());
  }

  /** A truth value as 0 or 1. */
  protected abstract boolean(node: Node): number;
  /** One of two values, both computed. */
  protected abstract select(node: Extract<Node, { kind: "select" }>): number;
  /** Calls; the register of the result, or null. */
  protected abstract call(node: Extract<Node, { kind: "call" | "call_indirect" }>): number | null;
  /** Calls a support routine; the register of the result. */
  protected abstract routine(symbol: string, operands: readonly Node[]): number;
  /** Changes a local. */
  protected abstract setLocal(index: number, value: Node): void;
  /** Evaluates a node into a register. */
  protected abstract into(result: number, node: Node): void;

  /** Nodes that may be evaluated in any order, with the same effect as the given ones in sequence. */
  ordered(nodes: readonly Node[]): Node[] {
    return nodes.map((node, at) => {
      if (this.constant(node)) return node;
      if (nodes.slice(at + 1).every((later) => commute(node, later))) return node;
      const value = this.value(node);
      const held = this.locals.includes(value) ? this.code.copy(register(value)).number : value;
      return { kind: "register", number: held };
    });
  }

  /** Symbol and value of a node that is a constant when linked. */
  protected constant(node: Node): { symbol: string | null; value: number } | null {
    if (node.kind === "const") return { symbol: null, value: node.value };
    return node.kind === "global.get" ? this.environment.constant(node.name) : null;
  }

  /** The node as an immediate, if it is a constant. */
  immediate(node: Node): Immediate | null {
    const constant = this.constant(node);
    return constant && immediate(constant.value, constant.symbol);
  }

  /** The node as a 32-bit memory operand, if it is simply read from memory. */
  #inMemory(node: Node): Memory | null {
    if (node.kind === "local.get" && this.direct.has(node.index)) return this.home(node.index);
    if (node.kind === "global.get" && !this.constant(node)) return this.variable(node.name);
    if (node.kind === "load" && node.bytes === 4) {
      return this.address(node.pointer, node.offset, 32);
    }
    return null;
  }

  /** A variable's place. */
  protected variable(name: string): Memory {
    return memory(32, { symbol: this.environment.variable(name) });
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
    const sum = addressSum(pointer, offset, (node) => this.constant(node));
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

  /** Evaluates a node into a register; a local's own register stands for reading it. */
  value(node: Node): number {
    const constant = this.immediate(node);
    if (constant) return this.code.copy(constant).number;
    switch (node.kind) {
      case "register":
        return node.number;
      case "local.get":
        return this.direct.has(node.index) ? this.#read(node) : this.locals[node.index];
      case "global.get":
        return this.#read(node);
      case "local.set":
        this.setLocal(node.index, node.value);
        return this.locals[node.index];
      case "load":
        return this.#load(node);
      case "unary":
        return this.#unary(node);
      case "binary":
        return this.#binary(node);
      case "select":
        return this.select(node);
      case "call":
      case "call_indirect":
        return this.call(node) ?? this.code.fresh();
      default:
        return this.#structured(node);
    }
  }

  #read(node: Node): number {
    return this.code.copy(this.#inMemory(node)!).number;
  }

  #structured(node: Node): number {
    const result = this.code.fresh();
    this.into(result, node);
    return result;
  }

  #load(node: Extract<Node, { kind: "load" }>): number {
    const from = this.address(node.pointer, node.offset, 8 * node.bytes as Width);
    const result = this.code.fresh();
    const mnemonic = node.bytes === 4 ? "mov" : node.signed ? "movsx" : "movzx";
    this.code.emit(mnemonic, [register(result), from]);
    return result;
  }

  #unary(node: Extract<Node, { kind: "unary" }>): number {
    if (node.operator === "eqz") return this.boolean(node);
    if (node.operator === "extend8" || node.operator === "extend16") {
      const width = node.operator === "extend8" ? 8 : 16;
      return this.#extended("movsx", this.value(unmasked(node.value, width)), width);
    }
    if (node.operator === "popcnt") return this.routine("bit_count", [node.value]);
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
    if (isComparison(operator)) return this.boolean(node);
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
      node.kind === "global.get" && !this.constant(node) ||
      node.kind === "local.get" && this.direct.has(node.index);
    return isRead(right) || isRead(left) && !this.constant(right);
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
    const swap = COMMUTATIVE.has(operator) && !this.constant(second) &&
      (this.constant(first) ||
        first.kind === "local.get" && second.kind !== "local.get" && second.kind !== "load");
    if (swap) [first, second] = [second, first];
    const from = operator === "sub" ? this.immediate(first) : null;
    if (from?.value === 0 && from.symbol === null) return this.#negated(second);
    const isSimple = second.kind === "local.get" || second.kind === "register" ||
      this.constant(second);
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
    const constant = this.constant(right);
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

  /** A parameter's place. */
  protected home(index: number): Memory {
    return memory(32, { base: 5, displacement: FIRST_PARAMETER + 4 * index });
  }
}
