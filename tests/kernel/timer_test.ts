import { assert, assertEquals } from "@std/assert";
import { bootGuest, type Guest } from "./guest.ts";
import { replayGolden } from "./traces.ts";

const SECOND = 100_000_000; // ticks of the machine's clock

/** Lets time pass. */
function wait(guest: Guest, ticks: number): void {
  const end = guest.machine.ticks + ticks;
  guest.machine.run({ until: (machine) => machine.ticks >= end, idleAfter: Infinity });
}

Deno.test("timer_init programs a square wave of 100 Hz [TIMER-1]", () => {
  const guest = bootGuest();
  const writes = guest.portWrites(() => guest.call("timer_init"));
  assertEquals(writes.slice(0, 3), [[0x43, 0x36], [0x40, 0x9c], [0x40, 0x2e]]); // 11932
});

Deno.test("A hundred ticks are counted in a second [TIMER-1] [TIMER-2]", () => {
  const guest = bootGuest();
  const before = guest.call("timer_get_ticks");
  wait(guest, SECOND);
  const ticks = guest.call("timer_get_ticks") - before;
  assert(ticks >= 99 && ticks <= 101, `${ticks}`);
});

Deno.test("timer_init starts to count from 0 [TIMER-3]", () => {
  const guest = bootGuest();
  assert(guest.call("timer_get_ticks") > 0);
  guest.call("timer_init");
  assertEquals(guest.call("timer_get_ticks"), 0);
});

Deno.test("timer_wait returns after the given ticks [TIMER-4]", () => {
  const guest = bootGuest();
  const before = guest.call("timer_get_ticks");
  guest.call("timer_wait", 7);
  assertEquals(guest.call("timer_get_ticks") - before, 7);
  guest.call("timer_wait", 0);
  assertEquals(guest.call("timer_get_ticks") - before, 7);
});

Deno.test("timer_wait halts while it waits, and keeps the interrupt flag [TIMER-5]", () => {
  const guest = bootGuest();
  const instructions = guest.machine.instructions, ticks = guest.machine.ticks;
  guest.call("timer_wait", 50);
  assert(guest.machine.ticks - ticks > 0.4 * SECOND);
  assert(guest.machine.instructions - instructions < 100_000);
  const address = guest.address("timer_wait");
  const bytes = [0, 8, 16, 24].map((shift) => address >>> shift & 0xff);
  // cli; push 1; mov eax, timer_wait; call eax; pop ecx; pushf; pop eax; sti; ret
  const flags = guest.runCode(
    [0xfa, 0x6a, 1, 0xb8, ...bytes, 0xff, 0xd0, 0x59, 0x9c, 0x58, 0xfb, 0xc3],
  );
  assertEquals(flags & 0x200, 0);
});

Deno.test("The timer driver replays its golden trace", async () => {
  const { golden, trace } = await replayGolden("timer");
  assertEquals(trace, golden);
});
