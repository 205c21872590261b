/** The processor as a whole: counting, stops, interrupts, single steps. Spec: specs/cpu/cpu.md. */
import { assertEquals, assertThrows } from "@std/assert";
import { Cpu } from "../../cpu/cpu.ts";
import { Random } from "../random.ts";
import { replayGolden } from "./code_traces.ts";
import { CODE, EAX, ECX, EDX, ESP, HANDLERS, Program, STACK } from "./program.ts";

const TF = 0x100, IF = 0x200;
const DB = 1, BP = 3;
const DR6 = 536; // specs/cpu/control.md

/** Delivered events: `vector at eip`. */
function recorder() {
  const events: string[] = [];
  let program: Program | undefined;
  const delivered = (vector: number) =>
    void events.push(`${vector} at ${program!.cpu.state.eip.toString(16)}`);
  return {
    events,
    make: (options: ConstructorParameters<typeof Program>[0] = {}) =>
      program = new Program({ ...options, hooks: { delivered } }),
  };
}

Deno.test("cpu replays its golden trace [CPU-1]", async () => {
  const [replayed, golden] = await replayGolden("cpu");
  assertEquals(replayed, golden);
});

Deno.test("Cpu retires exactly as many instructions as run allows [CPU-1]", () => {
  const program = new Program().code("40 40 40 40 40 40 f4"); // inc eax, six times
  for (let count = 1; count <= 6; count++) {
    assertEquals(program.run(1), "limit");
    assertEquals([program.register(EAX), program.cpu.retired], [count, count]);
    assertEquals(program.cpu.state.eip, CODE + count);
  }
  assertEquals([program.run(1), program.run(1)], ["limit", "halt"]);
  assertEquals(program.cpu.retired, 7);
});

Deno.test("Cpu counts each iteration of REP, and one for a count of zero [CPU-2]", () => {
  const program = new Program().code("f3 aa b9 00000000 f3 aa f4"); // rep stosb, twice
  program.cpu.state.setRegister(ECX, 5);
  program.cpu.state.setRegister(7, 0x30000);
  program.run(3);
  assertEquals([program.register(ECX), program.cpu.state.eip], [2, CODE]);
  program.run(2);
  assertEquals([program.register(ECX), program.cpu.state.eip], [0, CODE + 2]);
  assertEquals([program.run(), program.cpu.retired], ["halt", 5 + 1 + 1 + 1]);
});

/** A loop with calls, strings, jumps between pages: 100 rounds. */
function busy(): Program {
  const program = new Program({ ramBytes: 0x200000 });
  program.page(0x100);
  program.code(
    "bd 64000000 " + // 10000 mov ebp, 100
      "bf 00000300 be 00000100 b9 07000000 f3 a4 " + // 10005 copy 7 bytes to 30000
      "e8 e5ef0000 " + // 10016 call 1f000
      "01 c2 4d 75 e5 f4", // 1001b add edx, eax; dec ebp; jnz 10005; hlt
  );
  program.bytes(0x1f000, "40 c3"); // inc eax; ret
  return program;
}

Deno.test("Cpu ends in the same state in pieces of any size [CPU-3]", () => {
  const whole = busy(), pieces = busy(), random = new Random(7);
  assertEquals(whole.run(10_000), "halt");
  while (pieces.run(random.below(30)) !== "halt");
  assertEquals(pieces.summary, whole.summary);
  assertEquals([whole.register(EAX), whole.register(EDX)], [100, 5050]);
  assertEquals(whole.cpu.retired, 1 + 100 * (3 + 7 + 3 + 3) + 1);
  assertEquals(
    new Uint8Array(pieces.ram.buffer, 0x2100000),
    new Uint8Array(whole.ram.buffer, 0x2100000),
  );
});

Deno.test("Cpu tells the exact count at port accesses, and RDTSC reads it [CPU-4]", () => {
  const counts: number[] = [];
  const note = () => void counts.push(program.cpu.retired);
  const program = new Program({ ports: { read: () => (note(), 1), write: note } });
  program.code("40 e6 80 40 40 e4 80 0f 31 f4"); // inc; out; inc; inc; in; rdtsc; hlt
  program.run();
  assertEquals(counts, [1, 4]);
  assertEquals([program.register(EAX), program.register(EDX)], [5, 0]);
});

