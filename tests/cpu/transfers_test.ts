import { assertEquals } from "@std/assert";
import { loadSegment } from "../../cpu/segments.ts";
import { CODE0, CODE3, DATA0, DATA3, GDT, STACK, TestCpu } from "./testcpu.ts";
import { replayGolden } from "./traces.ts";

const ESP = 4, CS = 1, SS = 2, DS = 3, ES = 0, FS = 4, GS = 5, CPL = 364;

/** JMP or CALL ptr16:32. */
function far(opcode: number, selector: number, offset: number): number[] {
  const bytes = [0, 8, 16, 24].map((shift) => offset >>> shift & 0xff);
  return [opcode, ...bytes, selector & 0xff, selector >> 8];
}
const jmp = (selector: number, offset: number) => far(0xea, selector, offset);
const call = (selector: number, offset: number) => far(0x9a, selector, offset);

function where(cpu: TestCpu): number[] {
  return [cpu.state.selector(CS), cpu.state.eip, cpu.state.cpl];
}

/** How JMP to a fresh code segment with this access byte ends, in ring `cpl`. */
function jumpTo(access: number, cpl: 0 | 3, selector: number, offset = 0x4000): string {
  const cpu = new TestCpu();
  cpu.ring(cpl);
  cpu.descriptor(0x30, 0, 0xffff, access, 4);
  return cpu.execute(...jmp(selector, offset));
}

Deno.test("JMP and CALL check a code segment in order [TRANSFERS-1]", () => {
  assertEquals([jumpTo(0x9a, 0, 0x30), jumpTo(0xfa, 3, 0x33)], ["ok", "ok"]);
  assertEquals(jumpTo(0x9a, 0, 0), "fault 13 0x0");
  assertEquals(jumpTo(0x9a, 0, 0x103), "fault 13 0x100");
  assertEquals(jumpTo(0x9a, 0, 0x33), "fault 13 0x30"); // RPL above CPL
  assertEquals(jumpTo(0x9a, 3, 0x33), "fault 13 0x30"); // DPL differs
  assertEquals(jumpTo(0xfa, 0, 0x30), "fault 13 0x30");
  assertEquals([jumpTo(0x9e, 3, 0x33), jumpTo(0xfe, 0, 0x30)], ["ok", "fault 13 0x30"]);
  assertEquals([jumpTo(0x92, 0, 0x30), jumpTo(0x1a, 0, 0x30)], ["fault 13 0x30", "fault 11 0x30"]);
  assertEquals(jumpTo(0xfe, 3, 0x33), "ok"); // conforming, of the same ring
  assertEquals(jumpTo(0x9a, 0, 0x30, 0xffff), "ok");
  assertEquals(jumpTo(0x9a, 0, 0x30, 0x10000), "fault 13 0x0"); // EIP
  const cpu = new TestCpu();
  cpu.ring(3);
  cpu.descriptor(0x30, 0, 0xffff, 0x9e, 4);
  assertEquals(cpu.execute(...jmp(0x30, 0x4000)), "ok");
  assertEquals(where(cpu), [0x33, 0x4000, 3]);
  assertEquals(cpu.asked, ["mode"]);
  cpu.ring(3);
  assertEquals(cpu.execute(...call(DATA3, 0x5000)), "fault 13 0x20");
  assertEquals(cpu.execute(...call(0x33, 0x5000)), "ok");
  assertEquals(where(cpu), [0x33, 0x5000, 3]);
});

Deno.test("JMP far takes a pointer in memory [TRANSFERS-1]", () => {
  const cpu = new TestCpu();
  cpu.poke(0x5000, 0x4321);
  cpu.poke(0x5004, CODE0);
  assertEquals(cpu.execute(0xff, 0x2d, 0, 0x50, 0, 0), "ok");
  assertEquals(where(cpu), [CODE0, 0x4321, 0]);
});

Deno.test("CALL pushes CS and EIP, or nothing with a fault [TRANSFERS-2]", () => {
  const cpu = new TestCpu();
  assertEquals(cpu.execute(...call(CODE0, 0x4000)), "ok");
  assertEquals(where(cpu), [CODE0, 0x4000, 0]);
  assertEquals([cpu.peek(STACK - 8), cpu.peek(STACK - 4)], [0x8007, CODE0]);
  assertEquals(cpu.state.register(ESP), STACK - 8);
  cpu.descriptor(0x30, 0x40000, 0xff, 0x92, 4);
  loadSegment(cpu, SS, 0x30);
  cpu.state.setRegister(ESP, 6);
  assertEquals(cpu.execute(...call(CODE0, 0x5000)), "fault 12 0x0");
  assertEquals([...where(cpu), cpu.state.register(ESP)], [CODE0, 0x4000, 0, 6]);
  assertEquals(cpu.peek(0x40000), 0);
});

