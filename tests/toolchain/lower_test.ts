import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { boot } from "../../machine/boot.ts";
import type { Machine } from "../../machine/machine.ts";
import { immediate, type Instruction, memory, register } from "../../toolchain/operands.ts";
import { spill } from "../../toolchain/spill.ts";
import { build, call, fate, start } from "./program.ts";
import { randomProgram, viaWebAssembly } from "./random_program.ts";

const NUMBERS = [
  0,
  1,
  -1,
  2,
  3,
  7,
  31,
  32,
  255,
  256,
  65535,
  65536,
  0x7fffffff,
  -0x80000000,
  -7,
  1234567,
];

type Operator = (a: number, b: number) => number;
const bits = (a: number) => (a >>> 0).toString(2).padStart(32, "0");

/** Source of the operator over `a: i32` and `b: i32`, and its meaning. */
const operators: Record<string, Operator> = {
  "a + b": (a, b) => a + b | 0,
  "a - b": (a, b) => a - b | 0,
  "a * b": Math.imul,
  "a & b": (a, b) => a & b,
  "a | b": (a, b) => a | b,
  "a ^ b": (a, b) => a ^ b,
  "a << b": (a, b) => a << b,
  "a >> b": (a, b) => a >> b,
  "<i32>(<u32>a >> b)": (a, b) => a >>> b | 0,
  "rotl<i32>(a, b)": (a, b) => a << (b & 31) | (b & 31 ? a >>> 32 - (b & 31) : 0),
  "rotr<i32>(a, b)": (a, b) => a >>> (b & 31) | (b & 31 ? a << 32 - (b & 31) : 0),
  "<i32>(a == b)": (a, b) => Number(a === b),
  "<i32>(a != b)": (a, b) => Number(a !== b),
  "<i32>(a < b)": (a, b) => Number(a < b),
  "<i32>(a <= b)": (a, b) => Number(a <= b),
  "<i32>(a > b)": (a, b) => Number(a > b),
  "<i32>(a >= b)": (a, b) => Number(a >= b),
  "<i32>(<u32>a < <u32>b)": (a, b) => Number(a >>> 0 < b >>> 0),
  "<i32>(<u32>a <= <u32>b)": (a, b) => Number(a >>> 0 <= b >>> 0),
  "<i32>(<u32>a > <u32>b)": (a, b) => Number(a >>> 0 > b >>> 0),
  "<i32>(<u32>a >= <u32>b)": (a, b) => Number(a >>> 0 >= b >>> 0),
  "<i32>!a": (a) => Number(a === 0),
  "clz<i32>(a)": (a) => Math.clz32(a),
  "ctz<i32>(a)": (a) => a === 0 ? 32 : bits(a).length - 1 - bits(a).lastIndexOf("1"),
  "popcnt<i32>(a)": (a) => bits(a).replaceAll("0", "").length,
  "<i32><i8>a": (a) => a << 24 >> 24,
  "<i32><i16>a": (a) => a << 16 >> 16,
  "<i32><u8>a": (a) => a & 0xff,
  "<i32><u16>a": (a) => a & 0xffff,
  "select<i32>(a, b, a > b)": (a, b) => Math.max(a, b),
  "select<i32>(7, b, a != 0)": (a, b) => a !== 0 ? 7 : b,
  "a * 8 + b + 12": (a, b) => (a << 3) + b + 12 | 0,
  "-a": (a) => -a | 0,
  "~a": (a) => ~a,
  "a + 1": (a) => a + 1 | 0,
  "a - 1": (a) => a - 1 | 0,
  "a * 10": (a) => Math.imul(a, 10),
  "a << 3": (a) => a << 3,
  "a & 255": (a) => a & 255,
};

const divisions: Record<string, Operator> = {
  "a / b": (a, b) => a / b | 0,
  "<i32>(<u32>a / <u32>b)": (a, b) => (a >>> 0) / (b >>> 0) | 0,
  "a % b": (a, b) => a % b | 0,
  "<i32>(<u32>a % <u32>b)": (a, b) => (a >>> 0) % (b >>> 0) | 0,
  "a / 10": (a) => a / 10 | 0,
  "a % 7": (a) => a % 7 | 0,
};

