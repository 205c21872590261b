import { assertEquals } from "@std/assert";
import { I8042 } from "../../devices/i8042.ts";
import { Keyboard } from "../../devices/keyboard.ts";
import { replayGolden } from "./traces.ts";

const DATA = 0; // port 60h
const STATUS = 4; // port 64h
const COMMAND = 4;

const BYTE_CYCLES = 88_000;

/** A controller with a keyboard; outputs are logged. */
function wired() {
  const irq: boolean[] = [];
  const a20: boolean[] = [];
  const reset: boolean[] = [];
  const clauses: string[] = [];
  const keyboard = new Keyboard((clause) => clauses.push(clause));
  const controller = new I8042(
    keyboard,
    (level) => irq.push(level),
    { a20: (level) => a20.push(level), reset: (level) => reset.push(level) },
    (clause) => clauses.push(clause),
  );
  return { keyboard, controller, irq, a20, reset, clauses };
}

/** The reply to a command. */
function ask(controller: I8042, command: number): number {
  controller.write(COMMAND, command);
  assertEquals(controller.read(STATUS) & 0x01, 0x01);
  return controller.read(DATA);
}

function configure(controller: I8042, config: number): void {
  controller.write(COMMAND, 0x60);
  controller.write(DATA, config);
}

/** Reads what comes in `count` times the time of a byte. */
function readAll(keyboard: Keyboard, controller: I8042, count = 40): number[] {
  const bytes: number[] = [];
  for (let i = 0; i < count; i++) {
    keyboard.advance(BYTE_CYCLES);
    if (controller.read(STATUS) & 0x01) bytes.push(controller.read(DATA));
  }
  return bytes;
}

Deno.test("I8042 raises IRQ1 for a byte until it is read [I8042-1]", () => {
  const { keyboard, controller, irq } = wired();
  keyboard.press("KeyA");
  keyboard.advance(BYTE_CYCLES);
  assertEquals([irq, controller.read(STATUS)], [[true], 0x15]);
  assertEquals(controller.read(DATA), 0x1e);
  assertEquals([irq, controller.read(STATUS), controller.read(DATA)], [[true, false], 0x14, 0x1e]);
  configure(controller, 0x44);
  keyboard.press("KeyB");
  keyboard.advance(BYTE_CYCLES);
  assertEquals([irq.length, controller.read(STATUS), controller.read(DATA)], [2, 0x15, 0x30]);
});

Deno.test("I8042 starts as firmware leaves it [I8042-2]", () => {
  const { controller } = wired();
  assertEquals([DATA, STATUS, 1].map((register) => controller.read(register)), [0, 0x14, 0xff]);
  assertEquals(ask(controller, 0x20), 0x65);
  assertEquals(ask(controller, 0xd0) & 0x03, 0x03);
});

Deno.test("I8042.reset brings the lines back [I8042-2]", () => {
  const { keyboard, controller, irq, a20 } = wired();
  controller.write(COMMAND, 0xdd);
  keyboard.press("KeyA");
  keyboard.advance(BYTE_CYCLES);
  keyboard.reset();
  controller.reset();
  assertEquals([a20, irq], [[false, true], [true, false]]);
  assertEquals(controller.state(), wired().controller.state());
});

Deno.test("I8042 holds the keyboard while a byte waits [I8042-3]", () => {
  const { keyboard, controller, irq } = wired();
  keyboard.type("ab");
  keyboard.advance(100 * BYTE_CYCLES);
  assertEquals(irq, [true]);
  assertEquals(readAll(keyboard, controller), [0x1e, 0x9e, 0x30, 0xb0]);
  assertEquals(irq, [true, false, true, false, true, false, true, false]);
});

Deno.test("I8042 reads and writes its memory [I8042-4]", () => {
  const { controller } = wired();
  configure(controller, 0x47);
  assertEquals(ask(controller, 0x20), 0x67); // the auxiliary port stays disabled
  controller.write(COMMAND, 0x75);
  controller.write(DATA, 0x5a);
  assertEquals([ask(controller, 0x35), ask(controller, 0x34)], [0x5a, 0]);
});

Deno.test("I8042 passes its tests [I8042-5]", () => {
  const { controller } = wired();
  configure(controller, 0x01);
  assertEquals(controller.read(STATUS), 0x10);
  assertEquals([0xaa, 0xab, 0xc0].map((command) => ask(controller, command)), [0x55, 0x00, 0x80]);
  assertEquals(controller.read(STATUS), 0x1c);
});

Deno.test("I8042 delays and diagnoses a reply behind an unread byte [I8042-6]", () => {
  const { keyboard, controller, irq, clauses } = wired();
  keyboard.press("KeyA");
  keyboard.advance(BYTE_CYCLES);
  controller.write(COMMAND, 0xaa);
  assertEquals(clauses, ["I8042-6"]);
  assertEquals([controller.read(DATA), controller.read(DATA)], [0x1e, 0x55]);
  assertEquals(irq, [true, false, true, false]);
});

