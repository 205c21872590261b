/** Names that every kernel of this family exports. Spec: specs/toolchain/build.md. */

/** Functions, by module. */
export const abiFunctions: Readonly<Record<string, readonly string[]>> = {
  kernel: [
    "kernel_main",
    "kernel_panic",
    "terminal_initialize",
    "terminal_setcolor",
    "terminal_putchar",
    "terminal_write",
    "terminal_writestring",
  ],
  gdt: ["gdt_init", "gdt_set_gate", "gdt_flush"],
  idt: ["idt_init", "idt_set_gate", "idt_flush"],
  isr: [
    "isr_handler",
    "irq_handler",
    ...Array.from({ length: 32 }, (_, vector) => `isr${vector}`),
    ...Array.from({ length: 16 }, (_, irq) => `irq${irq}`),
  ],
  io: ["outb", "inb", "io_wait"],
  pic: [
    "pic_init",
    "pic_send_eoi",
    "pic_set_mask",
    "pic_clear_mask",
    "pic_get_isr",
    "pic_get_irr",
  ],
  timer: ["timer_init", "timer_handler", "timer_get_ticks", "timer_wait"],
  keyboard: ["keyboard_init", "keyboard_handler", "keyboard_get_char", "keyboard_has_input"],
  serial: [
    "serial_init",
    "serial_putchar",
    "serial_write_string",
    "serial_getchar",
    "serial_received",
    "serial_is_transmit_empty",
    "debug_putchar",
    "debug_write_string",
  ],
  pmm: [
    "pmm_init",
    "pmm_alloc_page",
    "pmm_free_page",
    "pmm_get_total_pages",
    "pmm_get_free_pages",
    "pmm_get_used_pages",
    "pmm_dump_stats",
  ],
  vmm: [
    "vmm_init",
    "vmm_create_page_directory",
    "vmm_switch_page_directory",
    "vmm_map_page",
    "vmm_unmap_page",
    "vmm_get_physical_address",
    "vmm_is_page_present",
    "vmm_identity_map_kernel",
  ],
  paging: ["vmm_load_page_directory", "vmm_enable_paging", "vmm_flush_tlb"],
  heap: [
    "heap_init",
    "kmalloc",
    "kfree",
    "krealloc",
    "kcalloc",
    "heap_expand",
    "heap_coalesce_free_blocks",
    "heap_get_total_size",
    "heap_get_used_size",
    "heap_get_free_size",
    "heap_dump_stats",
    "heap_dump_blocks",
  ],
};

/** Variables. */
export const abiVariables: readonly string[] = ["current_page_directory"];

/** Every name of the ABI. */
export const abiNames: readonly string[] = [...Object.values(abiFunctions).flat(), ...abiVariables];
