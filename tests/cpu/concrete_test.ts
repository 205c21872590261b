import { assert, assertEquals, assertThrows } from "@std/assert";
import { type ConcreteMemory, execute, type Operands } from "../../cpu/concrete.ts";
import { Fault } from "../../cpu/fault.ts";
import type { Form, Meaning } from "../../isa/machine.ts";
import { differences, readVectors, type VectorGroup } from "../isa/vectors.ts";
import { replayGolden } from "./code_traces.ts";
import { runConcrete } from "./execute.ts";

Deno.test("concrete replays its golden trace [CONCRETE-5, CONCRETE-6]", async () => {
  const [replayed, golden] = await replayGolden("concrete");
  assertEquals(replayed, golden);
});

const GROUPS: readonly VectorGroup[] = [
  "arithmetic",
  "shifts",
  "bits",
  "moves",
  "strings",
  "decimal",
  "control",
];

Deno.test("The concrete machine does what a native processor did [CONCRETE-4]", async () => {
  const found: string[] = [];
  let count = 0;
  for (const group of GROUPS) {
    for (const vector of (await readVectors(group)).vectors) {
      const outcome = runConcrete(vector);
      if (!outcome) continue;
      count++;
      const different = differences(vector, outcome);
      if (different.length > 0) found.push(`${vector.text}: ${different.join(", ")}`);
    }
  }
  assertEquals(found.slice(0, 5), []);
  assert(count > 7000, `${count} vectors`);
});

const FORM: Form = { name: "", size: 32, places: [], addressSize: 32, flat: true, repeat: 0 };
const OPERANDS: Operands = {
  slots: [0, 4],
  base: 32,
  index: 32,
  scale: 0,
  displacement: 0,
  segment: 3,
  immediate: 0,
  target: 0x2000,
  next: 0x1002,
};
const NOWHERE: ConcreteMemory = {
  read: () => {
    throw new Fault(14, 0);
  },
  write: () => {
    throw new Fault(14, 2);
  },
  probeWrite: () => {
    throw new Fault(14, 2);
  },
};

/** Runs a meaning on registers that hold 1, 2, 3 …; EIP and registers afterwards. */
function run(meaning: Meaning): { eip: number | undefined; registers: number[] } {
  const view = new DataView(new ArrayBuffer(256));
  for (let i = 0; i < 8; i++) view.setUint32(4 * i, i + 1, true);
  try {
    const { eip } = execute(meaning, FORM, OPERANDS, view, NOWHERE);
    return { eip, registers: general(view) };
  } catch (reason) {
    if (!(reason instanceof Fault)) throw reason;
    return { eip: -reason.vector, registers: general(view) };
  }
}

const general = (view: DataView) =>
  Array.from({ length: 3 }, (_, i) => view.getUint32(4 * i, true));

Deno.test("execute says that another iteration follows [CONCRETE-5]", () => {
  assertEquals(run((m) => m.againIf(m.const(1))).eip, undefined);
  assertEquals(run((m) => m.againIf(m.const(0))).eip, 0x1002);
});

Deno.test("execute gives EIP afterwards [CONCRETE-6]", () => {
  assertEquals(run(() => {}).eip, 0x1002);
  assertEquals(run((m) => m.jump()).eip, 0x2000);
  assertEquals(run((m) => m.jump(m.const(-1))).eip, 0xffffffff);
  assertEquals(run((m) => m.jumpIf(m.const(0))).eip, 0x1002);
});

Deno.test("execute reads registers as before and writes them at the end [CONCRETE-7]", () => {
  const swapped = run((m) => {
    m.setRegister(0, m.register(4));
    m.setRegister(4, m.register(0));
  });
  assertEquals(swapped.registers, [2, 1, 3]);
});

Deno.test("execute writes nothing with a fault, and stops at a skip [CONCRETE-7]", () => {
  const faults: Meaning[] = [
    (m) => (m.setRegister(0, m.const(9)), m.faultIf(m.const(1), 14)),
    (m) => (m.setRegister(0, m.const(9)), void m.load(8, m.const(0))),
    (m) => (m.setRegister(0, m.const(9)), m.probe(4, m.const(0))),
  ];
  for (const meaning of faults) assertEquals(run(meaning), { eip: -14, registers: [1, 2, 3] });
  const skipped = run((m) => {
    m.skipIf(m.const(1));
    m.setRegister(0, m.const(9));
  });
  assertEquals(skipped, { eip: 0x1002, registers: [1, 2, 3] });
});

Deno.test("execute lets errors of the host through", () => {
  const meaning: Meaning = (m) => m.set({ kind: "immediate", size: 8 }, m.const(0));
  assertThrows(() => run(meaning), TypeError, "immediate");
});
