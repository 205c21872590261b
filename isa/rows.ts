/**
 * The opcode map: one row for each encoding (Intel SDM vol. 2, chapters 3 and 4, appendix A). The decoder,
 * the assembler and the interpreter all read it. Spec: specs/isa/rows.md.
 *
 * Not here, and so #UD: x87 beyond its escape bytes, MMX, SSE, SYSENTER, and what came after the Pentium Pro.
 */
import * as arithmetic from "./arithmetic.ts";
import * as bits from "./bits.ts";
import * as control from "./control.ts";
import * as decimal from "./decimal.ts";
import { conditionNames } from "./flags.ts";
import type { Meaning } from "./machine.ts";
import * as moves from "./moves.ts";
import { type Row, row } from "./row.ts";
import * as shifts from "./shifts.ts";
import * as strings from "./strings.ts";

const hex = (byte: number) => byte.toString(16).padStart(2, "0");

/** ADD, OR, ADC, SBB, AND, SUB, XOR, CMP: six opcodes each, and four groups of immediates. */
const logic = (["add", "or", "adc", "sbb", "and", "sub", "xor", "cmp"] as const).flatMap(
  (name, i) => {
    const meaning = arithmetic[name], base = 8 * i;
    return [
      row(`${hex(base)} /r ${name} rm8 r8`, meaning),
      row(`${hex(base + 1)} /r ${name} rmv rv`, meaning),
      row(`${hex(base + 2)} /r ${name} r8 rm8`, meaning),
      row(`${hex(base + 3)} /r ${name} rv rmv`, meaning),
      row(`${hex(base + 4)} ${name} al imm8`, meaning),
      row(`${hex(base + 5)} ${name} eaxv immv`, meaning),
      row(`80 /${i} ${name} rm8 imm8`, meaning),
      row(`83 /${i} ${name} rmv imm8s`, meaning),
      row(`81 /${i} ${name} rmv immv`, meaning),
      row(`82 /${i} ${name} rm8 imm8`, meaning),
    ];
  },
);

/** ROL, ROR, RCL, RCR, SHL, SHR, SAL, SAR by 1, by CL, by an immediate. */
const rotates = (["rol", "ror", "rcl", "rcr", "shl", "shr", "shl", "sar"] as const).flatMap(
  (name, i) => {
    const meaning = shifts[name];
    return [
      row(`d0 /${i} ${name} rm8 one`, meaning),
      row(`d1 /${i} ${name} rmv one`, meaning),
      row(`c0 /${i} ${name} rm8 imm8`, meaning),
      row(`c1 /${i} ${name} rmv imm8`, meaning),
      row(`d2 /${i} ${name} rm8 cl`, meaning),
      row(`d3 /${i} ${name} rmv cl`, meaning),
    ];
  },
);

const conditional = conditionNames.flatMap((name, i) => [
  row(`${hex(0x70 + i)} j${name} rel8`, control.jcc),
  row(`0f ${hex(0x80 + i)} j${name} relv`, control.jcc),
  row(`0f ${hex(0x90 + i)} /r set${name} rm8`, bits.set),
  row(`0f ${hex(0x40 + i)} /r cmov${name} rv rmv`, bits.cmov),
]);

const bitTests = (["bt", "bts", "btr", "btc"] as const).flatMap((name, i) => [
  row(`0f ${hex(0xa3 + 8 * i)} /r ${name} rmv rv`, bits[name]),
  row(`0f ba /${i + 4} ${name} rmv imm8`, bits[name]),
]);

/** String instructions: a byte form and a word or doubleword form. */
const stringRows = ([
  ["a4", "a5", "movs", strings.movs],
  ["a6", "a7", "cmps", strings.cmps],
  ["aa", "ab", "stos", strings.stos],
  ["ac", "ad", "lods", strings.lods],
  ["ae", "af", "scas", strings.scas],
  ["6c", "6d", "ins", undefined],
  ["6e", "6f", "outs", undefined],
] as [string, string, string, Meaning | undefined][]).flatMap(([byte, word, name, meaning]) => [
  row(`${byte} ${name}/b`, meaning),
  row(`${word} ${name}`, meaning),
]);

const escapes = Array.from({ length: 8 }, (_, i) => row(`${hex(0xd8 + i)} /r fpu rm8`));

