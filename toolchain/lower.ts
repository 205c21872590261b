/**
 * Lowers an expression tree to i686 code with virtual registers. Spec: specs/toolchain/lower.md.
 *
 * Calls are cdecl. Memory operands, immediates, `base + index * scale + displacement` and compare-and-branch are
 * chosen here; registers in allocate.ts, frames and small rewrites in finish.ts.
 */
import { BuildError } from "./build_error.ts";
import { ConditionLowering } from "./conditions.ts";
import { commute, isPure, sameTree } from "./effects.ts";
import { CALL_CLOBBERS } from "./emitter.ts";
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
  ARITHMETIC,
  type BinaryNode,
  DIVISIONS,
  SHIFTS,
  truncated,
  unmasked,
} from "./operators.ts";
import { childrenOf, type FunctionTree, type Node } from "./tree.ts";
import type { Environment } from "./values.ts";

/** A lowered function, ready for allocation. */
export interface Lowered {
  /** The code, with virtual registers. */
  readonly lines: readonly Line[];
  /** One more than the highest register number. */
  readonly registerCount: number;
  /** Displacements from EBP of the registers that begin as parameters. */
  readonly homes: ReadonlyMap<number, number>;
}

interface Join {
  readonly label: string;
  readonly result: number | null;
}

/** Lowers one function. */
export class Lowering extends ConditionLowering {
  readonly #homes = new Map<number, number>();
  readonly #joins = new Map<string, Join>();
  #waiting = 0; // bytes of arguments already pushed for outer calls

  /** Code of the whole function. */
  run(): Lowered {
    this.#loadParameters();
    const { body, hasResult } = this.tree;
    if (hasResult) this.#return(body);
    else {
      this.effect(body);
      this.code.emit("epilogue");
    }
    this.#clearLocals();
    const { lines, registerCount } = this.code;
    return { lines, registerCount, homes: this.#homes };
  }

  #loadParameters(): void {
    for (let index = 0; index < this.tree.parameterCount; index++) {
      if (this.direct.has(index)) continue;
      const home = this.home(index);
      this.#homes.set(this.locals[index], home.displacement);
      this.code.move(this.locals[index], home);
    }
  }

  /** Locals start as zero: those that are read before they are written need it. */
  #clearLocals(): void {
    const live = liveness(this.code.lines, this.code.registerCount);
    const clear = this.locals.filter((number) => live.isLiveAtEntry(number));
    const lines = clear.map((number): Line => ({
      mnemonic: "mov",
      operands: [register(number), immediate(0)],
    }));
    this.code.lines.unshift(...lines);
  }

  /** Evaluates a node into the given register. */
  protected into(result: number, node: Node): void {
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
        return this.setLocal(node.index, node.value);
      case "global.set":
        return this.#store(this.variable(node.name), node.value, {
          kind: "global.get",
          name: node.name,
        });
      case "store":
        return this.#storeTo(node);
      case "call":
      case "call_indirect":
        return void this.call(node);
      case "binary":
        return node.operator in DIVISIONS ? void this.value(node) : this.#effects(node); // may trap
      default:
        return this.#flow(node);
    }
  }

  /** Evaluates what directs control; of anything else, only the parts have an effect. */
  #flow(node: Node): void {
    switch (node.kind) {
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
      default:
        return this.#effects(node);
    }
  }

  #effects(node: Node): void {
    for (const child of this.ordered(childrenOf(node))) this.effect(child);
  }

  /** The value is complete before the local changes: a block may read the local after a conditional break. */
  protected setLocal(index: number, value: Node): void {
    this.code.move(this.locals[index], this.operand(value));
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

  #block(node: Extract<Node, { kind: "block" }>, result: number | null): void {
    const end = this.code.newLabel();
    if (node.name) this.#joins.set(node.name, { label: end, result });
    const last = node.children.length - 1;
    node.children.forEach((child, at) => {
      if (at === last && result !== null && node.hasResult) this.into(result, child);
      else this.effect(child);
    });
    this.code.place(end);
  }

  #loop(node: Extract<Node, { kind: "loop" }>, result: number | null): void {
    const start = this.code.newLabel();
    if (node.name) this.#joins.set(node.name, { label: start, result: null });
    this.code.depth++;
    this.code.place(start);
    if (result !== null && node.hasResult) this.into(result, node.body);
    else this.effect(node.body);
    this.code.depth--;
  }

  #if(node: Extract<Node, { kind: "if" }>, result: number | null): void {
    const arm = (child: Node) => result === null ? this.effect(child) : this.into(result, child);
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
      else this.into(join.result, value);
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
    if (value && joined.result !== null) this.into(joined.result, value);
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

  /** The register of the result, or null. */
  protected call(node: Extract<Node, { kind: "call" | "call_indirect" }>): number | null {
    if (node.kind === "call_indirect") return this.#callIndirect(node);
    const symbol = this.environment.callee(node.target);
    const intrinsic: Intrinsic | undefined = intrinsics.get(symbol);
    if (intrinsic) return intrinsic(this, this.ordered(node.operands)) ?? null;
    if (symbol === "cstr") {
      throw new BuildError(
        `Cannot lower ${this.tree.name} (${
          this.environment.where(this.tree.name)
        }): cstr() takes a string literal`,
      );
    }
    return this.#cdecl(target(symbol), node.operands, node.hasResult);
  }

  /** Calls a support routine of the image. */
  protected routine(symbol: string, operands: readonly Node[]): number {
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