function functions(table: Record<string, Operator>): string {
  return Object.keys(table).map((text, at) =>
    `export function op${at}(a: i32, b: i32): i32 { return ${text}; }\n`
  ).join("");
}

function checkOperators(
  machine: Machine,
  table: Record<string, Operator>,
  divisors = NUMBERS,
): void {
  Object.entries(table).forEach(([text, meaning], at) => {
    for (const a of NUMBERS) {
      for (const b of divisors) {
        if (text === "a / b" && b === -1 && a === -0x80000000) continue; // traps
        assertEquals(call(machine, `op${at}`, a, b), meaning(a, b) | 0, `${text} of ${a}, ${b}`);
      }
    }
  });
}

Deno.test("Lowering gives every operator its value [LOWER-1]", async () => {
  checkOperators(await start(functions(operators)), operators);
});

Deno.test("Lowering divides, and traps where WebAssembly does [LOWER-2]", async () => {
  const machine = await start(functions(divisions));
  checkOperators(machine, divisions, NUMBERS.filter((b) => b !== 0));
  for (const [at, b] of [[0, 0], [1, 0], [2, 0], [3, 0], [0, -1]]) {
    const ending = fate(await start(functions(divisions)), `op${at}`, -0x80000000, b);
    assertStringIncludes(ending, "triple-fault", `op${at}`);
    assertStringIncludes(ending, '"vector":0', `op${at}`);
  }
});

const MEMORY = `
const buffer = memory.data(16, 4);
function reset(value: u32): usize { memory.fill(buffer, 0x55, 16); store<u32>(buffer + 4, value); return buffer; }
export function u8At(value: u32, at: usize): i32 { return load<u8>(reset(value) + at, 4); }
export function i8At(value: u32, at: usize): i32 { return load<i8>(reset(value) + at, 4); }
export function u16At(value: u32, at: usize): i32 { return load<u16>(reset(value) + at, 4); }
export function i16At(value: u32, at: usize): i32 { return load<i16>(reset(value) + at, 4); }
export function put8(value: u32, byte: u8): u32 { store<u8>(reset(value), byte, 5); return load<u32>(buffer, 4); }
export function put16(value: u32, word: u16): u32 { store<u16>(reset(value), word, 5); return load<u32>(buffer, 4); }
export function change(value: u32, by: u32): u32 {
  const at = reset(value) + 5;
  store<u8>(at, <u8> (load<u8>(at) + by));
  return load<u32>(buffer, 4);
}
export function around(): u32 { return load<u32>(buffer) ^ load<u32>(buffer, 8); }
`;

Deno.test("Lowering loads and stores bytes and words [LOWER-3]", async () => {
  const machine = await start(MEMORY);
  const value = 0x8001ff7f;
  assertEquals([0, 1, 2, 3].map((at) => call(machine, "u8At", value, at)), [0x7f, 0xff, 1, 0x80]);
  assertEquals([0, 1, 2, 3].map((at) => call(machine, "i8At", value, at)), [0x7f, -1, 1, -0x80]);
  assertEquals([0, 2].map((at) => call(machine, "u16At", value, at)), [0xff7f, 0x8001]);
  assertEquals([0, 2].map((at) => call(machine, "i16At", value, at)), [-129, -0x7fff]);
  assertEquals(call(machine, "put8", 0x11223344, 0xaa), 0x1122aa44);
  assertEquals(call(machine, "put16", 0x11223344, 0xaabb), 0x11aabb44);
  assertEquals(call(machine, "change", 0x11223344, 0x1ff), 0x11223244);
  assertEquals(call(machine, "around"), 0);
});

const dense = Array.from({ length: 12 }, (_, n) => `case ${n}: return ${n * n + 5};`).join(" ");
const CONTROL = `
export function sum(n: i32): i32 { let s = 0; for (let i = 1; i <= n; i++) s += i; return s; }
export function collatz(n: u32): u32 {
  let steps: u32 = 0;
  while (true) { if (n == 1) break; if (n & 1) { n = 3 * n + 1; } else n >>= 1; steps++; }
  return steps;
}
export function odd(limit: i32): i32 {
  let count = 0;
  for (let i = 0; i < limit; i++) { if ((i & 1) == 0) continue; count++; }
  return count;
}
export function logic(a: i32, b: i32): i32 { return a > 0 && (b > 0 || !(a < 5)) ? 1 : 0; }
export function dense(n: i32): i32 { switch (n) { ${dense} default: return -1; } }
export function sparse(n: i32): i32 { switch (n) { case 3: return 1; case 1000: return 2; case -5: return 3; } return 0; }
export function falls(n: i32): i32 { let r = 0; switch (n) { case 1: r += 1; case 2: r += 2; break; case 3: r = 9; } return r; }
`;

