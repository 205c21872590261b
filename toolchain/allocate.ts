/**
 * Register allocation: colours the interference graph of a function's virtual registers with EAX, ECX, EDX, EBX,
 * ESI, EDI, merging copies where that stays colourable; what finds no register lives in its stack slot, mostly as
 * a memory operand of the instructions that use it. Spec: specs/toolchain/lower.md.
 */
import {
  type Code,
  effectsOf,
  FIRST_VIRTUAL,
  isCopy,
  isLabel,
  type Line,
  mapRegisters,
} from "./ir.ts";
import { type Liveness, liveness } from "./liveness.ts";
import { spill, type SpillPlace } from "./spill.ts";
import { type Immediate, memory, type Register } from "./operands.ts";

/** Registers in order of preference: those that a call may destroy first. */
const COLOURS = [0, 2, 1, 3, 6, 7];
const CALLEE_SAVED = [3, 6, 7];
const NOT_BYTES = [6, 7]; // ESI and EDI have no byte form

/** A function's code before allocation. */
export interface Unallocated {
  /** The code, with virtual registers. */
  readonly lines: readonly Line[];
  /** One more than the highest register number. */
  readonly registerCount: number;
  /** Registers that begin as a parameter, with the parameter's displacement from EBP. */
  readonly homes: ReadonlyMap<number, number>;
}

/** A function's code with physical registers. */
export interface Allocated {
  /** The code, with physical registers. */
  readonly lines: readonly Line[];
  /** Registers of the caller that it changes. */
  readonly saved: readonly number[];
  /** Bytes of stack slots below EBP. */
  readonly frameBytes: number;
}

interface Cost {
  weight: number;
  uses: number;
}

/** One round of colouring. */
class Graph {
  readonly #neighbours: Set<number>[];
  readonly #alias: number[];
  readonly #hints = new Map<number, Set<number>>();
  readonly #lines: readonly Line[];
  readonly #nodes: number[] = [];

  constructor(lines: readonly Line[], count: number, live: Liveness) {
    this.#lines = lines;
    this.#neighbours = Array.from({ length: count }, () => new Set<number>());
    this.#alias = Array.from({ length: count }, (_, number) => number);
    const seen = new Set<number>();
    lines.forEach((line, index) => this.#addLine(line, index, live, seen));
    for (const number of seen) if (number >= FIRST_VIRTUAL) this.#nodes.push(number);
    this.#coalesce();
  }

  #addLine(line: Line, index: number, live: Liveness, seen: Set<number>): void {
    const { reads, writes } = effectsOf(line);
    for (const number of [...reads, ...writes]) seen.add(number);
    const source = isCopy(line) ? (line.operands[1] as Register).number : -1;
    for (const written of writes) {
      live.forEachLiveAfter(index, (number) => number !== source && this.#join(written, number));
      for (const other of writes) this.#join(written, other);
    }
    if (isLabel(line)) return;
    for (const operand of line.operands) {
      if (operand.kind !== "register" || operand.width !== 8) continue;
      for (const wide of NOT_BYTES) this.#join(operand.number, wide);
    }
    this.#hint(line);
  }

  #hint(line: Code): void {
    const [to, from] = line.operands;
    if (line.mnemonic !== "lea" && line.mnemonic !== "mov" || to.kind !== "register") return;
    const source = from.kind === "memory" && line.mnemonic === "lea"
      ? from.base
      : from.kind === "register"
      ? from.number
      : -1;
    if (source < 0) return;
    for (const [a, b] of [[to.number, source], [source, to.number]]) {
      if (!this.#hints.has(a)) this.#hints.set(a, new Set());
      this.#hints.get(a)!.add(b);
    }
  }

  #join(a: number, b: number): void {
    if (a === b) return;
    this.#neighbours[a].add(b);
    this.#neighbours[b].add(a);
  }