Deno.test("Cpu tells the EIP of each port access and each watched access [CPU-17]", () => {
  const seen: string[] = [];
  const note = () => void seen.push((program.cpu.currentEip - CODE).toString(16));
  const program = new Program({ ports: { read: () => (note(), 1), write: note } });
  program.cpu.paging.watch(0x30000, 0x31000, note);
  program.code(
    "40 40 a1 00000300 " + // 0 inc; inc; 2 mov eax, [30000h]
      "e6 80 " + // 7 out
      "bf 00000300 b9 02000000 f3 aa " + // 9 mov; e mov; 13 rep stosb
      "66 ff 05 00000300 " + // 15 inc word [30000h]: cold
      "01 05 00000300 " + // 1c add [30000h], eax: hot
      "0f 01 0d 00000300 f4", // 22 sidt [30000h]: system code; hlt
  );
  assertEquals(program.run(), "halt");
  assertEquals(seen, ["2", "7", "13", "13", "15", "15", "1c", "1c", "22", "22"]);
  assertEquals(program.cpu.currentEip, program.cpu.state.eip);
});

Deno.test("Cpu stops where a callback lowers the limit [CPU-5]", () => {
  const write = () => void (program.cpu.limit = program.cpu.retired + 3);
  const program = new Program({ ports: { read: () => 0, write } });
  program.code("e6 80 40 40 40 40 40 f4"); // out; inc, five times
  assertEquals([program.run(), program.cpu.retired], ["limit", 3]); // out, inc, inc
  assertEquals([program.run(), program.register(EAX)], ["halt", 5]);
});

Deno.test("Cpu delivers an external interrupt between instructions while IF is set [CPU-6]", () => {
  const { events, make } = recorder(), program = make({ acknowledge: () => 0x21 });
  program.code("40 fb 40 40 40 f4"); // inc; sti; inc, inc, inc
  program.cpu.setInterruptLine(true);
  program.bytes(HANDLERS + 0x210, "b2 07 f4"); // mov dl, 7; hlt
  assertEquals(program.run(), "halt");
  assertEquals(events, [`33 at ${(CODE + 3).toString(16)}`]);
  assertEquals([program.register(EAX), program.register(EDX), program.cpu.retired], [2, 7, 5]);
});

Deno.test("Cpu shows the window after STI at block boundaries too [CPU-7]", () => {
  for (const [title, prepare] of Object.entries(boundaries)) {
    const { events, make } = recorder(), program = make();
    prepare(program);
    program.cpu.setInterruptLine(true);
    program.run();
    const eip = parseInt(events[0].split(" ")[2], 16);
    assertEquals(program.ram.getUint8(eip - 1), 0x40, title); // after the INC that follows
    assertEquals(program.register(EAX), 1, title);
  }
});

/** Ways to have STI and the INC after it in different blocks. */
const boundaries: Record<string, (program: Program) => void> = {
  "the INC is known already": (program) => {
    program.code("eb 01 fb 40 48 eb fb"); // jmp 3; sti; inc; dec; jmp 2
    program.run(0);
  },
  "the INC is in the next page": (program) => {
    program.bytes(CODE + 0xfff, "fb 40 40 f4");
    program.cpu.state.eip = CODE + 0xfff;
  },
  "a breakpoint stands before the INC": (program) => {
    program.code("fb 40 40 f4");
    program.cpu.setInterruptLine(true);
    program.cpu.setBreakpoints(new Set([CODE + 1]));
    assertEquals(program.run(), "breakpoint");
    program.cpu.skipBreakpoint();
  },
  "the run ended between them": (program) => {
    program.code("fb 40 40 f4");
    program.run(1);
  },
};

