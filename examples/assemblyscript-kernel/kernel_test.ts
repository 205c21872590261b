import { deepStrictEqual as equal } from "node:assert";
import { boot, checkTrace, formatDifference, type Machine } from "@claudeos/claudeos";

const IMAGE = new URL("kernel.elf", import.meta.url);
const HEAP_BYTES = 65536;

/** The kernel when it has done what it does: it halts with interrupts off. */
async function bootKernel(): Promise<Machine> {
  const machine = boot(await Deno.readFile(IMAGE));
  equal(machine.run({ budget: 1_000_000 }).kind, "halted");
  return machine;
}

Deno.test("The kernel says on COM1 that it is ready", async () => {
  const machine = await bootKernel();
  equal(machine.serial.text, "A tiny kernel in AssemblyScript\nready\n");
});

Deno.test("kmalloc gives aligned blocks, one after the other", async () => {
  const machine = await bootKernel();
  const [a, b, c] = [1, 100, 8].map((size) => machine.call("kmalloc", size));
  equal([a % 8, b - a, c - b], [0, 8, 104]);
});

Deno.test("kmalloc gives 0 for nothing, for too much, and when nothing is left", async () => {
  const machine = await bootKernel();
  equal([0, HEAP_BYTES + 1, 0xffffffff].map((size) => machine.call("kmalloc", size)), [0, 0, 0]);
  const all = machine.call("kmalloc", HEAP_BYTES);
  equal(machine.call("kmalloc", 1), 0);
  machine.call("kfree_all");
  equal(machine.call("kmalloc", 1), all);
});

Deno.test("A variable of the kernel can be read by its name", async () => {
  const machine = await bootKernel();
  machine.call("kmalloc", 100);
  equal(machine.readWord(machine.address("used")), 104);
});

Deno.test("The kernel boots as its golden trace says", async () => {
  const golden = await Deno.readTextFile(new URL("boot.trace", import.meta.url));
  const difference = checkTrace(await Deno.readFile(IMAGE), golden);
  if (difference) throw new Error(formatDifference(difference, "kernel.elf", "boot.trace"));
});
