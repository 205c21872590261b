/**
 * Source lines of an image's instructions, from the DWARF line tables that `gcc -g` writes.
 * Spec: specs/conformance/source_lines.md. Not read: 64-bit DWARF, compressed sections, columns.
 */
import { ImageError, readElf, type SectionTable } from "../machine/elf.ts";

/** Instructions from `start` on, up to `end`, that come from one line. */
interface Range {
  readonly start: number;
  readonly end: number;
  readonly source: string;
}

/** Gives `file:line` for a linear address, or undefined where the image does not say. */
export type SourceOf = (address: number) => string | undefined;

/** Reads an image's line tables. An image without any, or with damaged ones, knows no lines. */
export function readSourceLines(image: Uint8Array): SourceOf {
  const ranges = rangesOf(image).sort((a, b) => a.start - b.start);
  return (address) => {
    let low = 0, high = ranges.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (ranges[middle].start <= address) low = middle + 1;
      else high = middle;
    }
    const range = ranges[low - 1];
    return range !== undefined && address < range.end ? range.source : undefined;
  };
}

function rangesOf(image: Uint8Array): Range[] {
  const ranges: Range[] = [];
  try {
    const sections = namedSections(image), table = sections(".debug_line");
    for (let at = 0; at + 4 < table.length;) {
      const bytes = new Cursor(table, at).number(4) + 4; // SOURCE-LINES-4: 0xfffffff0 and up end it
      new LineProgram(table.subarray(at, at + bytes), sections).run(ranges);
      at += bytes;
    }
  } catch (error) {
    if (!(error instanceof RangeError || error instanceof ImageError)) throw error;
  }
  return ranges;
}

/** Gives sections' bytes by name; empty where there is none. */
function namedSections(image: Uint8Array): (name: string) => Uint8Array {
  const { sectionTable } = readElf(image);
  const contents = new Map<string, Uint8Array>();
  if (sectionTable) {
    sectionTable.sections.forEach(({ fileOffset, bytes }, index) =>
      contents.set(sectionName(image, sectionTable, index), part(image, fileOffset, bytes))
    );
  }
  return (name) => contents.get(name) ?? new Uint8Array();
}

function sectionName(
  image: Uint8Array,
  { headers, sections, namesIndex }: SectionTable,
  index: number,
): string {
  const names = sections[namesIndex];
  if (names === undefined) return "";
  const at = new Cursor(headers, 40 * index).number(4);
  return new Cursor(part(image, names.fileOffset, names.bytes), at).text();
}

function part(image: Uint8Array, offset: number, bytes: number): Uint8Array {
  return image.subarray(offset, offset + bytes);
}

/** Reads little-endian values one behind the other; a RangeError at the end of the bytes. */
class Cursor {
  readonly #bytes: Uint8Array;
  at: number;

  constructor(bytes: Uint8Array, at = 0) {
    this.#bytes = bytes;
    this.at = at;
  }

  get ended(): boolean {
    return this.at >= this.#bytes.length;
  }

  number(bytes: number): number {
    let value = 0;
    for (let i = 0; i < bytes; i++) value += this.byte() * 2 ** (8 * i);
    return value;
  }

  byte(): number {
    if (this.ended) throw new RangeError("Cannot read behind the end of a section");
    return this.#bytes[this.at++];
  }

