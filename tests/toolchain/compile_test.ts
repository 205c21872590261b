import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import type { Machine } from "../../machine/machine.ts";
import { buildKernel } from "../../toolchain/build.ts";
import { BuildError } from "../../toolchain/build_error.ts";
import { build, call, start } from "./program.ts";

const CSTR = "declare function cstr(text: string): usize;\n";

async function refusal(source: string): Promise<string> {
  return (await assertRejects(() => build(source), BuildError)).message;
}

function text(machine: Machine, address: number): string {
  let found = "";
  for (let at = address;; at++) {
    const [byte] = machine.readBytes(at, 1);
    if (byte === 0) return found;
    found += String.fromCharCode(byte);
  }
}

Deno.test("Compile reads nothing but the given sources [COMPILE-1]", async () => {
  const sources = new Map([["kernel/main.ts", 'import { f } from "./other.ts"; f();']]);
  const error = await assertRejects(() => buildKernel(sources), BuildError);
  assertStringIncludes(error.message, "kernel/other");
});

Deno.test("Compile takes imports with and without .ts [COMPILE-1]", async () => {
  const main = (suffix: string) =>
    `import { two } from "./two${suffix}";
    export function kernel_main(): u32 { return two(); }
    export function isr_handler(f: usize): void {} export function irq_handler(f: usize): void {}`;
  for (const suffix of ["", ".ts"]) {
    const two = "export function two(): u32 { return 2; }";
    const sources = new Map([["kernel/main.ts", main(suffix)], ["kernel/two.ts", two]]);
    const { symbols } = await buildKernel(sources, { exports: ["kernel_main"] });
    assert(symbols.some(({ name }) => name === "kernel_main"));
  }
});

Deno.test("Compile reports errors and warnings with file and line [COMPILE-2]", async () => {
  assertStringIncludes(
    await refusal("export function f(): u32 {\n return x;\n}"),
    "kernel/main.ts(2,",
  );
  const warning = '\nexport function f(): void { WARNING("doubtful"); }';
  const shadow = "export function f(a: f64): u8 { return a; }";
  assertStringIncludes(await refusal(shadow), "kernel/main.ts(1,");
  const usize = "export function g(a: usize): u32 { return a; }";
  assertEquals(call(await start(usize), "g", 7), 7);
  const message = await refusal(warning);
  assertStringIncludes(message, "WARNING");
  assertStringIncludes(message, "kernel/main.ts(2,");
});

Deno.test("Compile keeps an address with its datum [COMPILE-3]", async () => {
  const machine = await start(`
    const before = memory.data<u32>([1, 2, 3, 4]);
    const zero = memory.data(64, 16);
    const table = memory.data<u32>([10, 20, 30]);
    export function oneBased(i: u32): u32 { return load<u32>(table + ((i - 1) << 2)); }
    export function past(i: u32): u32 { return load<u32>(zero + 64 - 4 * i) + load<u32>(before + 4 * i - 8); }
    export function end(): usize { return zero + 64 - zero; }
  `);
  assertEquals([1, 2, 3].map((i) => call(machine, "oneBased", i)), [10, 20, 30]);
  assertEquals([2, 3].map((i) => call(machine, "past", i)), [1, 2]);
  assertEquals(call(machine, "end"), 64);
});

Deno.test("Compile makes C strings of literals [COMPILE-4]", async () => {
  const source = `${CSTR}
    export function first(): usize { return cstr("a \\"quoted\\" \\\\ line\\n"); }
    export function second(): usize { return cstr("same"); }
    export function third(): usize { return cstr("same"); }
    export function empty(): usize { return cstr(""); }`;
  const machine = await start(source);
  assertEquals(text(machine, call(machine, "first")), 'a "quoted" \\ line\n');
  assertEquals(text(machine, call(machine, "second")), "same");
  assertEquals(call(machine, "second"), call(machine, "third"));
  assertEquals(text(machine, call(machine, "empty")), "");
  const umlaut = `${CSTR}export function f(): usize { return cstr("\\u00e4"); }`;
  assertStringIncludes(await refusal(umlaut), "not ASCII");
  const variable = `${CSTR}let name = "x";
 export function f(b: bool): usize { if (b) name = "y"; return cstr(name); }`;
  assertStringIncludes(await refusal(variable), "cstr() takes a string literal");
});

