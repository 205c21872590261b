/**
 * The golden traces of the kernel's modules: for each a plan of what is done to a booted kernel and which
 * events are kept. Spec: specs/conformance/kernel_traces.md.
 */
import type { BootOptions } from "../machine/boot.ts";
import type { Trace } from "../trace/event.ts";
import { functionsOf, signatures } from "./abi.ts";
import { blockEvents, mappingEvents, recordMemory, screenEvents } from "./boot_trace.ts";
import { Recorder, type Selection } from "./recorder.ts";

/** One thing that is done to the kernel. */
type Step =
  /** A marker. */
  | { readonly note: string }
  /** Keys are pressed, and the kernel runs until it waits again or has halted. */
  | { readonly type: string }
  /** Bytes arrive at COM1, and the kernel stays where it is. */
  | { readonly send: string }
  /** A function is called; `$` stands for the last address that one has returned. */
  | { readonly call: readonly [symbol: string | number, ...args: (number | "$")[]] }
  /** Memory statistics, screen, page tables or heap blocks are written down. */
  | { readonly show: "memory" | "screen" | "mappings" | "blocks" };

interface Plan extends Partial<Selection> {
  /** From the first instruction; by default from the kernel's first prompt. */
  readonly fromReset?: boolean;
  readonly options?: BootOptions;
  readonly steps: readonly Step[];
}

const within = (...ranges: [first: number, last: number][]) => (port: number): boolean =>
  ranges.some(([first, last]) => port >= first && port <= last);
const note = (text: string): Step => ({ note: text });
const call = (symbol: string | number, ...args: (number | "$")[]): Step => ({
  call: [symbol, ...args],
});
const memory: Step = { show: "memory" }, blocks: Step = { show: "blocks" };

const COM1 = 0x3f8;
const USER_PAGE = 7; // page flags: present, writable, user
const NOWHERE = 0xdeadb000;

