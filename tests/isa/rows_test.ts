/** The opcode map as a whole. Spec: specs/isa/rows.md. */
import { assert, assertEquals } from "@std/assert";
import { decode } from "../../cpu/decode.ts";
import { systemInstructions } from "../../cpu/system.ts";
import { rows } from "../../isa/rows.ts";
import { encode } from "../cpu/lockstep.ts";
import { Random } from "../random.ts";
import { replayGolden } from "./traces.ts";

Deno.test("rows replays its golden trace [ROWS-1]", async () => {
  const [replayed, golden] = await replayGolden("rows");
  assertEquals(replayed, golden);
});

Deno.test("Every row is decoded from one of its encodings [ROWS-1]", () => {
  const random = new Random(3);
  for (const row of rows) {
    const isFound = Array.from({ length: 40 }, () => {
      const bytes = Uint8Array.from([...encode(row, random), ...Array(16)]);
      return decode(bytes, 0, bytes.length, 0, true)!.row === row;
    });
    assert(isFound.includes(true), row.text);
  }
});

Deno.test("Every row has a meaning or is a system instruction [ROWS-2]", () => {
  for (const { text, mnemonic, meaning } of rows) {
    assert(meaning !== undefined || mnemonic in systemInstructions, text);
  }
  assert(rows.filter(({ meaning }) => meaning).length > 300);
});

Deno.test("The first of two rows is decoded [ROWS-3]", () => {
  const decoded = (...bytes: number[]) =>
    decode(Uint8Array.from([...bytes, ...Array(16)]), 0, 16, 0, true)!.row.text;
  assertEquals([decoded(0x90), decoded(0x66, 0x90)], ["90 nop", "90 nop"]);
  assertEquals([decoded(0x91), decoded(0x97)], ["90+ xchg rv eaxv", "90+ xchg rv eaxv"]);
});

Deno.test("Every condition has two jumps, a SETcc and a CMOVcc [ROWS-4]", () => {
  const conditions = "o no b nb z nz be nbe s ns p np l nl le nle".split(" ");
  conditions.forEach((name, number) => {
    const opcodes = rows.filter(({ mnemonic }) =>
      [`j${name}`, `set${name}`, `cmov${name}`].includes(mnemonic)
    ).map(({ opcode }) => opcode.at(-1)! - number);
    assertEquals(opcodes.sort((a, b) => a - b), [0x40, 0x70, 0x80, 0x90], name);
  });
});

const hex = (byte: number) => byte.toString(16).padStart(2, "0");

/** Opcodes of one or two bytes for which no row exists, whatever follows. */
function missing(isTwo: boolean): string[] {
  const found = new Set<number>();
  for (const { opcode, plus } of rows) {
    if ((opcode.length === 2) !== isTwo) continue;
    for (let i = 0; i < (plus ? 8 : 1); i++) found.add(opcode.at(-1)! + i);
  }
  return Array.from({ length: 256 }, (_, byte) => byte).filter((byte) => !found.has(byte)).map(hex);
}

Deno.test("Every one-byte opcode is a row, a prefix, the escape, or D6h [ROWS-5]", () => {
  assertEquals(missing(false).join(" "), "0f 26 2e 36 3e 64 65 66 67 d6 f0 f2 f3");
});

Deno.test("The two-byte opcodes are those of the i686's integer unit [ROWS-5]", () => {
  const present = new Set(Array.from({ length: 256 }, (_, byte) => hex(byte)));
  for (const opcode of missing(true)) present.delete(opcode);
  const expected = "00 01 02 03 06 08 09 0b 18 19 1a 1b 1c 1d 1e 1f 20 21 22 23 30 31 32 33 " +
    "40 41 42 43 44 45 46 47 48 49 4a 4b 4c 4d 4e 4f " +
    "80 81 82 83 84 85 86 87 88 89 8a 8b 8c 8d 8e 8f " +
    "90 91 92 93 94 95 96 97 98 99 9a 9b 9c 9d 9e 9f " +
    "a0 a1 a2 a3 a4 a5 a8 a9 ab ac ad af b0 b1 b2 b3 b4 b5 b6 b7 ba bb bc bd be bf " +
    "c0 c1 c7 c8 c9 ca cb cc cd ce cf";
  assertEquals([...present].join(" "), expected);
});