/** Every row; where two have the same opcode, digit and form of operand, the first one is decoded. */
export const rows: readonly Row[] = [
  ...logic,
  ...rotates,
  ...conditional,
  ...bitTests,
  ...stringRows,
  row("40+ inc rv", arithmetic.inc),
  row("48+ dec rv", arithmetic.dec),
  row("fe /0 inc rm8", arithmetic.inc),
  row("ff /0 inc rmv", arithmetic.inc),
  row("fe /1 dec rm8", arithmetic.dec),
  row("ff /1 dec rmv", arithmetic.dec),
  row("a8 test al imm8", arithmetic.test),
  row("a9 test eaxv immv", arithmetic.test),
  row("84 /r test rm8 r8", arithmetic.test),
  row("85 /r test rmv rv", arithmetic.test),
  row("f6 /0 test rm8 imm8", arithmetic.test),
  row("f7 /0 test rmv immv", arithmetic.test),
  row("f6 /1 test rm8 imm8", arithmetic.test),
  row("f7 /1 test rmv immv", arithmetic.test),
  row("f6 /2 not rm8", arithmetic.not),
  row("f7 /2 not rmv", arithmetic.not),
  row("f6 /3 neg rm8", arithmetic.neg),
  row("f7 /3 neg rmv", arithmetic.neg),
  row("f6 /4 mul rm8", arithmetic.mul),
  row("f7 /4 mul rmv", arithmetic.mul),
  row("f6 /5 imul rm8", arithmetic.imul1),
  row("f7 /5 imul rmv", arithmetic.imul1),
  row("f6 /6 div rm8", arithmetic.div),
  row("f7 /6 div rmv", arithmetic.div),
  row("f6 /7 idiv rm8", arithmetic.idiv),
  row("f7 /7 idiv rmv", arithmetic.idiv),
  row("0f af /r imul rv rmv", arithmetic.imul),
  row("6b /r imul rv rmv imm8s", arithmetic.imul),
  row("69 /r imul rv rmv immv", arithmetic.imul),
  row("98 cbw", arithmetic.cbw),
  row("99 cwd", arithmetic.cwd),

  row("0f a4 /r shld rmv rv imm8", shifts.shld),
  row("0f a5 /r shld rmv rv cl", shifts.shld),
  row("0f ac /r shrd rmv rv imm8", shifts.shrd),
  row("0f ad /r shrd rmv rv cl", shifts.shrd),
  row("0f bc /r bsf rv rmv", bits.bsf),
  row("0f bd /r bsr rv rmv", bits.bsr),
  row("0f c8+ bswap rv", bits.bswap),

  row("88 /r mov rm8 r8", moves.mov),
  row("89 /r mov rmv rv", moves.mov),
  row("8a /r mov r8 rm8", moves.mov),
  row("8b /r mov rv rmv", moves.mov),
  row("a0 mov al moffs8", moves.mov),
  row("a1 mov eaxv moffsv", moves.mov),
  row("a2 mov moffs8 al", moves.mov),
  row("a3 mov moffsv eaxv", moves.mov),
  row("b0+ mov r8 imm8", moves.mov),
  row("b8+ mov rv immv", moves.mov),
  row("c6 /0 mov rm8 imm8", moves.mov),
  row("c7 /0 mov rmv immv", moves.mov),
  row("0f b6 /r movzx rv rm8", moves.movzx),
  row("0f b7 /r movzx rv rm16", moves.movzx),
  row("0f be /r movsx rv rm8", moves.movsx),
  row("0f bf /r movsx rv rm16", moves.movsx),
  row("8d /r lea rv m", moves.lea),
  row("90 nop", moves.nop),
  row("90+ xchg rv eaxv", moves.xchg),
  row("86 /r xchg rm8 r8", moves.xchg),
  row("87 /r xchg rmv rv", moves.xchg),
  row("0f c0 /r xadd rm8 r8", moves.xadd),
  row("0f c1 /r xadd rmv rv", moves.xadd),
  row("0f b0 /r cmpxchg rm8 r8", moves.cmpxchg),
  row("0f b1 /r cmpxchg rmv rv", moves.cmpxchg),
  row("0f c7 /1 cmpxchg8b m64", moves.cmpxchg8b),
  ...[0x18, 0x19, 0x1a, 0x1b, 0x1c, 0x1d, 0x1e, 0x1f].map((opcode) =>
    // reserved for hints
    row(`0f ${hex(opcode)} /r nop rmv`, moves.nop)
  ),
  row("d7 xlat", moves.xlat),
  row("50+ push rv", moves.push),
  row("6a push imm8s", moves.push),
  row("68 push immv", moves.push),
  row("ff /6 push rmv", moves.push),
  row("58+ pop rv", moves.pop),
  row("8f /0 pop rmv", moves.pop),
  row("60 pusha", moves.pusha),
  row("61 popa", moves.popa),
  row("c8 enter imm16 imm8", moves.enter),
  row("c9 leave", moves.leave),
  row("9e sahf", moves.sahf),
  row("9f lahf", moves.lahf),
  row("f5 cmc", moves.cmc),
  row("f8 clc", moves.clc),
  row("f9 stc", moves.stc),
  row("fc cld", moves.cld),
  row("fd std", moves.std),

  row("eb jmp rel8", control.jmp),
  row("e9 jmp relv", control.jmp),
  row("ff /4 jmp rmv", control.jmpIndirect),
  row("e8 call relv", control.call),
  row("ff /2 call rmv", control.callIndirect),
  row("c3 ret", control.ret),
  row("c2 ret imm16", control.ret),
  row("e0 loopne rel8", control.loop),
  row("e1 loope rel8", control.loop),
  row("e2 loop rel8", control.loop),
  row("e3 jcxz rel8", control.jcxz),
  row("62 /r bound rv mpair", control.bound),

  row("27 daa", decimal.daa),
  row("2f das", decimal.das),
  row("37 aaa", decimal.aaa),
  row("3f aas", decimal.aas),
  row("d4 aam imm8", decimal.aam),
  row("d5 aad imm8", decimal.aad),

  // system code, stated in cpu/system.ts
  row("9a callf ptr16v"),
  row("ff /3 callf m16v"),
  row("ea jmpf ptr16v"),
  row("ff /5 jmpf m16v"),
  row("cb retf"),
  row("ca retf imm16"),
  row("cc int3"),
  row("cd int imm8"),
  row("ce into"),
  row("f1 int1"),
  row("cf iret"),
  row("9c pushf"),
  row("9d popf"),
  row("fa cli"),
  row("fb sti"),
  row("f4 hlt"),
  row("9b wait"),
  row("e4 in al imm8"),
  row("e5 in eaxv imm8"),
  row("ec in al dx"),
  row("ed in eaxv dx"),
  row("e6 out imm8 al"),
  row("e7 out imm8 eaxv"),
  row("ee out dx al"),
  row("ef out dx eaxv"),
  row("06 push es"),
  row("07 pop es"),
  row("0e push cs"),
  row("16 push ss"),
  row("17 pop ss"),
  row("1e push ds"),
  row("1f pop ds"),
  row("0f a0 push fs"),
  row("0f a1 pop fs"),
  row("0f a8 push gs"),
  row("0f a9 pop gs"),
  row("8c /r mov rmv sreg"),
  row("8e /r mov sreg rm16"),
  row("c4 /r les rv m16v"),
  row("c5 /r lds rv m16v"),
  row("0f b2 /r lss rv m16v"),
  row("0f b4 /r lfs rv m16v"),
  row("0f b5 /r lgs rv m16v"),
  row("0f 00 /0 sldt rmv"),
  row("0f 00 /1 str rmv"),
  row("0f 00 /2 lldt rm16"),
  row("0f 00 /3 ltr rm16"),
  row("0f 00 /4 verr rm16"),
  row("0f 00 /5 verw rm16"),
  row("0f 01 /0 sgdt m"),
  row("0f 01 /1 sidt m"),
  row("0f 01 /2 lgdt m"),
  row("0f 01 /3 lidt m"),
  row("0f 01 /4 smsw rmv"),
  row("0f 01 /6 lmsw rm16"),
  row("0f 01 /7 invlpg m"),
  row("0f 02 /r lar rv rm16"),
  row("0f 03 /r lsl rv rm16"),
  row("0f 06 clts"),
  row("0f 08 invd"),
  row("0f 09 wbinvd"),
  row("0f 0b ud2"),
  row("0f 20 /r mov rr32 cr"),
  row("0f 22 /r mov cr rr32"),
  row("0f 21 /r mov rr32 dr"),
  row("0f 23 /r mov dr rr32"),
  row("0f 30 wrmsr"),
  row("0f 31 rdtsc"),
  row("0f 32 rdmsr"),
  row("0f 33 rdpmc"),
  row("0f a2 cpuid"),
  row("63 /r arpl rm16 r16"),
  ...escapes,
];
