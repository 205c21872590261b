/** Planted defects in interrupt handling, exception reports, panic, start and monitor. */
import { type Mutant, mutantsOf } from "./patch.ts";

const isr = mutantsOf("kernel/isr.ts", [
  {
    name: "exceptions 5 and 6 exchange names",
    clause: "ISR-1",
    find: "Bound range exceeded|\\\nInvalid opcode|",
    replace: "Invalid opcode|\\\nBound range exceeded|",
  },
  {
    name: "no error code for the stack fault",
    clause: "ISR-2",
    also: ["ISR-4"],
    find: "HAS_ERROR_CODE: u32 = 0x60227d00",
    replace: "HAS_ERROR_CODE: u32 = 0x60226d00",
  },
  {
    name: "page fault takes writes for reads",
    clause: "ISR-3",
    find: '": read|: write"',
    replace: '": write|: read"',
  },
  {
    name: "page fault never blames user mode",
    clause: "ISR-3",
    find: "(code >> 2) & 1",
    replace: "(code >> 5) & 1",
  },
  {
    name: "selector index is halved",
    clause: "ISR-4",
    find: "(code >> 3) & 0x1fff",
    replace: "(code >> 4) & 0x1fff",
  },
  {
    name: "report shows EDI as ESI",
    clause: "ISR-5",
    find: 'cstr("\\nESI "), load<u32>(frame + 20)',
    replace: 'cstr("\\nESI "), load<u32>(frame + 16)',
  },
  {
    name: "report shows the handler's stack",
    clause: "ISR-5",
    find: "fromUser ? load<usize>(stack) : stack",
    replace: "fromUser ? load<usize>(stack) : frame",
  },
  {
    name: "report shows no CR2",
    clause: "ISR-5",
    find: '  writeRegister(cstr(" CR2 "), read_cr2());\n',
    replace: "  read_cr2();\n",
  },
  {
    name: "an exception returns to its cause",
    clause: "ISR-5",
    also: ["ISR-1", "IDT-3"], // reports without end
    find: "  writeBacktrace(load<usize>(frame + FRAME_EBP));\n  halt();\n",
    replace: "  writeBacktrace(load<usize>(frame + FRAME_EBP));\n",
  },
  {
    name: "an IRQ without a driver is not acknowledged",
    clause: "ISR-6",
    also: ["ISR-7"],
    find: "  else if (irq == 4) serial_handler();\n",
    replace: "  else if (irq == 4) serial_handler();\n  else return;\n",
  },
  {
    name: "spurious IRQs are taken for real ones",
    clause: "ISR-7",
    find: "(irq & 7) == 7 && ",
    replace: "irq > 15 && ",
  },
  {
    name: "IRQ 7 and 15 are taken for spurious ones",
    clause: "ISR-7",
    also: ["ISR-6"],
    find: "return (irq & 7) == 7 && ((pic_get_isr() >> <u16> irq) & 1) == 0;",
    replace: "return (irq & 7) == 7;",
  },
  {
    name: "a spurious IRQ 15 leaves the master in service",
    clause: "ISR-7",
    find: "if (irq == 15) pic_send_eoi(2);",
    replace: "if (irq == 16) pic_send_eoi(2);",
  },
  {
    name: "the timer's interrupt sets the adjust flag",
    clause: "ISR-8",
    find: "if (irq == 0) timer_handler();",
    replace: `if (irq == 0) {
    timer_handler();
    store<u32>(frame + 64, load<u32>(frame + 64) | 0x10);
  }`,
  },
]);

/** Clauses that say what ends in a panic. */
const needPanic = ["HEAP-11", "MONITOR-3", "KERNEL-MULTIBOOT-2", "KERNEL-MULTIBOOT-6"];

