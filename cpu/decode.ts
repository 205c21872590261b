/** Bytes to instructions, by the rows of `isa/`. Spec: specs/cpu/decode.md. */
import type { Instruction } from "../isa/instruction.ts";
import { CS, DS, EBP, EBX, EDI, ES, ESI, ESP, FS, GS, SS } from "../isa/registers.ts";
import { type OperandKind, type Row, row } from "../isa/row.ts";
import { rows } from "../isa/rows.ts";

/** No instruction is longer (Intel SDM vol. 2, 2.3.11). */
export const LONGEST = 15;

/** What bytes decode to that encode nothing: #UD. */
export const undefinedRow: Row = row("0f ff undefined");
/** What more than fifteen bytes decode to: #GP. */
export const tooLongRow: Row = row("0f ff toolong");

/** Rows of one opcode: at most one for each of digit and register or memory form. */
type Slot = (Row | undefined)[]; // index: digit + 8 for a register form

const ONE_BYTE: Slot[] = [], TWO_BYTE: Slot[] = [];

function enter(slots: Slot[], opcode: number, entry: Row): void {
  const slot = slots[opcode] ??= new Array(16).fill(undefined);
  const kinds = entry.operands, memoryOnly = kinds.some((kind) => /^m($|\d|v|pair)/.test(kind));
  for (let digit = 0; digit < 8; digit++) {
    if (entry.digit >= 0 && digit !== entry.digit) continue;
    if (!kinds.includes("rr32")) slot[digit] ??= entry;
    if (!memoryOnly) slot[digit + 8] ??= entry;
  }
}

for (const entry of rows) {
  const two = entry.opcode[0] === 0x0f, last = entry.opcode[entry.opcode.length - 1];
  for (let i = 0; i < (entry.plus ? 8 : 1); i++) enter(two ? TWO_BYTE : ONE_BYTE, last + i, entry);
}
// mov to and from control and debug registers ignores ModRM.mod: the register form serves all
for (const opcode of [0x20, 0x21, 0x22, 0x23]) {
  for (let digit = 0; digit < 8; digit++) TWO_BYTE[opcode][digit] = TWO_BYTE[opcode][digit + 8];
}

/** Segment overrides. */
const SEGMENT_PREFIX = new Map([[0x26, ES], [0x2e, CS], [0x36, SS], [0x3e, DS], [0x64, FS], [
  0x65,
  GS,
]]);

/** 16-bit addresses: base and index registers by ModRM.rm (Intel SDM vol. 2, table 2-1). */
const BASE16 = [EBX, EBX, EBP, EBP, ESI, EDI, EBP, EBX].map((offset) => offset >> 2);
const INDEX16 = [ESI >> 2, EDI >> 2, ESI >> 2, EDI >> 2, -1, -1, -1, -1];

/** Reads one instruction's bytes; past the end of what is there it reads zeros and remembers it. */
class Reader {
  at: number;
  /** More bytes were needed than there are. */
  short = false;
  readonly #bytes: Uint8Array;
  readonly #end: number;

  constructor(bytes: Uint8Array, start: number, end: number) {
    this.#bytes = bytes;
    this.#end = end;
    this.at = start;
  }

