import { assert, assertEquals } from "@std/assert";
import { boot } from "../../machine/boot.ts";
import { Memory } from "../../machine/memory.ts";
import { type MachineHooks, Pc } from "../../machine/pc.ts";
import { kernel } from "./images.ts";
import { replayGolden } from "./traces.ts";

const newPc = (hooks?: MachineHooks) => new Pc({ memory: new Memory(0x200000), hooks });

/** The ports of the specification's table. */
const table: [first: number, last: number, owner: RegExp][] = [
  [0x20, 0x21, /master/],
  [0x40, 0x43, /8254/],
  [0x60, 0x60, /keyboard/],
  [0x61, 0x61, /port B/],
  [0x64, 0x64, /keyboard/],
  [0x70, 0x71, /CMOS/],
  [0x80, 0x80, /POST/],
  [0x92, 0x92, /92h/],
  [0xa0, 0xa1, /slave/],
  [0xe9, 0xe9, /debug console/],
  [0xf4, 0xf7, /debug exit/],
  [0x2f8, 0x2ff, /COM2/],
  [0x3c0, 0x3df, /VGA/],
  [0x3f8, 0x3ff, /COM1/],
  [0x604, 0x605, /power/],
  [0xcf9, 0xcf9, /reset/],
];

Deno.test("Pc has devices at the ports of the table, nowhere else [PC-1]", () => {
  const { bus } = newPc();
  let claimed = 0;
  for (let port = 0; port < 0x10000; port++) claimed += bus.owner(port) === undefined ? 0 : 1;
  for (const [first, last, owner] of table) {
    for (let port = first; port <= last; port++) {
      assert(owner.test(bus.owner(port) ?? ""), `${port}`);
    }
    claimed -= last - first + 1;
  }
  assertEquals(claimed, 0);
});

/** What the processor gets when all lines are open and something has happened. */
function vectorAfter(happens: (pc: Pc) => void): number {
  const pc = newPc();
  for (const port of [0x21, 0xa1]) pc.bus.write(port, 1, 0xff);
  happens(pc);
  for (const port of [0x21, 0xa1]) pc.bus.write(port, 1, 0x00);
  assert(pc.master.state().int);
  return pc.master.acknowledge();
}

Deno.test("Pc wires interrupts as in the table [PC-2]", () => {
  const uart = (base: number) => (pc: Pc) => {
    pc.bus.write(base + 4, 1, 0x08); // OUT2 lets the interrupt out
    pc.bus.write(base + 1, 1, 0x01);
    (base === 0x3f8 ? pc.com1 : pc.com2).send("x");
  };
  const key = (pc: Pc) => {
    pc.keyboard.press("KeyA");
    pc.clock.skip(1_000_000);
    pc.bus.write(0x21, 1, 0xfd); // the timer has ticked, too
    pc.bus.write(0x20, 1, 0x0b);
  };
  const periodic = (pc: Pc) => {
    for (const [port, value] of [[0x70, 0x0b], [0x71, 0x42]]) pc.bus.write(port, 1, value);
    pc.clock.skip(200_000);
  };
  assertEquals(vectorAfter((pc) => pc.clock.skip(6_000_000)), 0x08);
  assertEquals(vectorAfter(uart(0x2f8)), 0x0b);
  assertEquals(vectorAfter(uart(0x3f8)), 0x0c);
  assertEquals(vectorAfter(periodic), 0x70);
  const pc = newPc();
  pc.bus.write(0x21, 1, 0xff);
  key(pc);
  assertEquals(pc.master.acknowledge(), 0x09);
});

Deno.test("Pc brings chips to the present before an access, and serves them on time [PC-3]", () => {
  // two latched reads of channel 0, 100,000 instructions apart: mov ecx, 99999; loop $
  const settle = [0xb9, 0xc8, 0x00, 0x00, 0x00, 0xe2, 0xfe]; // until the count is loaded
  const read = [0xb0, 0x00, 0xe6, 0x43, 0xe4, 0x40, 0x88, 0xc3, 0xe4, 0x40, 0x88, 0xc7];
  const wait = [0xb9, 0x9f, 0x86, 0x01, 0x00, 0xe2, 0xfe];
  const code = [...settle, ...read, 0x89, 0xda, ...wait, ...read, 0xfa, 0xf4];
  const machine = boot(kernel(code), { ramBytes: 0x200000 });
  machine.run();
  const [before, after] = [machine.registers.edx, machine.registers.ebx].map((r) => r & 0xffff);
  const ticks = 6 + 1 + 100_000; // instructions between the latch commands: 1,193,182 Hz of 100 MHz
  const clocks = (before - after) & 0xffff, exact = ticks * 1_193_182 / 100_000_000;
  assert(Math.abs(clocks - exact) <= 1, `${clocks} clocks in ${ticks} ticks`);
});

