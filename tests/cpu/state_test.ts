import { assertEquals, assertThrows } from "@std/assert";
import { allocateMemory, evenParity, packFlags, State, unpackFlags } from "../../cpu/state.ts";
import { replayGolden } from "./code_traces.ts";

const RAM_BASE = 0x2100000;
const CF = 1, PF = 4, AF = 0x10, ZF = 0x40, SF = 0x80, OF = 0x800;

Deno.test("State replays its golden trace [STATE-1] [STATE-2]", async () => {
  const [replayed, golden] = await replayGolden("state");
  assertEquals(replayed, golden);
});

Deno.test("packFlags takes each flag from its bits [STATE-3]", () => {
  assertEquals(packFlags(1, 1, 0), 0);
  assertEquals(packFlags(0, 1, 0), ZF);
  assertEquals(packFlags(1, 0x80000001 | 0, 0), SF);
  assertEquals(packFlags(1, 0x100, 0), PF);
  assertEquals(packFlags(1, 1, 0xc0000000 | 0), CF);
  assertEquals(packFlags(1, 1, 0x40000000), OF);
  assertEquals(packFlags(1, 1, 0x80000000 | 0), CF | OF);
  assertEquals(packFlags(1, 1, 0x3ffffff7), 0);
  assertEquals(packFlags(1, 1, 8), AF);
});

Deno.test("evenParity counts the ones of a byte [STATE-3]", () => {
  const ones = (byte: number) => byte.toString(2).replaceAll("0", "").length;
  for (let byte = 0; byte < 256; byte++) assertEquals(evenParity(byte), ones(byte) % 2 === 0);
});

Deno.test("unpackFlags inverts packFlags for every combination [STATE-4]", () => {
  for (let i = 0; i < 64; i++) {
    const flags = [CF, PF, AF, ZF, SF, OF].reduce((sum, flag, n) => sum | (i >> n & 1) * flag, 0);
    assertEquals(packFlags(...unpackFlags(flags)), flags);
  }
});

Deno.test("State reads eflags as written, with bit 1 set [STATE-5]", () => {
  const state = new State(allocateMemory(0));
  for (const flags of [0, 0xffffffff, 0x246, 0xc95, 0x200ad5, 0x3002]) {
    state.eflags = flags;
    assertEquals(state.eflags, (flags | 2) >>> 0);
  }
  state.eflags = 0xffffffff;
  assertEquals(state.get(52) & 0x8d5, 0); // the arithmetic flags have their own words
});

Deno.test("State gives unsigned numbers [STATE-6]", () => {
  const state = new State(allocateMemory(0));
  for (let i = 0; i < 8; i++) state.setRegister(i, 0xfffffff0 + i);
  assertEquals(state.register(7), 0xfffffff7);
  assertEquals([state.get(28), state.bytes[1]], [0xfffffff7, 0xff]);
  state.eip = -1;
  assertEquals([state.eip, state.get(56)], [0xffffffff, 0xffffffff]);
  state.set(364, 3);
  state.set(160 + 4 * 2, 0x23);
  assertEquals([state.cpl, state.selector(2)], [3, 0x23]);
});

Deno.test("allocateMemory has room for the RAM and does not grow [STATE-7]", () => {
  const memory = allocateMemory(0x10001);
  assertEquals(memory.buffer.byteLength, RAM_BASE + 0x20000);
  assertThrows(() => memory.grow(1));
});
