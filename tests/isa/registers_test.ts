/** The numbers that all implementations share. Spec: specs/isa/registers.md. */
import { assert, assertEquals } from "@std/assert";
import * as registers from "../../isa/registers.ts";
import { replayGolden } from "./traces.ts";

Deno.test("registers replays its golden trace [REGISTERS-1]", async () => {
  const [replayed, golden] = await replayGolden("registers");
  assertEquals(replayed, golden);
});

Deno.test("General registers stand in the order of their encoding [REGISTERS-1]", () => {
  const { EAX, ECX, EDX, EBX, ESP, EBP, ESI, EDI, AL, AH, CL } = registers;
  assertEquals([EAX, ECX, EDX, EBX, ESP, EBP, ESI, EDI], [0, 4, 8, 12, 16, 20, 24, 28]);
  assertEquals([AL, AH, CL], [EAX, EAX + 1, ECX]);
});

Deno.test("Every word has one register and an offset below 256 [REGISTERS-2]", () => {
  const { ZERO, ADDRESS, FLAG_ZERO, FLAG_SIGN, FLAG_CARRY, EFLAGS, EIP } = registers;
  const single = [0, 4, 8, 12, 16, 20, 24, 28];
  const words = [...single, ZERO, ADDRESS, FLAG_ZERO, FLAG_SIGN, FLAG_CARRY, EFLAGS, EIP];
  for (const field of fields()) for (let i = 0; i < 6; i++) words.push(field + 4 * i);
  assertEquals(new Set(words).size, words.length);
  assert(words.every((word) => word % 4 === 0 && word < 256));
});

/** First words of the segments' fields. */
function fields(): number[] {
  const { SEGMENT_BASE, SEGMENT_FIRST, SEGMENT_SPAN, SEGMENT_RIGHTS } = registers;
  const { SEGMENT_SELECTOR, SEGMENT_ATTRIBUTES, SEGMENT_LIMIT } = registers;
  const access = [SEGMENT_BASE, SEGMENT_FIRST, SEGMENT_SPAN, SEGMENT_RIGHTS];
  return [...access, SEGMENT_SELECTOR, SEGMENT_ATTRIBUTES, SEGMENT_LIMIT];
}

Deno.test("Segments are numbered in the order of their encoding [REGISTERS-3]", () => {
  const { ES, CS, SS, DS, FS, GS } = registers;
  assertEquals([ES, CS, SS, DS, FS, GS], [0, 1, 2, 3, 4, 5]);
  assertEquals(fields().sort((a, b) => a - b), [64, 88, 112, 136, 160, 184, 208]);
});

Deno.test("Flags and vectors have the manual's numbers [REGISTERS-4]", () => {
  const { CF, PF, AF, ZF, SF, TF, IF, DF, OF, IOPL, NT, RF, VM, AC, ID } = registers;
  const bits = [0, 2, 4, 6, 7, 8, 9, 10, 11].map((bit) => 1 << bit);
  assertEquals([CF, PF, AF, ZF, SF, TF, IF, DF, OF], bits);
  assertEquals([IOPL, NT, RF, VM, AC, ID], [3 << 12, 1 << 14, 1 << 16, 1 << 17, 1 << 18, 1 << 21]);
  assertEquals(registers.ARITHMETIC_FLAGS, 0x8d5);
  const { DE, DB, BP, OVERFLOW, BR, UD, NM, DOUBLE_FAULT, TS, NP, SS_FAULT, GP } = registers;
  assertEquals([DE, DB, BP, OVERFLOW, BR, UD, NM, DOUBLE_FAULT], [0, 1, 3, 4, 5, 6, 7, 8]);
  assertEquals([TS, NP, SS_FAULT, GP], [10, 11, 12, 13]);
  assertEquals([registers.PAGE_FAULT, registers.AC_FAULT], [14, 17]);
});
