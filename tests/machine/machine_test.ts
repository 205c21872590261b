import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { boot } from "../../machine/boot.ts";
import { CallError, type Machine } from "../../machine/machine.ts";
import { kernel } from "./images.ts";
import { programs, replayGolden } from "./traces.ts";

const RAM = 0x200000;
const REFERENCE = new URL("../../fixtures/kernel.elf", import.meta.url);

const start = (...code: number[]): Machine => boot(kernel(code), { ramBytes: RAM });
const startNamed = (name: string): Machine => start(...programs[name]);
const reference = async (): Promise<Machine> => boot(await Deno.readFile(REFERENCE));

/**
 * A kernel with an IDT in which every interrupt is acknowledged and forgotten, that then halts for
 * ever: `mask` is the master's. Gates for 256 vectors lead to a handler at 100100h.
 */
function resting(mask: number, loop: number[] = [0xf4, 0xeb, 0xfd]): Machine {
  const machine = start(
    ...[0xbc, 0x00, 0x00, 0x15, 0x00], // mov esp, 150000h
    ...[0x0f, 0x01, 0x15, 0x00, 0x02, 0x10, 0x00], // lgdt [100200h]
    ...[0x0f, 0x01, 0x1d, 0x10, 0x02, 0x10, 0x00], // lidt [100210h]
    ...[0xb0, mask, 0xe6, 0x21, 0xfb], // master's mask; sti
    ...loop, // hlt; jmp to it
  );
  const { memory } = machine;
  const handler = [0x50, 0xb0, 0x20, 0xe6, 0x20, 0x58, 0xcf]; // push eax; out 20h, 20h; pop; iret
  memory.load(0x100100, Uint8Array.from(handler));
  memory.load(0x100200, Uint8Array.of(0x17, 0, 0, 3, 0x10, 0)); // GDT: 24 bytes at 100300h
  memory.load(0x100210, Uint8Array.of(0xff, 7, 0, 0, 0x11, 0)); // IDT: 256 gates at 110000h
  memory.load(0x100308, Uint8Array.of(0xff, 0xff, 0, 0, 0, 0x9b, 0xcf, 0));
  memory.load(0x100310, Uint8Array.of(0xff, 0xff, 0, 0, 0, 0x93, 0xcf, 0));
  for (let vector = 0; vector < 256; vector++) {
    memory.load(0x110000 + 8 * vector, Uint8Array.of(0, 1, 8, 0, 0, 0x8e, 0x10, 0));
  }
  return machine;
}

Deno.test("Machine's run is the same every time [MACHINE-1]", async () => {
  const results: unknown[] = [];
  for (let i = 0; i < 2; i++) {
    const machine = await reference();
    const first = machine.run({ until: "idle" });
    machine.type("mem\n");
    const second = machine.run({ until: "idle" });
    results.push([first, second, machine.serial.text, machine.hash()]);
  }
  assertEquals(results[0], results[1]);
});

Deno.test("Machine cut into many runs is the same as in one [MACHINE-1]", async () => {
  const whole = await reference(), parts = await reference();
  whole.run({ budget: 300_000, idleAfter: Infinity });
  for (let i = 0; i < 300; i++) parts.run({ budget: 1000, idleAfter: Infinity });
  assertEquals(parts.hash(), whole.hash());
});

Deno.test("Machine ends with a value that says why and where [MACHINE-2]", () => {
  const ends: Record<string, string> = {
    "exit-5": "guest-exit",
    "halt": "halted",
    "sleep": "triple-fault",
    "spin": "budget",
    "invalid": "triple-fault",
    "off": "power-off",
    "reset": "reset",
  };
  for (const [name, kind] of Object.entries(ends)) {
    const stop = startNamed(name).run({ budget: 1000 });
    assertEquals(stop.kind, kind);
  }
  const stop = startNamed("exit-5").run();
  assert(stop.kind === "guest-exit");
  assertEquals([stop.value, stop.code, stop.instructions, stop.eip], [5, 11, 2, 0x100010]);
});

Deno.test("Machine survives random code [MACHINE-2]", () => {
  let x = 12345;
  const random = () => (x = Math.imul(x, 1103515245) + 12345 | 0) >>> 16 & 0xff;
  for (let i = 0; i < 60; i++) {
    const stop = start(...Array.from({ length: 200 }, random)).run({ budget: 20_000 });
    assert(stop.kind.length > 0);
  }
});

Deno.test("Machine halts for good with interrupts off [MACHINE-3]", () => {
  const stop = startNamed("halt").run();
  assert(stop.kind === "halted");
  assertEquals(stop.why, "interrupts are off");
});