/** By module: the stem of fixtures/kernel/STEM.trace. */
const plans: Readonly<Record<string, Plan>> = {
  gdt: {
    fromReset: true,
    functions: functionsOf("gdt"),
    steps: [
      note("a number that the table does not have changes nothing [GDT-4]"),
      call("gdt_set_gate", 9, 0, 0, 0, 0),
    ],
  },
  idt: {
    fromReset: true,
    functions: functionsOf("idt"),
    steps: [
      note("a number that the table does not have changes nothing [IDT-4]"),
      call("idt_set_gate", 256, 0, 8, 0x8e),
    ],
  },
  isr: {
    functions: ["isr_handler"],
    kinds: ["serial", "interrupt", "exception"],
    steps: [
      note("interrupts of timer and keyboard [ISR-6, ISR-8]"),
      { type: "x" },
      note("a page fault and its report [ISR-1, ISR-2, ISR-3, ISR-5]"),
      call(NOWHERE),
    ],
  },
  keyboard: {
    fromReset: true,
    functions: ["keyboard_init", "keyboard_handler", "keyboard_get_char"],
    kinds: ["in", "out"],
    ports: within([0x60, 0x60], [0x64, 0x64]),
    steps: [note("letters, shift and a digit [KERNEL-KEYBOARD-2, KERNEL-KEYBOARD-3]"), {
      type: "aB1!\n",
    }],
  },
  link: {
    fromReset: true,
    functions: [
      "gdt_flush",
      "idt_flush",
      "vmm_load_page_directory",
      "vmm_enable_paging",
      "vmm_flush_tlb",
    ],
    kinds: ["control"],
    steps: [
      note("flushing the TLB writes the same CR3: no change [LINK-3]"),
      call("vmm_flush_tlb"),
    ],
  },
  main: {
    fromReset: true,
    functions: [
      ...["gdt_init", "idt_init", "pic_init", "timer_init", "keyboard_init", "serial_init"],
      ...[
        "terminal_initialize",
        "pmm_init",
        "vmm_init",
        "heap_init",
        "kmalloc",
        "kcalloc",
        "kfree",
      ],
    ],
    kinds: ["serial"],
    steps: [note("after the demonstration [MAIN-4, MAIN-5]"), memory],
  },
  monitor: {
    kinds: ["serial"],
    steps: [
      note("commands without a number [MONITOR-3, MONITOR-6]"),
      { type: "help\nmem\nheap\nnonsense\n\n" },
      note("allocations [MONITOR-3, MONITOR-5]"),
      { type: "alloc 100\nalloc 0x1000\nblocks\nfree 0x400010\nfree 0x400010\nalloc x\nheap\n" },
      note("translations [MONITOR-3]"),
      { type: "map 0x100000\nmap 0x400123\nmap 0xdeadb000\n" },
      note("corrections [MONITOR-2]"),
      { type: "mex\bm\n" },
    ],
  },
  multiboot: {
    fromReset: true,
    options: {
      ramBytes: 16 << 20,
      modules: [{ data: new Uint8Array(5000), commandLine: "a module" }],
    },
    functions: ["pmm_init"],
    kinds: ["serial"],
    steps: [
      note("16 MB and a module of two pages [KERNEL-MULTIBOOT-1, KERNEL-MULTIBOOT-3]"),
      memory,
    ],
  },
  panic: {
    kinds: ["serial"],
    steps: [note("message, backtrace, halt [PANIC-1, PANIC-3, PANIC-4]"), { type: "panic\n" }, {
      show: "screen",
    }],
  },
  pic: {
    fromReset: true,
    functions: functionsOf("pic"),
    kinds: ["in", "out"],
    ports: within([0x20, 0x21], [0xa0, 0xa1]),
    steps: [
      note("masks [KERNEL-PIC-2, KERNEL-PIC-3, KERNEL-PIC-5]"),
      ...[call("pic_set_mask", 4), call("pic_clear_mask", 4), call("pic_clear_mask", 12)],
      note("registers and end of interrupt [KERNEL-PIC-4, KERNEL-PIC-6]"),
      ...[call("pic_get_irr"), call("pic_get_isr"), call("pic_send_eoi", 12)],
    ],
  },
  pmm: {
    kinds: ["serial"],
    steps: [
      memory,
      note("first fit, lowest first [PMM-5, PMM-7]"),
      ...[call("pmm_alloc_page"), call("pmm_alloc_page"), memory],
      ...[call("pmm_free_page", "$"), call("pmm_alloc_page"), call("pmm_free_page", "$"), memory],
      note("refusals [PMM-8]"),
      ...[call("pmm_free_page", 0x00fff000), call("pmm_free_page", 0x00fff123)],
      ...[call("pmm_free_page", 0x00100000), call("pmm_free_page", 0xfffff000), memory],
      call("pmm_dump_stats"),
    ],
  },
  serial: {
    fromReset: true,
    functions: ["serial_init"],
    kinds: ["in", "out"],
    ports: within([COM1 + 1, COM1 + 4]), // without data and line status: those are every character's
    steps: [
      note("input waits in the queue [KERNEL-SERIAL-5, KERNEL-SERIAL-7, KERNEL-SERIAL-8]"),
      { send: "ok" },
      ...[
        call("serial_received", COM1),
        call("serial_getchar", COM1),
        call("serial_getchar", COM1),
      ],
      ...[call("serial_getchar", COM1), call("serial_received", COM1)],
      note("output [KERNEL-SERIAL-4]"),
      ...[call("serial_is_transmit_empty", COM1), call("serial_putchar", COM1, 0x21)],
    ],
  },
  terminal: {
    kinds: ["serial"],
    steps: [
      note("a clear screen, colours, tab, backspace [TERMINAL-1 to TERMINAL-5]"),
      ...[call("terminal_initialize"), call("terminal_setcolor", 0x1f)],
      ...[..."A\tB\b\bC\nline\rL\n"].map((c) => call("terminal_putchar", c.charCodeAt(0))),
      { show: "screen" },
      note("scrolling [TERMINAL-6]"),
      ...Array.from({ length: 23 }, () => call("terminal_putchar", 0x0a)),
      { show: "screen" },
    ],
  },
  timer: {
    fromReset: true,
    functions: ["timer_init"],
    kinds: ["out", "interrupt"],
    ports: within([0x40, 0x43]),
    steps: [
      note("ticks pass while it waits [TIMER-3, TIMER-4]"),
      ...[call("timer_get_ticks"), call("timer_wait", 3), call("timer_get_ticks")],
    ],
  },
  vmm: {
    kinds: ["serial", "control"],
    steps: [
      { show: "mappings" },
      note("a directory of its own [VMM-11, VMM-12]"),
      ...[call("vmm_create_page_directory"), call("vmm_switch_page_directory", "$")],
      note("a user page in it, and its table [VMM-4, VMM-5, VMM-13]"),
      ...[
        call("vmm_map_page", "$", 0x40000000, 0x300000, USER_PAGE),
        { show: "mappings" } as const,
      ],
      note("translations [VMM-7]"),
      ...[call("vmm_get_physical_address", "$", 0x40000123), memory],
      note("without its last page the table goes [VMM-6, VMM-10]"),
      ...[call("vmm_unmap_page", "$", 0x40000000), { show: "mappings" } as const, memory],
      note("refusals [VMM-8, VMM-12]"),
      ...[call("vmm_map_page", "$", 0x400000, 0x300000, USER_PAGE)],
      ...[call("vmm_switch_page_directory", 0x123)],
    ],
  },
  heap: {
    kinds: ["serial"],
    steps: [
      note("splitting [HEAP-3, HEAP-5]"),
      ...[call("kmalloc", 100), call("kmalloc", 200), call("kcalloc", 3, 100), blocks, memory],
      note("growing and moving [HEAP-8, HEAP-13]"),
      ...[call("krealloc", "$", 2_000_000), blocks, memory],
      note("merging [HEAP-6]"),
      ...[call("kfree", "$"), call("kfree", 0x400010), blocks, memory],
      note("refusals [HEAP-4, HEAP-9, HEAP-10]"),
      ...[call("kfree", 0x400010), call("kfree", 0x400014), call("kfree", 0x123456)],
      ...[call("kmalloc", 0), call("kmalloc", 0xffffffff), call("kcalloc", 0x10000, 0x10000)],
      ...[blocks, memory],
    ],
  },
};

