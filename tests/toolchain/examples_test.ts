/** The AssemblyScript kernel of examples/: it still builds, and the image beside it is up to date in what it does. */
import { assertEquals } from "@std/assert";
import { boot } from "../../machine/boot.ts";
import { buildKernel } from "../../toolchain/build.ts";

const FOLDER = new URL("../../examples/assemblyscript-kernel/", import.meta.url);
const FILES = ["kernel/link.ts", "kernel/main.ts"];
const EXPORTS = ["kernel_main", "kmalloc", "kfree_all"];

function report(image: Uint8Array): unknown[] {
  const machine = boot(image);
  const { kind } = machine.run({ budget: 1_000_000 });
  const first = machine.call("kmalloc", 100);
  return [kind, machine.serial.text, machine.call("kmalloc", 1) - first];
}

Deno.test("The example in AssemblyScript builds to a kernel that does what its image does", async () => {
  const texts = await Promise.all(FILES.map((file) => Deno.readTextFile(new URL(file, FOLDER))));
  const sources = new Map(FILES.map((file, n) => [file, texts[n]]));
  const { image } = await buildKernel(sources, { exports: EXPORTS });
  assertEquals(report(image), report(await Deno.readFile(new URL("kernel.elf", FOLDER))));
});
