/** Static data of a compiled program: strings, constant tables and zero-filled buffers, each its own object. */
import { BuildError } from "./build_error.ts";

/** A reference from one object's bytes to another symbol. */
export interface DataReference {
  /** Where in the bytes. */
  readonly offset: number;
  /** What it refers to. */
  readonly symbol: string;
  /** Added to the address of the symbol. */
  readonly addend: number;
}

/** One object of the image's data sections. */
export interface DataObject {
  /** Its symbol. */
  readonly symbol: string;
  /** Its contents. */
  readonly bytes: Uint8Array;
  /** A power of two. */
  readonly alignment: number;
  /** True for what goes to .bss. */
  readonly isZero: boolean;
  /** Addresses among its bytes, ascending. */
  readonly references: readonly DataReference[];
}

/** Symbol and offset that a name of `reference` or `cstring` stands for. */
export function splitReference(name: string): { symbol: string; addend: number } {
  const at = name.lastIndexOf("+");
  return at < 0 ? { symbol: name, addend: 0 } : {
    symbol: name.slice(0, at),
    addend: Number(name.slice(at + 1)),
  };
}

/** A datum where the compiler placed it. */
export interface Segment {
  /** Its address while compiling. */
  readonly address: number;
  /** Its contents. */
  readonly bytes: Uint8Array;
}

interface Datum extends Segment {
  /** Bytes at the start that the image leaves out. */
  readonly dropped: number;
}

/** Room behind each datum while compiling; an address in it belongs to the nearer neighbour. */
export const GAP_BYTES = 64;

const STRING_ID = 2; // the runtime's class id of String
const HEADER_BYTES = 20; // before the payload: sizes, class id, payload length
const DROPPED_BYTES = 16; // of the header: compiled code reads the payload length only

const viewOf = ({ buffer, byteOffset, length }: Uint8Array): DataView =>
  new DataView(buffer, byteOffset, length);

/** True for what the runtime calls a managed object: block size, two words for a collector, class id, length. */
function hasHeader(bytes: Uint8Array): boolean {
  if (bytes.length < HEADER_BYTES) return false;
  const view = viewOf(bytes);
  const [size, collector, collector2, , length] = [0, 4, 8, 12, 16].map((at) =>
    view.getUint32(at, true)
  );
  return size === bytes.length - 4 && collector === 0 && collector2 === 0 &&
    HEADER_BYTES + length <= bytes.length;
}

/** The part of a segment that becomes part of the image. */
function keptBytes({ bytes, dropped }: Datum): Uint8Array {
  if (dropped === 0) return bytes;
  const length = viewOf(bytes).getUint32(DROPPED_BYTES, true);
  return bytes.slice(DROPPED_BYTES, HEADER_BYTES + length);
}

/** Static data, by address while compiling and by symbol afterwards. */
export class StaticData {
  readonly #segments: readonly Datum[];
  readonly #cstrings = new Map<string, string>();

  /** The data, as they were placed with a gap behind each. */
  constructor(segments: readonly Segment[]) {
    this.#segments = segments.map(({ address, bytes }) => ({
      address,
      bytes,
      dropped: hasHeader(bytes) ? DROPPED_BYTES : 0,
    }));
  }

  #find(address: number): number {
    return this.#segments.findIndex((segment) =>
      address >= segment.address - GAP_BYTES / 2 &&
      address < segment.address + segment.bytes.length + GAP_BYTES / 2
    );
  }

  /** True when the address belongs to a datum. */
  has(address: number): boolean {
    return this.#find(address) >= 0;
  }

  /** Name `datum:N+OFFSET` of an address in datum N. */
  reference(address: number): string {
    const index = this.#find(address);
    const { address: start, dropped } = this.#segments[index];
    return `datum:${index}+${address - start - dropped}`;
  }

  /** Name of the NUL-terminated form of the string at the address. */
  cstring(address: number): string {
    const bytes = this.#string(address);
    const text = String.fromCharCode(...bytes);
    if (!this.#cstrings.has(text)) this.#cstrings.set(text, `string:${this.#cstrings.size}`);
    return this.#cstrings.get(text)!;
  }

  #string(address: number): number[] {
    const segment = this.#segments[this.#find(address)];
    const view = segment && viewOf(segment.bytes);
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

  /** The data that the given symbols reach, in a fixed order. */
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
    const view = viewOf(bytes);
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