Deno.test("I8042 keeps 16 replies behind an unread byte [I8042-6]", () => {
  const { controller, clauses } = wired();
  for (let i = 0; i < 1000; i++) controller.write(COMMAND, 0xab);
  assertEquals(clauses.length, 999);
  assertEquals(controller.state().replies.length, 16);
});

Deno.test("I8042 translates set 2 to set 1 [I8042-7]", () => {
  const { keyboard, controller } = wired();
  const codes: [string, number[]][] = [
    ["KeyQ", [0x10, 0x90]],
    ["F7", [0x41, 0xc1]],
    ["F12", [0x58, 0xd8]],
    ["ArrowLeft", [0xe0, 0x4b, 0xe0, 0xcb]],
    ["PrintScreen", [0xe0, 0x2a, 0xe0, 0x37, 0xe0, 0xb7, 0xe0, 0xaa]],
    ["Pause", [0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5]],
  ];
  for (const [code, bytes] of codes) {
    keyboard.press(code);
    keyboard.release(code);
    assertEquals(readAll(keyboard, controller), bytes);
  }
  controller.write(DATA, 0xf2);
  assertEquals(readAll(keyboard, controller), [0xfa, 0xab, 0x41]);
});

Deno.test("I8042 translates all bytes as the ROM does [I8042-7]", () => {
  const rom = `
    ff 43 41 3f 3d 3b 3c 58 64 44 42 40 3e 0f 29 59 65 38 2a 70 1d 10 02 5a 66 71 2c 1f 1e 11 03 5b
    67 2e 2d 20 12 05 04 5c 68 39 2f 21 14 13 06 5d 69 31 30 23 22 15 07 5e 6a 72 32 24 16 08 09 5f
    6b 33 25 17 18 0b 0a 60 6c 34 35 26 27 19 0c 61 6d 73 28 74 1a 0d 62 6e 3a 36 1c 1b 75 2b 63 76
    55 56 77 78 79 7a 0e 7b 7c 4f 7d 4b 47 7e 7f 6f 52 53 50 4c 4d 48 01 45 57 4e 51 4a 37 49 46 54
  `.trim().split(/\s+/).map((digits) => parseInt(digits, 16));
  const high = Array.from({ length: 0x80 }, (_, i) => 0x80 + i);
  [high[3], high[4]] = [0x41, 0x54];
  let send: (byte: number) => void = () => {};
  const connect = (wire: (byte: number) => void) => {
    send = wire;
  };
  const controller = new I8042({ connect, receive: () => {}, inhibit: () => {} }, () => {});
  [...rom, ...high].forEach((expected, byte) => {
    if (byte === 0xf0) return;
    send(byte);
    assertEquals(controller.read(DATA), expected);
  });
});

Deno.test("I8042 translates each key's set 2 to the keyboard's own set 1 [I8042-7]", () => {
  const codes = [
    ..."ABCDEFGHIJKLMNOPQRSTUVWXYZ".split("").map((letter) => `Key${letter}`),
    ..."0123456789".split("").flatMap((digit) => [`Digit${digit}`, `Numpad${digit}`]),
    ...Array.from({ length: 12 }, (_, i) => `F${i + 1}`),
    ..."Up Left Down Right".split(" ").map((direction) => `Arrow${direction}`),
    ..."Shift Control Alt Meta".split(" ").flatMap((key) => [`${key}Left`, `${key}Right`]),
    ..."Divide Multiply Subtract Add Enter Decimal".split(" ").map((key) => `Numpad${key}`),
    ..."Escape PrintScreen ScrollLock Pause Backquote Minus Equal Backspace Tab BracketLeft".split(
      " ",
    ),
    ..."BracketRight Backslash CapsLock Semicolon Quote Enter IntlBackslash Comma Period".split(
      " ",
    ),
    ..."Slash Space ContextMenu Insert Home PageUp Delete End PageDown NumLock".split(" "),
  ];
  assertEquals(new Set(codes).size, 105);
  const strike = (keyboard: Keyboard) =>
    codes.forEach((code) => (keyboard.press(code), keyboard.release(code)));
  const translated = wired();
  strike(translated.keyboard);
  const native = wired();
  configure(native.controller, 0x25);
  for (const byte of [0xf0, 0x01]) {
    native.controller.write(DATA, byte);
    readAll(native.keyboard, native.controller, 2);
  }
  strike(native.keyboard);
  const bytes = readAll(translated.keyboard, translated.controller, 500);
  assertEquals(readAll(native.keyboard, native.controller, 500), bytes);
  assertEquals(new Set(bytes.filter((byte) => byte < 0x80)).size, 89); // 01h–53h, 56h–58h, 5Bh–5Dh
});

