/** I/O ports as functions. Spec: specs/toolchain/start.md. */
import type { Assembler } from "../assemble.ts";
import { al, dx, eax, edx, immediate, memory, type Operand } from "../operands.ts";

const argument = (index: number): Operand => memory(32, { base: 4, displacement: 4 + 4 * index });

/** Adds `outb(port, value)`, `inb(port)` and `io_wait()`. */
export function addPorts(assembler: Assembler): void {
  assembler.section(".text").symbol("outb", "function");
  assembler.emit("mov", edx, argument(0)).emit("mov", eax, argument(1));
  assembler.emit("out", dx, al).emit("ret").end();

  assembler.symbol("inb", "function");
  assembler.emit("mov", edx, argument(0)).emit("xor", eax, eax);
  assembler.emit("in", al, dx).emit("ret").end();

  assembler.symbol("io_wait", "function");
  assembler.emit("out", immediate(0x80), al).emit("ret").end();
}
