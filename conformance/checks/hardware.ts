/**
 * How a kernel has set up the hardware, read from the chips, the processor and guest memory, not from
 * what the kernel says. Spec: specs/conformance/checks/hardware.md.
 */
import { type Check, expect, expectSame, printed } from "../check.ts";
import {
  gate,
  gdtr,
  idtr,
  inService,
  irqLine,
  masks,
  setMasks,
  tryCode,
  word,
  words,
} from "../probe.ts";
import { stagesOf } from "../stages.ts";
import type { Subject } from "../subject.ts";

const PAGE = 0x1000, LOW_END = 0x400000, HEAP = 0x400000, HEAP_BYTES = 0x100000;
const IDENTITY_PAGES = LOW_END / PAGE;
const PG = 0x80000000, WP = 0x10000; // of CR0
const PIT_HZ = 1_193_182, HZ = 100, SQUARE_WAVE = 3;
const DIVISOR_9600 = 12, LCR_8N1 = 0x03, FCR_ON_14 = 0xc1, MCR_LINES = 0x1b, MCR_READY = 0x0b;
const GATE_FLAGS = 0x8e, CODE_SELECTOR = 0x08, DATA_SELECTOR = 0x10, PRESENT = 0x80;

/** The two words of the five descriptors, without their accessed bits and the bit for software. */
const DESCRIPTORS: readonly (readonly [name: string, low: number, high: number])[] = [
  ["null", 0, 0],
  ["kernel code", 0xffff, 0xcf9a00],
  ["kernel data", 0xffff, 0xcf9200],
  ["user code", 0xffff, 0xcffa00],
  ["user data", 0xffff, 0xcff200],
];
const IGNORED = 0x100100; // accessed, available to software

const SEGMENTS = ["cs", "ds", "es", "fs", "gs", "ss"] as const;

function paged(subject: Subject): NonNullable<ReturnType<Subject["machine"]["pageTables"]>> {
  const pages = subject.machine.pageTables();
  expect(subject, pages !== undefined, "paging on", "CR0.PG is clear");
  return pages;
}

/** A descriptor as the processor sees it. */
function descriptor(subject: Subject, base: number, index: number): [low: number, high: number] {
  const [low, high] = [0, 4].map((offset) => word(subject, base + 8 * index + offset));
  return [low, index === 0 ? high : (high & ~IGNORED) >>> 0];
}