  /** The node that a register was merged into. */
  find(number: number): number {
    while (this.#alias[number] !== number) number = this.#alias[number];
    return number;
  }

  #coalesce(): void {
    const copies = this.#lines.filter(isCopy).map((line, order) => ({
      order,
      depth: line.depth ?? 0,
      pair: line.operands.map((operand) => (operand as Register).number),
    }));
    copies.sort((a, b) => b.depth - a.depth || a.order - b.order);
    for (let merged = true; merged;) {
      merged = copies.some(({ pair }) => this.#merge(this.find(pair[0]), this.find(pair[1])));
    }
  }

  #merge(a: number, b: number): boolean {
    if (a > b) [a, b] = [b, a]; // a physical register stays the representative
    if (a === b || b < FIRST_VIRTUAL || this.#neighbours[a].has(b)) return false;
    if (a === 4 || a === 5) return false;
    if (a < FIRST_VIRTUAL ? !this.#fitsPhysical(a, b) : !this.#fitsVirtual(a, b)) return false;
    this.#alias[b] = a;
    for (const neighbour of this.#neighbours[b]) {
      this.#neighbours[neighbour].delete(b);
      this.#join(a, neighbour);
    }
    this.#neighbours[b].clear();
    return true;
  }

  #isSignificant(number: number): boolean {
    return number < FIRST_VIRTUAL || this.#neighbours[number].size >= COLOURS.length;
  }

  #fitsPhysical(physical: number, virtual: number): boolean {
    return [...this.#neighbours[virtual]].every((other) =>
      other < FIRST_VIRTUAL || this.#neighbours[other].has(physical) || !this.#isSignificant(other)
    );
  }

  #fitsVirtual(a: number, b: number): boolean {
    const together = new Set([...this.#neighbours[a], ...this.#neighbours[b]]);
    let significant = 0;
    for (const other of together) {
      const shared = this.#neighbours[a].has(other) && this.#neighbours[b].has(other);
      const degree = this.#neighbours[other].size - (shared ? 1 : 0);
      if (other < FIRST_VIRTUAL || degree >= COLOURS.length) significant++;
    }
    return significant < COLOURS.length;
  }

  /** Colours every node; returns the colours and the nodes that found none. */
  colour(costs: ReadonlyMap<number, Cost>, cheapHome: (node: number) => boolean): Colouring {
    const colours = new Map<number, number>();
    for (const physical of COLOURS) colours.set(physical, physical);
    const spilled: number[] = [];
    const calleeUsed = new Set<number>();
    for (const node of this.#order(costs)) {
      const colour = this.#choose(node, colours, calleeUsed);
      const fresh = CALLEE_SAVED.includes(colour) && !calleeUsed.has(colour);
      if (colour < 0 || fresh && cheapHome(node)) spilled.push(node);
      else {
        colours.set(node, colour);
        if (CALLEE_SAVED.includes(colour)) calleeUsed.add(colour);
      }
    }
    return { colours, spilled };
  }

  #choose(node: number, colours: Map<number, number>, calleeUsed: Set<number>): number {
    const taken = new Set([...this.#neighbours[node]].map((other) => colours.get(other) ?? -1));
    const free = COLOURS.filter((colour) => !taken.has(colour));
    const members = this.#lines.length ? this.#hints.get(node) ?? [] : [];
    const wanted = new Set([...members].map((other) => colours.get(this.find(other)) ?? -1));
    const isSaved = (colour: number) => CALLEE_SAVED.includes(colour) && !calleeUsed.has(colour);
    const rank = (colour: number) => (isSaved(colour) ? 2 : 0) + (wanted.has(colour) ? 0 : 1);
    free.sort((a, b) => rank(a) - rank(b) || COLOURS.indexOf(a) - COLOURS.indexOf(b));
    return free[0] ?? -1;
  }

  /** Nodes in the order in which they receive their colour: easy ones last. */
  #order(costs: ReadonlyMap<number, Cost>): number[] {
    const rest = new Set(this.#nodes.filter((node) => this.find(node) === node));
    const degree = new Map([...rest].map((node) => [node, this.#neighbours[node].size]));
    const stack: number[] = [];
    while (rest.size > 0) {
      let pick = -1, best = Infinity;
      for (const node of rest) {
        if (degree.get(node)! < COLOURS.length) {
          pick = node;
          break;
        }
        const price = costs.get(node)!.weight / degree.get(node)!;
        if (price < best || pick < 0) [pick, best] = [node, price];
      }
      rest.delete(pick);
      stack.push(pick);
      for (const other of this.#neighbours[pick]) {
        if (rest.has(other)) degree.set(other, degree.get(other)! - 1);
      }
    }
    return stack.reverse();
  }
}

interface Colouring {
  readonly colours: ReadonlyMap<number, number>;
  readonly spilled: readonly number[];
}

function costsOf(graph: Graph, lines: readonly Line[], temporaries: number): Map<number, Cost> {
  const costs = new Map<number, Cost>();
  for (const line of lines) {
    const { reads, writes } = effectsOf(line);
    const weight = isLabel(line) ? 1 : 8 ** Math.min(line.depth ?? 0, 4);
    for (const number of new Set([...reads, ...writes])) {
      const node = graph.find(number);
      const cost = costs.get(node) ?? { weight: 0, uses: 0 };
      cost.weight += number >= temporaries ? Infinity : weight;
      cost.uses += weight;
      costs.set(node, cost);
    }
  }
  return costs;
}

/** Constants: registers whose only write is `mov register, immediate`. */
function constantsOf(lines: readonly Line[]): Map<number, Immediate> {
  const constants = new Map<number, Immediate>();
  const written = new Set<number>();
  for (const line of lines) {
    for (const number of effectsOf(line).writes) {
      if (written.has(number)) constants.delete(number);
      else if (!isLabel(line) && line.mnemonic === "mov" && line.operands[1].kind === "immediate") {
        constants.set(number, line.operands[1]);
      }
      written.add(number);
    }
  }
  return constants;
}

/** Allocates registers and stack slots. */
export function allocate(input: Unallocated): Allocated {
  const frame = { bytes: 0 };
  const homes = new Map(input.homes);
  let lines = input.lines;
  let count = input.registerCount;
  for (let round = 0; round < 40; round++) {
    const graph = new Graph(lines, count, liveness(lines, count));
    const costs = costsOf(graph, lines, input.registerCount);
    const members = membersOf(graph, count);
    const cheapHome = (node: number) =>
      costs.get(node)!.uses <= 3 && members.get(node)!.every((number) => homes.has(number));
    const { colours, spilled } = graph.colour(costs, cheapHome);
    if (spilled.length === 0) return finish(lines, graph, colours, frame.bytes);
    const places = placesFor(spilled, members, homes, constantsOf(lines), frame);
    const rewritten = spill(lines, places, count);
    lines = rewritten.lines;
    count = rewritten.registerCount;
  }
  throw new Error("Cannot allocate registers: spilling does not end");
}

function membersOf(graph: Graph, count: number): Map<number, number[]> {
  const members = new Map<number, number[]>();
  for (let number = 0; number < count; number++) {
    const node = graph.find(number);
    members.set(node, [...members.get(node) ?? [], number]);
  }
  return members;
}

function placesFor(
  nodes: readonly number[],
  members: ReadonlyMap<number, number[]>,
  homes: Map<number, number>,
  constants: ReadonlyMap<number, Immediate>,
  frame: { bytes: number },
): Map<number, SpillPlace> {
  const places = new Map<number, SpillPlace>();
  for (const node of nodes) {
    const group = members.get(node)!;
    const constant = group.length === 1 ? constants.get(node) : undefined;
    const displacement = constant ? 0 : homeOf(group, homes, frame);
    for (const number of group) {
      places.set(number, constant ?? memory(32, { base: 5, displacement }));
    }
  }
  return places;
}

/** A parameter's own slot serves a group of merged copies when it is the only parameter among them. */
function homeOf(group: number[], homes: Map<number, number>, frame: { bytes: number }): number {
  const own = group.filter((number) => homes.has(number));
  if (own.length === 1) return homes.get(own[0])!;
  frame.bytes += 4;
  return -frame.bytes;
}

function finish(
  lines: readonly Line[],
  graph: Graph,
  colours: ReadonlyMap<number, number>,
  frameBytes: number,
): Allocated {
  const physical = lines.map((line) =>
    mapRegisters(line, (number) => {
      const node = graph.find(number);
      return node === 4 || node === 5 ? node : colours.get(node)!;
    })
  );
  const written = new Set(physical.flatMap((line) => effectsOf(line).writes));
  const saved = CALLEE_SAVED.filter((number) => written.has(number));
  return { lines: physical, saved, frameBytes };
}
