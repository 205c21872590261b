import { assertEquals } from "@std/assert";
import { renderAnsi, textOf, Vga } from "../../devices/vga.ts";
import { replayGolden } from "./traces.ts";

// Registers are ports from 3C0h on.
const ATTRIBUTE = 0x00;
const ATTRIBUTE_READ = 0x01;
const MISC_WRITE = 0x02;
const SEQUENCER = 0x04;
const DAC_READ_INDEX = 0x07;
const DAC_WRITE_INDEX = 0x08;
const DAC_DATA = 0x09;
const MISC_READ = 0x0c;
const GRAPHICS = 0x0e;
const CRTC = 0x14;
const STATUS = 0x1a;

const FRAME_CYCLES = 1_426_806.7; // 900 × 449 dots at 28.322 MHz
const LINE_CYCLES = FRAME_CYCLES / 449;

function adapter() {
  const frame = new Uint8Array(0x8000);
  for (let i = 0; i < frame.length; i += 2) frame.set([0x20, 0x07], i);
  const clauses: string[] = [];
  const vga = new Vga(frame, (clause) => clauses.push(clause));
  return { vga, frame, clauses };
}

function put(frame: Uint8Array, place: number, text: string, attribute = 0x07): void {
  [...text].forEach((c, i) => frame.set([c.charCodeAt(0), attribute], 2 * (place + i)));
}

function set(vga: Vga, group: number, index: number, value: number): void {
  vga.write(group, index);
  vga.write(group + 1, value);
}

function get(vga: Vga, group: number, index: number): number {
  vga.write(group, index);
  return vga.read(group + 1);
}

function setAttribute(vga: Vga, index: number, value: number): void {
  vga.read(STATUS);
  vga.write(ATTRIBUTE, index);
  vga.write(ATTRIBUTE, value);
  vga.write(ATTRIBUTE, 0x20);
}

Deno.test("Vga.screen shows codes and attributes of the frame buffer [VGA-1]", () => {
  const { vga, frame } = adapter();
  put(frame, 0, "A", 0x1e);
  put(frame, 24 * 80 + 79, "z", 0x70);
  const { rows } = vga.screen();
  assertEquals([rows.length, ...new Set(rows.map((row) => row.length))], [25, 80]);
  assertEquals(rows[0][0], { code: 0x41, character: "A", attribute: 0x1e });
  assertEquals(rows[24][79], { code: 0x7a, character: "z", attribute: 0x70 });
});

Deno.test("Vga starts in mode 3 [VGA-2]", () => {
  const { vga } = adapter();
  assertEquals(vga.read(MISC_READ), 0x67);
  assertEquals([0x01, 0x09, 0x0c, 0x0d, 0x0e, 0x0f, 0x13].map((i) => get(vga, CRTC, i)), [
    0x4f,
    0x4f,
    0,
    0,
    0,
    0,
    0x28,
  ]);
  const { cursor, on, blink } = vga.screen();
  assertEquals({ cursor, on, blink }, {
    cursor: { row: 0, column: 0, visible: true },
    on: true,
    blink: true,
  });
  set(vga, CRTC, 0x0f, 5);
  vga.reset();
  assertEquals(vga.screen().cursor.column, 0);
});

Deno.test("Vga registers read back through their index [VGA-3]", () => {
  const { vga } = adapter();
  for (const [group, index] of [[SEQUENCER, 2], [GRAPHICS, 8], [CRTC, 0x18], [CRTC, 0x0a]]) {
    set(vga, group, index, 0x15);
    assertEquals([vga.read(group), vga.read(group + 1)], [index, 0x15]);
  }
  setAttribute(vga, 0x11, 0x2a);
  vga.read(STATUS);
  vga.write(ATTRIBUTE, 0x31);
  assertEquals([vga.read(ATTRIBUTE), vga.read(ATTRIBUTE_READ)], [0x31, 0x2a]);
  vga.write(MISC_WRITE, 0x63);
  assertEquals(vga.read(MISC_READ), 0x63);
});

