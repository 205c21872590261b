/// <reference types="npm:assemblyscript@0.28.20/std/types/assembly/index.d.ts" />
// What the toolchain supplies: instructions in place, and the address of a literal's bytes.

/** Writes one byte to an I/O port. */
export declare function outb(port: u16, value: u8): void;
/** Reads one byte from an I/O port. */
export declare function inb(port: u16): u8;
/** Clears EFLAGS.IF. */
export declare function cli(): void;
/** Stops the processor. */
export declare function hlt(): void;
/** Address of the literal as NUL-terminated ASCII bytes. */
export declare function cstr(literal: string): usize;
