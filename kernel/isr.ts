/// <reference types="npm:assemblyscript/std/types/assembly/index.d.ts" />
/**
 * What the interrupt stubs call: exceptions end in a report, IRQs go to their drivers.
 * Spec: specs/kernel/isr.md.
 *
 * @module
 */
import { cstr, read_cr0, read_cr2, read_cr3 } from "./link.ts";
import { keyboard_handler } from "./keyboard.ts";
import { halt, writeBacktrace } from "./panic.ts";
import { pic_get_isr, pic_send_eoi } from "./pic.ts";
import { serial_handler } from "./serial.ts";
import {
  RED,
  terminal_putchar,
  terminal_setcolor,
  terminal_writestring,
  writeDecimal,
  writeField,
  writeHex,
} from "./terminal.ts";
import { timer_handler } from "./timer.ts";

// Offsets in the frame that a stub builds; the stub's own pushes come first.
const FRAME_EBP: usize = 24;
const FRAME_VECTOR: usize = 48;
const FRAME_ERROR: usize = 52;
const FRAME_EIP: usize = 56;
const FRAME_CS: usize = 60;
const FRAME_INTERRUPTED_STACK: usize = 68; // ESP and SS, there only when the ring changed

const FIRST_IRQ_VECTOR: u32 = 32;
const INVALID_TSS: u32 = 10; // 10 to 13 push a selector as error code
const GENERAL_PROTECTION: u32 = 13;
const PAGE_FAULT: u32 = 14;
const HAS_ERROR_CODE: u32 = 0x60227d00; // vectors 8, 10-14, 17, 21, 29, 30

/** Reports an exception and halts. */
export function isr_handler(frame: usize): void {
  const vector = load<u32>(frame + FRAME_VECTOR);
  terminal_setcolor(RED);
  terminal_writestring(cstr("\nEXCEPTION "));
  writeDecimal(vector);
  terminal_writestring(cstr(": "));
  writeField(
    cstr(`Divide error|Debug|Non-maskable interrupt|Breakpoint|Overflow|Bound range exceeded|\
Invalid opcode|Device not available|Double fault|Coprocessor segment overrun|Invalid TSS|\
Segment not present|Stack fault|General protection|Page fault|Reserved|Floating-point error|\
Alignment check|Machine check|SIMD floating-point error|Virtualization|Control protection|\
Reserved|Reserved|Reserved|Reserved|Reserved|Reserved|Hypervisor injection|VMM communication|\
Security|Reserved`),
    vector & 31,
  );
  terminal_putchar(0x0a);
  if (((HAS_ERROR_CODE >> vector) & 1) != 0) writeErrorCode(vector, load<u32>(frame + FRAME_ERROR));
  writeRegisters(frame);
  writeBacktrace(load<usize>(frame + FRAME_EBP));
  halt();
}

function writeErrorCode(vector: u32, code: u32): void {
  terminal_writestring(cstr("Error code "));
  writeHex(code);
  if (vector == PAGE_FAULT) writePageFault(code);
  else if (vector >= INVALID_TSS && vector <= GENERAL_PROTECTION) writeSelector(code);
  terminal_putchar(0x0a);
}

/** ISR-3: access, ring and cause, bit by bit. */
function writePageFault(code: u32): void {
  writeField(cstr(": read|: write"), (code >> 1) & 1);
  writeField(cstr(" from the kernel| from user mode"), (code >> 2) & 1);
  writeField(cstr(", page not present|, protection violation"), code & 1);
  writeField(cstr("|, reserved bit set"), (code >> 3) & 1);
  writeField(cstr("|, instruction fetch"), (code >> 4) & 1);
}

/** ISR-4: the table that the selector is in, its index, and who caused the fault. */
function writeSelector(code: u32): void {
  if (code == 0) return terminal_writestring(cstr(": no selector"));
  writeField(cstr(": GDT|: IDT|: LDT|: IDT"), (code >> 1) & 3);
  terminal_writestring(cstr(" entry "));
  writeDecimal((code >> 3) & 0x1fff);
  writeField(cstr("|, external event"), code & 1);
}

function writeRegisters(frame: usize): void {
  const fromUser = (load<u32>(frame + FRAME_CS) & 3) != 0;
  const stack = frame + FRAME_INTERRUPTED_STACK;
  writeRegister(cstr("EAX "), load<u32>(frame + 44));
  writeRegister(cstr(" EBX "), load<u32>(frame + 32));
  writeRegister(cstr(" ECX "), load<u32>(frame + 40));
  writeRegister(cstr(" EDX "), load<u32>(frame + 36));
  writeRegister(cstr("\nESI "), load<u32>(frame + 20));
  writeRegister(cstr(" EDI "), load<u32>(frame + 16));
  writeRegister(cstr(" EBP "), load<u32>(frame + FRAME_EBP));
  writeRegister(cstr(" ESP "), fromUser ? load<usize>(stack) : stack);
  writeRegister(cstr("\nEIP "), load<u32>(frame + FRAME_EIP));
  writeRegister(cstr(" EFLAGS "), load<u32>(frame + 64));
  writeRegister(cstr("\nCS "), load<u32>(frame + FRAME_CS));
  writeRegister(cstr(" DS "), load<u32>(frame + 12));
  writeRegister(cstr(" ES "), load<u32>(frame + 8));
  writeRegister(cstr(" FS "), load<u32>(frame + 4));
  writeRegister(cstr(" GS "), load<u32>(frame));
  writeRegister(cstr("\nCR0 "), read_cr0());
  writeRegister(cstr(" CR2 "), read_cr2());
  writeRegister(cstr(" CR3 "), read_cr3());
  terminal_putchar(0x0a);
}

function writeRegister(name: usize, value: usize): void {
  terminal_writestring(name);
  writeHex(value);
}

/** Serves IRQ 0 to 15 and acknowledges it, whether anyone wanted it or not. */
export function irq_handler(frame: usize): void {
  const irq = load<u32>(frame + FRAME_VECTOR) - FIRST_IRQ_VECTOR;
  if (isSpurious(irq)) {
    if (irq == 15) pic_send_eoi(2); // ISR-7: the slave served nobody, but the master served it
    return;
  }
  if (irq == 0) timer_handler();
  else if (irq == 1) keyboard_handler();
  else if (irq == 4) serial_handler();
  pic_send_eoi(irq);
}

/** A chip that lost its request delivers its lowest priority, with no bit in service. */
function isSpurious(irq: u32): bool {
  return (irq & 7) == 7 && ((pic_get_isr() >> <u16> irq) & 1) == 0;
}