Deno.test("Machine halts for good when nothing can wake it, idles if input can [MACHINE-4]", () => {
  const ends = [0xff, 0xfd].map((mask) => resting(mask).run({ idleAfter: Infinity }).kind);
  assertEquals(ends, ["halted", "idle"]);
  assertEquals(resting(0xfe).run({ budget: 100_000, idleAfter: Infinity }).kind, "budget");
});

Deno.test("Machine idles after 100 ms if asked, else after 10 s [MACHINE-5]", () => {
  const seconds = (options: Parameters<Machine["run"]>[0]) => {
    const stop = resting(0xfe).run(options);
    assertEquals(stop.kind, "idle");
    return stop.ticks / 1e8;
  };
  assert(Math.abs(seconds({ until: "idle" }) - 0.15) < 0.06);
  assert(Math.abs(seconds({}) - 10) < 0.1);
  assert(Math.abs(seconds({ idleAfter: 500 }) - 0.5) < 0.1);
});

Deno.test("Machine spends a budget exactly, and none on HLT [MACHINE-6]", () => {
  const spinning = startNamed("spin");
  assertEquals([1, 2, 1000, 0].map((budget) => spinning.run({ budget }).instructions), [
    1,
    3,
    1003,
    1003,
  ]);
  assertEquals(spinning.ticks, 1003);
  const asleep = resting(0xfe);
  const stop = asleep.run({ budget: 40, idleAfter: Infinity });
  assertEquals([stop.kind, stop.instructions], ["budget", 40]);
  assert(stop.ticks > 10_000_000, `${stop.ticks}`);
});

Deno.test("Machine ends a run with the last byte of a text [MACHINE-7]", () => {
  const say = [..."xyz!"].flatMap((c) => [0xb0, c.charCodeAt(0), 0xee]);
  const machine = start(0x66, 0xba, 0xf8, 0x03, ...say, 0xeb, 0xfe);
  const stop = machine.run({ until: { serial: "yz" }, budget: 100 });
  assertEquals([stop.kind, stop.instructions, machine.serial.text], ["condition", 7, "xyz"]);
  assertEquals(machine.run({ until: { serial: "yz" }, budget: 100 }).kind, "budget");
});

Deno.test("Machine looks at a predicate once a virtual millisecond [MACHINE-8]", () => {
  for (const machine of [startNamed("spin"), resting(0xfe)]) {
    const looks: number[] = [];
    const stop = machine.run({
      until: ({ ticks }) => looks.push(ticks) === 5,
      idleAfter: Infinity,
    });
    assertEquals([stop.kind, looks], ["condition", [1, 2, 3, 4, 5].map((n) => n * 100_000)]);
  }
});

Deno.test("Machine stops before a symbol and goes on behind it [MACHINE-9]", () => {
  const machine = start(0x40, 0x43, 0xeb, 0xfc); // inc eax; inc ebx; jmp to the start
  const stop = machine.run({ until: { reaches: 0x10000d } });
  assertEquals([stop.kind, stop.eip, stop.instructions], ["breakpoint", 0x10000d, 1]);
  assertEquals(machine.run({ until: { reaches: [0x10000d, 0x10000e] } }).instructions, 2);
  assertEquals(machine.run({ until: { reaches: "_start" } }).at, "_start");
  assertEquals(machine.run({ until: { reaches: "_start" } }).instructions, 6);
  assertEquals(machine.run({ budget: 100 }).kind, "budget");
  assertThrows(() => machine.run({ until: { reaches: "nowhere" } }), RangeError, "symbol nowhere");
});

Deno.test("Machine calls guest functions and leaves no trace in registers [MACHINE-10]", async () => {
  const machine = await reference();
  machine.run({ until: "idle" });
  const before = machine.registers, ticks = machine.call("timer_get_ticks");
  const first = machine.call("kmalloc", 100), second = machine.call("kcalloc", 3, 8);
  assertEquals(machine.heapBlocks().filter((b) => !b.free).map((b) => b.address + 16), [
    first,
    second,
  ]);
  machine.call("terminal_writestring", "from outside");
  assert(machine.serial.text.endsWith("from outside"));
  assertEquals([machine.registers, machine.pc.cpu.halted], [before, true]);
  machine.run({ until: (m) => m.ticks > 0 });
  machine.run({ until: "idle", idleAfter: 200 });
  assert(machine.call("timer_get_ticks") >= ticks + 20);
});

