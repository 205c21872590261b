/** Native vectors: how they are read, and that the decoder and the processor agree with them. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { decode } from "../../cpu/decode.ts";
import { handlers, interpreterModule } from "../../cpu/interpreter.ts";
import { parseEvent } from "../../trace/text.ts";
import { VectorRunner } from "./runner.ts";
import {
  differences,
  type Outcome,
  pagesAfter,
  pagesBefore,
  parseVector,
  readVectors,
  type Vector,
  type VectorGroup,
} from "./vectors.ts";

const CF = 1, PF = 4, AF = 16, ZF = 64, SF = 128, OF = 0x800;
const STATUS = CF | PF | AF | ZF | SF | OF;
const EAX = 0, ECX = 1, EBX = 3;
const GROUPS: readonly VectorGroup[] = [
  "arithmetic",
  "shifts",
  "bits",
  "moves",
  "strings",
  "decimal",
  "control",
  "privileged",
  "faults",
];

const line = (text: string) => parseVector(parseEvent(text));

/** All vectors of all groups. */
async function everything(): Promise<Vector[]> {
  return (await Promise.all(GROUPS.map(readVectors))).flatMap(({ vectors }) => vectors);
}

/** The vectors of some instructions that complete. */
async function completed(group: VectorGroup, mnemonics: string): Promise<Vector[]> {
  const names = mnemonics.split(" ");
  const { vectors } = await readVectors(group);
  const found = vectors.filter(({ mnemonic, fault }) =>
    names.includes(mnemonic) && fault === undefined
  );
  assertEquals([...new Set(found.map(({ mnemonic }) => mnemonic))].sort(), names.sort());
  return found;
}

/** Asserts that a property holds for each vector, naming the first that lacks it. */
function assertEach(vectors: readonly Vector[], holds: (vector: Vector) => boolean): void {
  assert(vectors.length > 0);
  assertEquals(vectors.filter((vector) => !holds(vector)).slice(0, 3).map(({ text }) => text), []);
}

Deno.test("readVectors gives every group, numbered, with the origin's processor [VECTORS-1]", async () => {
  for (const group of GROUPS) {
    const { origin, vectors } = await readVectors(group);
    assert(/family \d+ model \d+/.test(origin), origin);
    assertEquals(vectors.map(({ number }) => number), vectors.map((_, index) => index));
  }
  assert((await everything()).length > 7500);
});

Deno.test("parseVector reads what stands left and right of the equals sign [VECTORS-2]", () => {
  const vector = line(
    "7 xadd 0fc103 eax=5 ebx=200500 fl=247 @200500=06000000 = eax=6 fl=206 @200500=0b",
  );
  assertEquals(vector.mnemonic, "xadd");
  assertEquals([...vector.bytes], [0x0f, 0xc1, 0x03]);
  assertEquals([vector.before.registers[EAX], vector.after.registers[EAX]], [5, 6]);
  assertEquals(vector.before.memory, [{ address: 0x200500, bytes: new Uint8Array([6, 0, 0, 0]) }]);
  assertEquals(vector.after.memory, [{ address: 0x200500, bytes: new Uint8Array([11]) }]);
  assertThrows(() => line("7 nop 9x fl=202 = fl=202"), SyntaxError);
});

Deno.test("parseVector fills in the background of registers and carries them over [VECTORS-3]", () => {
  const { before, after } = line("0 inc 43 ebx=1 fl=202 = ebx=2 fl=202");
  const background = [0xa0b1c2d3, 0x1234567, 0x89abcdef, 1, 0x200c00, 0x200a00, 0x200400, 0x200800];
  assertEquals(before.registers, background);
  assertEquals(after.registers, background.with(EBX, 2));
});

Deno.test("parseVector expects the next instruction unless EIP is named [VECTORS-4]", () => {
  assertEquals(line("0 nop 6690 fl=202 = fl=202").before.eip, 0x100400);
  assertEquals(line("0 nop 6690 fl=202 = fl=202").after.eip, 0x100402);
  assertEquals(line("0 jmp eb10 fl=202 = eip=100412 fl=202").after.eip, 0x100412);
});

Deno.test("Vectors run in ring 3: IF and bit 1 are set and IOPL is 0 [VECTORS-5]", async () => {
  assertEach(
    await everything(),
    ({ before, after }) => [before, after].every(({ flags }) => (flags & 0x3202) === 0x202),
  );
});

