/** The decoder, beside iced-x86, which knows nothing of it. Spec: specs/cpu/decode.md. */
import { assert, assertEquals } from "@std/assert";
import * as iced from "npm:iced-x86@1.21.0";
import { decode, jumpTarget } from "../../cpu/decode.ts";
import type { Instruction } from "../../isa/instruction.ts";
import { rows } from "../../isa/rows.ts";
import { Random } from "../random.ts";
import { replayGolden } from "./code_traces.ts";
import { encode } from "./lockstep.ts";

const ES = 0, CS = 1, SS = 2, DS = 3, FS = 4;
const ECX = 1, EBX = 3, ESP = 4, EBP = 5, ESI = 6;

/** Decodes bytes in hex, with nothing after them but zeros. */
function decoded(hex: string, code32 = true, eip = 0): Instruction {
  const bytes = Uint8Array.from([...hex.split(" ").map((it) => parseInt(it, 16)), ...Array(16)]);
  return decode(bytes, 0, bytes.length, eip, code32)!;
}

const rowOf = (hex: string) => decoded(hex).row.text;

function address(hex: string, code32 = true): number[] {
  const { base, index, scale, displacement } = decoded(hex, code32);
  return [base, index, scale, displacement];
}

Deno.test("decode replays its golden trace [DECODE-1]", async () => {
  const [replayed, golden] = await replayGolden("decode");
  assertEquals(replayed, golden);
});

Deno.test("decode reads operand and address sizes by code segment and prefix [DECODE-1]", () => {
  const sizes = (hex: string, code32: boolean) => {
    const { operandSize, addressSize } = decoded(hex, code32);
    return [operandSize, addressSize];
  };
  assertEquals(sizes("8b 00", true), [32, 32]);
  assertEquals(sizes("66 8b 00", true), [16, 32]);
  assertEquals(sizes("67 8b 00", true), [32, 16]);
  assertEquals(sizes("8b 00", false), [16, 16]);
  assertEquals(sizes("66 67 8b 00", false), [32, 32]);
});

Deno.test("decode chooses the row by digit and by register or memory [DECODE-2]", () => {
  assertEquals(rowOf("83 f8 01"), "83 /7 cmp rmv imm8s");
  assertEquals(rowOf("0f 01 38"), "0f 01 /7 invlpg m");
  assertEquals(rowOf("90"), "90 nop");
  assertEquals(rowOf("93"), "90+ xchg rv eaxv");
  assertEquals([rowOf("8d 00"), rowOf("8d c0")], ["8d /r lea rv m", "0f ff undefined"]);
});

Deno.test("decode reads every 32-bit address [DECODE-3]", () => {
  assertEquals(address("8b 03"), [EBX, -1, 0, 0]);
  assertEquals(address("8b 43 80"), [EBX, -1, 0, -128]);
  assertEquals(address("8b 05 ff ff ff ff"), [-1, -1, 0, -1]);
  assertEquals(address("8b 44 8b 7f"), [EBX, ECX, 2, 127]);
  assertEquals(address("8b 04 cd 00 00 00 80"), [-1, ECX, 3, -0x80000000]);
  assertEquals(address("8b 04 e4"), [ESP, -1, 0, 0]); // no index 4
});

Deno.test("decode reads every 16-bit address, its displacement signed [DECODE-4]", () => {
  assertEquals(address("8b 00", false), [EBX, ESI, 0, 0]);
  assertEquals(address("8b 06 00 80", false), [-1, -1, 0, -0x8000]);
  assertEquals(address("8b 46 ff", false), [EBP, -1, 0, -1]);
  assertEquals(address("a1 00 90", false), [-1, -1, 0, -0x7000]);
});

Deno.test("decode gives the operand's segment: SS for EBP and ESP bases, an override wins [DECODE-5]", () => {
  const segments = ["8b 00", "8b 45 00", "8b 04 24", "8b 04 2d 00 00 00 00", "64 8b 45 00"];
  assertEquals(segments.map((hex) => decoded(hex).segment), [DS, SS, SS, DS, FS]);
  assertEquals(decoded("2e 26 8b 00").segment, ES); // the last one
  assertEquals([decoded("a5").segment, decoded("2e a5").segment], [DS, CS]);
  assertEquals(decoded("8b 46 00", false).segment, SS);
});

