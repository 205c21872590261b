import { assertEquals } from "@std/assert";
import { checks } from "../../../conformance/checks/terminal.ts";
import { build, expectCorrectKernelsPass, failed, patchesOf } from "./planted.ts";

Deno.test("Correct kernels pass the checks of the text console", () =>
  expectCorrectKernelsPass(checks));

Deno.test("A console with a fault in each part fails each clause", async () => {
  const patches = patchesOf(
    "the screen begins white on black",
    "colours never blink",
    "tabs of four columns",
    "backspace erases",
    "the new line repeats the old one",
    "the cursor never leaves the first 256 cells",
    "COM1 hears no tabs",
    "a write of given size ends at NUL",
  );
  assertEquals(await failed(checks, await build(...patches)), [
    "TERMINAL-1",
    "TERMINAL-3",
    "TERMINAL-4",
    "TERMINAL-5",
    "TERMINAL-6",
    "TERMINAL-7",
    "TERMINAL-8",
    "TERMINAL-9",
  ]);
});

Deno.test("Lines that end early fail what depends on them", async () => {
  const patches = patchesOf("lines end before the last column");
  assertEquals(await failed(checks, await build(...patches)), [
    "TERMINAL-2",
    "TERMINAL-4",
    "TERMINAL-6",
  ]);
});