const tables: readonly Check[] = [
  {
    title: "GDTR describes null and four flat segments",
    clauses: ["GDT-1", "GDT-2"],
    needs: [],
    run(subject) {
      const { base, limit } = gdtr(subject);
      expectSame(subject, "the GDT's limit", limit, 39, ["GDT-1"]);
      DESCRIPTORS.forEach(([name, ...expected], index) => {
        const seen = descriptor(subject, base, index);
        const show = ([low, high]: readonly number[]): string =>
          `descriptor ${index} (${name}) ${printed64(low, high)}`;
        const same = seen[0] === expected[0] && seen[1] === expected[1];
        expect(subject, same, show(expected), show(seen), [index === 0 ? "GDT-1" : "GDT-2"]);
      });
    },
  },
  {
    title: "The segment registers hold the kernel's selectors",
    clauses: ["GDT-3"],
    needs: [],
    run(subject) {
      const { registers } = subject.machine;
      for (const name of SEGMENTS) {
        const expected = name === "cs" ? CODE_SELECTOR : DATA_SELECTOR;
        expectSame(subject, name.toUpperCase(), registers[name] & 0xffff, expected);
      }
    },
  },
  {
    title: "gdt_set_gate writes one descriptor, and none beyond the table",
    clauses: ["GDT-4"],
    needs: ["gdt_set_gate"],
    run(subject) {
      const { base } = gdtr(subject);
      const bytes = (): string => subject.machine.readBytes(base, 128).join(" ");
      subject.call("gdt_set_gate", 3, 0x12345678, 0xabcde, 0xfa, 0x4f);
      expectSame(subject, "word 0 of descriptor 3", word(subject, base + 24), 0x5678bcde);
      expectSame(subject, "word 1 of descriptor 3", word(subject, base + 28), 0x124afa34);
      const before = bytes();
      for (const num of [5, 6, 0x80000000, 0xffffffff]) {
        subject.call("gdt_set_gate", num, 0x12345678, 0xabcde, 0xfa, 0x4f);
        expect(subject, bytes() === before, "the memory around the GDT as it was", "a change");
      }
    },
  },
  {
    title: "IDTR describes 256 gates",
    clauses: ["IDT-1"],
    needs: [],
    run: (subject) => expectSame(subject, "the IDT's limit", idtr(subject).limit, 256 * 8 - 1),
  },
  {
    title: "Vectors 0 to 47 lead to the kernel's stubs by interrupt gates for ring 0",
    clauses: ["IDT-2"],
    needs: [],
    run(subject) {
      const table = idtr(subject);
      for (let vector = 0; vector < 48; vector++) {
        const { offset, selector, flags } = gate(subject, table, vector);
        expectSame(subject, `the flags of gate ${vector}`, flags, GATE_FLAGS);
        expectSame(subject, `the selector of gate ${vector}`, selector, CODE_SELECTOR);
        const stub = vector < 32 ? `isr${vector}` : `irq${vector - 32}`;
        if (!subject.has(stub)) continue;
        expectSame(subject, `the target of gate ${vector}`, offset, subject.address(stub));
      }
    },
  },
  {
    title: "Every other gate is absent",
    clauses: ["IDT-3"],
    needs: [],
    run(subject) {
      const table = idtr(subject);
      for (let vector = 48; vector < 256; vector++) {
        const { flags } = gate(subject, table, vector);
        expectSame(subject, `gate ${vector} present:`, (flags & PRESENT) !== 0, false);
      }
    },
  },
  {
    title: "idt_set_gate writes one gate, and none beyond the table",
    clauses: ["IDT-4"],
    needs: ["idt_set_gate"],
    run(subject) {
      const table = idtr(subject);
      const bytes = (): string => subject.machine.readBytes(table.base, 256 * 8 + 64).join(" ");
      subject.call("idt_set_gate", 200, 0x12345678, 0x18, 0xee);
      const { offset, selector, flags } = gate(subject, table, 200);
      expectSame(subject, "the target of gate 200", offset, 0x12345678);
      expectSame(subject, "the selector of gate 200", selector, 0x18);
      expectSame(subject, "the flags of gate 200", flags, 0xee);
      const before = bytes();
      for (const num of [256, 257, 0x80000000, 0xffffff00]) {
        subject.call("idt_set_gate", num, 0x12345678, 0x18, 0xee);
        expect(subject, bytes() === before, "the memory around the IDT as it was", "a change");
      }
    },
  },
];

function printed64(low: number, high: number): string {
  return [high, low].map((half) => (half >>> 0).toString(16).padStart(8, "0")).join(" ");
}

/** Expects exactly these masks. */
function expectMasks(subject: Subject, expected: number): void {
  expectSame(subject, "masks (slave's above)", hex16(masks(subject)), hex16(expected));
}

function hex16(value: number): string {
  return `0x${(value & 0xffff).toString(16).padStart(4, "0")}`;
}

