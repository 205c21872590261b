/** Lowers conditions: comparisons fused with jumps, truth values, selections. Spec: specs/toolchain/lower.md. */
import { isPure } from "./effects.ts";
import { opposite } from "./emitter.ts";
import { immediate, type Memory, type Operand, register } from "./operands.ts";
import { type BinaryNode, isBoolean, isComparison, MIRRORED, UNSIGNED, zero } from "./operators.ts";
import type { Comparison, Node } from "./tree.ts";
import { ValueLowering } from "./values.ts";

/** Conditions of one function. */
export abstract class ConditionLowering extends ValueLowering {
  /** A truth value as 0 or 1. */
  protected boolean(node: Node): number {
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

  /** One of two values, both computed. */
  protected select(node: Extract<Node, { kind: "select" }>): number {
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
    const mirrored = this.constant(a) !== null && this.constant(b) === null;
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
}
