/** What assembler and linker supply: port access, descriptor tables, paging. Spec: specs/kernel/link.md. */
import { readImage } from "../../machine/multiboot.ts";
import { signatures } from "../abi.ts";
import { type Check, expect, expectSame, printed, Skip } from "../check.ts";
import { DATA, gdtr, idtr, put, runCode, words } from "../probe.ts";
import type { Subject } from "../subject.ts";

const PAGE = 0x1000;
const TABLE = DATA + 0x10; // a copy of the GDT, behind the words that describe it
const DIRECTORY = 0x92000; // a copy of the page directory
const SCRATCH = 0x3ff; // COM1's scratch register
const CR0_WP = 0x10000, CR0_PG = 0x80000000;
const MOV_EAX_CR0 = [0x0f, 0x20, 0xc0], MOV_CR0_EAX = [0x0f, 0x22, 0xc0];
const MOV_EAX = 0xa1, RET = 0xc3;

/** The copied bytes of guest memory. */
function bytesAt(subject: Subject, address: number, length: number): number[] {
  return [...subject.machine.readBytes(address, length)];
}

/** LINK-2: a table register after a flush with another table. */
function expectLoaded(subject: Subject, name: string, read: typeof gdtr): void {
  const { base, limit } = read(subject), copy = TABLE + (limit < 0x800 ? 0 : PAGE);
  put(subject, copy, bytesAt(subject, base, limit + 1));
  put(subject, DATA, [limit & 0xff, limit >>> 8, ...words(copy)]);
  subject.call(name, DATA);
  const loaded = read(subject);
  expectSame(subject, "the table's base", loaded.base, copy);
  expectSame(subject, "the table's limit", loaded.limit, limit);
}

/** Reads the word at a linear address as the guest's code does, by the processor's own translation. */
function load(subject: Subject, address: number): number {
  return runCode(subject, `read ${printed(address)}`, [MOV_EAX, ...words(address), RET]);
}

/** Where the page table entry of an address stands, or a `Skip`. */
function entryAddr(subject: Subject, address: number): number {
  const page = subject.machine.pageTables()?.find(({ virtAddr }) => virtAddr === address);
  if (page !== undefined && page.bytes === PAGE) return page.entryAddr;
  throw new Skip(`${printed(address)} is not mapped by a page of 4 KB`);
}

/** The bounds of what the image loads. */
function loadedRange(subject: Subject): { start: number; end: number } {
  const { segments } = readImage(subject.image);
  const start = Math.min(...segments.map(({ virtAddr }) => virtAddr));
  const end = Math.max(...segments.map(({ virtAddr, memBytes }) => virtAddr + memBytes));
  return { start, end };
}

/** The checks. */
export const checks: readonly Check[] = [
  {
    title: "outb writes and inb reads a byte of a port",
    clauses: ["LINK-1"],
    needs: ["outb", "inb"],
    run(subject): void {
      for (const value of [0x5a, 0xa5, 0x00, 0xff]) {
        subject.call("outb", SCRATCH, value);
        const { scr } = subject.machine.pc.uart1.state();
        expectSame(subject, "the port's register", scr, value);
        expectSame(subject, "inb's result", subject.call("inb", SCRATCH) & 0xff, value);
      }
    },
  },
  {
    title: "io_wait returns",
    clauses: ["LINK-1"],
    needs: ["io_wait"],
    run: (subject): void => void subject.call("io_wait"),
  },
  {
    title: "gdt_flush loads GDTR and the segment registers",
    clauses: ["LINK-2"],
    needs: ["gdt_flush"],
    run(subject): void {
      expectLoaded(subject, "gdt_flush", gdtr);
      const { cs, ds, es, fs, gs, ss } = subject.machine.registers;
      expectSame(subject, "CS", cs, 0x08);
      for (const selector of [ds, es, fs, gs, ss]) {
        expectSame(subject, "the data segments' selector", selector, 0x10);
      }
    },
  },
  {
    title: "idt_flush loads IDTR",
    clauses: ["LINK-2"],
    needs: ["idt_flush"],
    run: (subject): void => expectLoaded(subject, "idt_flush", idtr),
  },
  {
    title: "vmm_load_page_directory loads CR3",
    clauses: ["LINK-3"],
    needs: ["vmm_load_page_directory"],
    run(subject): void {
      const { cr3 } = subject.machine.registers;
      const copy: number[] = [];
      for (let at = 0; at < PAGE; at += 4) {
        copy.push(...words(subject.machine.memory.read((cr3 & ~0xfff) + at, 4)));
      }
      put(subject, DIRECTORY, copy);
      subject.call("vmm_load_page_directory", DIRECTORY);
      expectSame(subject, "CR3", subject.machine.registers.cr3, DIRECTORY);
    },
  },
  {
    title: "vmm_enable_paging sets CR0.PG and CR0.WP",
    clauses: ["LINK-3"],
    needs: ["vmm_enable_paging"],
    run(subject): void {
      const clear = [0x25, ...words(~(CR0_PG | CR0_WP))]; // and eax, ...
      runCode(subject, "clear CR0.PG and CR0.WP", [...MOV_EAX_CR0, ...clear, ...MOV_CR0_EAX, RET]);
      subject.call("vmm_enable_paging");
      const set = (subject.machine.registers.cr0 & (CR0_PG | CR0_WP)) >>> 0;
      expectSame(subject, "CR0.PG and CR0.WP", set, (CR0_PG | CR0_WP) >>> 0);
    },
  },
  {
    title: "vmm_flush_tlb drops translations",
    clauses: ["LINK-3"],
    needs: ["vmm_flush_tlb"],
    run(subject): void {
      const { machine } = subject, first = DATA, second = DIRECTORY;
      put(subject, first, words(1));
      put(subject, second, words(2));
      const entry = entryAddr(subject, first), old = machine.memory.read(entry, 4);
      load(subject, first); // into the TLB
      subject.note(`the page table maps ${printed(first)} to ${printed(second)}`);
      machine.pc.cpu.paging.writePhysical(entry, 4, (old & 0xfff) | second);
      subject.call("vmm_flush_tlb");
      expectSame(subject, "the word read", load(subject, first), 2);
    },
  },
  {
    title: "kernel_start, kernel_readonly_end and kernel_end are the image's bounds",
    clauses: ["LINK-4"],
    needs: ["kernel_start", "kernel_readonly_end", "kernel_end"],
    run(subject): void {
      const [start, middle, end] = ["kernel_start", "kernel_readonly_end", "kernel_end"]
        .map((name) => subject.address(name));
      const loaded = loadedRange(subject);
      expectSame(subject, "kernel_start", start, loaded.start);
      expectSame(subject, "kernel_readonly_end modulo 4096", middle % PAGE, 0);
      expect(
        subject,
        middle > start && middle <= end,
        "kernel_readonly_end within the image",
        printed(middle),
      );
      const near = end >= loaded.end && end < loaded.end + PAGE;
      expect(subject, near, `kernel_end at ${printed(loaded.end)}`, printed(end));
    },
  },
  {
    title: "Every function of the ABI is a symbol of the image",
    clauses: ["LINK-5"],
    needs: [],
    run(subject): void {
      const { machine, manifest } = subject;
      if (machine.symbols.all.length === 0) throw new Skip("the image has no symbols");
      const missing = Object.keys(signatures)
        .filter((name) => !manifest.lacks.has(name) && !subject.has(name));
      const seen = `no symbol ${missing.join(", ")}`;
      expect(subject, missing.length === 0, "a symbol for every function of the ABI", seen);
    },
  },
];
