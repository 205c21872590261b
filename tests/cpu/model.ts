/** Instructions on plain numbers, from what the decoder found: the oracle of the tests. */
import { type ConcreteMemory, execute, type Operands } from "../../cpu/concrete.ts";
import { jumpTarget } from "../../cpu/decode.ts";
import { Fault } from "../../cpu/fault.ts";
import { addressOf, formOf, needsAddress } from "../../cpu/form.ts";
import type { Instruction } from "../../isa/instruction.ts";
import { generalAddress } from "../../isa/memory.ts";

const ADDRESS = 36, ZERO = 32; // specs/cpu/state.md

/** Memory that can take back what an instruction wrote before it faulted. */
export interface UndoableMemory extends ConcreteMemory {
  /** Takes back what was written since the instruction began. */
  undo(): void;
}

/** Runs the meaning on numbers: EIP afterwards (undefined: again), or the fault. */
export function concrete(
  instruction: Instruction,
  flat: boolean,
  registers: DataView,
  memory: UndoableMemory,
): number | undefined | Fault {
  const saved = new Uint8Array(registers.buffer).slice();
  try {
    const operands = operandsOf(instruction), form = formOf(instruction, flat);
    let last: Operands = operands;
    if (needsAddress(instruction, flat)) {
      const address = addressOf(instruction), slots = [ZERO, 4 * instruction.reg] as const;
      execute((m) => generalAddress(m, address), form, { ...operands, slots }, registers, memory);
      last = { ...operands, base: ADDRESS, index: ZERO, scale: 0, displacement: 0 };
    }
    return execute(instruction.row.meaning!, form, last, registers, memory).eip;
  } catch (reason) {
    if (!(reason instanceof Fault)) throw reason;
    new Uint8Array(registers.buffer).set(saved);
    memory.undo();
    return reason;
  }
}

/** The operands as the code cache would write them, worked out apart from it. */
function operandsOf(instruction: Instruction): Operands {
  const { row, base, index, scale, segment, eip, length, operandSize } = instruction;
  const popped = row.mnemonic === "pop" && base === 4 ? operandSize / 8 : 0;
  return {
    slots: [slot(instruction, 0), slot(instruction, 1)],
    base: base < 0 ? ZERO : 4 * base,
    index: index < 0 ? ZERO : 4 * index,
    scale,
    displacement: instruction.displacement + (instruction.isMemory ? popped : 0),
    segment,
    immediate: immediate(instruction),
    target: jumpTarget(instruction),
    next: eip + length,
  };
}

function slot({ row, reg, rm }: Instruction, i: number): number {
  const kind = row.operands[i] ?? "";
  if (kind === "eaxv" || kind === "al") return 0;
  const number = kind.startsWith("rm") ? rm : reg;
  return kind.endsWith("8") && number >= 4 ? 4 * (number - 4) + 1 : 4 * number;
}

function immediate({ row, operandSize, immediate }: Instruction): number {
  if (row.operands.includes("imm16")) return immediate & 0xffff;
  if (row.operands.includes("imm8")) return immediate & 0xff;
  return operandSize === 16 ? immediate & 0xffff : immediate;
}
