import { deepStrictEqual as equal, ok } from "node:assert";
import { boot, checkTrace, formatDifference, type Machine } from "@claudeos/claudeos";

const IMAGE = new URL("kernel.elf", import.meta.url);

/** The kernel when it has done what it does: it halts with interrupts off. */
async function bootKernel(): Promise<Machine> {
  const machine = boot(await Deno.readFile(IMAGE));
  equal(machine.run({ budget: 1_000_000 }).kind, "halted");
  return machine;
}

Deno.test("The kernel says on COM1 that it is ready", async () => {
  const machine = await bootKernel();
  equal(machine.serial.text, "A tiny kernel in C\nready\n");
});

Deno.test("kmalloc gives aligned blocks that do not overlap", async () => {
  const machine = await bootKernel();
  const sizes = [1, 8, 100, 1000];
  const blocks = sizes.map((size) => machine.call("kmalloc", size));
  blocks.forEach((block, n) => {
    equal(block % 8, 0);
    machine.writeBytes(block, new Uint8Array(sizes[n]).fill(n));
  });
  blocks.forEach((block, n) => {
    equal(machine.readBytes(block, sizes[n]), new Uint8Array(sizes[n]).fill(n));
  });
});

Deno.test("kmalloc gives 0 when nothing is left, and kfree makes room", async () => {
  const machine = await bootKernel();
  equal(machine.call("kmalloc", 0xffffffff), 0);
  const blocks: number[] = [];
  for (let at = machine.call("kmalloc", 4096); at !== 0; at = machine.call("kmalloc", 4096)) {
    blocks.push(at);
  }
  equal(blocks.length, 15); // 64 KB without the headers
  for (const block of blocks) machine.call("kfree", block);
  ok(machine.call("kmalloc", 60_000) !== 0);
});

Deno.test("A snapshot takes a test back to where it was", async () => {
  const machine = await bootKernel();
  const snapshot = machine.snapshot(), before = machine.hash();
  const block = machine.call("kmalloc", 64);
  machine.restore(snapshot);
  equal(machine.hash(), before);
  equal(machine.call("kmalloc", 64), block);
});

Deno.test("The kernel boots as its golden trace says", async () => {
  const golden = await Deno.readTextFile(new URL("boot.trace", import.meta.url));
  const difference = checkTrace(await Deno.readFile(IMAGE), golden);
  if (difference) throw new Error(formatDifference(difference, "kernel.elf", "boot.trace"));
});