Deno.test("Vga diagnoses registers that do not exist [VGA-4]", () => {
  const { vga, clauses } = adapter();
  for (const [group, index] of [[SEQUENCER, 5], [GRAPHICS, 9], [CRTC, 0x19]]) {
    set(vga, group, index, 0xff);
    assertEquals(get(vga, group, index), 0);
  }
  setAttribute(vga, 0x15, 1);
  vga.write(0x10, 1);
  assertEquals([vga.read(0x10), clauses], [0xff, Array(5).fill("VGA-4")]);
});

Deno.test("Vga protects the CRT timing [VGA-5]", () => {
  const { vga } = adapter();
  set(vga, CRTC, 0x01, 0x26);
  set(vga, CRTC, 0x07, 0x00);
  assertEquals([get(vga, CRTC, 0x01), get(vga, CRTC, 0x07)], [0x4f, 0x0f]);
  set(vga, CRTC, 0x11, 0x0e);
  set(vga, CRTC, 0x01, 0x27);
  assertEquals([get(vga, CRTC, 0x01), vga.columns], [0x27, 40]);
});

Deno.test("Vga takes index and data in turn at 3C0h [VGA-6]", () => {
  const { vga } = adapter();
  for (const byte of [0x30, 0x04, 0x31]) vga.write(ATTRIBUTE, byte);
  vga.read(STATUS); // 31h stays the index
  vga.write(ATTRIBUTE, 0x30);
  assertEquals(vga.read(ATTRIBUTE_READ), 0x04);
});

Deno.test("Vga scrolls by its start address [VGA-7]", () => {
  const { vga, frame } = adapter();
  put(frame, 80, "second row");
  put(frame, 0x3fff, "\\");
  put(frame, 0, "/");
  set(vga, CRTC, 0x0d, 80);
  assertEquals(vga.text().split("\n")[0], "second row");
  set(vga, CRTC, 0x0c, 0x3f);
  set(vga, CRTC, 0x0d, 0xff);
  assertEquals(vga.text().split("\n")[0], "\\/"); // beyond the last character comes the first
  set(vga, CRTC, 0x0c, 0);
  set(vga, CRTC, 0x0d, 0);
  set(vga, CRTC, 0x13, 0x14);
  assertEquals(vga.text().split("\n")[2], "second row"); // rows 40 characters apart
  set(vga, CRTC, 0x13, 0);
  set(vga, CRTC, 0x0f, 3);
  assertEquals(vga.text().split("\n")[24], "/"); // every row the same
  assertEquals(vga.screen().cursor, { row: 0, column: 3, visible: true });
});

Deno.test("Vga shows code page 437 [VGA-8]", () => {
  const { vga, frame } = adapter();
  const page = Array.from({ length: 256 }, (_, code) => {
    frame[0] = code;
    return vga.screen().rows[0][0].character;
  });
  assertEquals(page.slice(0x20, 0x7f).join(""), String.fromCharCode(...page.keys()).slice(32, 127));
  const some: [number, string][] = [
    [0x00, " "],
    [0x01, "☺"],
    [0x0f, "☼"],
    [0x1b, "←"],
    [0x7f, "⌂"],
    [0x80, "Ç"],
    [0x84, "ä"],
    [0x9f, "ƒ"],
    [0xb0, "░"],
    [0xba, "║"],
    [0xc9, "╔"],
    [0xdb, "█"],
    [0xe1, "ß"],
    [0xf8, "°"],
    [0xfe, "■"],
    [0xff, "\u00a0"],
  ];
  for (const [code, character] of some) assertEquals(page[code], character);
  assertEquals(new Set(page).size, 255); // only code 0 shares its glyph, with the space
});

Deno.test("Vga places its cursor relative to the start address [VGA-9]", () => {
  const { vga } = adapter();
  const place = (address: number) => {
    set(vga, CRTC, 0x0e, address >> 8);
    set(vga, CRTC, 0x0f, address & 0xff);
    return vga.screen().cursor;
  };
  assertEquals(place(24 * 80 + 79), { row: 24, column: 79, visible: true });
  assertEquals(place(25 * 80), { row: 25, column: 0, visible: false });
  set(vga, CRTC, 0x0d, 80);
  assertEquals(place(25 * 80), { row: 24, column: 0, visible: true });
  assertEquals(place(79).visible, false);
});