const panic = mutantsOf("kernel/panic.ts", [
  {
    name: "panic keeps its message",
    clause: "PANIC-1",
    find: "  terminal_writestring(message);\n",
    replace: "",
  },
  {
    name: "panic is red on black",
    clause: "PANIC-1",
    find: "kernel_panic(message: usize): void {\n  cli();\n  terminal_setcolor(RED);",
    replace: "kernel_panic(message: usize): void {\n  cli();\n  terminal_setcolor(RED & 15);",
  },
  {
    name: "panic gives no backtrace",
    clause: "PANIC-3",
    find: `  terminal_writestring(message);
  terminal_putchar(0x0a);
  writeBacktrace(read_ebp());`,
    replace: `  terminal_writestring(message);
  terminal_putchar(0x0a);`,
  },
  {
    name: "backtrace begins one call too late",
    clause: "PANIC-3",
    find: `  terminal_writestring(message);
  terminal_putchar(0x0a);
  writeBacktrace(read_ebp());`,
    replace: `  terminal_writestring(message);
  terminal_putchar(0x0a);
  writeBacktrace(load<usize>(read_ebp()));`,
  },
  {
    name: "panic returns",
    clause: "PANIC-4",
    also: [...needPanic, "PANIC-5"],
    find: `writeBacktrace(read_ebp());
  halt();
}

/** Where`,
    replace: `writeBacktrace(read_ebp());
}

/** Where`,
  },
  {
    name: "the end spins where it should halt",
    clause: "PANIC-4",
    also: [...needPanic, "PANIC-5", "ISR-1", "ISR-5", "IDT-3"],
    find: "while (true) hlt();",
    replace: "while (true) read_ebp();",
  },
  {
    name: "backtrace follows any address",
    clause: "PANIC-5",
    find: "return (frame & 3) == 0 && frame >= kernel_readonly_end() && frame < kernel_end() - 8;",
    replace: "return (frame & 3) == 0 && frame != 0;",
  },
  {
    name: "backtrace of 64 calls",
    clause: "PANIC-5",
    find: "BACKTRACE_DEPTH: u32 = 16",
    replace: "BACKTRACE_DEPTH: u32 = 64",
  },
]);

const main = mutantsOf("kernel/main.ts", [
  {
    name: "the loader's magic number is not looked at",
    clause: "KERNEL-MULTIBOOT-6",
    find: "if (magic != MULTIBOOT_MAGIC)",
    replace: "if (magic == 0)",
  },
  {
    name: "the clock starts in silence",
    clause: "MAIN-1",
    find: '  ready(cstr("Timer: 100 Hz\\n"));\n',
    replace: "",
  },
  {
    name: "interrupts stay off until the monitor",
    clause: "MAIN-2",
    find: "  sti(); // after all of them have handlers\n",
    replace: "",
  },
  {
    name: "demonstration allocates less than it says",
    clause: "MAIN-3",
    find: "kmalloc(2048))",
    replace: "kmalloc(1024))",
  },
  {
    name: "demonstration keeps an allocation",
    clause: "MAIN-4",
    also: ["MAIN-3"],
    find: "  showFree(second);\n",
    replace: "",
  },
  {
    name: "demonstration ends without its line",
    clause: "MAIN-5",
    find: 'cstr("\\nDay 6 Memory Management System Complete!\\n\\n")',
    replace: 'cstr("\\nDone.\\n\\n")',
  },
]);

const monitor = mutantsOf("kernel/monitor.ts", [
  {
    name: "what is typed is not echoed",
    clause: "MONITOR-1",
    also: ["MONITOR-2", "MONITOR-4"],
    find: "  store<u8>(line + length++, c);\n  terminal_putchar(c);",
    replace: "  store<u8>(line + length++, c);",
  },
  {
    name: "erasing leaves the character on the screen",
    clause: "MONITOR-2",
    find: '"\\b \\b"',
    replace: '"\\b"',
  },
  {
    name: "the monitor looks for input in a circle",
    clause: "MONITOR-4",
    find: "    sti_hlt();\n",
    replace: "    sti();\n    timer_get_ticks();\n",
  },
  {
    name: "numbers wrap at 32 bits",
    clause: "MONITOR-5",
    find: "    if (number > (0xffffffff - digit) / base) return false;\n",
    replace: "",
  },
]);

/** Defects of isr, panic, main and monitor. */
export const reports: readonly Mutant[] = [...isr, ...panic, ...main, ...monitor];
