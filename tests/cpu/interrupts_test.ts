import { assertEquals } from "@std/assert";
import { interrupt, raise, type Source, TripleFault } from "../../cpu/interrupts.ts";
import { loadSegment } from "../../cpu/segments.ts";
import { CODE0, CODE3, DATA0, DATA3, STACK, TestCpu } from "./testcpu.ts";
import { replayGolden } from "./traces.ts";

const ESP = 4, CS = 1, SS = 2, DS = 3;
const CR0 = 300, CR2 = 304, CR3 = 308, IDTR = 324;
const NONE = -1;
const TF = 0x100, IF = 0x200, IOPL = 0x3000, NT = 0x4000, RF = 0x10000, VM = 0x20000;
const INTERRUPT32 = 0x8e, TRAP32 = 0x8f, INTERRUPT16 = 0x86, RING3 = 0x60;

function where(cpu: TestCpu): number[] {
  return [cpu.state.selector(CS), cpu.state.eip, cpu.state.cpl];
}

/** What lies on the stack, `size` bytes each. */
function pushed(cpu: TestCpu, count: number, size = 4): number[] {
  const top = cpu.state.register(ESP);
  return Array.from({ length: count }, (_, i) => cpu.paging.readPhysical(top + size * i, size));
}

function deliver(cpu: TestCpu, vector: number, code = NONE, source: Source = "exception"): string {
  return cpu.outcome(() => interrupt(cpu, vector, code, source, cpu.state.eip));
}

Deno.test("interrupt pushes flags, CS, EIP and the error code [INTERRUPTS-1]", () => {
  const cpu = new TestCpu();
  cpu.gate(13, CODE0, 0x12345, INTERRUPT32);
  cpu.state.eflags = 0x2 | 0x895;
  assertEquals(deliver(cpu, 13, 0x48), "ok");
  assertEquals(where(cpu), [CODE0, 0x12345, 0]);
  assertEquals(cpu.state.register(ESP), STACK - 16);
  assertEquals(pushed(cpu, 4), [0x48, 0x8000, CODE0, RF | 0x897]);
  cpu.gate(3, CODE0, 0x4000, INTERRUPT32);
  assertEquals(cpu.execute(0xcc), "ok"); // int3: a trap
  assertEquals(pushed(cpu, 3), [0x12346, CODE0, 0x897]);
});

Deno.test("interrupt gates clear IF, trap gates keep it [INTERRUPTS-2]", () => {
  for (const [access, left] of [[INTERRUPT32, 0], [TRAP32, IF], [0x86, 0], [0x87, IF]]) {
    const cpu = new TestCpu();
    cpu.gate(32, CODE0, 0x4000, access);
    cpu.state.eflags = 0x2 | IF | TF | NT | RF | IOPL;
    assertEquals(deliver(cpu, 32, NONE, "external"), "ok");
    assertEquals(cpu.state.eflags, 0x2 | IOPL | left);
    const saved = access & 8 ? pushed(cpu, 3)[2] : pushed(cpu, 3, 2)[2];
    const all = 0x2 | IF | TF | NT | RF | IOPL;
    assertEquals(saved, access & 8 ? all : all & 0xffff);
  }
});

Deno.test("interrupt into an inner ring switches stacks [INTERRUPTS-3]", () => {
  const cpu = new TestCpu();
  cpu.tss();
  cpu.gate(14, CODE0, 0x4000, INTERRUPT32);
  cpu.ring(3);
  cpu.state.eflags = 0x2 | IF;
  assertEquals(deliver(cpu, 14, 7), "ok");
  assertEquals([...where(cpu), cpu.state.selector(SS)], [CODE0, 0x4000, 0, DATA0]);
  assertEquals(cpu.state.register(ESP), 0xa000 - 24);
  assertEquals(pushed(cpu, 6), [7, 0x8003, CODE3, 0x2 | IF | RF, STACK, DATA3]);
  assertEquals(cpu.asked.at(-1), "mode");
  assertEquals([cpu.peek(0x100c) >>> 8 & 1, cpu.peek(0x1014) >>> 8 & 1], [1, 1]); // accessed
});