const pic: readonly Check[] = [
  {
    title: "The controllers give vectors 32 to 47, cascaded at IRQ 2",
    clauses: ["KERNEL-PIC-1"],
    needs: [],
    run(subject) {
      const { master, slave } = subject.machine.pc;
      for (
        const [name, chip, base, icw3] of [["master", master, 32, 4], [
          "slave",
          slave,
          40,
          2,
        ]] as const
      ) {
        const state = chip.state();
        expectSame(subject, `the ${name}'s first vector`, state.base, base);
        expectSame(subject, `the ${name}'s ICW3`, state.icw3, icw3);
        expectSame(subject, `the ${name}'s 8086 mode bit`, state.icw4 & 1, 1);
        expectSame(subject, `the ${name} is initialised:`, state.expected === 0, true);
      }
    },
  },
  {
    title: "pic_init masks every IRQ",
    clauses: ["KERNEL-PIC-1"],
    needs: ["pic_init"],
    run(subject) {
      subject.call("pic_init");
      expectMasks(subject, 0xffff);
    },
  },
  {
    title: "pic_set_mask masks one IRQ and no other",
    clauses: ["KERNEL-PIC-2"],
    needs: ["pic_set_mask"],
    run(subject) {
      for (let irq = 15; irq >= 0; irq--) {
        setMasks(subject, 0);
        subject.call("pic_set_mask", irq);
        expectMasks(subject, 1 << irq);
      }
    },
  },
  {
    title: "pic_clear_mask unmasks that IRQ, and IRQ 2 with one of the slave",
    clauses: ["KERNEL-PIC-3", "KERNEL-PIC-5"],
    needs: ["pic_clear_mask"],
    run(subject) {
      for (let irq = 0; irq < 16; irq++) {
        setMasks(subject, 0xffff);
        subject.call("pic_clear_mask", irq);
        const slave = irq >= 8, seen = masks(subject);
        expectSame(subject, `the mask of IRQ ${irq}`, seen >> irq & 1, 0, ["KERNEL-PIC-3"]);
        if (slave) expectSame(subject, "the mask of IRQ 2", seen >> 2 & 1, 0, ["KERNEL-PIC-5"]);
        expectMasks(subject, 0xffff & ~(1 << irq) & (slave ? ~4 : ~0));
      }
    },
  },
  {
    title: "pic_send_eoi ends the service at the master, and at the slave for IRQ 8 to 15",
    clauses: ["KERNEL-PIC-4"],
    needs: ["pic_send_eoi"],
    run(subject) {
      setMasks(subject, 0xffff); // nothing else shall be served
      for (let irq = 0; irq < 16; irq++) {
        if (irq === 2) continue;
        serve(subject, irq < 8 ? [irq] : [2, irq]);
        subject.call("pic_send_eoi", irq);
        expectSame(subject, "IRQs in service", hex16(inService(subject)), hex16(0));
        if (irq > 2) continue; // the slave's service must outlast an end at the master alone
        serve(subject, [irq, 12]);
        subject.call("pic_send_eoi", irq);
        expectSame(subject, "IRQs in service", hex16(inService(subject)), hex16(1 << 12));
      }
    },
  },
  {
    title: "pic_get_irr and pic_get_isr show the registers of both chips",
    clauses: ["KERNEL-PIC-6"],
    needs: ["pic_get_irr", "pic_get_isr"],
    run(subject) {
      setMasks(subject, 0xffff);
      for (const irq of [3, 5, 6, 9, 12, 15]) {
        const line = irqLine(subject, irq), bit = 1 << irq;
        line(true);
        const requested = subject.call("pic_get_irr") & bit;
        expectSame(subject, `IRQ ${irq} requested, in pic_get_irr()`, requested, bit);
        line(false);
        expectSame(subject, `IRQ ${irq} in pic_get_irr()`, subject.call("pic_get_irr") & bit, 0);
        serve(subject, [irq]);
        const served = subject.call("pic_get_isr") & 0xffff;
        expectSame(subject, `with IRQ ${irq} in service, pic_get_isr()`, served, bit);
        serve(subject, []);
        expectSame(subject, "pic_get_isr()", subject.call("pic_get_isr") & 0xffff, 0);
      }
    },
  },
];

/** Puts exactly these IRQs into service. */
function serve(subject: Subject, irqs: readonly number[]): void {
  const { master, slave } = subject.machine.pc;
  const bits = irqs.reduce((sum, irq) => sum | 1 << irq, 0);
  master.restore({ ...master.state(), isr: bits & 0xff });
  slave.restore({ ...slave.state(), isr: bits >> 8 });
}

