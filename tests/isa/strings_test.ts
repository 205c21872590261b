/** What the manual says of string instructions, on the concrete machine. Spec: specs/isa/strings.md. */
import { assertEquals } from "@std/assert";
import { ECX, EDI, ESI, Program } from "../cpu/program.ts";
import { effects } from "./effect.ts";

Deno.test("MOVS copies and advances by the size, down with DF [STRINGS-1]", () => {
  const table = {
    "a4 esi=200500 edi=200600 @200500=11 @200600=00": "esi=200501 edi=200601 [] @200600=11",
    "a4 esi=200500 edi=200600 fl=602 @200500=11 @200600=00": "esi=2004ff edi=2005ff [D] @200600=11",
    "66a5 esi=200500 edi=200600 @200500=1122 @200600=0000": "esi=200502 edi=200602 [] @200600=1122",
    "a5 esi=200500 edi=200600 @200500=11223344 @200600=00000000":
      "esi=200504 edi=200604 [] @200600=11223344",
  };
  assertEquals(effects(table), table);
});

Deno.test("CMPS and SCAS compare source with destination [STRINGS-2]", () => {
  const table = {
    "a6 esi=200500 edi=200600 @200500=01 @200600=02": "esi=200501 edi=200601 [SAPC]",
    "af eax=5 edi=200600 @200600=05000000": "edi=200604 [ZP]",
    "66af eax=5 edi=200600 fl=602 @200600=0400": "edi=2005fe [D]",
  };
  assertEquals(effects(table), table);
});

Deno.test("LODS and STOS move through the accumulator [STRINGS-3]", () => {
  const table = {
    "ad eax=0 esi=200500 @200500=11223344": "eax=44332211 esi=200504 []",
    "ac eax=ffffffff esi=200500 @200500=11": "eax=ffffff11 esi=200501 []",
    "ab eax=11223344 edi=200600 @200600=00000000": "edi=200604 [] @200600=44332211",
  };
  assertEquals(effects(table), table);
});

Deno.test("REP repeats until the count is zero, and does nothing for zero [STRINGS-4]", () => {
  const table = {
    "f3aa eax=aa ecx=3 edi=200600 @200600=00000000": "ecx=0 edi=200603 [] @200600=aaaaaa",
    "f3aa eax=aa ecx=0 edi=200600": "[]",
    "f2aa eax=aa ecx=2 edi=200600 @200600=00000000": "ecx=0 edi=200602 [] @200600=aaaa",
  };
  assertEquals(effects(table), table);
});

Deno.test("REPE and REPNE end at a difference or an equality [STRINGS-5]", () => {
  const table = {
    "f3a6 ecx=5 esi=200500 edi=200600 @200500=0102030405 @200600=0102090405":
      "ecx=2 esi=200503 edi=200603 [SAPC]",
    "f2ae eax=3 ecx=5 edi=200600 @200600=0102030405": "ecx=2 edi=200603 [ZP]",
    "f3ae eax=3 ecx=2 edi=200600 @200600=0303030303": "ecx=0 edi=200602 [ZP]",
  };
  assertEquals(effects(table), table);
});

Deno.test("16-bit addresses use SI, DI and CX [STRINGS-6]", () => {
  const table = {
    "67f3aa eax=aa ecx=10002 edi=127100 @7100=0000": "ecx=10000 edi=127102 [] @7100=aaaa",
    "67a4 esi=127100 edi=7fff7200 @7100=11 @7200=00": "esi=127101 edi=7fff7201 [] @7200=11",
  };
  assertEquals(effects(table), table);
});

Deno.test("Overlapping copies go element by element [STRINGS-7]", () => {
  const table = {
    "f3a4 ecx=3 esi=200500 edi=200501 @200500=aabbccdd":
      "ecx=0 esi=200503 edi=200504 [] @200501=aaaaaa",
  };
  assertEquals(effects(table), table);
});

Deno.test("An iteration that faults has changed nothing, the ones before are complete [STRINGS-8]", () => {
  const program = new Program().code("f3 a4 f4"); // rep movsb
  program.page(0x31);
  program.cpu.state.setRegister(ECX, 10);
  program.cpu.state.setRegister(ESI, 0x10000);
  program.cpu.state.setRegister(EDI, 0x30ffd); // 31000 is not mapped
  assertEquals(program.run(3), "limit");
  assertEquals([ECX, ESI, EDI].map((i) => program.register(i)), [7, 0x10003, 0x31000]);
  program.run(1); // the first instruction of the handler
  assertEquals([ECX, ESI, EDI].map((i) => program.register(i)), [7, 0x10003, 0x31000]);
  assertEquals([program.cpu.state.get(304), program.cpu.retired], [0x31000, 4]);
});