Deno.test("interrupt into conforming code stays in the ring [INTERRUPTS-3]", () => {
  const cpu = new TestCpu();
  cpu.descriptor(0x30, 0, 0xfffff, 0x9e, 0xc);
  cpu.gate(32, 0x30, 0x4000, INTERRUPT32);
  cpu.ring(3);
  assertEquals(deliver(cpu, 32, NONE, "external"), "ok");
  assertEquals([...where(cpu), cpu.state.register(ESP)], [0x33, 0x4000, 3, STACK - 12]);
});

Deno.test("interrupt through a 16-bit gate pushes 16 bits [INTERRUPTS-4]", () => {
  const cpu = new TestCpu();
  cpu.tss();
  cpu.gate(13, CODE0, 0x124000, INTERRUPT16);
  cpu.ring(3);
  assertEquals(deliver(cpu, 13, 0x12), "ok");
  assertEquals([...where(cpu), cpu.state.register(ESP)], [CODE0, 0x4000, 0, 0xa000 - 12]);
  assertEquals(pushed(cpu, 6, 2), [0x12, 0x8003, CODE3, 2, STACK, DATA3]);
});

/** How vector 32 ends through this gate into this code segment (30h). */
function through(
  options: { gate?: number; code?: number; target?: number; cpl?: 0 | 3; idt?: number },
  source: Source = "external",
): string {
  const { gate = INTERRUPT32 | RING3, code = 0x9a, target = 0x30, cpl = 3, idt = 0x107 } = options;
  const cpu = new TestCpu();
  cpu.tss();
  cpu.ring(cpl);
  cpu.descriptor(0x30, 0, 0xffff, code, 4);
  cpu.gate(32, target, 0x4000, gate);
  cpu.state.set(IDTR + 4, idt);
  const outcome = deliver(cpu, 32, NONE, source);
  if (outcome !== "ok") assertEquals([cpu.state.eip, cpu.state.register(ESP)], [0x8003, STACK]);
  return outcome;
}

Deno.test("interrupt checks gate and code segment in order [INTERRUPTS-5]", () => {
  assertEquals([through({}), through({}, "software")], ["ok", "ok"]);
  assertEquals(through({ idt: 0x106 }), "fault 13 0x103");
  assertEquals(through({ idt: 0x106 }, "software"), "fault 13 0x102");
  for (const gate of [0x8c, 0x80, 0x9e, 0x89]) assertEquals(through({ gate }), "fault 13 0x103");
  assertEquals(through({ gate: 0x0e }), "fault 11 0x103");
  assertEquals(through({ gate: 0x6e }, "software"), "fault 11 0x102");
  assertEquals([through({ target: 0 }), through({ target: 0 }, "software")], [
    "fault 13 0x1",
    "fault 13 0x0",
  ]);
  assertEquals(through({ target: 0x103 }), "fault 13 0x101");
  assertEquals(through({ code: 0x92 }), "fault 13 0x31");
  assertEquals(through({ code: 0xfa, cpl: 0 }), "fault 13 0x31"); // an outer ring
  assertEquals([through({ code: 0x1a }), through({ code: 0x1a }, "software")], [
    "fault 11 0x31",
    "fault 11 0x30",
  ]);
});

