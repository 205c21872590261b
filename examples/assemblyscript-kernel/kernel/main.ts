/// <reference types="npm:assemblyscript@0.28.20/std/types/assembly/index.d.ts" />
// A kernel with a bump allocator of 64 KB that says on COM1 when it is ready.
import { cli, cstr, hlt, inb, outb } from "./link.ts";

const COM1: u16 = 0x3f8, LINE_STATUS: u16 = 5, TRANSMITTER_EMPTY: u8 = 0x20;
const HEAP_BYTES: u32 = 65536;

const heap = memory.data(65536, 8); // zeros
let used: u32 = 0;

/** An aligned block of at least `size` bytes, or 0. */
export function kmalloc(size: u32): usize {
  if (size === 0 || size > HEAP_BYTES - used) return 0;
  const block = heap + used;
  used += (size + 7) & ~7;
  return block;
}

/** Gives everything back. */
export function kfree_all(): void {
  used = 0;
}

function print(text: usize): void {
  for (let at = text; load<u8>(at) !== 0; at++) {
    while ((inb(COM1 + LINE_STATUS) & TRANSMITTER_EMPTY) === 0) continue;
    outb(COM1, load<u8>(at));
  }
}

function halt(): void {
  cli();
  while (true) hlt();
}

/** Where the kernel starts: the loader's magic number and the address of what it has to say. */
export function kernel_main(_magic: u32, _information: usize): void {
  print(cstr("A tiny kernel in AssemblyScript\n"));
  print(cstr("ready\n"));
  halt();
}

/** Exceptions arrive here, once there is an interrupt descriptor table. */
export function isr_handler(_frame: usize): void {
  halt();
}

/** Interrupts arrive here. */
export function irq_handler(_frame: usize): void {
  halt();
}
