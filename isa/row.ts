/** One row of the opcode map: encoding, operands, meaning. Spec: specs/isa/row.md. */
import type { Meaning } from "./machine.ts";

/**
 * How an operand is encoded. `v` is 16 or 32 bits, by the operand size.
 * - `r8 r16 r32 rv`: register in ModRM.reg, or in the opcode byte;
 * - `rm8 rm16 rm32 rmv`: register or memory in ModRM.rm; `m…`: memory only, `rr32` register only;
 * - `imm8 imm16 immv`, `imm8s` sign-extended to the operand size; `one` the constant 1;
 * - `rel8 relv`: displacement from the next instruction; `ptr16v` selector and offset in the instruction;
 * - `moffs8 moffsv`: the address itself in the instruction; `sreg cr dr`: named by ModRM.reg;
 * - `al cl ax dx eaxv es cs ss ds fs gs`: fixed.
 */
export type OperandKind =
  | "r8"
  | "r16"
  | "r32"
  | "rv"
  | "rm8"
  | "rm16"
  | "rm32"
  | "rmv"
  | "rr32"
  | "m"
  | "m8"
  | "m16"
  | "m32"
  | "m64"
  | "mv"
  | "mpair"
  | "m16v"
  | "imm8"
  | "imm8s"
  | "imm16"
  | "immv"
  | "one"
  | "rel8"
  | "relv"
  | "ptr16v"
  | "moffs8"
  | "moffsv"
  | "sreg"
  | "cr"
  | "dr"
  | "al"
  | "cl"
  | "ax"
  | "dx"
  | "eaxv"
  | "es"
  | "cs"
  | "ss"
  | "ds"
  | "fs"
  | "gs";

/** A row of the opcode map. */
export interface Row {
  /** As it was written: `"01 /r add rmv rv"`. */
  readonly text: string;
  /** Mnemonic, lower case. */
  readonly mnemonic: string;
  /** Opcode bytes, without prefixes. */
  readonly opcode: readonly number[];
  /** The digit in ModRM.reg that belongs to the opcode, or -1. */
  readonly digit: number;
  /** A ModRM byte follows. */
  readonly modrm: boolean;
  /** The low three bits of the last opcode byte name a register. */
  readonly plus: boolean;
  /** Destination first. */
  readonly operands: readonly OperandKind[];
  /** What it does; undefined for what `cpu/system.ts` does. */
  readonly meaning: Meaning | undefined;
  /** LOCK is allowed before it when its destination is in memory. */
  readonly lockable: boolean;
  /** A byte form without operands to say so: MOVSB and its kin. */
  readonly byte: boolean;
}

const LOCKABLE = new Set(
  "add adc and btc btr bts cmpxchg cmpxchg8b dec inc neg not or sbb sub xor xadd xchg".split(" "),
);

/**
 * Reads a row: opcode bytes in hex (`50+` holds a register number), `/r` or `/0`–`/7` for a ModRM byte,
 * mnemonic, operands. A `b` after a slash in the mnemonic marks a byte form without operands: `movs/b`.
 */
export function row(text: string, meaning?: Meaning): Row {
  const words = text.split(" ");
  const opcode: number[] = [];
  let plus = false, at = 0;
  for (; /^[0-9a-f]{2}\+?$/.test(words[at]); at++) {
    plus = words[at].endsWith("+");
    opcode.push(parseInt(words[at], 16));
  }
  const slash = words[at].startsWith("/") ? words[at++][1] : "";
  const [mnemonic, width] = words[at++].split("/");
  const operands = words.slice(at) as OperandKind[];
  return {
    text,
    mnemonic,
    opcode,
    digit: slash >= "0" && slash <= "7" ? Number(slash) : -1,
    modrm: slash !== "",
    plus,
    operands,
    meaning,
    lockable: LOCKABLE.has(mnemonic),
    byte: width === "b",
  };
}