const chips: readonly Check[] = [
  {
    title: "Channel 0 of the timer is a square wave of 100 Hz within 0.1 %",
    clauses: ["TIMER-1"],
    needs: [],
    run(subject) {
      const { control, hasCount, reload } = subject.machine.pc.pit.state().channels[0];
      const mode = control >> 1 & 7;
      expectSame(subject, "a count for the timer:", control >= 0 && hasCount, true);
      expectSame(subject, "the timer's mode", mode > 5 ? mode - 4 : mode, SQUARE_WAVE);
      const rate = PIT_HZ / reload;
      const close = Math.abs(rate - HZ) <= HZ * 0.001;
      expect(subject, close, "100 Hz within 0.1 %", `${rate.toFixed(2)} Hz (divisor ${reload})`);
    },
  },
  {
    title: "The IRQs of timer and keyboard are unmasked",
    clauses: ["TIMER-2", "KERNEL-KEYBOARD-1"],
    needs: [],
    run(subject) {
      const seen = masks(subject);
      expectSame(subject, "the mask of IRQ 0", seen & 1, 0, ["TIMER-2"]);
      expectSame(subject, "the mask of IRQ 1", seen >> 1 & 1, 0, ["KERNEL-KEYBOARD-1"]);
    },
  },
  {
    title: "The keyboard controller interrupts and translates to scancode set 1",
    clauses: ["KERNEL-KEYBOARD-1"],
    needs: [],
    run(subject) {
      const { i8042, keyboard } = subject.machine.pc, [configuration] = i8042.state().ram;
      expectSame(subject, "the keyboard's interrupt bit", configuration & 0x01, 0x01);
      expectSame(subject, "the keyboard's disable bit", configuration & 0x10, 0);
      const { set, scanning } = keyboard.state(), translates = (configuration & 0x40) !== 0;
      expectSame(subject, "codes of set 1:", translates ? set === 2 : set === 1, true);
      expectSame(subject, "the keyboard scans:", scanning, true);
    },
  },
  {
    title: "COM1 runs at 9600 baud with 8 data bits, no parity, one stop bit",
    clauses: ["KERNEL-SERIAL-1"],
    needs: [],
    run(subject) {
      const { divisor, lcr } = subject.machine.pc.uart1.state();
      expectSame(subject, "COM1's divisor", divisor, DIVISOR_9600);
      expectSame(subject, "COM1's line control", lcr, LCR_8N1);
    },
  },
  {
    title: "COM1 has its FIFOs on with a 14-byte trigger, and DTR, RTS and OUT2 set",
    clauses: ["KERNEL-SERIAL-2"],
    needs: [],
    run(subject) {
      const { fcr, mcr } = subject.machine.pc.uart1.state();
      expectSame(subject, "COM1's FIFO control", fcr & FCR_ON_14, FCR_ON_14);
      expectSame(subject, "COM1's modem control", mcr & MCR_LINES, MCR_READY);
    },
  },
];

