/** Ten more planted defects over as many modules. */
import { type Mutant, mutantsOf } from "./patch.ts";

/** Defects of ten modules. */
export const various: readonly Mutant[] = [
  ...mutantsOf("kernel/gdt.ts", [
    {
      name: "the kernel's code cannot be read",
      clause: "GDT-2",
      find: "KERNEL_CODE_ACCESS: u8 = 0x9a",
      replace: "KERNEL_CODE_ACCESS: u8 = 0x98",
    },
  ]),
  ...mutantsOf("kernel/idt.ts", [
    {
      name: "handlers lie below 16 MB",
      clause: "IDT-4",
      find: "(base & 0xffff0000)",
      replace: "(base & 0x00ff0000)",
    },
  ]),
  ...mutantsOf("kernel/isr.ts", [
    {
      name: "report shows CS as EFLAGS",
      clause: "ISR-5",
      find: 'cstr(" EFLAGS "), load<u32>(frame + 64)',
      replace: 'cstr(" EFLAGS "), load<u32>(frame + FRAME_CS)',
    },
  ]),
  ...mutantsOf("kernel/timer.ts", [
    {
      name: "clock slow by 0.2 percent",
      clause: "TIMER-1",
      find: "DIVISOR: u32 = 11932",
      replace: "DIVISOR: u32 = 11956",
    },
  ]),
  ...mutantsOf("kernel/keyboard.ts", [
    {
      name: "caps lock works on release too",
      clause: "KERNEL-KEYBOARD-4",
      find: "else if (pressed && key == CAPS_LOCK)",
      replace: "else if (key == CAPS_LOCK)",
    },
  ]),
  ...mutantsOf("kernel/serial.ts", [
    {
      name: "received bytes are stored in half of the queue",
      clause: "KERNEL-SERIAL-9",
      also: ["KERNEL-SERIAL-8"],
      find: "store<u8>(queue + (queueTail++ % QUEUE_SIZE), inb(COM1 + DATA))",
      replace: "store<u8>(queue + (queueTail++ % (QUEUE_SIZE >> 1)), inb(COM1 + DATA))",
    },
  ]),
  ...mutantsOf("kernel/terminal.ts", [
    {
      name: "scrolling forgets the line above the last",
      clause: "TERMINAL-6",
      also: ["PANIC-1"], // the message is not on the screen
      find: "(ROWS - 1) * COLUMNS * 2)",
      replace: "(ROWS - 2) * COLUMNS * 2)",
    },
  ]),
  ...mutantsOf("kernel/pmm.ts", [
    {
      name: "a frame is refused that begins a word of the bitmap",
      clause: "PMM-7",
      also: ["PMM-3", "HEAP-12", "VMM-10"],
      find: "if (frame >= totalPages)",
      replace: "if (frame >= totalPages || (frame & 31) == 0)",
    },
  ]),
  ...mutantsOf("kernel/vmm.ts", [
    {
      name: "an unmapped entry keeps its frame",
      clause: "VMM-10",
      find: "store<u32>(entry, 0);\n  invlpg(virt);",
      replace: "store<u32>(entry, load<u32>(entry) & ~PRESENT);\n  invlpg(virt);",
    },
  ]),
  ...mutantsOf("kernel/heap.ts", [
    {
      name: "krealloc that moves keeps the old block",
      clause: "HEAP-13",
      also: ["HEAP-7"], // it counts as used for ever
      find: "  kfree(source);\n  return target;",
      replace: "  return target;",
    },
  ]),
];
