import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { Memory } from "../../machine/memory.ts";
import { replayGolden } from "./traces.ts";

const RAM = 0x200000;
const RAM_IN_WASM = 0x2100000; // specs/cpu/state.md

Deno.test("Memory has 2 MB to 1024 MB, a multiple of 64 KB [MEMORY-1]", () => {
  assertEquals(new Memory(RAM).ramBytes, RAM);
  assertEquals(new Memory(RAM + 0x10000).ram.length, RAM + 0x10000);
  for (const bytes of [0, RAM - 0x10000, RAM + 0x1000, 0x40010000]) {
    assertThrows(() => new Memory(bytes), RangeError, `Cannot make ${bytes} bytes of memory`);
  }
});

Deno.test("Memory begins with a pattern without zeros [MEMORY-2]", () => {
  const memory = new Memory(RAM);
  assert(!memory.ram.includes(0));
  assertEquals(memory.ram, new Memory(RAM, { seed: 1 }).ram);
  assertNotEquals(memory.copy(0, 64), new Memory(RAM, { seed: 2 }).copy(0, 64));
});

Deno.test("Memory begins with zeros on request [MEMORY-3]", () => {
  assert(new Memory(RAM, { zero: true }).ram.every((byte) => byte === 0));
});

Deno.test("Memory keeps that of devices apart [MEMORY-4]", () => {
  const memory = new Memory(RAM);
  assertEquals([memory.read(0xa0000, 4), memory.read(0xbfffc, 4)], [0, 0]);
  memory.write(0xb8000, 2, 0x0741);
  assertEquals([memory.device[0x18000], memory.device[0x18001]], [0x41, 0x07]);
  assertNotEquals(memory.read(0x9fffc, 4), 0);
});

Deno.test("Memory reads ones where nothing is [MEMORY-5]", () => {
  const memory = new Memory(RAM);
  for (const address of [RAM, 0xfee00000, 0xfffffffc]) {
    memory.write(address, 4, 0);
    assertEquals(memory.read(address, 4), 0xffffffff);
  }
});

Deno.test("Memory has little-endian words at any address [MEMORY-6]", () => {
  const memory = new Memory(RAM);
  memory.write(0x1003, 4, 0x89abcdef);
  assertEquals([...memory.copy(0x1003, 4)], [0xef, 0xcd, 0xab, 0x89]);
  memory.write(0x9fffe, 4, 0x11223344);
  assertEquals(memory.read(0x9fffe, 4), 0x11223344);
  assertEquals(memory.device[1], 0x11);
});

Deno.test("Memory is a part of the WebAssembly memory [MEMORY-7]", () => {
  const memory = new Memory(RAM);
  memory.write(0x1234, 4, 0xcafe);
  assertEquals(new DataView(memory.wasm.buffer).getUint32(RAM_IN_WASM + 0x1234, true), 0xcafe);
  memory.registers[0] = 0x77; // AL
  assertEquals(new Uint8Array(memory.wasm.buffer)[0], 0x77);
});

Deno.test("Memory replays its golden trace", async () => {
  const { golden, trace } = await replayGolden("memory");
  assertEquals(trace, golden);
});
