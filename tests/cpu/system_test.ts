import { assertEquals } from "@std/assert";
import { rows } from "../../isa/rows.ts";
import { systemInstructions } from "../../cpu/system.ts";
import { CODE0, CODE3, DATA0, DATA3, GDT, STACK, TestCpu } from "./testcpu.ts";
import { replayGolden } from "./traces.ts";

const EAX = 0, ECX = 1, EBX = 3, ESP = 4, EBP = 5;
const ES = 0, SS = 2, DS = 3, FS = 4, GS = 5;
const CR0 = 300, LDTR = 332, CPL = 364;
const ZF = 0x40, IF = 0x200, IOPL = 0x3000;
const GP0 = "fault 13 0x0", UD = "fault 6 none", NM = "fault 7 none";

Deno.test("systemInstructions has what has no meaning elsewhere [SYSTEM-1]", () => {
  const missing = rows.filter((row) => !row.meaning && !systemInstructions[row.mnemonic]);
  assertEquals(missing.map((row) => row.text), []);
});

Deno.test("INT3, INT and INTO save the next EIP [SYSTEM-2]", () => {
  const cpu = new TestCpu();
  for (const vector of [1, 3, 4, 0x80]) cpu.gate(vector, CODE0, 0x4000 + vector, 0x8e);
  const run = (...code: number[]) => {
    cpu.state.eip = 0x8000;
    cpu.state.setRegister(ESP, STACK);
    assertEquals(cpu.execute(...code), "ok");
    return [cpu.state.eip, cpu.peek(cpu.state.register(ESP))];
  };
  assertEquals([run(0xcc), run(0xcd, 0x80), run(0xf1)], [
    [0x4003, 0x8001],
    [0x4080, 0x8002],
    [0x4001, 0x8001],
  ]);
  cpu.poke(STACK, 0x1234);
  assertEquals(run(0xce), [0x8001, 0x1234]); // OF is clear
  cpu.state.eflags = 0x802;
  assertEquals(run(0xce), [0x4004, 0x8001]);
});

Deno.test("CLI and STI need IOPL [SYSTEM-3]", () => {
  const cpu = new TestCpu();
  for (const cpl of [0, 1, 2, 3]) {
    for (const iopl of [0, 1, 2, 3]) {
      cpu.state.set(CPL, cpl);
      cpu.state.eflags = iopl << 12;
      const expected = cpl <= iopl ? "ok" : GP0;
      assertEquals([cpu.execute(0xfb), cpu.state.eflags & IF], [expected, cpl <= iopl ? IF : 0]);
      cpu.state.eflags = iopl << 12 | IF;
      assertEquals([cpu.execute(0xfa), cpu.state.eflags & IF], [expected, cpl <= iopl ? 0 : IF]);
    }
  }
});

Deno.test("STI holds interrupts off once [SYSTEM-4]", () => {
  const cpu = new TestCpu();
  assertEquals([cpu.execute(0xfb), cpu.asked], ["ok", ["hold"]]);
  assertEquals([cpu.execute(0xfb), cpu.asked], ["ok", []]);
});

/** POPF of a value, from a ring and old flags; gives the new flags. */
function popf(ring: number, old: number, value: number, narrow = false): number {
  const cpu = new TestCpu();
  cpu.state.set(CPL, ring);
  cpu.state.eflags = old;
  cpu.poke(STACK, value);
  assertEquals(cpu.execute(...(narrow ? [0x66] : []), 0x9d), "ok");
  assertEquals(cpu.state.register(ESP), STACK + (narrow ? 2 : 4));
  return cpu.state.eflags & ~2;
}

Deno.test("POPF obeys ring and IOPL [SYSTEM-5]", () => {
  const all = 0x00247fd5, rest = all & ~(IF | IOPL);
  assertEquals(popf(0, 0, 0xffffffff), all);
  assertEquals(popf(0, 0x10000 | all, 0), 0);
  assertEquals([popf(3, 0, 0xffffffff), popf(3, all, 0)], [rest, IOPL]); // IOPL 0 and 3
  assertEquals([popf(2, 0x1000 | IF, 0), popf(2, 0x2000 | IF, 0)], [0x1000 | IF, 0x2000]);
  assertEquals([popf(0, 0x240000, 0, true), popf(0, 0, 0xffffffff, true)], [
    0x240000,
    all & 0xffff,
  ]);
});

