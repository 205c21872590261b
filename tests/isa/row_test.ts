/** Reading rows. Spec: specs/isa/row.md. */
import { assertEquals, assertStrictEquals } from "@std/assert";
import { row } from "../../isa/row.ts";
import { add } from "../../isa/arithmetic.ts";
import { replayGolden } from "./traces.ts";

Deno.test("row replays its golden trace [ROW-1]", async () => {
  const [replayed, golden] = await replayGolden("row");
  assertEquals(replayed, golden);
});

Deno.test("row reads the opcode and the register in it [ROW-1]", () => {
  const { opcode, plus } = row("0f c8+ bswap rv");
  assertEquals([opcode, plus], [[0x0f, 0xc8], true]);
  assertEquals(row("0f 0b ud2").plus, false);
});

Deno.test("row reads the ModRM digit [ROW-2]", () => {
  const digits = ["c3 ret", "01 /r add rmv rv", "83 /0 add rmv imm8s", "0f ba /7 btc rmv imm8"];
  assertEquals(digits.map((text) => row(text).digit), [-1, -1, 0, 7]);
  assertEquals(digits.map((text) => row(text).modrm), [false, true, true, true]);
});

Deno.test("row reads mnemonic, width and operands [ROW-3]", () => {
  const { mnemonic, operands, byte } = row("69 /r imul rv rmv immv");
  assertEquals([mnemonic, operands, byte], ["imul", ["rv", "rmv", "immv"], false]);
  assertEquals([row("a4 movs/b").mnemonic, row("a4 movs/b").byte], ["movs", true]);
});

Deno.test("row knows where LOCK is allowed [ROW-4]", () => {
  const allowed = ["add", "xchg", "cmpxchg8b", "not", "bts", "mov", "cmp", "bt", "mul"];
  assertEquals(allowed.map((name) => row(`00 /r ${name} rm8 r8`).lockable), [
    true,
    true,
    true,
    true,
    true,
    false,
    false,
    false,
    false,
  ]);
});

Deno.test("row keeps its text and its meaning [ROW-5]", () => {
  const it = row("01 /r add rmv rv", add);
  assertEquals(it.text, "01 /r add rmv rv");
  assertStrictEquals(it.meaning, add);
  assertEquals(row("f4 hlt").meaning, undefined);
});
