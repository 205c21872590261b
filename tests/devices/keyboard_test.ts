import { assertEquals, assertThrows } from "@std/assert";
import { Keyboard } from "../../devices/keyboard.ts";
import { replayGolden } from "./traces.ts";

const BYTE_CYCLES = 88_000;
const SECOND_CYCLES = 100_000_000;

/** A keyboard whose bytes are logged. */
function wired() {
  const sent: number[] = [];
  const clauses: string[] = [];
  const keyboard = new Keyboard((clause) => clauses.push(clause));
  keyboard.connect((byte) => sent.push(byte));
  return { keyboard, sent, clauses };
}

/** What a keyboard sends within a time that is long enough for all but repeated keys. */
function sentBy(act: (keyboard: Keyboard) => void, cycles = 40 * BYTE_CYCLES): string {
  const { keyboard, sent } = wired();
  act(keyboard);
  keyboard.advance(cycles);
  return hex(sent);
}

function hex(bytes: number[]): string {
  return bytes.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
}

function send(keyboard: Keyboard, ...bytes: number[]): void {
  for (const byte of bytes) {
    keyboard.receive(byte);
    keyboard.advance(4 * BYTE_CYCLES);
  }
}

const TABLE: readonly (readonly [string, string, string])[] = [
  ["KeyA", "1c", "1e"],
  ["KeyZ", "1a", "2c"],
  ["Digit1", "16", "02"],
  ["Digit0", "45", "0b"],
  ["Space", "29", "39"],
  ["Enter", "5a", "1c"],
  ["Escape", "76", "01"],
  ["F1", "05", "3b"],
  ["F7", "83", "41"],
  ["F12", "07", "58"],
  ["CapsLock", "58", "3a"],
  ["ShiftLeft", "12", "2a"],
  ["ShiftRight", "59", "36"],
  ["ControlRight", "e0 14", "e0 1d"],
  ["ArrowUp", "e0 75", "e0 48"],
  ["Delete", "e0 71", "e0 53"],
  ["NumpadEnter", "e0 5a", "e0 1c"],
  ["NumpadAdd", "79", "4e"],
  ["PrintScreen", "e0 12 e0 7c", "e0 2a e0 37"],
  ["Pause", "e1 14 77 e1 f0 14 f0 77", "e1 1d 45 e1 9d c5"],
];

Deno.test("Keyboard has the make codes of set 2 and of set 1 [KEYBOARD-1]", () => {
  for (const [code, set2, set1] of TABLE) {
    assertEquals(sentBy((k) => k.press(code)), set2);
    assertEquals(sentBy((k) => (send(k, 0xf0, 0x01), k.press(code))), `fa fa ${set1}`);
  }
});

Deno.test("Keyboard has the break codes of set 2 and of set 1 [KEYBOARD-2]", () => {
  const breaks: [string, string, string][] = [
    ["KeyA", "f0 1c", "9e"],
    ["ArrowUp", "e0 f0 75", "e0 c8"],
    ["PrintScreen", "e0 f0 7c e0 f0 12", "e0 b7 e0 aa"],
    ["Pause", "", ""],
  ];
  for (const [code, set2, set1] of breaks) {
    assertEquals(sentBy((k) => k.release(code)), set2);
    assertEquals(sentBy((k) => (send(k, 0xf0, 0x01), k.release(code))), `fa fa ${set1}`.trim());
  }
});

Deno.test("Keyboard takes 88,000 ticks for a byte [KEYBOARD-3]", () => {
  const { keyboard, sent } = wired();
  assertEquals(keyboard.cyclesToEvent(), Infinity);
  keyboard.press("ArrowUp");
  keyboard.advance(BYTE_CYCLES - 1);
  assertEquals([hex(sent), keyboard.cyclesToEvent()], ["", 1]);
  keyboard.advance(1);
  assertEquals([hex(sent), keyboard.cyclesToEvent()], ["e0", BYTE_CYCLES]);
  keyboard.advance(BYTE_CYCLES);
  assertEquals(hex(sent), "e0 75");
});

Deno.test("Keyboard sends nothing while its clock is held [KEYBOARD-3]", () => {
  const { keyboard, sent } = wired();
  keyboard.press("KeyA");
  keyboard.advance(BYTE_CYCLES - 1);
  keyboard.inhibit(true);
  keyboard.advance(10 * BYTE_CYCLES);
  keyboard.inhibit(false);
  keyboard.advance(BYTE_CYCLES - 1);
  assertEquals(hex(sent), "");
  keyboard.advance(1);
  assertEquals(hex(sent), "1c");
});

