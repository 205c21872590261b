import { assertEquals } from "@std/assert";
import { loadSegment } from "../../cpu/segments.ts";
import { TestCpu, TSS } from "./testcpu.ts";
import { replayGolden } from "./traces.ts";

const EAX = 0, ECX = 1, EDX = 2, ESI = 6, EDI = 7;
const CR0 = 300, CR3 = 308;
const ES = 0, DS = 3, FS = 4;
const IOPL = 0x3000, DF = 0x400;

Deno.test("IN and OUT move what their size says [IO-1]", () => {
  const cpu = new TestCpu();
  cpu.ports.set(0x60, 0x11223344);
  cpu.ports.set(0x3f8, 0x55667788);
  cpu.state.setRegister(EAX, 0xaaaaaaaa);
  cpu.state.setRegister(EDX, 0xffff03f8); // only DX names a port
  const eax = (...code: number[]) => {
    assertEquals(cpu.execute(...code), "ok");
    return cpu.state.register(EAX);
  };
  assertEquals(eax(0xe4, 0x60), 0xaaaaaa44);
  assertEquals(eax(0x66, 0xed), 0xaaaa7788);
  assertEquals(cpu.asked, ["in 0x3f8 2"]);
  assertEquals([eax(0xe5, 0x60), eax(0xed), eax(0xec)], [0x11223344, 0x55667788, 0x55667788]);
  eax(0xe6, 0x80);
  assertEquals(cpu.asked, ["out 0x80 1 0x88"]);
  eax(0x66, 0xef);
  assertEquals(cpu.asked, ["out 0x3f8 2 0x7788"]);
  eax(0xef);
  assertEquals(cpu.asked, ["out 0x3f8 4 0x55667788"]);
});

Deno.test("Ports are open while CPL is at most IOPL [IO-2]", () => {
  for (const iopl of [0, IOPL]) {
    const cpu = new TestCpu();
    cpu.tss();
    cpu.poke(TSS + 100, 0x68 << 16); // no bitmap: it begins past the limit
    cpu.ring(3);
    cpu.state.eflags = iopl;
    assertEquals(cpu.execute(0xe6, 0x80), iopl ? "ok" : "fault 13 0x0");
    assertEquals(cpu.asked.length, iopl ? 1 : 0);
    assertEquals(cpu.execute(0x6e), iopl ? "ok" : "fault 13 0x0"); // outsb
    cpu.ring(0);
    cpu.state.eflags = 0;
    assertEquals(cpu.execute(0xe6, 0x80), "ok");
  }
});

Deno.test("The TSS's bitmap opens ports [IO-3]", () => {
  const use = (limit: number, port: number, code: number[], bits: number, type = 0x89) => {
    const cpu = new TestCpu();
    cpu.tss(limit);
    cpu.state.set(348 + 12, type << 8);
    cpu.poke(TSS + 100, 0x68 << 16);
    for (let at = 0x68; at < 0x90; at += 4) cpu.poke(TSS + at, 0xffffffff);
    cpu.paging.writePhysical(TSS + 0x68 + (port >> 3), 2, ~bits);
    cpu.ring(3);
    cpu.state.setRegister(EDX, port);
    return cpu.execute(...code);
  };
  const IN8 = [0xec], IN16 = [0x66, 0xed], IN32 = [0xed], closed = "fault 13 0x0";
  assertEquals(use(0x8f, 0x61, IN8, 0x0002), "ok");
  assertEquals(use(0x8f, 0x61, IN8, 0xfffd), closed);
  assertEquals([use(0x8f, 0x67, IN16, 0x0180), use(0x8f, 0x67, IN16, 0x0080)], ["ok", closed]);
  assertEquals([use(0x8f, 0x66, IN32, 0x03c0), use(0x8f, 0x66, IN32, 0x01c0)], ["ok", closed]);
  assertEquals([use(0x75, 0x61, IN8, 0x0002), use(0x74, 0x61, IN8, 0x0002)], ["ok", closed]);
  assertEquals(use(0x66, 0x61, IN8, 0xffff), closed);
  assertEquals(use(0x8f, 0x61, IN8, 0xffff, 0x81), closed); // a 16-bit TSS
  for (const [limit, expected] of [[0x67, "ok"], [0x66, closed]] as const) {
    const cpu = new TestCpu(); // a bitmap at offset 0
    cpu.tss(limit);
    cpu.ring(3);
    assertEquals(cpu.execute(0xe4, 0x00), expected);
  }
  const paged = new TestCpu(); // the bitmap lies in a page of the supervisor
  paged.tss();
  paged.ring(3);
  for (let page = 0; page < 16; page++) paged.poke(0x11000 + 4 * page, page << 12 | 3);
  paged.poke(0x10000, 0x11003);
  paged.state.set(CR3, 0x10000);
  paged.state.set(CR0, 0x80000011);
  assertEquals(paged.execute(0xe4, 0x00), "ok");
  const none = new TestCpu();
  none.ring(3);
  assertEquals(none.execute(0xe4, 0x60), closed);
});