  skip(bytes: number): number {
    this.at += bytes;
    if (this.at > this.#bytes.length) throw new RangeError("Cannot skip behind a section's end");
    return bytes;
  }

  /** LEB128, unsigned. */
  unsigned(): number {
    let value = 0;
    for (let shift = 0;; shift += 7) {
      const byte = this.byte();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
  }

  /** LEB128, signed. */
  signed(): number {
    const start = this.at, value = this.unsigned();
    const bits = 7 * (this.at - start), negative = this.#bytes[this.at - 1] & 0x40;
    return negative ? value - 2 ** bits : value;
  }

  text(): string {
    const characters: number[] = [];
    for (let byte = this.byte(); byte !== 0; byte = this.byte()) characters.push(byte);
    return new TextDecoder().decode(Uint8Array.from(characters));
  }
}

/** What a program works on: DWARF 5, 6.2.2. */
interface Registers {
  address: number;
  file: number;
  line: number;
}

const START: Registers = { address: 0, file: 1, line: 1 };
const CONTENT_PATH = 1; // DW_LNCT_path

/** The line table of one compilation unit. */
class LineProgram {
  readonly #cursor: Cursor;
  readonly #sections: (name: string) => Uint8Array;
  readonly #files: readonly string[];
  readonly #instructionBytes: number;
  readonly #lineBase: number;
  readonly #lineRange: number;
  readonly #operandCounts: readonly number[]; // of standard opcodes, from 1
  #r: Registers = { ...START };
  #row: Registers | undefined; // the last one, whose end is not known
  #ranges: Range[] = [];

  constructor(unit: Uint8Array, sections: (name: string) => Uint8Array) {
    const cursor = this.#cursor = new Cursor(unit, 4);
    this.#sections = sections;
    const version = cursor.number(2);
    if (version < 2 || version > 5) throw new RangeError(`Cannot read DWARF ${version}`);
    if (version === 5) cursor.at += 2; // sizes of addresses and segment selectors
    const headerBytes = cursor.number(4), program = cursor.at + headerBytes;
    this.#instructionBytes = cursor.byte();
    if (version >= 4) cursor.byte(); // operations of an instruction: one on this processor
    cursor.byte(); // whether rows begin statements
    this.#lineBase = cursor.byte() << 24 >> 24;
    this.#lineRange = cursor.byte();
    this.#operandCounts = Array.from({ length: cursor.byte() - 1 }, () => cursor.byte());
    this.#files = version === 5 ? this.#entries() : this.#oldFiles();
    cursor.at = program;
  }

  /** Adds the ranges that the program describes. */
  run(ranges: Range[]): void {
    this.#ranges = ranges;
    while (!this.#cursor.ended) this.#step(this.#cursor.byte());
  }

  #step(opcode: number): void {
    const special = opcode - this.#operandCounts.length - 1;
    if (special >= 0) {
      this.#advance(Math.floor(special / this.#lineRange));
      this.#r.line += this.#lineBase + special % this.#lineRange;
      this.#emit();
    } else if (opcode === 0) this.#extended();
    else if (opcode in LineProgram.standard) LineProgram.standard[opcode](this, this.#cursor);
    else for (let i = this.#operandCounts[opcode - 1]; i > 0; i--) this.#cursor.unsigned();
  }

  #extended(): void {
    const cursor = this.#cursor, bytes = cursor.unsigned(), end = cursor.at + bytes;
    const opcode = cursor.byte();
    if (opcode === 1) { // end of a sequence
      this.#close();
      this.#row = undefined;
      this.#r = { ...START };
    } else if (opcode === 2) this.#r.address = cursor.number(4);
    cursor.at = end;
  }

  #advance(instructions: number): void {
    this.#r.address += instructions * this.#instructionBytes;
  }

  /** A row: what was before it ends here. */
  #emit(): void {
    this.#close();
    this.#row = { ...this.#r };
  }

  #close(): void {
    const { address } = this.#r;
    if (this.#row === undefined || this.#row.address >= address || this.#row.line === 0) return;
    const file = this.#files[this.#row.file] ?? "?";
    this.#ranges.push({
      start: this.#row.address,
      end: address,
      source: `${file}:${this.#row.line}`,
    });
  }

  /** The standard opcodes of DWARF 5, 6.2.5.2, that move a register read here. */
  static readonly standard: Readonly<Record<number, (p: LineProgram, cursor: Cursor) => void>> = {
    1: (p) => p.#emit(),
    2: (p, cursor) => p.#advance(cursor.unsigned()),
    3: (p, cursor) => p.#r.line += cursor.signed(),
    4: (p, cursor) => p.#r.file = cursor.unsigned(),
    8: (p) => p.#advance(Math.floor((255 - p.#operandCounts.length - 1) / p.#lineRange)),
    9: (p, cursor) => p.#r.address += cursor.number(2),
  };

  /** Directories and files up to version 4; file 1 is the first. */
  #oldFiles(): string[] {
    const cursor = this.#cursor, files = [""];
    while (cursor.text() !== "");
    for (let name = cursor.text(); name !== ""; name = cursor.text()) {
      files.push(name);
      for (let i = 0; i < 3; i++) cursor.unsigned(); // directory, time, length
    }
    return files;
  }

  /** Directories and files of version 5: tables that describe themselves. */
  #entries(): string[] {
    this.#table();
    return this.#table();
  }

  #table(): string[] {
    const cursor = this.#cursor;
    const format = Array.from({ length: cursor.byte() }, () => ({
      content: cursor.unsigned(),
      form: cursor.unsigned(),
    }));
    const names: string[] = [], count = cursor.unsigned();
    if (format.length === 0) return names;
    for (let i = 0; i < count; i++) {
      for (const { content, form } of format) {
        const value = this.#value(form);
        if (content === CONTENT_PATH) names.push(`${value}`);
      }
    }
    return names;
  }

  #value(form: number): string | number {
    const read = forms[form];
    if (read === undefined) throw new RangeError(`Cannot read a value of form ${form}`);
    return read(this.#cursor, this.#sections);
  }
}

type Form = (cursor: Cursor, sections: (name: string) => Uint8Array) => string | number;

/** How values are written: DWARF 5, 7.5.6; those that file tables use. */
const forms: Readonly<Record<number, Form>> = {
  0x05: (cursor) => cursor.number(2),
  0x06: (cursor) => cursor.number(4),
  0x08: (cursor) => cursor.text(),
  0x09: (cursor) => cursor.skip(cursor.unsigned()),
  0x0b: (cursor) => cursor.byte(),
  0x0e: (cursor, sections) => new Cursor(sections(".debug_str"), cursor.number(4)).text(),
  0x0f: (cursor) => cursor.unsigned(),
  0x1e: (cursor) => cursor.skip(16),
  0x1f: (cursor, sections) => new Cursor(sections(".debug_line_str"), cursor.number(4)).text(),
};
