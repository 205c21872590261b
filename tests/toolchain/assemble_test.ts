import { assertEquals, assertThrows } from "@std/assert";
import { Assembler, encode } from "../../toolchain/assemble.ts";
import {
  al,
  ax,
  cl,
  cr,
  ds,
  dx,
  eax,
  ebp,
  ebx,
  ecx,
  edi,
  edx,
  esi,
  esp,
  gs,
  immediate,
  memory,
  type Operand,
  register,
  target,
} from "../../toolchain/operands.ts";

/** The encoding in hex, as the SDM's examples are written. */
function hex(mnemonic: string, ...operands: Operand[]): string {
  return encode({ mnemonic, operands }).bytes.map((byte) => byte.toString(16).padStart(2, "0"))
    .join(" ");
}

const at = (base: number, displacement = 0) => memory(32, { base, displacement });
const ESP = 4, EBP = 5, ESI = 6, EBX = 3, EAX = 0, ECX = 1;

Deno.test("Assembler picks the shortest encoding [ASSEMBLE-1]", () => {
  assertEquals(hex("add", eax, immediate(1)), "83 c0 01");
  assertEquals(hex("add", ebx, immediate(0x1234)), "81 c3 34 12 00 00");
  assertEquals(hex("add", eax, immediate(0x1234)), "05 34 12 00 00");
  assertEquals(hex("add", ecx, immediate(-128)), "83 c1 80");
  assertEquals(hex("inc", edi), "47");
  assertEquals(hex("push", immediate(-1)), "6a ff");
  assertEquals(hex("push", immediate(128)), "68 80 00 00 00");
  assertEquals(hex("push", esi), "56");
  assertEquals(hex("shl", edx, immediate(1)), "d1 e2");
  assertEquals(hex("shl", edx, immediate(4)), "c1 e2 04");
  assertEquals(hex("sar", edx, cl), "d3 fa");
  assertEquals(hex("imul", eax, ecx, immediate(10)), "6b c1 0a");
  assertEquals(hex("test", al, immediate(1)), "a8 01");
  assertEquals(hex("mov", eax, memory(32, { displacement: 0x1000 })), "a1 00 10 00 00");
  assertEquals(hex("mov", ecx, memory(32, { displacement: 0x1000 })), "8b 0d 00 10 00 00");
});

Deno.test("Assembler encodes every form of address [ASSEMBLE-2]", () => {
  assertEquals(hex("mov", eax, at(EBX)), "8b 03");
  assertEquals(hex("mov", eax, at(EBP)), "8b 45 00");
  assertEquals(hex("mov", eax, at(ESP)), "8b 04 24");
  assertEquals(hex("mov", eax, at(ESP, 8)), "8b 44 24 08");
  assertEquals(hex("mov", eax, at(ESI, -4)), "8b 46 fc");
  assertEquals(hex("mov", eax, at(ESI, 0x12345)), "8b 86 45 23 01 00");
  const indexed = memory(32, { base: EBX, index: ESI, scale: 4, displacement: 8 });
  assertEquals(hex("mov", eax, indexed), "8b 44 b3 08");
  assertEquals(hex("lea", eax, memory(0, { index: ECX, scale: 8 })), "8d 04 cd 00 00 00 00");
  assertEquals(hex("lea", eax, memory(0, { base: EAX, index: EAX, scale: 2 })), "8d 04 40");
});

Deno.test("Assembler puts 66h before words [ASSEMBLE-3]", () => {
  assertEquals(hex("mov", memory(16, { base: EBX }), immediate(0x1234)), "66 c7 03 34 12");
  assertEquals(hex("add", ax, immediate(0x1234)), "66 05 34 12");
  assertEquals(hex("movzx", eax, memory(16, { base: EBX })), "0f b7 03");
  assertEquals(hex("mov", ds, ax), "8e d8");
  assertEquals(hex("out", dx, ax), "66 ef");
});

function text(fill: (assembler: Assembler) => void): number[] {
  const assembler = new Assembler();
  assembler.symbol("f", "function");
  fill(assembler);
  return [...assembler.assemble().sections[0].bytes];
}

Deno.test("Assembler makes jumps short where it can [ASSEMBLE-4]", () => {
  const loop = (gap: number) =>
    text((a) => a.label("top").bytes(...new Array(gap).fill(0x90)).emit("jz", target(".top")));
  assertEquals(loop(126).slice(126), [0x74, 0x80]);
  assertEquals(loop(127).slice(127), [0x0f, 0x84, 0x7b, 0xff, 0xff, 0xff]);
  const ahead = (gap: number) =>
    text((a) => a.emit("jmp", target(".end")).bytes(...new Array(gap).fill(0x90)).label("end"));
  assertEquals(ahead(127).slice(0, 2), [0xeb, 0x7f]);
  assertEquals(ahead(128).slice(0, 5), [0xe9, 0x80, 0, 0, 0]);
  assertThrows(
    () => text((a) => a.label("top").reserve(200).emit("loop", target(".top"))),
    RangeError,
    "more than 127 bytes away",
  );
});

