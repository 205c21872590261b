/** Builds small kernel images for the tests, field by field after the specifications. */

/** A segment of a made-up ELF file. */
export interface SegmentPlan {
  physAddr: number;
  virtAddr?: number;
  data: Uint8Array;
  memBytes?: number;
  type?: number;
}

/** A symbol of a made-up ELF file. */
export interface SymbolPlan {
  name: string;
  address: number;
  bytes?: number;
  /** Upper half: binding (1 global), lower half: type (2 function, 3 section). */
  info?: number;
  section?: number;
}

/** Bytes of little-endian 32-bit words. */
export function words(...values: number[]): Uint8Array {
  const bytes = new Uint8Array(4 * values.length), view = new DataView(bytes.buffer);
  values.forEach((value, i) => view.setUint32(4 * i, value, true));
  return bytes;
}

/** Bytes one behind the other. */
export function concat(...parts: Uint8Array[]): Uint8Array {
  const result = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    result.set(part, at);
    at += part.length;
  }
  return result;
}

/** A valid Multiboot 1 header, with address fields if given. */
export function header(flags = 3, ...fields: number[]): Uint8Array {
  return words(0x1badb002, flags, -(0x1badb002 + flags), ...fields);
}

/** An ELF32 executable: header, program headers, symbols, then the segments' bytes. */
export function elf(
  segments: SegmentPlan[],
  entry: number,
  symbols: SymbolPlan[] = [],
): Uint8Array {
  const names = new TextEncoder().encode(`\0${symbols.map((s) => `${s.name}\0`).join("")}`);
  const strings = concat(names, new Uint8Array(-names.length & 3));
  const table = symbolTable(symbols), tableAt = 52 + 32 * segments.length;
  const sectionsAt = tableAt + table.length + strings.length, dataAt = sectionsAt + 120;
  let next = dataAt;
  const programHeaders = segments.map(({ physAddr, virtAddr, data, memBytes, type }) => {
    const offset = next;
    next += data.length;
    const memory = memBytes ?? data.length;
    return words(type ?? 1, offset, virtAddr ?? physAddr, physAddr, data.length, memory, 7, 4);
  });
  const sections = words(
    ...[0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    ...[0, 2, 0, 0, tableAt, table.length, 2, 1, 4, 16],
    ...[0, 3, 0, 0, tableAt + table.length, strings.length, 0, 0, 1, 0],
  );
  const data = segments.map((segment) => segment.data);
  const head = fileHeader(entry, segments.length, sectionsAt);
  return concat(head, ...programHeaders, table, strings, sections, ...data);
}

function fileHeader(entry: number, segmentCount: number, sectionsAt: number): Uint8Array {
  return words(
    ...[0x464c457f, 0x00010101, 0, 0], // identification
    ...[2 | 3 << 16, 1, entry, 52, sectionsAt, 0], // type, machine, version, entry, tables
    ...[52 | 32 << 16, segmentCount | 40 << 16, 3 | 2 << 16],
  );
}

function symbolTable(symbols: SymbolPlan[]): Uint8Array {
  let name = 1;
  const rows = symbols.map((symbol) => {
    const row = words(
      name,
      symbol.address,
      symbol.bytes ?? 0,
      (symbol.info ?? 0x12) | (symbol.section ?? 1) << 16,
    );
    name += symbol.name.length + 1;
    return row;
  });
  return concat(new Uint8Array(16), ...rows);
}

/** A bootable image: a header at 1 MB, then `code`, where it starts. */
export function kernel(code: Uint8Array | number[], options: {
  flags?: number;
  memBytes?: number;
  symbols?: SymbolPlan[];
} = {}): Uint8Array {
  const data = concat(header(options.flags), Uint8Array.from(code));
  const start = { name: "_start", address: 0x10000c, bytes: data.length - 12 };
  const memBytes = options.memBytes ?? data.length;
  return elf([{ physAddr: 0x100000, data, memBytes }], 0x10000c, options.symbols ?? [start]);
}
