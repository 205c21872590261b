/** Loads GDTR, IDTR and the task register. Spec: specs/toolchain/start.md. */
import type { Assembler } from "../assemble.ts";
import {
  ax,
  ds,
  eax,
  es,
  fs,
  gs,
  immediate,
  memory,
  type Operand,
  register,
  ss,
} from "../operands.ts";
import { KERNEL_CODE, KERNEL_DATA } from "./selectors.ts";

/** The first argument of a cdecl function without a frame. */
const argument: Operand = memory(32, { base: 4, displacement: 4 });
const at = (number: number): Operand => memory(0, { base: number });

/** Adds `gdt_flush(pointer)`, `idt_flush(pointer)` and `tss_flush(selector)`. */
export function addFlush(assembler: Assembler): void {
  assembler.section(".text").symbol("gdt_flush", "function");
  assembler.emit("mov", eax, argument).emit("lgdt", at(0));
  assembler.emit("mov", register(0), immediate(KERNEL_DATA));
  for (const segment of [ds, es, fs, gs, ss]) assembler.emit("mov", segment, ax);
  assembler.emit("jmpf", { kind: "far", selector: KERNEL_CODE, target: assembler.local("code") });
  assembler.label("code").emit("ret").end();

  assembler.symbol("idt_flush", "function");
  assembler.emit("mov", eax, argument).emit("lidt", at(0)).emit("ret").end();

  assembler.symbol("tss_flush", "function");
  assembler.emit("mov", eax, argument).emit("ltr", ax).emit("ret").end();
}
