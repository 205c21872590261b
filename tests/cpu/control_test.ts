import { assertEquals } from "@std/assert";
import { TestCpu } from "./testcpu.ts";
import { replayGolden } from "./traces.ts";

const EAX = 0, ECX = 1, EDX = 2, EBX = 3;
const CR0 = 300, CR2 = 304, CR3 = 308, CR4 = 312, GDTR = 316, IDTR = 324;
const GP0 = "fault 13 0x0", UD = "fault 6 none";

/** MOV CRn, EAX with a value in EAX. */
function setCr(cpu: TestCpu, number: number, value: number): string {
  cpu.state.setRegister(EAX, value);
  return cpu.execute(0x0f, 0x22, 0xc0 | number << 3);
}

function getCr(cpu: TestCpu, number: number): number {
  assertEquals(cpu.execute(0x0f, 0x20, 0xc3 | number << 3), "ok"); // mov ebx, crn
  return cpu.state.register(EBX);
}

function setDr(cpu: TestCpu, number: number, value: number): string {
  cpu.state.setRegister(EAX, value);
  return cpu.execute(0x0f, 0x23, 0xc0 | number << 3);
}

function getDr(cpu: TestCpu, number: number): number | string {
  const outcome = cpu.execute(0x0f, 0x21, 0xc3 | number << 3);
  return outcome === "ok" ? cpu.state.register(EBX) : outcome;
}

Deno.test("MOV CR keeps the bits that exist [CONTROL-1]", () => {
  const cpu = new TestCpu();
  assertEquals([setCr(cpu, 0, 0x7fffffff), getCr(cpu, 0)], ["ok", 0x6005003f]);
  assertEquals([setCr(cpu, 0, 0x1), getCr(cpu, 0)], ["ok", 0x11]);
  assertEquals([setCr(cpu, 0, 0x80000000), setCr(cpu, 0, 0x20000001)], [GP0, GP0]);
  assertEquals([setCr(cpu, 2, 0x12345678), getCr(cpu, 2)], ["ok", 0x12345678]);
  assertEquals([setCr(cpu, 3, 0xabcdefff), getCr(cpu, 3)], ["ok", 0xabcde018]);
  assertEquals([setCr(cpu, 4, 0x194), getCr(cpu, 4)], ["ok", 0x194]);
  for (let bit = 0; bit < 32; bit++) {
    const known = [2, 4, 7, 8].includes(bit);
    assertEquals(setCr(cpu, 4, 1 << bit), known ? "ok" : GP0, `CR4 bit ${bit}`);
  }
  for (const number of [1, 5, 6, 7]) assertEquals(setCr(cpu, number, 0), UD);
  cpu.ring(3);
  for (const number of [0, 2, 3, 4]) {
    assertEquals(cpu.execute(0x0f, 0x20, 0xc0 | number << 3), GP0);
    assertEquals(setCr(cpu, number, 0x11), GP0);
  }
  assertEquals([setCr(cpu, 1, 0), cpu.execute(0x0f, 0x20, 0xe8)], [UD, UD]);
});

Deno.test("MOV CR forgets translations as it must [CONTROL-2]", () => {
  const cpu = new TestCpu(), at = 0x7000;
  const where = () => cpu.paging.translate(at, false, false);
  cpu.poke(0x10000, 0x11003);
  for (let page = 0; page < 16; page++) cpu.poke(0x11000 + 4 * page, page << 12 | 3);
  cpu.state.set(CR3, 0x10000);
  const remap = (page: number) => cpu.poke(0x11000 + 4 * 7, page << 12 | 0x103);
  remap(0x50);
  cpu.state.set(CR4, 0x80);
  cpu.state.set(CR0, 0x80000011);
  assertEquals(where(), 0x50000);
  assertEquals([setCr(cpu, 0, 0x11), cpu.asked, where()], ["ok", ["flush"], 0x7000]); // also global
  cpu.state.set(CR4, 0);
  assertEquals([setCr(cpu, 0, 0x80000011), cpu.asked], ["ok", ["flush"]]);
  assertEquals(where(), 0x50000);
  remap(0x51);
  assertEquals([setCr(cpu, 3, 0x10000), cpu.asked, where()], ["ok", ["flush"], 0x51000]);
  remap(0x52);
  assertEquals([setCr(cpu, 4, 0x80), cpu.asked, where()], ["ok", ["flush"], 0x52000]);
  remap(0x53);
  assertEquals([setCr(cpu, 3, 0x10000), where()], ["ok", 0x52000]); // global
  assertEquals([setCr(cpu, 4, 0x84), cpu.asked, where()], ["ok", [], 0x52000]); // TSD
  assertEquals([setCr(cpu, 4, 0x94), where()], ["ok", 0x53000]); // PSE
  cpu.poke(0x11000 + 4 * 8, 0x8001);
  const write = () => cpu.outcome(() => cpu.paging.write(0x8000, 1, 0, false));
  assertEquals(write(), "ok");
  remap(0x54);
  assertEquals(cpu.state.get(0x1400000 + 4 * 8) !== 0, true); // may be written without a check
  assertEquals([setCr(cpu, 0, 0x80010011), cpu.asked], ["ok", []]);
  assertEquals([cpu.state.get(0x1400000 + 4 * 8), where(), write()], [0, 0x53000, "fault 14 0x3"]);
});

