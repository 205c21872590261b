/// <reference types="npm:assemblyscript/std/types/assembly/index.d.ts" />
/**
 * Interrupt descriptor table: 256 gates. Spec: specs/kernel/idt.md.
 *
 * @module
 */
import { KERNEL_CODE } from "./gdt.ts";
import { idt_flush, interrupt_stub } from "./link.ts";

const ENTRIES: u32 = 256;
const STUBS: u32 = 48; // 32 exceptions, then 16 IRQs
const INTERRUPT_GATE: u8 = 0x8e; // present, ring 0, 32-bit interrupt gate: IF off on entry

const table: usize = memory.data(2048, 8);
const pointer: usize = memory.data(8, 4);

/** Points the exceptions and the IRQs at their stubs and loads the table; other gates are absent. */
export function idt_init(): void {
  for (let vector: u32 = 0; vector < STUBS; vector++) {
    idt_set_gate(vector, interrupt_stub(vector), KERNEL_CODE, INTERRUPT_GATE);
  }
  store<u16>(pointer, <u16> (ENTRIES * 8 - 1));
  store<u32>(pointer + 2, table);
  idt_flush(pointer);
}

/** Writes gate `num`, 0 to 255; another number is ignored (IDT-4). */
export function idt_set_gate(num: u32, base: usize, sel: u16, flags: u8): void {
  if (num >= ENTRIES) return;
  const gate = table + num * 8;
  store<u32>(gate, (<u32> sel << 16) | <u32> (base & 0xffff));
  store<u32>(gate + 4, <u32> (base & 0xffff0000) | (<u32> flags << 8));
}
