/// <reference types="npm:assemblyscript/std/types/assembly/index.d.ts" />
/**
 * PS/2 keyboard behind the 8042, scancode set 1, US layout. Spec: specs/kernel/keyboard.md.
 * Left out: LEDs, control and alternate characters, the numeric pad's digits.
 *
 * @module
 */
import { cli, cstr, inb, outb, read_eflags, sti } from "./link.ts";
import { pic_clear_mask, pic_set_mask } from "./pic.ts";

const DATA: u16 = 0x60;
const STATUS: u16 = 0x64;
const COMMAND: u16 = 0x64;
const STATUS_OUTPUT_FULL: u8 = 0x01;
const STATUS_INPUT_FULL: u8 = 0x02;
const READ_CONFIGURATION: u8 = 0x20;
const WRITE_CONFIGURATION: u8 = 0x60;
const ENABLE_KEYBOARD: u8 = 0xae;
const CONFIGURATION_IRQ1: u8 = 0x01;
const CONFIGURATION_TRANSLATE: u8 = 0x40; // set 2 to set 1
const CONFIGURATION_DISABLED: u8 = 0x10;
const POLL_LIMIT: u32 = 100000;
const IRQ: u32 = 1;

const EXTENDED: u8 = 0xe0; // one more byte follows
const PAUSE: u8 = 0xe1; // two more bytes follow
const RELEASED: u8 = 0x80;
const LEFT_SHIFT: u8 = 0x2a;
const RIGHT_SHIFT: u8 = 0x36;
const CAPS_LOCK: u8 = 0x3a;
const KEYPAD_ENTER: u8 = 0x1c; // after E0
const KEYPAD_SLASH: u8 = 0x35; // after E0
const LAST_MAPPED: u8 = 0x39;
const NONE: u8 = 0x7f;

const QUEUE_SIZE: u32 = 256;
const queue: usize = memory.data(256);
let queueHead: u32 = 0; // characters ever taken
let queueTail: u32 = 0; // characters ever typed
let shiftKeys: u8 = 0; // bit 0 left, bit 1 right
let capsLock: bool = false;
let extended: bool = false;
let pauseBytes: u32 = 0;

/** Empties the controller, turns on translation and its interrupt, and unmasks IRQ 1. */
export function keyboard_init(): void {
  pic_set_mask(IRQ); // the controller's answer is not for the handler
  send(COMMAND, ENABLE_KEYBOARD);
  for (let n = 0; n < 32 && (inb(STATUS) & STATUS_OUTPUT_FULL) != 0; n++) inb(DATA);
  send(COMMAND, READ_CONFIGURATION);
  if (waitStatus(STATUS_OUTPUT_FULL, STATUS_OUTPUT_FULL)) {
    const before = inb(DATA) & ~CONFIGURATION_DISABLED;
    send(COMMAND, WRITE_CONFIGURATION);
    send(DATA, before | CONFIGURATION_IRQ1 | CONFIGURATION_TRANSLATE);
  }
  pic_clear_mask(IRQ);
}

function send(port: u16, value: u8): void {
  if (waitStatus(STATUS_INPUT_FULL, 0)) outb(port, value);
}

function waitStatus(mask: u8, value: u8): bool {
  for (let polls: u32 = 0; polls < POLL_LIMIT; polls++) {
    if ((inb(STATUS) & mask) == value) return true;
  }
  return false;
}

/** Takes one scancode byte from the controller; the IRQ 1 handler. */
export function keyboard_handler(): void {
  if ((inb(STATUS) & STATUS_OUTPUT_FULL) == 0) return;
  const code = inb(DATA);
  if (pauseBytes > 0) pauseBytes--;
  else if (code == PAUSE) pauseBytes = 2;
  else if (code == EXTENDED) extended = true;
  else if (extended) handleExtended(code);
  else handleKey(code);
}

function handleExtended(code: u8): void {
  extended = false; // KERNEL-KEYBOARD-7: E0 2A and E0 36 are not shift keys
  if (code == KEYPAD_ENTER || code == KEYPAD_SLASH) handleKey(code);
}

function handleKey(code: u8): void {
  const key = code & ~RELEASED;
  const pressed = code == key;
  if (key == LEFT_SHIFT) setShift(1, pressed);
  else if (key == RIGHT_SHIFT) setShift(2, pressed);
  else if (pressed && key == CAPS_LOCK) capsLock = !capsLock;
  else if (pressed && key <= LAST_MAPPED) enqueue(characterOf(key));
}

function setShift(key: u8, pressed: bool): void {
  shiftKeys = pressed ? shiftKeys | key : shiftKeys & ~key;
}

/** The character of a key under the present shift and caps lock; NONE has 7Fh. */
function characterOf(key: u8): u8 {
  const plain = load<u8>(
    cstr("\x7f\x1b1234567890-=\b\tqwertyuiop[]\n\x7fasdfghjkl;'`\x7f\\zxcvbnm,./\x7f*\x7f ") + key,
  );
  const isLetter = plain >= 0x61 && plain <= 0x7a;
  const shifted = (shiftKeys != 0) != (isLetter && capsLock); // caps lock reverses shift on letters
  if (!shifted) return plain;
  return load<u8>(
    cstr('\x7f\x1b!@#$%^&*()_+\b\tQWERTYUIOP{}\n\x7fASDFGHJKL:"~\x7f|ZXCVBNM<>?\x7f*\x7f ') + key,
  );
}

function enqueue(c: u8): void {
  if (c == NONE || queueTail - queueHead == QUEUE_SIZE) return; // KERNEL-KEYBOARD-5: the newest is lost
  store<u8>(queue + (queueTail++ % QUEUE_SIZE), c);
}

/** 1 when a typed character waits. */
export function keyboard_has_input(): u32 {
  return queueHead != queueTail ? 1 : 0;
}

/** Takes the oldest typed character; 0 when there is none. Never waits. */
export function keyboard_get_char(): u8 {
  const interruptible = (read_eflags() & 0x200) != 0;
  cli(); // the queue is shared with the handler
  const c: u8 = queueHead != queueTail ? load<u8>(queue + (queueHead++ % QUEUE_SIZE)) : 0;
  if (interruptible) sti();
  return c;
}
