/** Reads native vectors, fixtures/isa/*.trace. Spec: specs/isa/vectors.md. */
import { headValue, parseTrace } from "../../trace/text.ts";
import type { Event, Field } from "../../trace/event.ts";

/** The files of native vectors. */
export type VectorGroup =
  | "arithmetic"
  | "shifts"
  | "bits"
  | "moves"
  | "strings"
  | "decimal"
  | "control"
  | "privileged"
  | "faults";

/** Bytes at an address. */
export interface Patch {
  readonly address: number;
  readonly bytes: Uint8Array;
}

/** The state before or after an instruction. */
export interface Moment {
  /** EAX, ECX, EDX, EBX, ESP, EBP, ESI, EDI. */
  readonly registers: readonly number[];
  readonly eip: number;
  /** EFLAGS. */
  readonly flags: number;
  /** Before: memory laid over the background. After: memory that has changed. */
  readonly memory: readonly Patch[];
}

/** Error code and CR2 of a page fault. */
export interface PageFault {
  readonly error: number;
  readonly address: number;
}

/** One instruction and what a processor did with it. */
export interface Vector {
  /** The line, for messages. */
  readonly text: string;
  readonly number: number;
  readonly mnemonic: string;
  /** The instruction's bytes, prefixes included. */
  readonly bytes: Uint8Array;
  readonly before: Moment;
  readonly after: Moment;
  /** The exception's vector, where one was raised. */
  readonly fault: number | undefined;
  /** What a page fault reports. */
  readonly pageFault: PageFault | undefined;
  /** Bits of EFLAGS that a comparison leaves out. */
  readonly undefinedFlags: number;
}

/** What a machine under test did with a vector. */
export interface Outcome {
  readonly registers: ArrayLike<number>;
  readonly eip: number;
  readonly flags: number;
  readonly fault: number | undefined;
  /** Left out by a machine without paging. */
  readonly pageFault?: PageFault;
  /** The 4096 bytes of a page. */
  page(address: number): Uint8Array;
}

/** Where every instruction stands. */
export const START = 0x100400;
/** The pages of INT3, the second of which holds the instruction; and those of data. */
export const CODE_PAGES: readonly number[] = [0x6000, 0x100000];
/** See {@link CODE_PAGES}. */
export const DATA_PAGES: readonly number[] = [0x7000, 0x200000];

const NAMES = ["eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"];
const BACKGROUND = [
  0xa0b1c2d3,
  0x01234567,
  0x89abcdef,
  0x13579bdf,
  0x200c00,
  0x200a00,
  0x200400,
  0x200800,
];
const PAGE_SIZE = 4096;
/** Status flags, DF, IOPL, NT, AC, ID and IF: all that a comparison looks at. */
const COMPARED_FLAGS = 0x247ed5;

/** All vectors of a group, and the origin that the file names. */
export async function readVectors(
  group: VectorGroup,
): Promise<{ origin: string; vectors: Vector[] }> {
  const file = new URL(`../../fixtures/isa/${group}.trace`, import.meta.url);
  const trace = parseTrace(await Deno.readTextFile(file));
  return { origin: headValue(trace, "origin") ?? "", vectors: trace.events.map(parseVector) };
}

/** Reads one line. */
export function parseVector({ stamp, kind, fields }: Event): Vector {
  const [encoding, ...rest] = fields.map(bare);
  const middle = rest.indexOf("=");
  const bytes = parseBytes(encoding);
  const left = pairs(rest.slice(0, middle)), right = pairs(rest.slice(middle + 1));
  const before = moment(left, BACKGROUND, START);
  const fault = right.get("fault");
  const next = fault === undefined ? START + bytes.length : START;
  return {
    text: [stamp, kind, encoding, ...rest].join(" "),
    number: stamp,
    mnemonic: kind,
    bytes,
    before,
    after: moment(right, before.registers, next),
    fault: fault === undefined ? undefined : Number(fault),
    pageFault: right.has("cr2")
      ? { error: hexadecimal(right.get("error")!), address: hexadecimal(right.get("cr2")!) }
      : undefined,
    undefinedFlags: hexadecimal(right.get("uf") ?? "0"),
  };
}