Deno.test("MOV CR0 without PE is not modelled [CONTROL-3]", () => {
  const cpu = new TestCpu();
  const stop = 'unmodelled "real mode, which clearing CR0.PE returns to"';
  assertEquals([setCr(cpu, 0, 0x10), cpu.state.get(CR0)], [stop, 0x11]);
});

Deno.test("LMSW and CLTS change MP, EM and TS [CONTROL-4]", () => {
  const cpu = new TestCpu();
  cpu.state.set(CR0, 0x10011);
  const lmsw = (value: number) => {
    cpu.state.setRegister(EAX, value);
    return [cpu.execute(0x0f, 0x01, 0xf0), cpu.state.get(CR0)];
  };
  assertEquals(lmsw(0xffff), ["ok", 0x1001f]);
  assertEquals(cpu.execute(0x0f, 0x06), "ok");
  assertEquals(cpu.state.get(CR0), 0x10017);
  assertEquals(lmsw(0x0), ["ok", 0x10011]);
  cpu.ring(3);
  assertEquals([lmsw(0xf), cpu.execute(0x0f, 0x06)], [[GP0, 0x10011], GP0]);
});

Deno.test("SMSW stores a word, or all of CR0 in a register [CONTROL-5]", () => {
  const cpu = new TestCpu();
  cpu.state.set(CR0, 0x60010011);
  cpu.ring(3);
  cpu.poke(0x5000, 0xaaaaaaaa);
  assertEquals(cpu.execute(0x0f, 0x01, 0x25, 0, 0x50, 0, 0), "ok");
  assertEquals(cpu.peek(0x5000), 0xaaaa0011);
  cpu.state.setRegister(EAX, 0xbbbbbbbb);
  assertEquals([cpu.execute(0x66, 0x0f, 0x01, 0xe0), cpu.state.register(EAX)], ["ok", 0xbbbb0011]);
  assertEquals([cpu.execute(0x0f, 0x01, 0xe0), cpu.state.register(EAX)], ["ok", 0x60010011]);
});

Deno.test("MOV DR keeps the bits that exist and obeys GD [CONTROL-6]", () => {
  const cpu = new TestCpu();
  assertEquals([getDr(cpu, 6), getDr(cpu, 7)], [0xffff0ff0, 0x400]);
  for (const number of [0, 1, 2, 3]) {
    assertEquals([setDr(cpu, number, 0x123 + number), getDr(cpu, number)], ["ok", 0x123 + number]);
  }
  assertEquals([setDr(cpu, 4, 0xffffffff), getDr(cpu, 6)], ["ok", 0xffffefff]);
  assertEquals([setDr(cpu, 6, 0), getDr(cpu, 4)], ["ok", 0xffff0ff0]);
  assertEquals([setDr(cpu, 5, 0xffffdf00), getDr(cpu, 7)], ["ok", 0xffff0700]);
  assertEquals(setDr(cpu, 7, 0x2000), "ok");
  assertEquals([getDr(cpu, 0), getDr(cpu, 6), getDr(cpu, 7)], ["fault 1 none", 0xffff2ff0, 0x400]);
  cpu.ring(3);
  assertEquals([getDr(cpu, 0), setDr(cpu, 7, 0)], [GP0, GP0]);
});