Deno.test("decode takes prefixes in any order and number, the last repeat counts [DECODE-6]", () => {
  const { operandSize, repeat, segment, length } = decoded("f3 66 2e f2 66 a5");
  assertEquals([operandSize, repeat, segment, length], [16, 0xf2, CS, 6]);
});

Deno.test("decode admits LOCK before a read-modify-write of memory only [DECODE-7]", () => {
  const locked = rows.filter(({ lockable }) => lockable).map(({ mnemonic }) => mnemonic);
  assertEquals(
    [...new Set(locked)].sort().join(" "),
    "adc add and btc btr bts cmpxchg cmpxchg8b dec inc neg not or sbb sub xadd xchg xor",
  );
  const isUndefined = (hex: string) => rowOf(hex) === "0f ff undefined";
  assertEquals(["f0 01 00", "f0 87 00", "f0 0f ab 00"].map(isUndefined), [false, false, false]);
  assertEquals(["f0 01 c0", "f0 39 00", "f0 0f a3 00", "f0 90"].map(isUndefined), [
    true,
    true,
    true,
    true,
  ]);
});

Deno.test("decode calls undefined what no row encodes [DECODE-8]", () => {
  for (const hex of ["0f 04", "0f 3a", "d6", "fe d0", "ff ff", "c4 c0", "8f c8", "0f 00 f0"]) {
    assertEquals(rowOf(hex), "0f ff undefined", hex);
  }
});

Deno.test("decode calls more than fifteen bytes too long [DECODE-9]", () => {
  const prefixes = (count: number) => Array(count).fill("66").join(" ");
  assertEquals(decoded(`${prefixes(14)} 90`).length, 15);
  assertEquals(decoded(`${prefixes(14)} 90`).row.mnemonic, "nop");
  assertEquals(decoded(`${prefixes(15)} 90`).row.mnemonic, "toolong");
  assertEquals(decoded(`${prefixes(9)} 81 00 11 22 33 44`).row.mnemonic, "add"); // 16 bits: 13
  assertEquals(decoded(`${prefixes(8)} 2e 2e 81 80 11 22 33 44 55 66`).row.mnemonic, "toolong");
});

Deno.test("decode ignores ModRM.mod for control and debug registers [DECODE-10]", () => {
  for (const hex of ["0f 20 03", "0f 20 43", "0f 20 83", "0f 20 c3"]) {
    const { length, rm, isMemory } = decoded(hex);
    assertEquals([length, rm, isMemory], [3, EBX, false]);
  }
});

Deno.test("jumpTarget adds to the next EIP and cuts 16-bit targets [DECODE-11]", () => {
  assertEquals(jumpTarget(decoded("eb fe", true, 0x1000)), 0x1000);
  assertEquals(jumpTarget(decoded("e9 00 00 00 00", true, 0xfffffffb)), 0);
  assertEquals(jumpTarget(decoded("66 eb 10", true, 0x1fff8)), 0x000b);
});

Deno.test("decode asks for more where the bytes end within the instruction [DECODE-12]", () => {
  const bytes = Uint8Array.of(0x66, 0x81, 0x84, 0x8b, 1, 2, 3, 4, 5, 6);
  for (let end = 0; end < bytes.length; end++) {
    assertEquals(decode(bytes, 0, end, 0, true), undefined, `${end}`);
  }
  assertEquals(decode(bytes, 0, bytes.length, 0, true)!.length, bytes.length);
  const prefixes = new Uint8Array(15).fill(0x66);
  assertEquals(decode(prefixes, 0, 14, 0, true), undefined);
  assertEquals(decode(prefixes, 0, 15, 0, true)!.row.mnemonic, "toolong");
});

// ---- beside iced-x86

const REGISTERS = "EAX ECX EDX EBX ESP EBP ESI EDI".split(" ");
const REGISTERS16 = "AX CX DX BX SP BP SI DI".split(" ");
const SEGMENTS = "ES CS SS DS FS GS".split(" ");
/** Mnemonics that iced spells otherwise, by ours. */
const OTHER: Readonly<Record<string, RegExp>> = {
  callf: /^call$/,
  jmpf: /^jmp$/,
  shl: /^(shl|sal)$/,
  nop: /^(nop|pause)$/,
  xchg: /^(xchg|nop|pause)$/,
  cbw: /^(cbw|cwde)$/,
  cwd: /^(cwd|cdq)$/,
  jcxz: /^j(e|r)?cxz$/,
  xlat: /^xlatb$/,
  fpu: /^f/,
  wait: /^wait$/,
  ud2: /^ud2$/,
  wbinvd: /^wb(no)?invd$/,
};
const CONDITIONS: Readonly<Record<string, string>> = {
  nb: "ae",
  z: "e",
  nz: "ne",
  nbe: "a",
  nl: "ge",
  nle: "g",
};