  u8(): number {
    if (this.at < this.#end) return this.#bytes[this.at++];
    this.short = true;
    this.at++;
    return 0;
  }

  s8(): number {
    return this.u8() << 24 >> 24;
  }

  u16(): number {
    return this.u8() | this.u8() << 8;
  }

  s16(): number {
    return this.u16() << 16 >> 16;
  }

  s32(): number {
    return this.u16() | this.u16() << 16;
  }
}

/** The parts of an instruction while it is being decoded. */
type Draft = { -readonly [K in keyof Instruction]: Instruction[K] };

/**
 * Decodes the instruction at `bytes[start]`, of which the bytes before `end` are there. Gives undefined when
 * it reaches past `end`: the caller then gives it more, or faults. `code32` is the code segment's D bit.
 */
export function decode(
  bytes: Uint8Array,
  start: number,
  end: number,
  eip: number,
  code32: boolean,
): Instruction | undefined {
  const limit = start + LONGEST, reader = new Reader(bytes, start, Math.min(end, limit));
  const draft = prefixes(reader, limit, eip, code32);
  const row = opcodeRow(reader, draft);
  draft.row = row;
  if (row.modrm) modrm(reader, draft);
  immediates(reader, draft);
  if (draft.segment < 0) draft.segment = onStack(draft) ? SS : DS;
  draft.length = reader.at - start;
  if (reader.short) {
    if (end < limit) return undefined;
    draft.row = tooLongRow;
  } else if (draft.lock && !(row.lockable && draft.isMemory && /^(rm|m)/.test(row.operands[0]))) {
    draft.row = undefinedRow;
  }
  return draft;
}

function prefixes(reader: Reader, limit: number, eip: number, code32: boolean): Draft {
  const size = code32 ? 32 : 16, other = code32 ? 16 : 32;
  const draft: Draft = {
    row: undefinedRow,
    eip,
    length: 0,
    operandSize: size,
    addressSize: size,
    lock: false,
    repeat: 0,
    segment: -1,
    isMemory: false,
    mod: 0,
    reg: 0,
    rm: 0,
    base: -1,
    index: -1,
    scale: 0,
    displacement: 0,
    immediate: 0,
    immediate2: 0,
  };
  for (; reader.at < limit; reader.at++) {
    const byte = reader.u8();
    reader.at--;
    const segment = SEGMENT_PREFIX.get(byte);
    if (segment !== undefined) draft.segment = segment;
    else if (byte === 0x66) draft.operandSize = other;
    else if (byte === 0x67) draft.addressSize = other;
    else if (byte === 0xf0) draft.lock = true;
    else if (byte === 0xf2 || byte === 0xf3) draft.repeat = byte;
    else break;
    if (reader.short) break;
  }
  return draft;
}

function opcodeRow(reader: Reader, draft: Draft): Row {
  let slots = ONE_BYTE, opcode = reader.u8();
  if (opcode === 0x0f) {
    slots = TWO_BYTE;
    opcode = reader.u8();
  }
  draft.reg = opcode & 7; // for rows that hold a register in the opcode
  const slot = slots[opcode];
  if (slot === undefined) return undefinedRow;
  const first = slot[0] ?? slot[8] ?? slot.find((entry) => entry !== undefined)!;
  if (!first.modrm) return first;
  const next = reader.u8(); // ModRM, read again by its own rule
  reader.at--;
  return slot[(next >> 3 & 7) + (next >= 0xc0 ? 8 : 0)] ?? undefinedRow;
}

function modrm(reader: Reader, draft: Draft): void {
  const byte = reader.u8();
  draft.mod = byte >> 6;
  draft.reg = byte >> 3 & 7;
  draft.rm = byte & 7;
  draft.isMemory = draft.mod !== 3 && !draft.row.operands.includes("rr32"); // which ignores mod
  if (!draft.isMemory) return;
  if (draft.addressSize === 16) address16(reader, draft);
  else address32(reader, draft);
}

/** EBP and ESP as bases address the stack. */
function onStack({ isMemory, base }: Draft): boolean {
  return isMemory && (base === EBP >> 2 || base === ESP >> 2);
}

function address16(reader: Reader, draft: Draft): void {
  const { mod, rm } = draft;
  if (mod === 0 && rm === 6) {
    draft.displacement = reader.s16();
    return;
  }
  draft.base = BASE16[rm];
  draft.index = INDEX16[rm];
  if (mod === 1) draft.displacement = reader.s8();
  else if (mod === 2) draft.displacement = reader.s16();
}

function address32(reader: Reader, draft: Draft): void {
  const { mod, rm } = draft;
  let base = rm;
  if (rm === 4) {
    const sib = reader.u8(), index = sib >> 3 & 7;
    base = sib & 7;
    draft.index = index === 4 ? -1 : index;
    draft.scale = index === 4 ? 0 : sib >> 6;
  }
  if (base === 5 && mod === 0) {
    draft.displacement = reader.s32();
    return;
  }
  draft.base = base;
  if (mod === 1) draft.displacement = reader.s8();
  else if (mod === 2) draft.displacement = reader.s32();
}

/** Reads the immediates of the row's operands, in their order. */
function immediates(reader: Reader, draft: Draft): void {
  let field: "immediate" | "immediate2" = "immediate";
  for (const kind of draft.row.operands) {
    const read = IMMEDIATES[kind];
    if (read) {
      draft[field] = read(reader, draft);
      field = "immediate2";
    } else if (kind === "moffs8" || kind === "moffsv") {
      draft.isMemory = true;
      draft.displacement = draft.addressSize === 32 ? reader.s32() : reader.s16();
    } else if (kind === "ptr16v") {
      draft.immediate = draft.operandSize === 32 ? reader.s32() : reader.u16();
      draft.immediate2 = reader.u16();
    }
  }
}

const IMMEDIATES: Partial<Record<OperandKind, (reader: Reader, draft: Draft) => number>> = {
  imm8: (reader) => reader.u8(),
  imm8s: (reader) => reader.s8(),
  imm16: (reader) => reader.u16(),
  immv: (reader, draft) => draft.operandSize === 32 ? reader.s32() : reader.u16(),
  rel8: (reader) => reader.s8(),
  relv: (reader, draft) => draft.operandSize === 32 ? reader.s32() : reader.s16(),
  one: () => 1,
};

/** Where a direct jump goes. */
export function jumpTarget(instruction: Instruction): number {
  const to = instruction.eip + instruction.length + instruction.immediate;
  return instruction.operandSize === 32 ? to >>> 0 : to & 0xffff;
}
