import { assertEquals } from "@std/assert";
import { innerStack, Stack } from "../../cpu/stack.ts";
import { loadSegment } from "../../cpu/segments.ts";
import { DATA0, DATA3, TestCpu, TSS } from "./testcpu.ts";
import { replayGolden } from "./traces.ts";

const ESP = 4, SS = 2, TR = 348, CPL = 364, CR0 = 300, CR3 = 308;

Deno.test("Stack pushes and pops without moving ESP before commit [STACK-1]", () => {
  const cpu = new TestCpu(), stack = Stack.current(cpu);
  stack.push(4, 0x11223344);
  stack.push(2, 0x99995566);
  assertEquals([stack.pointer, cpu.state.register(ESP)], [0x8ffa, 0x9000]);
  assertEquals([cpu.peek(0x8ffa), cpu.peek(0x8ffc)], [0x33445566, 0x11223344]);
  stack.commit();
  assertEquals(cpu.state.register(ESP), 0x8ffa);
  assertEquals([stack.peek(2), stack.pop(2), stack.pop(4)], [0x5566, 0x5566, 0x11223344]);
  stack.skip(8);
  assertEquals([stack.pointer, cpu.state.register(ESP)], [0x9008, 0x8ffa]);
});

Deno.test("Stack of a 32-bit segment uses all of ESP [STACK-2]", () => {
  const cpu = new TestCpu(), stack = Stack.current(cpu, 0, 0x50002);
  stack.push(4, 0x11223344);
  assertEquals([stack.pointer, cpu.peek(0x4fffe)], [0x4fffe, 0x11223344]);
});

Deno.test("Stack of a 16-bit segment wraps SP and keeps the upper half [STACK-2]", () => {
  const cpu = new TestCpu();
  cpu.descriptor(0x30, 0x40000, 0xffff, 0x92);
  loadSegment(cpu, SS, 0x30);
  cpu.state.setRegister(ESP, 0x12340002);
  const stack = Stack.current(cpu);
  stack.push(2, 0xaaaa);
  stack.push(2, 0xbbbb);
  assertEquals(stack.pointer, 0x1234fffe);
  assertEquals([cpu.peek(0x40000) & 0xffff, cpu.peek(0x4fffc) >>> 16], [0xaaaa, 0xbbbb]);
  assertEquals([stack.pop(2), stack.pop(2), stack.pointer], [0xbbbb, 0xaaaa, 0x12340002]);
});

/** A stack segment of 256 bytes at 40000h. */
function small(pointer: number): TestCpu {
  const cpu = new TestCpu();
  cpu.descriptor(0x30, 0x40000, 0xff, 0x92, 4);
  loadSegment(cpu, SS, 0x30);
  cpu.state.setRegister(ESP, pointer);
  return cpu;
}

Deno.test("Stack accesses outside the segment are #SS [STACK-3]", () => {
  const cpu = small(2);
  assertEquals(cpu.outcome(() => Stack.current(cpu).push(4, 0)), "fault 12 0x0");
  assertEquals(cpu.outcome(() => Stack.current(cpu).push(2, 0)), "ok");
  assertEquals(cpu.outcome(() => Stack.current(cpu, 1).push(4, 0)), "fault 12 0x1");
  cpu.state.setRegister(ESP, 0xfe);
  assertEquals(cpu.outcome(() => void Stack.current(cpu).pop(4)), "fault 12 0x0");
  assertEquals(cpu.outcome(() => void Stack.current(cpu).pop(2)), "ok");
});

Deno.test("Stack checks room without touching it [STACK-4]", () => {
  const cpu = small(12);
  cpu.poke(0x40000, 0x12345678);
  assertEquals(cpu.outcome(() => Stack.current(cpu).demandRoom(12, 4)), "ok");
  assertEquals(cpu.outcome(() => Stack.current(cpu).demandRoom(16, 4)), "fault 12 0x0");
  assertEquals(cpu.peek(0x40000), 0x12345678);
});

Deno.test("innerStack reads 32-bit and 16-bit TSSs [STACK-5]", () => {
  for (const wide of [true, false]) {
    for (const ring of [0, 1, 2]) {
      const cpu = new TestCpu();
      cpu.descriptor(0x28, TSS, 0x67, wide ? 0x89 : 0x81);
      cpu.descriptor(0x30, 0, 0xfffff, 0x92 | ring << 5, 0xc);
      const [at, bytes] = wide ? [4 + 8 * ring, 4] : [2 + 4 * ring, 2];
      cpu.paging.writePhysical(TSS + at, bytes, 0x1a234);
      cpu.paging.writePhysical(TSS + at + bytes, 2, 0x30 | ring);
      cpu.state.setRegister(0, 0x28);
      assertEquals(cpu.execute(0x0f, 0x00, 0xd8), "ok");
      cpu.state.set(CPL, 3);
      const { stack, descriptor } = innerStack(cpu, ring);
      assertEquals([stack.pointer, descriptor.selector], [wide ? 0x1a234 : 0xa234, 0x30 | ring]);
      const last = wide ? at + 5 : at + 3;
      for (const [limit, expected] of [[last, "ok"], [last - 1, "fault 10 0x28"]] as const) {
        cpu.state.set(TR + 8, limit);
        assertEquals(cpu.outcome(() => void innerStack(cpu, ring)), expected);
      }
      assertEquals(cpu.outcome(() => void innerStack(cpu, ring, 1)), "fault 10 0x29");
    }
  }
});

Deno.test("innerStack reads the TSS as the supervisor [STACK-5]", () => {
  const cpu = new TestCpu();
  cpu.tss(0x67, 0xa000, DATA0);
  cpu.ring(3);
  cpu.poke(0x10000, 0x11003);
  for (let page = 0; page < 16; page++) cpu.poke(0x11000 + 4 * page, page << 12 | 3);
  cpu.state.set(CR3, 0x10000);
  cpu.state.set(CR0, 0x80000011);
  assertEquals(cpu.outcome(() => innerStack(cpu, 0).stack.push(4, 1)), "ok");
});

Deno.test("innerStack checks SS as #TS with EXT [STACK-6]", () => {
  const inner = (ss: number, access = 0x92, ext = 0) => {
    const cpu = new TestCpu();
    cpu.tss(0x67, 0xa000, ss);
    cpu.descriptor(0x30, 0, 0xfffff, access, 0xc);
    cpu.ring(3);
    return cpu.outcome(() => void innerStack(cpu, 0, ext));
  };
  assertEquals([inner(DATA0), inner(0x30)], ["ok", "ok"]);
  assertEquals([inner(0), inner(0, 0x92, 1)], ["fault 10 0x0", "fault 10 0x1"]);
  assertEquals([inner(0x100), inner(0x103, 0, 1)], ["fault 10 0x100", "fault 10 0x101"]);
  assertEquals([inner(0x33), inner(DATA3)], ["fault 10 0x30", "fault 10 0x20"]);
  assertEquals([inner(0x30, 0xf2), inner(0x30, 0x90)], ["fault 10 0x30", "fault 10 0x30"]);
  assertEquals([inner(0x30, 0xf2, 1), inner(0x30, 0x90, 1), inner(0x33, 0x92, 1)], [
    "fault 10 0x31",
    "fault 10 0x31",
    "fault 10 0x31",
  ]);
  assertEquals([inner(0x30, 0x12), inner(0x30, 0x12, 1)], ["fault 12 0x30", "fault 12 0x31"]);
});

Deno.test("Stack replays its golden trace", async () => {
  const [replayed, golden] = await replayGolden("stack");
  assertEquals(replayed, golden);
});
