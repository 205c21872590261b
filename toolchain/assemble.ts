/**
 * Typed assembler over the rows of isa/: the shortest encoding of each instruction, labels, short and near jumps,
 * symbols, data. Spec: specs/toolchain/assemble.md. Not modelled: 16-bit code, segment overrides.
 */
import type { OperandKind, Row } from "../isa/row.ts";
import { rows } from "../isa/rows.ts";
import type { Instruction, Memory, Operand, Width } from "./operands.ts";

/** Sections of a kernel image. */
export type SectionName = ".multiboot" | ".text" | ".rodata" | ".data" | ".bss";

/** A place that the linker fills in: an absolute address, or one relative to the end of the field. */
export interface Relocation {
  /** Where the field is. */
  readonly section: SectionName;
  /** Offset of the field in its section. */
  readonly offset: number;
  /** How the field is filled in. */
  readonly kind: "absolute" | "relative";
  /** What it refers to. */
  readonly symbol: string;
  /** Added to the address of the symbol. */
  readonly addend: number;
}

/** A named place. */
export interface AssembledSymbol {
  /** Its name. */
  readonly name: string;
  /** Where it is. */
  readonly section: SectionName;
  /** Offset in its section. */
  readonly offset: number;
  /** Bytes up to its end; 0 if nothing ended it. */
  readonly size: number;
  /** Labels do not reach the image's symbol table. */
  readonly kind: "function" | "object" | "label";
}

/** A section's contents; .bss has a size only. */
export interface AssembledSection {
  /** Its name. */
  readonly name: SectionName;
  /** Its contents. */
  readonly bytes: Uint8Array;
  /** Its size in memory. */
  readonly size: number;
  /** A power of two that its address is a multiple of. */
  readonly alignment: number;
}

/** What the linker places. */
export interface AssembledObject {
  /** What was written, section by section. */
  readonly sections: readonly AssembledSection[];
  /** Named places, labels too. */
  readonly symbols: readonly AssembledSymbol[];
  /** What the linker has to fill in. */
  readonly relocations: readonly Relocation[];
}

/** A place within an instruction or datum that the linker fills in. */
export interface Field {
  /** Offset in the bytes. */
  readonly at: number;
  /** How it is filled in. */
  readonly kind: "absolute" | "relative";
  /** What it refers to. */
  readonly symbol: string;
  /** Added to the address of the symbol. */
  readonly addend: number;
}

/** An encoded instruction. */
export interface Encoding {
  /** Prefixes, opcode, operands; zeros where a field is. */
  readonly bytes: readonly number[];
  /** What the linker fills in. */
  readonly fields: readonly Field[];
}

const byMnemonic = Map.groupBy(rows, (row) => row.mnemonic);
const STRING = /^(movs|cmps|stos|lods|scas|ins|outs)([bd])$/;
const PREFIXES: Record<string, number> = { rep: 0xf3, repne: 0xf2, lock: 0xf0 };
const fitsSigned = (value: number, bits: number) =>
  value >= -(2 ** (bits - 1)) && value < 2 ** (bits - 1);
const fits = (value: number, bits: number) => value >= -(2 ** (bits - 1)) && value < 2 ** bits;

type Match = (operand: Operand, size: Width) => boolean;
const isPhysical = (number: number) => number >= 0 && number < 8;
const isRegister = (width: Width): Match => (operand) =>
  operand.kind === "register" && operand.width === width && isPhysical(operand.number);
const isFixed = (number: number, width: Width): Match => (operand) =>
  operand.kind === "register" && operand.number === number && operand.width === width;
const isAddress = ({ base, index }: Memory) => base < 8 && index < 8 && index !== 4; // ESP is no index
const isMemory = (width: Width | 0): Match => (operand) =>
  operand.kind === "memory" && isAddress(operand) &&
  (width === 0 || operand.width === width || operand.width === 0);
const isEither = (width: Width): Match => (operand) =>
  isRegister(width)(operand, width) ||
  operand.kind === "memory" && operand.width === width && isAddress(operand);