Deno.test("Far transfers with 16-bit operands take 16-bit offsets [TRANSFERS-3]", () => {
  const cpu = new TestCpu();
  assertEquals(cpu.execute(0x66, 0x9a, 0x34, 0x92, CODE0, 0), "ok");
  assertEquals(where(cpu), [CODE0, 0x9234, 0]);
  assertEquals([cpu.peek(STACK - 4), cpu.state.register(ESP)], [CODE0 << 16 | 0x8006, STACK - 4]);
  assertEquals(cpu.execute(0x66, 0xcb), "ok"); // retf
  assertEquals(where(cpu), [CODE0, 0x8006, 0]);
  cpu.poke(0x5000, 0x00089999);
  assertEquals(cpu.execute(0x66, 0xff, 0x2d, 0, 0x50, 0, 0), "ok");
  assertEquals(where(cpu), [CODE0, 0x9999, 0]);
});

/** How a transfer through a fresh call gate at 38h ends; its code segment is 30h. */
function throughGate(
  options: { gate?: number; code?: number; cpl?: 0 | 3; selector?: number; target?: number },
  opcode = 0x9a,
): string {
  const { gate = 0xec, code = 0x9a, cpl = 3, selector = 0x3b, target = 0x30 } = options;
  const cpu = new TestCpu();
  cpu.tss();
  cpu.ring(cpl);
  cpu.descriptor(0x30, 0, 0xffff, code, 4);
  cpu.gateAt(GDT + 0x38, target, 0x4000, gate);
  const outcome = cpu.execute(...far(opcode, selector, 0xdead));
  if (outcome === "ok") assertEquals(cpu.state.eip, 0x4000);
  return outcome;
}

Deno.test("Call gates are checked, then their code segment [TRANSFERS-4]", () => {
  assertEquals(throughGate({}), "ok");
  assertEquals(throughGate({ cpl: 0, selector: 0x38, gate: 0x8c }), "ok");
  assertEquals(throughGate({ gate: 0x8c }), "fault 13 0x38"); // DPL below CPL
  assertEquals(throughGate({ gate: 0xcc, cpl: 0 }), "fault 13 0x38"); // DPL below RPL
  assertEquals(throughGate({ gate: 0x6c }), "fault 11 0x38");
  assertEquals(throughGate({ gate: 0xe4 }), "ok"); // 16-bit
  assertEquals(throughGate({ target: 0 }), "fault 13 0x0");
  assertEquals(throughGate({ target: 0x103 }), "fault 13 0x100");
  assertEquals(throughGate({ code: 0x92 }), "fault 13 0x30");
  assertEquals(throughGate({ code: 0xfa, cpl: 0, selector: 0x38 }), "fault 13 0x30");
  assertEquals(throughGate({ code: 0x1a }), "fault 11 0x30");
  assertEquals(throughGate({ code: 0x9e }), "ok"); // conforming: no change of ring
  assertEquals(throughGate({}, 0xea), "fault 13 0x30"); // JMP does not change the ring
  assertEquals(throughGate({ code: 0x9e }, 0xea), "ok");
  assertEquals(throughGate({ code: 0xfa }, 0xea), "ok");
});

Deno.test("Call gates to an inner ring switch stacks and copy parameters [TRANSFERS-5]", () => {
  for (const wide of [true, false]) {
    const cpu = new TestCpu(), size = wide ? 4 : 2;
    cpu.tss(0x67, 0xa000, DATA0);
    cpu.gateAt(GDT + 0x38, CODE0, 0x124000, wide ? 0xec : 0xe4, 3);
    cpu.ring(3);
    for (let i = 0; i < 3; i++) cpu.paging.writePhysical(STACK + size * i, size, 0x1111 * (i + 1));
    assertEquals(cpu.execute(...call(0x3b, 0xdead)), "ok");
    assertEquals(where(cpu), [CODE0, wide ? 0x124000 : 0x4000, 0]);
    assertEquals(cpu.state.selector(SS), DATA0);
    const top = cpu.state.register(ESP);
    assertEquals(top, 0xa000 - 7 * size);
    const found = Array.from(
      { length: 7 },
      (_, i) => cpu.paging.readPhysical(top + size * i, size),
    );
    assertEquals(found, [0x800a, CODE3, 0x1111, 0x2222, 0x3333, STACK, DATA3]);
    assertEquals(cpu.execute(...(wide ? [] : [0x66]), 0xca, 3 * size, 0), "ok"); // and back
    assertEquals(where(cpu), [CODE3, 0x800a, 3]);
    assertEquals([cpu.state.selector(SS), cpu.state.register(ESP)], [DATA3, STACK + 3 * size]);
  }
});

