import { assertEquals } from "@std/assert";
import { byteDifference, keysOf, listDifference } from "../../cli/witness.ts";

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);

Deno.test("byteDifference finds the first byte that differs, or is missing", () => {
  assertEquals(byteDifference(bytes(1, 2), bytes(1, 2)), undefined);
  assertEquals(byteDifference(bytes(1, 2), bytes(1, 3)), "at byte 1 QEMU has 0x02, we have 0x03");
  assertEquals(byteDifference(bytes(1, 2), bytes(1)), "at byte 1 QEMU has 0x02, we have nothing");
  assertEquals(byteDifference(bytes(), bytes(7)), "at byte 0 QEMU has nothing, we have 0x07");
});

Deno.test("listDifference finds the first value that differs, or is missing", () => {
  assertEquals(listDifference([{ a: 1 }], [{ a: 1 }]), undefined);
  assertEquals(listDifference([1, 2], [1, 3]), "at 1 QEMU has 2, we have 3");
  assertEquals(listDifference([1], []), "at 0 QEMU has 1, we have undefined");
});

Deno.test("keysOf names keys as QEMU does", () => {
  assertEquals(keysOf("aB 1!,\b\n"), [
    ...["a", "shift-b", "spc", "1", "shift-1", "comma", "backspace", "ret"],
  ]);
});