Deno.test("interrupt faults where the stack or the offset is out of reach [INTERRUPTS-5]", () => {
  const cpu = new TestCpu();
  cpu.descriptor(0x30, 0x40000, 0xff, 0x92, 4);
  cpu.descriptor(0x38, 0, 0xfff, 0x9a, 4);
  cpu.gate(32, CODE0, 0x4000, INTERRUPT32);
  cpu.gate(33, 0x38, 0x1000, INTERRUPT32);
  assertEquals(deliver(cpu, 33, NONE, "external"), "fault 13 0x1");
  loadSegment(cpu, SS, 0x30);
  cpu.state.setRegister(ESP, 8);
  assertEquals(deliver(cpu, 32, NONE, "external"), "fault 12 0x1");
  cpu.state.setRegister(ESP, 12);
  assertEquals(deliver(cpu, 32, NONE, "external"), "ok");
  cpu.ring(0);
  cpu.tss(0x67, 20, 0x30);
  cpu.ring(3);
  assertEquals(deliver(cpu, 32, 0), "fault 12 0x31"); // 24 bytes into 20
  assertEquals(deliver(cpu, 32), "ok");
});

Deno.test("Software interrupts need the gate's DPL [INTERRUPTS-6]", () => {
  assertEquals(through({ gate: INTERRUPT32 }), "ok");
  assertEquals(through({ gate: INTERRUPT32 }, "exception"), "ok");
  assertEquals(through({ gate: INTERRUPT32 }, "software"), "fault 13 0x102");
  assertEquals(through({ gate: INTERRUPT32, cpl: 0 }, "software"), "ok");
  const cpu = new TestCpu();
  cpu.tss();
  for (const vector of [1, 3, 4, 0x80]) cpu.gate(vector, CODE0, 0x4000, INTERRUPT32);
  cpu.ring(3);
  cpu.state.eflags = 0x802; // OF
  assertEquals(cpu.execute(0xcc), "fault 13 0x1a"); // int3
  assertEquals(cpu.execute(0xce), "fault 13 0x22"); // into
  assertEquals(cpu.execute(0xcd, 0x80), "fault 13 0x402");
  assertEquals(cpu.execute(0xf1), "ok"); // int1 is no software interrupt
  assertEquals(pushed(cpu, 2), [0x8004, CODE3]);
});

Deno.test("Faults save RF set, other events as it was [INTERRUPTS-7]", () => {
  const saved = (vector: number, source: Source, before = 0) => {
    const cpu = new TestCpu();
    cpu.gate(vector, CODE0, 0x4000, INTERRUPT32);
    cpu.state.eflags = 0x2 | before;
    assertEquals(deliver(cpu, vector, NONE, source), "ok");
    return pushed(cpu, 3)[2] & RF;
  };
  assertEquals([saved(14, "exception"), saved(6, "exception")], [RF, RF]);
  assertEquals([saved(1, "exception"), saved(14, "external"), saved(14, "software")], [0, 0, 0]);
  assertEquals(saved(32, "external", RF), RF);
});

/** Raises `vector` while the gates in `present` work and all others are missing (#GP or #NP). */
function chain(vector: number, source: Source, present: number[], paged = false): unknown {
  const cpu = new TestCpu();
  for (const gate of present) cpu.gate(gate, CODE0, 0x4000 + gate, INTERRUPT32);
  if (paged) {
    cpu.state.set(CR3, 0x10000);
    cpu.poke(0x10000, 0x11003);
    for (let i = 0; i < 16; i++) cpu.poke(0x11000 + 4 * i, i << 12 | 3);
    cpu.state.set(IDTR, 0x1fc00); // in a page that is not mapped
    cpu.state.set(CR0, 0x80000011);
  }
  const result = raise(cpu, vector, NONE, source);
  if (result) return result.chain.map(({ vector, code }) => `${vector} ${code}`);
  return cpu.state.eip - 0x4000;
}

Deno.test("raise makes double faults of the manual's pairs [INTERRUPTS-8]", () => {
  assertEquals(chain(0, "exception", [0, 8]), 0);
  assertEquals(chain(0, "exception", [8, 13]), 8); // contributory, contributory
  assertEquals(chain(14, "exception", [8, 13]), 8); // page fault, contributory
  assertEquals(chain(6, "exception", [8, 13]), 13); // benign, contributory
  assertEquals(chain(13, "external", [8]), 8); // #GP, then #GP again: its gate is missing too
  assertEquals(chain(32, "external", [8, 13]), 13);
  assertEquals(chain(0, "software", [8, 13]), 13); // INT 0 is an interrupt, not #DE
});

