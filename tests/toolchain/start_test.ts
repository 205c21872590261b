import { assertEquals } from "@std/assert";
import { boot } from "../../machine/boot.ts";
import type { Machine } from "../../machine/machine.ts";
import { build, call, start } from "./program.ts";

const MAGIC = 0x2badb002;

const MAIN = `
declare function read_eflags(): u32;
declare function read_ebp(): usize;
let magicSeen: u32 = 0; let infoSeen: u32 = 0; let flagsSeen: u32 = 0; let frame: usize = 0;
function compute(): u32 { return load<u32>(0x100000); }
let early: u32 = compute();
export function kernel_main(magic: u32, info: u32): void {
  flagsSeen = read_eflags(); magicSeen = magic; infoSeen = info; frame = read_ebp();
}
export function value(n: u32): u32 {
  if (n == 0) return magicSeen;
  if (n == 1) return infoSeen;
  if (n == 2) return flagsSeen;
  return n == 3 ? early : frame;
}
`;

Deno.test("Start passes EAX and EBX on and uses its own stack [START-1]", async () => {
  const { image, symbols } = await build(MAIN);
  const machine = boot(image);
  const info = machine.registers.ebx;
  machine.run({ budget: 1_000_000 });
  assertEquals(call(machine, "value", 0), MAGIC);
  assertEquals(call(machine, "value", 1), info);
  const stack = symbols.find(({ name }) => name === "stack_bottom")!;
  const top = symbols.find(({ name }) => name === "stack_top")!;
  assertEquals([stack.size, stack.section], [16384, ".bss"]);
  assertEquals(top.address, stack.address + 16384);
  assertEquals(call(machine, "value", 4), top.address - 16); // info, magic, return address, EBP
});

Deno.test("Start clears the flags and runs initial values first [START-2, START-3]", async () => {
  const machine = await start(MAIN);
  assertEquals(call(machine, "value", 2) & ~0xff, 0); // status bits aside
  assertEquals(call(machine, "value", 3), 0x464c457f); // the image begins with the ELF header
});

Deno.test("Start halts for good when kernel_main returns [START-4]", async () => {
  const machine = boot((await build(MAIN)).image);
  const stop = machine.run({ budget: 1_000_000 });
  assertEquals(stop.kind, "halted");
});

const INTERRUPTS = `
declare function gdt_flush(pointer: usize): void;
declare function idt_flush(pointer: usize): void;
declare function tss_flush(selector: u32): void;
declare function interrupt_stub(vector: u32): usize;
const gdt = memory.data(48, 8); const idt = memory.data(2048, 8);
const pointer = memory.data(8, 4); const tss = memory.data(104, 4);
let saved: usize = 0; let count: u32 = 0; let irqs: u32 = 0;
const copy = memory.data(76, 4);
export function isr_handler(frame: usize): void { keep(frame); }
export function irq_handler(frame: usize): void { keep(frame); irqs++; }
function keep(frame: usize): void { saved = frame; count++; memory.copy(copy, frame, 68); }
function gate(vector: u32): void {
  const at = idt + vector * 8, stub = interrupt_stub(vector);
  store<u32>(at, 0x80000 | (stub & 0xffff));
  store<u32>(at + 4, (stub & 0xffff0000) | 0x8e00);
}
export function kernel_main(magic: u32, info: u32): void {
  store<u32>(gdt + 8, 0xffff); store<u32>(gdt + 12, 0xcf9a00);
  store<u32>(gdt + 16, 0xffff); store<u32>(gdt + 20, 0xcf9200);
  store<u32>(gdt + 24, 103 | (tss << 16));
  store<u32>(gdt + 28, 0x8900 | ((tss >> 16) & 0xff) | (tss & 0xff000000));
  store<u16>(pointer, 47); store<u32>(pointer + 2, gdt);
  gdt_flush(pointer);
  for (let vector: u32 = 0; vector < 48; vector++) gate(vector);
  store<u16>(pointer, 2047); store<u32>(pointer + 2, idt);
  idt_flush(pointer);
  tss_flush(24);
}
export function frameWord(n: u32): u32 { return load<u32>(copy + n * 4); }
export function calls(): u32 { return count; }
export function fromIrq(): u32 { return irqs; }
`;
const CODE = 0x90000;
const byteWord = (value: number) => [0, 8, 16, 24].map((shift) => value >> shift & 0xff);
const [DS, EDI, EBX, EAX, VECTOR, ERROR, EIP, CS] = [3, 4, 8, 11, 12, 13, 14, 15];

