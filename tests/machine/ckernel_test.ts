/** The kernel in C of fixtures/ckernel: its serial output was recorded on QEMU. */
import { assertEquals } from "@std/assert";
import { boot, type BootOptions } from "../../machine/boot.ts";
import type { Machine } from "../../machine/machine.ts";

const FOLDER = new URL("../../fixtures/ckernel/", import.meta.url);
const KEYS = "Hello, Worldx\b! 42\n";
const BUDGET = 100_000_000;
const EXIT_CODE = 33; // 10h written to port F4h

/** Boots the kernel, types the line that it asks for, and runs it to its end. */
async function runKernel(
  options: BootOptions = {},
): Promise<{ machine: Machine; stops: unknown[] }> {
  const machine = boot(await Deno.readFile(new URL("ckernel.elf", FOLDER)), options);
  const asked = machine.run({ until: { serial: "type a line:\n" }, budget: BUDGET });
  machine.type(KEYS);
  const ended = machine.run({ budget: BUDGET });
  return { machine, stops: [asked.kind, ended.kind === "guest-exit" ? ended.code : ended] };
}

Deno.test("A kernel in C sends on COM1 what it sends on QEMU, and exits with the same code", async () => {
  const { machine, stops } = await runKernel();
  assertEquals(machine.serial.text, await Deno.readTextFile(new URL("serial.txt", FOLDER)));
  assertEquals(stops, ["condition", EXIT_CODE]);
});

Deno.test("A kernel in C takes the same instructions twice, whatever its RAM held", async () => {
  const first = await runKernel(), again = await runKernel(), other = await runKernel({ seed: 7 });
  assertEquals(again.machine.instructions, first.machine.instructions);
  assertEquals(again.machine.hash(), first.machine.hash());
  assertEquals(other.machine.instructions, first.machine.instructions);
  assertEquals(other.machine.serial.text, first.machine.serial.text);
});

Deno.test("A kernel in C programs no chip in a way that is reserved", async () => {
  const diagnoses: string[] = [];
  await runKernel({
    hooks: { diagnose: (clause, message) => diagnoses.push(`${clause} ${message}`) },
  });
  assertEquals(diagnoses, []);
});
