/** The public functions of the kernel family: how many arguments they take, whether they give a result. */

/** A function's shape: cdecl, 32-bit arguments on the stack, the result in EAX. */
export interface Signature {
  /** Number of arguments. */
  readonly parameters: number;
  /** Whether EAX means something when it returns. */
  readonly result: boolean;
}

const procedure = (parameters: number): Signature => ({ parameters, result: false });
const value = (parameters: number): Signature => ({ parameters, result: true });

/** Functions by module and name. */
export const abi: Readonly<Record<string, Readonly<Record<string, Signature>>>> = {
  gdt: { gdt_init: procedure(0), gdt_set_gate: procedure(5), gdt_flush: procedure(1) },
  idt: { idt_init: procedure(0), idt_set_gate: procedure(4), idt_flush: procedure(1) },
  isr: { isr_handler: procedure(1), irq_handler: procedure(1) },
  pic: {
    pic_init: procedure(0),
    pic_send_eoi: procedure(1),
    pic_set_mask: procedure(1),
    pic_clear_mask: procedure(1),
    pic_get_isr: value(0),
    pic_get_irr: value(0),
  },
  timer: {
    timer_init: procedure(0),
    timer_handler: procedure(0),
    timer_get_ticks: value(0),
    timer_wait: procedure(1),
  },
  keyboard: {
    keyboard_init: procedure(0),
    keyboard_handler: procedure(0),
    keyboard_get_char: value(0),
    keyboard_has_input: value(0),
  },
  serial: {
    serial_init: value(1),
    serial_putchar: procedure(2),
    serial_write_string: procedure(2),
    serial_getchar: value(1),
    serial_received: value(1),
    serial_is_transmit_empty: value(1),
    debug_putchar: procedure(1),
    debug_write_string: procedure(1),
  },
  terminal: {
    terminal_initialize: procedure(0),
    terminal_setcolor: procedure(1),
    terminal_putchar: procedure(1),
    terminal_write: procedure(2),
    terminal_writestring: procedure(1),
  },
  panic: { kernel_panic: procedure(1) },
  io: { outb: procedure(2), inb: value(1), io_wait: procedure(0) },
  pmm: {
    pmm_init: procedure(0),
    pmm_alloc_page: value(0),
    pmm_free_page: procedure(1),
    pmm_get_total_pages: value(0),
    pmm_get_free_pages: value(0),
    pmm_get_used_pages: value(0),
    pmm_dump_stats: procedure(0),
  },
  vmm: {
    vmm_init: procedure(0),
    vmm_create_page_directory: value(0),
    vmm_switch_page_directory: procedure(1),
    vmm_map_page: procedure(4),
    vmm_unmap_page: procedure(2),
    vmm_get_physical_address: value(2),
    vmm_is_page_present: value(2),
    vmm_identity_map_kernel: procedure(1),
    vmm_load_page_directory: procedure(1),
    vmm_enable_paging: procedure(0),
    vmm_flush_tlb: procedure(0),
  },
  heap: {
    heap_init: procedure(0),
    kmalloc: value(1),
    kfree: procedure(1),
    krealloc: value(2),
    kcalloc: value(2),
    heap_expand: value(1),
    heap_coalesce_free_blocks: procedure(0),
    heap_get_total_size: value(0),
    heap_get_used_size: value(0),
    heap_get_free_size: value(0),
    heap_dump_stats: procedure(0),
    heap_dump_blocks: procedure(0),
  },
};

/** All functions by name. */
export const signatures: Readonly<Record<string, Signature>> = Object.assign(
  {},
  ...Object.values(abi),
);

/** The names of the functions of some modules. */
export function functionsOf(...modules: string[]): string[] {
  return modules.flatMap((module) => Object.keys(abi[module]));
}

/** Names that are no functions to be called: entry, stubs, bounds of the image, variables. */
const otherNames: readonly string[] = [
  "kernel_main",
  ...Array.from({ length: 32 }, (_, vector) => `isr${vector}`),
  ...Array.from({ length: 16 }, (_, irq) => `irq${irq}`),
  ...["kernel_start", "kernel_readonly_end", "kernel_end"],
  ...["current_page_directory", "pmm_bitmap"],
];

/** Every name of the ABI. */
export const abiNames: ReadonlySet<string> = new Set([...Object.keys(signatures), ...otherNames]);
