import { assertEquals } from "@std/assert";
import { bootGuest, type Guest, wordBytes } from "./guest.ts";
import { replayGolden } from "./traces.ts";

const PLACE = 0x81000;

/** Base and limit that SGDT stores. */
function gdtr(guest: Guest): { base: number; limit: number } {
  guest.runCode([0x0f, 0x01, 0x05, ...wordBytes(PLACE), 0xc3]);
  return { limit: guest.word(PLACE) & 0xffff, base: guest.word(PLACE + 2) };
}

/** The two words of each descriptor, with the accessed bits cleared. */
function descriptors(guest: Guest): number[][] {
  const { base } = gdtr(guest);
  return [0, 1, 2, 3, 4].map((n) => [
    guest.word(base + n * 8),
    (guest.word(base + n * 8 + 4) & (n === 0 ? ~0 : ~0x100)) >>> 0,
  ]);
}

Deno.test("The table has null and four flat segments [GDT-1] [GDT-2]", () => {
  const guest = bootGuest();
  assertEquals(gdtr(guest).limit, 39);
  assertEquals(descriptors(guest), [
    [0, 0],
    [0xffff, 0xcf9a00],
    [0xffff, 0xcf9200],
    [0xffff, 0xcffa00],
    [0xffff, 0xcff200],
  ]);
});

Deno.test("gdt_init reloads the segment registers [GDT-3]", () => {
  const { cs, ds, es, fs, gs, ss } = bootGuest().machine.registers;
  assertEquals([cs, ds, es, fs, gs, ss], [0x08, 0x10, 0x10, 0x10, 0x10, 0x10]);
});

Deno.test("gdt_set_gate writes one descriptor, and none beyond the table [GDT-4]", () => {
  const guest = bootGuest();
  const before = descriptors(guest);
  guest.call("gdt_set_gate", 3, 0x12345678, 0xabcde, 0xfa, 0x4f);
  assertEquals(descriptors(guest)[3], [0x5678bcde, 0x124afa34]);
  guest.call("gdt_set_gate", 3, 0, 0xfffff, 0xfa, 0xcf);
  guest.call("gdt_set_gate", 5, 0x12345678, 0xabcde, 0xfa, 0x4f);
  guest.call("gdt_set_gate", 0xffffffff, 0x12345678, 0xabcde, 0xfa, 0x4f);
  assertEquals(descriptors(guest), before);
});

Deno.test("The GDT replays its golden trace", async () => {
  const { golden, trace } = await replayGolden("gdt");
  assertEquals(trace, golden);
});
