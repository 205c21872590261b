import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { buildInterpreter, interpreterSource } from "../../cpu/interpreter_build.ts";
import { shr } from "../../isa/shifts.ts";
import { replayGolden } from "./code_traces.ts";

Deno.test("interpreter_build replays its golden trace [INTERPRETER-BUILD-1]", async () => {
  const [replayed, golden] = await replayGolden("interpreter_build");
  assertEquals(replayed, golden);
});

Deno.test("buildInterpreter gives the same bytes twice [INTERPRETER-BUILD-2]", () => {
  const first = buildInterpreter(), second = buildInterpreter();
  assertEquals(first.keys, second.keys);
  assertEquals(first.wasm, second.wasm);
});

/** Functions that the module defines, by its function section (id 3). */
function functionCount(wasm: Uint8Array): number {
  let at = 8;
  const number = () => {
    let value = 0, shift = 0, byte: number;
    do {
      byte = wasm[at++];
      value |= (byte & 0x7f) << shift;
      shift += 7;
    } while (byte & 0x80);
    return value;
  };
  for (;;) {
    const id = wasm[at++], size = number();
    if (id === 3) return number();
    at += size;
  }
}

Deno.test("buildInterpreter puts what compilers use most into the loop [INTERPRETER-BUILD-3]", () => {
  const { wasm, keys } = buildInterpreter(), hot = keys.length - (functionCount(wasm) - 1);
  assert(hot > 100 && hot < 180, `${hot}`);
  const inLoop = new Set(keys.slice(0, hot));
  const expected = [
    "mov 32 r0.32 m.32",
    "mov 8 m.8 r1.8",
    "add 32 r0.32 i.32",
    "jz 32 ",
    "ret 32 ",
  ];
  for (const key of expected) assert(inLoop.has(key), key);
  for (
    const key of ["add 16 r0.16 r1.16", "push 32 r0.32 general", "rcl 32 r0.32 f4.8", "daa 32 "]
  ) {
    assert(keys.includes(key) && !inLoop.has(key), key);
  }
});

Deno.test("buildInterpreter replaces a meaning where it is told to [INTERPRETER-BUILD-4]", () => {
  const plain = buildInterpreter();
  const same = buildInterpreter(() => undefined);
  assertEquals(same.wasm, plain.wasm);
  const asked = new Set<string>();
  const other = buildInterpreter((row, form) => {
    asked.add(form.name);
    return row.mnemonic === "sar" ? shr : undefined;
  });
  assertEquals(other.keys, plain.keys);
  assertNotEquals(other.wasm, plain.wasm);
  assert(asked.has("add") && asked.has("daa"));
});

Deno.test("buildInterpreter makes a valid and small module [INTERPRETER-BUILD-5]", () => {
  const { wasm, keys } = buildInterpreter();
  assertEquals(WebAssembly.validate(wasm), true);
  assert(wasm.length < 200 * keys.length, `${wasm.length} bytes for ${keys.length} forms`);
  assert(interpreterSource({ wasm, keys }).startsWith("/** The built interpreter"));
});
