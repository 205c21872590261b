import { assertEquals, assertMatch } from "@std/assert";
import { bootGuest, type Guest, wordBytes } from "./guest.ts";
import { replayGolden } from "./traces.ts";

const PLACE = 0x81000;

/** Base and limit that SIDT stores. */
function idtr(guest: Guest): { base: number; limit: number } {
  guest.runCode([0x0f, 0x01, 0x0d, ...wordBytes(PLACE), 0xc3]);
  return { limit: guest.word(PLACE) & 0xffff, base: guest.word(PLACE + 2) };
}

/** Offset, selector and flags of a gate. */
function gate(guest: Guest, base: number, n: number): number[] {
  const low = guest.word(base + n * 8), high = guest.word(base + n * 8 + 4);
  return [((high & 0xffff0000) | (low & 0xffff)) >>> 0, low >>> 16, high & 0xffff];
}

Deno.test("256 gates: 32 exceptions, 16 IRQs, and the rest absent [IDT-1] [IDT-2] [IDT-3]", () => {
  const guest = bootGuest();
  const { base, limit } = idtr(guest);
  assertEquals(limit, 256 * 8 - 1);
  for (let n = 0; n < 256; n++) {
    const stub = n < 32 ? `isr${n}` : `irq${n - 32}`;
    const expected = n < 48 ? [guest.address(stub), 0x08, 0x8e00] : [0, 0, 0];
    assertEquals(gate(guest, base, n), expected, `vector ${n}`);
  }
});

Deno.test("An absent gate ends in an exception report [IDT-3]", () => {
  const guest = bootGuest();
  assertMatch(guest.fate(() => guest.runCode([0xcd, 0x80])), /General protection[^]*IDT entry 128/);
});

Deno.test("idt_set_gate writes one gate, and none beyond the table [IDT-4]", () => {
  const guest = bootGuest();
  const { base } = idtr(guest);
  guest.call("idt_set_gate", 200, 0x12345678, 0x18, 0xee);
  assertEquals(gate(guest, base, 200), [0x12345678, 0x18, 0xee00]);
  const table = guest.bytes(base, 256 * 8 + 64);
  guest.call("idt_set_gate", 256, 0x12345678, 0x18, 0xee);
  guest.call("idt_set_gate", 0xffffff00, 0x12345678, 0x18, 0xee);
  assertEquals(guest.bytes(base, 256 * 8 + 64), table);
});

Deno.test("The IDT replays its golden trace", async () => {
  const { golden, trace } = await replayGolden("idt");
  assertEquals(trace, golden);
});