Deno.test("I8042 passes set 2 through without translation [I8042-8]", () => {
  const { keyboard, controller } = wired();
  configure(controller, 0x25);
  keyboard.type("a");
  assertEquals(readAll(keyboard, controller), [0x1c, 0xf0, 0x1c]);
});

Deno.test("I8042 disables and enables the keyboard [I8042-9]", () => {
  const { keyboard, controller, irq } = wired();
  controller.write(COMMAND, 0xad);
  assertEquals(ask(controller, 0x20), 0x75);
  keyboard.type("a");
  assertEquals([readAll(keyboard, controller), irq], [[], []]);
  controller.write(COMMAND, 0xae);
  assertEquals([ask(controller, 0x20), readAll(keyboard, controller)], [0x65, [0x1e, 0x9e]]);
});

Deno.test("I8042 passes bytes to the keyboard and enables it [I8042-10]", () => {
  const { keyboard, controller } = wired();
  controller.write(COMMAND, 0xad);
  controller.write(DATA, 0xee);
  assertEquals([readAll(keyboard, controller), ask(controller, 0x20)], [[0xee], 0x65]);
});

Deno.test("I8042 drives A20 [I8042-11]", () => {
  const { controller, a20, reset } = wired();
  controller.write(COMMAND, 0xdd);
  controller.write(COMMAND, 0xdd);
  assertEquals([a20, ask(controller, 0xd0) & 0x03], [[false], 0x01]);
  controller.write(COMMAND, 0xd1);
  controller.write(DATA, 0xdf);
  controller.write(COMMAND, 0xd1);
  controller.write(DATA, 0xdd);
  controller.write(COMMAND, 0xdf);
  assertEquals([a20, reset], [[false, true, false, true], []]);
});

Deno.test("I8042 resets by its output port [I8042-11, I8042-12]", () => {
  const { controller, reset } = wired();
  controller.write(COMMAND, 0xd1);
  controller.write(DATA, 0xde);
  assertEquals(reset, [true]);
});

Deno.test("I8042 pulses the reset line [I8042-12]", () => {
  const { controller, reset } = wired();
  controller.write(COMMAND, 0xfe);
  assertEquals(reset, [true, false]);
  controller.write(COMMAND, 0xff);
  assertEquals(reset, [true, false]);
});

Deno.test("I8042 puts a byte into its own output buffer [I8042-13]", () => {
  const { controller, irq } = wired();
  controller.write(COMMAND, 0xd2);
  controller.write(DATA, 0x1c);
  assertEquals(irq, [true]);
  assertEquals([controller.read(STATUS), controller.read(DATA)], [0x15, 0x1c]);
});

Deno.test("I8042 diagnoses what it does not model [I8042-14]", () => {
  const { keyboard, controller, clauses } = wired();
  for (const command of [0x1f, 0x40, 0x5f, 0x80, 0xa8, 0xd3, 0xef]) {
    controller.write(COMMAND, command);
  }
  controller.write(COMMAND, 0xd4);
  controller.write(DATA, 0xf4);
  assertEquals([clauses, readAll(keyboard, controller)], [Array(8).fill("I8042-14"), []]);
  assertEquals(ask(controller, 0x20), 0x65);
});

Deno.test("I8042 tells commands from data in its status [I8042-15]", () => {
  const { controller } = wired();
  controller.write(COMMAND, 0xae);
  assertEquals(controller.read(STATUS), 0x1c);
  controller.write(DATA, 0xee);
  assertEquals(controller.read(STATUS), 0x14);
});

Deno.test("I8042 continues from a restored state [I8042-16]", () => {
  const first = wired();
  first.controller.write(COMMAND, 0xd1);
  first.keyboard.press("KeyA");
  first.keyboard.release("KeyA");
  first.keyboard.advance(BYTE_CYCLES);
  first.controller.read(DATA);
  first.keyboard.advance(BYTE_CYCLES); // F0 has come, the code has not
  const second = wired();
  second.controller.restore(JSON.parse(JSON.stringify(first.controller.state())));
  second.keyboard.restore(JSON.parse(JSON.stringify(first.keyboard.state())));
  for (const { keyboard, controller, a20 } of [first, second]) {
    assertEquals(readAll(keyboard, controller), [0x9e]);
    controller.write(DATA, 0xdd);
    assertEquals(a20, [false]);
  }
  assertEquals(second.controller.state(), first.controller.state());
});

Deno.test("I8042 replays its golden trace", async (t) => {
  const { golden, trace, state } = await replayGolden("i8042");
  assertEquals(trace, golden);
  await t.assertSnapshot(state);
});