Deno.test("PUSHF stores VM and RF clear [SYSTEM-5]", () => {
  const cpu = new TestCpu();
  cpu.ring(3);
  cpu.state.eflags = 0x270ad7;
  assertEquals(cpu.execute(0x9c), "ok");
  assertEquals([cpu.state.register(ESP), cpu.peek(STACK - 4)], [STACK - 4, 0x240ad7]);
  assertEquals(cpu.execute(0x66, 0x9c), "ok");
  assertEquals([cpu.state.register(ESP), cpu.peek(STACK - 6) & 0xffff], [STACK - 6, 0x0ad7]);
});

Deno.test("HLT waits in ring 0 [SYSTEM-6]", () => {
  const cpu = new TestCpu();
  assertEquals([cpu.execute(0xf4), cpu.asked, cpu.state.eip], ["ok", ["halt"], 0x8001]);
  cpu.ring(3);
  assertEquals([cpu.execute(0xf4), cpu.asked, cpu.state.eip], [GP0, [], 0x8001]);
});

Deno.test("MOV loads and stores segment registers [SYSTEM-7]", () => {
  const cpu = new TestCpu();
  cpu.state.setRegister(EAX, 0xffff0000 | DATA3);
  assertEquals([cpu.execute(0x8e, 0xe0), cpu.state.selector(FS)], ["ok", DATA3]);
  assertEquals(cpu.asked, ["mode"]);
  for (const reg of [1, 6, 7]) assertEquals(cpu.execute(0x8e, 0xc0 | reg << 3), UD);
  for (const reg of [6, 7]) assertEquals(cpu.execute(0x8c, 0xc0 | reg << 3), UD);
  assertEquals([cpu.execute(0x8c, 0xe0), cpu.state.register(EAX)], ["ok", DATA3]);
  cpu.state.setRegister(EAX, 0xaaaaaaaa);
  assertEquals([cpu.execute(0x66, 0x8c, 0xc8), cpu.state.register(EAX)], ["ok", 0xaaaa0008]);
  cpu.poke(0x5000, 0xbbbbbbbb);
  assertEquals(cpu.execute(0x8c, 0x1d, 0, 0x50, 0, 0), "ok");
  assertEquals(cpu.peek(0x5000), 0xbbbb0010);
  assertEquals([cpu.execute(0x8e, 0x2d, 0, 0x50, 0, 0), cpu.state.selector(GS)], ["ok", DATA0]);
});

Deno.test("PUSH and POP move selectors in the operand size [SYSTEM-8]", () => {
  const cpu = new TestCpu();
  cpu.poke(STACK - 4, 0xcccccccc);
  assertEquals(cpu.execute(0x0e), "ok"); // push cs
  assertEquals([cpu.state.register(ESP), cpu.peek(STACK - 4)], [STACK - 4, CODE0]);
  cpu.poke(STACK - 4, 0xdead0000 | DATA3);
  assertEquals([cpu.execute(0x0f, 0xa1), cpu.state.selector(FS)], ["ok", DATA3]); // pop fs
  assertEquals(cpu.state.register(ESP), STACK);
  assertEquals([cpu.execute(0x66, 0x06), cpu.state.register(ESP)], ["ok", STACK - 2]); // push es
  assertEquals([cpu.execute(0x66, 0x1f), cpu.state.register(ESP)], ["ok", STACK]); // pop ds
  cpu.poke(STACK, CODE3);
  assertEquals([cpu.execute(0x17), cpu.state.register(ESP)], ["fault 13 0x18", STACK]); // pop ss
});

Deno.test("MOV and POP to SS hold interrupts off [SYSTEM-9]", () => {
  const cpu = new TestCpu();
  const asked = (...code: number[]) => {
    assertEquals(cpu.execute(...code), "ok");
    return cpu.asked.includes("hold");
  };
  cpu.state.setRegister(EAX, DATA0);
  cpu.poke(STACK, DATA0);
  cpu.poke(0x5000, STACK);
  cpu.poke(0x5004, DATA0);
  assertEquals([asked(0x8e, 0xd0), asked(0x17)], [true, true]);
  assertEquals([asked(0x8e, 0xd8), asked(0x0f, 0xb2, 0x25, 0, 0x50, 0, 0)], [false, false]);
  assertEquals(cpu.state.register(ESP), STACK);
});

