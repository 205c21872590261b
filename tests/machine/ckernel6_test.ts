/** The Day 6 kernels in C of fixtures/ckernel6: one that keeps the specification, one with five defects. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { boot } from "../../machine/boot.ts";
import type { Machine } from "../../machine/machine.ts";
import { abiNames } from "../../toolchain/abi.ts";

const FOLDER = new URL("../../fixtures/ckernel6/", import.meta.url);
const BUDGET = 100_000_000;
const SLAVE_IRQ = 12;

async function bootKernel(name: string): Promise<Machine> {
  const machine = boot(await Deno.readFile(new URL(`${name}.elf`, FOLDER)));
  assertEquals(machine.run({ until: "idle", budget: BUDGET }).kind, "idle");
  return machine;
}

const numbers = (machine: Machine, ...names: string[]): number[] =>
  names.map((name) => machine.call(name) >>> 0);

/** What the five defects change, each as what the kernel does. */
const behaviour: Readonly<Record<string, (machine: Machine) => unknown>> = {
  "a small allocation makes the heap grow while nearly all of it is free": (machine) => {
    const before = machine.call("heap_get_total_size");
    machine.call("kmalloc", 3000);
    return machine.call("heap_get_total_size") !== before;
  },
  "the heap hangs after a block was freed twice": (machine) => {
    const block = machine.call("kmalloc", 1024);
    machine.call("kmalloc", 8); // so that it does not merge
    machine.call("kfree", block);
    machine.call("kfree", block);
    const result = machine.invoke("kmalloc", [900], 1_000_000);
    return result.kind === "stopped" && result.stop.kind === "budget";
  },
  "4 GB less one byte can be allocated": (machine) => machine.call("kmalloc", 0xffffffff) !== 0,
  "the kernel's own pages can be freed": (machine) =>
    machine.call("pmm_free_page", machine.address("kernel_start") + 1) === 1,
  "an interrupt of the second controller stays in service": (machine) => {
    machine.call("pic_clear_mask", SLAVE_IRQ);
    machine.pc.slave.irq(SLAVE_IRQ - 8)(true);
    machine.run({ budget: 1000 });
    return (machine.call("pic_get_isr") >> SLAVE_IRQ & 1) === 1;
  },
};

for (const name of ["good", "defects"]) {
  Deno.test(`The ${name} Day 6 kernel in C sends on COM1 what it sends on QEMU`, async () => {
    const machine = await bootKernel(name);
    assertEquals(
      machine.serial.text,
      await Deno.readTextFile(new URL(`${name}.txt`, FOLDER)),
    );
    assertMatch(machine.screen.text, /^Day 6 Memory Management System Complete!$/m);
    assert((machine.registers.eflags & 0x200) !== 0, "interrupts are on");
  });

  Deno.test(`The ${name} Day 6 kernel in C has every public name`, async () => {
    const machine = await bootKernel(name);
    assertEquals(abiNames.filter((symbol) => !machine.symbols.find(symbol)), []);
  });
}

for (const [what, happens] of Object.entries(behaviour)) {
  Deno.test(`In the defective Day 6 kernel in C ${what}, in the good one not`, async () => {
    assertEquals(happens(await bootKernel("defects")), true);
    assertEquals(happens(await bootKernel("good")), false);
  });
}

Deno.test("The good Day 6 kernel in C survives random calls, and ends with one free block", async () => {
  const machine = await bootKernel("good");
  const before = numbers(machine, "heap_get_used_size", "pmm_get_used_pages");
  const live: number[] = [];
  for (let n = 0; n < 2000; n++) {
    const at = n * 7919 % 31, size = n * n * 31 % 3001 + 1;
    if (live.length > at) assertEquals(machine.call("kfree", live.splice(at, 1)[0]), 1);
    const block = machine.call("kmalloc", size) >>> 0;
    assert(block !== 0 && block % 8 === 0 && !live.includes(block));
    live.push(block);
  }
  for (const block of live) assertEquals(machine.call("kfree", block), 1);
  assertEquals(numbers(machine, "heap_get_used_size", "pmm_get_used_pages"), before);
  assertEquals(machine.call("heap_coalesce_free_blocks"), 0);
  const text = machine.serial.text.length;
  machine.call("heap_dump_blocks");
  assertEquals(machine.serial.text.slice(text), "0x00400000  1048560 bytes free\n");
});