const isSegment = (number: number): Match => (operand) =>
  operand.kind === "segment" && operand.number === number;
const isImmediate = (test: (value: number) => boolean): Match => (operand) =>
  operand.kind === "immediate" && operand.symbol === null && test(operand.value);
const isAbsolute = (operand: Operand): boolean =>
  operand.kind === "memory" && operand.base < 0 && operand.index < 0;
const never: Match = () => false;

const matches: Record<OperandKind, Match> = {
  r8: isRegister(8),
  r16: isRegister(16),
  r32: isRegister(32),
  rr32: isRegister(32),
  rv: (operand, size) => isRegister(size)(operand, size),
  rm8: isEither(8),
  rm16: isEither(16),
  rm32: isEither(32),
  rmv: (operand, size) => isEither(size)(operand, size),
  m: isMemory(0),
  m8: isMemory(8),
  m16: isMemory(16),
  m32: isMemory(32),
  m64: isMemory(0),
  mpair: isMemory(0),
  m16v: isMemory(0),
  mv: (operand, size) => isMemory(size)(operand, size),
  imm8: isImmediate((value) => fits(value, 8)),
  imm8s: isImmediate((value) => fitsSigned(value, 8)),
  imm16: isImmediate((value) => fits(value, 16)),
  immv: (operand, size) =>
    operand.kind === "immediate" &&
    (size === 32 || operand.symbol === null && fits(operand.value, 16)),
  one: isImmediate((value) => value === 1),
  rel8: never, // chosen by relaxation
  relv: (operand) => operand.kind === "target",
  ptr16v: (operand) => operand.kind === "far",
  moffs8: (operand) => isAbsolute(operand) && isMemory(8)(operand, 8),
  moffsv: (operand, size) => isAbsolute(operand) && isMemory(size)(operand, size),
  sreg: (operand) => operand.kind === "segment",
  cr: (operand) => operand.kind === "control",
  dr: never,
  al: isFixed(0, 8),
  cl: isFixed(1, 8),
  ax: isFixed(0, 16),
  dx: isFixed(2, 16),
  eaxv: (operand, size) => isFixed(0, size)(operand, size),
  es: isSegment(0),
  cs: isSegment(1),
  ss: isSegment(2),
  ds: isSegment(3),
  fs: isSegment(4),
  gs: isSegment(5),
};

const isSized = (kind: OperandKind) => kind.endsWith("v") && kind !== "relv";

class Encoder {
  readonly bytes: number[] = [];
  readonly fields: Field[] = [];

  constructor(row: Row, operands: readonly Operand[], size: Width) {
    if (size === 16 && row.operands.some(isSized)) this.bytes.push(0x66);
    this.bytes.push(...row.opcode);
    const pairs = row.operands.map((kind, at): [OperandKind, Operand] => [kind, operands[at]]);
    if (row.plus) this.#plus(pairs);
    if (row.modrm) this.#modrm(row, pairs);
    for (const [kind, operand] of pairs) this.#tail(kind, operand, size);
  }

