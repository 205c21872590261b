/** The concrete machine and the interpreter, instruction by instruction. Spec: specs/cpu/concrete.md. */
import { assert, assertEquals } from "@std/assert";
import { allForms } from "../../cpu/form.ts";
import { numberHandlers } from "../../cpu/interpreter.ts";
import { buildInterpreter } from "../../cpu/interpreter_build.ts";
import type { Row } from "../../isa/row.ts";
import { rows } from "../../isa/rows.ts";
import type { Form, Meaning } from "../../isa/machine.ts";
import * as arithmetic from "../../isa/arithmetic.ts";
import * as moves from "../../isa/moves.ts";
import * as shifts from "../../isa/shifts.ts";
import { Random } from "../random.ts";
import { Lockstep, meaningfulRows, type Segments } from "./lockstep.ts";

const PASSES = 12; // over all rows, for each kind of segments
const LEAST = 3; // executions of each form
const MOST_TRIES = 4000; // for a form that chance left out

/** How often each form was executed, and completed without a fault. */
interface Tally {
  comparisons: number;
  readonly differences: string[];
  readonly executed: Map<string, number>;
  readonly completed: Map<string, number>;
  readonly rows: Map<string, readonly [Row, Segments]>;
}

function count(map: Map<string, number>, key: string): void {
  map.set(key, (map.get(key) ?? 0) + 1);
}

function step(tally: Tally, machines: Lockstep, row: Row, segments: Segments): void {
  const { text, keys, difference, faulted } = machines.step(row, segments);
  tally.comparisons++;
  if (difference) tally.differences.push(`${text}: ${difference}`);
  for (const key of keys) {
    tally.rows.set(key, [row, segments]);
    count(tally.executed, key);
    if (!faulted) count(tally.completed, key);
  }
}

/** Rows that may have a form which chance has not met: for addresses, those with rare ones. */
function candidates(key: string): [Row, Segments][] {
  const [name] = key.split(" ");
  const isCandidate = ({ mnemonic }: Row) =>
    name === "address" ? /^(bt.?|bound|cmpxchg8b)$/.test(mnemonic) : mnemonic === name;
  return meaningfulRows.filter(isCandidate).flatMap((row) => [[row, "flat"], [row, "general"]]);
}

/** Every row some times, then the rows of forms that are still lacking. */
function compareAll(): { tally: Tally; lacking: string[] } {
  const tally: Tally = {
    comparisons: 0,
    differences: [],
    executed: new Map(),
    completed: new Map(),
    rows: new Map(),
  };
  const { forms, addresses } = allForms();
  const machines = { flat: new Lockstep(new Random(1)), general: new Lockstep(new Random(2)) };
  for (const segments of ["flat", "general"] as const) {
    for (let pass = 0; pass < PASSES; pass++) {
      for (const row of meaningfulRows) step(tally, machines[segments], row, segments);
    }
  }
  const isLacking = (key: string) =>
    (tally.executed.get(key) ?? 0) < LEAST || !tally.completed.has(key);
  const keys = [...forms.keys(), ...addresses.keys()];
  for (const key of keys) {
    const unseen = candidates(key);
    for (let tries = 0; tries < MOST_TRIES && isLacking(key); tries++) {
      const [row, segments] = tally.rows.get(key) ?? unseen[tries % unseen.length];
      step(tally, machines[segments], row, segments);
    }
  }
  return { tally, lacking: keys.filter(isLacking) };
}

Deno.test("Interpreter and concrete machine agree on every form, faults included [CONCRETE-1]", async (t) => {
  const { tally, lacking } = compareAll();
  const title = `${tally.comparisons} comparisons of ${tally.executed.size} forms, ` +
    `each executed at least ${LEAST} times`;
  await t.step(title, () => {
    assertEquals(tally.differences.slice(0, 10), []);
    assertEquals(lacking, []);
    assert(tally.comparisons > 15_000);
  });
});

/** Differences that come of replacing one meaning in the interpreter. */
function planted(replace: (row: Row, form: Form) => Meaning | undefined, names: string): string[] {
  const { wasm, keys } = buildInterpreter(replace);
  const interpreter = { module: new WebAssembly.Module(wasm), handlers: numberHandlers(keys) };
  const machines = new Lockstep(new Random(3), interpreter), found: string[] = [];
  const chosen = rows.filter((row) => names.split(" ").includes(row.mnemonic) && row.meaning);
  for (let pass = 0; pass < 40; pass++) {
    for (const row of chosen) {
      const { text, difference } = machines.step(row, "flat");
      if (difference) found.push(`${text}: ${difference}`);
    }
  }
  return found;
}

const instead = (name: string, meaning: Meaning) => (row: Row) =>
  row.mnemonic === name ? meaning : undefined;

/** SUB that forgets AF. */
const subWithoutAdjust: Meaning = (m, form) => {
  arithmetic.sub(m, form);
  m.setRegister(48, m.and(m.register(48), m.const(~8)));
};

/** POP that raises ESP last, so that `pop esp` loses what it popped. */
const popAndRaise: Meaning = (m, form) => {
  m.set(form.places[0], m.load(form.size, m.register(16)));
  m.setRegister(16, m.add(m.register(16), m.const(form.size / 8)));
};

Deno.test("Lockstep finds a fault planted in a meaning [CONCRETE-2]", () => {
  assert(planted(instead("sar", shifts.shr), "sar").length > 5);
  assert(planted(instead("adc", arithmetic.add), "adc").length > 5);
  assert(planted(instead("sub", subWithoutAdjust), "sub").length > 5);
  assert(planted(instead("pop", popAndRaise), "pop").some((text) => text.startsWith("58+ pop")));
  assert(planted(instead("xadd", moves.xchg), "xadd").length > 5);
  assertEquals(planted(instead("sar", shifts.sar), "sar"), []);
});
