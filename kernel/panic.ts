/// <reference types="npm:assemblyscript/std/types/assembly/index.d.ts" />
/**
 * The end of the road: a message, the calls that led there, and a processor at rest.
 * Spec: specs/kernel/panic.md.
 *
 * @module
 */
import { cli, cstr, hlt, kernel_end, kernel_readonly_end, read_ebp } from "./link.ts";
import {
  RED,
  terminal_putchar,
  terminal_setcolor,
  terminal_writestring,
  writeDecimal,
  writeHex,
} from "./terminal.ts";

const BACKTRACE_DEPTH: u32 = 16;

/** Reports a fatal error with a backtrace and halts for good with interrupts off. */
export function kernel_panic(message: usize): void {
  cli();
  terminal_setcolor(RED);
  terminal_writestring(cstr("\nKERNEL PANIC: "));
  terminal_writestring(message);
  terminal_putchar(0x0a);
  writeBacktrace(read_ebp());
  halt();
}

/** Where `assert` and array bounds checks end: a panic that names file and line. */
export function abort(message: string | null, file: string | null, line: u32, column: u32): void {
  cli();
  terminal_setcolor(RED);
  terminal_writestring(cstr("\nKERNEL PANIC: "));
  writeUtf16(message);
  terminal_writestring(cstr(" at "));
  writeUtf16(file);
  terminal_putchar(0x3a); // :
  writeDecimal(line);
  terminal_putchar(0x3a);
  writeDecimal(column);
  terminal_putchar(0x0a);
  writeBacktrace(read_ebp());
  halt();
}

/** Shows the return addresses on the chain of frames that starts at `frame`. */
export function writeBacktrace(frame: usize): void {
  terminal_writestring(cstr("Backtrace:\n"));
  for (let depth: u32 = 0; depth < BACKTRACE_DEPTH && isOnStack(frame); depth++) {
    const returnAddress = load<usize>(frame + 4);
    if (returnAddress == 0) return;
    terminal_writestring(cstr("  "));
    writeHex(returnAddress);
    terminal_putchar(0x0a);
    const caller = load<usize>(frame);
    if (caller <= frame) return; // PANIC-5: the chain only leads upwards
    frame = caller;
  }
}

/** Says so, and stops the processor with interrupts off, whatever wakes it. */
export function halt(): void {
  cli();
  terminal_writestring(cstr("System halted.\n"));
  while (true) hlt();
}

/** The stack is in the image's writable part. */
function isOnStack(frame: usize): bool {
  return (frame & 3) == 0 && frame >= kernel_readonly_end() && frame < kernel_end() - 8;
}

function writeUtf16(text: string | null): void {
  if (text === null) return terminal_writestring(cstr("assertion failed"));
  const start = changetype<usize>(text);
  const end = start + (<u32> text.length << 1);
  for (let at = start; at < end; at += 2) terminal_putchar(load<u8>(at));
}
