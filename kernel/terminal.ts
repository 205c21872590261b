/// <reference types="npm:assemblyscript/std/types/assembly/index.d.ts" />
/**
 * Text console: 80x25 VGA text with a hardware cursor, and the same bytes on COM1.
 * Spec: specs/kernel/terminal.md.
 *
 * @module
 */
import { outb } from "./link.ts";
import { debug_putchar } from "./serial.ts";

const VIDEO: usize = 0xb8000; // character, attribute, character, attribute ...
const COLUMNS: u32 = 80;
const ROWS: u32 = 25;
const CRTC_INDEX: u16 = 0x3d4;
const CRTC_DATA: u16 = 0x3d5;
const CURSOR_START: u8 = 0x0a; // first scan line of the cursor, bit 5 hides it
const CURSOR_END: u8 = 0x0b;
const CURSOR_HIGH: u8 = 0x0e;
const CURSOR_LOW: u8 = 0x0f;

const BACKSPACE: u8 = 8;
const TAB: u8 = 9;
const NEWLINE: u8 = 10;
const RETURN: u8 = 13;

/** Ordinary text: light grey on black. */
export const GREY: u8 = 0x07;
/** Headings: white on black. */
export const WHITE: u8 = 0x0f;
/** Success: light green on black. */
export const GREEN: u8 = 0x0a;
/** A refused request: yellow on black. */
export const YELLOW: u8 = 0x0e;
/** The end: white on red. */
export const RED: u8 = 0x4f;

let row: u32 = 0;
let column: u32 = 0;
let attribute: u8 = GREY;

/** Clears the screen in grey on black and shows the cursor at its top left corner. */
export function terminal_initialize(): void {
  row = 0;
  column = 0;
  attribute = GREY;
  for (let line: u32 = 0; line < ROWS; line++) clearLine(line);
  writeCrtc(CURSOR_START, 14);
  writeCrtc(CURSOR_END, 15);
  showCursor();
}

/** Sets the attribute of the characters to come: background << 4 | foreground. */
export function terminal_setcolor(color: u8): void {
  attribute = color;
}

/** Shows one character and sends it to COM1. */
export function terminal_putchar(c: u8): void {
  put(c);
  showCursor();
}

/** Shows `size` bytes. */
export function terminal_write(data: usize, size: u32): void {
  for (let i: u32 = 0; i < size; i++) put(load<u8>(data + i));
  showCursor();
}

/** Shows a NUL-terminated string. */
export function terminal_writestring(text: usize): void {
  for (let c = load<u8>(text); c != 0; c = load<u8>(++text)) put(c);
  showCursor();
}

/** Shows a string in a colour of its own. */
export function writeColored(color: u8, text: usize): void {
  const before = attribute;
  attribute = color;
  terminal_writestring(text);
  attribute = before;
}

/** Shows a number as 0x and eight lower-case hexadecimal digits. */
export function writeHex(value: usize): void {
  put(0x30); // 0
  put(0x78); // x
  for (let shift: i32 = 28; shift >= 0; shift -= 4) {
    const digit = <u8> ((value >> shift) & 15);
    put(digit < 10 ? digit + 0x30 : digit + 0x57);
  }
  showCursor();
}

/** Shows a number in decimal. */
export function writeDecimal(value: u32): void {
  if (value >= 10) writeDecimal(value / 10);
  terminal_putchar(<u8> (0x30 + value % 10));
}

/** Shows the n-th of the fields that `|` separates in a string: a table of names. */
export function writeField(fields: usize, n: u32): void {
  for (; n != 0; fields++) {
    if (load<u8>(fields) == 0x7c) n--;
  }
  for (let c = load<u8>(fields); c != 0 && c != 0x7c; c = load<u8>(++fields)) put(c);
  showCursor();
}

function put(c: u8): void {
  debug_putchar(c); // TERMINAL-8: what the screen shows, COM1 says
  if (c == NEWLINE) nextLine();
  else if (c == RETURN) column = 0;
  else if (c == BACKSPACE) stepBack();
  else if (c == TAB) putCells(0x20, 8 - (column & 7));
  else putCells(c, 1);
}

function putCells(c: u8, count: u32): void {
  for (; count != 0; count--) {
    store<u16>(cell(row, column), (<u16> attribute << 8) | c);
    if (++column == COLUMNS) nextLine();
  }
}

function nextLine(): void {
  column = 0;
  if (row + 1 < ROWS) row++;
  else scroll();
}

function scroll(): void {
  memory.copy(VIDEO, cell(1, 0), (ROWS - 1) * COLUMNS * 2);
  clearLine(ROWS - 1);
}

function stepBack(): void {
  if (column > 0) column--;
  else if (row > 0) {
    row--;
    column = COLUMNS - 1;
  }
}

function clearLine(line: u32): void {
  const blank = (<u32> attribute << 24) | 0x200020 | (<u32> attribute << 8);
  for (let i: u32 = 0; i < COLUMNS; i += 2) store<u32>(cell(line, i), blank);
}

function cell(line: u32, position: u32): usize {
  return VIDEO + (line * COLUMNS + position) * 2;
}

function showCursor(): void {
  const position = row * COLUMNS + column;
  writeCrtc(CURSOR_HIGH, <u8> (position >> 8));
  writeCrtc(CURSOR_LOW, <u8> position);
}

function writeCrtc(register: u8, value: u8): void {
  outb(CRTC_INDEX, register);
  outb(CRTC_DATA, value);
}
