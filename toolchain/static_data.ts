/** Static data of a compiled program: strings, constant tables and zero-filled buffers, each its own object. */
import { BuildError } from "./build_error.ts";

/** A reference from one object's bytes to another symbol. */
export interface DataReference {
  readonly offset: number;
  readonly symbol: string;
  readonly addend: number;
}

/** One object of the image's data sections. */
export interface DataObject {
  readonly symbol: string;
  readonly bytes: Uint8Array;
  readonly alignment: number;
  readonly isZero: boolean;
  readonly references: readonly DataReference[];
}

/** Static data, by address while compiling and by symbol afterwards. */
export interface StaticData {
  /** True when the address lies in an object. */
  has(address: number): boolean;
  /** Name `datum:N+OFFSET` of an address inside object N. */
  reference(address: number): string;
  /** Name of the NUL-terminated form of the string at the address. */
  cstring(address: number): string;
  /** The objects that the given symbols reach, in a fixed order. */
  objects(symbols: Iterable<string>): DataObject[];
}

/** Symbol and offset that a name of `reference` or `cstring` stands for. */
export function splitReference(name: string): { symbol: string; addend: number } {
  const at = name.lastIndexOf("+");
  return at < 0 ? { symbol: name, addend: 0 } : {
    symbol: name.slice(0, at),
    addend: Number(name.slice(at + 1)),
  };
}

interface Segment {
  readonly address: number;
  readonly bytes: Uint8Array;
  /** Bytes at the start that the image leaves out. */
  readonly dropped: number;
}

const STRING_ID = 2; // the runtime's class id of String
const HEADER_BYTES = 20; // before the payload: sizes, class id, payload length
const DROPPED_BYTES = 16; // of the header: compiled code reads the payload length only

function parseBytes(literal: string): Uint8Array {
  const bytes: number[] = [];
  const escapes: Record<string, number> = { n: 10, t: 9, r: 13, '"': 34, "'": 39, "\\": 92 };
  for (let at = 0; at < literal.length; at++) {
    if (literal[at] !== "\\") bytes.push(literal.charCodeAt(at));
    else if (literal[at + 1] in escapes) bytes.push(escapes[literal[++at]]);
    else {
      bytes.push(parseInt(literal.slice(at + 1, at + 3), 16));
      at += 2;
    }
  }
  return Uint8Array.from(bytes);
}

function parseSegments(text: string): Segment[] {
  const pattern = /^ \(data \$\S+ \(i32\.const (\d+)\) "((?:[^"\\]|\\.)*)"\)/gm;
  return [...text.matchAll(pattern)].map(([, address, literal]) => {
    const bytes = parseBytes(literal);
    return { address: Number(address), bytes, dropped: hasHeader(bytes) ? DROPPED_BYTES : 0 };
  });
}

/** True for what the runtime calls a managed object: block size, two words for a collector, class id, length. */
function hasHeader(bytes: Uint8Array): boolean {
  if (bytes.length < HEADER_BYTES) return false;
  const view = new DataView(bytes.buffer);
  const [size, collector, collector2, , length] = [0, 4, 8, 12, 16].map((at) =>
    view.getUint32(at, true)
  );
  return size === bytes.length - 4 && collector === 0 && collector2 === 0 &&
    HEADER_BYTES + length <= bytes.length;
}

/** The part of a segment that becomes part of the image. */
function keptBytes({ bytes, dropped }: Segment): Uint8Array {
  if (dropped === 0) return bytes;
  const length = new DataView(bytes.buffer).getUint32(DROPPED_BYTES, true);
  return bytes.slice(DROPPED_BYTES, HEADER_BYTES + length);
}

class Data implements StaticData {
  readonly #segments: Segment[];
  readonly #base: number;
  readonly #cstrings = new Map<string, string>();

  constructor(segments: Segment[], base: number) {
    this.#segments = segments;
    this.#base = base;
  }

  #find(address: number): number {
    return this.#segments.findIndex((segment) =>
      address >= segment.address && address <= segment.address + segment.bytes.length
    );
  }

  has(address: number): boolean {
    return address >= this.#base && this.#find(address) >= 0;
  }

  reference(address: number): string {
    const index = this.#find(address);
    const { address: start, dropped } = this.#segments[index];
    return `datum:${index}+${address - start - dropped}`;
  }

  cstring(address: number): string {
    const bytes = this.#string(address);
    const text = String.fromCharCode(...bytes);
    if (!this.#cstrings.has(text)) this.#cstrings.set(text, `string:${this.#cstrings.size}`);
    return this.#cstrings.get(text)!;
  }

  #string(address: number): number[] {
    const segment = this.#segments[this.#find(address)];
    const view = segment && new DataView(segment.bytes.buffer, segment.bytes.byteOffset);
    if (
      !segment || address !== segment.address + HEADER_BYTES ||
      view.getUint32(12, true) !== STRING_ID
    ) {
      throw new BuildError("Cannot make a C string: cstr() takes a string literal");
    }
    const units = Array.from(
      { length: view.getUint32(16, true) >> 1 },
      (_, index) => view.getUint16(HEADER_BYTES + 2 * index, true),
    );
    const bad = units.find((unit) => unit === 0 || unit > 0x7f);
    if (bad === undefined) return units;
    throw new BuildError(
      `Cannot make a C string of ${JSON.stringify(String.fromCharCode(...units))}: ` +
        `character 0x${bad.toString(16)} is not ASCII`,
    );
  }

  objects(symbols: Iterable<string>): DataObject[] {
    const wanted = new Set<string>();
    const queue = [...symbols];
    for (let symbol = queue.pop(); symbol !== undefined; symbol = queue.pop()) {
      if (wanted.has(symbol)) continue;
      wanted.add(symbol);
      if (symbol.startsWith("datum:")) {
        queue.push(...this.#datum(symbol).references.map((reference) => reference.symbol));
      }
    }
    const strings = [...this.#cstrings].map(([text, symbol]) => stringObject(text, symbol));
    const data = this.#segments.map((_, index) => this.#datum(`datum:${index}`));
    return [...data, ...strings].filter(({ symbol }) => wanted.has(symbol));
  }

  #datum(symbol: string): DataObject {
    const segment = this.#segments[Number(symbol.slice("datum:".length))];
    const bytes = keptBytes(segment), address = segment.address + segment.dropped;
    const isZero = bytes.every((byte) => byte === 0);
    const limit = isZero ? 4096 : 4;
    const alignment = Math.min(address & -address, limit);
    return { symbol, bytes, alignment, isZero, references: this.#references(bytes) };
  }

  /** Aligned words that are addresses of other objects. */
  #references(bytes: Uint8Array): DataReference[] {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const references: DataReference[] = [];
    for (let offset = 0; offset + 4 <= bytes.length; offset += 4) {
      const value = view.getUint32(offset, true);
      if (this.has(value)) references.push({ offset, ...splitReference(this.reference(value)) });
    }
    return references;
  }
}

function stringObject(text: string, symbol: string): DataObject {
  const bytes = Uint8Array.from([...text].map((c) => c.charCodeAt(0)).concat(0));
  return { symbol, bytes, alignment: 1, isZero: false, references: [] };
}

/** Reads the data segments of a module in text form. */
export function readStaticData(text: string, base: number): StaticData {
  return new Data(parseSegments(text), base);
}
