/** What the lowering knows of the operators. */
import { type Immediate, immediate, type Width } from "./operands.ts";
import type { BinaryOperator, Comparison, Node } from "./tree.ts";

/** An operator with two operands. */
export type BinaryNode = Extract<Node, { kind: "binary" }>;

/** The condition with its operands exchanged. */
export const MIRRORED: Readonly<Record<Comparison, Comparison>> = {
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
/** The condition for operands that are known not to be negative. */
export const UNSIGNED: Partial<Record<Comparison, Comparison>> = {
  l: "b",
  nl: "nb",
  le: "be",
  nle: "nbe",
};
/** Operators whose operands may be exchanged. */
export const COMMUTATIVE: ReadonlySet<BinaryOperator> = new Set<BinaryOperator>([
  "add",
  "imul",
  "and",
  "or",
  "xor",
]);
/** Operators that work on memory in place. */
export const ARITHMETIC: ReadonlySet<BinaryOperator> = new Set<BinaryOperator>([
  "add",
  "sub",
  "and",
  "or",
  "xor",
]);
/** Shifts and rotations. */
export const SHIFTS: ReadonlySet<BinaryOperator> = new Set<BinaryOperator>([
  "shl",
  "shr",
  "sar",
  "rol",
  "ror",
]);
/** Divisions: the instruction, and the register that has the result. */
export const DIVISIONS: Partial<Record<BinaryOperator, [mnemonic: string, result: number]>> = {
  div: ["div", 0],
  idiv: ["idiv", 0],
  rem: ["div", 2],
  irem: ["idiv", 2],
};
/** The constant 0. */
export const zero: Node = { kind: "const", value: 0 };

/** True for operators that give 0 or 1. */
export function isComparison(operator: string): operator is Comparison {
  return operator in MIRRORED;
}

/** True for expressions that give 0 or 1. */
export function isBoolean(node: Node): boolean {
  if (node.kind === "unary") return node.operator === "eqz";
  return node.kind === "binary" && isComparison(node.operator);
}

/** Without a mask that the consumer of the low `bits` bits cannot see. */
export function unmasked(node: Node, bits: number): Node {
  const mask = 2 ** bits - 1;
  if (node.kind !== "binary" || node.operator !== "and" || node.right.kind !== "const") return node;
  return (node.right.value & mask) === mask ? unmasked(node.left, bits) : node;
}

/** The low bits of a constant, as a signed number. */
export function truncated({ value, symbol }: Immediate, width: Width): Immediate {
  return immediate(value << 32 - width >> 32 - width, symbol);
}
