/** Routines that the lowering calls: memory.copy, memory.fill, popcnt. Spec: specs/toolchain/start.md. */
import type { Assembler } from "../assemble.ts";
import { eax, ecx, edi, edx, esi, memory, type Operand, target } from "../operands.ts";

/** Argument of a cdecl function that has pushed `pushed` registers. */
const argument = (index: number, pushed: number): Operand =>
  memory(32, { base: 4, displacement: 4 + 4 * (index + pushed) });

/** Adds a routine. */
export type Add = (assembler: Assembler) => void;

/** `memory_copy(to, from, size)`: right also where the two overlap. */
const addCopy: Add = (assembler) => {
  assembler.section(".text").symbol("memory_copy", "function").emit("push", esi).emit("push", edi);
  assembler.emit("mov", edi, argument(0, 2)).emit("mov", esi, argument(1, 2));
  assembler.emit("mov", ecx, argument(2, 2));
  assembler.emit("mov", eax, edi).emit("sub", eax, esi);
  assembler.emit("cmp", eax, ecx).emit("jb", target(".backward"));
  assembler.emit("rep movsb");
  assembler.label("done").emit("pop", edi).emit("pop", esi).emit("ret");
  assembler.label("backward").emit("std");
  assembler.emit("lea", esi, memory(0, { base: 6, index: 1, displacement: -1 }));
  assembler.emit("lea", edi, memory(0, { base: 7, index: 1, displacement: -1 }));
  assembler.emit("rep movsb").emit("cld").emit("jmp", target(".done")).end();
};

/** `memory_fill(to, value, size)`. */
const addFill: Add = (assembler) => {
  assembler.section(".text").symbol("memory_fill", "function").emit("push", edi);
  assembler.emit("mov", edi, argument(0, 1)).emit("mov", eax, argument(1, 1));
  assembler.emit("mov", ecx, argument(2, 1)).emit("rep stosb");
  assembler.emit("pop", edi).emit("ret").end();
};

/** `bit_count(value)`: how many bits are set. */
const addBitCount: Add = (assembler) => {
  assembler.section(".text").symbol("bit_count", "function");
  assembler.emit("mov", edx, argument(0, 0)).emit("xor", eax, eax);
  assembler.label("next").emit("test", edx, edx).emit("jz", target(".done"));
  assembler.emit("lea", ecx, memory(0, { base: 2, displacement: -1 })).emit("and", edx, ecx);
  assembler.emit("inc", eax).emit("jmp", target(".next"));
  assembler.label("done").emit("ret").end();
};

/** Support routines by symbol; only those that the program calls become part of the image. */
export const routines: ReadonlyMap<string, Add> = new Map<string, Add>([
  ["memory_copy", addCopy],
  ["memory_fill", addFill],
  ["bit_count", addBitCount],
]);
