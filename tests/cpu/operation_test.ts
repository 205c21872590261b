import { assert, assertEquals } from "@std/assert";
import {
  BREAK_HANDLER,
  CONTINUE_HANDLER,
  FIRST_HANDLER,
  JUMP_CACHE_ENTRIES,
  OPERATION_BYTES,
  OPERATION_FIELDS,
  SYSTEM_HANDLER,
} from "../../cpu/operation.ts";
import { handlers } from "../../cpu/interpreter.ts";
import { Bench } from "./bench.ts";
import { replayGolden } from "./code_traces.ts";

Deno.test("operation replays its golden trace [OPERATION-1]", async () => {
  const [replayed, golden] = await replayGolden("operation");
  assertEquals(replayed, golden);
});

Deno.test("OPERATION_FIELDS fill an operation without overlap [OPERATION-1]", () => {
  const sizes: Record<string, number> = { handler: 2, slot0: 1, slot1: 1, base: 1, index: 1 };
  const bytes = Object.entries(OPERATION_FIELDS).flatMap(([name, at]) => {
    const size = sizes[name] ?? (at < 8 ? 1 : 4);
    return Array.from({ length: size }, (_, i) => at + i);
  });
  assertEquals(bytes.sort((a, b) => a - b), Array.from({ length: OPERATION_BYTES }, (_, i) => i));
});

Deno.test("Handler numbers begin with those that are no form's [OPERATION-2]", () => {
  assertEquals([SYSTEM_HANDLER, BREAK_HANDLER, CONTINUE_HANDLER, FIRST_HANDLER], [0, 1, 2, 3]);
  assertEquals(Math.min(...handlers.values()), 3);
  const bench = new Bench();
  assertEquals(bench.run(bench.add("break"), 1), 5);
});

Deno.test("Slot 32 stands for no base and no index [OPERATION-3]", () => {
  const bench = new Bench();
  for (let i = 0; i < 8; i++) bench.state.setRegister(i, 0xffff0000 + i);
  const lea = { slot0: 0, displacement: 0x44, scale: 3 };
  bench.run(bench.add("lea 32 r0.32 m.8", lea), 1);
  assertEquals(bench.state.register(0), 0x44);
  bench.run(bench.add("lea 32 r0.32 m.8", { ...lea, base: 4, index: 8 }), 1);
  assertEquals(bench.state.register(0), (0xffff0001 + 0xffff0002 * 8 + 0x44) % 2 ** 32);
});

Deno.test("The jump cache tells EIPs apart that share an entry [OPERATION-4]", () => {
  const bench = new Bench(), end = bench.add("system");
  const jump = (target: number) => bench.run(bench.add("jmp 32 ", { target }), 2);
  bench.enterJump(0x5678, end);
  assertEquals([jump(0x5678), jump(0x5678 + 0x1000), jump(0x5679)], [4, 2, 2]);
  assert(JUMP_CACHE_ENTRIES === 4096);
});