  #plus(pairs: [OperandKind, Operand][]): void {
    const named = pairs.find(([kind]) => kind === "rv" || kind === "r8");
    if (named?.[1].kind === "register") this.bytes[this.bytes.length - 1] += named[1].number;
  }

  #modrm(row: Row, pairs: [OperandKind, Operand][]): void {
    const isRm = ([kind]: [OperandKind, Operand]) =>
      kind.startsWith("rm") || kind.startsWith("m") || kind === "rr32";
    const rm = pairs.find(isRm)?.[1];
    const reg = pairs.find(([kind]) => /^(r8|r16|r32|rv|sreg|cr|dr)$/.test(kind))?.[1];
    const named = reg as { number: number } | undefined; // SETcc has none
    const digit = row.digit >= 0 ? row.digit : named?.number ?? 0;
    if (rm?.kind === "memory") this.#memory(rm, digit);
    else this.bytes.push(0xc0 | digit << 3 | (rm as { number: number }).number);
  }

  #memory({ base, index, scale, displacement, symbol }: Memory, digit: number): void {
    const wide = symbol !== null || !fitsSigned(displacement, 8);
    const none = base < 0;
    const mod = none || !wide && displacement === 0 && base !== 5 ? 0 : wide ? 2 : 1;
    if (index < 0 && base !== 4) this.bytes.push(mod << 6 | digit << 3 | (none ? 5 : base));
    else {
      const sib = Math.log2(scale) << 6 | (index < 0 ? 4 : index) << 3 | (none ? 5 : base);
      this.bytes.push(mod << 6 | digit << 3 | 4, sib);
    }
    if (none || mod === 2) this.#word(displacement, symbol);
    else if (mod === 1) this.#number(displacement, 8);
  }

  #tail(kind: OperandKind, operand: Operand, size: Width): void {
    if (operand.kind === "immediate" && kind.startsWith("imm")) {
      const bits = kind.startsWith("imm8") ? 8 : kind === "imm16" ? 16 : size;
      if (bits === 32) this.#word(operand.value, operand.symbol);
      else this.#number(operand.value, bits);
    } else if (operand.kind === "memory" && kind.startsWith("moffs")) {
      this.#word(operand.displacement, operand.symbol);
    } else if (operand.kind === "target") {
      this.fields.push({
        at: this.bytes.length,
        kind: "relative",
        symbol: operand.name,
        addend: 0,
      });
      this.#number(0, 32);
    } else if (operand.kind === "far") {
      this.#word(0, operand.target);
      this.#number(operand.selector, 16);
    }
  }

  #word(value: number, symbol: string | null): void {
    if (symbol !== null) {
      this.fields.push({ at: this.bytes.length, kind: "absolute", symbol, addend: value });
    }
    this.#number(symbol === null ? value : 0, 32);
  }

  #number(value: number, bits: number): void {
    for (let shift = 0; shift < bits; shift += 8) this.bytes.push(value >> shift & 0xff);
  }
}

/** The row's encoding of the operands, if they match, with the operand size at which they do. */
function fitting(row: Row, operands: readonly Operand[]): Encoder[] {
  const size = ([32, 16] as const).find((size) =>
    row.operands.every((kind, at) => matches[kind](operands[at], size))
  );
  return size === undefined ? [] : [new Encoder(row, operands, size)];
}

/** The shortest encoding of an instruction; the first row wins a tie. */
export function encode({ mnemonic, operands }: Instruction): Encoding {
  const [prefix, rest] = mnemonic.includes(" ") ? mnemonic.split(" ") : [null, mnemonic];
  const string = STRING.exec(rest);
  const candidates = (byMnemonic.get(string?.[1] ?? rest) ?? [])
    .filter((row) => row.operands.length === operands.length)
    .filter((row) => !string || row.byte === (string[2] === "b"))
    .flatMap((row) => fitting(row, operands));
  if (candidates.length === 0) {
    throw new RangeError(
      `Cannot assemble ${mnemonic} ${operands.map(show).join(", ")}: no such encoding`,
    );
  }
  const best = candidates.reduce((a, b) => b.bytes.length < a.bytes.length ? b : a);
  if (prefix === null) return best;
  const fields = best.fields.map((field) => ({ ...field, at: field.at + 1 }));
  return { bytes: [PREFIXES[prefix], ...best.bytes], fields };
}

/** An operand as text, for messages. */
export function show(operand: Operand): string {
  if (operand.kind === "target") return operand.name;
  const { kind, ...parts } = operand;
  return `${kind}${JSON.stringify(parts)}`;
}

type Item =
  | { kind: "bytes"; bytes: readonly number[]; fields: readonly Field[] }
  | { kind: "jump"; mnemonic: string; target: string; isNear: boolean }
  | { kind: "align"; boundary: number; fill: number }
  | { kind: "reserve"; size: number }
  | { kind: "mark"; name: string; symbol: "function" | "object" | "label" | "end" };

