/** Planted defects that were added when the checker was finished, to see what it catches at first try. */
import { type Mutant, mutantsOf } from "./patch.ts";

/** Ten defects over as many modules. */
export const late: readonly Mutant[] = [
  ...mutantsOf("kernel/gdt.ts", [
    {
      name: "limit bits 16 to 19 come from the flags",
      clause: "GDT-4",
      find: "((limit >> 16) & 0x0f)",
      replace: "(<u32> gran & 0x0f)",
    },
  ]),
  ...mutantsOf("kernel/pic.ts", [
    {
      name: "IRQ 8 is taken for one of the master's",
      clause: "KERNEL-PIC-4",
      also: ["ISR-6"],
      find: "if (irq >= 8) outb(",
      replace: "if (irq > 8) outb(",
    },
  ]),
  ...mutantsOf("kernel/timer.ts", [
    {
      name: "divisor written high byte first",
      clause: "TIMER-1",
      find: "outb(CHANNEL_0, <u8> DIVISOR);\n  outb(CHANNEL_0, <u8> (DIVISOR >> 8));",
      replace: "outb(CHANNEL_0, <u8> (DIVISOR >> 8));\n  outb(CHANNEL_0, <u8> DIVISOR);",
    },
  ]),
  ...mutantsOf("kernel/keyboard.ts", [
    {
      name: "shifted grave accent is a circumflex",
      clause: "KERNEL-KEYBOARD-3",
      find: 'ASDFGHJKL:"~',
      replace: 'ASDFGHJKL:"^',
    },
  ]),
  ...mutantsOf("kernel/serial.ts", [
    {
      name: "bytes that found the queue full stay in the chip",
      clause: "KERNEL-SERIAL-9",
      find:
        "  serial_handler(); // KERNEL-SERIAL-9: bytes that found the queue full still wait in the FIFO\n",
      replace: "",
    },
  ]),
  ...mutantsOf("kernel/terminal.ts", [
    {
      name: "the cursor stays behind a single character",
      clause: "TERMINAL-7",
      also: ["TERMINAL-2", "TERMINAL-4", "TERMINAL-5", "TERMINAL-6"],
      find: "void {\n  put(c);\n  showCursor();",
      replace: "void {\n  put(c);",
    },
  ]),
  ...mutantsOf("kernel/multiboot.ts", [
    {
      name: "a reserved region's last, partial frame is free",
      clause: "KERNEL-MULTIBOOT-3",
      also: ["PMM-4"],
      find: "isAvailable(region) ? end >> PAGE_SHIFT : frameAbove(end)",
      replace: "end >> PAGE_SHIFT",
    },
  ]),
  ...mutantsOf("kernel/vmm.ts", [
    {
      name: "unmapping what is not mapped is called success",
      clause: "VMM-6",
      find: "!vmm_is_page_present(dir, virt)) return 0;",
      replace: "!vmm_is_page_present(dir, virt)) return 1;",
    },
  ]),
  ...mutantsOf("kernel/heap.ts", [
    {
      name: "krealloc of address 0 gives nothing",
      clause: "HEAP-13",
      find: "if (ptr == 0) return kmalloc(size);",
      replace: "if (ptr == 0) return 0;",
    },
  ]),
  ...mutantsOf("kernel/panic.ts", [
    {
      name: "the backtrace shows frames, not return addresses",
      clause: "PANIC-3",
      also: ["ISR-5", "PANIC-5"],
      find: "writeHex(returnAddress);",
      replace: "writeHex(frame);",
    },
  ]),
];
