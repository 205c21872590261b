/** Flags as words, and conditions. Spec: specs/isa/flags.md. */
import { assertEquals } from "@std/assert";
import { packFlags, unpackFlags } from "../../cpu/state.ts";
import {
  addCarries,
  condition,
  conditionOf,
  setCarryFlag,
  setCarryOverflow,
  setFlags,
  setLogicFlags,
  subBorrows,
} from "../../isa/flags.ts";
import type { Form, Meaning, Size } from "../../isa/machine.ts";
import { Random } from "../random.ts";
import { conditionsOf, replayGolden, run } from "./traces.ts";

const ZERO = 40, SIGN = 44, CARRY = 48;
const CF = 1, PF = 4, AF = 0x10, ZF = 0x40, SF = 0x80, OF = 0x800;
const ALL = Array.from(
  { length: 64 },
  (_, i) => [CF, PF, AF, ZF, SF, OF].reduce((sum, flag, n) => sum | (i >> n & 1) * flag, 0),
);

/** Registers with `eax`, `ecx` and the arithmetic flags. */
function view(eax = 0, ecx = 0, flags = 0): DataView {
  const view = new DataView(new ArrayBuffer(256));
  view.setUint32(0, eax, true);
  view.setUint32(4, ecx, true);
  unpackFlags(flags).forEach((word, i) => view.setInt32([ZERO, SIGN, CARRY][i], word, true));
  return view;
}

function flagsAfter(meaning: Meaning, registers: DataView): number {
  run(meaning, registers);
  const [zero, sign, carry] = [ZERO, SIGN, CARRY].map((at) => registers.getInt32(at, true));
  return packFlags(zero, sign, carry);
}

/** Carries out of each bit, one bit after the other. */
function ripple(a: number, b: number, carry: number, borrow: boolean): number {
  let out = 0;
  for (let bit = 0, c = carry; bit < 32; bit++) {
    const x = a >>> bit & 1, y = b >>> bit & 1;
    c = borrow ? Number(x - y - c < 0) : x + y + c >> 1;
    out |= c << bit;
  }
  return out >>> 0;
}

Deno.test("flags replays its golden trace [FLAGS-6]", async () => {
  const [replayed, golden] = await replayGolden("flags");
  assertEquals(replayed, golden);
});

Deno.test("addCarries gives the carry out of every bit [FLAGS-1]", () => {
  const random = new Random(1);
  for (let i = 0; i < 500; i++) {
    const a = random.u32(), b = random.u32(), carry = i & 1, registers = view(a, b);
    run((m) => {
      const x = m.register(0), y = m.register(4);
      m.setRegister(8, addCarries(m, x, y, m.add(m.add(x, y), m.const(carry))));
    }, registers);
    assertEquals(registers.getUint32(8, true), ripple(a, b, carry, false));
  }
});

Deno.test("subBorrows gives the borrow out of every bit [FLAGS-2]", () => {
  const random = new Random(2);
  for (let i = 0; i < 500; i++) {
    const a = random.u32(), b = random.u32(), borrow = i & 1, registers = view(a, b);
    run((m) => {
      const x = m.register(0), y = m.register(4);
      m.setRegister(8, subBorrows(m, x, y, m.sub(m.sub(x, y), m.const(borrow))));
    }, registers);
    assertEquals(registers.getUint32(8, true), ripple(a, b, borrow, true));
  }
});

Deno.test("setFlags takes each flag from the operand's size [FLAGS-3]", () => {
  const of = (size: Size, result: number, carries: number) =>
    flagsAfter((m) => setFlags(m, size, m.register(0), m.register(4)), view(result, carries));
  for (const size of [8, 16, 32] as const) {
    const top = 2 ** (size - 1);
    assertEquals(of(size, top, top), SF | CF | OF | (size === 8 ? 0 : PF));
    assertEquals(of(size, 3, 8 | top / 2), PF | AF | OF);
    assertEquals(of(size, 1, top + top / 2), CF);
    assertEquals(of(size, size === 32 ? 0 : 2 ** size, 0), ZF | PF);
  }
  const logic = flagsAfter((m) => setLogicFlags(m, 16, m.register(0)), view(0x8001, 0, 0x8d5));
  assertEquals(logic, SF);
});

Deno.test("setCarryFlag keeps the other five flags [FLAGS-4]", () => {
  for (const flags of ALL) {
    for (const carry of [0, 1]) {
      const after = flagsAfter((m) => setCarryFlag(m, m.const(carry)), view(0, 0, flags));
      assertEquals(after, flags & ~CF | carry);
    }
  }
});

Deno.test("setCarryOverflow keeps the other four flags [FLAGS-5]", () => {
  const tops: [number, number][] = [[0, 0], [0xffffffff, CF], [0x7fffffff, OF], [
    0x80000000,
    CF | OF,
  ]];
  for (const flags of ALL) {
    for (const [top, expected] of tops) {
      const after = flagsAfter((m) => setCarryOverflow(m, m.register(0)), view(top, 0, flags));
      assertEquals(after, flags & ~(CF | OF) | expected);
    }
  }
});

Deno.test("condition follows the manual's table for all flags [FLAGS-6]", () => {
  for (const flags of ALL) {
    const [o, b, z, s, p] = [OF, CF, ZF, SF, PF].map((flag) => (flags & flag) !== 0);
    const even = [o, b, z, b || z, s, p, s !== o, s !== o || z];
    const expected = even.flatMap((holds) => [holds, !holds]);
    const actual = conditionsOf(flags);
    assertEquals(expected.map((_, number) => (actual >> number & 1) === 1), expected);
  }
});

Deno.test("conditionOf reads the end of a form's name [FLAGS-7]", () => {
  const of = (name: string, prefix: string) => conditionOf({ name } as Form, prefix);
  assertEquals([of("jo", "j"), of("setnle", "set"), of("cmovz", "cmov")], [0, 15, 4]);
  const registers = view(0, 0, ZF);
  run((m) => m.setRegister(0, condition(m, of("cmovz", "cmov"))), registers);
  assertEquals(registers.getUint32(0, true), 1);
});
