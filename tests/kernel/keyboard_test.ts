import { assertEquals } from "@std/assert";
import { bootGuest, type Guest } from "./guest.ts";
import { replayGolden } from "./traces.ts";

const MASTER_MASK = 0x21, COMMAND = 0x64, DATA = 0x60;

/** The characters that the kernel makes of what is done to the keys. */
function typed(guest: Guest, keys: () => void): string {
  keys();
  while (guest.machine.pc.keyboard.pending > 0) guest.call("timer_wait", 2); // the monitor sleeps
  let text = "";
  while (guest.call("keyboard_has_input") === 1) {
    text += String.fromCharCode(guest.call("keyboard_get_char"));
  }
  return text;
}

/** Presses and releases keys, one after the other. */
function strike(guest: Guest, ...codes: string[]): void {
  for (const code of codes) {
    guest.machine.pc.keyboard.press(code);
    guest.machine.pc.keyboard.release(code);
  }
}

Deno.test("keyboard_init configures the controller and unmasks IRQ 1 [KERNEL-KEYBOARD-1]", () => {
  const guest = bootGuest();
  guest.call("outb", COMMAND, 0xad); // keyboard off
  guest.call("pic_set_mask", 1);
  guest.call("keyboard_init");
  assertEquals(guest.call("inb", MASTER_MASK) & 2, 0);
  guest.call("pic_set_mask", 1); // the answer is for the test
  guest.call("outb", COMMAND, 0x20);
  assertEquals(guest.call("inb", DATA) & 0x51, 0x41); // translation and interrupt on, not disabled
});

Deno.test("Keys give the characters of the US layout [KERNEL-KEYBOARD-2]", () => {
  const guest = bootGuest();
  const text = "the quick brown fox jumps over the lazy dog 0123456789 `-=[]\\;',./\n\t\b\x1b";
  assertEquals(typed(guest, () => guest.machine.pc.keyboard.type(text)), text);
  assertEquals(typed(guest, () => strike(guest, "NumpadMultiply")), "*");
});

Deno.test("Keys without a character give none [KERNEL-KEYBOARD-2]", () => {
  const guest = bootGuest();
  const codes = ["ControlLeft", "AltLeft", "F1", "F12", "NumLock", "ScrollLock", "ShiftLeft"];
  assertEquals(typed(guest, () => strike(guest, ...codes)), "");
});

Deno.test("Either shift key gives the shifted characters [KERNEL-KEYBOARD-3]", () => {
  const guest = bootGuest();
  const text = 'THE QUICK BROWN FOX JUMPS OVER THE LAZY DOG )!@#$%^&*(~_+{}|:"<>?';
  assertEquals(typed(guest, () => guest.machine.pc.keyboard.type(text)), text);
  const keys = () => {
    const { keyboard } = guest.machine.pc;
    keyboard.press("ShiftRight");
    keyboard.press("ShiftLeft");
    strike(guest, "KeyA");
    keyboard.release("ShiftLeft");
    strike(guest, "KeyB"); // the other one is still held
    keyboard.release("ShiftRight");
    strike(guest, "KeyC");
  };
  assertEquals(typed(guest, keys), "ABc");
});

Deno.test("Caps lock reverses shift on letters only [KERNEL-KEYBOARD-4]", () => {
  const guest = bootGuest();
  const keys = () => {
    const { keyboard } = guest.machine.pc;
    strike(guest, "CapsLock", "KeyA", "Digit1");
    keyboard.press("ShiftLeft");
    strike(guest, "KeyA", "Digit1");
    keyboard.release("ShiftLeft");
    strike(guest, "CapsLock", "KeyA");
  };
  assertEquals(typed(guest, keys), "A1a!a");
});

Deno.test("The queue holds 256 characters and loses later ones [KERNEL-KEYBOARD-5]", () => {
  const guest = bootGuest();
  const text = Array.from({ length: 300 }, (_, n) => String.fromCharCode(97 + n % 26)).join("");
  assertEquals(typed(guest, () => guest.machine.pc.keyboard.type(text)), text.slice(0, 256));
  assertEquals(typed(guest, () => guest.machine.pc.keyboard.type("again")), "again");
});

Deno.test("keyboard_get_char does not wait [KERNEL-KEYBOARD-6]", () => {
  const guest = bootGuest();
  assertEquals([guest.call("keyboard_has_input"), guest.call("keyboard_get_char")], [0, 0]);
});

Deno.test("Extended keys give nothing, and do not shift [KERNEL-KEYBOARD-7]", () => {
  const guest = bootGuest();
  const keys = () => {
    strike(guest, "ArrowUp", "Insert", "Delete", "Pause", "MetaLeft", "ControlRight");
    guest.machine.pc.keyboard.press("PrintScreen"); // E0 2A E0 37: not a shift key
    strike(guest, "KeyA", "NumpadEnter", "NumpadDivide");
  };
  assertEquals(typed(guest, keys), "a\n/");
});

Deno.test("The keyboard driver replays its golden trace", async () => {
  const { golden, trace } = await replayGolden("keyboard");
  assertEquals(trace, golden);
});