Deno.test("Machine pushes arguments on an aligned stack [MACHINE-10]", () => {
  // mov eax, [esp + 4]; sub eax, [esp + 8]; shl eax, 8; mov al, [esp mod 16]; ret
  const code = [0x8b, 0x44, 0x24, 0x04, 0x2b, 0x44, 0x24, 0x08, 0xc1, 0xe0, 0x08];
  const machine = start(...code, 0x89, 0xe2, 0x83, 0xe2, 0x0f, 0x88, 0xd0, 0xc3);
  machine.pc.cpu.state.setRegister(4, 0x150003);
  assertEquals(machine.call("_start", 50, 8), 42 << 8 | 12); // ESP + 4 is a multiple of 16
});

Deno.test("Machine tells how a call ended that did not return [MACHINE-11]", () => {
  const machine = startNamed("halt");
  machine.pc.cpu.state.setRegister(4, 0x150000);
  const error = assertThrows(
    () => machine.call("_start"),
    CallError,
    "Cannot get a result of _start",
  );
  assertEquals((error as CallError).stop.kind, "halted");
  const spinning = startNamed("spin");
  spinning.pc.cpu.state.setRegister(4, 0x150000);
  const result = spinning.invoke(0x10000c, [], 1000);
  assert(result.kind === "stopped" && result.stop.kind !== "idle");
});

Deno.test("Machine reads and writes linear memory through the page tables [MACHINE-12]", async () => {
  const machine = await reference();
  machine.run({ until: "idle" });
  const physAddr = machine.translate(0x400000);
  assert(physAddr !== undefined && physAddr !== 0x400000);
  assertEquals(machine.readWord(0x400000), machine.memory.read(physAddr, 4));
  assertEquals([machine.translate(0x80000000), machine.readWord(0x80000000)], [
    undefined,
    undefined,
  ]);
  machine.writeBytes(0x400ffe, Uint8Array.of(1, 2, 3, 4));
  assertEquals(machine.readWord(0x400ffe), 0x04030201);
  assertEquals(machine.readBytes(0x400ffe, 4), Uint8Array.of(1, 2, 3, 4));
  assertThrows(() => machine.writeBytes(0x80000000, Uint8Array.of(1)), RangeError, "not mapped");
});

Deno.test("Machine goes on from a snapshot exactly as before [MACHINE-13]", async () => {
  const machine = await reference();
  machine.run({ until: { serial: "Dynamic" } });
  const snapshot = machine.snapshot(), ends: unknown[] = [];
  for (let i = 0; i < 2; i++) {
    const stop = machine.run({ until: "idle" });
    machine.serial.send("blocks\n");
    ends.push([stop, machine.run({ until: "idle" }), machine.serial.text, machine.hash()]);
    machine.restore(snapshot);
  }
  assertEquals(ends[0], ends[1]);
  const other = await reference();
  other.run({ until: { serial: "Dynamic" } });
  assertEquals(other.hash(), machine.hash());
});

Deno.test("Machine's hash is of everything that the guest could notice [MACHINE-14]", () => {
  const machine = startNamed("spin"), hash = machine.hash();
  machine.snapshot();
  machine.pageTables();
  assertEquals(machine.hash(), hash);
  assertEquals(startNamed("spin").hash(), hash);
  const changes: ((m: Machine) => void)[] = [
    (m) => m.memory.write(0x1ffff0, 1, m.memory.read(0x1ffff0, 1) ^ 1),
    (m) => m.memory.write(0xb8000, 1, 0x41),
    (m) => m.pc.cpu.state.setRegister(6, 1),
    (m) => m.pc.bus.write(0x21, 1, 0),
    (m) => m.run({ budget: 1 }),
    (m) => m.pc.clock.skip(1),
  ];
  for (const change of changes) {
    const other = startNamed("spin");
    change(other);
    assertNotEquals(other.hash(), hash);
  }
});

Deno.test("Machine shows how a triple fault came to be [MACHINE-15]", () => {
  const stop = startNamed("invalid").run();
  assert(stop.kind === "triple-fault");
  assertEquals([stop.chain[0].vector, stop.chain[0].eip], [6, 0x10000c]);
  assertEquals([stop.registers.eip, stop.code.slice(0, 2), stop.at], [
    0x10000c,
    [0x0f, 0x0b],
    "_start",
  ]);
});

Deno.test("Machine counts endless exceptions anew after a restore [MACHINE-13] [MACHINE-16]", () => {
  const machine = resting(0xff, [0x0f, 0x0b]);
  machine.memory.load(0x100100, Uint8Array.of(0x0f, 0x0b));
  machine.memory.write(0x10000d, 4, 0x80000000);
  const start = machine.snapshot(), first = machine.run(), { esp } = machine.registers;
  machine.restore(start);
  assertEquals([machine.run(), machine.registers.esp], [first, esp]);
});