Deno.test("Vga turns its cursor off [VGA-9]", () => {
  const { vga } = adapter();
  set(vga, CRTC, 0x0a, 0x2d);
  assertEquals(vga.screen().cursor.visible, false);
  set(vga, CRTC, 0x0a, 0x0f); // the last line is 0Eh
  assertEquals(vga.screen().cursor.visible, false);
  for (const first of [0x00, 0x0e]) {
    set(vga, CRTC, 0x0a, first);
    assertEquals(vga.screen().cursor.visible, true);
  }
});

Deno.test("Vga derives rows from the height of a character [VGA-10]", () => {
  const { vga } = adapter();
  set(vga, CRTC, 0x09, 0x47);
  assertEquals([vga.rows, vga.screen().rows.length], [50, 50]);
  set(vga, CRTC, 0x09, 0x4d);
  assertEquals(vga.rows, 28); // 400 / 14, whole rows
  set(vga, CRTC, 0x09, 0x40);
  assertEquals(vga.rows, 400);
});

Deno.test("Vga says whether bit 7 blinks [VGA-11]", () => {
  const { vga } = adapter();
  setAttribute(vga, 0x10, 0x04);
  assertEquals(vga.screen().blink, false);
});

Deno.test("Vga turns the screen off [VGA-12]", () => {
  const { vga } = adapter();
  vga.read(STATUS);
  vga.write(ATTRIBUTE, 0x10);
  assertEquals(vga.screen().on, false);
  setAttribute(vga, 0x10, 0x0c);
  assertEquals(vga.screen().on, true);
  set(vga, SEQUENCER, 0x01, 0x20);
  assertEquals(vga.screen().on, false);
});

Deno.test("Vga starts with the colours of a PC [VGA-13]", () => {
  const { vga } = adapter();
  assertEquals(vga.screen().palette.map((c) => c.toString(16).padStart(6, "0")), [
    ..."000000 0000aa 00aa00 00aaaa aa0000 aa00aa aa5500 aaaaaa".split(" "),
    ..."555555 5555ff 55ff55 55ffff ff5555 ff55ff ffff55 ffffff".split(" "),
  ]);
});

Deno.test("Vga's DAC takes and gives three components a colour [VGA-13]", () => {
  const { vga } = adapter();
  assertEquals(vga.read(DAC_READ_INDEX), 0);
  vga.write(DAC_WRITE_INDEX, 1);
  for (const component of [0x3f, 0x20, 0x00, 0x01, 0x02, 0xc3]) vga.write(DAC_DATA, component);
  assertEquals([vga.read(DAC_WRITE_INDEX), vga.read(DAC_READ_INDEX)], [3, 0]);
  vga.write(DAC_READ_INDEX, 1);
  assertEquals(Array.from({ length: 6 }, () => vga.read(DAC_DATA)), [0x3f, 0x20, 0, 1, 2, 3]);
  assertEquals(vga.read(DAC_READ_INDEX), 3);
  assertEquals(vga.screen().palette[1], 0xff8200);
  setAttribute(vga, 0x07, 0x01);
  assertEquals(vga.screen().palette[7], 0xff8200);
});

Deno.test("Vga shows where the beam is [VGA-14]", () => {
  const { vga } = adapter();
  let now = 0;
  const statusAt = (cycles: number) => {
    vga.advance(Math.floor(cycles) - now);
    now = Math.floor(cycles);
    return vga.read(STATUS);
  };
  assertEquals(statusAt(0), 0x00);
  assertEquals(statusAt(LINE_CYCLES * 0.79), 0x00);
  assertEquals(statusAt(LINE_CYCLES * 0.81), 0x01);
  assertEquals(statusAt(LINE_CYCLES * 1.01), 0x00);
  assertEquals(statusAt(LINE_CYCLES * 400.1), 0x01);
  assertEquals(statusAt(LINE_CYCLES * 412.1), 0x09);
  assertEquals(statusAt(LINE_CYCLES * 413.9), 0x09);
  assertEquals(statusAt(LINE_CYCLES * 414.1), 0x01);
  assertEquals(statusAt(FRAME_CYCLES + LINE_CYCLES * 0.1), 0x00);
});

