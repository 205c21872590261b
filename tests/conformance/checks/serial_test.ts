import { assertEquals } from "@std/assert";
import { checks } from "../../../conformance/checks/serial.ts";
import { build, expectCorrectKernelsPass, failed, patchesOf } from "./planted.ts";

Deno.test("Correct kernels pass the checks of serial lines", () =>
  expectCorrectKernelsPass(checks));

Deno.test("A serial driver with a fault in each part fails each clause", async () => {
  const patches = patchesOf(
    "even parity",
    "FIFO trigger at 8 bytes",
    "strings get carriage returns",
    "an empty transmitter is told by its bit",
    "no input reads as ones",
    "a full queue loses bytes",
  );
  assertEquals(await failed(checks, await build(...patches)), [
    "KERNEL-SERIAL-1",
    "KERNEL-SERIAL-2",
    "KERNEL-SERIAL-4",
    "KERNEL-SERIAL-5",
    "KERNEL-SERIAL-7",
    "KERNEL-SERIAL-9",
  ]);
});

Deno.test("A driver that believes any chip, and polls for input, fails by those clauses", async () => {
  const patches = patchesOf("any byte passes the self-test", "COM1 does not interrupt");
  assertEquals(await failed(checks, await build(...patches)), [
    "KERNEL-SERIAL-10",
    "KERNEL-SERIAL-3",
    "KERNEL-SERIAL-8",
    "KERNEL-SERIAL-9",
  ]);
});

Deno.test("A driver that waits for ever fails KERNEL-SERIAL-6", async () => {
  const patches = patchesOf("a busy transmitter is awaited for ever");
  assertEquals(await failed(checks, await build(...patches)), [
    "KERNEL-SERIAL-3",
    "KERNEL-SERIAL-6",
  ]);
});