Deno.test("Assembler keeps the labels of two symbols apart [ASSEMBLE-5]", () => {
  const assembler = new Assembler();
  for (const name of ["f", "g"]) {
    assembler.symbol(name, "function").label("again").emit("jmp", target(".again")).end();
  }
  const { sections, symbols } = assembler.assemble();
  assertEquals([...sections[0].bytes], [0xeb, 0xfe, 0xeb, 0xfe]);
  const sizes = symbols.filter(({ kind }) => kind === "function").map(({ size }) => size);
  assertEquals(sizes, [2, 2]);
});

Deno.test("Assembler leaves the addresses of symbols to the linker [ASSEMBLE-6]", () => {
  const assembler = new Assembler().symbol("f", "function");
  assembler.emit("mov", eax, immediate(4, "table"));
  assembler.emit("mov", ebx, memory(32, { symbol: "variable", index: ESI, scale: 4 }));
  assembler.emit("call", target("g"));
  assembler.section(".rodata").word(8, "f");
  const found = assembler.assemble().relocations;
  assertEquals(found, [
    { section: ".text", offset: 1, kind: "absolute", symbol: "table", addend: 4 },
    { section: ".text", offset: 8, kind: "absolute", symbol: "variable", addend: 0 },
    { section: ".text", offset: 13, kind: "relative", symbol: "g", addend: 0 },
    { section: ".rodata", offset: 0, kind: "absolute", symbol: "f", addend: 8 },
  ]);
});

Deno.test("Assembler refuses what has no encoding [ASSEMBLE-7]", () => {
  assertThrows(() => encode({ mnemonic: "mov", operands: [at(EBX), at(ESI)] }), RangeError, "mov");
  assertThrows(() => encode({ mnemonic: "frobnicate", operands: [] }), RangeError, "frobnicate");
  const wide = [memory(8, { base: EBX }), immediate(256)];
  assertThrows(() => encode({ mnemonic: "mov", operands: wide }), RangeError, "256");
  assertThrows(() => encode({ mnemonic: "inc", operands: [register(9)] }), RangeError, "9");
  const stack = memory(32, { base: EAX, index: ESP });
  assertThrows(() => encode({ mnemonic: "mov", operands: [eax, stack] }), RangeError, "mov");
});

Deno.test("Assembler aligns code with INT3 and data with zeros [ASSEMBLE-8]", () => {
  assertEquals(text((a) => a.emit("ret").align(4)), [0xc3, 0xcc, 0xcc, 0xcc]);
  const assembler = new Assembler().section(".rodata").bytes(1).align(4).section(".bss");
  assembler.align(16).symbol("buffer", "object").reserve(100).end();
  const [, rodata, bss] = assembler.assemble().sections;
  assertEquals([...rodata.bytes], [1, 0, 0, 0]);
  assertEquals([bss.bytes.length, bss.size, bss.alignment], [0, 100, 16]);
});

Deno.test("Assembler knows string instructions and prefixes [ASSEMBLE-9]", () => {
  assertEquals(hex("movsb"), "a4");
  assertEquals(hex("rep movsd"), "f3 a5");
  assertEquals(hex("repne scasb"), "f2 ae");
  assertEquals(hex("lock inc", at(EBX)), "f0 ff 03");
});

Deno.test("Assembler encodes what system code needs [ASSEMBLE-10]", () => {
  assertEquals(hex("mov", cr(3), eax), "0f 22 d8");
  assertEquals(hex("mov", eax, cr(2)), "0f 20 d0");
  assertEquals(hex("pop", gs), "0f a9");
  assertEquals(hex("push", ds), "1e");
  assertEquals(hex("lgdt", memory(0, { base: EAX })), "0f 01 10");
  assertEquals(hex("invlpg", memory(0, { base: EAX })), "0f 01 38");
  assertEquals(hex("ltr", ax), "0f 00 d8");
  assertEquals(hex("in", al, dx), "ec");
  assertEquals(hex("out", immediate(0x80), al), "e6 80");
  assertEquals(hex("jmpf", { kind: "far", selector: 8, target: "next" }), "ea 00 00 00 00 08 00");
  assertEquals([hex("iret"), hex("pusha"), hex("leave"), hex("ud2")], ["cf", "60", "c9", "0f 0b"]);
  assertEquals(hex("cmovnz", ebx, edi), "0f 45 df");
  assertEquals(hex("setb", al), "0f 92 c0");
  assertEquals(hex("xchg", esp, ebp), "87 ec");
  assertEquals(hex("mov", edx, esp), "89 e2");
});