Deno.test("Vga's beam does not depend on how time is divided [VGA-14]", () => {
  const [one, many] = [adapter().vga, adapter().vga];
  for (let i = 0; i < 1000; i++) many.advance(7_001);
  one.advance(7_001_000);
  assertEquals(many.state(), one.state());
  one.advance(Number.MAX_SAFE_INTEGER); // no loss of precision
  assertEquals(Number.isInteger(one.state().beam), true);
});

Deno.test("Vga.text leaves trailing spaces out [VGA-15]", () => {
  const { vga, frame } = adapter();
  put(frame, 0, "  ClaudeOS  ");
  put(frame, 80, "Day 6");
  assertEquals(vga.text(), `  ClaudeOS\nDay 6${"\n".repeat(23)}`);
  assertEquals(textOf(vga.screen()), vga.text());
});

Deno.test("Vga diagnoses graphics modes [VGA-16]", () => {
  const { vga, clauses } = adapter();
  set(vga, GRAPHICS, 0x06, 0x0e);
  assertEquals(clauses, []);
  set(vga, GRAPHICS, 0x06, 0x05);
  assertEquals(clauses, ["VGA-16"]);
});

Deno.test("renderAnsi draws colours where they change [VGA-17]", () => {
  const { vga, frame } = adapter();
  set(vga, CRTC, 0x0a, 0x20);
  put(frame, 0, "OK", 0x0a);
  put(frame, 2, "!", 0x4e);
  put(frame, 3, "?", 0x9f);
  const [first, second] = renderAnsi(vga.screen()).split("\n");
  assertEquals(
    first,
    "\x1b[0;92;40mOK\x1b[0;93;41m!\x1b[0;97;44;5m?\x1b[0;37;40m" + " ".repeat(76) + "\x1b[0m",
  );
  assertEquals(second, "\x1b[0;37;40m" + " ".repeat(80) + "\x1b[0m");
  setAttribute(vga, 0x10, 0x04);
  assertEquals(renderAnsi(vga.screen()).includes("\x1b[0;97;104m?\x1b[0;37;40m "), true);
});

Deno.test("renderAnsi reverses the cursor and blanks a screen that is off [VGA-17]", () => {
  const { vga, frame } = adapter();
  put(frame, 0, "AB");
  const row = () => renderAnsi(vga.screen()).split("\n")[0];
  assertEquals(row().startsWith("\x1b[0;37;40;7mA\x1b[0;37;40mB"), true);
  vga.read(STATUS);
  vga.write(ATTRIBUTE, 0x00);
  assertEquals(row().includes("A"), false);
  assertEquals(renderAnsi(vga.screen()).match(/\n/g)!.length, 25);
});

Deno.test("Vga continues from a restored state [VGA-18]", () => {
  const { vga, frame } = adapter();
  vga.write(ATTRIBUTE, 0x31);
  set(vga, CRTC, 0x0d, 80);
  vga.write(DAC_WRITE_INDEX, 7);
  vga.write(DAC_DATA, 1);
  vga.advance(12_345);
  const other = new Vga(frame);
  other.restore(JSON.parse(JSON.stringify(vga.state())));
  for (const each of [vga, other]) {
    each.write(ATTRIBUTE, 0x05);
    each.write(DAC_DATA, 2);
  }
  assertEquals(other.state(), vga.state());
  assertEquals(other.screen(), vga.screen());
});

Deno.test("Vga replays its golden trace", async (t) => {
  const { golden, trace, state } = await replayGolden("vga");
  assertEquals(trace, golden);
  await t.assertSnapshot(state);
});
