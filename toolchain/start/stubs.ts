/** Entry stubs of the 32 exceptions and the 16 IRQs. Spec: specs/toolchain/start.md. */
import type { Assembler } from "../assemble.ts";
import { ax, ds, eax, es, esp, fs, gs, immediate, target } from "../operands.ts";
import { KERNEL_DATA } from "./selectors.ts";

const EXCEPTIONS = 32, IRQS = 16;
/** Exceptions for which the processor pushes an error code (SDM vol. 3, table 6-1; AMD APM vol. 2, 8.2). */
const WITH_ERROR_CODE = new Set([8, 10, 11, 12, 13, 14, 17, 21, 29, 30]);

/** Adds `isr0`-`isr31`, `irq0`-`irq15` and their table `interrupt_stubs`. */
export function addStubs(assembler: Assembler): void {
  assembler.section(".text");
  const names = [
    ...Array.from({ length: EXCEPTIONS }, (_, vector) => `isr${vector}`),
    ...Array.from({ length: IRQS }, (_, irq) => `irq${irq}`),
  ];
  addCommon(assembler, "isr_common", "isr_handler");
  names.slice(0, EXCEPTIONS).forEach((name, vector) =>
    addStub(assembler, name, vector, "isr_common")
  );
  addCommon(assembler, "irq_common", "irq_handler");
  names.slice(EXCEPTIONS).forEach((name, irq) =>
    addStub(assembler, name, EXCEPTIONS + irq, "irq_common")
  );
  assembler.section(".rodata").align(4).symbol("interrupt_stubs", "object");
  for (const name of names) assembler.word(0, name);
  assembler.end();
}

function addStub(assembler: Assembler, name: string, vector: number, common: string): void {
  assembler.symbol(name, "function");
  if (!WITH_ERROR_CODE.has(vector)) assembler.emit("push", immediate(0));
  assembler.emit("push", immediate(vector)).emit("jmp", target(common)).end();
}

/** Completes the frame, calls the handler with its address, and returns from the interrupt. */
function addCommon(assembler: Assembler, name: string, handler: string): void {
  assembler.symbol(name, "function").emit("pusha");
  for (const segment of [ds, es, fs, gs]) assembler.emit("push", segment);
  assembler.emit("mov", eax, immediate(KERNEL_DATA));
  for (const segment of [ds, es, fs, gs]) assembler.emit("mov", segment, ax);
  assembler.emit("cld").emit("push", esp).emit("call", target(handler)).emit("pop", eax);
  for (const segment of [gs, fs, es, ds]) assembler.emit("pop", segment);
  assembler.emit("popa");
  assembler.emit("add", esp, immediate(8)); // vector and error code
  assembler.emit("iret").end();
}