Deno.test("Cpu holds interrupts for one instruction after loading SS [CPU-7]", () => {
  const { events, make } = recorder(), program = make();
  program.cpu.state.eflags = IF | 2;
  program.code("b8 10000000 8e d0 90 90 f4"); // mov eax, 10h; mov ss, ax; nop; nop
  program.run(1);
  program.cpu.setInterruptLine(true);
  program.run(0);
  program.cpu.setInterruptLine(false);
  program.run(1);
  program.cpu.setInterruptLine(true);
  program.run(2);
  assertEquals(events, [`32 at ${(CODE + 8).toString(16)}`]);
});

Deno.test("Cpu waits after HLT until an interrupt comes, without counting [CPU-8]", () => {
  const program = new Program().code("fb f4 40 f4"); // sti; hlt; inc eax; hlt
  program.bytes(HANDLERS + 0x200, "42 cf"); // inc edx; iret
  assertEquals([program.run(), program.run(), program.cpu.retired], ["halt", "halt", 2]);
  assertEquals(program.cpu.halted, true);
  program.cpu.setInterruptLine(true);
  program.run(1);
  program.cpu.setInterruptLine(false);
  assertEquals([program.run(), program.cpu.retired], ["halt", 6]);
  assertEquals([program.register(EAX), program.register(EDX)], [1, 1]);
});

/** EIPs saved by single-step traps while code runs with TF; the handler returns. */
function steps(hex: string, count = 40): number[] {
  const { events, make } = recorder(), program = make();
  program.code(hex);
  program.bytes(HANDLERS + 16 * DB, "cf"); // iret
  program.bytes(HANDLERS + 16 * BP, "cf");
  program.cpu.state.eflags = TF | 2;
  program.run(count);
  return events.filter((text) => text.startsWith("1 ")).map((text) =>
    parseInt(text.split(" ")[2], 16) - CODE
  );
}

Deno.test("Cpu traps after each instruction, and each iteration, that began with TF set [CPU-9]", () => {
  assertEquals(steps("90 90 40 eb fe", 8), [1, 2, 3, 3]);
  assertEquals(steps("b9 02000000 f3 a4 eb fe", 8), [5, 5, 7, 7]);
  // pushf; and dword [esp], ~100h; popf; nop; nop: the host processor too traps after this POPF
  assertEquals(steps("9c 81 24 24 fffeffff 9d 90 90 f4"), [1, 8, 9]);
  // mov eax, ss; mov ss, eax; nop; nop: none after MOV SS, as on the host processor
  assertEquals(steps("8c d0 8e d0 90 90 eb fe", 9), [2, 5, 6, 6]);
  assertEquals(steps("cc 90 eb fe", 5), [2, 2]); // int3: its delivery clears TF
});

Deno.test("Cpu sets DR6.BS with the trap and wakes from HLT for it [CPU-9]", () => {
  const program = new Program().code("f4 40 f4");
  program.bytes(HANDLERS + 16 * DB, "b2 07 fa f4"); // mov dl, 7; cli; hlt
  program.cpu.state.eflags = TF | 2;
  assertEquals(program.cpu.state.get(DR6) & 0x4000, 0);
  program.run();
  assertEquals(program.register(EDX), 7);
  assertEquals(program.cpu.state.get(DR6) & 0x4000, 0x4000);
  assertEquals([program.word(STACK - 12), program.word(STACK - 4)], [CODE + 1, TF | 2]);
});

Deno.test("Cpu leaves DR6.BS alone where no trap is delivered [CPU-9]", () => {
  const program = new Program().code("cd 30 f4");
  program.cpu.state.eflags = TF | 2;
  program.run();
  assertEquals(program.cpu.state.get(DR6) & 0x4000, 0);
});

Deno.test("Cpu stops before a breakpoint until it is skipped [CPU-10]", () => {
  const program = new Program().code("40 40 40 eb fb"); // inc, inc, inc; jmp to itself's start
  program.cpu.setBreakpoints(new Set([CODE + 1]));
  for (let round = 0; round < 3; round++) {
    assertEquals([program.run(), program.run()], ["breakpoint", "breakpoint"]);
    assertEquals([program.cpu.state.eip, program.cpu.retired], [CODE + 1, 1 + 4 * round]);
    program.cpu.skipBreakpoint();
  }
  program.cpu.setBreakpoints(new Set());
  assertEquals(program.run(50), "limit");
});

