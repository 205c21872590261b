import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { readKernelSources } from "../../cli/build.ts";
import { BuildError } from "../../toolchain/build_error.ts";
import { buildKernel } from "../../toolchain/build.ts";
import { build } from "./program.ts";
import { randomProgram, viaWebAssembly } from "./random_program.ts";

const image = await Deno.readFile(new URL("../../fixtures/kernel.elf", import.meta.url));
const LIMIT = 38_680;

const PUBLIC = `
kernel_main kernel_panic terminal_initialize terminal_setcolor terminal_putchar terminal_write terminal_writestring
gdt_init gdt_set_gate gdt_flush idt_init idt_set_gate idt_flush isr_handler irq_handler isr0 isr14 isr31 irq0 irq15
outb inb io_wait pic_init pic_send_eoi pic_set_mask pic_clear_mask pic_get_isr pic_get_irr timer_init timer_handler
timer_get_ticks timer_wait keyboard_init keyboard_handler keyboard_get_char keyboard_has_input serial_init
serial_putchar serial_write_string serial_getchar serial_received serial_is_transmit_empty debug_putchar
debug_write_string pmm_init pmm_alloc_page pmm_free_page pmm_get_total_pages pmm_get_free_pages pmm_get_used_pages
pmm_dump_stats vmm_init vmm_create_page_directory vmm_switch_page_directory vmm_map_page vmm_unmap_page
vmm_get_physical_address vmm_is_page_present vmm_identity_map_kernel current_page_directory vmm_load_page_directory
vmm_enable_paging vmm_flush_tlb heap_init kmalloc kfree krealloc kcalloc heap_expand heap_coalesce_free_blocks
heap_get_total_size heap_get_used_size heap_get_free_size heap_dump_stats heap_dump_blocks
`.trim().split(/\s+/);

Deno.test("Build gives fixtures/kernel.elf byte for byte, with every public name [BUILD-1, BUILD-3, BUILD-4]", async () => {
  await viaWebAssembly(randomProgram(1)); // leaves other options in the optimiser
  const sources = await readKernelSources();
  const { image: built, symbols } = await buildKernel(sources);
  assert(
    built.length === image.length && built.every((byte, at) => byte === image[at]),
    "fixtures/kernel.elf differs from what the sources give: run `deno task build`",
  );
  const global = new Set(symbols.filter(({ isGlobal }) => isGlobal).map(({ name }) => name));
  assertEquals(PUBLIC.filter((name) => !global.has(name)), []);
  const kmalloc = symbols.find(({ name }) => name === "kmalloc")!;
  const lines = sources.get("kernel/heap.ts")!.split("\n");
  assertEquals(kmalloc.source?.file, "kernel/heap.ts");
  assertStringIncludes(lines[kmalloc.source!.line - 1], "function kmalloc(");
});

Deno.test("Build stays below the original's size [BUILD-2]", () => {
  assert(image.length <= LIMIT, `${image.length} bytes`);
});

Deno.test("Build names a public name that no source exports [BUILD-3]", async () => {
  const error = await assertRejects(
    () => build("export function f(): void {}", "f", "kmalloc"),
    BuildError,
  );
  assertStringIncludes(error.message, "kmalloc");
});
