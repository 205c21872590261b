/** From instructions to forms: which handler an instruction needs. Spec: specs/cpu/form.md. */
import type { Instruction } from "../isa/instruction.ts";
import type { GeneralAddress } from "../isa/memory.ts";
import type { Form, Place, Size } from "../isa/machine.ts";
import { CL, CS, ES, FS, SS } from "../isa/registers.ts";
import type { OperandKind, Row } from "../isa/row.ts";
import { rows } from "../isa/rows.ts";

const names = (text: string) => new Set(text.split(" "));
const SHIFTS = names("rol ror rcl rcr shl shr sar shld shrd");
const STRINGS = names("movs cmps stos lods scas");
const STACK = names("push pop pusha popa enter leave call ret");
const COUNTED = names("loop loope loopne jcxz");
const BIT_STRINGS = names("bt bts btr btc");
/** Instructions that only read their first operand. */
const READ_ONLY = names("cmp test push jmp call mul imul div idiv bt bound nop");

/** The row jumps to a displacement. */
export function isBranch(row: Row): boolean {
  return row.operands[0] === "rel8" || row.operands[0] === "relv";
}

const ENDS = names("jmp call ret jmpf callf retf int int1 int3 iret ud2 undefined toolong");

/** What follows the row's instruction in memory is not what is executed after it, or need not be code. */
export function endsBlock(row: Row): boolean {
  return ENDS.has(row.mnemonic);
}

/** Bits of an operand of this kind, or 0 where it has none of its own. */
function kindSize(kind: OperandKind | undefined, operandSize: 16 | 32): Size | 0 {
  if (kind === undefined) return 0;
  if (/^(r8|rm8|m8|al|cl|moffs8)$/.test(kind)) return 8;
  if (/^(r16|rm16|m16|ax|dx)$/.test(kind)) return 16;
  if (/^(r32|rm32|m32|rr32)$/.test(kind)) return 32;
  return /^(rv|rmv|mv|eaxv|moffsv|immv|imm8s)$/.test(kind) ? operandSize : 0;
}

/** Operand size of the row's instruction. */
export function formSize(row: Row, operandSize: 16 | 32): Size {
  return row.byte ? 8 : kindSize(row.operands[0], operandSize) || operandSize;
}

/** What an operand's place needs to know of the instruction. */
interface Shape {
  readonly operandSize: 16 | 32;
  readonly isMemory: boolean;
  readonly immediate: number;
}

function place(row: Row, kind: OperandKind, index: number, shape: Shape): Place | undefined {
  const size = kindSize(kind, shape.operandSize) || 8;
  if (/^m/.test(kind) || (/^rm/.test(kind) && shape.isMemory)) return { kind: "memory", size };
  if (kind === "cl") return { kind: "fixed", offset: CL, size: 8 };
  if (/^(r|al|ax|eaxv)/.test(kind) && !/^rel/.test(kind)) {
    return { kind: "register", slot: index as 0 | 1, size };
  }
  if (!/^(imm|one)/.test(kind)) return undefined;
  const counts = SHIFTS.has(row.mnemonic) && (shape.immediate & 31) !== 0;
  return { kind: counts ? "count" : "immediate", size: kind === "imm16" ? 16 : size };
}

/** The segment of the memory operand needs neither base nor check when CS, SS, DS and ES are flat. */
function plainSegment(instruction: Instruction): boolean {
  return instruction.segment < FS && instruction.segment !== CS && instruction.addressSize === 32;
}

/** The instruction's memory operand needs an address operation before it. */
export function needsAddress(instruction: Instruction, flat: boolean): boolean {
  if (!instruction.isMemory || instruction.row.mnemonic === "nop") return false;
  if (instruction.row.mnemonic === "lea") return instruction.addressSize === 16;
  return !flat || !plainSegment(instruction);
}

/** The form of an instruction with a meaning; `flat`: CS, SS, DS and ES are flat and SS is 32-bit. */
export function formOf(instruction: Instruction, flat: boolean): Form {
  const { row } = instruction, string = STRINGS.has(row.mnemonic), xlat = row.mnemonic === "xlat";
  const size = formSize(row, instruction.operandSize);
  const places = row.operands.map((kind, i) => place(row, kind, i, instruction)).filter((it) =>
    it !== undefined
  );
  let plain = true;
  if (string || xlat) {
    plain = flat && plainSource(instruction) && !(xlat && instruction.addressSize === 16);
  } else if (bitStringOperand(row, places)) plain = !needsAddress(instruction, flat);
  else if (STACK.has(row.mnemonic) || isBranch(row) || row.mnemonic === "jmp") plain = flat;
  return {
    name: row.mnemonic,
    size,
    places,
    addressSize: string || xlat || COUNTED.has(row.mnemonic) ? instruction.addressSize : 32,
    flat: plain,
    repeat: string ? repeatOf(instruction) : 0,
  };
}