Deno.test("Call gates fault without effect where the inner stack is too small [TRANSFERS-5]", () => {
  const cpu = new TestCpu();
  cpu.descriptor(0x30, 0x40000, 0xff, 0x92, 4);
  cpu.tss(0x67, 0x18, 0x30); // 4 + 3 parameters need 28 bytes
  cpu.gateAt(GDT + 0x38, CODE0, 0x4000, 0xec, 3);
  cpu.ring(3);
  assertEquals(cpu.execute(...call(0x3b, 0)), "fault 12 0x30");
  assertEquals([...where(cpu), cpu.state.register(ESP)], [CODE3, 0x8003, 3, STACK]);
  assertEquals(cpu.peek(0x40014), 0);
  cpu.poke(0x3004, 0x1c);
  cpu.descriptor(0x48, 0, 0x3fff, 0x9a, 4);
  cpu.gateAt(GDT + 0x38, 0x48, 0x4000, 0xec, 3);
  assertEquals(cpu.execute(...call(0x3b, 0)), "fault 13 0x0"); // past the limit
  cpu.gateAt(GDT + 0x38, 0x48, 0x3fff, 0xec, 3);
  assertEquals(cpu.execute(...call(0x3b, 0)), "ok");
});

/** Puts values on the stack, the first one on top. */
function stack(cpu: TestCpu, ...values: number[]): void {
  cpu.state.setRegister(ESP, STACK);
  values.forEach((value, i) => cpu.poke(STACK + 4 * i, value));
}

/** How RET to a fresh code segment with this access byte ends, from ring `cpl`. */
function returnTo(access: number, cpl: 0 | 3, selector: number, eip = 0x4000): string {
  const cpu = new TestCpu();
  cpu.ring(cpl);
  cpu.descriptor(0x30, 0, 0xffff, access, 4);
  stack(cpu, eip, selector, 0x7000, DATA3);
  const outcome = cpu.execute(0xcb);
  if (outcome !== "ok") assertEquals([cpu.state.eip, cpu.state.register(ESP)], [0x8000, STACK]);
  return outcome;
}

Deno.test("RET checks the code segment and drops parameters [TRANSFERS-6]", () => {
  assertEquals([returnTo(0x9a, 0, 0x30), returnTo(0xfa, 3, 0x33)], ["ok", "ok"]);
  assertEquals([returnTo(0x9a, 0, 0), returnTo(0x9a, 0, 0x100)], [
    "fault 13 0x0",
    "fault 13 0x100",
  ]);
  assertEquals([returnTo(0x92, 0, 0x30), returnTo(0x1a, 0, 0x30)], [
    "fault 13 0x30",
    "fault 11 0x30",
  ]);
  assertEquals(returnTo(0xfa, 3, 0x30), "fault 13 0x30"); // to an inner ring
  assertEquals([returnTo(0xfa, 0, 0x30), returnTo(0x9a, 0, 0x33)], [
    "fault 13 0x30",
    "fault 13 0x30",
  ]); // DPL differs from RPL
  assertEquals([returnTo(0x9e, 0, 0x33), returnTo(0xfe, 0, 0x30)], ["ok", "fault 13 0x30"]);
  assertEquals(returnTo(0xfe, 3, 0x33), "ok");
  assertEquals(returnTo(0x9a, 0, 0x30, 0x10000), "fault 13 0x0");
  const cpu = new TestCpu();
  stack(cpu, 0x4000, 0xffff0000 | CODE0, 1, 2);
  assertEquals(cpu.execute(0xca, 0x08, 0x00), "ok");
  assertEquals([...where(cpu), cpu.state.register(ESP)], [CODE0, 0x4000, 0, STACK + 16]);
});

Deno.test("RET to an outer ring takes ESP and SS and drops from both stacks [TRANSFERS-7]", () => {
  const outer = (ss: number, access = 0xf2) => {
    const cpu = new TestCpu();
    cpu.descriptor(0x30, 0, 0xfffff, access, 0xc);
    stack(cpu, 0x4000, CODE3, 1, 2, 0x7000, ss);
    const outcome = cpu.execute(0xca, 0x08, 0x00);
    return outcome === "ok"
      ? [...where(cpu), cpu.state.selector(SS), cpu.state.register(ESP)]
      : outcome;
  };
  assertEquals(outer(DATA3), [CODE3, 0x4000, 3, DATA3, 0x7008]);
  assertEquals([outer(0), outer(0x103)], ["fault 13 0x0", "fault 13 0x100"]);
  assertEquals([outer(0x30), outer(DATA0)], ["fault 13 0x30", "fault 13 0x10"]);
  assertEquals([outer(0x33, 0xf0), outer(0x33, 0x92)], ["fault 13 0x30", "fault 13 0x30"]);
  assertEquals(outer(0x33, 0x72), "fault 12 0x30");
});