Deno.test("Pc serves a chip that became due earlier, to the tick [PC-3]", () => {
  // mov ecx, 5000; loop $; out 43h, 30h; out 40h, 10; out 40h, 0; sti; jmp $: no IDT is there
  const wait = [0xb9, 0x88, 0x13, 0x00, 0x00, 0xe2, 0xfe];
  const oneShot = [0xb0, 0x30, 0xe6, 0x43, 0xb0, 0x0a, 0xe6, 0x40, 0xb0, 0x00, 0xe6, 0x40];
  const machine = boot(kernel([...wait, ...oneShot, 0xfb, 0xeb, 0xfe]), { ramBytes: 0x200000 });
  const stop = machine.run({ budget: 99999 });
  const written = 5006; // instructions before the one that writes the count's second byte
  const next = Math.floor(written * 1_193_182 / 100_000_000) + 1; // the clock that loads it
  const due = Math.ceil((next + 10) * 100_000_000 / 1_193_182);
  assertEquals([stop.kind, stop.instructions], ["triple-fault", due]);
});

Deno.test("Pc is as firmware leaves it [PC-4]", () => {
  const pc = newPc();
  assertEquals([pc.bus.read(0x21, 1), pc.bus.read(0xa1, 1)], [0xb8, 0x8e]);
  assertEquals([pc.master.state().base, pc.slave.state().base], [0x08, 0x70]);
  pc.bus.write(0x43, 1, 0xe2); // latch channel 0's status
  assertEquals(pc.bus.read(0x40, 1) & 0x3f, 0x34);
  assertEquals([pc.bus.read(0x3fb, 1), pc.bus.read(0x2fb, 1)], [0x03, 0x03]);
  assertEquals(pc.memory.read(0xb8000, 4), 0x07200720);
  assertEquals(pc.vga.text().trim(), "");
});

Deno.test("Pc closes address line 20 by port 92h and by the keyboard controller [PC-5]", () => {
  const pc = newPc();
  assertEquals(pc.cpu.paging.a20, true);
  pc.bus.write(0x92, 1, 0x00);
  assertEquals(pc.cpu.paging.a20, false);
  pc.bus.write(0x92, 1, 0x02);
  assertEquals(pc.cpu.paging.a20, true);
  pc.bus.write(0x64, 1, 0xd1);
  pc.bus.write(0x60, 1, 0xdd);
  assertEquals(pc.cpu.paging.a20, false);
});

Deno.test("Pc ends a run after the instruction that asks for it [PC-6]", () => {
  const ends: [number[], string][] = [
    [[0xb0, 0x01, 0xe6, 0xf4], "guest-exit"],
    [[0xb0, 0x01, 0xe6, 0x92], "reset"],
    [[0xb0, 0xfe, 0xe6, 0x64], "reset"],
    [[0x66, 0xba, 0xf9, 0x0c, 0xb0, 0x06, 0xee], "reset"],
    [[0x66, 0xba, 0x04, 0x06, 0x66, 0xb8, 0x00, 0x20, 0x66, 0xef], "power-off"],
  ];
  for (const [code, kind] of ends) {
    const machine = boot(kernel([...code, 0xeb, 0xfe]), { ramBytes: 0x200000 });
    const stop = machine.run({ budget: 100 });
    assertEquals([stop.kind, stop.eip], [kind, 0x10000c + code.length]);
  }
});

Deno.test("Pc's time-stamp counter counts skipped ticks, too [PC-7]", () => {
  const machine = boot(kernel([0x0f, 0x31, 0xeb, 0xfe]), { ramBytes: 0x200000 }); // rdtsc
  machine.pc.clock.skip(5000);
  machine.run({ budget: 1 });
  assertEquals([machine.registers.eax, machine.registers.edx], [5000, 0]);
});

Deno.test("Pc tells its hooks, and runs the same without them [PC-8]", () => {
  const log: string[] = [];
  const hooks: MachineHooks = {
    portRead: (port, value) => log.push(`in ${port} ${value}`),
    portWrite: (port, value) => log.push(`out ${port} ${value}`),
    serial: (line, byte) => log.push(`${line} ${byte}`),
    diagnose: (clause) => log.push(clause),
    delivered: (vector) => log.push(`vector ${vector}`),
  };
  // out e9h, 'A'; COM1 'B'; in 92h; reserved bits to 92h; ud2
  const code = [0xb0, 0x41, 0xe6, 0xe9, 0x66, 0xba, 0xf8, 0x03, 0xb0, 0x42, 0xee, 0xe4, 0x92]
    .concat([0xb0, 0x06, 0xe6, 0x92, 0x0f, 0x0b]);
  const run = (hooks?: MachineHooks) => {
    const machine = boot(kernel(code), { ramBytes: 0x200000, hooks });
    return [machine.run({ budget: 100 }), machine.hash()];
  };
  const told = run(hooks);
  const start = log.indexOf("out 233 65");
  assertEquals(log.slice(start), [
    ...["out 233 65", "debug 65", "out 1016 66", "com1 66", "in 146 2"],
    ...["out 146 6", "PORTS-8", "vector 6"],
  ]);
  assertEquals(run(), told);
});

Deno.test("Pc replays its golden trace", async () => {
  const { golden, trace } = await replayGolden("pc");
  assertEquals(trace, golden);
});
