/**
 * Writes WebAssembly modules: bytes, LEB128 numbers, sections (WebAssembly core specification 2.0, chapter 5).
 * Only what the printers need.
 */

/** Opcodes by name. */
export const OPCODES = {
  "unreachable": 0x00,
  "block": 0x02,
  "loop": 0x03,
  "if": 0x04,
  "else": 0x05,
  "end": 0x0b,
  "br": 0x0c,
  "br_if": 0x0d,
  "br_table": 0x0e,
  "return": 0x0f,
  "call": 0x10,
  "call_indirect": 0x11,
  "select": 0x1b,
  "local.get": 0x20,
  "local.set": 0x21,
  "local.tee": 0x22,
  "i32.load": 0x28,
  "i32.load8_u": 0x2d,
  "i32.load16_u": 0x2f,
  "i32.store": 0x36,
  "i32.store8": 0x3a,
  "i32.store16": 0x3b,
  "i32.const": 0x41,
  "i32.eqz": 0x45,
  "i32.eq": 0x46,
  "i32.lt_s": 0x48,
  "i32.lt_u": 0x49,
  "i32.gt_u": 0x4b,
  "i64.eq": 0x51,
  "i32.clz": 0x67,
  "i32.ctz": 0x68,
  "i32.popcnt": 0x69,
  "i32.add": 0x6a,
  "i32.sub": 0x6b,
  "i32.mul": 0x6c,
  "i32.div_s": 0x6d,
  "i32.div_u": 0x6e,
  "i32.rem_s": 0x6f,
  "i32.rem_u": 0x70,
  "i32.and": 0x71,
  "i32.or": 0x72,
  "i32.xor": 0x73,
  "i32.shl": 0x74,
  "i32.shr_s": 0x75,
  "i32.shr_u": 0x76,
  "i32.rotl": 0x77,
  "i64.mul": 0x7e,
  "i64.div_s": 0x7f,
  "i64.div_u": 0x80,
  "i64.rem_s": 0x81,
  "i64.rem_u": 0x82,
  "i64.or": 0x84,
  "i64.shl": 0x86,
  "i64.shr_u": 0x88,
  "i32.wrap_i64": 0xa7,
  "i64.extend_i32_s": 0xac,
  "i64.extend_i32_u": 0xad,
  "i32.extend8_s": 0xc0,
  "i32.extend16_s": 0xc1,
} as const;

/** An opcode's name. */
export type Opcode = keyof typeof OPCODES;

/** Value types and the empty block type. */
export const I32 = 0x7f, I64 = 0x7e, FUNCREF = 0x70, EMPTY = 0x40;

/** A growing sequence of bytes. */
export class Code {
  #bytes = new Uint8Array(256);
  #length = 0;

  /** Bytes written so far. */
  get length(): number {
    return this.#length;
  }

