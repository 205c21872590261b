import { assertEquals } from "@std/assert";
import { checks } from "../../../conformance/checks/statistics.ts";
import { build, expectCorrectKernelsPass, failed, patchesOf } from "./planted.ts";

Deno.test("Correct kernels pass the checks of statistics", () => expectCorrectKernelsPass(checks));

Deno.test("A count that is one less fails PMM-2", async () => {
  const patches = patchesOf("used pages are one less");
  assertEquals(await failed(checks, await build(...patches)), ["PMM-2"]);
});

Deno.test("An allocation that stays fails MAIN-4", async () => {
  const patches = patchesOf("demonstration keeps an allocation");
  assertEquals(await failed(checks, await build(...patches)), ["MAIN-4"]);
});
