import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { bootGuest, type Guest } from "./guest.ts";
import { replayGolden } from "./traces.ts";

/** What the monitor says to a command, without its echo and the next prompt. */
function answer(guest: Guest, command: string): string {
  const said = guest.command(command);
  assert(said.startsWith(`${command}\n`) && said.endsWith("> "), said);
  return said.slice(command.length + 1, -2);
}

Deno.test("The prompt waits, and what is typed is echoed [MONITOR-1]", () => {
  const guest = bootGuest();
  assert(guest.machine.serial.text.endsWith("\n> "));
  assertEquals(guest.command("heap"), "heap\nHeap: 1048576 bytes, 1048576 free, 0 used\n> ");
  const said = guest.said(() => {
    guest.machine.serial.send("\n"); // newline ends a line as carriage return does
    guest.settle();
  });
  assertEquals(said, "\n> ");
});

Deno.test("Backspace and DEL erase, but not the prompt [MONITOR-2]", () => {
  const guest = bootGuest();
  const said = guest.command("\b\x7fmex\bm\x7fmm\b");
  assert(said.startsWith("mex\b \bm\b \bmm\b \b\nPMM: "), said);
});

Deno.test("A line takes 71 characters and no control characters [MONITOR-2]", () => {
  const guest = bootGuest();
  const said = guest.command("x".repeat(100) + "\x01\x1b");
  assertEquals(said.split("\n")[0], "x".repeat(71));
});

Deno.test("mem, heap and blocks show the managers [MONITOR-3]", () => {
  const guest = bootGuest();
  assertMatch(answer(guest, "mem"), /^PMM: 8160 pages of 4096 bytes, \d+ free, \d+ used\n$/);
  assertEquals(answer(guest, "heap"), "Heap: 1048576 bytes, 1048576 free, 0 used\n");
  assertEquals(answer(guest, "blocks"), "0x00400000  1048560 bytes free\n");
});

Deno.test("alloc and free use the heap [MONITOR-3]", () => {
  const guest = bootGuest();
  assertEquals(answer(guest, "alloc 100"), "0x00400010\n");
  assertEquals(answer(guest, "alloc 9000000"), "Not possible\n");
  assertEquals(answer(guest, "free 0x400010"), "Freed\n");
  assertEquals(answer(guest, "free 4194320"), "kfree: 0x00400010 is already free\n");
});

Deno.test("map shows a translation [MONITOR-3]", () => {
  const guest = bootGuest();
  assertEquals(answer(guest, "map 0x100abc"), "0x00100abc -> 0x00100abc read-only kernel\n");
  assertMatch(answer(guest, "map 0x400004"), /^0x00400004 -> 0x[0-9a-f]{5}004 writable kernel\n$/);
  assertEquals(answer(guest, "map 0x20000000"), "0x20000000 is not mapped\n");
});

Deno.test("ticks, help and panic do what they say [MONITOR-3]", () => {
  const guest = bootGuest();
  const ticks = Number(answer(guest, "ticks"));
  assert(guest.call("timer_get_ticks") >= ticks && ticks > 0);
  const help = answer(guest, "help");
  for (const name of ["mem", "heap", "blocks", "map", "alloc", "free", "ticks", "panic"]) {
    assertMatch(help, new RegExp(`^${name} `, "m"));
  }
  guest.machine.serial.send("panic\r");
  assertEquals(guest.machine.run({ until: "idle", budget: 10_000_000 }).kind, "halted");
  assertStringIncludes(guest.machine.serial.text, "KERNEL PANIC: asked for at the monitor\n");
});

Deno.test("The processor is halted while it waits, and misses nothing [MONITOR-4]", () => {
  const guest = bootGuest();
  const before = guest.machine.instructions, { ticks } = guest.machine;
  guest.machine.run({ until: (machine) => machine.ticks > ticks + 1e8, idleAfter: Infinity });
  assert(guest.machine.instructions - before < 100_000);
  assert((guest.machine.registers.eflags & 0x200) !== 0);
});

Deno.test("A byte is taken at whatever instruction it arrives [MONITOR-4]", () => {
  const guest = bootGuest();
  guest.call("pic_set_mask", 0); // no clock that could wake it by chance
  const { machine } = guest, start = machine.snapshot(), before = machine.instructions;
  const burst = "y".repeat(14); // the trigger level: interrupts at once
  machine.serial.send("x");
  do machine.run({ budget: 1, idleAfter: Infinity }); while (!machine.pc.cpu.halted);
  const untilHalt = machine.instructions - before;
  assert(untilHalt > 60);
  for (let offset = untilHalt - 60; offset <= untilHalt + 1; offset++) {
    machine.restore(start);
    machine.serial.send("x");
    machine.run({ budget: offset, idleAfter: Infinity });
    machine.serial.send(burst);
    machine.run({ budget: 20_000, idleAfter: Infinity });
    assert(machine.serial.text.endsWith(`x${burst}`), `offset ${offset}`);
  }
});

Deno.test("Numbers are decimal or hexadecimal and fit 32 bits [MONITOR-5]", () => {
  const guest = bootGuest();
  assertEquals(answer(guest, "map 0XABCdef00"), "0xabcdef00 is not mapped\n");
  assertEquals(answer(guest, "map 4294967295").slice(0, 10), "0xffffffff");
  const bad = ["map", "map x", "map 0x", "map 12a", "map 1 2", "map 4294967296", "map 0x100000000"];
  for (const command of bad) {
    assertEquals(answer(guest, command), "A number is needed, such as 64 or 0x400010\n");
  }
});

Deno.test("An unknown command names help, an empty line is nothing [MONITOR-6]", () => {
  const guest = bootGuest();
  for (const command of ["foo", "hel", "helpp", "0"]) {
    assertEquals(answer(guest, command), "Unknown command; try help\n");
  }
  assertEquals(answer(guest, ""), "");
});

Deno.test("The keyboard is as good as COM1 [MONITOR-7]", () => {
  const guest = bootGuest();
  const said = guest.said(() => {
    guest.machine.type("allok\bc 0x10\n");
    guest.settle();
  });
  assertEquals(said, "allok\b \bc 0x10\n0x00400010\n> ");
});

Deno.test("The monitor replays its golden trace", async () => {
  const { golden, trace } = await replayGolden("monitor");
  assertEquals(trace, golden);
});