/** The modules that have a plan. */
export const kernelModules: readonly string[] = Object.keys(plans).sort();

/** Records the trace of a module of the kernel in `image`. */
export function recordModule(image: Uint8Array, module: string): Trace {
  const plan = plans[module];
  const selection = { kinds: plan.kinds ?? [], functions: plan.functions, ports: plan.ports };
  const recorder = new Recorder(image, selection, plan.options);
  if (plan.fromReset) recorder.run();
  else recorder.skip();
  let last = 0;
  for (const step of plan.steps) last = perform(recorder, step, last);
  recorder.flush();
  const head = [`subject: kernel/${module}`, "origin: recorded from this machine only"];
  return { head, events: recorder.events };
}

/** Does one step; returns the last address. */
function perform(recorder: Recorder, step: Step, last: number): number {
  if ("note" in step) recorder.add({ kind: "note", text: step.note });
  else if ("show" in step) show(recorder, step.show);
  else if ("send" in step) recorder.machine.serial.send(step.send);
  else if ("type" in step) typeKeys(recorder, step.type);
  else return callStep(recorder, step.call, last);
  return last;
}

function typeKeys(recorder: Recorder, text: string): void {
  recorder.machine.type(text);
  const stop = recorder.run();
  if (stop.kind === "idle") return;
  recorder.flush();
  recorder.add({ kind: "stop", reason: stop.kind });
}

function callStep(
  recorder: Recorder,
  [symbol, ...args]: Extract<Step, { call: unknown }>["call"],
  last: number,
): number {
  const called = recorder.call(symbol, ...args.map((value) => value === "$" ? last : value));
  const address = called.kind === "returned" ? called.value >>> 0 : 0;
  return signatures[symbol]?.result && address > 1 ? address : last;
}

function show(recorder: Recorder, what: Extract<Step, { show: unknown }>["show"]): void {
  if (what === "memory") return recordMemory(recorder);
  const views = { screen: screenEvents, mappings: mappingEvents, blocks: blockEvents };
  for (const event of views[what](recorder.machine)) recorder.add(event);
}
