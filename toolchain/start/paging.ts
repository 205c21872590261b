/** Page directory, paging switch, translation cache. Spec: specs/toolchain/start.md. */
import type { Assembler } from "../assemble.ts";
import { cr, eax, immediate, memory } from "../operands.ts";

const PG = 1 << 31, WP = 1 << 16;

/** Adds `vmm_load_page_directory(phys)`, `vmm_enable_paging()` and `vmm_flush_tlb()`. */
export function addPaging(assembler: Assembler): void {
  assembler.section(".text").symbol("vmm_load_page_directory", "function");
  assembler.emit("mov", eax, memory(32, { base: 4, displacement: 4 }));
  assembler.emit("mov", cr(3), eax).emit("ret").end();

  assembler.symbol("vmm_enable_paging", "function");
  assembler.emit("mov", eax, cr(0)).emit("or", eax, immediate(PG | WP));
  assembler.emit("mov", cr(0), eax).emit("ret").end();

  assembler.symbol("vmm_flush_tlb", "function");
  assembler.emit("mov", eax, cr(3)).emit("mov", cr(3), eax).emit("ret").end();
}
