import { assert, assertEquals } from "@std/assert";
import { bootGuest, wordBytes } from "./guest.ts";
import { replayGolden } from "./traces.ts";

const COM2_SCRATCH = 0x2ff, PLACE = 0x81000, FREE_SPACE = 0x10000000;

/** The public list: specs/kernel/link.md. */
const names = `
kernel_main kernel_panic terminal_initialize terminal_setcolor terminal_putchar terminal_write
terminal_writestring gdt_init gdt_set_gate gdt_flush idt_init idt_set_gate idt_flush isr_handler
irq_handler outb inb io_wait pic_init pic_send_eoi pic_set_mask pic_clear_mask pic_get_isr
pic_get_irr timer_init timer_handler timer_get_ticks timer_wait keyboard_init keyboard_handler
keyboard_get_char keyboard_has_input serial_init serial_putchar serial_write_string serial_getchar
serial_received serial_is_transmit_empty debug_putchar debug_write_string pmm_init pmm_alloc_page
pmm_free_page pmm_get_total_pages pmm_get_free_pages pmm_get_used_pages pmm_dump_stats vmm_init
vmm_create_page_directory vmm_switch_page_directory vmm_map_page vmm_unmap_page
vmm_get_physical_address vmm_is_page_present vmm_identity_map_kernel current_page_directory
vmm_load_page_directory vmm_enable_paging vmm_flush_tlb heap_init kmalloc kfree krealloc kcalloc
heap_expand heap_coalesce_free_blocks heap_get_total_size heap_get_used_size heap_get_free_size
heap_dump_stats heap_dump_blocks`.trim().split(/\s+/);

Deno.test("The port functions reach the ports [LINK-1]", () => {
  const guest = bootGuest();
  guest.call("outb", COM2_SCRATCH, 0x5a);
  assertEquals(guest.call("inb", COM2_SCRATCH), 0x5a);
  assertEquals(guest.portWrites(() => guest.call("io_wait")).map(([port]) => port), [0x80]);
});

Deno.test("gdt_flush and idt_flush load the tables [LINK-2]", () => {
  const guest = bootGuest();
  guest.runCode([0x0f, 0x01, 0x05, ...wordBytes(PLACE), 0xc3]); // sgdt
  guest.runCode([0x0f, 0x01, 0x0d, ...wordBytes(PLACE + 8), 0xc3]); // sidt
  guest.setWord(PLACE + 16, (39 + 8) | guest.word(PLACE) & 0xffff0000); // a limit of our own
  guest.setWord(PLACE + 20, guest.word(PLACE + 4) & 0xffff);
  guest.call("gdt_flush", PLACE + 16);
  guest.call("idt_flush", PLACE + 8);
  guest.runCode([0x0f, 0x01, 0x05, ...wordBytes(PLACE + 24), 0xc3]);
  assertEquals(guest.word(PLACE + 24) & 0xffff, 47);
  assertEquals(guest.word(PLACE + 26), guest.word(PLACE + 2));
  const { cs, ds, es, fs, gs, ss } = guest.machine.registers;
  assertEquals([cs, ds, es, fs, gs, ss], [0x08, 0x10, 0x10, 0x10, 0x10, 0x10]);
});

Deno.test("The paging functions drive CR0, CR3 and the TLB [LINK-3]", () => {
  const guest = bootGuest();
  const { cr0, cr3 } = guest.control();
  assertEquals((cr0 & 0x80010000) >>> 0, 0x80010000);
  const other = guest.call("vmm_create_page_directory");
  guest.call("vmm_load_page_directory", other);
  assertEquals(guest.control().cr3, other);
  guest.call("vmm_load_page_directory", cr3);
  guest.call("vmm_map_page", cr3, FREE_SPACE, 0x80000, 2);
  guest.setWord(0x80000, 1);
  guest.setWord(0x81000, 2);
  const read = [0xa1, ...wordBytes(FREE_SPACE), 0xc3];
  assertEquals(guest.runCode(read), 1);
  const table = guest.physWord(cr3 + (FREE_SPACE >>> 22) * 4) & ~0xfff;
  guest.setPhysWord(table, 0x81003); // behind the processor's back
  guest.call("vmm_flush_tlb");
  assertEquals(guest.runCode(read), 2);
});

Deno.test("The image's bounds are symbols [LINK-4]", () => {
  const guest = bootGuest();
  const [start, constant, end] = ["kernel_start", "kernel_readonly_end", "kernel_end"]
    .map((name) => guest.address(name));
  assertEquals(start, 0x100000);
  assertEquals(constant % 4096, 0);
  assert(start < guest.address("kmalloc") && guest.address("kmalloc") < constant);
  const variable = guest.address("current_page_directory");
  assert(constant <= variable && variable < end);
});

Deno.test("Every public name is a symbol [LINK-5]", () => {
  const guest = bootGuest();
  const stubs = Array.from({ length: 48 }, (_, n) => n < 32 ? `isr${n}` : `irq${n - 32}`);
  const missing = [...names, ...stubs].filter((name) => !guest.machine.symbols.find(name));
  assertEquals(missing, []);
});

Deno.test("Link replays its golden trace", async () => {
  const { golden, trace } = await replayGolden("link");
  assertEquals(trace, golden);
});
