import { assert, assertEquals } from "@std/assert";
import { LocalPool } from "../../cpu/print.ts";
import { Bench } from "./bench.ts";
import { replayGolden } from "./code_traces.ts";

const STOPPED = 288, FAULT_VECTOR = 268, FAULT_CODE = 272, EIP = 56;
const COUNT = 1, LOOKUP = 2, FAULT = 3, SYSTEM = 4;
const EAX = 0, ECX = 4, EDX = 8;
const HOST = 0x2000000; // a page of the memory

/** A bench whose ECX points to `linear`, and a log of its slow accesses. */
function bench(linear: number): { bench: Bench; log: string[] } {
  const bench = new Bench(), log: string[] = [];
  bench.state.setRegister(1, linear);
  bench.onAccess = (name, at, bytes) => void log.push(`${name} ${at.toString(16)} ${bytes}`);
  return { bench, log };
}

/** Forms with their handler in the hot loop, and in a function of its own. */
const LOADS = ["mov 32 r0.32 m.32", "mov 16 r0.16 m.16"];
const MODIFIES = ["add 32 m.32 r1.32", "add 16 m.16 r1.16"];

Deno.test("print replays its golden trace [PRINT-1, PRINT-2]", async () => {
  const [replayed, golden] = await replayGolden("print");
  assertEquals(replayed, golden);
});

Deno.test("LocalPool gives locals by type and remembers the most [PRINT-2]", () => {
  const pool = new LocalPool(5, 3);
  assertEquals([pool.take(false), pool.take(false), pool.take(true)], [5, 6, 8]);
  pool.reset();
  assertEquals([pool.take(false), pool.take(true), pool.take(true)], [5, 8, 9]);
  assertEquals(pool.most, [2, 2]);
});

Deno.test("Handlers access mapped pages directly and others slowly [PRINT-3]", () => {
  for (const key of LOADS) {
    const { bench: it, log } = bench(0x5ffc);
    it.map(0x5000, HOST);
    it.view.setUint32(HOST + 0xffc, 0x44332211, true);
    const at = it.add(key, { slot0: EAX, base: ECX });
    it.add("system");
    assertEquals(it.run(at, 9), SYSTEM);
    assertEquals(it.state.register(0), key.includes("32") ? 0x44332211 : 0x2211);
    it.state.setRegister(1, 0x5fff);
    it.value = 0x7777;
    it.run(at, 9);
    it.state.setRegister(1, 0x9000);
    it.run(at, 9);
    const bytes = key.includes("32") ? 4 : 2;
    assertEquals(log, [`load 5fff ${bytes}`, `load 9000 ${bytes}`]);
    assertEquals(it.state.register(0), 0x7777);
  }
});

Deno.test("Handlers store the remaining count before a slow access and read it after [PRINT-4]", () => {
  for (const key of LOADS) {
    const { bench: it } = bench(0x5000);
    const at = it.add("inc 32 r0.32", { slot0: EDX });
    for (let i = 0; i < 5; i++) it.add(key, { slot0: EAX, base: ECX });
    const seen: number[] = [];
    it.onAccess = () => {
      seen.push(it.remaining);
      if (it.remaining === 97) it.view.setUint32(256, 2, true); // this one and one more
    };
    assertEquals([it.run(at, 100), it.remaining], [COUNT, 0]);
    assertEquals(seen, [99, 98, 97, 1]);
    assertEquals(it.operation, at + 5 * 32);
  }
});

Deno.test("Handlers store their operation before a slow access [PRINT-4]", () => {
  for (const key of [...LOADS, ...MODIFIES]) {
    const { bench: it } = bench(0x5000), seen: number[] = [];
    const first = it.add("inc 32 r0.32", { slot0: EDX });
    const at = it.add(key, { slot0: EAX, slot1: EDX, base: ECX });
    it.onAccess = () => void seen.push(it.operation - first);
    it.run(first, 2);
    assertEquals(seen, MODIFIES.includes(key) ? [at - first, at - first] : [at - first]);
  }
});

Deno.test("Handlers leave with a fault of a slow access, nothing written [PRINT-5]", () => {
  for (const key of [...LOADS, ...MODIFIES, "push 32 m.32", "pop 32 r0.32", "xchg 32 m.32 r1.32"]) {
    const { bench: it } = bench(0x5000);
    const at = it.add(key, { slot0: EAX, slot1: EDX, base: ECX });
    it.onAccess = () => {
      it.state.set(STOPPED, 1);
      it.state.set(FAULT_VECTOR, 14);
    };
    const before = it.state.words.slice(0, 14);
    assertEquals([it.run(at, 7), it.remaining, it.operation], [FAULT, 7, at], key);
    assertEquals(it.state.words.slice(0, 14), before, key);
  }
});

Deno.test("Handlers fault on a condition, with vector and code [PRINT-5]", () => {
  for (const key of ["div 32 r0.32", "div 8 r0.8"]) {
    const { bench: it } = bench(0);
    const at = it.add(key, { slot0: ECX });
    assertEquals(it.run(at, 3), FAULT);
    assertEquals([it.state.get(FAULT_VECTOR), it.state.get(FAULT_CODE) | 0], [0, -1]);
  }
});

Deno.test("Handlers write back where they read [PRINT-6]", () => {
  for (const key of MODIFIES) {
    const { bench: it, log } = bench(0x5010), bytes = key.includes("32") ? 4 : 2;
    it.map(0x5000, HOST);
    it.state.setRegister(2, 3);
    const at = it.add(key, { slot1: EDX, base: ECX });
    it.run(at, 1);
    assertEquals(it.view.getUint32(HOST + 0x10, true), 3);
    it.state.setRegister(1, 0x5fff);
    it.run(at, 1);
    assertEquals(log, [`modify 5fff ${bytes}`, `store 5fff ${bytes}`]);
  }
});

Deno.test("Handlers read all registers before they write one [PRINT-7]", () => {
  const { bench: it } = bench(7);
  it.state.setRegister(0, 5);
  const at = it.add("xchg 32 r0.32 r1.32", { slot0: EAX, slot1: ECX });
  it.add("xadd 32 r0.32 r1.32", { slot0: EAX, slot1: EAX });
  it.add("xchg 8 r0.8 r1.8", { slot0: 0, slot1: 1 }); // al, ah
  it.add("system");
  it.run(at, 1);
  assertEquals([it.state.register(0), it.state.register(1)], [7, 5]);
  it.run(at + 32, 1);
  assertEquals(it.state.register(0), 14);
  it.run(at + 64, 1);
  assertEquals(it.state.register(0), 0x0e00);
});

Deno.test("Handlers jump to the link, through the cache, or leave [PRINT-8]", () => {
  for (const key of ["jmp 32 ", "jmp 16 "]) {
    const { bench: it } = bench(0);
    const end = it.add("system"), jump = it.add(key, { target: 0x1234 });
    assertEquals([it.run(jump, 5), it.operation, it.remaining], [LOOKUP, jump, 5], key);
    assertEquals(it.state.get(EIP), 0x1234);
    it.enterJump(0x1234, end);
    assertEquals([it.run(jump, 5), it.operation, it.remaining], [SYSTEM, end, 4], key);
    const linked = it.add(key, { target: 0x9999, link: end });
    assertEquals([it.run(linked, 5), it.operation, it.remaining], [SYSTEM, end, 4], key);
  }
  const { bench: it } = bench(0);
  const loop = it.add("loop 32 ", { target: 0x10, link: 0x100000 });
  it.state.setRegister(1, 1000);
  assertEquals([it.run(loop, 900), it.state.register(1)], [COUNT, 100]);
  assert(it.operation === loop);
});