Deno.test("Lowering goes where the source goes [LOWER-4]", async () => {
  const machine = await start(CONTROL);
  assertEquals([0, 1, 100].map((n) => call(machine, "sum", n)), [0, 1, 5050]);
  assertEquals([1, 6, 27].map((n) => call(machine, "collatz", n)), [0, 8, 111]);
  assertEquals(call(machine, "odd", 9), 4);
  const pairs = [[1, 1], [1, 0], [5, 0], [0, 1], [6, -1]];
  assertEquals(pairs.map(([a, b]) => call(machine, "logic", a, b)), [1, 0, 1, 0, 1]);
  assertEquals([0, 5, 11, 12, -1].map((n) => call(machine, "dense", n)), [5, 30, 126, -1, -1]);
  assertEquals([3, 1000, -5, 4].map((n) => call(machine, "sparse", n)), [1, 2, 3, 0]);
  assertEquals([1, 2, 3, 4].map((n) => call(machine, "falls", n)), [3, 2, 9, 0]);
});

const CALLS = `
export function four(a: i32, b: i32, c: i32, d: i32): i32 { return ((a * 10 + b) * 10 + c) * 10 + d; }
export function twice(a: i32): i32 { return four(a, a + 1, four(0, 0, 0, 3), a + 3); }
export function keep(a: i32, b: i32, c: i32): i32 {
  const x = a * b, y = b * c, z = a * c;
  return four(x, y, z, 1) + four(y, z, x, 2) + x + y + z;
}
`;
const EBX = 3, EBP = 5, ESI = 6, EDI = 7;

Deno.test("Lowering calls by cdecl and preserves EBX, ESI, EDI and EBP [LOWER-5]", async () => {
  const machine = await start(CALLS);
  assertEquals(call(machine, "four", 1, 2, 3, 4), 1234);
  assertEquals(call(machine, "twice", 5), 5638);
  const [a, b, c] = [2, 3, 5];
  const four = (a: number, b: number, c: number, d: number) => ((a * 10 + b) * 10 + c) * 10 + d;
  assertEquals(call(machine, "keep", a, b, c), four(6, 15, 10, 1) + four(15, 10, 6, 2) + 31);
  const saved = preservedRegisters(machine, "keep");
  assertEquals(saved, [0x11, 0x22, 0x33, 0x44]);
});

/** Calls through code that fills the registers first and stores them afterwards. */
function preservedRegisters(machine: Machine, name: string): number[] {
  const CODE = 0x90000, RESULT = 0x91000;
  const word = (value: number) => [0, 8, 16, 24].map((shift) => value >> shift & 0xff);
  const load = (register: number, value: number) => [0xb8 + register, ...word(value)];
  const store = (register: number, at: number) => [0x89, register << 3 | 5, ...word(RESULT + at)];
  const registers = [EBX, ESI, EDI, EBP];
  const code = [
    0x60, // pusha
    ...registers.flatMap((register, n) => load(register, 0x11 * (n + 1))),
    ...[0x6a, 5, 0x6a, 3, 0x6a, 2], // push the arguments
    ...[0xb8, ...word(machine.address(name)), 0xff, 0xd0], // call
    ...[0x83, 0xc4, 12], // remove them
    ...registers.flatMap((register, n) => store(register, 4 * n)),
    ...[0x61, 0xc3],
  ];
  machine.writeBytes(CODE, Uint8Array.from(code));
  machine.call(CODE);
  return registers.map((_, n) => machine.readWord(RESULT + 4 * n)!);
}

const FRAMES = `
declare function read_ebp(): usize;
function deepest(): u32 {
  let count: u32 = 0;
  for (let frame = read_ebp(); frame != 0 && count < 50; frame = load<usize>(frame)) count++;
  return count;
}
export function inner(): u32 { return deepest() + 0; }
export function outer(): u32 { return inner() + 0; }
export function measure(): u32 { return outer() - inner(); }
`;