/** Jumps that have a short and a near form. */
const RELAXED = /^j(?!cxz$)/;
/** Jumps that only have the short form. */
const SHORT_ONLY = /^(loop|loope|loopne|jcxz)$/;

function jumpBytes({ mnemonic, isNear }: Extract<Item, { kind: "jump" }>): number {
  if (!isNear) return 2;
  return mnemonic === "jmp" ? 5 : 6;
}

class Section {
  readonly name: SectionName;
  readonly items: Item[] = [];
  alignment = 1;

  constructor(name: SectionName) {
    this.name = name;
  }

  /** Offsets of the items, and of the end. */
  #layout(): number[] {
    const offsets = [0];
    for (const item of this.items) {
      const at = offsets.at(-1)!;
      if (item.kind === "bytes") offsets.push(at + item.bytes.length);
      else if (item.kind === "jump") offsets.push(at + jumpBytes(item));
      else if (item.kind === "align") offsets.push(Math.ceil(at / item.boundary) * item.boundary);
      else offsets.push(item.kind === "reserve" ? at + item.size : at);
    }
    return offsets;
  }

  #marks(offsets: readonly number[]): Map<string, number> {
    const marks = new Map<string, number>();
    this.items.forEach((item, at) => {
      if (item.kind === "mark" && item.symbol !== "end") marks.set(item.name, offsets[at]);
    });
    return marks;
  }

  /** Makes the jumps near that cannot be short, until no more change. */
  #relax(): { offsets: number[]; marks: Map<string, number> } {
    for (;;) {
      const offsets = this.#layout(), marks = this.#marks(offsets);
      const far = this.items.filter((item, at) => {
        if (item.kind !== "jump" || item.isNear) return false;
        const destination = marks.get(item.target);
        return destination === undefined || !fitsSigned(destination - offsets[at + 1], 8);
      });
      if (far.length === 0) return { offsets, marks };
      for (const item of far as Extract<Item, { kind: "jump" }>[]) {
        if (SHORT_ONLY.test(item.mnemonic)) {
          throw new RangeError(
            `Cannot assemble ${item.mnemonic} ${item.target}: more than 127 bytes away`,
          );
        }
        item.isNear = true;
      }
    }
  }

  assemble(symbols: AssembledSymbol[], relocations: Relocation[]): AssembledSection {
    const { offsets, marks } = this.#relax();
    const size = offsets.at(-1)!;
    const bytes = new Uint8Array(this.name === ".bss" ? 0 : size);
    this.items.forEach((item, at) => {
      const encoded = item.kind === "jump" ? this.#jump(item, offsets[at + 1], marks) : item;
      if (encoded.kind === "align") bytes.fill(encoded.fill, offsets[at], offsets[at + 1]);
      if (encoded.kind !== "bytes" || this.name === ".bss") return;
      bytes.set(encoded.bytes, offsets[at]);
      for (const { at: within, kind, symbol, addend } of encoded.fields) {
        relocations.push({
          section: this.name,
          offset: offsets[at] + within,
          kind,
          symbol,
          addend,
        });
      }
    });
    symbols.push(...this.#symbols(offsets));
    return { name: this.name, bytes, size, alignment: this.alignment };
  }

  #jump(
    item: Extract<Item, { kind: "jump" }>,
    end: number,
    marks: ReadonlyMap<string, number>,
  ): Extract<Item, { kind: "bytes" }> {
    const distance = (marks.get(item.target) ?? end) - end;
    const [short, near] = ["rel8", "relv"].map((kind) =>
      byMnemonic.get(item.mnemonic)?.find((row) => row.operands[0] === kind)?.opcode ?? []
    );
    if (!item.isNear) return { kind: "bytes", bytes: [...short, distance & 0xff], fields: [] };
    const word = [0, 8, 16, 24].map((shift) => distance >> shift & 0xff);
    const field: Field = { at: near.length, kind: "relative", symbol: item.target, addend: 0 };
    const fields = marks.has(item.target) ? [] : [field];
    return { kind: "bytes", bytes: [...near, ...word], fields };
  }

  #symbols(offsets: readonly number[]): AssembledSymbol[] {
    const ends = new Map<string, number>();
    this.items.forEach((item, at) => {
      if (item.kind === "mark" && item.symbol === "end") ends.set(item.name, offsets[at]);
    });
    return this.items.flatMap((item, at): AssembledSymbol[] => {
      if (item.kind !== "mark" || item.symbol === "end") return [];
      const offset = offsets[at];
      const size = (ends.get(item.name) ?? offset) - offset;
      return [{ name: item.name, section: this.name, offset, size, kind: item.symbol }];
    });
  }
}