Deno.test("raise delivers a page fault after a contributory exception [INTERRUPTS-8]", () => {
  const cpu = new TestCpu();
  cpu.tss(0x67, 0x20000, DATA0);
  cpu.descriptor(0x30, 0, 0xfffff, 0x9e, 0xc); // conforming: handlers in ring 3
  cpu.gate(13, CODE0, 0x4000, INTERRUPT32); // its stack, at 20000h, is not mapped
  cpu.gate(14, 0x30, 0x5000, INTERRUPT32);
  cpu.state.set(CR3, 0x10000);
  cpu.poke(0x10000, 0x11007);
  for (let i = 0; i < 16; i++) cpu.poke(0x11000 + 4 * i, i << 12 | 7);
  cpu.state.set(CR0, 0x80000011);
  cpu.ring(3);
  assertEquals(raise(cpu, 13, 0, "exception"), undefined);
  assertEquals([cpu.state.eip, cpu.state.get(CR2)], [0x5000, 0x1fffc]);
  assertEquals(pushed(cpu, 3), [2, 0x8003, CODE3]); // a supervisor's write
});

Deno.test("raise makes a double fault of two page faults, or shuts down [INTERRUPTS-8]", () => {
  const first = chain(14, "exception", [], true) as string[];
  assertEquals(first, ["14 -1", "14 0", "8 0", "14 0"]);
});

Deno.test("raise lists the chain of a shutdown [INTERRUPTS-9]", () => {
  assertEquals(chain(6, "exception", []), ["6 -1", "13 51", "13 107", "8 0", "13 67"]);
  const cpu = new TestCpu();
  cpu.state.set(IDTR + 4, 0);
  cpu.state.set(CR2, 0xdeadbeef);
  const result = raise(cpu, 14, 2, "exception");
  assertEquals(result instanceof TripleFault, true);
  assertEquals(result?.chain, [
    { vector: 14, code: 2, eip: 0x8000, cr2: 0xdeadbeef },
    { vector: 13, code: 0x73, eip: 0x8000 },
    { vector: 8, code: 0, eip: 0x8000 },
    { vector: 13, code: 0x43, eip: 0x8000 },
  ]);
  assertEquals([cpu.state.eip, cpu.state.register(ESP)], [0x8000, STACK]);
  const tick = raise(cpu, 8, -1, "external")?.chain[0]; // as from a PIC that was not set up
  assertEquals(tick, { vector: 8, code: -1, eip: 0x8000, isInterrupt: true });
});

/** Puts an IRET frame on the stack and executes IRETD. */
function iret(cpu: TestCpu, ...frame: number[]): string {
  cpu.state.setRegister(ESP, STACK);
  frame.forEach((value, i) => cpu.poke(STACK + 4 * i, value));
  return cpu.execute(0xcf);
}

Deno.test("IRET restores EIP, CS, EFLAGS and the outer stack [INTERRUPTS-10]", () => {
  const cpu = new TestCpu();
  assertEquals(iret(cpu, 0x4000, CODE0, IF | 0x8d5), "ok");
  assertEquals([...where(cpu), cpu.state.eflags], [CODE0, 0x4000, 0, 0x2 | IF | 0x8d5]);
  assertEquals(cpu.state.register(ESP), STACK + 12);
  assertEquals(iret(cpu, 0x5000, CODE3, IF, 0x7000, DATA3), "ok");
  assertEquals(where(cpu), [CODE3, 0x5000, 3]);
  assertEquals([cpu.state.selector(SS), cpu.state.register(ESP)], [DATA3, 0x7000]);
  assertEquals([cpu.state.selector(DS), cpu.state.eflags], [0, 0x2 | IF]);
  cpu.ring(3);
  assertEquals(iret(cpu, 0x6000, CODE3, 0), "ok");
  assertEquals([...where(cpu), cpu.state.register(ESP)], [CODE3, 0x6000, 3, STACK + 12]);
});

