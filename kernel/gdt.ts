/// <reference types="npm:assemblyscript/std/types/assembly/index.d.ts" />
/**
 * Global descriptor table: five flat segments of 4 GB. Spec: specs/kernel/gdt.md.
 * Left out: a TSS, until there are user processes.
 *
 * @module
 */
import { gdt_flush } from "./link.ts";

/** Selector of the kernel's code segment. */
export const KERNEL_CODE: u16 = 0x08;

const ENTRIES: u32 = 5;
const KERNEL_CODE_ACCESS: u8 = 0x9a; // present, ring 0, code, readable
const KERNEL_DATA_ACCESS: u8 = 0x92; // present, ring 0, data, writable
const USER_CODE_ACCESS: u8 = 0xfa; // the same two for ring 3
const USER_DATA_ACCESS: u8 = 0xf2;
const FLAT: u8 = 0xcf; // granularity 4 KB, 32-bit, limit bits 16-19

const table: usize = memory.data(40, 8); // writable: the processor sets the accessed bits
const pointer: usize = memory.data(8, 4);

/** Builds the table and reloads every segment register from it. */
export function gdt_init(): void {
  gdt_set_gate(0, 0, 0, 0, 0);
  gdt_set_gate(1, 0, 0xfffff, KERNEL_CODE_ACCESS, FLAT);
  gdt_set_gate(2, 0, 0xfffff, KERNEL_DATA_ACCESS, FLAT);
  gdt_set_gate(3, 0, 0xfffff, USER_CODE_ACCESS, FLAT);
  gdt_set_gate(4, 0, 0xfffff, USER_DATA_ACCESS, FLAT);
  store<u16>(pointer, <u16> (ENTRIES * 8 - 1));
  store<u32>(pointer + 2, table);
  gdt_flush(pointer);
}

/** Writes descriptor `num`; a number outside the table is ignored (GDT-4). */
export function gdt_set_gate(num: u32, base: u32, limit: u32, access: u8, gran: u8): void {
  if (num >= ENTRIES) return;
  const entry = table + num * 8;
  const flags = (<u32> gran & 0xf0) | ((limit >> 16) & 0x0f);
  store<u32>(entry, (base << 16) | (limit & 0xffff));
  store<u32>(
    entry + 4,
    (base & 0xff000000) | (flags << 16) | (<u32> access << 8) | ((base >> 16) & 0xff),
  );
}
