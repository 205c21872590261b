import { assert, assertEquals } from "@std/assert";
import { fuzzImages } from "./fuzz_images.ts";

Deno.test("Mutated images are refused in one line or end with a typed stop [BOOT-1] [MACHINE-2]", async () => {
  const kernel = await Deno.readFile(new URL("../../fixtures/kernel.elf", import.meta.url));
  const ends = fuzzImages(kernel, 100);
  assertEquals([...ends.values()].reduce((sum, times) => sum + times), 100);
  assert(ends.get("refused")! > 20 && ends.size >= 3, `${JSON.stringify([...ends])}`);
});