Deno.test("LES and its kin load both registers or none [SYSTEM-10]", () => {
  const forms: [number[], number][] = [
    [[0xc4], ES],
    [[0xc5], DS],
    [[0x0f, 0xb2], SS],
    [[0x0f, 0xb4], FS],
    [[0x0f, 0xb5], GS],
  ];
  for (const [opcode, segment] of forms) {
    const cpu = new TestCpu();
    cpu.descriptor(0x30, 0, 0xfffff, 0x92, 0xc);
    cpu.poke(0x5000, 0x12345678);
    cpu.poke(0x5004, 0x30);
    const code = [...opcode, 0x1d, 0, 0x50, 0, 0]; // ebx
    assertEquals(cpu.execute(...code), "ok");
    assertEquals([cpu.state.selector(segment), cpu.state.register(EBX)], [0x30, 0x12345678]);
    cpu.poke(0x5002, 0x100);
    assertEquals(cpu.execute(0x66, ...code), "fault 13 0x100");
    assertEquals([cpu.state.selector(segment), cpu.state.register(EBX)], [0x30, 0x12345678]);
    cpu.poke(0x5002, 0x10);
    assertEquals(cpu.execute(0x66, ...code), "ok");
    assertEquals([cpu.state.selector(segment), cpu.state.register(EBX)], [DATA0, 0x12345678]);
    assertEquals(cpu.execute(...opcode, 0xc0), UD);
  }
});

Deno.test("LLDT, LTR, SLDT and STR [SYSTEM-11]", () => {
  const cpu = new TestCpu();
  cpu.tss();
  cpu.descriptor(0x30, 0x5000, 0x1f, 0x82);
  cpu.state.setRegister(EAX, 0x30);
  assertEquals([cpu.execute(0x0f, 0x00, 0xd0), cpu.state.get(LDTR + 4)], ["ok", 0x5000]);
  cpu.ring(3);
  assertEquals([cpu.execute(0x0f, 0x00, 0xd0), cpu.execute(0x0f, 0x00, 0xd8)], [GP0, GP0]);
  cpu.state.setRegister(EAX, 0xffffffff);
  assertEquals([cpu.execute(0x0f, 0x00, 0xc8), cpu.state.register(EAX)], ["ok", 0x28]);
  assertEquals([cpu.execute(0x0f, 0x00, 0xc0), cpu.state.register(EAX)], ["ok", 0x30]);
  cpu.poke(0x5000, 0xaaaaaaaa);
  assertEquals(cpu.execute(0x0f, 0x00, 0x05, 0, 0x50, 0, 0), "ok");
  assertEquals(cpu.peek(0x5000), 0xaaaa0030);
});

/** ZF and EBX after a question about a fresh descriptor; EBX begins as 1. */
function ask(opcode: number[], access: number, cpl: 0 | 3, selector: number): [boolean, number] {
  const cpu = new TestCpu();
  cpu.descriptor(0x30, 0x5000, 0x12345, access, 0xc);
  cpu.ring(cpl);
  cpu.state.setRegister(EAX, 0xabcd0000 | selector); // only the word counts
  cpu.state.setRegister(EBX, 1);
  cpu.state.eflags = 0x8d5 & ~ZF;
  assertEquals(cpu.execute(...opcode), "ok");
  assertEquals(cpu.state.eflags & ~ZF, 0x8d7 & ~ZF); // no other flag
  return [(cpu.state.eflags & ZF) !== 0, cpu.state.register(EBX)];
}

/** The access bytes of all system types that a question answers with ZF set. */
function answered(opcode: number[]): number[] {
  const types = Array.from({ length: 16 }, (_, type) => type);
  return types.filter((type) => ask(opcode, 0x80 | type, 0, 0x30)[0]);
}

Deno.test("LAR answers for visible descriptors it knows [SYSTEM-12]", () => {
  const lar = [0x0f, 0x02, 0xd8];
  assertEquals(ask(lar, 0x92, 0, 0x30), [true, 0x00c09200]);
  assertEquals(ask([0x66, ...lar], 0x92, 0, 0x30), [true, 0x9200]);
  assertEquals([ask(lar, 0x92, 3, 0x30), ask(lar, 0x92, 0, 0x33)], [[false, 1], [false, 1]]);
  assertEquals([ask(lar, 0x9e, 3, 0x33)[0], ask(lar, 0xf2, 3, 0x33)[0]], [true, true]);
  assertEquals([ask(lar, 0x92, 0, 0), ask(lar, 0x92, 0, 0x100)], [[false, 1], [false, 1]]);
  assertEquals(ask(lar, 0x12, 0, 0x30)[0], true); // present or not
  assertEquals(answered(lar), [1, 2, 3, 4, 5, 9, 11, 12]);
});

Deno.test("LSL answers with the limit [SYSTEM-13]", () => {
  const lsl = [0x0f, 0x03, 0xd8];
  assertEquals(ask(lsl, 0x92, 0, 0x30), [true, 0x12345fff]);
  assertEquals(ask([0x66, ...lsl], 0x92, 0, 0x30), [true, 0x5fff]);
  assertEquals([ask(lsl, 0x92, 3, 0x30), ask(lsl, 0x92, 0, 0)], [[false, 1], [false, 1]]);
  assertEquals(answered(lsl), [1, 2, 3, 9, 11]);
});

