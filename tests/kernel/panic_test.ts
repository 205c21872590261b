import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { bootGuest, type Guest, wordBytes } from "./guest.ts";
import { replayGolden } from "./traces.ts";

const IF = 0x200, WHITE_ON_RED = 0x4f;
const CODE = 0x90000;

/** The addresses that a report lists. */
const backtrace = (report: string): number[] =>
  [...report.matchAll(/^ {2}(0x[0-9a-f]{8})$/gm)].map(([, address]) => Number(address));

/** Machine code that calls kernel_panic. */
const panicCode = (guest: Guest): number[] => [
  ...[0x68, ...wordBytes(guest.put(new TextEncoder().encode("of the test\0")))], // push message
  ...[0xb8, ...wordBytes(guest.address("kernel_panic")), 0xff, 0xd0], // mov eax; call eax
];

Deno.test("kernel_panic prints its message, white on red [PANIC-1]", () => {
  const guest = bootGuest();
  const report = guest.fate(() => guest.call("kernel_panic", "of the test"));
  assertStringIncludes(report, "\nKERNEL PANIC: of the test\n");
  const row = Array.from({ length: 25 }, (_, n) => n).find((n) =>
    guest.row(n).startsWith("KERNEL")
  );
  assertEquals(guest.cell(row!, 0), ["K", WHITE_ON_RED]);
});

Deno.test("A failed assertion names file, line and column [PANIC-2]", () => {
  const guest = bootGuest();
  const directory = guest.address("current_page_directory");
  guest.setWord(directory, guest.word(directory) + 4); // what an assertion in vmm.ts forbids
  const report = guest.fate(() => guest.call("vmm_create_page_directory"));
  assertMatch(report, /^\nKERNEL PANIC: assertion failed at kernel\/vmm\.ts:\d+:\d+\nBacktrace:\n/);
});

Deno.test("The backtrace lists the calls, innermost first [PANIC-3]", () => {
  const guest = bootGuest();
  const report = guest.fate(() => guest.runCode([0x55, 0x89, 0xe5, ...panicCode(guest)]));
  assertEquals(backtrace(report)[0], CODE + 15);
  const other = bootGuest();
  other.machine.serial.send("panic\r");
  assertEquals(other.machine.run({ budget: 10_000_000 }).kind, "halted");
  const places = backtrace(other.machine.serial.text).map((at) => other.machine.describe(at));
  assertMatch(places.join(" "), /kernel_main\+0x\w+ _start\+0x\w+$/);
});

Deno.test("Afterwards the processor rests with interrupts off [PANIC-4]", () => {
  const guest = bootGuest();
  guest.fate(() => guest.call("kernel_panic", "x"));
  assertEquals(guest.machine.registers.eflags & IF, 0);
  const { kind } = guest.machine.run({ budget: 1000 });
  assertEquals(kind, "halted");
});

Deno.test("The backtrace survives a damaged chain [PANIC-5]", () => {
  for (const frame of [0, 0x12345678, 0xfffffffc, 0x105001, 0x106000]) {
    const guest = bootGuest();
    const code = [0xbd, ...wordBytes(frame), ...panicCode(guest)]; // mov ebp, frame
    assertEquals(backtrace(guest.fate(() => guest.runCode(code))).length, 1);
  }
});

Deno.test("The backtrace stops at 16 calls [PANIC-5]", () => {
  const guest = bootGuest();
  // mov ecx, 30; f: push ebp; mov ebp, esp; dec ecx; jz +5; call f; ...
  const recursion = [0xb9, 30, 0, 0, 0, 0x55, 0x89, 0xe5, 0x49, 0x74, 5, 0xe8, ...wordBytes(-11)];
  const report = guest.fate(() => guest.runCode([...recursion, ...panicCode(guest)]));
  assertEquals(backtrace(report).length, 16);
});

Deno.test("Panic replays its golden trace", async () => {
  const { golden, trace } = await replayGolden("panic");
  assertEquals(trace, golden);
});
