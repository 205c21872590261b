/** Which clauses of the kernel's specifications an event of a trace touches. Spec: specs/conformance/touched.md. */
import type { Event } from "../trace/event.ts";
import { formatField } from "../trace/text.ts";

/** Clauses by function of the kernel family: what its calls and its output show. */
const byFunction: ReadonlyMap<string, readonly string[]> = new Map(Object.entries({
  kernel_main: ["MAIN-1", "MAIN-3"],
  gdt_init: ["GDT-1", "GDT-3"],
  gdt_set_gate: ["GDT-4"],
  idt_init: ["IDT-1", "IDT-2"],
  idt_set_gate: ["IDT-4"],
  isr_handler: ["ISR-1", "ISR-5"],
  irq_handler: ["ISR-6", "ISR-8"],
  pic_init: ["KERNEL-PIC-1"],
  pic_set_mask: ["KERNEL-PIC-2"],
  pic_clear_mask: ["KERNEL-PIC-3"],
  pic_send_eoi: ["KERNEL-PIC-4"],
  pic_get_irr: ["KERNEL-PIC-6"],
  pic_get_isr: ["KERNEL-PIC-6"],
  timer_init: ["TIMER-1", "TIMER-2"],
  timer_handler: ["TIMER-2"],
  timer_get_ticks: ["TIMER-3"],
  timer_wait: ["TIMER-4", "TIMER-5"],
  keyboard_init: ["KERNEL-KEYBOARD-1"],
  keyboard_handler: ["KERNEL-KEYBOARD-2"],
  keyboard_has_input: ["KERNEL-KEYBOARD-6"],
  keyboard_get_char: ["KERNEL-KEYBOARD-6"],
  serial_init: ["KERNEL-SERIAL-1", "KERNEL-SERIAL-3"],
  serial_putchar: ["KERNEL-SERIAL-4"],
  serial_write_string: ["KERNEL-SERIAL-4"],
  serial_is_transmit_empty: ["KERNEL-SERIAL-5"],
  serial_received: ["KERNEL-SERIAL-5"],
  serial_getchar: ["KERNEL-SERIAL-7"],
  terminal_initialize: ["TERMINAL-1"],
  terminal_putchar: ["TERMINAL-2", "TERMINAL-8"],
  terminal_setcolor: ["TERMINAL-3"],
  terminal_write: ["TERMINAL-9"],
  terminal_writestring: ["TERMINAL-9"],
  kernel_panic: ["PANIC-1", "PANIC-4"],
  pmm_init: ["PMM-1", "PMM-2", "PMM-4"],
  pmm_alloc_page: ["PMM-5", "PMM-6"],
  pmm_free_page: ["PMM-7", "PMM-8"],
  pmm_get_total_pages: ["PMM-1"],
  pmm_get_free_pages: ["PMM-2"],
  pmm_get_used_pages: ["PMM-2"],
  pmm_dump_stats: ["PMM-9"],
  vmm_init: ["VMM-1", "VMM-2"],
  vmm_create_page_directory: ["VMM-11"],
  vmm_switch_page_directory: ["VMM-12"],
  vmm_map_page: ["VMM-4", "VMM-5"],
  vmm_unmap_page: ["VMM-6", "VMM-10"],
  vmm_get_physical_address: ["VMM-7"],
  vmm_is_page_present: ["VMM-7"],
  vmm_identity_map_kernel: ["VMM-14"],
  heap_init: ["HEAP-1"],
  kmalloc: ["HEAP-3", "HEAP-4"],
  kfree: ["HEAP-6", "HEAP-9"],
  krealloc: ["HEAP-13"],
  kcalloc: ["HEAP-10"],
  heap_expand: ["HEAP-8", "HEAP-12"],
  heap_coalesce_free_blocks: ["HEAP-16"],
  heap_get_total_size: ["HEAP-7"],
  heap_get_used_size: ["HEAP-7"],
  heap_get_free_size: ["HEAP-7"],
  heap_dump_stats: ["HEAP-15"],
  heap_dump_blocks: ["HEAP-15"],
}));

/** What a line shows of a state: its clauses, for kernels with the function that sets it up. */
interface State {
  readonly of: string;
  readonly clauses: readonly string[];
}

/** Clauses by kind of line, for kernels that have the function. */
const byKind: ReadonlyMap<string, State> = new Map(Object.entries({
  screen: { of: "terminal_putchar", clauses: ["TERMINAL-2", "TERMINAL-6"] },
  cursor: { of: "terminal_putchar", clauses: ["TERMINAL-7"] },
  mapping: { of: "vmm_init", clauses: ["VMM-2", "VMM-3"] },
  block: { of: "heap_init", clauses: ["HEAP-2"] },
  control: { of: "vmm_init", clauses: ["VMM-1", "VMM-12"] },
  interrupt: { of: "irq_handler", clauses: ["ISR-6", "ISR-8"] },
  exception: { of: "isr_handler", clauses: ["ISR-1"] },
}));

const byStatistics: ReadonlyMap<string, State> = new Map(Object.entries({
  pages: { of: "pmm_init", clauses: ["PMM-2", "PMM-3"] },
  heap: { of: "heap_init", clauses: ["HEAP-7"] },
}));

/** Functions that only carry output: whose line it is, their callers say. */
const CARRIER = /^(serial|terminal|debug|vga|console)_/;

/** Every clause that can be named here. */
export function namedClauses(): string[] {
  const states = [...byKind.values(), ...byStatistics.values()];
  return [...byFunction.values(), ...states.map(({ clauses }) => clauses)].flat();
}

/**
 * The clauses that an event touches: by its function, by the first function in `backtrace` (symbols,
 * innermost first) that has any, or by its kind; `has` says which symbols the kernel has.
 */
export function touchedClauses(
  event: Event,
  backtrace: readonly string[],
  has: (symbol: string) => boolean,
): readonly string[] {
  const field = (index: number): string => formatField(event.fields[index] ?? "-");
  const clausesOf = (symbol: string): readonly string[] =>
    symbol === "kernel_main" && !has("pmm_init") ? [] : byFunction.get(symbol) ?? []; // TOUCHED-5
  if (event.kind === "diagnose") return [field(0)];
  if (event.kind === "call" || event.kind === "return") return clausesOf(field(0));
  const known = event.kind === "memory" ? byStatistics.get(field(1)) : byKind.get(event.kind);
  if (known !== undefined) return has(known.of) ? known.clauses : [];
  if (event.kind !== "serial") return [];
  const speaker = backtrace.find((symbol) => !CARRIER.test(symbol) && byFunction.has(symbol));
  return speaker === undefined ? [] : clausesOf(speaker);
}
