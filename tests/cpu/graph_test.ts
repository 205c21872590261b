import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { allForms } from "../../cpu/form.ts";
import { type Graph, type Node, record, recordAddress } from "../../cpu/graph.ts";
import type { Form, Meaning } from "../../isa/machine.ts";
import { replayGolden } from "./code_traces.ts";

const FORM: Form = {
  name: "test",
  size: 32,
  places: [{ kind: "memory", size: 32 }],
  addressSize: 32,
  flat: true,
  repeat: 0,
};
const EAX = 0, ECX = 4;

const graphOf = (meaning: Meaning, form: Partial<Form> = {}) =>
  record(meaning, { ...FORM, ...form });

/** Every recorded graph by its key. */
function allGraphs(): [string, Graph][] {
  const { forms, addresses } = allForms();
  return [
    ...[...forms].map(([key, { row, form }]): [string, Graph] => [key, record(row.meaning!, form)]),
    ...[...addresses].map(([key, form]): [string, Graph] => [key, recordAddress(form)]),
  ];
}

Deno.test("graph replays its golden trace [GRAPH-1, GRAPH-5, GRAPH-6]", async () => {
  const [replayed, golden] = await replayGolden("graph");
  assertEquals(replayed, golden);
});

Deno.test("record shares equal values and counts their uses [GRAPH-1]", () => {
  const { writes } = graphOf((m) => {
    const sum = () => m.add(m.register(EAX), m.const(7));
    m.setRegister(EAX, sum());
    m.setRegister(ECX, sum());
  });
  assertStrictEquals(writes[0].value, writes[1].value);
  assertEquals(writes[0].value.uses, 2);
});

Deno.test("record makes nothing of adding, oring and shifting by 0 [GRAPH-1]", () => {
  const { writes } = graphOf((m) => {
    const zero = m.const(0), a = m.register(EAX);
    m.setRegister(
      EAX,
      m.shr(m.shl(m.xor(m.or(m.sub(m.add(a, zero), zero), zero), zero), zero), zero),
    );
  });
  assertEquals(writes[0].value.op, "register");
});

Deno.test("record makes one modify of a read and a write [GRAPH-2]", () => {
  const { effects } = graphOf((m, { places: [place] }) => {
    m.set(place, m.add(m.modify(place), m.const(1)));
  });
  assertEquals(effects.map(({ kind }) => kind), ["modify", "storeBack"]);
  const stored = effects[1];
  assert(stored.kind === "storeBack" && effects[0].kind === "modify");
  assertStrictEquals(stored.modify, effects[0].result);
});

Deno.test("record writes registers last, in program order [GRAPH-3]", () => {
  const { effects, writes } = graphOf((m) => {
    m.setRegister(EAX, m.const(1));
    m.setRegister(ECX, m.register(EAX)); // as it was before
    m.store(32, m.const(0), m.const(0));
    m.setRegister(EAX, m.const(2));
  });
  assertEquals(effects.length, 1);
  assertEquals(writes.map((it) => it.kind === "fixed" && it.offset), [EAX, ECX, EAX]);
  assertEquals(writes[1].value.op, "register");
});

Deno.test("No recorded meaning faults after a store [GRAPH-4]", () => {
  for (const [key, { effects }] of allGraphs()) {
    const kinds = effects.map(({ kind }) => kind);
    const stored = kinds.findIndex((kind) => kind === "store" || kind === "storeBack");
    if (stored < 0) continue;
    const after = kinds.slice(stored + 1), first = effects[stored];
    const isProbed = kinds.slice(0, stored).includes("probe");
    assert(!after.some((kind) => kind === "skipIf"), key);
    assert(!after.includes("faultIf"), key);
    assert(after.every((kind) => kind !== "load" && kind !== "modify"), key);
    if (after.includes("store")) assert(isProbed || first.kind === "storeBack", key);
  }
});

Deno.test("record keeps loads of one address apart [GRAPH-8]", () => {
  const { effects } = graphOf((m) => {
    m.setRegister(EAX, m.add(m.load(32, m.register(ECX)), m.load(32, m.register(ECX))));
  });
  assert(effects[0].kind === "load" && effects[1].kind === "load");
  assert(effects[0].result !== effects[1].result);
  assertStrictEquals(effects[0].linear, effects[1].linear);
});

Deno.test("recordAddress ends uncounted, with the address written [GRAPH-7]", () => {
  const form = { write: false, addressSize: 32, stack: false, bitString: 0 } as const;
  const { control, writes, effects } = recordAddress({ ...form, bytes: 4 });
  assertEquals([control.kind, writes.length, effects.length], ["uncounted", 1, 3]);
  assertEquals(recordAddress({ ...form, bytes: 0 }).effects, []); // LEA
});

/** Counts of uses as a walk over the graph finds them. */
function countUses({ effects, writes, control }: Graph): Map<Node, number> {
  const uses = new Map<Node, number>(), seen = new Set<Node>();
  const visit = (node: Node): void => {
    uses.set(node, (uses.get(node) ?? 0) + 1);
    if (seen.has(node)) return;
    seen.add(node);
    node.args.forEach(visit);
  };
  for (const effect of effects) {
    if ("linear" in effect) visit(effect.linear);
    if ("condition" in effect) visit(effect.condition);
    if ("value" in effect) visit(effect.value);
  }
  for (const { value } of writes) visit(value);
  if ("condition" in control) visit(control.condition);
  if ("to" in control && control.to) visit(control.to);
  return uses;
}

Deno.test("record counts at least the uses that a walk finds, for every form [GRAPH-1]", () => {
  for (const [key, graph] of allGraphs()) {
    for (const [node, uses] of countUses(graph)) assert(node.uses >= uses, `${key}: ${node.op}`);
  }
});