Deno.test("RET to a 16-bit stack keeps the upper half of ESP [TRANSFERS-8]", () => {
  const cpu = new TestCpu();
  cpu.descriptor(0x30, 0x40000, 0xffff, 0xf2);
  stack(cpu, 0x4000, CODE3, 0x12345678, 0x33);
  cpu.state.setRegister(ESP, STACK);
  assertEquals(cpu.execute(0xcb), "ok");
  assertEquals([cpu.state.selector(SS), cpu.state.register(ESP)], [0x33, 0x5678]);
  const wide = new TestCpu();
  stack(wide, 0x4000, CODE3, 0x12345678, DATA3);
  assertEquals(wide.execute(0xcb), "ok");
  assertEquals(wide.state.register(ESP), 0x12345678);
});

Deno.test("RET to an outer ring nulls inner data segments [TRANSFERS-9]", () => {
  const cpu = new TestCpu();
  cpu.descriptor(0x30, 0, 0xfffff, 0x9e, 0xc); // conforming
  cpu.descriptor(0x38, 0, 0xfffff, 0x9a, 0xc);
  loadSegment(cpu, ES, 0x30);
  loadSegment(cpu, DS, DATA3);
  loadSegment(cpu, FS, 0x38);
  stack(cpu, 0x4000, CODE3, 0x7000, DATA3);
  assertEquals(cpu.execute(0xcb), "ok");
  assertEquals([ES, DS, FS, GS].map((i) => cpu.state.selector(i)), [0x30, DATA3, 0, 0]);
  assertEquals(cpu.execute(0x65, 0x0f, 0x00, 0x15, 0, 0, 0, 0), "fault 13 0x0"); // lldt gs:[0]
});

Deno.test("Changes of ring mark code and stack segments accessed [TRANSFERS-10]", () => {
  const cpu = new TestCpu();
  const accessed = () => [0x30, 0x38].map((at) => cpu.peek(GDT + at + 4) >>> 8 & 1);
  cpu.descriptor(0x30, 0, 0xfffff, 0x9a, 0xc);
  cpu.descriptor(0x38, 0, 0xfffff, 0x92, 0xc);
  cpu.tss(0x67, 0xa000, 0x38);
  cpu.gateAt(GDT + 0x40, 0x30, 0x4000, 0xec);
  cpu.ring(3);
  assertEquals([cpu.execute(...call(0x43, 0)), accessed()], ["ok", [1, 1]]);
  cpu.descriptor(0x30, 0, 0xfffff, 0xfa, 0xc);
  cpu.descriptor(0x38, 0, 0xfffff, 0xf2, 0xc);
  stack(cpu, 0x4000, 0x33, 0x7000, 0x3b);
  assertEquals([cpu.execute(0xcb), accessed()], ["ok", [1, 1]]);
});

Deno.test("Far transfers mark the code segment accessed [TRANSFERS-10]", () => {
  for (const code of [jmp(0x30, 0x4000), call(0x30, 0x4000), [0xcb]]) {
    const cpu = new TestCpu();
    cpu.descriptor(0x30, 0, 0xffff, 0x9a, 4);
    stack(cpu, 0x4000, 0x30);
    assertEquals(cpu.execute(...code), "ok");
    assertEquals(cpu.peek(GDT + 0x34), 0x409b00);
  }
});

Deno.test("Task gates and TSSs are reported as not modelled [TRANSFERS-11]", () => {
  const stop = 'unmodelled "a task switch by a far jump or call"';
  for (const gate of [0xe5, 0xe9, 0xe1]) {
    assertEquals([throughGate({ gate }), throughGate({ gate }, 0xea)], [stop, stop]);
    assertEquals(throughGate({ gate: gate & 0x7f }), "fault 11 0x38");
    assertEquals(throughGate({ gate: gate & 0x9f }), "fault 13 0x38");
  }
  for (const gate of [0xe2, 0xeb, 0xe3, 0xee, 0xef, 0xe0]) {
    assertEquals(throughGate({ gate }), "fault 13 0x38");
  }
  const cpu = new TestCpu();
  assertEquals(cpu.state.get(CPL), 0);
});

Deno.test("Far transfers replay their golden trace", async () => {
  const [replayed, golden] = await replayGolden("transfers");
  assertEquals(replayed, golden);
});