Deno.test("Lowering keeps every function on the chain of frames [LOWER-6]", async () => {
  const machine = await start(FRAMES);
  assertEquals(call(machine, "measure"), 1);
});

Deno.test("Lowering makes unreachable an invalid opcode [LOWER-7]", async () => {
  const machine = await start(
    "export function never(a: i32): i32 { if (a) unreachable(); return 5; }",
  );
  assertEquals(call(machine, "never", 0), 5);
  assertStringIncludes(fate(machine, "never", 1), '"vector":6');
});

const ORDER = `
let log: u32 = 0;
function note(n: u32): u32 { log = log * 10 + n; return n; }
function noted(a: u32, b: u32, c: u32): u32 { return note(a) + note(b) * 2 + note(c) * 4; }
export function sequence(): u32 {
  log = 0;
  noted(note(1), note(2), note(3));
  store<u32>(0x80000 + note(4), note(5));
  return log;
}
export function stale(a: u32): u32 { return a + (a = 5) * a; }
export function global(): u32 { log = 7; return log + note(3) + log; }
export function memoryOrder(): u32 {
  store<u32>(0x80000, 1);
  return load<u32>(0x80000) * 100 + put(2) * 10 + load<u32>(0x80000);
}
function put(n: u32): u32 { store<u32>(0x80000, n); return n; }
`;

Deno.test("Lowering evaluates from left to right [LOWER-8]", async () => {
  const machine = await start(ORDER);
  assertEquals(call(machine, "sequence"), 12312345);
  assertEquals(call(machine, "stale", 100), 125);
  assertEquals(call(machine, "global"), 7 + 3 + 73);
  assertEquals(call(machine, "memoryOrder"), 122);
});

const names = Array.from({ length: 14 }, (_, n) => `v${n}`);
const PRESSURE = `
export function pressure(a: i32, b: i32): i32 {
  ${names.map((name, n) => `let ${name} = a * ${n + 3} ^ b;`).join(" ")}
  for (let i = 0; i < 3; i++) { ${
  names.map((name, n) => `${name} += ${names[(n + 5) % 14]} >> (i + 1);`).join(" ")
} }
  return ${names.join(" ^ ")};
}
`;

function pressure(a: number, b: number): number {
  const values = names.map((_, n) => Math.imul(a, n + 3) ^ b);
  for (let i = 0; i < 3; i++) {
    names.forEach((_, n) => values[n] = values[n] + (values[(n + 5) % 14] >> i + 1) | 0);
  }
  return values.reduce((x, y) => x ^ y);
}

Deno.test("Lowering computes with more values than registers [LOWER-9]", async () => {
  const machine = await start(PRESSURE);
  for (const [a, b] of [[1, 2], [12345, -7], [-99999, 0x7fffffff]]) {
    assertEquals(call(machine, "pressure", a, b), pressure(a, b));
  }
});

Deno.test("Spilled constants leave an address with the register that is left [LOWER-9]", () => {
  const [to, from, constant] = [8, 9, 10];
  const address = (parts: { base: number; index: number; scale: 1 | 4 }) => ({
    mnemonic: "lea",
    operands: [register(to), memory(0, { displacement: 3, ...parts })],
  });
  const places = new Map([[constant, immediate(5)]]);
  const folded = (parts: { base: number; index: number; scale: 1 | 4 }) =>
    (spill([address(parts)], places, 11).lines[0] as Instruction).operands[1];
  const base = memory(0, { base: from, displacement: 8 });
  assertEquals(folded({ base: constant, index: from, scale: 1 }), base);
  const scaled = memory(0, { index: from, scale: 4, displacement: 8 });
  assertEquals(folded({ base: constant, index: from, scale: 4 }), scaled);
  const index = memory(0, { base: from, displacement: 23 });
  assertEquals(folded({ base: from, index: constant, scale: 4 }), index);
});

const INDIRECT = `
function triple(x: i32): i32 { return x * 3; }
function square(x: i32): i32 { return x * x; }
const table: StaticArray<(x: i32) => i32> = [triple, square];
export function apply(which: i32, x: i32): i32 { return table[which](x); }
export function none(x: i32): i32 { return call_indirect<i32>(<u32> x, 5); }
export function abort(m: usize, f: usize, line: u32, column: u32): void { while (true) {} }
`;

