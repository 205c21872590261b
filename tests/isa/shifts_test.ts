/** What the manual says of shifts and rotates, on the concrete machine. Spec: specs/isa/shifts.md. */
import { assertEquals } from "@std/assert";
import { effects } from "./effect.ts";

Deno.test("Shift counts are taken modulo 32 [SHIFTS-1]", () => {
  const table = {
    "d3e0 eax=1 ecx=21": "eax=2 []",
    "c1e000 eax=5 fl=ad7": "[OSZAPC]",
    "d3f8 eax=80000000 ecx=ff": "eax=ffffffff [SP]", // by 31
  };
  assertEquals(effects(table), table);
});

Deno.test("A count of zero changes nothing [SHIFTS-2]", () => {
  const table = {
    "d3e0 eax=12345678 ecx=20 fl=ad7": "[OSZAPC]",
    "d3c0 eax=12345678 ecx=20 fl=ad7": "[OSZAPC]",
    "d3d8 eax=12345678 ecx=0 fl=ad7": "[OSZAPC]",
    "0fa4c820 eax=5 ecx=6 fl=ad7": "[OSZAPC]",
  };
  assertEquals(effects(table), table);
});

Deno.test("SHL moves the last bit out into CF; OF tells a changed sign [SHIFTS-3]", () => {
  const table = {
    "d1e0 eax=80000001": "eax=2 [OC]",
    "d1e0 eax=40000000": "eax=80000000 [OSP]",
    "c1e008 eax=1": "eax=100 [P]",
    "c0e009 eax=ff": "eax=0 [ZP]",
    "d0e0 eax=81": "eax=2 [OC]",
  };
  assertEquals(effects(table), table);
});

Deno.test("SHR clears the top; OF is the old sign [SHIFTS-4]", () => {
  const table = {
    "d1e8 eax=80000001": "eax=40000000 [OPC]",
    "c1e804 eax=18": "eax=1 [C]",
    "d0e8 eax=1": "eax=0 [ZPC]",
  };
  assertEquals(effects(table), table);
});

Deno.test("SAR repeats the sign; OF is 0 for a count of 1 [SHIFTS-5]", () => {
  const table = {
    "d1f8 eax=80000001": "eax=c0000000 [SPC]",
    "c0f810 eax=81": "eax=ff [SPC]",
    "66c1f804 eax=8008": "eax=f800 [SPC]",
  };
  assertEquals(effects(table), table);
});

Deno.test("Shifts set SF, ZF and PF by the result [SHIFTS-6]", () => {
  const table = {
    "d1e0 eax=1 fl=ad7": "eax=2 []",
    "d1e8 eax=1 fl=202": "eax=0 [ZPC]",
    "c1e01f eax=1": "eax=80000000 [OSP]",
  };
  assertEquals(effects(table), table);
});

Deno.test("ROL and ROR set CF and OF only [SHIFTS-7]", () => {
  const table = {
    "d1c0 eax=80000000": "eax=1 [OC]",
    "c0c004 eax=12": "eax=21 [OC]",
    "d1c8 eax=1": "eax=80000000 [OC]",
    "66c1c804 eax=1234": "eax=4123 [O]",
    "d1c0 eax=1 fl=2d6": "eax=2 [SZAP]",
  };
  assertEquals(effects(table), table);
});

Deno.test("Rotates by a multiple of the size set CF all the same [SHIFTS-8]", () => {
  const table = {
    "c0c008 eax=12": "[]",
    "c0c008 eax=11": "[OC]",
    "66c1c810 eax=8000": "[OC]",
  };
  assertEquals(effects(table), table);
});

Deno.test("RCL and RCR rotate through CF, by the size plus 1 at most [SHIFTS-9]", () => {
  const table = {
    "d1d0 eax=80000000 fl=203": "eax=1 [OC]",
    "d0d0 eax=80": "eax=0 [OC]",
    "c0d009 eax=12 fl=203": "[OC]",
    "d1d8 eax=1": "eax=0 [C]",
    "d1d8 eax=2 fl=203": "eax=80000001 [O]",
    "66c1d811 eax=1234 fl=203": "[C]",
  };
  assertEquals(effects(table), table);
});

Deno.test("SHLD and SHRD shift in from the second register [SHIFTS-10]", () => {
  const table = {
    "0fa4c808 eax=12345678 ecx=abcdef01": "eax=345678ab []",
    "0facc808 eax=12345678 ecx=abcdef01": "eax=1123456 [P]",
    "0fa5c8 eax=80000000 ecx=1": "eax=0 [OZPC]",
    "660fa4c804 eax=1234 ecx=abcd": "eax=234a [OC]",
  };
  assertEquals(effects(table), table);
});

Deno.test("Shifts of memory [SHIFTS-11]", () => {
  const table = {
    "c12d0005200004 @200500=80000000": "[] @200500=08",
    "d20500052000 ecx=1 @200500=81": "[OC] @200500=03",
  };
  assertEquals(effects(table), table);
});
