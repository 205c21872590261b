import { assertEquals } from "@std/assert";
import { checks } from "../../../conformance/checks/hardware.ts";
import { build, expectCorrectKernelsPass, failed, patchesOf } from "./planted.ts";

Deno.test("Correct kernels pass the checks of the hardware's set-up", () =>
  expectCorrectKernelsPass(checks));

Deno.test("Wrong tables, masks, rates and line settings fail by their clauses", async () => {
  const patches = patchesOf(
    "user code segment ends at 3 GB",
    "descriptor 5 overwrites what follows the table",
    "trap gates leave interrupts on",
    "IDTR ends behind the IRQs",
    "masking an IRQ masks its neighbour",
    "requests are read from the service register",
    "rate generator in place of a square wave",
    "19,200 baud",
    "no request to send",
  );
  assertEquals(await failed(checks, await build(...patches)), [
    "GDT-2",
    "GDT-4",
    "IDT-1",
    "IDT-2",
    "KERNEL-PIC-2",
    "KERNEL-PIC-6",
    "KERNEL-SERIAL-1",
    "KERNEL-SERIAL-2",
    "TIMER-1",
  ]);
});

Deno.test("A missing descriptor, other gates, other masks and other rights fail by their clauses", async () => {
  const patches = patchesOf(
    "GDTR leaves out the last descriptor",
    "unused gates lead to the divide error",
    "gate ignores its selector",
    "slave starts unmasked",
    "unmasking spares the slave",
    "no end of interrupt for the slave",
    "the kernel's code is writable",
    "every directory entry lets user mode pass",
    "the heap begins a page short",
  );
  assertEquals(await failed(checks, await build(...patches)), [
    "GDT-1",
    "HEAP-1",
    "IDT-3",
    "IDT-4",
    "KERNEL-PIC-1",
    "KERNEL-PIC-3",
    "KERNEL-PIC-4",
    "VMM-13",
    "VMM-3",
  ]);
});