const ABORT = `
let line: u32 = 0; let size: u32 = 0; let start: u32 = 0;
export function abort(message: string | null, file: string | null, at: u32, column: u32): void {
  line = at;
  if (file !== null) { size = file.length; start = load<u16>(changetype<usize>(file)); }
  if (message !== null) size += 100 * message.length;
  done();
}
declare function hlt(): void;
function done(): void { while (true) hlt(); }
export function check(n: u32): u32 {
  assert(n < 5, "too much");
  return n;
}
const list: StaticArray<u32> = [1, 2, 3];
export function element(n: u32): u32 { return list[n]; }
export function seenLine(): u32 { return line; }
export function seenSize(): u32 { return size; }
export function seenStart(): u32 { return start; }
`;

Deno.test("Compile ends failed checks in abort, strings intact [COMPILE-5, COMPILE-7]", async () => {
  const machine = await start(ABORT);
  assertEquals(call(machine, "check", 4), 4);
  assertEquals(call(machine, "element", 2), 3);
  assertEquals(machine.invoke("check", [5], 1_000_000).kind, "stopped");
  assertEquals(call(machine, "seenLine"), 12);
  assertEquals(call(machine, "seenSize"), 814); // "too much", "kernel/main.ts"
  assertEquals(call(machine, "seenStart"), "k".charCodeAt(0));
  assertEquals(machine.invoke("element", [3], 1_000_000).kind, "stopped");
  assert(call(machine, "seenLine") !== 12);
});

Deno.test("Compile calls exports, and drops what nobody reaches [COMPILE-6]", async () => {
  const source = `
    export function leaf(): u32 { return 1; }
    export function calls(): u32 { return leaf(); }
    function unused(): u32 { return 2; }`;
  const { symbols, image } = await build(source, "leaf", "calls");
  const { address, size } = symbols.find(({ name }) => name === "calls")!;
  assert(image.slice(address - 0x100000, address - 0x100000 + size).includes(0xe8), "a call");
  assert(!symbols.some(({ name }) => name === "unused"));
});

Deno.test("Compile refuses what the target has not, with function, file and line [COMPILE-8]", async () => {
  const bad = [
    ["let a: f64 = 1.5;\nexport function f(): void { a *= 2.0; }", "floating point"],
    ["\nexport function f(a: u64): u64 { return a * 3; }", "64-bit integers"],
    ["\nexport function f(a: f32): f32 { return a; }", "floating point"],
    ["\nexport function f(): i32 { return memory.grow(1); }", "memory.grow"],
  ];
  for (const [source, what] of bad) {
    const message = await refusal(source);
    assertStringIncludes(message, what);
    assertStringIncludes(message, "kernel/main/f (kernel/main.ts:2)");
  }
});

Deno.test("Compile places static data [COMPILE-9]", async () => {
  const machine = await start(`
    const zeros = memory.data(4096, 4096);
    const bytes = memory.data<u8>([1, 2, 3]);
    const inner: StaticArray<u16> = [7, 8];
    const outer: StaticArray<StaticArray<u16>> = [inner, inner];
    export function where(): usize { return zeros; }
    export function constants(): usize { return bytes; }
    export function nested(): u32 { return outer[1][1] + outer.length; }
    export function write(): u32 { store<u8>(zeros + 5, 9); return load<u32>(zeros + 4); }
    export function abort(m: usize, f: usize, line: u32, column: u32): void { while (true) {} }
  `);
  assertEquals(call(machine, "where") % 4096, 0);
  assertEquals([...machine.readBytes(call(machine, "constants"), 3)], [1, 2, 3]);
  assert(call(machine, "constants") < machine.address("kernel_readonly_end"));
  assert(call(machine, "where") >= machine.address("kernel_readonly_end"));
  assertEquals(call(machine, "nested"), 10);
  assertEquals(call(machine, "write"), 0x900);
});
