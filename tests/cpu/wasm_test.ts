import { assertEquals } from "@std/assert";
import { Code, encodeModule, I32, I64, type Opcode, OPCODES } from "../../cpu/wasm.ts";
import { replayGolden } from "./code_traces.ts";

Deno.test("wasm replays its golden trace [WASM-1, WASM-2, WASM-3]", async () => {
  const [replayed, golden] = await replayGolden("wasm");
  assertEquals(replayed, golden);
});

const unsigned = (value: number) => [...new Code().unsigned(value).bytes()];
const signed = (value: number) => [...new Code().signed(value).bytes()];

Deno.test("Code writes unsigned LEB128 [WASM-1]", () => {
  for (let bits = 0; bits <= 32; bits++) {
    const value = 2 ** bits, bytes = unsigned(value);
    const back = bytes.reduce((sum, byte, i) => sum + (byte & 0x7f) * 128 ** i, 0);
    assertEquals([back, bytes.length], [value, Math.floor(bits / 7) + 1]);
  }
});

Deno.test("Code writes signed LEB128 [WASM-2]", () => {
  const back = (bytes: number[]) => {
    const sum = bytes.reduce((sum, byte, i) => sum + (byte & 0x7f) * 128 ** i, 0);
    return bytes.at(-1)! & 0x40 ? sum - 128 ** bytes.length : sum;
  };
  for (let bits = 0; bits < 32; bits++) {
    for (const value of [2 ** bits - 1, -(2 ** bits)]) assertEquals(back(signed(value)), value);
  }
  assertEquals([signed(63).length, signed(64).length, signed(-64).length], [1, 2, 1]);
});

Deno.test("Code writes instructions [WASM-3]", () => {
  const code = new Code().constant(-1).op("local.set", 300).constant(0xffffffff);
  code.memory("i32.load8_u", 7);
  assertEquals([...code.bytes()], [0x41, 0x7f, 0x21, 0xac, 0x02, 0x41, 0x7f, 0x2d, 0, 7]);
});

Deno.test("Code grows [WASM-4]", () => {
  const code = new Code(), other = new Code();
  for (let i = 0; i < 1000; i++) other.byte(i & 0xff);
  code.byte(9).append(other.bytes()).vector(Uint8Array.of(1, 2));
  assertEquals(code.length, 1004);
  assertEquals([...code.bytes().subarray(-4)], [999 & 0xff, 2, 1, 2]);
});

/** run(a, b): calls its table's function, which stores a host's answer at address b. */
function example(): Uint8Array<ArrayBuffer> {
  return encodeModule({
    signatures: [{ parameters: 2, results: 1 }, { parameters: 1, results: 1 }],
    imports: [{ name: "load", signature: 0 }],
    functions: [
      {
        signature: 0,
        locals: [1, 1],
        body: new Code().op("local.get", 0).constant(0).op("call_indirect", 1, 0).op("local.tee", 2)
          .op("local.get", 1).op("i32.add"),
      },
      {
        signature: 1,
        locals: [0, 0],
        body: new Code().op("local.get", 0).constant(5).op("call", 0),
      },
    ],
    table: [2],
  });
}

Deno.test("encodeModule makes a module that runs [WASM-5]", () => {
  const memory = new WebAssembly.Memory({ initial: 1 });
  const module = new WebAssembly.Module(example());
  assertEquals(WebAssembly.Module.imports(module).map(({ module, name }) => `${module}.${name}`), [
    "cpu.load",
    "cpu.memory",
  ]);
  const load = (a: number, b: number) => a * b;
  const { exports } = new WebAssembly.Instance(module, { cpu: { memory, load } });
  assertEquals(Object.keys(exports), ["run"]);
  assertEquals((exports.run as (a: number, b: number) => number)(7, 100), 7 * 5 + 100);
});

/** Operand types of pure operators, by the parts of their names. */
function typesOf(name: Opcode): { operand: number; result: number; count: number } {
  const wide = name.startsWith("i64") && !name.includes("extend_i32");
  const operand = wide || name === "i32.wrap_i64" ? I64 : I32;
  const unary = /eqz|clz|ctz|popcnt|extend|wrap/.test(name);
  const result = name === "i64.eq" || !name.startsWith("i64") ? I32 : I64;
  return { operand, result, count: unary ? 1 : 2 };
}

Deno.test("OPCODES have the specification's numbers: the host types them so [WASM-6]", () => {
  const pure = (Object.keys(OPCODES) as Opcode[]).filter((name) =>
    /^i(32|64)\./.test(name) && !/load|store|const/.test(name)
  );
  for (const name of pure) {
    const { operand, result, count } = typesOf(name), body = new Code();
    for (let i = 0; i < count; i++) {
      body.constant(6);
      if (operand === I64) body.op("i64.extend_i32_u");
    }
    body.op(name);
    if (result === I64) body.op("i32.wrap_i64");
    const module = encodeModule({
      signatures: [{ parameters: 0, results: 1 }],
      imports: [],
      functions: [{ signature: 0, locals: [0, 0], body }],
      table: [0],
    });
    assertEquals(WebAssembly.validate(module), true, name);
  }
  assertEquals(VALUES.map(([name]) => OPCODES[name]), VALUES.map(([, value]) => value));
});

/** Restated from the specification's index of instructions. */
const VALUES: [Opcode, number][] = [
  ["block", 0x02],
  ["br_table", 0x0e],
  ["call_indirect", 0x11],
  ["select", 0x1b],
  ["local.tee", 0x22],
  ["i32.load16_u", 0x2f],
  ["i32.store8", 0x3a],
  ["i32.lt_s", 0x48],
  ["i32.lt_u", 0x49],
  ["i32.clz", 0x67],
  ["i32.ctz", 0x68],
  ["i32.popcnt", 0x69],
  ["i32.div_s", 0x6d],
  ["i32.div_u", 0x6e],
  ["i32.rem_s", 0x6f],
  ["i32.rem_u", 0x70],
  ["i32.shr_s", 0x75],
  ["i32.shr_u", 0x76],
  ["i32.rotl", 0x77],
  ["i64.div_s", 0x7f],
  ["i64.div_u", 0x80],
  ["i64.rem_s", 0x81],
  ["i64.rem_u", 0x82],
  ["i64.shr_u", 0x88],
  ["i32.extend8_s", 0xc0],
  ["i32.extend16_s", 0xc1],
];