function sameName(ours: string, theirs: string): boolean {
  const conditional = /^(j|set|cmov)(nb|z|nz|nbe|nl|nle)$/.exec(ours);
  if (conditional) return theirs === conditional[1] + CONDITIONS[conditional[2]];
  return OTHER[ours]?.test(theirs) ?? (theirs === ours || theirs.slice(0, -1) === ours);
}

/** What differs between our decoding and iced's, if anything. */
function difference(ours: Instruction, theirs: iced.Instruction): string | undefined {
  const name = iced.Mnemonic[theirs.mnemonic].toLowerCase();
  const label = `${ours.row.text}, ${name}`;
  if (ours.length !== theirs.length) return `${label}: length ${ours.length}, ${theirs.length}`;
  if (!sameName(ours.row.mnemonic, name)) return label;
  if (!ours.isMemory) return undefined;
  const names = ours.addressSize === 32 ? REGISTERS : REGISTERS16;
  const mine = [
    ours.base < 0 ? "None" : names[ours.base],
    ours.index < 0 ? "None" : names[ours.index],
    ours.index < 0 ? 1 : 1 << ours.scale,
    BigInt.asUintN(ours.addressSize, BigInt(ours.displacement)),
    SEGMENTS[ours.segment],
  ];
  const its = [
    iced.Register[theirs.memoryBase],
    iced.Register[theirs.memoryIndex],
    theirs.memoryIndex === iced.Register.None ? 1 : theirs.memoryIndexScale,
    BigInt.asUintN(ours.addressSize, theirs.memoryDisplacement),
    iced.Register[theirs.memorySegment],
  ];
  return `${mine}` === `${its}` ? undefined : `${label}: ${mine}, not ${its}`;
}

function compare(bytes: Uint8Array, code32: boolean): string | undefined {
  const ours = decode(bytes, 0, bytes.length, 0, code32)!;
  const decoder = new iced.Decoder(code32 ? 32 : 16, bytes, iced.DecoderOptions.None);
  const theirs = decoder.decode();
  const text = [...bytes.subarray(0, 15)].map((byte) => byte.toString(16)).join(" ");
  const isCompared = !/^(undefined|toolong)$/.test(ours.row.mnemonic) && !isContested(ours);
  const found = isCompared
    ? theirs.isInvalid ? `${ours.row.text} is invalid` : difference(ours, theirs)
    : undefined;
  theirs.free();
  decoder.free();
  return found && `${text}: ${found}`;
}

/** Left out: x87, moves whose register may not exist, what reserved opcodes have become since. */
function isContested({ row }: Instruction): boolean {
  return /\b(fpu|mov (rr32|cr|dr|sreg|rmv sreg))/.test(row.text) || /^0f 1/.test(row.text);
}

Deno.test("decode agrees with iced-x86 on every row [DECODE-1, DECODE-3, DECODE-4, DECODE-5]", () => {
  const random = new Random(11), found: string[] = [];
  let count = 0;
  for (const row of rows) {
    for (let i = 0; i < 24; i++) {
      const bytes = Uint8Array.from([...encode(row, random), ...Array(16)]);
      const result = compare(bytes, !random.oneIn(4));
      if (result) found.push(result);
      count++;
    }
  }
  assertEquals(found.slice(0, 8), []);
  assert(count > 8000, `${count}`);
});

Deno.test("decode knows nothing that iced-x86 calls invalid [DECODE-8]", () => {
  const random = new Random(12), found: string[] = [];
  for (let i = 0; i < 20_000; i++) {
    const bytes = Uint8Array.from({ length: 16 }, () => random.u32());
    const result = compare(bytes, random.oneIn(2));
    if (result) found.push(result);
  }
  assertEquals(found.slice(0, 8), []);
});

Deno.test("decode finds nothing undefined that a row encodes [DECODE-2]", () => {
  const random = new Random(13);
  for (const row of rows) {
    const bytes = Uint8Array.from([...encode(row, random), ...Array(16)]);
    const { row: found } = decode(bytes, 0, bytes.length, 0, true)!;
    if (found !== row) {
      assert(found.mnemonic === row.mnemonic || row.text.includes("nop"), row.text);
    }
  }
});
