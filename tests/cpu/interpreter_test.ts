import { assertEquals } from "@std/assert";
import { allForms } from "../../cpu/form.ts";
import { handlers } from "../../cpu/interpreter.ts";
import { buildInterpreter, interpreterSource } from "../../cpu/interpreter_build.ts";
import { Bench } from "./bench.ts";
import { replayGolden } from "./code_traces.ts";

const COUNT = 1, SYSTEM = 4;

Deno.test("interpreter replays its golden trace [INTERPRETER-4, INTERPRETER-5, INTERPRETER-6, INTERPRETER-7]", async () => {
  const [replayed, golden] = await replayGolden("interpreter");
  assertEquals(replayed, golden);
});

Deno.test("The committed interpreter is the one that is built [INTERPRETER-1]", async () => {
  const path = new URL("../../cpu/interpreter_wasm.ts", import.meta.url);
  const isEqual = await Deno.readTextFile(path) === interpreterSource(buildInterpreter());
  assertEquals(isEqual, true, "cpu/interpreter_wasm.ts is out of date: run deno task build");
});

Deno.test("handlers has a number for each form and address operation [INTERPRETER-2]", () => {
  const { forms, addresses } = allForms();
  assertEquals([...handlers.keys()].sort(), [...forms.keys(), ...addresses.keys()].sort());
  const numbers = [...handlers.values()].sort((a, b) => a - b);
  assertEquals(numbers, Array.from(numbers, (_, i) => i + 3));
});

Deno.test("run executes exactly as many instructions as asked for [INTERPRETER-3]", () => {
  const bench = new Bench(), keys = ["inc 32 r0.32", "dec 16 r0.16", "inc 8 r0.8"]; // hot and cold
  const first = bench.add(keys[0]);
  for (let i = 1; i < 30; i++) bench.add(keys[i % 3]);
  const end = bench.add("system");
  for (let count = 1; count <= 30; count++) {
    assertEquals([bench.run(first, count), bench.operation, bench.remaining], [
      COUNT,
      first + 32 * count,
      0,
    ]);
  }
  assertEquals([bench.run(first, 99), bench.operation, bench.remaining], [SYSTEM, end, 69]);
});

Deno.test("run counts an address operation with its instruction [INTERPRETER-8]", () => {
  const bench = new Bench(), { state } = bench;
  state.set(136 + 4 * 4, 3); // rights of FS
  state.set(112 + 4 * 4, 0xff); // span
  state.set(64 + 4 * 4, 0x1000); // base
  state.setRegister(1, 0x20);
  const log: string[] = [];
  bench.onAccess = (name, at) => void log.push(`${name} ${at.toString(16)}`);
  const first = bench.add("address 4r a32 0", { base: 4, segment: 64 + 4 * 4 });
  bench.add("mov 32 r0.32 m.32", { slot0: 0, base: 36 });
  const second = bench.add("address 4w a32 0", {
    base: 4,
    segment: 64 + 4 * 4,
    displacement: 0xe0,
  });
  assertEquals([bench.run(first, 1), bench.operation, log], [COUNT, second, ["load 1020"]]);
  assertEquals([bench.run(second, 1), bench.remaining, state.get(268)], [3, 1, 13]);
});