Deno.test("MOV DR7 with a breakpoint enabled is not modelled [CONTROL-7]", () => {
  const cpu = new TestCpu();
  const stop = 'unmodelled "a debug breakpoint, which a MOV to DR7 enables"';
  for (let bit = 0; bit < 8; bit++) assertEquals(setDr(cpu, 7, 1 << bit), stop);
  assertEquals(getDr(cpu, 7), 0x400);
});

Deno.test("CPUID is a Pentium Pro's without x87 [CONTROL-8]", () => {
  const cpu = new TestCpu();
  cpu.ring(3);
  const leaf = (number: number) => {
    cpu.state.setRegister(EAX, number);
    assertEquals(cpu.execute(0x0f, 0xa2), "ok");
    return [EAX, EBX, ECX, EDX].map((register) => cpu.state.register(register));
  };
  const [last, ...vendor] = leaf(0);
  const text = [vendor[0], vendor[2], vendor[1]].flatMap((word) =>
    [0, 8, 16, 24].map((shift) => String.fromCharCode(word >> shift & 0xff))
  );
  assertEquals([last, text.join("")], [2, "GenuineIntel"]);
  assertEquals(leaf(1), [0x619, 0, 0, 0xa138]);
  for (const number of [2, 3, 0x80000000]) {
    assertEquals(leaf(number), [0x03020101, 0, 0, 0x06040a42]);
  }
});

Deno.test("LGDT, LIDT, SGDT and SIDT move limit and base [CONTROL-9]", () => {
  for (const [table, load, store] of [[GDTR, 0x15, 0x05], [IDTR, 0x1d, 0x0d]]) {
    const cpu = new TestCpu();
    cpu.poke(0x5000, 0x67891234);
    cpu.poke(0x5004, 0xaaaaab45);
    assertEquals(cpu.execute(0x0f, 0x01, load, 0, 0x50, 0, 0), "ok");
    assertEquals([cpu.state.get(table), cpu.state.get(table + 4)], [0xab456789, 0x1234]);
    assertEquals(cpu.execute(0x0f, 0x01, store, 0, 0x60, 0, 0), "ok");
    assertEquals([cpu.peek(0x6000), cpu.peek(0x6004)], [0x67891234, 0xab45]);
    assertEquals(cpu.execute(0x66, 0x0f, 0x01, load, 0, 0x50, 0, 0), "ok");
    assertEquals(cpu.state.get(table), 0x456789);
    cpu.descriptor(0x30, 0x7000, 4, 0x92); // five bytes
    cpu.state.set(GDTR, 0x1000);
    cpu.state.set(GDTR + 4, 0xff);
    cpu.state.setRegister(EAX, 0x30);
    assertEquals(cpu.execute(0x8e, 0xe0), "ok"); // mov fs, ax
    assertEquals(cpu.execute(0x64, 0x0f, 0x01, store, 0, 0, 0, 0), GP0);
    assertEquals(cpu.peek(0x7000), 0);
    cpu.descriptor(0x30, 0x7000, 5, 0x92);
    assertEquals(cpu.execute(0x8e, 0xe0), "ok");
    assertEquals(cpu.execute(0x64, 0x0f, 0x01, store, 0, 0, 0, 0), "ok");
    cpu.ring(3);
    assertEquals(cpu.execute(0x0f, 0x01, load, 0, 0x50, 0, 0), GP0);
    assertEquals(cpu.execute(0x0f, 0x01, store, 0, 0x60, 0, 0), "ok");
    assertEquals(cpu.execute(0x0f, 0x01, store | 0xc0), UD);
  }
});

