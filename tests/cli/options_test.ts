import { assertEquals, assertThrows } from "@std/assert";
import { parseOptions, UsageError } from "../../cli/options.ts";

Deno.test("parseOptions has a default for everything", () => {
  const { image, ramBytes, serial, keys, budget, screen } = parseOptions("boot", []);
  assertEquals([image, ramBytes, serial, keys], [undefined, 0x2000000, "stdio", "serial"]);
  assertEquals([budget, screen], [undefined, false]);
});

Deno.test("parseOptions reads sizes and numbers with suffixes", () => {
  const memory = (text: string) => parseOptions("boot", ["--memory", text]).ramBytes / 0x100000;
  assertEquals(["64M", "64", "1G", "2048k", "256m"].map(memory), [64, 64, 1024, 2, 256]);
  const budget = (text: string) => parseOptions("boot", ["--budget", text]).budget;
  assertEquals(["7", "5M", "2g", "1_000"].map(budget), [7, 5e6, 2e9, 1000]);
});

Deno.test("parseOptions takes an image, a command line and modules", () => {
  const args = ["k.elf", "--append", "a b", "--initrd", "x 1", "--initrd", "y", "--serial", "none"];
  const { image, append, initrd, serial } = parseOptions("run", args);
  assertEquals([image, append, initrd, serial], ["k.elf", "a b", ["x 1", "y"], "none"]);
});

Deno.test("parseOptions names what is wrong in one line", () => {
  const wrong: [string[], string][] = [
    [[], "no image is given"],
    [["a", "b"], "Cannot boot 2 images"],
    [["a", "--memory", "1M"], "Cannot use --memory 1M: give 2M to 1024M"],
    [["a", "--memory", "lots"], "Cannot use --memory lots"],
    [["a", "--budget", "-1"], "--budget"],
    [["a", "--budget", "1e99"], "Cannot use --budget 1e99"],
    [["a", "--keys", "mouse"], "Cannot use --keys mouse"],
    [["a", "--frobnicate"], "--frobnicate"],
  ];
  for (const [args, message] of wrong) {
    const error = assertThrows(() => parseOptions("run", args), UsageError, message);
    assertEquals((error as Error).message.split("\n").length, 1);
  }
});
