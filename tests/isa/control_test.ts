/** What the manual says of near jumps, on the concrete machine. Spec: specs/isa/control.md. */
import { assertEquals } from "@std/assert";
import { jcc, jmp, loop } from "../../isa/control.ts";
import type { Meaning } from "../../isa/machine.ts";
import { effects } from "./effect.ts";
import { run } from "./traces.ts";

const FLAG_ZERO = 40;

Deno.test("JMP goes to the next EIP plus the displacement, or to a value [ISA-CONTROL-1]", () => {
  const table = {
    "eb10": "eip=100412 []",
    "ebfe": "eip=100400 []",
    "e910000000": "eip=100415 []",
    "ffe0 eax=200500": "eip=200500 []",
    "ff2500052000 @200500=00001000": "eip=100000 []",
  };
  assertEquals(effects(table), table);
});

Deno.test("A 16-bit operand size cuts the target to 16 bits [ISA-CONTROL-2]", () => {
  const table = {
    "66eb10": "eip=413 []",
    "66e81000": "esp=200bfe eip=414 [] @200bfe=0404",
    "66c3 @200c00=3412": "esp=200c02 eip=1234 []",
  };
  assertEquals(effects(table), table);
});

Deno.test("Jcc jumps where its condition holds [ISA-CONTROL-3]", () => {
  const table = {
    "7410 fl=242": "eip=100412 [Z]",
    "7510 fl=242": "[Z]",
    "0f8c00010000 fl=282": "eip=100506 [S]",
    "0f8c00010000 fl=a82": "[OS]",
  };
  assertEquals(effects(table), table);
});

Deno.test("CALL pushes the next EIP [ISA-CONTROL-4]", () => {
  const table = {
    "e810000000": "esp=200bfc eip=100415 [] @200bfc=05041000",
    "ffd0 eax=1234": "esp=200bfc eip=1234 [] @200bfc=02041000",
    "ff1500052000 @200500=00001000": "esp=200bfc eip=100000 [] @200bfc=06041000",
  };
  assertEquals(effects(table), table);
});

Deno.test("RET pops EIP and drops its immediate's bytes [ISA-CONTROL-5]", () => {
  const table = {
    "c3 @200c00=00001000": "esp=200c04 eip=100000 []",
    "c20800 @200c00=00001000": "esp=200c0c eip=100000 []",
  };
  assertEquals(effects(table), table);
});

Deno.test("LOOP counts down and jumps until zero [ISA-CONTROL-6]", () => {
  const table = {
    "e210 ecx=1 fl=ad7": "ecx=0 [OSZAPC]",
    "e210 ecx=2": "ecx=1 eip=100412 []",
    "e210 ecx=0": "ecx=ffffffff eip=100412 []",
    "67e210 ecx=10001": "ecx=10000 []",
  };
  assertEquals(effects(table), table);
});

Deno.test("LOOPE and LOOPNE ask ZF too, and change no flag [ISA-CONTROL-7]", () => {
  const table = {
    "e110 ecx=2 fl=242": "ecx=1 eip=100412 [Z]",
    "e110 ecx=2": "ecx=1 []",
    "e010 ecx=2 fl=242": "ecx=1 [Z]",
    "e010 ecx=2": "ecx=1 eip=100412 []",
  };
  assertEquals(effects(table), table);
});

Deno.test("JECXZ and JCXZ jump for a count of zero [ISA-CONTROL-8]", () => {
  const table = {
    "e310 ecx=0": "eip=100412 []",
    "e310 ecx=1": "[]",
    "67e310 ecx=10000": "eip=100413 []",
  };
  assertEquals(effects(table), table);
});

Deno.test("BOUND faults outside its signed bounds [ISA-CONTROL-9]", () => {
  const table = {
    "620500052000 eax=5 @200500=0000000005000000": "[]",
    "620500052000 eax=6 @200500=0000000005000000": "fault=5 []",
    "620500052000 eax=ffffffff @200500=0000000005000000": "fault=5 []",
    "66620500052000 eax=ffff @200500=feff0500": "[]",
  };
  assertEquals(effects(table), table);
});

const CS_LIMIT = 208 + 4;

/** How a jump to 2000h ends in a code segment with this limit. */
function jump(meaning: Meaning, limit: number, name = "jz", flagZero = 0): string {
  const view = new DataView(new ArrayBuffer(256));
  view.setUint32(CS_LIMIT, limit, true);
  view.setUint32(FLAG_ZERO, flagZero, true);
  view.setUint32(4, 2, true); // ECX
  const result = run(meaning, view, { name }, { target: 0x2000 });
  return `${result} ${view.getUint32(4, true)}`;
}

Deno.test("Jumps fault outside CS's limit, taken conditional ones too [ISA-CONTROL-10]", () => {
  assertEquals([jump(jmp, 0x1fff), jump(jmp, 0x2000)], ["fault 13 0 2", "ok 2"]);
  assertEquals([jump(jcc, 0x1fff), jump(jcc, 0x1fff, "jz", 1)], ["fault 13 0 2", "ok 2"]);
  assertEquals([jump(loop, 0x1fff, "loop"), jump(loop, 0x2000, "loop")], ["fault 13 0 2", "ok 1"]);
});
