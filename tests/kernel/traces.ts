/** The subject of each golden trace of fixtures/kernel: the booted kernel, and what `do` does to it. */
import { CallError } from "../../machine/machine.ts";
import { type Methods, replay, type SubjectFactory, type Value } from "../../trace/replay.ts";
import { bootGuest, bootMachine, Guest } from "./guest.ts";

const hex = (value: number): string => `0x${value.toString(16).padStart(8, "0")}`;

/** Functions without a result: what is left in EAX then is nobody's business. */
const silent = new Set(
  `gdt_init gdt_set_gate gdt_flush idt_init idt_set_gate idt_flush outb io_wait pic_init pic_send_eoi
  pic_set_mask pic_clear_mask timer_init timer_handler timer_wait keyboard_init keyboard_handler
  serial_putchar serial_write_string debug_putchar debug_write_string pmm_init pmm_dump_stats
  vmm_init vmm_switch_page_directory vmm_identity_map_kernel vmm_load_page_directory
  vmm_enable_paging vmm_flush_tlb heap_init heap_dump_stats heap_dump_blocks terminal_initialize
  terminal_setcolor terminal_putchar terminal_write terminal_writestring`.split(/\s+/),
);

/** A kernel to which the time between two stamps, in ticks, is given. */
function kernel(guest: Guest): ReturnType<SubjectFactory> {
  const { machine } = guest;
  const advance = (ticks: number) => {
    const end = machine.ticks + ticks;
    machine.run({ until: () => machine.ticks >= end, idleAfter: Infinity });
  };
  const device = { advance, cyclesToEvent: () => Infinity };
  return { device, methods: { ...functions(guest), ...views(guest) } };
}

/** Every function of the kernel by its symbol. What does not return gives the reason as text. */
function functions(guest: Guest): Methods {
  const call = (symbol: string) => (...args: (number | string)[]): Value | void => {
    try {
      const result = guest.call(symbol, ...args);
      return silent.has(symbol) ? undefined : result;
    } catch (error) {
      if (error instanceof CallError) return error.stop.kind;
      throw error;
    }
  };
  const symbols = guest.machine.symbols.all.filter(({ name }) => !name.startsWith("irq"));
  return Object.fromEntries(symbols.map(({ name }) => [name, call(name)]));
}

/** What people do to the machine, and what can be seen of it. */
function views(guest: Guest): Methods {
  const { machine } = guest;
  let heard = machine.serial.text.length;
  return {
    send: (text: string) => machine.serial.send(text),
    type: (text: string) => machine.type(text),
    strike: (code: string) => {
      machine.pc.keyboard.press(code);
      machine.pc.keyboard.release(code);
    },
    request: (irq: number) => {
      const line = (irq < 8 ? machine.pc.master : machine.pc.slave).irq(irq & 7);
      line(false);
      line(true);
    },
    run: () => machine.run({ until: "idle", budget: 1e8 }).kind,
    code: (bytes: string) => runCode(guest, bytes),
    ports: (symbol: string, ...args: (number | string)[]) =>
      guest.portWrites(() => guest.call(symbol, ...args))
        .map(([port, value]) => `${port.toString(16)}:${value.toString(16).padStart(2, "0")}`)
        .join(" "),
    said: () => {
      const text = machine.serial.text.slice(heard);
      heard += text.length;
      return text.replaceAll(/^ {2}(0x[0-9a-f]{8})$/gm, (_, at) => `  ${inside(guest, +at)}`);
    },
    map: (virt: number, phys: number, flags: number) =>
      guest.call("vmm_map_page", current(guest), virt, phys, flags),
    unmap: (virt: number) => guest.call("vmm_unmap_page", current(guest), virt),
    translate: (virt: number) => guest.call("vmm_get_physical_address", current(guest), virt),
    poke: (address: number, ...words: number[]) =>
      words.forEach((word, n) => guest.setWord(address + n * 4, word)),
    blocks: () =>
      machine.heapBlocks()
        .map(({ address, size, free }) => `${hex(address)} ${size} ${free ? "free" : "used"}`)
        .join(", "),
    mapping: (address: number) => guest.mapping(address) & ~0x60, // accessed and dirty left out
    row: (row: number) => guest.row(row),
    attribute: (row: number, column: number) => guest.cell(row, column)[1],
    cursor: () => guest.cursor().join(" "),
  };
}

const current = (guest: Guest): number => guest.word(guest.address("current_page_directory"));

/** The function that an address of a backtrace is in: the address itself changes with each build. */
const inside = (guest: Guest, address: number): string =>
  `<${guest.machine.describe(address).replace(/\+.*/, "")}>`;

/** Runs bytes in hexadecimal as code; EAX, or why it did not return. */
function runCode(guest: Guest, bytes: string): Value {
  try {
    return guest.runCode(bytes.split(" ").map((byte) => parseInt(byte, 16)));
  } catch (error) {
    if (error instanceof CallError) return error.stop.kind;
    throw error;
  }
}

const booted: SubjectFactory = () => kernel(bootGuest());

/** By the stem of the trace: fixtures/kernel/STEM.trace. */
export const subjects: Readonly<Record<string, SubjectFactory>> = {
  gdt: booted,
  heap: booted,
  idt: booted,
  isr: booted,
  keyboard: booted,
  link: booted,
  main: () => kernel(new Guest(bootMachine())), // before its first instruction
  monitor: booted,
  multiboot: booted,
  panic: booted,
  pic: booted,
  pmm: booted,
  serial: booted,
  terminal: booted,
  timer: booted,
  vmm: booted,
};

/** Reads a golden trace and replays it: both texts. */
export async function replayGolden(stem: string): Promise<{ golden: string; trace: string }> {
  const fixture = new URL(`../../fixtures/kernel/${stem}.trace`, import.meta.url);
  const golden = await Deno.readTextFile(fixture);
  return { golden, trace: replay(subjects[stem], golden).trace };
}
