/// <reference types="npm:assemblyscript/std/types/assembly/index.d.ts" />
/**
 * What the assembler and the linker supply. The toolchain resolves each name to inline code or to
 * a symbol; nothing here has a body. Spec: specs/kernel/link.md.
 *
 * @module
 */

/** Writes one byte to an I/O port. */
export declare function outb(port: u16, value: u8): void;
/** Reads one byte from an I/O port. */
export declare function inb(port: u16): u8;
/** Gives a slow device about a microsecond, by a write to the unused port 80h. */
export declare function io_wait(): void;

/** Loads GDTR from the six bytes at `pointer` and reloads CS and the data segments. */
export declare function gdt_flush(pointer: usize): void;
/** Loads IDTR from the six bytes at `pointer`. */
export declare function idt_flush(pointer: usize): void;
/** Address of the entry stub of an interrupt vector, 0 to 47. */
export declare function interrupt_stub(vector: u32): usize;

/** Loads CR3 with the physical address of a page directory. */
export declare function vmm_load_page_directory(physAddr: usize): void;
/** Sets CR0.PG, and CR0.WP so that read-only pages bind the kernel as well. */
export declare function vmm_enable_paging(): void;
/** Drops every translation that is not global. */
export declare function vmm_flush_tlb(): void;
/** Drops the translation of one page. */
export declare function invlpg(virtAddr: usize): void;

/** Clears EFLAGS.IF. */
export declare function cli(): void;
/** Sets EFLAGS.IF. */
export declare function sti(): void;
/** Stops the processor until an interrupt. */
export declare function hlt(): void;
/** STI and HLT back to back: no interrupt can slip in between them. */
export declare function sti_hlt(): void;

/** CR0: the processor's modes. */
export declare function read_cr0(): u32;
/** CR2: the address of the last page fault. */
export declare function read_cr2(): u32;
/** CR3: the physical address of the page directory in use. */
export declare function read_cr3(): u32;
/** The flags register. */
export declare function read_eflags(): u32;
/** The frame pointer of the calling function. */
export declare function read_ebp(): usize;

/** First byte of the kernel image. */
export declare function kernel_start(): usize;
/** First byte after the image's code and constants, page aligned. */
export declare function kernel_readonly_end(): usize;
/** First byte after the kernel image, .bss included. */
export declare function kernel_end(): usize;

/** Address of the literal as NUL-terminated ASCII bytes; the toolchain folds it to a constant. */
export declare function cstr(literal: string): usize;
