/** Finds `symbol + base + index * scale + displacement` in an address expression. */
import type { Node } from "./tree.ts";

/** A term of the sum: an expression times 1, 2, 4 or 8. */
export interface Term {
  /** The expression. */
  readonly node: Node;
  /** Its factor. */
  readonly scale: 1 | 2 | 4 | 8;
}

/** An address as a sum. */
export interface Sum {
  /** A symbol whose address is part of the sum. */
  readonly symbol: string | null;
  /** The constant part. */
  readonly displacement: number;
  /** The parts that are computed. */
  readonly terms: readonly Term[];
}

/** Symbol and addend when the node is a link-time constant. */
export type Constants = (node: Node) => { symbol: string | null; value: number } | null;

const scales: Record<number, 1 | 2 | 4 | 8> = { 0: 1, 1: 2, 2: 4, 3: 8 };

function flatten(node: Node, constants: Constants): Sum {
  const constant = constants(node);
  if (constant) return { symbol: constant.symbol, displacement: constant.value, terms: [] };
  if (node.kind !== "binary") return { symbol: null, displacement: 0, terms: [{ node, scale: 1 }] };
  const right = constants(node.right);
  if (node.operator === "add") {
    return join(flatten(node.left, constants), flatten(node.right, constants));
  }
  if (node.operator === "sub" && right && right.symbol === null) {
    const left = flatten(node.left, constants);
    return { ...left, displacement: left.displacement - right.value | 0 };
  }
  if (node.operator === "shl" && right && right.symbol === null && right.value in scales) {
    return scaled(flatten(node.left, constants), right.value, node);
  }
  return { symbol: null, displacement: 0, terms: [{ node, scale: 1 }] };
}

function join(a: Sum, b: Sum): Sum {
  const both = a.symbol !== null && b.symbol !== null;
  const extra: Term[] = both ? [{ node: { kind: "global.get", name: b.symbol! }, scale: 1 }] : [];
  return {
    symbol: a.symbol ?? b.symbol,
    displacement: a.displacement + b.displacement | 0,
    terms: [...a.terms, ...b.terms, ...extra],
  };
}

function scaled(sum: Sum, shift: number, whole: Node): Sum {
  const simple = sum.symbol === null && sum.terms.length === 1 && sum.terms[0].scale === 1;
  if (!simple) return { symbol: null, displacement: 0, terms: [{ node: whole, scale: 1 }] };
  return {
    symbol: null,
    displacement: sum.displacement << shift,
    terms: [{ node: sum.terms[0].node, scale: scales[shift] }],
  };
}

/** The node as a sum of at most two terms, of which at most one is scaled; that one is last. */
export function addressSum(node: Node, offset: number, constants: Constants): Sum {
  const sum = flatten(node, constants);
  const displacement = sum.displacement + offset | 0;
  const terms = [...sum.terms];
  const scaledTerm = terms.findIndex((term) => term.scale > 1);
  const index = scaledTerm >= 0 ? terms.splice(scaledTerm, 1) : [];
  const room = 2 - index.length;
  const rest = terms.map(asNode);
  const merged = rest.length <= room
    ? rest
    : [...rest.slice(0, room - 1), addAll(rest.slice(room - 1))];
  return {
    symbol: sum.symbol,
    displacement,
    terms: [...merged.map((node): Term => ({ node, scale: 1 })), ...index],
  };
}

function asNode({ node, scale }: Term): Node {
  if (scale === 1) return node;
  const amount: Node = { kind: "const", value: Math.log2(scale) };
  return { kind: "binary", operator: "shl", left: node, right: amount };
}

function addAll(nodes: readonly Node[]): Node {
  return nodes.reduce((left, right): Node => ({ kind: "binary", operator: "add", left, right }));
}
