import { assertEquals } from "@std/assert";
import { checks } from "../../../conformance/checks/interrupts.ts";
import { build, expectCorrectKernelsPass, failed, patchesOf } from "./planted.ts";

Deno.test("Correct kernels pass the checks of interrupt requests", () =>
  expectCorrectKernelsPass(checks));

Deno.test("Faults in acknowledging and preserving fail by their clauses", async () => {
  const patches = patchesOf(
    "an IRQ without a driver is not acknowledged",
    "the timer's interrupt sets the adjust flag",
  );
  assertEquals(await failed(checks, await build(...patches)), ["ISR-6", "ISR-7", "ISR-8"]);
});

Deno.test("Spurious requests taken for real ones fail ISR-7", async () => {
  const patches = patchesOf("spurious IRQs are taken for real ones");
  assertEquals(await failed(checks, await build(...patches)), ["ISR-7"]);
});
