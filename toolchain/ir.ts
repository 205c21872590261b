/** The lowering's i686 code with virtual registers: which operands and registers each instruction reads and writes. */
import type { Instruction, Memory, Operand, Register, Width } from "./operands.ts";

/** A line of a function's code: an instruction or a label. */
export type Line = Code | LabelLine;

/** A label line. */
export interface LabelLine {
  /** Its name. */
  readonly label: string;
}

/** An instruction; `clobbers` and `reads` are registers beyond its operands. */
export interface Code extends Instruction {
  /** Registers that it reads. */
  readonly reads?: readonly number[];
  /** Registers that it writes. */
  readonly clobbers?: readonly number[];
  /** Labels that an indirect jump can reach. */
  readonly targets?: readonly string[];
  /** Loop depth: weighs the cost of spilling what the line uses. */
  readonly depth?: number;
}

/** A jump with a target operand. */
export type Jump = Code & { readonly mnemonic: `j${string}` };

/** The first virtual register's number. */
export const FIRST_VIRTUAL = 8;

/** How an instruction treats its first operand; the others are only read. */
export type Role = "write" | "modify" | "read";

const WRITE = "mov movzx movsx lea pop in bsr bsf".split(" ");
const MODIFY = ("add sub and or xor adc sbb shl shr sar rol ror neg not inc dec imul xadd").split(
  " ",
);
const roles = new Map<string, Role>([
  ...WRITE.map((name): [string, Role] => [name, "write"]),
  ...MODIFY.map((name): [string, Role] => [name, "modify"]),
]);

/** Role of the first operand of an instruction. */
export function roleOf(code: Code): Role {
  const { mnemonic, operands } = code;
  if (mnemonic === "imul" && operands.length === 3) return "write";
  if (mnemonic.startsWith("cmov") || mnemonic.startsWith("set")) return "modify";
  return roles.get(mnemonic) ?? "read";
}

/** True for a label line. */
export function isLabel(line: Line): line is LabelLine {
  return "label" in line;
}

/** True for a jump with a target operand, conditional or not. */
export function isJump(line: Line): line is Jump {
  return !isLabel(line) && line.mnemonic.startsWith("j") && line.operands[0]?.kind === "target";
}

/** True when control never falls through the line. */
export function endsFlow(line: Line): boolean {
  return !isLabel(line) && (line.mnemonic === "jmp" || line.mnemonic === "ret" ||
    line.mnemonic === "ud2" || line.mnemonic === "epilogue" || line.mnemonic === "jmp.table");
}

/** Registers that a memory operand's address reads. */
export function addressRegisters(memory: Memory): number[] {
  return [memory.base, memory.index].filter((number) => number >= 0);
}

/** True for a plain register-to-register copy of 32 bits. */
export function isCopy(line: Line): line is Code {
  return !isLabel(line) && line.mnemonic === "mov" &&
    line.operands.every((operand) => operand.kind === "register" && operand.width === 32);
}

/** Registers read and written by a line. */
export interface Effects {
  /** Registers whose value matters. */
  readonly reads: number[];
  /** Registers that have another value afterwards. */
  readonly writes: number[];
}

/** Which registers a line reads and writes. */
export function effectsOf(line: Line): Effects {
  if (isLabel(line)) return { reads: [], writes: [] };
  const reads = [...line.reads ?? []];
  const writes = [...line.clobbers ?? []];
  const role = roleOf(line);
  line.operands.forEach((operand, position) => {
    if (operand.kind === "memory") reads.push(...addressRegisters(operand));
    if (operand.kind !== "register") return;
    if (position > 0 || role !== "write") reads.push(operand.number);
    if (position === 0 && role !== "read") writes.push(operand.number);
  });
  return { reads, writes };
}

/** The operand with its register numbers replaced. */
export function mapOperand(operand: Operand, map: (number: number) => number): Operand {
  if (operand.kind === "register") return { ...operand, number: map(operand.number) };
  if (operand.kind !== "memory") return operand;
  const base = operand.base < 0 ? -1 : map(operand.base);
  const index = operand.index < 0 ? -1 : map(operand.index);
  return { ...operand, base, index };
}

/** The line with its register numbers replaced. */
export function mapRegisters(line: Line, map: (number: number) => number): Line {
  if (isLabel(line)) return line;
  return { ...line, operands: line.operands.map((operand) => mapOperand(operand, map)) };
}

/** A register operand of the IR in another width. */
export function narrow(operand: Register, width: Width): Register {
  return { ...operand, width };
}
