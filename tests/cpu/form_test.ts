import { assert, assertEquals } from "@std/assert";
import { decode } from "../../cpu/decode.ts";
import {
  addressKey,
  addressOf,
  allForms,
  endsBlock,
  formKey,
  formOf,
  isBranch,
  needsAddress,
} from "../../cpu/form.ts";
import { rows } from "../../isa/rows.ts";
import { Random } from "../random.ts";
import { replayGolden } from "./code_traces.ts";
import { encode, meaningfulRows } from "./lockstep.ts";

function decoded(hex: string) {
  const bytes = Uint8Array.from([...hex.split(" ").map((it) => parseInt(it, 16)), ...Array(16)]);
  return decode(bytes, 0, bytes.length, 0, true)!;
}

const form = (hex: string, flat = true) => formOf(decoded(hex), flat);
const needs = (hex: string, flat = true) => needsAddress(decoded(hex), flat);

Deno.test("form replays its golden trace [FORM-1] [FORM-8]", async () => {
  const [replayed, golden] = await replayGolden("form");
  assertEquals(replayed, golden);
});

Deno.test("formOf names places and sizes [FORM-1]", () => {
  assertEquals(form("66 03 07"), {
    name: "add",
    size: 16,
    places: [{ kind: "register", slot: 0, size: 16 }, { kind: "memory", size: 16 }],
    addressSize: 32,
    flat: true,
    repeat: 0,
  });
  assertEquals(form("d3 e0").places[1], { kind: "fixed", offset: 4, size: 8 });
  assertEquals(form("0f be c0").places.map(({ size }) => size), [32, 8]);
});

Deno.test("formOf tells counts that are not zero [FORM-2]", () => {
  const kind = (hex: string) => form(hex).places.at(-1)!.kind;
  assertEquals(["c1 e0 01", "d1 e0", "c1 e0 20", "c1 e0 00", "83 c0 01"].map(kind), [
    "count",
    "count",
    "immediate",
    "immediate",
    "immediate",
  ]);
});

Deno.test("needsAddress asks for what is not flat or not 32-bit [FORM-3]", () => {
  const plain = ["8b 00", "36 8b 00", "26 8b 00", "8b c0", "a1 00 00 00 00", "0f 1f 00"];
  assertEquals(plain.map((hex) => needs(hex)), [false, false, false, false, false, false]);
  assertEquals(["2e 8b 00", "64 8b 00", "67 8b 00"].map((hex) => needs(hex)), [true, true, true]);
  assertEquals([needs("8b 00", false), needs("8b c0", false)], [true, false]);
});

Deno.test("addressOf says how the operand is accessed [FORM-3]", () => {
  const key = (hex: string) => addressKey(addressOf(decoded(hex)));
  const written = ["89 00", "87 00", "8f 00", "0f 94 00", "a2 00 00 00 00", "0f c7 08"];
  for (const hex of written) assert(addressOf(decoded(hex)).write, hex);
  const read = ["8b 00", "39 00", "84 00", "ff 30", "ff 20", "f7 20", "0f b6 00", "62 00"];
  for (const hex of read) assert(!addressOf(decoded(hex)).write, hex);
  assertEquals(key("66 39 45 00"), "address 2r a32 ss 0");
});

Deno.test("needsAddress wants LEA's offset for 16-bit addresses only [FORM-4]", () => {
  assertEquals([needs("8d 00", false), needs("64 8d 00"), needs("67 8d 00")], [false, false, true]);
  assertEquals(addressOf(decoded("67 8d 46 00")).stack, false);
});

Deno.test("formOf has general forms for implicit accesses [FORM-5]", () => {
  for (const hex of ["50", "58", "60", "c3", "e8 00 00 00 00", "eb 00", "74 00", "e3 00", "d7"]) {
    assertEquals([form(hex).flat, form(hex, false).flat], [true, false], hex);
  }
  assertEquals([form("01 00", false).flat, form("8d 00", false).flat], [true, true]);
  assertEquals([form("67 e2 00").addressSize, form("67 50").addressSize], [16, 32]);
});

Deno.test("formOf has forms of strings by prefix and override [FORM-6]", () => {
  assertEquals([form("f2 a4").repeat, form("f2 a6").repeat, form("f3 90").repeat], [0xf3, 0xf2, 0]);
  assertEquals(["36 a4", "26 a4", "2e a4", "65 a4"].map((hex) => form(hex).flat), [
    true,
    true,
    false,
    false,
  ]);
});

Deno.test("addressOf moves the operand of a bit test by its index [FORM-7]", () => {
  assertEquals(addressOf(decoded("0f ab 00")).bitString, 32);
  assertEquals(addressOf(decoded("66 0f a3 00")).bitString, 16);
  assertEquals(addressOf(decoded("0f ba 28 01")).bitString, 0);
});

Deno.test("allForms lists the key of every instruction [FORM-8]", () => {
  const { forms, addresses } = allForms(), random = new Random(5);
  for (const row of meaningfulRows) {
    for (let i = 0; i < 20; i++) {
      const bytes = Uint8Array.from([...encode(row, random), ...Array(16)]);
      const instruction = decode(bytes, 0, bytes.length, 0, random.oneIn(2))!;
      if (!instruction.row.meaning || instruction.immediate2) continue;
      for (const flat of [true, false]) {
        assert(forms.has(formKey(formOf(instruction, flat))), row.text);
        if (!needsAddress(instruction, flat)) continue;
        assert(addresses.has(addressKey(addressOf(instruction))), row.text);
      }
    }
  }
  for (const [key, { form }] of forms) assertEquals(formKey(form), key);
});

Deno.test("endsBlock and isBranch know the transfers [FORM-9]", () => {
  const ends = new Set(rows.filter(endsBlock).map(({ mnemonic }) => mnemonic));
  assertEquals([...ends].sort().join(" "), "call callf int int1 int3 iret jmp jmpf ret retf ud2");
  const branches = new Set(rows.filter(isBranch).map(({ mnemonic }) => mnemonic.slice(0, 4)));
  assertEquals(branches.has("call") && branches.has("loop") && branches.has("jcxz"), true);
  assertEquals(rows.filter(isBranch).length, 16 * 2 + 4 + 3);
});