  /** The bytes. */
  bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  #reserve(count: number): void {
    if (this.#length + count <= this.#bytes.length) return;
    const larger = new Uint8Array(2 * (this.#length + count));
    larger.set(this.bytes());
    this.#bytes = larger;
  }

  /** Appends one byte. */
  byte(value: number): this {
    this.#reserve(1);
    this.#bytes[this.#length++] = value;
    return this;
  }

  /** Appends other code. */
  append(other: Uint8Array): this {
    this.#reserve(other.length);
    this.#bytes.set(other, this.#length);
    this.#length += other.length;
    return this;
  }

  /** Appends an unsigned LEB128 number. */
  unsigned(value: number): this {
    for (; value > 0x7f; value = Math.floor(value / 128)) this.byte((value & 0x7f) | 0x80);
    return this.byte(value);
  }

  /** Appends a signed LEB128 number of 32 bits. */
  signed(value: number): this {
    for (; value < -64 || value > 63; value >>= 7) this.byte((value & 0x7f) | 0x80);
    return this.byte(value & 0x7f);
  }

  /** Appends an instruction with unsigned operands. */
  op(opcode: Opcode, ...operands: number[]): this {
    this.byte(OPCODES[opcode]);
    for (const operand of operands) this.unsigned(operand);
    return this;
  }

  /** Appends `i32.const`. */
  constant(value: number): this {
    return this.byte(OPCODES["i32.const"]).signed(value | 0);
  }

  /** Appends a load or store at `offset` from the address on the stack; no alignment is promised. */
  memory(opcode: Opcode, offset: number): this {
    return this.op(opcode, 0, offset);
  }

  /** Appends a name or other vector of bytes. */
  vector(bytes: Uint8Array): this {
    return this.unsigned(bytes.length).append(bytes);
  }
}

/** A function's type: counts of i32 parameters and results. */
export interface Signature {
  /** Parameters, all i32. */
  readonly parameters: number;
  /** Results, all i32. */
  readonly results: number;
}

/** A function to be defined. */
export interface Definition {
  /** Index into the module's signatures. */
  readonly signature: number;
  /** Locals beyond the parameters: how many i32, then how many i64. */
  readonly locals: readonly [i32: number, i64: number];
  /** Instructions, without the closing `end`. */
  readonly body: Code;
}

/** A module: functions over one imported memory. */
export interface ModuleParts {
  /** Function types. */
  readonly signatures: readonly Signature[];
  /** Imported functions, from module "cpu", with their signatures. */
  readonly imports: readonly { readonly name: string; readonly signature: number }[];
  /** Defined functions; the first one is exported as `run`. */
  readonly functions: readonly Definition[];
  /** Indices (imports first) of the functions in the table. */
  readonly table: readonly number[];
}

const encoder = new TextEncoder();

function section(module: Code, id: number, content: Code): void {
  module.byte(id).vector(content.bytes());
}

/** The module's bytes. It imports its memory as "cpu" "memory", and exports the table's functions through `run` only. */
export function encodeModule(parts: ModuleParts): Uint8Array<ArrayBuffer> {
  const module = new Code().append(Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0));
  section(module, 1, typeSection(parts));
  section(module, 2, importSection(parts));
  const functions = new Code().unsigned(parts.functions.length);
  for (const { signature } of parts.functions) functions.unsigned(signature);
  section(module, 3, functions);
  section(
    module,
    4,
    new Code().unsigned(1).byte(FUNCREF).byte(1).unsigned(parts.table.length).unsigned(
      parts.table.length,
    ),
  );
  section(
    module,
    7,
    new Code().unsigned(1).vector(encoder.encode("run")).byte(0).unsigned(parts.imports.length),
  );
  const elements = new Code().unsigned(1).byte(0).constant(0).op("end").unsigned(
    parts.table.length,
  );
  for (const index of parts.table) elements.unsigned(index);
  section(module, 9, elements);
  section(module, 10, codeSection(parts));
  return module.bytes().slice();
}

function typeSection({ signatures }: ModuleParts): Code {
  const code = new Code().unsigned(signatures.length);
  for (const { parameters, results } of signatures) {
    code.byte(0x60).unsigned(parameters);
    for (let i = 0; i < parameters; i++) code.byte(I32);
    code.unsigned(results);
    for (let i = 0; i < results; i++) code.byte(I32);
  }
  return code;
}

function importSection({ imports }: ModuleParts): Code {
  const code = new Code().unsigned(imports.length + 1), from = encoder.encode("cpu");
  for (const { name, signature } of imports) {
    code.vector(from).vector(encoder.encode(name)).byte(0).unsigned(signature);
  }
  return code.vector(from).vector(encoder.encode("memory")).byte(2).byte(0).unsigned(1); // at least one page
}

function codeSection({ functions }: ModuleParts): Code {
  const code = new Code().unsigned(functions.length);
  for (const { locals: [i32, i64], body } of functions) {
    const content = new Code().unsigned(2).unsigned(i32).byte(I32).unsigned(i64).byte(I64);
    code.vector(content.append(body.bytes()).op("end").bytes());
  }
  return code;
}
