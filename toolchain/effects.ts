/** What evaluating an expression reads and changes: decides which expressions may trade places. */
import { childrenOf, type Node } from "./tree.ts";

/** Effects of an expression, its subexpressions included. */
export interface TreeEffects {
  /** Loads, or calls. */
  readonly readsMemory: boolean;
  /** Stores, or calls. */
  readonly writesMemory: boolean;
  /** Reads variables, or calls. */
  readonly readsGlobals: boolean;
  /** Changes variables, or calls. */
  readonly writesGlobals: boolean;
  /** May leave the sequence: jumps, traps, calls. */
  readonly leaves: boolean;
  /** Locals that it reads. */
  readonly gets: ReadonlySet<number>;
  /** Locals that it changes. */
  readonly sets: ReadonlySet<number>;
}

const LEAVES = new Set([
  "break",
  "switch",
  "return",
  "unreachable",
  "call",
  "call_indirect",
  "loop",
]);
const TRAPPING = new Set(["div", "idiv", "rem", "irem"]);
const WRITES = new Set(["store", "call", "call_indirect"]);
const READS = new Set(["load", "call", "call_indirect"]);
const CALLS = new Set(["call", "call_indirect"]);

const known = new WeakMap<Node, TreeEffects>();

/** Effects of an expression. */
export function treeEffects(node: Node): TreeEffects {
  const cached = known.get(node);
  if (cached) return cached;
  const below = childrenOf(node).map(treeEffects);
  const gets = new Set(below.flatMap((child) => [...child.gets]));
  const sets = new Set(below.flatMap((child) => [...child.sets]));
  if (node.kind === "local.get") gets.add(node.index);
  if (node.kind === "local.set") sets.add(node.index);
  const { kind } = node;
  const traps = kind === "binary" && TRAPPING.has(node.operator);
  const effects: TreeEffects = {
    readsMemory: READS.has(kind) || below.some((child) => child.readsMemory),
    writesMemory: WRITES.has(kind) || below.some((child) => child.writesMemory),
    readsGlobals: kind === "global.get" || CALLS.has(kind) || below.some((c) => c.readsGlobals),
    writesGlobals: kind === "global.set" || CALLS.has(kind) || below.some((c) => c.writesGlobals),
    leaves: LEAVES.has(kind) || traps || below.some((child) => child.leaves),
    gets,
    sets,
  };
  known.set(node, effects);
  return effects;
}

const disjoint = (a: ReadonlySet<number>, b: ReadonlySet<number>) => ![...a].some((x) => b.has(x));
const writes = (e: TreeEffects) => e.writesMemory || e.writesGlobals || e.sets.size > 0;

/** True when evaluating in the other order gives the same result. */
export function commute(first: Node, second: Node): boolean {
  const a = treeEffects(first), b = treeEffects(second);
  if (a.writesMemory && (b.readsMemory || b.writesMemory)) return false;
  if (b.writesMemory && a.readsMemory) return false;
  if (a.writesGlobals && (b.readsGlobals || b.writesGlobals)) return false;
  if (b.writesGlobals && a.readsGlobals) return false;
  if (a.leaves && (b.leaves || writes(b)) || b.leaves && writes(a)) return false;
  return disjoint(a.sets, b.gets) && disjoint(a.sets, b.sets) && disjoint(b.sets, a.gets);
}

/** True when evaluating the expression twice, or never, changes nothing. */
export function isPure(node: Node): boolean {
  const effects = treeEffects(node);
  return !effects.leaves && !writes(effects);
}

/** True when two expressions are the same tree. */
export function sameTree(a: Node, b: Node): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
