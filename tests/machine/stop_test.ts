import { assert, assertEquals } from "@std/assert";
import {
  describeStop,
  describeTripleFault,
  registerLines,
  type Registers,
  type Stop,
} from "../../machine/stop.ts";
import { replayGolden } from "./traces.ts";

const registers = Object.fromEntries(
  [
    ..."eax ebx ecx edx esi edi ebp esp eip eflags cs ss ds es fs gs cr0 cr2 cr3 cr4".split(" "),
  ].map((name, i) => [name, i]),
) as unknown as Registers;
const place = { instructions: 9, ticks: 9, eip: 0x1000, at: "main" };
const fault: Extract<Stop, { kind: "triple-fault" }> = {
  ...place,
  kind: "triple-fault",
  chain: [
    { vector: 14, code: 2, eip: 0x1000, cr2: 0xdeadbeef },
    { vector: 8, code: 0, eip: 0x1000 },
    { vector: 6, code: -1, eip: 0x1000 },
  ],
  registers,
  code: [0x0f, 0x0b],
};

Deno.test("A triple fault that an interrupt began does not name an exception [STOP-2]", () => {
  const tick: typeof fault = {
    ...fault,
    chain: [{ vector: 8, code: -1, eip: 0x1000, isInterrupt: true }],
  };
  assertEquals(describeStop(tick), "triple fault after an interrupt at vector 8");
  assert(describeTripleFault(tick, () => "main")[0].includes("an interrupt at vector 8 at main"));
});

Deno.test("Stop of each kind is described by one line [STOP-1]", () => {
  const stops: Stop[] = [
    { ...place, kind: "guest-exit", value: 16, code: 33 },
    { ...place, kind: "power-off" },
    { ...place, kind: "reset", by: "port 92h" },
    { ...place, kind: "halted", why: "interrupts are off" },
    { ...place, kind: "idle" },
    fault,
    { ...place, kind: "breakpoint", address: 0x1000, symbol: undefined },
    { ...place, kind: "condition" },
    { ...place, kind: "budget" },
    { ...place, kind: "exception-loop", vector: 14 },
    { ...place, kind: "unmodelled", what: "real mode" },
  ];
  for (const stop of stops) assert(/^[^\n]{10,}$/.test(describeStop(stop)), stop.kind);
  assertEquals(describeStop(stops[0]), "the guest exited with 16 (exit code 33)");
  assertEquals(describeStop(stops[6]), "breakpoint at 0x00001000");
});

Deno.test("Stop by a triple fault shows exceptions, registers and bytes [STOP-2]", () => {
  const lines = describeTripleFault(fault, (address) => `f+${address.toString(16)}`);
  assertEquals(lines.slice(0, 3), [
    "  #PF page fault, error code 0x00000002, address 0xdeadbeef at f+1000 (0x00001000)",
    "  #DF double fault, error code 0x00000000 at f+1000 (0x00001000)",
    "  #UD invalid opcode at f+1000 (0x00001000)",
  ]);
  assertEquals(lines.at(-1), "  instruction at f+1000: 0f 0b");
});

Deno.test("Registers are shown four a line [STOP-3]", () => {
  const lines = registerLines(registers);
  assertEquals([lines.length, lines[0]], [
    5,
    "  eax=00000000 ebx=00000001 ecx=00000002 edx=00000003",
  ]);
  assertEquals(lines[4], "  cr0=00000010 cr2=00000011 cr3=00000012 cr4=00000013");
});

Deno.test("Stop replays its golden trace", async () => {
  const { golden, trace } = await replayGolden("stop");
  assertEquals(trace, golden);
});