Deno.test("VERR and VERW answer for readable and writable segments [SYSTEM-14]", () => {
  const verr = [0x0f, 0x00, 0xe0], verw = [0x0f, 0x00, 0xe8];
  const both = (access: number, cpl: 0 | 3 = 0, selector = 0x30) => [
    ask(verr, access, cpl, selector)[0],
    ask(verw, access, cpl, selector)[0],
  ];
  assertEquals([both(0x90), both(0x92), both(0x98), both(0x9a)], [
    [true, false],
    [true, true],
    [false, false],
    [true, false],
  ]);
  assertEquals([both(0x92, 3, 0x33), both(0xf2, 3, 0x33)], [[false, false], [true, true]]);
  assertEquals([both(0x9e, 3, 0x33), both(0x82), both(0x89)], [
    [true, false],
    [false, false],
    [false, false],
  ]);
  assertEquals([both(0x92, 0, 0), both(0x92, 0, 0x100)], [[false, false], [false, false]]);
});

Deno.test("ARPL raises an RPL [SYSTEM-15]", () => {
  const arpl = (destination: number, source: number) => {
    const cpu = new TestCpu();
    cpu.state.setRegister(EAX, destination);
    cpu.state.setRegister(ECX, source);
    assertEquals(cpu.execute(0x63, 0xc8), "ok");
    return [cpu.state.register(EAX), cpu.state.eflags & ZF];
  };
  assertEquals(arpl(0xffff0010, 0x1b), [0xffff0013, ZF]);
  assertEquals(arpl(0x12, 0x1a), [0x12, 0]);
  assertEquals(arpl(0x13, 0x08), [0x13, 0]);
});

Deno.test("ENTER copies the display [SYSTEM-16]", () => {
  const cpu = new TestCpu();
  cpu.state.setRegister(EBP, 0x7000);
  cpu.poke(0x6ffc, 0x111);
  cpu.poke(0x6ff8, 0x222);
  assertEquals(cpu.execute(0xc8, 0x10, 0x00, 0x23), "ok"); // 16 bytes, level 35 modulo 32
  const frame = STACK - 4;
  assertEquals(cpu.state.register(EBP), frame);
  assertEquals(cpu.state.register(ESP), frame - 12 - 16);
  const found = [0, 4, 8, 12].map((below) => cpu.peek(frame - below));
  assertEquals(found, [0x7000, 0x111, 0x222, frame]);
  assertEquals(cpu.execute(0x66, 0xc8, 0x08, 0x00, 0x00), "ok");
  assertEquals(cpu.state.register(EBP), frame - 28 - 2);
  assertEquals(cpu.state.register(ESP), frame - 28 - 2 - 8);
  assertEquals(cpu.execute(0xc8, 0x00, 0x00, 0x01), "ok");
  assertEquals(cpu.peek(cpu.state.register(ESP)), cpu.state.register(EBP));
});

Deno.test("x87 and WAIT fault as EM, MP and TS say [SYSTEM-17]", () => {
  const outcomes = (bits: number) => {
    const cpu = new TestCpu();
    cpu.state.set(CR0, 0x11 | bits);
    return [cpu.execute(0xd9, 0xe8), cpu.execute(0xdf, 0x05, 0, 0, 0, 0), cpu.execute(0x9b)];
  };
  assertEquals([outcomes(0), outcomes(2)], [[UD, UD, "ok"], [UD, UD, "ok"]]);
  assertEquals([outcomes(4), outcomes(8)], [[NM, NM, "ok"], [NM, NM, "ok"]]);
  assertEquals([outcomes(6), outcomes(10)], [[NM, NM, "ok"], [NM, NM, NM]]);
});

Deno.test("Undefined and too long instructions fault [SYSTEM-18]", () => {
  const cpu = new TestCpu();
  assertEquals([cpu.execute(0x0f, 0x0b), cpu.execute(0x0f, 0xff)], [UD, UD]);
  assertEquals([cpu.execute(0x0f, 0x34), cpu.execute(0x0f, 0x35)], [UD, UD]); // SYSENTER, SYSEXIT
  assertEquals(cpu.execute(0x0f, 0xaa), UD); // RSM
  assertEquals(cpu.execute(...new Array(15).fill(0x66), 0x90), GP0);
  assertEquals(cpu.peek(GDT), 0);
});

Deno.test("System instructions replay their golden trace", async () => {
  const [replayed, golden] = await replayGolden("system");
  assertEquals(replayed, golden);
});
