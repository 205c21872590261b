/** A decoded instruction. Spec: specs/isa.md, specs/cpu/decode.md. */
import type { Row } from "./row.ts";

/** What the decoder found. Registers are numbers 0–7, segments 0–5 (ES CS SS DS FS GS). */
export interface Instruction {
  /** Its row; {@link undefinedRow} for bytes that encode nothing. */
  readonly row: Row;
  /** Where it begins. */
  readonly eip: number;
  /** Bytes, prefixes included. */
  readonly length: number;
  /** By the code segment and the 66h prefix. */
  readonly operandSize: 16 | 32;
  /** By the code segment and the 67h prefix. */
  readonly addressSize: 16 | 32;
  /** LOCK was given. */
  readonly lock: boolean;
  /** The repeat prefix, or 0. */
  readonly repeat: 0 | 0xf2 | 0xf3;
  /** The segment of the memory operand (or of a string's source): the override, else SS for ESP and EBP bases, else DS. */
  readonly segment: number;
  /** An operand is in memory, at `base + (index << scale) + displacement`. */
  readonly isMemory: boolean;
  /** ModRM.mod, or 0. */
  readonly mod: number;
  /** ModRM.reg, or the register in the opcode byte. */
  readonly reg: number;
  /** ModRM.rm, or 0. */
  readonly rm: number;
  /** Base register, or -1. */
  readonly base: number;
  /** Index register, or -1. */
  readonly index: number;
  /** 0–3: the index counts 1, 2, 4 or 8 bytes. */
  readonly scale: number;
  /** Signed; for 16-bit addresses sign-extended. */
  readonly displacement: number;
  /** Immediate, relative displacement or far offset, sign- or zero-extended as its kind says. */
  readonly immediate: number;
  /** Second immediate: ENTER's level, a far pointer's selector. */
  readonly immediate2: number;
}