Deno.test("Machine ends exceptions that never end [MACHINE-16]", () => {
  const machine = resting(0xff, [0x0f, 0x0b]); // ud2, whose handler shall be:
  machine.memory.load(0x100100, Uint8Array.of(0x0f, 0x0b));
  machine.memory.write(0x10000d, 4, 0x80000000); // ESP: where pushes are lost
  const stop = machine.run();
  assert(stop.kind === "exception-loop");
  assertEquals([stop.vector, stop.instructions], [6, 6]);
});

Deno.test("Machine tells the observer of an address, in runs and calls [MACHINE-19]", async () => {
  const machine = await reference(), seen: string[] = [];
  const entry = machine.address("kmalloc");
  machine.tap(entry, () => void seen.push(machine.registers.eip.toString(16)));
  machine.run({ until: "idle" });
  const inBoot = seen.length;
  assert(inBoot > 2 && seen.every((eip) => eip === entry.toString(16)));
  machine.call("kmalloc", 5);
  assertEquals(seen.length, inBoot + 1);
  machine.call("kcalloc", 5, 6);
  assertEquals(seen.length, inBoot + 2);
  machine.tap(entry, undefined);
  machine.call("kmalloc", 5);
  assertEquals(seen.length, inBoot + 2);
});

Deno.test("Machine tells the observer also where a run ends, once [MACHINE-19]", () => {
  const machine = startNamed("spin"), seen: number[] = []; // jmp $
  machine.tap(0x10000c, () => void seen.push(machine.instructions));
  assertEquals(machine.run({ until: { reaches: 0x10000c } }).kind, "breakpoint");
  assertEquals(machine.run({ until: { reaches: 0x10000c } }).instructions, 1);
  assertEquals(machine.step().instructions, 2);
  machine.step(2);
  assertEquals(seen, [0, 1, 2, 3]);
});

Deno.test("Machine tells of accesses to memory, and whose they are [MACHINE-20]", async () => {
  const machine = await reference(), seen = new Set<string>();
  machine.run({ until: "idle" });
  const block = machine.call("kmalloc", 5);
  machine.writeBytes(block, Uint8Array.of(0x41, 0));
  const note = (address: number, bytes: number, access: string): void => {
    const at = machine.describe(machine.currentAddress).replace(/\+.*/, "");
    seen.add(`${access} ${address - block} ${bytes} ${at}`);
  };
  machine.watch(block, block + 5, note);
  machine.call("serial_write_string", 0x3f8, block);
  assertEquals([...seen], ["load 0 1 serial_write_string", "load 1 1 serial_write_string"]);
  machine.watch(block, block + 5, undefined);
  machine.call("serial_write_string", 0x3f8, block + 1);
  assertEquals(seen.size, 2);
});

Deno.test("Machine runs the same with observers and without [MACHINE-19, MACHINE-20]", async () => {
  const ends: unknown[] = [];
  for (const isObserved of [false, true]) {
    const machine = await reference();
    const names = isObserved ? ["kmalloc", "kfree", "irq_handler", "terminal_putchar"] : [];
    for (const name of names) machine.tap(machine.address(name), () => machine.readWord(0));
    if (isObserved) machine.watch(0, 0xc00000, () => machine.currentAddress);
    machine.type("mem\n");
    ends.push([machine.run({ until: "idle" }), machine.call("kmalloc", 9)]);
    ends.push([machine.instructions, machine.ticks, machine.serial.text, machine.hash()]);
  }
  assertEquals(ends.slice(2), ends.slice(0, 2));
});

Deno.test("Machine replays its golden trace", async () => {
  const { golden, trace } = await replayGolden("machine");
  assertEquals(trace, golden);
});

Deno.test("Machine rests on through runs that resume [MACHINE-17]", () => {
  const whole = resting(0xfe), parts = resting(0xfe);
  const rest = whole.run({ idleAfter: 500 });
  let stop = parts.run({ budget: 7, idleAfter: 500 });
  while (stop.kind === "budget") stop = parts.run({ budget: 7, idleAfter: 500, resume: true });
  assertEquals([stop.kind, stop.instructions], [rest.kind, rest.instructions]);
  assertEquals(parts.hash(), whole.hash());
});

Deno.test("Machine ends a run when a hook interrupts it [MACHINE-18]", () => {
  const code = [0xb0, 0x61, 0xe6, 0xe9, 0x90, 0x90, 0xeb, 0xfe]; // mov al, 'a'; out e9h, al; ...
  const machine: Machine = boot(kernel(code), {
    ramBytes: RAM,
    hooks: { serial: () => machine.interrupt() },
  });
  assertEquals([machine.run().kind, machine.instructions], ["condition", 2]);
  assertEquals(machine.run({ budget: 5 }).instructions, 7);
});
