import { assert, assertEquals } from "@std/assert";
import { copyState } from "../../devices/device.ts";

Deno.test("copyState copies nested state and shares none of it", () => {
  const state = { a: 1, list: [1, { deep: "x" }], flag: false, none: undefined, nothing: null };
  const copy = copyState(state);
  assertEquals(copy, state);
  assert(copy.list !== state.list && copy.list[1] !== state.list[1]);
});