Deno.test("differences leaves out undefined flags and nothing else [VECTORS-6]", () => {
  const vector = line("0 and 21c0 eax=1 fl=202 = fl=202 uf=10");
  const outcome = (flags: number): Outcome => ({
    registers: vector.after.registers,
    eip: vector.after.eip,
    fault: undefined,
    flags,
    page: (address) => pagesAfter(vector).get(address)!,
  });
  assertEquals(differences(vector, outcome(0x202)), []);
  assertEquals(differences(vector, outcome(0x212)), []);
  assertEquals(differences(vector, outcome(0x203)), ["fl 202 ≠ 203, bits 1"]);
  const other = { ...outcome(0x202), registers: vector.after.registers.with(ECX, 7), fault: 0 };
  assertEquals(differences(vector, other), ["ecx 1234567 ≠ 7", "fault undefined ≠ 0"]);
  const dirty = {
    ...outcome(0x202),
    page: (address: number) => pagesAfter(vector).get(address)!.fill(0xcc),
  };
  assertEquals(differences(vector, dirty).map((text) => text.slice(0, 6)), [
    "@10040",
    "@7000 ",
    "@20000",
  ]);
});

Deno.test("pagesBefore lays the instruction and the stimulus over the background [VECTORS-7]", () => {
  const pages = pagesBefore(line("0 inc fe03 fl=202 @200001=abcd = fl=202 @200001=ac"));
  assertEquals([...pages.keys()].sort(), [0x100000, 0x200000, 0x6000, 0x7000]);
  assertEquals([...pages.get(0x100000)!.subarray(0x3ff, 0x403)], [0xcc, 0xfe, 0x03, 0xcc]);
  const byte = (address: number) => address * 181 + (address >> 8) * 29 + 77 & 255;
  const data = pages.get(0x200000)!;
  assertEquals([...data.subarray(0, 4)], [byte(0x200000), 0xab, 0xcd, byte(0x200003)]);
  assertThrows(() => pagesBefore(line("0 nop 90 fl=202 @300000=00 = fl=202")), RangeError);
});

/** A string instruction with a repeat prefix. */
const isRepeated = ({ mnemonic, bytes }: Vector) =>
  /^(movs|cmps|stos|lods|scas)$/.test(mnemonic) && (bytes.includes(0xf3) || bytes.includes(0xf2));

Deno.test("Vectors that fault have changed nothing but what the clause names [VECTORS-8]", async () => {
  const faults = (await everything()).filter(({ fault }) => fault !== undefined);
  const kinds = [...new Set(faults.map(({ fault }) => fault!))].sort((a, b) => a - b);
  assertEquals(kinds, [0, 4, 5, 6, 13, 14]);
  const plain = faults.filter((vector) => vector.after.eip === 0x100400 && !isRepeated(vector));
  assertEach(
    plain,
    ({ before, after }) =>
      before.registers.join() === after.registers.join() && after.memory.length === 0,
  );
  const others = faults.filter(({ after }) => after.eip !== 0x100400);
  assertEquals(
    new Set(others.map(({ mnemonic }) => mnemonic)),
    new Set(["into", "jmp", "call", "ret"]),
  );
});

Deno.test("Vectors name error code and address of page faults [VECTORS-11]", async () => {
  const { vectors } = await readVectors("faults");
  const faults = vectors.filter(({ fault }) => fault === 14);
  assert(faults.length > 300);
  assertEach(faults, ({ pageFault }) => {
    const { error, address } = pageFault!;
    const page = address & -4096;
    return (error === 4 || error === 6) && page !== 0x200000 && page !== 0x100000;
  });
  const modifying = faults.filter(({ mnemonic }) =>
    /^(inc|neg|not|xadd|btc|shl|rcr)$/.test(mnemonic)
  );
  assertEach(modifying, ({ pageFault }) => pageFault!.error === 6);
});

Deno.test("Vectors run a repeated string instruction to its end [VECTORS-9]", async () => {
  const { vectors } = await readVectors("strings");
  assertEach(vectors.filter(isRepeated), ({ mnemonic, bytes, before, after }) => {
    const counter = bytes.includes(0x67) ? 0xffff : 0xffffffff;
    const ended = (after.registers[ECX] & counter) === 0 || (before.registers[ECX] & counter) === 0;
    const equal = (after.flags & ZF) !== 0;
    return ended || (mnemonic === "cmps" || mnemonic === "scas") && equal === bytes.includes(0xf2);
  });
});