/** Runs code that sets EAX, EBX and EDI, raises an interrupt, and gives EBX + EDI. */
function interrupt(machine: Machine, ...raise: number[]): number {
  const set = [[0xb8, 0x111], [0xbb, 0x222], [0xbf, 0x333]];
  const code = [
    ...[0x53, 0x57], // push ebx, edi
    ...set.flatMap(([opcode, value]) => [opcode, ...byteWord(value)]),
    ...raise,
    ...[0x01, 0xfb, 0x89, 0xd8, 0x5f, 0x5b, 0xc3], // add ebx, edi; mov eax, ebx; pop; pop; ret
  ];
  machine.writeBytes(CODE, Uint8Array.from(code));
  return machine.call(CODE);
}

const RAISED_AT = CODE + 2 + 15;

Deno.test("Start gives handlers a whole frame, and everything back [START-5, START-6]", async () => {
  const machine = await start(INTERRUPTS);
  const frame = (n: number) => call(machine, "frameWord", n);
  for (const vector of [0, 3, 31, 32, 47]) {
    assertEquals(interrupt(machine, 0xcd, vector), 0x555, `int ${vector}`);
    assertEquals([frame(VECTOR), frame(ERROR)], [vector, 0]);
    assertEquals([frame(EAX), frame(EBX), frame(EDI)], [0x111, 0x222, 0x333]);
    assertEquals([frame(DS), frame(CS), frame(EIP)], [0x10, 8, RAISED_AT + 2]);
  }
  assertEquals([call(machine, "calls"), call(machine, "fromIrq")], [5, 2]);
});

Deno.test("Start leaves the processor's error code in its place [START-5]", async () => {
  const machine = await start(INTERRUPTS);
  const code = [0x66, 0xb8, 0x50, 0, 0x8e, 0xc0]; // mov ax, 50h; mov es, ax: beyond the GDT
  machine.writeBytes(CODE, Uint8Array.from([...code, 0xc3]));
  machine.invoke(CODE, [], 2000); // the handler returns to the same instruction for ever
  const at = (n: number) => machine.call("frameWord", n);
  assertEquals([at(VECTOR), at(ERROR), at(EIP)], [13, 0x50, CODE + 4]);
});

Deno.test("Start loads GDTR, IDTR, TR and the segment registers [START-7]", async () => {
  const machine = await start(INTERRUPTS);
  const code = [0x8c, 0xc8, 0x8c, 0xd1, 0xc1, 0xe1, 16, 0x09, 0xc8, 0xc3]; // CS | SS << 16
  machine.writeBytes(CODE, Uint8Array.from(code));
  assertEquals(machine.call(CODE), 0x100008);
  const loaded = [0x8c, 0xc0, 0x8c, 0xe1, 0xc1, 0xe1, 8, 0x09, 0xc8]; // ES | FS << 8
  const task = [0x0f, 0x00, 0xc9, 0xc1, 0xe1, 16, 0x09, 0xc8, 0xc3]; // str ecx: | TR << 16
  machine.writeBytes(CODE, Uint8Array.from([...loaded, ...task]));
  assertEquals(machine.call(CODE), 0x181010);
  assertEquals(interrupt(machine, 0xcd, 5), 0x555); // through IDTR
});

Deno.test("Start has the ports as functions [START-8]", async () => {
  const writes: [number, number][] = [];
  const machine = boot((await build(MAIN)).image, {
    hooks: { portWrite: (port: number, value: number) => void writes.push([port, value]) },
  });
  machine.run({ budget: 1_000_000 });
  writes.length = 0;
  machine.call("outb", 0x21, 0xa5);
  assertEquals(machine.call("inb", 0x21), 0xa5);
  machine.call("io_wait");
  assertEquals(writes.map(([port]) => port), [0x21, 0x80]);
});

Deno.test("Start has the switches of paging as functions [START-9]", async () => {
  const machine = await start(MAIN);
  const TABLE = 0x92000, DIRECTORY = 0x93000;
  for (let page = 0; page < 1024; page++) {
    machine.writeBytes(TABLE + 4 * page, Uint8Array.from(byteWord(page * 4096 | 3)));
  }
  machine.writeBytes(DIRECTORY, Uint8Array.from(byteWord(TABLE | 3)));
  machine.call("vmm_load_page_directory", DIRECTORY);
  machine.call("vmm_enable_paging");
  machine.call("vmm_flush_tlb");
  machine.writeBytes(CODE, Uint8Array.from([0x0f, 0x20, 0xc0, 0xc3])); // mov eax, cr0
  assertEquals(machine.call(CODE) & 0x80010001, 0x80010001 | 0);
  machine.writeBytes(CODE, Uint8Array.from([0x0f, 0x20, 0xd8, 0xc3])); // mov eax, cr3
  assertEquals(machine.call(CODE), DIRECTORY);
});
