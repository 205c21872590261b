import { assertEquals } from "@std/assert";
import { abiNames } from "../../conformance/abi.ts";
import { abiNames as exported } from "../../toolchain/abi.ts";

Deno.test("The checker knows every name that the toolchain exports, and four places besides", () => {
  const others = ["kernel_end", "kernel_readonly_end", "kernel_start", "pmm_bitmap"];
  assertEquals([...abiNames].toSorted(), [...exported, ...others].toSorted());
});
