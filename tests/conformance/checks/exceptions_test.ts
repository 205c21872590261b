import { assertEquals } from "@std/assert";
import { checks } from "../../../conformance/checks/exceptions.ts";
import { build, expectCorrectKernelsPass, failed, patchesOf } from "./planted.ts";

Deno.test("Correct kernels pass the checks of exceptions and panics", () =>
  expectCorrectKernelsPass(checks));

Deno.test("Reports with a fault in each part fail each clause", async () => {
  const patches = patchesOf(
    "exceptions 5 and 6 exchange names",
    "page fault takes writes for reads",
    "selector index is halved",
    "report shows EDI as ESI",
    "panic is red on black",
    "backtrace begins one call too late",
    "backtrace of 64 calls",
  );
  assertEquals(await failed(checks, await build(...patches)), [
    "ISR-1",
    "ISR-3",
    "ISR-4",
    "ISR-5",
    "PANIC-1",
    "PANIC-3",
    "PANIC-5",
  ]);
});

Deno.test("A report without an error code fails ISR-2", async () => {
  const patches = patchesOf("no error code for the stack fault");
  assertEquals(await failed(checks, await build(...patches)), ["ISR-2", "ISR-4"]);
});

Deno.test("A panic that returns fails PANIC-4", async () => {
  const patches = patchesOf("panic returns");
  assertEquals(await failed(checks, await build(...patches)), ["PANIC-4"]);
});
