/** What the manual says of arithmetic, on the concrete machine. Spec: specs/isa/arithmetic.md. */
import { assertEquals } from "@std/assert";
import { effects } from "./effect.ts";

Deno.test("ADD sets all six flags by the sum [ARITHMETIC-1]", () => {
  const table = {
    "01c8 eax=1 ecx=2": "eax=3 [P]", // 2 ones: PF
    "00c8 eax=ff ecx=1": "eax=0 [ZAPC]",
    "6601c8 eax=7fff ecx=1": "eax=8000 [OSAP]",
    "01c8 eax=7fffffff ecx=1": "eax=80000000 [OSAP]",
    "01c8 eax=ffffffff ecx=1": "eax=0 [ZAPC]",
  };
  assertEquals(effects(table), table);
});

Deno.test("ADC adds CF, which may carry by itself [ARITHMETIC-2]", () => {
  const table = {
    "11c8 eax=ffffffff ecx=0 fl=203": "eax=0 [ZAPC]",
    "10c8 eax=7f ecx=0 fl=203": "eax=80 [OSA]",
    "11c8 eax=1 ecx=ffffffff fl=203": "[AC]", // 1 - 1 + 1
  };
  assertEquals(effects(table), table);
});

Deno.test("SUB and CMP set all six flags by the difference [ARITHMETIC-3]", () => {
  const table = {
    "29c8 eax=1 ecx=2": "eax=ffffffff [SAPC]",
    "28c8 eax=80 ecx=1": "eax=7f [OA]",
    "29c8 eax=5 ecx=5": "eax=0 [ZP]",
    "39c8 eax=1 ecx=2": "[SAPC]",
    "3c05 eax=5": "[ZP]",
  };
  assertEquals(effects(table), table);
});

Deno.test("SBB subtracts CF, which may borrow by itself [ARITHMETIC-4]", () => {
  const table = {
    "19c8 eax=0 ecx=0 fl=203": "eax=ffffffff [SAPC]",
    "19c8 eax=5 ecx=ffffffff fl=203": "[APC]",
    "18c8 eax=0 ecx=ff fl=203": "[ZAPC]",
  };
  assertEquals(effects(table), table);
});

Deno.test("AND, OR, XOR and TEST clear CF and OF [ARITHMETIC-5]", () => {
  const table = {
    "21c8 eax=f0 ecx=3c fl=ad7": "eax=30 [P]",
    "09c8 eax=f0 ecx=3c fl=ad7": "eax=fc [P]",
    "31c0 eax=5 fl=ad7": "eax=0 [ZP]",
    "85c0 eax=80000000 fl=ad7": "[SP]",
  };
  assertEquals(effects(table), table);
});

Deno.test("INC and DEC keep CF [ARITHMETIC-6]", () => {
  const table = {
    "40 eax=7fffffff fl=203": "eax=80000000 [OSAPC]",
    "40 eax=ffffffff fl=202": "eax=0 [ZAP]",
    "48 eax=0 fl=203": "eax=ffffffff [SAPC]",
    "48 eax=0 fl=202": "eax=ffffffff [SAP]",
    "fec8 eax=80": "eax=7f [OA]",
  };
  assertEquals(effects(table), table);
});

Deno.test("NEG subtracts from 0, NOT sets no flag [ARITHMETIC-7]", () => {
  const table = {
    "f7d8 eax=1": "eax=ffffffff [SAPC]",
    "f7d8 eax=0 fl=203": "[ZP]",
    "f6d8 eax=80": "[OSC]",
    "f7d0 eax=ff00ff fl=ad7": "eax=ff00ff00 [OSZAPC]",
  };
  assertEquals(effects(table), table);
});

Deno.test("MUL and IMUL set CF and OF where the high half says more [ARITHMETIC-8]", () => {
  const table = {
    "f7e1 eax=10000 ecx=10000": "eax=0 edx=1 [OZPC]",
    "f7e1 eax=5 ecx=7": "eax=23 edx=0 []",
    "66f7e1 eax=ffff ecx=ffff edx=0": "eax=1 edx=fffe [OC]",
    "f6e1 eax=10 ecx=10": "eax=100 [OZPC]",
    "f7e9 eax=ffffffff ecx=ffffffff": "eax=1 edx=0 []",
    "f7e9 eax=80000000 ecx=2": "eax=0 edx=ffffffff [OZPC]",
    "f6e9 eax=ff ecx=80": "eax=80 [OSC]",
  };
  assertEquals(effects(table), table);
});

Deno.test("IMUL with two and three operands keeps the low half [ARITHMETIC-9]", () => {
  const table = {
    "0fafc1 eax=ffffffff ecx=5": "eax=fffffffb [S]",
    "0fafc1 eax=40000000 ecx=2": "eax=80000000 [OSPC]",
    "6bc1fe ecx=3": "eax=fffffffa [SP]",
    "660fafc1 eax=100 ecx=100": "eax=0 [OZPC]",
  };
  assertEquals(effects(table), table);
});

Deno.test("DIV gives quotient and remainder, or #DE where the quotient does not fit [ARITHMETIC-10]", () => {
  const table = {
    "f7f1 eax=7 edx=1 ecx=2": "eax=80000003 []",
    "f7f1 eax=7 edx=2 ecx=2": "fault=0 []",
    "f6f1 eax=101 ecx=1": "fault=0 []",
    "f6f1 eax=ff ecx=10": "eax=f0f []",
    "66f7f1 eax=5 edx=1 ecx=2": "eax=8002 []",
    "f7f1 eax=7 edx=0 ecx=0": "fault=0 []",
  };
  assertEquals(effects(table), table);
});

Deno.test("IDIV rounds towards 0, the remainder has the dividend's sign [ARITHMETIC-11]", () => {
  const table = {
    "f7f9 eax=fffffff9 edx=ffffffff ecx=2": "eax=fffffffd []",
    "f6f9 eax=fff9 ecx=fe": "eax=ff03 []",
    "f7f9 eax=80000000 edx=ffffffff ecx=ffffffff": "fault=0 []",
    "f6f9 eax=ff80 ecx=ff": "fault=0 []",
    "66f7f9 eax=0 edx=8000 ecx=ffff": "fault=0 []",
  };
  assertEquals(effects(table), table);
});

Deno.test("CBW, CWDE, CWD and CDQ extend the sign [ARITHMETIC-12]", () => {
  const table = {
    "98 eax=8000": "eax=ffff8000 []",
    "98 eax=7fff": "[]",
    "6698 eax=12340080": "eax=1234ff80 []",
    "99 eax=80000000 edx=5": "edx=ffffffff []",
    "99 eax=7fffffff edx=5": "edx=0 []",
    "6699 eax=8000 edx=12345678": "edx=1234ffff []",
  };
  assertEquals(effects(table), table);
});

Deno.test("Arithmetic on memory reads and writes the operand [ARITHMETIC-13]", () => {
  const table = {
    "0104cd00052000 eax=5 ecx=0 @200500=06000000": "[] @200500=0b",
    "80350005200080 @200500=81": "[] @200500=01",
    "f71d00052000 @200500=01000000": "[SAPC] @200500=ffffffff",
  };
  assertEquals(effects(table), table);
});
