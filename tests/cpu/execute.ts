/** Native vectors on the concrete machine (specs/isa/vectors.md). */
import { decode } from "../../cpu/decode.ts";
import { Fault } from "../../cpu/fault.ts";
import { packFlags, unpackFlags } from "../../cpu/state.ts";
import { parseEvent } from "../../trace/text.ts";
import { type Outcome, pagesBefore, parseVector, START, type Vector } from "../isa/vectors.ts";
import { concrete, type UndoableMemory } from "./model.ts";

const ZERO = 40, SIGN = 44, CARRY = 48, EFLAGS = 52;
const SPAN = 112, RIGHTS = 136, ATTRIBUTES = 184, LIMIT = 208; // six words each
const LONGEST_REPEAT = 100;

/** One line of a trace: a vector up to its `=`. */
export type MachineCode = Vector;

/** Reads an execution's fields, `BYTES [REGISTER=HEX]... fl=HEX [@ADDRESS=BYTES]...`. */
export function parse(fields: readonly string[]): Vector {
  return parseVector(parseEvent(`0 execute ${fields.join(" ")} = fl=202`));
}

/** The pages of a vector; an access elsewhere is an error of the vector. */
class PageMemory implements UndoableMemory {
  #old: [at: number, byte: number][] = [];

  constructor(readonly pages: Map<number, Uint8Array>) {}

  #page(at: number): Uint8Array {
    const page = this.pages.get((at & ~0xfff) >>> 0);
    if (!page) throw new RangeError(`Cannot access ${at.toString(16)}: no page of the vectors`);
    return page;
  }

  read(linear: number, bytes: number): number {
    let value = 0;
    for (let i = 0; i < bytes; i++) {
      value += this.#page(linear + i)[(linear + i) & 0xfff] * 2 ** (8 * i);
    }
    return value;
  }

  write(linear: number, bytes: number, value: number): void {
    for (let i = 0; i < bytes; i++) {
      const page = this.#page(linear + i), at = (linear + i) & 0xfff;
      this.#old.push([linear + i, page[at]]);
      page[at] = Math.floor(value / 2 ** (8 * i)) & 0xff;
    }
  }

  probeWrite(): void {}

  undo(): void {
    for (const [at, byte] of this.#old.reverse()) this.#page(at)[at & 0xfff] = byte;
  }
}

/** Runs a vector's instruction, all of its iterations; undefined for system code. */
export function runConcrete(vector: Vector): Outcome | undefined {
  const window = new Uint8Array(vector.bytes.length + 16);
  window.set(vector.bytes);
  const instruction = decode(window, 0, window.length, START, true)!;
  if (!instruction.row.meaning || instruction.immediate2 !== 0) return undefined;
  const registers = flatRegisters();
  vector.before.registers.forEach((value, i) => registers.setUint32(4 * i, value, true));
  const { flags } = vector.before, words = unpackFlags(flags);
  [ZERO, SIGN, CARRY].forEach((at, i) => registers.setInt32(at, words[i], true));
  registers.setUint32(EFLAGS, flags & ~0x8d5, true);
  const memory = new PageMemory(pagesBefore(vector));
  let result: ReturnType<typeof concrete>;
  for (let i = 0; i < LONGEST_REPEAT; i++) {
    result = concrete(instruction, true, registers, memory);
    if (result !== undefined) break;
  }
  return outcome(registers, memory, result);
}

/** Segments of 4 GB that begin at 0. */
function flatRegisters(): DataView {
  const registers = new DataView(new ArrayBuffer(256));
  for (let segment = 0; segment < 6; segment++) {
    registers.setUint32(SPAN + 4 * segment, 0xffffffff, true);
    registers.setUint32(LIMIT + 4 * segment, 0xffffffff, true);
    registers.setUint32(RIGHTS + 4 * segment, 3, true);
    registers.setUint32(ATTRIBUTES + 4 * segment, 1 << 22, true);
  }
  return registers;
}

function outcome(
  registers: DataView,
  memory: PageMemory,
  result: number | Fault | undefined,
): Outcome {
  const [zero, sign, carry] = [ZERO, SIGN, CARRY].map((at) => registers.getInt32(at, true));
  return {
    registers: Array.from({ length: 8 }, (_, i) => registers.getUint32(4 * i, true)),
    eip: typeof result === "number" ? result : START,
    flags: (packFlags(zero, sign, carry) | registers.getInt32(EFLAGS, true) | 2) >>> 0,
    fault: result instanceof Fault ? result.vector : undefined,
    page: (address) => memory.pages.get(address)!,
  };
}

/** What came of it, as the fields of a trace. */
export function execute(vector: Vector): string[] {
  const result = runConcrete(vector)!, names = "eax ecx edx ebx esp ebp esi edi".split(" ");
  const changed = names.flatMap((name, i) => {
    const value = result.registers[i];
    return value === vector.before.registers[i] ? [] : [`${name}=${value.toString(16)}`];
  });
  const fault = result.fault === undefined ? [] : [`fault=${result.fault}`];
  return [
    ...changed,
    ...fault,
    `eip=${result.eip.toString(16)}`,
    `fl=${result.flags.toString(16)}`,
  ];
}
