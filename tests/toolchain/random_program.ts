/** Random AssemblyScript programs that print what they compute, and their output as WebAssembly. */
import asc from "../../toolchain/packages/asc.ts";
import { Random } from "../random.ts";

const CONSTANTS = ["0", "1", "-1", "2", "3", "7", "8", "31", "255", "256", "65535", "0x7fffffff"]
  .map((text) => `<i32> ${text}`).concat("<i32> 0x80000000");
const GLOBALS = ["g0", "g1", "g2"];

/** What every program begins with: output, variables, memory, a table, function values. */
const PRELUDE = `
declare function outb(port: u16, value: u8): void;
let g0: i32 = 5; let g1: i32 = 0; let g2: i32 = -7;
const area = memory.data(1024, 16);
const table: StaticArray<i32> = [3, -1, 500, 0x7fffffff, 0, 9, -100000, 77];
function fa(x: i32): i32 { return x * 3 + g0; }
function fb(x: i32): i32 { g1 = x; return x ^ 0x55; }
const values: StaticArray<(x: i32) => i32> = [fa, fb];
function put(c: i32): void { outb(0xe9, <u8> c); }
function print(x: i32): void {
  for (let i = 28; i >= 0; i -= 4) { const d = (x >> i) & 15; put(d < 10 ? 48 + d : 87 + d); }
  put(10);
}
function rem(a: i32, b: i32): i32 { return b == 0 ? 1 : a % b; }
export function isr_handler(f: usize): void { put(33); while (true) {} }
export function irq_handler(f: usize): void {}
export function abort(m: usize, f: usize, l: u32, c: u32): void { put(64); while (true) {} }
`;

type Make = (depth: number) => string;

class Writer {
  readonly #random: Random;
  #variables: string[] = [];
  #functions: { name: string; arity: number }[] = [];
  #loops = 0;

  constructor(seed: number) {
    this.#random = new Random(seed);
  }