Deno.test("Keyboard keeps what is typed while nobody reads [KEYBOARD-4]", () => {
  const { keyboard, sent } = wired();
  keyboard.inhibit(true);
  keyboard.type("a".repeat(500));
  keyboard.advance(SECOND_CYCLES);
  assertEquals(sent, []);
  assertEquals(keyboard.pending, 1000); // one byte ready, 999 actions to scan
  keyboard.inhibit(false);
  keyboard.advance(1500 * BYTE_CYCLES);
  assertEquals(hex(sent), "1c f0 1c ".repeat(500).trim());
  assertEquals(keyboard.pending, 0);
});

Deno.test("Keyboard.type holds shift and control where needed [KEYBOARD-5]", () => {
  assertEquals(sentBy((k) => k.type("aA")), "1c f0 1c 12 1c f0 1c f0 12");
  assertEquals(sentBy((k) => k.type("1!")), "16 f0 16 12 16 f0 16 f0 12");
  assertEquals(sentBy((k) => k.type("\x03")), "14 21 f0 21 f0 14");
  assertEquals(sentBy((k) => k.type("\n\r\r\n")), "5a f0 5a ".repeat(3).trim());
  assertEquals(
    sentBy((k) => k.type("\t \b\x7f\x1b")),
    "0d f0 0d 29 f0 29 66 f0 66 66 f0 66 76 f0 76",
  );
});

Deno.test("Keyboard.type reaches each printable ASCII character [KEYBOARD-5]", () => {
  const plain = "`1234567890-=qwertyuiop[]\\asdfghjkl;'zxcvbnm,./";
  const upper = '~!@#$%^&*()_+QWERTYUIOP{}|ASDFGHJKL:"ZXCVBNM<>?';
  const codes = "0e 16 1e 26 25 2e 36 3d 3e 46 45 4e 55 15 1d 24 2d 2c 35 3c 43 44 4d 54 5b 5d " +
    "1c 1b 23 2b 34 33 3b 42 4b 4c 52 1a 22 21 2a 32 31 3a 41 49 4a";
  const long = 300 * BYTE_CYCLES;
  assertEquals(
    sentBy((k) => k.type(plain), long),
    codes.split(" ").map((code) => `${code} f0 ${code}`).join(" "),
  );
  assertEquals(
    sentBy((k) => k.type(upper), 2 * long),
    codes.split(" ").map((code) => `12 ${code} f0 ${code} f0 12`).join(" "),
  );
});

Deno.test("Keyboard.type refuses a character without a key, and types nothing [KEYBOARD-6]", () => {
  const { keyboard } = wired();
  assertThrows(() => keyboard.type("aé"), RangeError, 'Cannot type "é"');
  assertThrows(() => keyboard.press("A"), RangeError, 'Cannot press "A"');
  assertEquals(keyboard.pending, 0);
});

Deno.test("Keyboard repeats the last key until it is released [KEYBOARD-7]", () => {
  const { keyboard, sent } = wired();
  keyboard.press("KeyA");
  keyboard.press("KeyB");
  keyboard.advance(BYTE_CYCLES + 50_000_000); // the second key is scanned after the first was sent
  assertEquals(hex(sent), "1c 32");
  keyboard.advance(BYTE_CYCLES);
  assertEquals(hex(sent), "1c 32 32");
  keyboard.advance(SECOND_CYCLES - BYTE_CYCLES);
  assertEquals(sent.length, 3 + 10); // 91.7 ms each
  keyboard.release("KeyB");
  keyboard.advance(SECOND_CYCLES);
  assertEquals(hex(sent.slice(-3)), "32 f0 32");
  assertEquals(keyboard.cyclesToEvent(), Infinity);
});

Deno.test("Keyboard repeats with the delay and the rate of F3 [KEYBOARD-7]", () => {
  const { keyboard, sent } = wired();
  send(keyboard, 0xf3, 0x00); // 250 ms, 30 a second
  keyboard.press("KeyA");
  keyboard.advance(25_000_000);
  assertEquals(hex(sent), "fa fa 1c");
  keyboard.advance(SECOND_CYCLES);
  assertEquals(sent.length, 3 + 30);
});