Deno.test("Cpu skips a breakpoint that a spent limit left before it [CPU-10]", () => {
  const program = new Program().code("40 40 40 f4");
  program.cpu.setBreakpoints(new Set([CODE + 1]));
  assertEquals(program.run(1), "limit");
  program.cpu.skipBreakpoint();
  assertEquals([program.run(1), program.register(EAX)], ["limit", 2]);
});

Deno.test("Cpu with breakpoints everywhere retires the same instructions [CPU-10]", () => {
  const plain = busy(), broken = busy();
  broken.cpu.setBreakpoints(new Set(Array.from({ length: 0x21 }, (_, i) => CODE + i)));
  plain.run(5000);
  for (let stop = ""; stop !== "halt"; stop = broken.run(5000)) broken.cpu.skipBreakpoint();
  assertEquals(broken.summary, plain.summary);
});

Deno.test("Cpu reports a triple fault with its chain [CPU-11]", () => {
  const program = new Program().code("0f 0b"); // ud2
  program.cpu.state.set(328, 0); // no IDT
  const stop = program.cpu.run(10);
  if (stop.kind !== "shutdown") throw new Error(stop.kind);
  assertEquals(stop.fault.chain.map(({ vector }) => vector), [6, 13, 13, 8, 13]);
  assertEquals([program.cpu.retired, program.cpu.state.eip], [0, CODE]);
});

Deno.test("Cpu stops, typed, for what is not modelled [CPU-11]", () => {
  const program = new Program().code("cd 40 f4"); // int 40h
  program.words(0x2000 + 8 * 0x40, 0x280000, 0x8500); // through a task gate
  const stop = program.cpu.run(10);
  assertEquals(stop.kind, "unmodelled");
  assertEquals(program.cpu.state.eip, CODE);
});

Deno.test("Cpu delivers faults of compiled code with nothing changed [CPU-12]", () => {
  const { events, make } = recorder(), program = make();
  program.code("b9 00000000 f9 f7 f1 f4"); // mov ecx, 0; stc; div ecx
  assertEquals([program.run(), events], ["halt", [`0 at ${(CODE + 6).toString(16)}`]]);
  assertEquals(program.word(STACK - 12), CODE + 6);
  assertEquals(program.word(STACK - 4) & 1, 1);
  assertEquals([program.cpu.retired, program.register(ESP)], [2 + 1, STACK - 12]);
});

Deno.test("Cpu goes on after INTO that does not trap [CPU-13]", () => {
  const program = new Program().code("ce 40 ce 40 f4"); // into; inc; into; inc; hlt
  assertEquals([program.run(), program.register(EAX), program.cpu.retired], ["halt", 2, 5]);
});

Deno.test("Cpu shows changes of control registers to its observer [CPU-14]", () => {
  const seen: string[] = [];
  const control = (register: number, value: number) => void seen.push(`${register} ${value}`);
  const program = new Program({ hooks: { control } });
  program.code("b8 00500000 0f 22 d8 0f 22 d8 0f 20 e0 0f 22 e0 f4"); // mov cr3 twice, cr4 as it was
  program.run();
  assertEquals(seen, ["3 20480"]);
});

Deno.test("Cpu refuses RAM that its memory does not have [CPU-15]", () => {
  const memory = new WebAssembly.Memory({ initial: 16, maximum: 16 });
  const ports = { read: () => 0, write: () => {} };
  assertThrows(() => new Cpu({ memory, ramBytes: 4096, ports, acknowledge: () => 0 }), RangeError);
});

Deno.test("Cpu goes on from what it saved, the wait after STI included [CPU-7]", () => {
  const { events, make } = recorder(), program = make();
  program.code("fb 40 40 f4"); // sti; inc; inc
  program.cpu.setInterruptLine(true);
  program.run(1);
  const saved = program.cpu.save(), memory = new Uint8Array(program.ram.buffer).slice();
  program.run(3);
  new Uint8Array(program.ram.buffer).set(memory);
  program.cpu.restore(saved);
  program.run(3);
  const expected = `32 at ${(CODE + 2).toString(16)}`;
  assertEquals(events, [expected, expected]);
});
