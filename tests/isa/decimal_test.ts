/** What the manual says of decimal adjustment, on the concrete machine. Spec: specs/isa/decimal.md. */
import { assertEquals } from "@std/assert";
import { effects } from "./effect.ts";

Deno.test("DAA adjusts both digits [DECIMAL-1]", () => {
  const table = {
    "27 eax=9a": "eax=0 [ZAPC]",
    "27 eax=3c": "eax=42 [AP]",
    "27 eax=99 fl=203": "eax=f9 [SPC]",
    "27 eax=12 fl=212": "eax=18 [AP]",
  };
  assertEquals(effects(table), table);
});

Deno.test("DAS adjusts both digits, borrowing [DECIMAL-2]", () => {
  const table = {
    "2f eax=f": "eax=9 [AP]",
    "2f eax=9a": "eax=34 [AC]",
    "2f eax=5 fl=212": "eax=ff [SAPC]",
    "2f eax=0 fl=203": "eax=a0 [SPC]",
  };
  assertEquals(effects(table), table);
});

Deno.test("AAA and AAS adjust AX by 106h [DECIMAL-3]", () => {
  const table = {
    "37 eax=f": "eax=105 [APC]",
    "37 eax=106": "[P]",
    "37 eax=5 fl=212": "eax=10b [AC]",
    "37 eax=fa": "eax=200 [ZAPC]",
    "3f eax=20f": "eax=109 [APC]",
    "3f eax=200 fl=212": "eax=a [APC]",
  };
  assertEquals(effects(table), table);
});

Deno.test("AAM divides by its immediate, #DE for zero [DECIMAL-4]", () => {
  const table = {
    "d40a eax=3f": "eax=603 [P]",
    "d410 eax=3f": "eax=30f [P]",
    "d400 eax=3f": "fault=0 []",
  };
  assertEquals(effects(table), table);
});

Deno.test("AAD multiplies by its immediate and clears AH [DECIMAL-5]", () => {
  const table = {
    "d50a eax=603": "eax=3f [P]",
    "d510 eax=ff10": "eax=0 [ZP]",
  };
  assertEquals(effects(table), table);
});
