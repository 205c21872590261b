import { assertEquals } from "@std/assert";
import { checks } from "../../../conformance/checks/multiboot.ts";
import { build, expectCorrectKernelsPass, failed, patchesOf } from "./planted.ts";

Deno.test("Correct kernels pass the checks of the boot loader's tables", () =>
  expectCorrectKernelsPass(checks));

Deno.test("A kernel that misreads the loader's tables fails each clause", async () => {
  const patches = patchesOf(
    "entries of the memory map have 20 bytes",
    "upper memory counted in pages",
    "a module's last, partial frame is free",
    "memory beyond 4 GB counts from 0",
    "an available region wins over a reserved one",
    "the loader's magic number is not looked at",
  );
  assertEquals(await failed(checks, await build(...patches)), [
    "KERNEL-MULTIBOOT-1",
    "KERNEL-MULTIBOOT-2",
    "KERNEL-MULTIBOOT-3",
    "KERNEL-MULTIBOOT-4",
    "KERNEL-MULTIBOOT-5",
    "KERNEL-MULTIBOOT-6",
  ]);
});
