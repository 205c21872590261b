/// <reference types="npm:assemblyscript/std/types/assembly/index.d.ts" />
/**
 * The kernel: brings up the hardware and the memory managers, shows them at work, and leaves the
 * machine to the monitor. Spec: specs/kernel/main.md.
 *
 * @module
 */
import { gdt_init } from "./gdt.ts";
import {
  heap_dump_stats,
  heap_get_total_size,
  heap_init,
  HEAP_START,
  kcalloc,
  kfree,
  kmalloc,
} from "./heap.ts";
import { idt_init } from "./idt.ts";
import { keyboard_init } from "./keyboard.ts";
import { cstr, sti } from "./link.ts";
import { monitor } from "./monitor.ts";
import { MULTIBOOT_MAGIC } from "./multiboot.ts";
import { kernel_panic } from "./panic.ts";
import { pic_init } from "./pic.ts";
import { pmm_dump_stats, pmm_get_total_pages, pmm_init } from "./pmm.ts";
import { COM1, serial_init, serialListen } from "./serial.ts";
import {
  GREEN,
  terminal_initialize,
  terminal_putchar,
  terminal_writestring,
  WHITE,
  writeColored,
  writeDecimal,
  writeHex,
  YELLOW,
} from "./terminal.ts";
import { timer_init } from "./timer.ts";
import { vmm_init } from "./vmm.ts";

/** Where the entry code goes, with what the boot loader left in EAX and EBX. */
export function kernel_main(magic: u32, info: usize): void {
  const serial = serial_init(COM1); // first: what is said from here on is heard on COM1
  terminal_initialize(); // second: from here on it is seen as well
  writeColored(WHITE, cstr("ClaudeOS Day 6: Memory Management System\n\n"));
  if (serial == 0) ready(cstr("Serial: COM1, 9600 baud\n"));
  else writeColored(YELLOW, cstr("[none] Serial: COM1 failed its self-test\n"));

  gdt_init(); // before the IDT: the gates name its code selector
  ready(cstr("GDT: 5 descriptors\n"));
  idt_init(); // before anything that may go wrong: an exception is now a report, not a reset
  ready(cstr("IDT: 256 gates\n"));
  pic_init(); // before its users: the firmware left the IRQs on the exceptions' vectors
  ready(cstr("PIC: IRQ 0-15 at vectors 32-47\n"));
  timer_init();
  ready(cstr("Timer: 100 Hz\n"));
  keyboard_init();
  ready(cstr("Keyboard: US layout\n"));
  serialListen(); // after the PIC: it unmasks its IRQ, as timer and keyboard do
  sti(); // after all of them have handlers

  if (magic != MULTIBOOT_MAGIC) kernel_panic(cstr("not started by a Multiboot loader"));
  pmm_init(info); // before paging: it reads the loader's tables where they lie
  reportPmm();
  vmm_init(); // after the PMM: directory and tables are page frames
  ready(cstr("VMM: paging on, 0-4 MB identity mapped\n"));
  heap_init(); // after paging: it lives in virtual memory
  reportHeap();

  demonstrate();
  monitor();
}

function ready(text: usize): void {
  writeColored(GREEN, cstr("[ OK ] "));
  terminal_writestring(text);
}

function reportPmm(): void {
  ready(cstr("PMM: "));
  writeDecimal(pmm_get_total_pages());
  terminal_writestring(cstr(" page frames, bitmap of "));
  writeDecimal((pmm_get_total_pages() + 7) >> 3);
  terminal_writestring(cstr(" bytes\n"));
}

function reportHeap(): void {
  ready(cstr("Heap: "));
  writeDecimal(heap_get_total_size());
  terminal_writestring(cstr(" bytes at "));
  writeHex(HEAP_START);
  terminal_putchar(0x0a);
}

/** The memory managers at work, step by step as in the specification (MAIN-3). */
function demonstrate(): void {
  showStatistics(cstr("\nMemory statistics\n"));

  writeColored(WHITE, cstr("\nDynamic allocation\n"));
  const first = showAllocation(cstr("kmalloc(1024)"), kmalloc(1024));
  const second = showAllocation(cstr("kmalloc(2048)"), kmalloc(2048));
  const third = showAllocation(cstr("kcalloc(10, 64)"), kcalloc(10, 64));
  if (!isZero(third, 640)) kernel_panic(cstr("kcalloc gave memory that is not zero"));
  heap_dump_stats();

  writeColored(WHITE, cstr("\nDeallocation\n"));
  showFree(first);
  showFree(second);
  showFree(third);

  showStatistics(cstr("\nFinal statistics\n"));
  writeColored(GREEN, cstr("\nDay 6 Memory Management System Complete!\n\n"));
}

function showStatistics(heading: usize): void {
  writeColored(WHITE, heading);
  pmm_dump_stats();
  heap_dump_stats();
}

function showAllocation(call: usize, address: usize): usize {
  terminal_writestring(call);
  terminal_writestring(cstr(" = "));
  writeHex(address);
  terminal_putchar(0x0a);
  if (address == 0) kernel_panic(cstr("the demonstration ran out of memory"));
  return address;
}

function showFree(address: usize): void {
  terminal_writestring(cstr("kfree("));
  writeHex(address);
  terminal_writestring(cstr(")\n"));
  kfree(address);
}

function isZero(address: usize, size: u32): bool {
  for (let i: u32 = 0; i < size; i++) {
    if (load<u8>(address + i) != 0) return false;
  }
  return true;
}