  program(): string {
    const bodies = [0, 1, 2, 3, 4].map((n) => this.#function(`f${n}`)).join("");
    return `${PRELUDE}${bodies}${this.#main()}`;
  }

  #main(): string {
    const calls = this.#functions.map(({ name, arity }) => {
      const scale = ["0x1234567", "-3", "1", "0x8001"];
      return `print(${name}(${scale.slice(0, arity).map((by) => `i * ${by} + 11`).join(", ")}));`;
    });
    return `export function kernel_main(magic: u32, info: usize): void {
      for (let i = 0; i < 4; i++) { ${calls.join(" ")} }
      for (let i: usize = 0; i < 128; i += 4) print(load<i32>(area + i));
      print(g0); print(g1); print(g2);
    }\n`;
  }

  #function(name: string): string {
    const arity = this.#random.below(5);
    this.#variables = Array.from({ length: arity }, (_, n) => `p${n}`);
    const parameters = this.#variables.map((p) => `${p}: i32`).join(", ");
    const locals = this.#times(1 + this.#random.below(4), (n) => {
      const text = `let l${n}: i32 = ${this.#variables.length ? this.#expression(2) : n};`;
      this.#variables.push(`l${n}`);
      return text;
    });
    const body = this.#times(2 + this.#random.below(4), () => this.#statement(2));
    const result = this.#expression(2);
    this.#functions.push({ name, arity });
    return `function ${name}(${parameters}): i32 {\n${locals}\n${body}\nreturn ${result};\n}\n`;
  }

  #times(count: number, make: (n: number) => string): string {
    return Array.from({ length: count }, (_, n) => make(n)).join("\n");
  }

  #pick(words: string): string {
    return this.#random.pick(words.split(" "));
  }

  #variable(): string {
    return this.#random.pick(this.#variables);
  }

  #assignable(): string {
    return this.#random.pick(this.#variables.filter((name) => !name.startsWith("k")));
  }

  #expression(depth: number): string {
    if (depth > 0) return this.#random.pick(this.#expressions)(depth - 1);
    return this.#random.oneIn(3) ? this.#random.pick(CONSTANTS) : this.#variable();
  }

  readonly #binary: Make = (d) =>
    `(${this.#expression(d)} ${this.#pick("+ - * & | ^ << >>")} ${this.#expression(d)})`;

  readonly #expressions: readonly Make[] = [
    this.#binary,
    this.#binary,
    this.#binary,
    (d) => `<i32> (<u32> ${this.#expression(d)} >> ${this.#expression(d)})`,
    (d) => `(${this.#expression(d)} / ((${this.#expression(d)} & 0xff) + 1))`,
    (d) => `<i32> (<u32> ${this.#expression(d)} / ((${this.#expression(d)} & 0xff) + 1))`,
    (d) => `rem(${this.#expression(d)}, ${this.#expression(d)})`,
    (d) => `<i32> (<u32> ${this.#expression(d)} % (<u32> ${this.#expression(d)} | 1))`,
    (d) => `<i32> (${this.#comparison(d)})`,
    (d) => `(${this.#condition(d)} ? ${this.#expression(d)} : ${this.#expression(d)})`,
    (d) => `select<i32>(${this.#expression(d)}, ${this.#expression(d)}, ${this.#condition(d)})`,
    (d) =>
      `<i32> load<${this.#pick("u8 i8 u16 i16 u32")}>(area + (${this.#expression(d)} & 63), 9)`,
    (d) => `load<i32>(area + ((${this.#expression(d)} & 15) << 2))`,
    (d) => `${this.#pick("clz ctz popcnt")}<i32>(${this.#expression(d)})`,
    (d) => `${this.#pick("rotl rotr")}<i32>(${this.#expression(d)}, ${this.#expression(d)})`,
    (d) => `<i32> <${this.#pick("u8 i8 u16 i16")}> (${this.#expression(d)})`,
    (d) => `(${this.#assignable()} = ${this.#expression(d)})`,
    (d) => `table[${this.#expression(d)} & 7]`,
    () => this.#random.pick(GLOBALS),
    (d) => this.#call(d),
  ];

  #call(depth: number): string {
    if (this.#functions.length === 0) return this.#expression(depth);
    const { name, arity } = this.#random.pick(this.#functions);
    return `${name}(${
      Array.from({ length: arity }, () => this.#expression(depth - 1)).join(", ")
    })`;
  }

  #comparison(depth: number): string {
    const unsigned = this.#random.oneIn(3) ? "<u32> " : "";
    const operator = this.#pick(unsigned ? "< <= > >=" : "< <= > >= == !=");
    return `${unsigned}${this.#expression(depth)} ${operator} ${unsigned}${
      this.#expression(depth)
    }`;
  }

  #condition(depth: number): string {
    const simple: Make = (d) => this.#comparison(d);
    const makes: Make[] = [
      simple,
      simple,
      (d) => `(${this.#comparison(d)} && ${this.#comparison(d)})`,
      (d) => `(${this.#comparison(d)} || ${this.#comparison(d)})`,
      (d) => `!(${this.#comparison(d)})`,
      (d) => `(${this.#expression(d)} & ${this.#pick("1 8 255 0x100 0x8000")}) != 0`,
      (d) => `load<u8>(area + (${this.#expression(d)} & 31)) ${this.#pick("< > == !=")} 100`,
    ];
    return this.#random.pick(makes)(depth);
  }

  #statement(depth: number): string {
    const flat = this.#flat, all = [...flat, ...flat, ...this.#nested];
    return this.#random.pick(depth > 0 ? all : flat)(depth);
  }

  readonly #flat: readonly Make[] = [
    () => `${this.#assignable()} = ${this.#expression(3)};`,
    () => `${this.#assignable()} += ${this.#expression(2)};`,
    () => `${this.#random.pick(GLOBALS)} ${this.#pick("= += -= ^= |= &=")} ${this.#expression(2)};`,
    () =>
      `store<${this.#pick("u8 u16 u32")}>(area + (${this.#expression(2)} & 63), ${
        this.#expression(2)
      }, 7);`,
    () =>
      `store<u32>(area + 4, load<u32>(area + 4) ${this.#pick("+ ^ -")} ${this.#expression(2)});`,
    () => {
      const at = `area + (${this.#variable()} & 31)`;
      return `store<u8>(${at}, <u8> (load<u8>(${at}) ${this.#pick("+ ^ |")} (${
        this.#expression(1)
      })));`;
    },
    () => `print(${this.#expression(2)});`,
    () =>
      `memory.fill(area + (${this.#variable()} & 31), <u8> (${this.#variable()}), ${this.#variable()} & 31);`,
    () =>
      `memory.copy(area + (${this.#variable()} & 31), area + (${this.#variable()} & 31), ${this.#variable()} & 31);`,
    () => `${this.#assignable()} = values[${this.#variable()} & 1](${this.#expression(2)});`,
    () => `if (${this.#condition(1)}) return ${this.#expression(2)};`,
  ];

  readonly #nested: readonly Make[] = [
    (d) => `if (${this.#condition(2)}) { ${this.#block(d - 1)} }`,
    (d) => `if (${this.#condition(2)}) { ${this.#block(d - 1)} } else { ${this.#block(d - 1)} }`,
    (d) => this.#loop(d - 1),
    () => this.#switch(),
  ];

  #block(depth: number): string {
    return this.#times(1 + this.#random.below(3), () => this.#statement(depth));
  }

  #loop(depth: number): string {
    const counter = `k${this.#loops++}`;
    this.#variables.push(counter);
    const body = this.#block(depth);
    const leave = `if (${this.#condition(1)}) ${this.#pick("break continue")};`;
    this.#variables.splice(this.#variables.indexOf(counter), 1);
    const head = `for (let ${counter}: i32 = 0; ${counter} < ${
      1 + this.#random.below(5)
    }; ${counter}++)`;
    return `${head} { ${body} ${leave.includes(counter) ? "" : leave} }`;
  }

  #switch(): string {
    const cases = this.#times(
      2 + this.#random.below(9),
      (n) => `case ${n}: ${this.#statement(0)} ${this.#random.oneIn(3) ? "" : "break;"}`,
    );
    return `switch (${this.#expression(2)} & 15) { ${cases} default: ${this.#statement(0)} }`;
  }
}

/** A program that prints to the debug console; the same for the same seed. */
export function randomProgram(seed: number): string {
  return new Writer(seed).program();
}

/** What the program prints when the AssemblyScript compiler makes it plain WebAssembly. */
export async function viaWebAssembly(source: string): Promise<string> {
  let binary = new Uint8Array();
  const { error, stderr } = await asc.main(
    ["main.ts", "--outFile", "main.wasm", "--runtime", "stub", "--use", "abort=main/abort"],
    {
      readFile: (name: string) => name === "main.ts" ? source : null,
      writeFile: (_: string, contents: string | Uint8Array) => {
        if (typeof contents !== "string") binary = new Uint8Array(contents);
      },
      listFiles: () => [],
    },
  );
  if (error) throw new Error(`${error.message}\n${stderr}`);
  let output = "";
  const outb = (_port: number, value: number) => void (output += String.fromCharCode(value & 0xff));
  const { instance } = await WebAssembly.instantiate(binary, { main: { outb } });
  (instance.exports.kernel_main as (magic: number, info: number) => void)(0, 0);
  return output;
}
