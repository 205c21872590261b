/// <reference types="npm:assemblyscript/std/types/assembly/index.d.ts" />
/**
 * 16550A serial ports, polled output and interrupt-driven input on COM1.
 * Spec: specs/kernel/serial.md. Not driven: modem lines beyond DTR, RTS and OUT2.
 *
 * @module
 */
import { cli, inb, outb, read_eflags, sti } from "./link.ts";
import { pic_clear_mask } from "./pic.ts";

/** Base port of the first serial line. */
export const COM1: u16 = 0x3f8;

// Register offsets; with LCR.DLAB set, 0 and 1 are the divisor.
const DATA: u16 = 0;
const IER: u16 = 1;
const FCR: u16 = 2;
const LCR: u16 = 3;
const MCR: u16 = 4;
const LSR: u16 = 5;

const IER_RECEIVED: u8 = 0x01; // data available, FIFO timeout included
const FCR_TRIGGER_14: u8 = 0xc7; // FIFOs on and cleared, receive interrupt at 14 bytes
const LCR_8N1: u8 = 0x03;
const LCR_DLAB: u8 = 0x80;
const MCR_LOOPBACK: u8 = 0x1e; // loopback, OUT2, OUT1, RTS
const MCR_READY: u8 = 0x0b; // OUT2 (gates the interrupt line), RTS, DTR
const LSR_DATA_READY: u8 = 0x01;
const LSR_THRE: u8 = 0x20; // transmit holding register empty

const DIVISOR_9600: u8 = 12; // 115,200 / 9,600
const TEST_BYTE: u8 = 0xae;
const POLL_LIMIT: u32 = 200000; // KERNEL-SERIAL-6: several byte times at 9600 baud, never for ever
const IRQ: u32 = 4;

const QUEUE_SIZE: u32 = 256;
const queue: usize = memory.data(256);
let queueHead: u32 = 0; // bytes ever taken
let queueTail: u32 = 0; // bytes ever received
let console: bool = false; // COM1 passed its self-test

/** Sets a port to 9600 baud, 8N1, FIFOs on, and tests it; 0, or -1 when no working UART is there. */
export function serial_init(port: u16): i32 {
  outb(port + IER, 0);
  outb(port + LCR, LCR_DLAB);
  outb(port + DATA, DIVISOR_9600);
  outb(port + IER, 0);
  outb(port + LCR, LCR_8N1);
  outb(port + FCR, FCR_TRIGGER_14);
  if (!passesLoopback(port)) return -1;
  outb(port + MCR, MCR_READY);
  if (port == COM1) console = true;
  return 0;
}

function passesLoopback(port: u16): bool {
  outb(port + MCR, MCR_LOOPBACK);
  outb(port + DATA, TEST_BYTE);
  return waitFor(port, LSR_DATA_READY) && inb(port + DATA) == TEST_BYTE;
}

function waitFor(port: u16, bit: u8): bool {
  for (let polls: u32 = 0; polls < POLL_LIMIT; polls++) {
    if ((inb(port + LSR) & bit) != 0) return true;
  }
  return false;
}

/** 1 when the transmitter takes a byte. */
export function serial_is_transmit_empty(port: u16): u32 {
  return (inb(port + LSR) & LSR_THRE) != 0 ? 1 : 0;
}

/** Sends one byte; a transmitter that stays busy loses it (KERNEL-SERIAL-6). */
export function serial_putchar(port: u16, c: u8): void {
  if (waitFor(port, LSR_THRE)) outb(port + DATA, c);
}

/** Sends a NUL-terminated string. */
export function serial_write_string(port: u16, text: usize): void {
  for (let c = load<u8>(text); c != 0; c = load<u8>(++text)) serial_putchar(port, c);
}

/** Lets COM1 interrupt for input, after the PIC is set up. */
export function serialListen(): void {
  outb(COM1 + IER, IER_RECEIVED);
  pic_clear_mask(IRQ);
}

/** Moves what COM1 has received into the queue; the IRQ 4 handler. */
export function serial_handler(): void {
  if (!console) return;
  while (queueTail - queueHead < QUEUE_SIZE && (inb(COM1 + LSR) & LSR_DATA_READY) != 0) {
    store<u8>(queue + (queueTail++ % QUEUE_SIZE), inb(COM1 + DATA));
  }
}

/** 1 when a received byte waits. */
export function serial_received(port: u16): u32 {
  if (port == COM1 && queueHead != queueTail) return 1;
  if (port == COM1 && !console) return 0; // what nobody drives reads as ones
  return (inb(port + LSR) & LSR_DATA_READY) != 0 ? 1 : 0;
}

/** Takes the oldest received byte; 0 when there is none. Never waits. */
export function serial_getchar(port: u16): u8 {
  if (port != COM1) return serial_received(port) != 0 ? inb(port + DATA) : 0;
  const interruptible = (read_eflags() & 0x200) != 0;
  cli(); // the queue is shared with the handler
  serial_handler(); // KERNEL-SERIAL-9: bytes that found the queue full still wait in the FIFO
  const c: u8 = queueHead != queueTail ? load<u8>(queue + (queueHead++ % QUEUE_SIZE)) : 0;
  if (interruptible) sti();
  return c;
}

/** Sends one byte to COM1, if it passed its self-test. */
export function debug_putchar(c: u8): void {
  if (console) serial_putchar(COM1, c);
}

/** Sends a NUL-terminated string to COM1. */
export function debug_write_string(text: usize): void {
  for (let c = load<u8>(text); c != 0; c = load<u8>(++text)) debug_putchar(c);
}
