/** What the manual says of moves and the stack, on the concrete machine. Spec: specs/isa/moves.md. */
import { assertEquals } from "@std/assert";
import { effects } from "./effect.ts";

Deno.test("MOV copies and sets no flag [MOVES-1]", () => {
  const table = {
    "89c8 ecx=7 fl=ad7": "eax=7 [OSZAPC]",
    "88e0 eax=1234": "eax=1212 []",
    "66b83412 eax=ffffffff": "eax=ffff1234 []",
    "a100052000 @200500=78563412": "eax=12345678 []",
    "c60500052000ff": "[] @200500=ff",
  };
  assertEquals(effects(table), table);
});

Deno.test("MOVZX and MOVSX widen [MOVES-2]", () => {
  const table = {
    "0fb6c4 eax=80ff": "eax=80 []",
    "0fbec4 eax=80ff": "eax=ffffff80 []",
    "660fbec0 eax=123400f0": "eax=1234fff0 []",
    "0fb7c1 ecx=ffff8001": "eax=8001 []",
    "0fbfc1 ecx=8001": "eax=ffff8001 []",
  };
  assertEquals(effects(table), table);
});

Deno.test("LEA computes and does not access [MOVES-3]", () => {
  const table = {
    "8d448a05 ecx=10 edx=100": "eax=145 []",
    "678d4080 ebx=10000 esi=81": "eax=1 []",
    "668d4105 eax=0 ecx=1ffff": "eax=4 []",
  };
  assertEquals(effects(table), table);
});

Deno.test("XCHG exchanges [MOVES-4]", () => {
  const table = {
    "91 eax=1 ecx=2": "eax=2 ecx=1 []",
    "86e0 eax=1234": "eax=3412 []",
    "860500052000 eax=11 @200500=22": "eax=22 [] @200500=11",
  };
  assertEquals(effects(table), table);
});

Deno.test("XADD leaves the sum, also of one register with itself [MOVES-5]", () => {
  const table = {
    "0fc1c8 eax=5 ecx=7": "eax=c ecx=5 [P]",
    "0fc1c0 eax=5": "eax=a [P]",
    "0fc00500052000 eax=1 @200500=ff": "eax=ff [ZAPC] @200500=00",
  };
  assertEquals(effects(table), table);
});

Deno.test("CMPXCHG compares with the accumulator [MOVES-6]", () => {
  const table = {
    "0fb1ca eax=5 edx=5 ecx=9": "edx=9 [ZP]",
    "0fb1ca eax=5 edx=6 ecx=9": "eax=6 [SAPC]",
    "0fb10d00052000 eax=6 ecx=9 @200500=05000000": "eax=5 []",
  };
  assertEquals(effects(table), table);
});

Deno.test("CMPXCHG8B compares EDX:EAX and sets ZF only [MOVES-7]", () => {
  const table = {
    "0fc70d00052000 eax=1 edx=2 ebx=7 ecx=8 fl=297 @200500=0100000002000000":
      "[SZAPC] @200500=07 @200504=08",
    "0fc70d00052000 eax=1 edx=3 ebx=7 ecx=8 fl=2d7 @200500=0100000002000000": "edx=2 [SAPC]",
  };
  assertEquals(effects(table), table);
});

Deno.test("PUSH stores below ESP, and pushes the old ESP [MOVES-8]", () => {
  const table = {
    "50 eax=12345678": "esp=200bfc [] @200bfc=78563412",
    "6650 eax=12345678": "esp=200bfe [] @200bfe=7856",
    "6aff": "esp=200bfc [] @200bfc=ffffffff",
    "54": "esp=200bfc [] @200bfc=000c2000",
    "ff3424 @200c00=11000000": "esp=200bfc [] @200bfc=11000000",
  };
  assertEquals(effects(table), table);
});

Deno.test("POP raises ESP before the destination's address is formed [MOVES-9]", () => {
  const table = {
    "58 @200c00=78563412": "eax=12345678 esp=200c04 []",
    "5c @200c00=78563412": "esp=12345678 []",
    "6658 eax=ffff0000 @200c00=3412": "eax=ffff1234 esp=200c02 []",
    "8f0424 @200c00=1100000022000000": "esp=200c04 [] @200c04=11",
    "8f442404 @200c00=110000002200000033000000": "esp=200c04 [] @200c08=11",
  };
  assertEquals(effects(table), table);
});

Deno.test("PUSHA pushes the old ESP, POPA skips it [MOVES-10]", () => {
  const table = {
    "60 eax=1 ecx=2 edx=3 ebx=4 ebp=5 esi=6 edi=7":
      "esp=200be0 [] @200be0=070000000600000005000000000c200004000000030000000200000001000000",
    "61 @200c00=0700000006000000050000000400000003000000020000000100000000000000":
      "eax=0 ecx=1 edx=2 ebx=3 esp=200c20 ebp=5 esi=6 edi=7 []",
  };
  assertEquals(effects(table), table);
});

Deno.test("ENTER and LEAVE make and drop a frame [MOVES-11]", () => {
  const table = {
    "c8100000": "esp=200bec ebp=200bfc [] @200bfc=000a2000",
    "c9 ebp=200b00 @200b00=44332211": "esp=200b04 ebp=11223344 []",
  };
  assertEquals(effects(table), table);
});

Deno.test("LAHF and SAHF move five flags, and keep OF [MOVES-12]", () => {
  const table = {
    "9f eax=0 fl=ad7": "eax=d700 [OSZAPC]",
    "9f eax=0": "eax=200 []",
    "9e eax=d500": "[SZAPC]",
    "9e eax=0 fl=ad7": "[O]",
  };
  assertEquals(effects(table), table);
});

Deno.test("CMC, CLC, STC, CLD and STD change one flag [MOVES-13]", () => {
  const table = {
    "f5 fl=203": "[]",
    "f5 fl=ad6": "[OSZAPC]",
    "f8 fl=ad7": "[OSZAP]",
    "f9": "[C]",
    "fd": "[D]",
    "fc fl=602": "[]",
  };
  assertEquals(effects(table), table);
});

Deno.test("XLAT loads the byte at EBX + AL [MOVES-14]", () => {
  const table = {
    "d7 eax=5 ebx=200500 @200505=99": "eax=99 []",
    "67d7 eax=ff ebx=127001 @7100=42": "eax=42 []",
  };
  assertEquals(effects(table), table);
});

Deno.test("NOP does nothing, also with an operand [MOVES-15]", () => {
  const table = {
    "90": "[]",
    "f390": "[]",
    "0f1f00 eax=0": "[]",
  };
  assertEquals(effects(table), table);
});