const paging: readonly Check[] = [
  {
    title: "Paging is on, with write protection for the kernel",
    clauses: ["VMM-1"],
    needs: [],
    run(subject) {
      const { cr0 } = subject.machine.registers;
      expectSame(subject, "CR0.PG", (cr0 & PG) !== 0, true);
      expectSame(subject, "CR0.WP", (cr0 & WP) !== 0, true);
    },
  },
  {
    title: "CR3 and current_page_directory name the same directory",
    clauses: ["VMM-1"],
    needs: ["current_page_directory"],
    run(subject) {
      const named = subject.variable("current_page_directory") ?? 0;
      const cr3 = subject.machine.registers.cr3 & ~0xfff;
      expectSame(subject, "current_page_directory", printed(named >>> 0), printed(cr3 >>> 0));
    },
  },
  {
    title: "The first 4 MB are mapped to themselves, for the kernel only",
    clauses: ["VMM-2"],
    needs: [],
    run(subject) {
      const pages = paged(subject).filter(({ virtAddr }) => virtAddr < LOW_END);
      const covered = pages.reduce((sum, { bytes }) => sum + bytes / PAGE, 0);
      expectSame(subject, "mapped pages below 4 MB", covered, IDENTITY_PAGES);
      for (const { virtAddr, physAddr, user } of pages) {
        expectSame(subject, `the frame at ${printed(virtAddr)}`, physAddr, virtAddr);
        expectSame(subject, `user access at ${printed(virtAddr)}:`, user, false);
      }
    },
  },
  {
    title:
      "The kernel's code and constants are read-only, the rest of the identity map is writable",
    clauses: ["VMM-3"],
    needs: ["kernel_start", "kernel_readonly_end"],
    run(subject) {
      const [start, end] = ["kernel_start", "kernel_readonly_end"].map((n) => subject.address(n));
      for (const { virtAddr, writable } of paged(subject)) {
        if (virtAddr >= LOW_END) break;
        const constant = virtAddr + PAGE > start && virtAddr < end;
        expectSame(subject, `writable at ${printed(virtAddr)}:`, writable, !constant);
      }
    },
  },
  {
    title: "A write to the kernel's code is a page fault",
    clauses: ["VMM-3"],
    needs: ["kernel_start"],
    run(subject) {
      const start = subject.address("kernel_start");
      subject.note(`mov [${printed(start)}], eax`);
      tryCode(subject, [0xa3, ...words(start), 0xc3]);
      const fault = subject.deeds.deliveries.some(({ vector, code }) =>
        vector === 14 && code === 3
      );
      expect(subject, fault, "a page fault with error code 3", "none");
    },
  },
  {
    title: "The heap is 1 MB from 400000h, mapped writable for the kernel",
    clauses: ["HEAP-1"],
    needs: [],
    run(subject) {
      const pages = paged(subject).filter(({ virtAddr }) =>
        virtAddr >= HEAP && virtAddr < HEAP + HEAP_BYTES
      );
      const bytes = pages.reduce((sum, page) => sum + page.bytes, 0);
      expectSame(subject, "bytes mapped from 400000h", bytes, HEAP_BYTES);
      const init = stagesOf(subject).find(({ call }) => call.name === "heap_init"); // it may grow later
      const first = init?.mappedBytes ?? HEAP_BYTES;
      expectSame(subject, "bytes mapped when heap_init returns", first, HEAP_BYTES);
      for (const { virtAddr, writable, user } of pages) {
        expectSame(subject, `writable at ${printed(virtAddr)}:`, writable, true);
        expectSame(subject, `user access at ${printed(virtAddr)}:`, user, false);
      }
    },
  },
  {
    title: "Each page of the heap is a frame of available memory that nothing else is mapped to",
    clauses: ["HEAP-1", "PMM-4"],
    needs: ["kernel_end"],
    run(subject) {
      const owners = new Map<number, number>(), end = subject.address("kernel_end");
      for (const { virtAddr, physAddr } of paged(subject)) {
        if (virtAddr < HEAP || virtAddr >= HEAP + HEAP_BYTES) continue;
        const place = `the frame ${printed(physAddr)} of ${printed(virtAddr)}`;
        const reserved = physAddr < end || physAddr >= subject.machine.memory.ramBytes - 0x20000;
        expectSame(subject, `${place} reserved:`, reserved, false, ["PMM-4"]);
        expectSame(subject, `${place} used twice:`, owners.has(physAddr), false, ["HEAP-1"]);
        owners.set(physAddr, virtAddr);
      }
    },
  },
  {
    title: "No page of kernel space is open to user mode",
    clauses: ["VMM-13"],
    needs: [],
    run(subject) {
      for (const { virtAddr, user } of paged(subject)) {
        const kernels = virtAddr < 0xc00000 || virtAddr >= 0xffc00000;
        if (kernels) expectSame(subject, `user access at ${printed(virtAddr)}:`, user, false);
      }
      const directory = (subject.machine.registers.cr3 & ~0xfff) >>> 0;
      for (const index of [0, 1, 2, 1023]) {
        const entry = subject.machine.memory.read(directory + 4 * index, 4);
        if (entry & 1) expectSame(subject, `user bit of directory entry ${index}`, entry & 4, 0);
      }
    },
  },
];

/** All checks of the hardware's set-up. */
export const checks: readonly Check[] = [...tables, ...pic, ...chips, ...paging];
