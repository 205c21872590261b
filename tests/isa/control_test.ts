/** What the manual says of near jumps, on the concrete machine. Spec: specs/isa/control.md. */
import { assertEquals } from "@std/assert";
import { effects } from "./effect.ts";

Deno.test("JMP goes to the next EIP plus the displacement, or to a value [CONTROL-FLOW-1]", () => {
  const table = {
    "eb10": "eip=100412 []",
    "ebfe": "eip=100400 []",
    "e910000000": "eip=100415 []",
    "ffe0 eax=200500": "eip=200500 []",
    "ff2500052000 @200500=00001000": "eip=100000 []",
  };
  assertEquals(effects(table), table);
});