Deno.test("INVLPG forgets one page [CONTROL-10]", () => {
  const cpu = new TestCpu();
  cpu.state.set(CR3, 0x10000);
  cpu.poke(0x10000, 0x11003);
  cpu.state.set(CR0, 0x80000011);
  for (const page of [7, 8]) {
    cpu.poke(0x11000 + 4 * page, 0x50003);
    assertEquals(cpu.paging.translate(page << 12, false, false), 0x50000);
    cpu.poke(0x11000 + 4 * page, 0x60003);
  }
  assertEquals(cpu.execute(0x0f, 0x01, 0x3d, 0x23, 0x71, 0, 0), "ok");
  assertEquals(cpu.asked, ["flush"]);
  const found = [7, 8].map((page) => cpu.paging.translate(page << 12, false, false));
  assertEquals(found, [0x60000, 0x50000]);
  for (const page of [1, 2]) cpu.poke(0x11000 + 4 * page, page << 12 | 3);
  cpu.descriptor(0x30, 0x8000, 0, 0x90);
  cpu.state.setRegister(EAX, 0x30);
  assertEquals(cpu.execute(0x8e, 0xe0), "ok"); // mov fs, ax: one byte from 8000h
  assertEquals(cpu.execute(0x64, 0x0f, 0x01, 0x3d, 0x10, 0, 0, 0), "ok");
  assertEquals(cpu.paging.translate(0x8000, false, false), 0x60000);
  assertEquals(cpu.execute(0x0f, 0x01, 0x3d, 0, 0, 0, 0xff), "ok"); // nothing is mapped there
  assertEquals(cpu.state.get(CR2), 0);
  cpu.ring(3);
  assertEquals(cpu.execute(0x0f, 0x01, 0x3d, 0, 0, 0, 0), GP0);
  assertEquals(cpu.execute(0x0f, 0x01, 0xf8), UD);
});

Deno.test("RDTSC counts retired instructions [CONTROL-11]", () => {
  const cpu = new TestCpu();
  const read = () => [cpu.execute(0x0f, 0x31), cpu.state.register(EDX), cpu.state.register(EAX)];
  cpu.retired = 0x123456789a;
  assertEquals(read(), ["ok", 0x12, 0x3456789a]);
  cpu.state.setRegister(EDX, 0xffffffff);
  cpu.state.setRegister(EAX, 0xfffffffe);
  cpu.state.setRegister(ECX, 0x10);
  assertEquals(cpu.execute(0x0f, 0x30), "ok"); // wrmsr: -2, as of this instruction
  assertEquals(read(), ["ok", 0xffffffff, 0xffffffff]);
  assertEquals(read(), ["ok", 0, 0]);
  cpu.ring(3);
  assertEquals(read(), ["ok", 0, 1]);
  cpu.state.set(CR4, 0x4);
  assertEquals(read()[0], GP0);
});

Deno.test("RDMSR and WRMSR know two registers [CONTROL-12]", () => {
  const cpu = new TestCpu();
  const msr = (number: number, opcode = 0x32) => {
    cpu.state.setRegister(ECX, number);
    return cpu.execute(0x0f, opcode);
  };
  cpu.state.setRegister(EAX, 5);
  cpu.state.setRegister(EDX, 6);
  assertEquals([msr(0x8b, 0x30), msr(0x8b)], ["ok", "ok"]);
  assertEquals([cpu.state.register(EAX), cpu.state.register(EDX)], [0, 0]);
  cpu.retired = 77;
  assertEquals([msr(0x10), cpu.state.register(EAX)], ["ok", 77]);
  for (const number of [0, 0x1b, 0x174, 0xc0000080]) {
    assertEquals([msr(number), msr(number, 0x30)], [GP0, GP0]);
  }
  cpu.ring(3);
  assertEquals([msr(0x10), msr(0x10, 0x30)], [GP0, GP0]);
});

Deno.test("RDPMC reads two counters that stand at zero [CONTROL-13]", () => {
  const cpu = new TestCpu();
  const read = (number: number) => {
    cpu.state.setRegister(ECX, number);
    cpu.state.setRegister(EAX, 9);
    return [cpu.execute(0x0f, 0x33), cpu.state.register(EAX)];
  };
  assertEquals([read(0), read(1), read(2)], [["ok", 0], ["ok", 0], [GP0, 9]]);
  cpu.ring(3);
  assertEquals(read(0), [GP0, 9]);
  cpu.state.set(CR4, 0x100);
  assertEquals(read(0), ["ok", 0]);
});

Deno.test("INVD and WBINVD belong to ring 0 [CONTROL-14]", () => {
  const cpu = new TestCpu();
  for (const opcode of [0x08, 0x09]) {
    cpu.ring(0);
    assertEquals(cpu.execute(0x0f, opcode), "ok");
    cpu.ring(3);
    assertEquals(cpu.execute(0x0f, opcode), GP0);
  }
});

Deno.test("Control replays its golden trace", async () => {
  const [replayed, golden] = await replayGolden("control");
  assertEquals(replayed, golden);
});
