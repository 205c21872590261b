import { assert, assertEquals } from "@std/assert";
import { bootGuest, type Guest } from "./guest.ts";
import { replayGolden } from "./traces.ts";

const GREY = 0x07, BLUE = 0x1e;
const NEWLINE = 10, RETURN = 13, TAB = 9, BACKSPACE = 8;

/** A guest with a clear screen. */
function clear(): Guest {
  const guest = bootGuest();
  guest.call("terminal_initialize");
  return guest;
}

const write = (guest: Guest, text: string): void => void guest.call("terminal_writestring", text);

Deno.test("terminal_initialize clears the screen [TERMINAL-1]", () => {
  const guest = clear();
  for (let row = 0; row < 25; row++) {
    for (let column = 0; column < 80; column++) {
      assertEquals(guest.cell(row, column), [" ", GREY]);
    }
  }
  assertEquals(guest.cursor(), [0, 0]);
});

Deno.test("terminal_putchar shows a character and wraps [TERMINAL-2]", () => {
  const guest = clear();
  for (let n = 0; n < 81; n++) guest.call("terminal_putchar", 0x41 + n % 26);
  assertEquals(guest.row(0).length, 80);
  assertEquals(guest.row(0).slice(0, 4), "ABCD");
  assertEquals([guest.row(1), guest.cursor()], ["C", [1, 1]]);
});

Deno.test("terminal_setcolor colours later characters [TERMINAL-3]", () => {
  const guest = clear();
  write(guest, "a");
  guest.call("terminal_setcolor", BLUE);
  write(guest, "b");
  assertEquals([guest.cell(0, 0), guest.cell(0, 1)], [["a", GREY], ["b", BLUE]]);
});

Deno.test("Newline, return and tab move as they should [TERMINAL-4]", () => {
  const guest = clear();
  write(guest, "one\nt\tx\ry");
  assertEquals([guest.row(0), guest.row(1)], ["one", "y       x"]);
  for (const [c, place] of [[NEWLINE, [2, 0]], [TAB, [2, 8]], [TAB, [2, 16]], [RETURN, [2, 0]]]) {
    guest.call("terminal_putchar", c as number);
    assertEquals(guest.cursor(), place as [number, number]);
  }
});

Deno.test("Backspace moves left and erases nothing [TERMINAL-5]", () => {
  const guest = clear();
  guest.call("terminal_putchar", BACKSPACE);
  assertEquals(guest.cursor(), [0, 0]);
  write(guest, "ab\b");
  assertEquals([guest.row(0), guest.cursor()], ["ab", [0, 1]]);
  write(guest, "\n\b");
  assertEquals(guest.cursor(), [0, 79]);
});

Deno.test("The screen scrolls, colours too [TERMINAL-6]", () => {
  const guest = clear();
  for (let n = 0; n < 25; n++) {
    guest.call("terminal_setcolor", n + 1);
    write(guest, `line ${n}\n`);
  }
  assertEquals(Array.from({ length: 25 }, (_, row) => guest.row(row)), [
    ...Array.from({ length: 24 }, (_, row) => `line ${row + 1}`),
    "",
  ]);
  assertEquals([guest.cell(0, 0)[1], guest.cell(23, 0)[1]], [2, 25]);
  assertEquals([guest.cell(24, 0), guest.cell(24, 79)], [[" ", 25], [" ", 25]]);
  assertEquals(guest.cursor(), [24, 0]);
});

Deno.test("The hardware cursor follows and is visible [TERMINAL-7]", () => {
  const guest = clear();
  write(guest, "abc\nde");
  assertEquals(guest.cursor(), [1, 2]);
  guest.call("terminal_putchar", 0x66);
  assertEquals(guest.cursor(), [1, 3]);
  assert(guest.machine.screen.cursor.visible);
});

Deno.test("COM1 gets what the screen gets [TERMINAL-8]", () => {
  const guest = clear();
  const text = "tab\tand\rreturn\b\n";
  assertEquals(guest.said(() => write(guest, text)), text);
  assertEquals(guest.said(() => guest.call("terminal_putchar", 0xdb)), "\xdb");
});

Deno.test("terminal_write shows so many bytes, terminal_writestring up to NUL [TERMINAL-9]", () => {
  const guest = clear();
  const bytes = guest.put(new TextEncoder().encode("abc\0def"));
  assertEquals(guest.said(() => guest.call("terminal_write", bytes, 5)), "abc\0d");
  assertEquals(guest.said(() => guest.call("terminal_write", bytes, 0)), "");
  assertEquals(guest.said(() => guest.call("terminal_writestring", bytes)), "abc");
});

Deno.test("The terminal replays its golden trace", async () => {
  const { golden, trace } = await replayGolden("terminal");
  assertEquals(trace, golden);
});