Deno.test("IRET with 16-bit operands pops 16 bits [INTERRUPTS-10]", () => {
  const cpu = new TestCpu();
  cpu.poke(STACK, 0x00084000);
  cpu.poke(STACK + 4, 0x8d5);
  cpu.state.eflags = 0x2 | 0x200000;
  assertEquals(cpu.execute(0x66, 0xcf), "ok");
  assertEquals([...where(cpu), cpu.state.eflags], [CODE0, 0x4000, 0, 0x2008d7]);
  assertEquals(cpu.state.register(ESP), STACK + 6);
});

Deno.test("IRET changes IOPL and IF by the ring it leaves [INTERRUPTS-11]", () => {
  const flags = (ring: 0 | 3, before: number, popped: number, narrow = false) => {
    const cpu = new TestCpu();
    cpu.ring(ring);
    cpu.state.eflags = 0x2 | before;
    const code = ring ? CODE3 : CODE0;
    const frame = narrow ? [code << 16 | 0x4000, popped & 0xffff] : [0x4000, code, popped];
    frame.forEach((value, i) => cpu.poke(STACK + 4 * i, value));
    assertEquals(cpu.execute(...(narrow ? [0x66] : []), 0xcf), "ok");
    return cpu.state.eflags & ~2;
  };
  assertEquals(flags(0, 0, IF | IOPL), IF | IOPL);
  assertEquals(flags(0, IF | IOPL, 0), 0);
  assertEquals(flags(3, IF, IOPL), IF); // IOPL 0
  assertEquals(flags(3, IF | IOPL, 0), IOPL); // IOPL 3
  assertEquals(flags(3, 0, 0x240000 | TF), 0x240000 | TF); // AC, ID
  assertEquals(flags(3, 0x240000, 0, true), 0x240000);
});

Deno.test("IRET leaves RF clear [INTERRUPTS-12]", () => {
  const cpu = new TestCpu();
  assertEquals(iret(cpu, 0x4000, CODE0, RF), "ok");
  assertEquals(cpu.state.eflags, 2);
});

Deno.test("IRET that faults changes nothing [INTERRUPTS-13]", () => {
  const failing: [number[], string][] = [
    [[0x4000, 0, 0], "fault 13 0x0"],
    [[0x4000, DATA0, 0], "fault 13 0x10"],
    [[0x5000, CODE3, 0, 0x7000, 0], "fault 13 0x0"],
    [[0x5000, CODE3, 0, 0x7000, DATA0], "fault 13 0x10"],
  ];
  for (const [frame, expected] of failing) {
    const cpu = new TestCpu();
    cpu.state.eflags = 0x2 | IF;
    assertEquals(iret(cpu, ...frame), expected);
    assertEquals([...where(cpu), cpu.state.register(ESP)], [CODE0, 0x8000, 0, STACK]);
    assertEquals(cpu.state.eflags, 0x2 | IF);
  }
});

Deno.test("Task switches and virtual-8086 mode are not modelled [INTERRUPTS-14]", () => {
  assertEquals(
    through({ gate: 0xe5 }),
    'unmodelled "a task switch through the gate of vector 32"',
  );
  const cpu = new TestCpu();
  assertEquals(iret(cpu, 0x4000, CODE0, VM), 'unmodelled "a return to virtual-8086 mode"');
  cpu.state.eflags = NT;
  assertEquals(
    iret(cpu, 0x4000, CODE0, 0),
    'unmodelled "the return from a nested task by IRET with NT set"',
  );
  cpu.state.eflags = 2;
  cpu.ring(3);
  assertEquals(iret(cpu, 0x4000, CODE3, VM), "ok"); // outside ring 0 the bit is ignored
  assertEquals(cpu.state.eflags, 2);
});

Deno.test("Interrupts replay their golden trace", async () => {
  const [replayed, golden] = await replayGolden("interrupts");
  assertEquals(replayed, golden);
});