Deno.test("Vectors show that flat segment overrides change nothing [VECTORS-10]", async () => {
  const found = (await completed("moves", "xlat")).filter(({ bytes }) => !bytes.includes(0x67));
  assertEquals(found.map(({ bytes }) => bytes.length), [1, 2, 2, 2, 2]);
  assertEach(found, (vector) => {
    const address = vector.before.registers[EBX] + (vector.before.registers[EAX] & 255);
    return (vector.after.registers[EAX] & 255) ===
      pagesBefore(vector).get(0x200000)![address & 0xfff];
  });
});

/** The count of a shift or rotate, modulo 32. */
function shiftCount({ bytes, before }: Vector): number {
  const start = bytes.findIndex((byte) => byte !== 0x66 && byte !== 0x67);
  const opcode = bytes[start] === 0x0f ? bytes[start + 1] : bytes[start];
  if (opcode === 0xd0 || opcode === 0xd1) return 1;
  const immediate = [0xc0, 0xc1, 0xa4, 0xac].includes(opcode);
  return (immediate ? bytes[bytes.length - 1] : before.registers[ECX]) & 31;
}

/** The operand size of a shift or rotate. */
function shiftSize({ bytes }: Vector): number {
  const opcode = bytes.find((byte) => byte !== 0x66 && byte !== 0x67)!;
  if (opcode !== 0x0f && (opcode & 1) === 0) return 8;
  return bytes.subarray(0, 2).includes(0x66) ? 16 : 32;
}

const marks = (flags: number) => ({ undefinedFlags }: Vector) => undefinedFlags === flags;

Deno.test("Vectors mark AF after logic undefined [UNDEFINED-1]", async () => {
  assertEach(await completed("arithmetic", "and or xor test"), marks(AF));
  assertEach(await completed("arithmetic", "add adc sub sbb cmp inc dec neg not"), marks(0));
});

Deno.test("Vectors mark SF ZF AF PF after multiplication undefined [UNDEFINED-2]", async () => {
  assertEach(await completed("arithmetic", "mul imul"), marks(SF | ZF | AF | PF));
});

Deno.test("Vectors mark all status flags after division undefined [UNDEFINED-3]", async () => {
  assertEach(await completed("arithmetic", "div idiv"), marks(STATUS));
});

const SHIFTS = "shl shr sar shld shrd";

Deno.test("Vectors mark AF alone after a shift by 1, and nothing by 0 [UNDEFINED-4]", async () => {
  const vectors = await completed("shifts", SHIFTS);
  assertEach(vectors.filter((vector) => shiftCount(vector) === 1), marks(AF));
  const idle = vectors.filter((vector) => shiftCount(vector) === 0);
  assertEach(
    idle,
    ({ undefinedFlags, before, after }) => undefinedFlags === 0 && before.flags === after.flags,
  );
});

Deno.test("Vectors mark AF and OF after a shift by more than 1 [UNDEFINED-5]", async () => {
  const vectors = (await completed("shifts", SHIFTS)).filter((vector) => shiftCount(vector) > 1);
  assertEach(vectors, ({ undefinedFlags }) => (undefinedFlags & ~CF) === (AF | OF));
});

Deno.test("Vectors mark CF after SHL and SHR by the size or more [UNDEFINED-6]", async () => {
  const undefinedCarry = ({ undefinedFlags }: Vector) => (undefinedFlags & CF) !== 0;
  assertEach(
    await completed("shifts", "shl shr"),
    (vector) => undefinedCarry(vector) === shiftCount(vector) >= shiftSize(vector),
  );
  assertEach(await completed("shifts", "sar shld shrd"), (vector) => !undefinedCarry(vector));
});

Deno.test("Vectors mark OF after a rotate by more than 1, and keep the rest [UNDEFINED-7]", async () => {
  assertEach(await completed("shifts", "rol ror rcl rcr"), (vector) => {
    const changed = vector.before.flags ^ vector.after.flags;
    const expected = shiftCount(vector) > 1 ? OF : 0;
    return vector.undefinedFlags === expected && (changed & (AF | PF | ZF | SF)) === 0;
  });
});

