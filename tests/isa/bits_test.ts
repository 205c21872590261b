/** What the manual says of bits and conditions, on the concrete machine. Spec: specs/isa/bits.md. */
import { assertEquals } from "@std/assert";
import { effects } from "./effect.ts";

Deno.test("BT copies the bit to CF and keeps ZF [BITS-1]", () => {
  const table = {
    "0fa3c8 eax=4 ecx=2": "[C]",
    "0fa3c8 eax=4 ecx=22 fl=242": "[ZC]",
    "0fa3c8 eax=4 ecx=3 fl=203": "[]",
    "0fbae020 eax=1": "[C]",
  };
  assertEquals(effects(table), table);
});

Deno.test("BTS, BTR and BTC change the bit [BITS-2]", () => {
  const table = {
    "0fabc8 eax=0 ecx=1f": "eax=80000000 []",
    "0fb3c8 eax=ffffffff ecx=0": "eax=fffffffe [C]",
    "0fbbc8 eax=5 ecx=0": "eax=4 [C]",
    "0fbbc8 eax=4 ecx=0": "eax=5 []",
  };
  assertEquals(effects(table), table);
});

Deno.test("A register index reaches beyond a memory operand, downwards too [BITS-3]", () => {
  const table = {
    "0fa30d00052000 ecx=20 @200500=0000000001": "[C]",
    "0fab0d00052000 ecx=29 @200500=0000000000000000": "[] @200505=02",
    "0fab0d00052000 ecx=ffffffff @2004fc=00000000": "[] @2004ff=80",
    "660fab0d00052000 ecx=11 @200500=00000000": "[] @200502=02",
    "660fb30d00052000 ecx=ffff @2004fe=0080": "[C] @2004ff=00",
  };
  assertEquals(effects(table), table);
});

Deno.test("An immediate index does not [BITS-4]", () => {
  const table = {
    "0fba2d0005200028 @200500=0000000000": "[] @200501=01",
    "660fba2d0005200010 @200500=00000000": "[] @200500=01",
  };
  assertEquals(effects(table), table);
});

Deno.test("BSF and BSR find the lowest and the highest one [BITS-5]", () => {
  const table = {
    "0fbcc1 eax=55 ecx=48": "eax=3 []",
    "0fbdc1 eax=55 ecx=48": "eax=6 []",
    "660fbdc1 eax=12345555 ecx=10100": "eax=12340008 []",
  };
  assertEquals(effects(table), table);
});

Deno.test("BSF and BSR of zero set ZF and keep the destination [BITS-6]", () => {
  const table = {
    "0fbcc1 eax=55 ecx=0": "[Z]",
    "0fbdc1 eax=55 ecx=0": "[Z]",
  };
  assertEquals(effects(table), table);
});

Deno.test("BSWAP reverses four bytes [BITS-7]", () => {
  const table = {
    "0fc8 eax=12345678": "eax=78563412 []",
    "660fc8 eax=12345678": "eax=12340000 []", // as here: the low half becomes 0
  };
  assertEquals(effects(table), table);
});

Deno.test("SETcc writes 0 or 1 into a byte [BITS-8]", () => {
  const table = {
    "0f94c0 eax=ff fl=242": "eax=1 [Z]",
    "0f94c4 eax=ffff": "eax=ff []",
    "0f9cc0 eax=0 fl=282": "eax=1 [S]",
    "0f9cc0 eax=0 fl=a82": "[OS]",
    "0f97c0 eax=0": "eax=1 []",
    "0f97c0 eax=0 fl=203": "[C]",
  };
  assertEquals(effects(table), table);
});

Deno.test("CMOVcc moves or keeps [BITS-9]", () => {
  const table = {
    "0f44c1 eax=1 ecx=2 fl=242": "eax=2 [Z]",
    "0f44c1 eax=1 ecx=2": "[]",
    "660f45c1 eax=10001 ecx=20002": "eax=10002 []",
  };
  assertEquals(effects(table), table);
});
