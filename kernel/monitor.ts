/// <reference types="npm:assemblyscript/std/types/assembly/index.d.ts" />
/**
 * A command line on keyboard and COM1, to play with the memory managers.
 * Spec: specs/kernel/monitor.md.
 *
 * @module
 */
import { heap_dump_blocks, heap_dump_stats, kfree, kmalloc } from "./heap.ts";
import { keyboard_get_char, keyboard_has_input } from "./keyboard.ts";
import { cli, cstr, sti, sti_hlt } from "./link.ts";
import { kernel_panic } from "./panic.ts";
import { pmm_dump_stats } from "./pmm.ts";
import { COM1, serial_getchar, serial_received } from "./serial.ts";
import {
  terminal_putchar,
  terminal_writestring,
  writeDecimal,
  writeField,
  writeHex,
} from "./terminal.ts";
import { timer_get_ticks } from "./timer.ts";
import { current_page_directory, pageEntry, PRESENT, USER, WRITABLE } from "./vmm.ts";

const BACKSPACE: u8 = 8;
const NEWLINE: u8 = 10;
const RETURN: u8 = 13;
const SPACE: u8 = 32;
const DELETE: u8 = 127;

// Commands that take a number.
const MAP: u32 = 0;
const ALLOC: u32 = 1;
const FREE: u32 = 2;

const LINE_SIZE: u32 = 72; // fits a screen line behind the prompt, with the NUL
const line: usize = memory.data(72);
let length: u32 = 0;

let number: u32 = 0; // the argument, as parseNumber found it

/** Reads and obeys commands for ever. */
export function monitor(): void {
  while (true) {
    terminal_writestring(cstr("> "));
    readLine();
    obey();
  }
}

function readLine(): void {
  length = 0;
  while (true) {
    const c = readCharacter();
    if (c == RETURN || c == NEWLINE) break;
    if (c == BACKSPACE || c == DELETE) eraseLast();
    else if (c >= SPACE && c < DELETE && length < LINE_SIZE - 1) append(c);
  }
  store<u8>(line + length, 0);
  terminal_putchar(NEWLINE);
}

function append(c: u8): void {
  store<u8>(line + length++, c);
  terminal_putchar(c);
}

function eraseLast(): void {
  if (length == 0) return;
  length--;
  terminal_writestring(cstr("\b \b"));
}

/** Halts until the keyboard or COM1 has a character. */
function readCharacter(): u8 {
  while (true) {
    cli(); // MONITOR-4: a character between the look and HLT would wait for the next interrupt
    if (keyboard_has_input() != 0 || serial_received(COM1) != 0) break;
    sti_hlt();
  }
  sti();
  return keyboard_has_input() != 0 ? keyboard_get_char() : serial_getchar(COM1);
}

function obey(): void {
  const argument = splitLine();
  if (length == 0) return;
  if (commandIs(cstr("help"))) help();
  else if (commandIs(cstr("mem"))) pmm_dump_stats();
  else if (commandIs(cstr("heap"))) heap_dump_stats();
  else if (commandIs(cstr("blocks"))) heap_dump_blocks();
  else if (commandIs(cstr("ticks"))) showTicks();
  else if (commandIs(cstr("panic"))) kernel_panic(cstr("asked for at the monitor"));
  else if (commandIs(cstr("map"))) withNumber(argument, MAP);
  else if (commandIs(cstr("alloc"))) withNumber(argument, ALLOC);
  else if (commandIs(cstr("free"))) withNumber(argument, FREE);
  else terminal_writestring(cstr("Unknown command; try help\n"));
}

function help(): void {
  terminal_writestring(cstr(`\
mem         physical memory
heap        heap sizes
blocks      heap blocks in the order of memory
map ADDR    translate an address
alloc N     allocate N bytes
free ADDR   free an allocation
ticks       clock ticks since the start, 100 a second
panic       halt with a report
Numbers are decimal, or hexadecimal after 0x.
`));
}

function showTicks(): void {
  writeDecimal(timer_get_ticks());
  terminal_putchar(NEWLINE);
}

function withNumber(text: usize, action: u32): void {
  if (!parseNumber(text)) {
    terminal_writestring(cstr("A number is needed, such as 64 or 0x400010\n"));
  } else if (action == MAP) showMapping(number);
  else if (action == ALLOC) showAllocation(kmalloc(number));
  else if (kfree(number) != 0) terminal_writestring(cstr("Freed\n")); // else kfree has said why not
}

function showMapping(address: usize): void {
  const entry = pageEntry(current_page_directory, address);
  writeHex(address);
  if ((entry & PRESENT) == 0) return terminal_writestring(cstr(" is not mapped\n"));
  terminal_writestring(cstr(" -> "));
  writeHex(<usize> (entry & 0xfffff000) | (address & 0xfff));
  writeField(cstr(" read-only| writable"), (entry & WRITABLE) != 0 ? 1 : 0);
  writeField(cstr(" kernel\n| user\n"), (entry & USER) != 0 ? 1 : 0);
}

function showAllocation(address: usize): void {
  if (address == 0) return terminal_writestring(cstr("Not possible\n"));
  writeHex(address);
  terminal_putchar(NEWLINE);
}

/** Ends the first word of the line with a NUL; the address of what follows. */
function splitLine(): usize {
  let at = line;
  while (load<u8>(at) > SPACE) at++;
  if (load<u8>(at) == 0) return at;
  store<u8>(at++, 0);
  while (load<u8>(at) == SPACE) at++;
  return at;
}

function commandIs(name: usize): bool {
  let at = line;
  while (load<u8>(at) != 0 && load<u8>(at) == load<u8>(name)) {
    at++;
    name++;
  }
  return load<u8>(at) == load<u8>(name);
}

/** Reads a whole number of at most 32 bits into `number`. */
function parseNumber(text: usize): bool {
  const isHex = load<u8>(text) == 0x30 && (load<u8>(text + 1) | 0x20) == 0x78; // 0x
  const base: u32 = isHex ? 16 : 10;
  if (isHex) text += 2;
  number = 0;
  const first = text;
  for (let digit = digitAt(text); digit < base; digit = digitAt(++text)) {
    if (number > (0xffffffff - digit) / base) return false;
    number = number * base + digit;
  }
  return text != first && load<u8>(text) == 0;
}

/** The value of a digit, letters included; something large for any other character. */
function digitAt(text: usize): u32 {
  const c: u32 = load<u8>(text);
  if (c >= 0x30 && c <= 0x39) return c - 0x30;
  const letter = c | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : 0xff;
}
