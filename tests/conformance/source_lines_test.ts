import { assert, assertEquals } from "@std/assert";
import { readSourceLines } from "../../conformance/source_lines.ts";

const FIXTURES = new URL("../../fixtures/conformance/lines/", import.meta.url);
const image = (version: number) => Deno.readFile(new URL(`dwarf${version}.elf`, FIXTURES));
const rows = (await Deno.readTextFile(new URL("lines.txt", FIXTURES))).trim().split("\n")
  .map((line) => line.split(" ")).map(([version, address, source]) => ({
    version: Number(version),
    address: Number(address),
    source,
  }));

Deno.test("readSourceLines finds what readelf finds, in every version [SOURCE-LINES-1] [SOURCE-LINES-2]", async () => {
  for (const version of [2, 3, 4, 5]) {
    const sourceOf = readSourceLines(await image(version));
    const expected = rows.filter((row) => row.version === version);
    assert(expected.some(({ source }) => source === "lines.h:5"));
    for (const { address, source } of expected) assertEquals(sourceOf(address), source);
  }
});

Deno.test("readSourceLines gives an address between two rows the line of the first [SOURCE-LINES-1]", async () => {
  const sourceOf = readSourceLines(await image(5)), { address, source } = rows.at(-1)!;
  assertEquals(sourceOf(address + 1), source);
});

Deno.test("readSourceLines knows nothing outside the tables [SOURCE-LINES-3]", async () => {
  const sourceOf = readSourceLines(await image(5));
  assertEquals([0, 0x8048000, 0x8049000, 0xffffffff].map(sourceOf), Array(4).fill(undefined));
  const kernel = await Deno.readFile(new URL("../../kernel.elf", FIXTURES));
  assertEquals(readSourceLines(kernel)(0x100000), undefined);
  assertEquals(readSourceLines(new Uint8Array(9))(0x100000), undefined);
});

Deno.test("readSourceLines survives any damage [SOURCE-LINES-4]", async () => {
  for (const version of [2, 5]) {
    const whole = await image(version);
    for (let at = 52; at < whole.length; at++) {
      for (const value of [0, 0xff, whole[at] ^ 0x80]) {
        const damaged = whole.slice();
        damaged[at] = value;
        readSourceLines(damaged)(0x8048080);
      }
    }
    for (let end = 0; end < whole.length; end += 7) readSourceLines(whole.subarray(0, end))(0);
  }
});
