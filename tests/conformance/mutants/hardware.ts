/** Planted defects in descriptor tables, interrupt controllers and clock. */
import { type Mutant, mutantsOf } from "./patch.ts";

const gdt = mutantsOf("kernel/gdt.ts", [
  {
    name: "user data segment for ring 0",
    clause: "GDT-2",
    find: "USER_DATA_ACCESS: u8 = 0xf2",
    replace: "USER_DATA_ACCESS: u8 = 0x92",
  },
  {
    name: "user code segment ends at 3 GB",
    clause: "GDT-2",
    find: "gdt_set_gate(3, 0, 0xfffff",
    replace: "gdt_set_gate(3, 0, 0xbffff",
  },
  {
    name: "GDTR leaves out the last descriptor",
    clause: "GDT-1",
    also: ["GDT-2"],
    find: "<u16> (ENTRIES * 8 - 1)",
    replace: "<u16> (ENTRIES * 8 - 9)",
  },
  {
    name: "descriptor loses base bits 20 to 23",
    clause: "GDT-4",
    find: "((base >> 16) & 0xff),",
    replace: "((base >> 16) & 0x0f),",
  },
  {
    name: "descriptor 5 overwrites what follows the table",
    clause: "GDT-4",
    find: "if (num >= ENTRIES) return;",
    replace: "if (num > ENTRIES) return;",
  },
]);

const idt = mutantsOf("kernel/idt.ts", [
  {
    name: "ring 3 may call every gate",
    clause: "IDT-2",
    find: "INTERRUPT_GATE: u8 = 0x8e",
    replace: "INTERRUPT_GATE: u8 = 0xee",
  },
  {
    name: "trap gates leave interrupts on",
    clause: "IDT-2",
    find: "INTERRUPT_GATE: u8 = 0x8e",
    replace: "INTERRUPT_GATE: u8 = 0x8f",
  },
  {
    name: "IRQ 15 has no gate",
    clause: "IDT-2",
    also: ["ISR-6", "ISR-7", "ISR-8"], // it comes as an exception
    find: "STUBS: u32 = 48",
    replace: "STUBS: u32 = 47",
  },
  {
    name: "IDTR ends behind the IRQs",
    clause: "IDT-1",
    find: "<u16> (ENTRIES * 8 - 1)",
    replace: "<u16> (STUBS * 8 - 1)",
  },
  {
    name: "unused gates lead to the divide error",
    clause: "IDT-3",
    find: `vector < STUBS; vector++) {
    idt_set_gate(vector, interrupt_stub(vector)`,
    replace: `vector < ENTRIES; vector++) {
    idt_set_gate(vector, interrupt_stub(vector < STUBS ? vector : 0)`,
  },
  {
    name: "gate 256 overwrites what follows the table",
    clause: "IDT-4",
    find: "if (num >= ENTRIES) return;",
    replace: "if (num > ENTRIES) return;",
  },
  {
    name: "gate ignores its selector",
    clause: "IDT-4",
    find: "(<u32> sel << 16)",
    replace: "(<u32> KERNEL_CODE << 16)",
  },
]);

const pic = mutantsOf("kernel/pic.ts", [
  {
    name: "slave at vector 30h",
    clause: "KERNEL-PIC-1",
    also: ["ISR-6", "ISR-7"],
    find: "SLAVE_BASE: u8 = 0x28",
    replace: "SLAVE_BASE: u8 = 0x30",
  },
  {
    name: "slave announced on IRQ 6",
    clause: "KERNEL-PIC-1",
    also: ["ISR-6", "ISR-7", "ISR-8"],
    find: "SLAVE_ON_IRQ2: u8 = 0x04",
    replace: "SLAVE_ON_IRQ2: u8 = 0x40",
  },
  {
    name: "slave starts unmasked",
    clause: "KERNEL-PIC-1",
    find: "data(0xff, 0xff);",
    replace: "data(0xff, 0x00);",
  },
  {
    name: "masking an IRQ masks its neighbour",
    clause: "KERNEL-PIC-2",
    find: "inb(port) | bit(irq)",
    replace: "inb(port) | bit(irq) | bit(irq + 1)",
  },
  {
    name: "unmasking spares the slave",
    clause: "KERNEL-PIC-3",
    also: ["KERNEL-PIC-5", "ISR-6", "ISR-7"],
    find: "inb(port) & ~bit(irq)",
    replace: "irq < 8 ? inb(port) & ~bit(irq) : inb(port)",
  },
  {
    name: "the cascade stays masked",
    clause: "KERNEL-PIC-5",
    also: ["ISR-6", "ISR-7"],
    find: "if (irq >= 8) pic_clear_mask(CASCADE);",
    replace: "",
  },
  {
    name: "no end of interrupt for the slave",
    clause: "KERNEL-PIC-4",
    also: ["ISR-6", "ISR-7"],
    find: "if (irq >= 8) outb(SLAVE_COMMAND, EOI);",
    replace: "",
  },
  {
    name: "the slave's end of interrupt spares the master",
    clause: "KERNEL-PIC-4",
    also: ["ISR-6", "ISR-7"],
    find: `if (irq >= 8) outb(SLAVE_COMMAND, EOI);
`,
    replace: `if (irq >= 8) outb(SLAVE_COMMAND, EOI);
  else `,
  },
  {
    name: "requests are read from the service register",
    clause: "KERNEL-PIC-6",
    find: "readBoth(READ_IRR)",
    replace: "readBoth(READ_ISR)",
  },
]);

const timer = mutantsOf("kernel/timer.ts", [
  {
    name: "rate generator in place of a square wave",
    clause: "TIMER-1",
    find: "SQUARE_WAVE: u8 = 0x36",
    replace: "SQUARE_WAVE: u8 = 0x34",
  },
  {
    name: "divisor for 101 Hz",
    clause: "TIMER-1",
    find: "DIVISOR: u32 = 11932",
    replace: "DIVISOR: u32 = 11814",
  },
  {
    name: "a tick counts twice",
    clause: "TIMER-2",
    also: ["TIMER-3", "TIMER-4"],
    find: "ticks++;",
    replace: "ticks += 2;",
  },
  {
    name: "ticks go on when the clock is started again",
    clause: "TIMER-3",
    find: "  ticks = 0;\n",
    replace: "",
  },
  {
    name: "a wait takes one tick too many",
    clause: "TIMER-4",
    find: "ticks - start < count",
    replace: "ticks - start <= count",
  },
  {
    name: "a wait is busy",
    clause: "TIMER-5",
    find: "sti_hlt();\n",
    replace: "sti();\n    outb(0x80, 0);\n",
  },
  {
    name: "a wait leaves interrupts on",
    clause: "TIMER-5",
    find: "if (interruptible) sti();",
    replace: "sti();",
  },
]);

/** Defects of gdt, idt, pic and timer. */
export const hardware: readonly Mutant[] = [...gdt, ...idt, ...pic, ...timer];