/** Collects code and data in sections. Labels belong to the symbol that they stand in. */
export class Assembler {
  readonly #sections = new Map<SectionName, Section>();
  #current: Section = this.#open(".text");
  #scope = "";

  #open(name: SectionName): Section {
    if (!this.#sections.has(name)) this.#sections.set(name, new Section(name));
    return this.#sections.get(name)!;
  }

  /** Continues in a section. */
  section(name: SectionName): this {
    this.#current = this.#open(name);
    return this;
  }

  /** Begins a function or an object; its labels are its own. */
  symbol(name: string, kind: "function" | "object"): this {
    this.#scope = name;
    this.#current.items.push({ kind: "mark", name, symbol: kind });
    return this;
  }

  /** Ends the function or object that `symbol` began: gives its size. */
  end(): this {
    this.#current.items.push({ kind: "mark", name: this.#scope, symbol: "end" });
    return this;
  }

  /** Places a label. */
  label(name: string): this {
    this.#current.items.push({ kind: "mark", name: this.local(name), symbol: "label" });
    return this;
  }

  /** The full name of a label of the current symbol. */
  local(label: string): string {
    return `${this.#scope}:${label}`;
  }

  /** Appends an instruction; a jump whose target is a label of the current symbol is written `.label`. */
  emit(mnemonic: string, ...operands: Operand[]): this {
    const [first] = operands;
    if (first?.kind === "target" && (RELAXED.test(mnemonic) || SHORT_ONLY.test(mnemonic))) {
      const name = first.name.startsWith(".") ? this.local(first.name.slice(1)) : first.name;
      this.#current.items.push({ kind: "jump", mnemonic, target: name, isNear: false });
      return this;
    }
    const { bytes, fields } = encode({ mnemonic, operands });
    this.#current.items.push({ kind: "bytes", bytes, fields });
    return this;
  }

  /** Appends bytes. */
  bytes(...bytes: number[]): this {
    this.#current.items.push({ kind: "bytes", bytes, fields: [] });
    return this;
  }

  /** Appends a little-endian doubleword: a number, or a symbol's address. */
  word(value: number, symbol: string | null = null): this {
    const bytes = [0, 8, 16, 24].map((shift) => symbol === null ? value >> shift & 0xff : 0);
    const fields: Field[] = symbol === null
      ? []
      : [{ at: 0, kind: "absolute", symbol, addend: value }];
    this.#current.items.push({ kind: "bytes", bytes, fields });
    return this;
  }

  /** Reserves zero bytes; in .bss they take no room in the file. */
  reserve(size: number): this {
    const isBss = this.#current.name === ".bss";
    if (isBss) this.#current.items.push({ kind: "reserve", size });
    else this.#current.items.push({ kind: "bytes", bytes: new Array(size).fill(0), fields: [] });
    return this;
  }

  /** Aligns to a power of two; code is filled with INT3. */
  align(boundary: number): this {
    const fill = this.#current.name === ".text" ? 0xcc : 0;
    this.#current.alignment = Math.max(this.#current.alignment, boundary);
    this.#current.items.push({ kind: "align", boundary, fill });
    return this;
  }

  /** Lays everything out. */
  assemble(): AssembledObject {
    const symbols: AssembledSymbol[] = [], relocations: Relocation[] = [];
    const sections = [...this.#sections.values()].map((section) =>
      section.assemble(symbols, relocations)
    );
    return { sections, symbols, relocations };
  }
}