function plainSource({ segment }: Instruction): boolean {
  return segment < FS && segment !== CS;
}

function bitStringOperand(row: Row, places: readonly Place[]): boolean {
  return BIT_STRINGS.has(row.mnemonic) && places[0].kind === "memory" &&
    places[1].kind === "register";
}

/** REPNE is REP where nothing is compared. */
function repeatOf({ row, repeat }: Instruction): 0 | 0xf2 | 0xf3 {
  return repeat !== 0 && row.mnemonic !== "cmps" && row.mnemonic !== "scas" ? 0xf3 : repeat;
}

/** Bytes of the memory operand. */
function memoryBytes(row: Row, operandSize: 16 | 32): number {
  if (row.mnemonic === "lea") return 0;
  const kind = row.operands.find((it) => /^(rm|m)/.test(it));
  if (kind === "m64") return 8;
  return kind === "mpair" ? operandSize / 4 : (kindSize(kind, operandSize) || operandSize) / 8;
}

/** The address operation before an instruction that {@link needsAddress}. */
export function addressOf(instruction: Instruction): GeneralAddress {
  const { row, operandSize, addressSize, segment } = instruction;
  const bytes = memoryBytes(row, operandSize), destination = /^(rm|m)/.test(row.operands[0]);
  const bits = BIT_STRINGS.has(row.mnemonic) && row.operands[1] === "rv";
  return {
    bytes,
    write: bytes > 0 && (row.mnemonic === "xchg" || (destination && !READ_ONLY.has(row.mnemonic))),
    addressSize,
    stack: bytes > 0 && segment === SS,
    bitString: bits ? operandSize : 0,
  };
}

/** A name for a form that no other form has. */
export function formKey(form: Form): string {
  const places = form.places.map((it) => {
    const where = it.kind === "register" ? it.slot : it.kind === "fixed" ? it.offset : "";
    return `${it.kind[0]}${where}.${it.size}`;
  });
  const traits = `${form.addressSize === 16 ? " a16" : ""}${form.flat ? "" : " general"}`;
  return `${form.name} ${form.size} ${places.join(" ")}${traits}${
    form.repeat ? ` ${form.repeat}` : ""
  }`;
}

/** A name for an address operation. */
export function addressKey(form: GeneralAddress): string {
  return `address ${form.bytes}${form.write ? "w" : "r"} a${form.addressSize}${
    form.stack ? " ss" : ""
  } ${form.bitString}`;
}

/** Everything that distinguishes instructions of one row, for listing all forms. */
function* shapes(row: Row): Iterable<{ instruction: Instruction; flat: boolean }> {
  const base = {
    row,
    eip: 0,
    length: 0,
    lock: false,
    mod: 0,
    reg: 0,
    rm: 0,
    base: -1,
    index: -1,
    scale: 0,
    displacement: 0,
    immediate2: 0,
  };
  const memories = /\b(rm|m)/.test(row.operands.join(" ")) ? [false, true] : [false];
  for (const operandSize of [16, 32] as const) {
    for (const addressSize of [16, 32] as const) {
      for (const repeat of STRINGS.has(row.mnemonic) ? [0, 0xf2, 0xf3] as const : [0] as const) {
        for (const isMemory of memories) {
          for (const immediate of SHIFTS.has(row.mnemonic) ? [0, 1] : [0]) {
            for (const segment of [ES, SS, FS]) {
              for (const flat of [false, true]) {
                yield {
                  instruction: {
                    ...base,
                    operandSize,
                    addressSize,
                    repeat,
                    isMemory,
                    immediate,
                    segment,
                  },
                  flat,
                };
              }
            }
          }
        }
      }
    }
  }
}

/** Every form that a decoded instruction can have, and every address operation, by key, in a fixed order. */
export function allForms(): {
  forms: Map<string, { row: Row; form: Form }>;
  addresses: Map<string, GeneralAddress>;
} {
  const forms = new Map<string, { row: Row; form: Form }>(),
    addresses = new Map<string, GeneralAddress>();
  for (const row of rows) {
    if (!row.meaning) continue;
    for (const { instruction, flat } of shapes(row)) {
      if (row.operands.some((kind) => /^m($|\d|v|p|o)/.test(kind)) && !instruction.isMemory) {
        continue;
      }
      const form = formOf(instruction, flat);
      if (!forms.has(formKey(form))) forms.set(formKey(form), { row, form });
      if (!needsAddress(instruction, flat)) continue;
      const address = addressOf(instruction);
      addresses.set(addressKey(address), address);
    }
  }
  return { forms, addresses };
}