Deno.test("Lowering calls through function values [LOWER-10]", async () => {
  const machine = await start(INDIRECT, "apply", "none");
  assertEquals(call(machine, "apply", 0, 7), 21);
  assertEquals(call(machine, "apply", 1, 7), 49);
  assertStringIncludes(fate(machine, "none", 0), '"vector":6');
});

const COPY = `
const area = memory.data(64, 4);
export function copied(to: u32, from: u32, size: u32): u32 {
  for (let i: u32 = 0; i < 64; i++) store<u8>(area + i, <u8> i);
  memory.copy(area + to, area + from, size);
  let sum: u32 = 0;
  for (let i: u32 = 0; i < 64; i++) sum = sum * 31 + load<u8>(area + i);
  return sum;
}
export function filled(at: u32, value: u8, size: u32): u32 {
  memory.fill(area, 0, 64);
  memory.fill(area + at, value, size);
  memory.fill(area + 56, 1, 8);
  let sum: u32 = 0;
  for (let i: u32 = 0; i < 64; i++) sum = sum * 31 + load<u8>(area + i);
  return sum;
}
`;
const sumOf = (bytes: Uint8Array) => bytes.reduce((sum, byte) => Math.imul(sum, 31) + byte | 0, 0);

Deno.test("Lowering copies and fills memory, also where areas overlap [LOWER-11]", async () => {
  const machine = await start(COPY);
  for (const [to, from, size] of [[0, 32, 32], [8, 0, 40], [0, 8, 40], [5, 5, 9], [1, 2, 0]]) {
    const expected = Uint8Array.from({ length: 64 }, (_, n) => n).copyWithin(to, from, from + size);
    assertEquals(call(machine, "copied", to, from, size), sumOf(expected));
  }
  const expected = new Uint8Array(64).fill(0xab, 3, 20).fill(1, 56);
  assertEquals(call(machine, "filled", 3, 0xab, 17), sumOf(expected));
});

const INSTRUCTIONS = `
declare function outb(port: u16, value: u8): void;
declare function inb(port: u16): u8;
declare function read_cr0(): u32;
declare function read_eflags(): u32;
declare function cli(): void;
declare function kernel_start(): usize;
declare function interrupt_stub(vector: u32): usize;
export function write(port: u16, value: u8): void { outb(port, value); }
export function read(port: u16): u32 { return inb(port); }
export function say(): void { outb(0xe9, 65); outb(0xe9, 66); }
export function mode(): u32 { return read_cr0() & 1; }
export function flags(): u32 { cli(); return read_eflags() & 0x202; }
export function first(): usize { return kernel_start(); }
export function stub(vector: u32): usize { return interrupt_stub(vector); }
`;

Deno.test("Lowering puts instructions in place of declared names [LOWER-12]", async () => {
  const machine = await start(INSTRUCTIONS);
  machine.call("write", 0x21, 0x5a); // the interrupt mask of the first 8259A
  assertEquals(call(machine, "read", 0x21), 0x5a);
  assertEquals(call(machine, "mode"), 1);
  assertEquals(call(machine, "flags"), 2);
  assertEquals(call(machine, "first"), 0x100000);
  assertEquals(call(machine, "stub", 14), machine.address("isr14"));
  assertEquals(call(machine, "stub", 33), machine.address("irq1"));
  const { symbols, image } = await build(INSTRUCTIONS);
  const { address, size } = symbols.find(({ name }) => name === "say")!;
  const code = image.slice(address - 0x100000, address - 0x100000 + size);
  assertEquals(code.filter((byte) => byte === 0xe6).length, 2, "out imm8, al");
  assert(!code.includes(0xe8), "no call");
});

Deno.test("Lowering agrees with WebAssembly on random programs [LOWER-13]", async () => {
  for (const seed of [1, 2, 3, 323]) {
    const source = randomProgram(seed);
    const expected = await viaWebAssembly(source);
    const found: number[] = [];
    const { image } = await build(source, "kernel_main");
    const machine = boot(image, {
      hooks: { serial: (line, byte) => void (line === "debug" && found.push(byte)) },
    });
    machine.run({ budget: 20_000_000 });
    assertEquals(String.fromCharCode(...found), expected, `seed ${seed}`);
  }
});
