import { assertEquals } from "@std/assert";
import { checks } from "../../../conformance/checks/drivers.ts";
import { build, expectCorrectKernelsPass, failed, patchesOf } from "./planted.ts";

Deno.test("Correct kernels pass the checks of keyboard and timer", () =>
  expectCorrectKernelsPass(checks));

Deno.test("A keyboard driver with a fault in each part fails each clause", async () => {
  const patches = patchesOf(
    "German letters",
    "shift 2 is a quotation mark",
    "caps lock shifts digits",
    "queue of 255 characters",
    "input is counted, not told",
    "extended keys type",
    "a byte from before the start is taken for the configuration",
  );
  assertEquals(await failed(checks, await build(...patches)), [
    "KERNEL-KEYBOARD-1",
    "KERNEL-KEYBOARD-2",
    "KERNEL-KEYBOARD-3",
    "KERNEL-KEYBOARD-4",
    "KERNEL-KEYBOARD-5",
    "KERNEL-KEYBOARD-6",
    "KERNEL-KEYBOARD-7",
  ]);
});

Deno.test("A clock with a fault in each part fails each clause", async () => {
  const patches = patchesOf(
    "divisor for 101 Hz",
    "ticks go on when the clock is started again",
    "a wait takes one tick too many",
    "a wait leaves interrupts on",
  );
  assertEquals(await failed(checks, await build(...patches)), [
    "TIMER-1",
    "TIMER-3",
    "TIMER-4",
    "TIMER-5",
  ]);
});

Deno.test("A clock that counts each tick twice fails what depends on it", async () => {
  const patches = patchesOf("a tick counts twice");
  assertEquals(await failed(checks, await build(...patches)), ["TIMER-2", "TIMER-3", "TIMER-4"]);
});
