import { assert, assertEquals } from "@std/assert";
import { explain, explainGraph } from "../../cpu/explain.ts";
import { allForms } from "../../cpu/form.ts";
import { record } from "../../cpu/graph.ts";
import type { Form, Meaning } from "../../isa/machine.ts";
import { replayGolden } from "./code_traces.ts";

const FORM: Form = { name: "", size: 32, places: [], addressSize: 32, flat: true, repeat: 0 };

const explained = (meaning: Meaning) => explainGraph(record(meaning, FORM));

Deno.test("explain replays its golden trace [EXPLAIN-1, EXPLAIN-2, EXPLAIN-3, EXPLAIN-4]", async () => {
  const [replayed, golden] = await replayGolden("explain");
  assertEquals(replayed, golden);
});

Deno.test("explainGraph names registers by offset and size [EXPLAIN-1]", () => {
  const lines = explained((m) => {
    for (const offset of [0, 28, 32, 48, 64 + 4 * 2, 208 + 4 * 1]) {
      m.setRegister(0, m.register(offset));
    }
    m.set({ kind: "fixed", offset: 13, size: 8 }, m.get({ kind: "fixed", offset: 4, size: 16 }));
  });
  assertEquals(lines, [
    "eax := eax",
    "eax := edi",
    "eax := 0",
    "eax := carry",
    "eax := ss.base",
    "eax := cs.limit",
    "bh := cx",
  ]);
});

Deno.test("explainGraph names what is used twice, before it is used [EXPLAIN-2]", () => {
  const lines = explained((m) => {
    const sum = m.add(m.register(0), m.register(4));
    m.setRegister(8, m.mul(sum, sum));
    m.setRegister(12, m.register(0));
  });
  assertEquals(lines, ["let t1 = eax + ecx", "edx := t1 * t1", "ebx := eax"]);
});

Deno.test("explainGraph writes effects before registers, and the jump last [EXPLAIN-3]", () => {
  const lines = explained((m) => {
    m.setRegister(0, m.const(1));
    m.faultIf(m.register(4), 13, 0);
    m.store(8, m.register(4), m.const(-1));
    m.jumpIf(m.register(8));
  });
  assertEquals(lines, [
    "fault 13 code 0 if ecx",
    "store8 [ecx] = -1",
    "eax := 1",
    "jump to target if edx",
  ]);
});

Deno.test("explainGraph puts parentheses around operands with operators [EXPLAIN-4]", () => {
  const [line] = explained((m) => {
    const a = m.shl(m.register(0), m.const(8)), b = m.select(m.register(4), a, m.const(0x1234));
    m.setRegister(0, m.or(m.popcnt(m.add(m.register(8), m.const(1))), b));
  });
  assertEquals(line, "eax := popcnt(edx + 1) | (ecx ? (eax << 8) : 0x1234)");
});

Deno.test("explain covers every form [EXPLAIN-5]", () => {
  const { forms, addresses } = allForms();
  const names = new Set([...forms.values()].map(({ form }) => form.name));
  const keys = [...names, "address"].flatMap((name) => [...explain(name).keys()]);
  assertEquals(keys.length, forms.size + addresses.size);
  for (const name of ["add", "address", "pusha"]) {
    for (const lines of explain(name).values()) assert(lines.length > 0);
  }
  assertEquals(explain("nonsense").size, 0);
});
