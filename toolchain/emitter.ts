/** Collects a function's code while it is lowered: virtual registers, labels, loop depth. */
import { type Code, FIRST_VIRTUAL, type Line } from "./ir.ts";
import { immediate, type Operand, type Register, register, target } from "./operands.ts";

/** Registers that a cdecl call may change: EAX, ECX, EDX. */
export const CALL_CLOBBERS: readonly number[] = [0, 1, 2];

/** Condition after `j`, `set` or `cmov`, and its opposite. */
export function opposite(condition: string): string {
  return condition.startsWith("n") ? condition.slice(1) : `n${condition}`;
}

/** Code of one function under construction. */
export class Emitter {
  /** The code so far. */
  readonly lines: Line[] = [];
  /** One more than the highest register number. */
  registerCount: number = FIRST_VIRTUAL;
  /** How many loops are open. */
  depth: number = 0;
  #labels = 0;

  /** A new virtual register. */
  fresh(): number {
    return this.registerCount++;
  }

  /** A new label. */
  newLabel(): string {
    return `L${this.#labels++}`;
  }

  /** Appends an instruction. */
  emit(mnemonic: string, operands: readonly Operand[] = [], more: Partial<Code> = {}): void {
    this.lines.push({ mnemonic, operands, depth: this.depth, ...more });
  }

  /** Appends a label. */
  place(label: string): void {
    this.lines.push({ label });
  }

  /** Appends a jump. */
  jump(label: string): void {
    this.emit("jmp", [target(label)]);
  }

  /** Appends a conditional jump. */
  jumpIf(condition: string, label: string): void {
    this.emit(`j${condition}`, [target(label)]);
  }

  /** Copies any operand into a register. */
  move(to: number, from: Operand): void {
    this.emit("mov", [register(to), from]);
  }

  /** A new register that holds the operand. */
  copy(from: Operand): Register {
    const number = this.fresh();
    this.move(number, from);
    return register(number);
  }

  /** Removes `count` bytes of arguments; `nested` while arguments of an outer call wait on the stack. */
  cleanUp(count: number, nested: boolean): void {
    if (count > 0) this.emit(nested ? "cleanup.now" : "cleanup", [immediate(count)]);
  }
}