function bare(field: Field): string {
  if (typeof field !== "string") throw new SyntaxError(`Cannot read a vector: found ${field.text}`);
  return field;
}

function pairs(fields: readonly string[]): Map<string, string> {
  return new Map(fields.map((field) => field.split("=") as [string, string]));
}

function hexadecimal(digits: string): number {
  if (!/^[0-9a-f]+$/.test(digits)) throw new SyntaxError(`Cannot read ${digits} as hexadecimal`);
  return parseInt(digits, 16);
}

function parseBytes(digits: string): Uint8Array {
  return Uint8Array.from(digits.match(/../g) ?? [], hexadecimal);
}

function moment(
  fields: Map<string, string>,
  registers: readonly number[],
  eip: number,
): Moment {
  const number = (name: string, otherwise: number) =>
    fields.has(name) ? hexadecimal(fields.get(name)!) : otherwise;
  return {
    registers: NAMES.map((name, index) => number(name, registers[index])),
    eip: number("eip", eip),
    flags: number("fl", NaN),
    memory: [...fields].filter(([name]) => name.startsWith("@")).map(([name, digits]) => ({
      address: hexadecimal(name.slice(1)),
      bytes: parseBytes(digits),
    })),
  };
}

/** The bytes of every page before the instruction, by address. */
export function pagesBefore(vector: Vector): Map<number, Uint8Array> {
  const pages = new Map<number, Uint8Array>();
  for (const page of CODE_PAGES) pages.set(page, new Uint8Array(PAGE_SIZE).fill(0xcc));
  for (const page of DATA_PAGES) {
    pages.set(page, new Uint8Array(PAGE_SIZE).map((_, at) => pattern(page + at)));
  }
  lay(pages, { address: START, bytes: vector.bytes });
  for (const patch of vector.before.memory) lay(pages, patch);
  return pages;
}

/** The bytes of every page after the instruction, by address. */
export function pagesAfter(vector: Vector): Map<number, Uint8Array> {
  const pages = pagesBefore(vector);
  for (const patch of vector.after.memory) lay(pages, patch);
  return pages;
}

function pattern(address: number): number {
  return address * 181 + (address >> 8) * 29 + 77 & 0xff;
}

function lay(pages: Map<number, Uint8Array>, { address, bytes }: Patch): void {
  const page = pages.get(address & -PAGE_SIZE);
  if (!page) throw new RangeError(`Cannot lay bytes at 0x${address.toString(16)}: no page there`);
  page.set(bytes, address & PAGE_SIZE - 1);
}

/** What a machine under test did differently; empty when nothing. */
export function differences(vector: Vector, outcome: Outcome): string[] {
  const { after, fault, pageFault, undefinedFlags } = vector;
  const flags = (after.flags ^ outcome.flags) & COMPARED_FLAGS & ~undefinedFlags;
  return [
    ...NAMES.flatMap((name, i) => compare(name, after.registers[i], outcome.registers[i] >>> 0)),
    ...compare("eip", after.eip, outcome.eip >>> 0),
    ...flags ? [`fl ${hex(after.flags)} ≠ ${hex(outcome.flags)}, bits ${hex(flags)}`] : [],
    ...fault === outcome.fault ? [] : [`fault ${fault} ≠ ${outcome.fault}`],
    ...outcome.pageFault ? comparePageFaults(pageFault, outcome.pageFault) : [],
    ...[...pagesAfter(vector)].flatMap(([page, bytes]) =>
      firstDifference(page, bytes, outcome.page(page))
    ),
  ];
}

function compare(name: string, expected: number, actual: number): string[] {
  return expected === actual ? [] : [`${name} ${hex(expected)} ≠ ${hex(actual)}`];
}

function comparePageFaults(expected: PageFault | undefined, actual: PageFault): string[] {
  const { error, address } = expected ?? { error: NaN, address: NaN };
  return [...compare("error", error, actual.error), ...compare("cr2", address, actual.address)];
}

function firstDifference(page: number, expected: Uint8Array, actual: Uint8Array): string[] {
  const at = expected.findIndex((byte, index) => byte !== actual[index]);
  return at < 0 ? [] : compare(`@${hex(page + at)}`, expected[at], actual[at]);
}

function hex(number: number): string {
  return (number >>> 0).toString(16);
}
