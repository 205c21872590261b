/** Stimuli of fixtures/isa/strings.trace. Spec: specs/isa/vectors.md. */
import * as s from "./stimuli.ts";
import type { Size, Stimulus } from "./stimuli.ts";

const SIZES: readonly Size[] = [8, 16, 32];
const REPEATS = [[], [0xf3], [0xf2]];
const COUNTS = [0, 1, 2, 5, 9];

/** An operation, and which of its strings it reads or writes. */
interface Operation {
  mnemonic: string;
  opcode: number;
  source: boolean;
  target: boolean;
  compares: boolean;
}

const OPERATIONS: readonly Operation[] = [
  { mnemonic: "movs", opcode: 0xa4, source: true, target: true, compares: false },
  { mnemonic: "cmps", opcode: 0xa6, source: true, target: true, compares: true },
  { mnemonic: "stos", opcode: 0xaa, source: false, target: true, compares: false },
  { mnemonic: "lods", opcode: 0xac, source: true, target: false, compares: false },
  { mnemonic: "scas", opcode: 0xae, source: false, target: true, compares: true },
];

/** Random elements of which neighbours are often equal. */
function elements(size: Size, count: number): number[] {
  const common = s.value(size);
  const list = Array.from({ length: count }, () => s.random() % 4 ? common : s.value(size));
  return list.flatMap((element) => s.little(element, size));
}

/** The text that `target` is compared with: the same elements but for one, or others. */
function altered(source: number[], size: Size): number[] {
  const copy = [...source];
  const at = s.random() % (copy.length + 4);
  if (at < copy.length) copy[at] ^= 1 << (s.random() & 7);
  return s.random() & 3 ? copy : elements(size, copy.length * 8 / size);
}

function stimulus(
  operation: Operation,
  size: Size,
  repeat: readonly number[],
  count: number,
  down: boolean,
  short: boolean,
): Stimulus {
  const page = short ? s.LOW_DATA : s.DATA;
  const source = page + 0x180 + (s.random() & 3), target = page + 0x280 + (s.random() & 3);
  const step = size / 8, length = Math.max(1, count);
  const text = elements(size, length);
  const memory = new Map<number, number[]>();
  if (operation.source) memory.set(source, text);
  if (operation.compares) memory.set(target, operation.source ? altered(text, size) : text);
  const offset = down ? step * (length - 1) : 0;
  const high = short ? s.random() & 0xffff0000 : 0;
  const registers = new Map<number, number>();
  if (repeat.length || count > 1) registers.set(s.ECX, (high | count) >>> 0);
  if (!operation.source) accumulator(registers, size, text);
  if (operation.source) registers.set(s.ESI, (high | source + offset) >>> 0);
  if (operation.target) registers.set(s.EDI, (high | target + offset) >>> 0);
  const front = [...short ? [0x67] : [], ...repeat, ...s.prefix(size)];
  const bytes = [...front, operation.opcode | (size === 8 ? 0 : 1)];
  const flags = s.flags() | (down ? s.DF : 0);
  return { mnemonic: operation.mnemonic, bytes, registers, flags, memory };
}

/** The element that is looked for: one of the text, or another. */
function accumulator(registers: Map<number, number>, size: Size, text: number[]): void {
  const at = s.random() % text.length & ~(size / 8 - 1);
  const element = text.slice(at, at + size / 8).reduceRight((sum, byte) => sum * 256 + byte, 0);
  s.setRegister(registers, s.EAX, size, s.random() & 3 ? element : s.value(size));
}

/** MOVS onto itself, one element further: the first element fills the target. */
function* overlapping(): Generator<Stimulus> {
  for (const size of SIZES) {
    for (const distance of [1, 2, 4, -1, -4]) {
      for (const down of [false, true]) {
        const at = s.DATA + 0x300;
        const registers = new Map([[s.ECX, 7], [s.ESI, at], [s.EDI, at + distance]]);
        const bytes = [0xf3, ...s.prefix(size), size === 8 ? 0xa4 : 0xa5];
        yield { mnemonic: "movs", bytes, registers, flags: s.flags() | (down ? s.DF : 0) };
      }
    }
  }
}

/** The whole group. */
export function* strings(): Generator<Stimulus> {
  for (const operation of OPERATIONS) {
    for (const size of SIZES) {
      for (const repeat of REPEATS) {
        for (const count of repeat.length ? COUNTS : [1]) {
          // Without a comparison, F2 repeats as F3 does; the manual calls it reserved.
          if (repeat[0] === 0xf2 && !operation.compares) continue;
          yield stimulus(operation, size, repeat, count, false, false);
          yield stimulus(operation, size, repeat, count, true, false);
          if (count !== 2) yield stimulus(operation, size, repeat, count, s.random() % 2 > 0, true);
        }
      }
    }
  }
  yield* overlapping();
}