Deno.test("Vectors mark OF SF AF PF after bit tests, and keep ZF [UNDEFINED-8]", async () => {
  assertEach(
    await completed("bits", "bt bts btr btc"),
    ({ undefinedFlags, before, after }) =>
      undefinedFlags === (OF | SF | AF | PF) && ((before.flags ^ after.flags) & ZF) === 0,
  );
});

Deno.test("Vectors mark all but ZF after bit scans [UNDEFINED-9]", async () => {
  assertEach(await completed("bits", "bsf bsr"), marks(STATUS & ~ZF));
});

Deno.test("Vectors mark OF after DAA and DAS [UNDEFINED-10]", async () => {
  assertEach(await completed("decimal", "daa das"), marks(OF));
});

Deno.test("Vectors mark PF ZF SF OF after AAA and AAS [UNDEFINED-11]", async () => {
  assertEach(await completed("decimal", "aaa aas"), marks(PF | ZF | SF | OF));
});

Deno.test("Vectors mark CF AF OF after AAM and AAD [UNDEFINED-12]", async () => {
  assertEach(await completed("decimal", "aam aad"), marks(CF | AF | OF));
});

Deno.test("Vectors show that a bit scan of zero keeps its destination [UNDEFINED-13]", async () => {
  const zeros = (await completed("bits", "bsf bsr")).filter(({ after }) => after.flags & ZF);
  assertEach(zeros, ({ before, after }) => before.registers.join() === after.registers.join());
});

Deno.test("Vectors mark all flags of a repeated comparison that faults [UNDEFINED-14]", async () => {
  const { vectors } = await readVectors("faults");
  const comparing = vectors.filter((vector) =>
    isRepeated(vector) && /cmps|scas/.test(vector.mnemonic)
  );
  assertEach(comparing, ({ undefinedFlags, fault }) => undefinedFlags === STATUS && fault === 14);
  assertEach(comparing, ({ before, after }) => after.registers[ECX] < before.registers[ECX]);
});

/** Instructions that the opcode map knows by the name of their other operand size. */
const SAME_ROW = new Map([["jecxz", "jcxz"], ["cwde", "cbw"], ["cdq", "cwd"]]);

Deno.test("decode finds length and mnemonic of every native vector [VECTORS-1]", async () => {
  const known = (await everything()).filter(({ mnemonic, fault }) =>
    fault !== 6 || mnemonic === "ud2"
  );
  assertEach(known, ({ bytes, mnemonic, before }) => {
    const window = new Uint8Array(bytes.length + 16).fill(0xcc);
    window.set(bytes);
    const instruction = decode(window, 0, window.length, before.eip, true);
    return instruction?.length === bytes.length &&
      instruction.row.mnemonic === (SAME_ROW.get(mnemonic) ?? mnemonic);
  });
});

/** The vectors of a group that come out otherwise on a runner, and how. */
async function failures(runner: VectorRunner, group: VectorGroup): Promise<string[]> {
  const { vectors } = await readVectors(group);
  return vectors.flatMap((vector) => {
    const found = differences(vector, runner.run(vector));
    return found.length === 0 ? [] : [`${vector.text}: ${found.join(", ")}`];
  });
}

for (const group of GROUPS) {
  Deno.test(`Cpu does with ${group} what the native processor did [VECTORS-2]`, async () => {
    assertEquals((await failures(new VectorRunner(), group)).slice(0, 10), []);
  });

  if (group === "faults") continue; // their pages lie elsewhere in segments with a base
  Deno.test(`Cpu does the same with ${group} in segments with a base [VECTORS-10]`, async () => {
    const runner = new VectorRunner({ base: 0x412345 });
    assertEquals((await failures(runner, group)).slice(0, 10), []);
  });
}

Deno.test("Cpu with SHR in place of SAR is found out by the vectors [VECTORS-2]", async () => {
  const planted = new Map(
    [...handlers].map(([key, number]) =>
      [key, handlers.get(key.replace(/^sar /, "shr ")) ?? number] as const
    ),
  );
  const runner = new VectorRunner({
    interpreter: { module: interpreterModule(), handlers: planted },
  });
  const found = await failures(runner, "shifts");
  assert(found.length > 20);
  assert(found.every((text) => / sar /.test(text)));
});
