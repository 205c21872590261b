import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { bootGuest, bootMachine, Guest } from "./guest.ts";
import { replayGolden } from "./traces.ts";

const report = (): string => bootGuest().machine.serial.text;

Deno.test("Every part reports in the order of initialisation [MAIN-1]", () => {
  const parts = [...report().matchAll(/^\[ OK \] (\w+):/gm)].map(([, name]) => name);
  const expected = ["Serial", "GDT", "IDT", "PIC", "Timer", "Keyboard", "PMM", "VMM", "Heap"];
  assertEquals(parts, expected);
});

Deno.test("Interrupts are on, and two boots print the same bytes [MAIN-2]", () => {
  const texts = [1, 2].map((seed) => {
    const machine = bootMachine({ seed }); // what RAM contains must not show either
    machine.run({ until: "idle" });
    assert((machine.registers.eflags & 0x200) !== 0);
    return machine.serial.text;
  });
  assertEquals(texts[0], texts[1]);
});

Deno.test("The demonstration runs step by step [MAIN-3] [MAIN-4] [MAIN-5]", () => {
  const text = report();
  const [pmm] = /^PMM: .*$/m.exec(text)!;
  const free = "Heap: 1048576 bytes, 1048576 free, 0 used";
  const steps = text.slice(text.indexOf("Memory statistics"));
  assertEquals(steps.split("\n"), [
    ...["Memory statistics", pmm, free, ""],
    ...["Dynamic allocation", "kmalloc(1024) = 0x00400010", "kmalloc(2048) = 0x00400420"],
    ...["kcalloc(10, 64) = 0x00400c30", "Heap: 1048576 bytes, 1044816 free, 3760 used", ""],
    ...["Deallocation", "kfree(0x00400010)", "kfree(0x00400420)", "kfree(0x00400c30)", ""],
    ...["Final statistics", pmm, free, ""],
    ...["Day 6 Memory Management System Complete!", "", "> "],
  ]);
});

Deno.test("Without a working COM1 the kernel comes up on the screen alone [MAIN-6]", () => {
  const machine = bootMachine();
  Object.assign(machine.pc.uart1, { read: () => 0xff }); // as if nobody were there
  assertEquals(machine.run({ until: "idle", budget: 50_000_000 }).kind, "idle");
  assertEquals(machine.serial.text, "");
  const guest = new Guest(machine);
  assertStringIncludes(machine.screen.text, "Day 6 Memory Management System Complete!");
  guest.machine.type("heap\n");
  guest.settle();
  assertStringIncludes(machine.screen.text, "> heap\nHeap: ");
  const screen = bootMachine();
  Object.assign(screen.pc.uart1, { read: () => 0xff });
  screen.run({ until: { reaches: "gdt_init" } });
  assertStringIncludes(screen.screen.text, "[none] Serial: COM1 failed its self-test");
});

Deno.test("The boot raises no exception and uses devices as their data sheets say [MAIN-7]", () => {
  const complaints: string[] = [];
  let started = false; // the firmware's deeds are not the kernel's
  const hooks = {
    delivered: (vector: number, _code: number, source: string) =>
      source === "exception" && complaints.push(`vector ${vector}`),
    diagnose: (clause: string, message: string) => started && complaints.push(clause + message),
  };
  const machine = bootMachine({ hooks });
  started = true;
  assertEquals(machine.run({ until: "idle" }).kind, "idle");
  assertEquals(complaints, []);
  assertEquals([...machine.pc.bus.unclaimed], []);
});

Deno.test("The start replays its golden trace", async () => {
  const { golden, trace } = await replayGolden("main");
  assertEquals(trace, golden);
});