Deno.test("Keyboard answers reset, echo and identify [KEYBOARD-8]", () => {
  const { keyboard, sent } = wired();
  send(keyboard, 0xed, 0x07, 0xf0, 0x01, 0xff);
  assertEquals([hex(sent.slice(-2)), keyboard.leds], ["fa aa", 0]);
  send(keyboard, 0xee, 0xf2, 0xf0, 0x00);
  assertEquals(hex(sent.slice(6)), "ee fa ab 83 fa fa 02");
});

Deno.test("Keyboard takes the parameter of a command [KEYBOARD-9]", () => {
  const { keyboard, sent } = wired();
  send(keyboard, 0xed);
  keyboard.press("KeyA");
  keyboard.advance(BYTE_CYCLES);
  assertEquals(hex(sent), "fa");
  send(keyboard, 0x05);
  assertEquals([hex(sent), keyboard.leds], ["fa fa 1c", 5]);
  send(keyboard, 0xed, 0xee, 0x02); // EE is a command again, and 02 none
  assertEquals([hex(sent.slice(3)), keyboard.leds], ["fa ee fe", 5]);
});

Deno.test("Keyboard selects and reports its scan code set [KEYBOARD-10]", () => {
  const { keyboard, sent } = wired();
  send(keyboard, 0xf0, 0x00, 0xf0, 0x01, 0xf0, 0x00, 0xf0, 0x02, 0xf0, 0x00);
  assertEquals(hex(sent), "fa fa 02 fa fa fa fa 01 fa fa fa fa 02");
});

Deno.test("Keyboard stops and starts scanning [KEYBOARD-11]", () => {
  const { keyboard, sent } = wired();
  send(keyboard, 0xed, 0x02, 0xf5);
  keyboard.type("a");
  keyboard.advance(SECOND_CYCLES);
  assertEquals([hex(sent), keyboard.leds], ["fa fa fa", 0]);
  send(keyboard, 0xf6);
  assertEquals(hex(sent), "fa fa fa fa"); // F6 does not start it
  send(keyboard, 0xf4);
  assertEquals(hex(sent.slice(4)), "fa 1c f0 1c");
});

Deno.test("Keyboard drops unsent bytes when it is enabled [KEYBOARD-11]", () => {
  const { keyboard, sent } = wired();
  keyboard.press("ArrowUp");
  keyboard.press("KeyA");
  keyboard.receive(0xf4);
  keyboard.advance(4 * BYTE_CYCLES);
  assertEquals(hex(sent), "fa 1c");
});

Deno.test("Keyboard keeps 16 bytes of answers that nobody takes [KEYBOARD-14]", () => {
  const { keyboard, sent, clauses } = wired();
  for (let i = 0; i < 1000; i++) keyboard.receive(0xee);
  assertEquals(keyboard.state().output.length, 16);
  assertEquals(clauses.length, 984);
  keyboard.advance(100 * BYTE_CYCLES);
  assertEquals(sent, new Array(16).fill(0xee));
});

Deno.test("Keyboard diagnoses unknown commands and repeats its last byte [KEYBOARD-12]", () => {
  const { keyboard, sent, clauses } = wired();
  send(keyboard, 0xee, 0xfe, 0xe0, 0xf0, 0x03);
  assertEquals(hex(sent), "ee ee fe fa fe");
  assertEquals(clauses, ["KEYBOARD-12", "KEYBOARD-12"]);
});

Deno.test("Keyboard continues from a restored state [KEYBOARD-13]", () => {
  const first = wired();
  first.keyboard.type("Day 6\n");
  first.keyboard.press("KeyX");
  first.keyboard.advance(7 * BYTE_CYCLES + 1);
  const second = wired();
  second.keyboard.restore(JSON.parse(JSON.stringify(first.keyboard.state())));
  first.sent.length = 0;
  for (const { keyboard } of [first, second]) keyboard.advance(SECOND_CYCLES);
  assertEquals(second.sent, first.sent);
  assertEquals(second.keyboard.state(), first.keyboard.state());
  second.keyboard.reset();
  assertEquals(second.keyboard.state(), new Keyboard().state());
});

Deno.test("Keyboard replays its golden trace", async (t) => {
  const { golden, trace, state } = await replayGolden("keyboard");
  assertEquals(trace, golden);
  await t.assertSnapshot(state);
});