Deno.test("INS and OUTS move through their segments [IO-4]", () => {
  const cpu = new TestCpu();
  cpu.descriptor(0x30, 0x40000, 0xffff, 0x92, 4);
  for (const segment of [ES, FS]) loadSegment(cpu, segment, 0x30);
  cpu.state.setRegister(EDX, 0x1f0);
  cpu.state.setRegister(EDI, 0x100);
  cpu.ports.set(0x1f0, 0x44332211);
  assertEquals(cpu.execute(0x6d), "ok"); // insd
  assertEquals([cpu.peek(0x40100), cpu.state.register(EDI)], [0x44332211, 0x104]);
  cpu.state.setRegister(EDI, 0x12340001);
  cpu.state.eflags = DF;
  assertEquals(cpu.execute(0x67, 0x66, 0x6d), "ok"); // insw, 16-bit addresses
  assertEquals(cpu.state.register(EDI), 0x1234ffff);
  assertEquals(cpu.peek(0x40001) & 0xffff, 0x2211);
  cpu.state.setRegister(ESI, 0x102);
  cpu.poke(0x100, 0xbeef0000);
  assertEquals(cpu.execute(0x66, 0x6f), "ok"); // outsw
  assertEquals(cpu.asked, ["out 0x1f0 2 0xbeef"]);
  assertEquals(cpu.state.register(ESI), 0x100);
  assertEquals(cpu.execute(0x64, 0x6e), "ok"); // outsb fs:
  assertEquals([...cpu.asked, cpu.state.register(ESI)], ["out 0x1f0 1 0x11", 0xff]);
});

Deno.test("INS and OUTS fault before the port is touched [IO-5]", () => {
  const cpu = new TestCpu();
  cpu.state.set(CR3, 0x10000);
  cpu.poke(0x10000, 0x11003);
  for (const page of [1, 2, 5]) cpu.poke(0x11000 + 4 * page, page << 12 | 3);
  cpu.state.set(CR0, 0x80000011);
  cpu.state.setRegister(EDX, 0x1f0);
  cpu.state.setRegister(ECX, 5);
  cpu.state.setRegister(EDI, 0x5ffe);
  cpu.state.setRegister(ESI, 0x5ffe);
  for (const opcode of [0x6d, 0x6f]) {
    const outcome = cpu.execute(0xf3, opcode);
    assertEquals(outcome, opcode === 0x6d ? "fault 14 0x2" : "fault 14 0x0");
    assertEquals([cpu.asked.length, cpu.peek(0x5ffc), cpu.state.register(ECX)], [0, 0, 5]);
    assertEquals([cpu.state.register(EDI), cpu.state.register(ESI)], [0x5ffe, 0x5ffe]);
  }
  cpu.poke(0x11000 + 4 * 6, 0x6001); // present, but not to be written
  cpu.state.set(CR0, 0x80010011);
  cpu.paging.flush(true);
  assertEquals([cpu.execute(0x6d), cpu.asked.length], ["fault 14 0x3", 0]);
  loadSegment(cpu, DS, 0);
  assertEquals(cpu.execute(0x6e), "fault 13 0x0");
});

Deno.test("REP INS and OUTS do one iteration at a time [IO-6]", () => {
  const cpu = new TestCpu();
  cpu.state.setRegister(EDX, 0x1f0);
  cpu.state.setRegister(EDI, 0x5000);
  cpu.state.setRegister(ECX, 2);
  cpu.ports.set(0x1f0, 0xabcd);
  const step = (...code: number[]) => {
    assertEquals(cpu.execute(...code), "ok");
    return [cpu.state.eip, cpu.state.register(ECX), cpu.asked.length];
  };
  assertEquals(step(0xf3, 0x66, 0x6d), [0x8000, 1, 1]);
  assertEquals(step(0xf3, 0x66, 0x6d), [0x8003, 0, 1]);
  assertEquals(cpu.peek(0x5000), 0xabcdabcd);
  assertEquals(step(0xf3, 0x66, 0x6d), [0x8006, 0, 0]);
  cpu.state.setRegister(ECX, 0x10001);
  assertEquals(step(0xf3, 0x67, 0x6e), [0x8009, 0x10000, 1]); // CX
  assertEquals(step(0xf2, 0x67, 0x6e), [0x800c, 0x10000, 0]);
});

Deno.test("Port instructions replay their golden trace", async () => {
  const [replayed, golden] = await replayGolden("io");
  assertEquals(replayed, golden);
});
