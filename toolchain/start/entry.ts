/** Multiboot header and entry point: stack, flags, start function, kernel_main. Spec: specs/toolchain/start.md. */
import type { Assembler } from "../assemble.ts";
import { eax, ebp, ebx, esp, immediate, target } from "../operands.ts";

const MAGIC = 0x1badb002;
const FLAGS = 3; // bit 0: modules on page boundaries, bit 1: memory information wanted
const STACK_BYTES = 16384;

/** Adds the header, the 16 KiB stack and `_start`; `initializer` runs before `kernel_main(magic, info)`. */
export function addEntry(assembler: Assembler, initializer: string | null): void {
  assembler.section(".multiboot").align(4);
  assembler.symbol("multiboot_header", "object");
  assembler.word(MAGIC).word(FLAGS).word(-(MAGIC + FLAGS)).end();

  assembler.section(".bss").align(16).symbol("stack_bottom", "object").reserve(STACK_BYTES).end();
  assembler.symbol("stack_top", "object").end();

  assembler.section(".text").symbol("_start", "function");
  assembler.emit("mov", esp, immediate(0, "stack_top"));
  assembler.emit("xor", ebp, ebp); // the backtrace ends here
  assembler.emit("push", ebx); // Multiboot information
  assembler.emit("push", eax); // magic number
  assembler.emit("push", immediate(0));
  assembler.emit("popf");
  if (initializer !== null) assembler.emit("call", target(initializer));
  assembler.emit("call", target("kernel_main"));
  assembler.emit("cli");
  assembler.label("stop").emit("hlt").emit("jmp", target(".stop")).end();
}
