/** Operands of i686 instructions as the assembler and the lowering write them. Spec: specs/toolchain/assemble.md. */

/** Operand width in bits. */
export type Width = 8 | 16 | 32;

/** A general register: 0-7 as the manual numbers them; the lowering uses numbers from 8 for virtual registers. */
export interface Register {
  readonly kind: "register";
  readonly number: number;
  readonly width: Width;
}

/** A memory operand `[symbol + base + index * scale + displacement]`; -1 means no base, no index. */
export interface Memory {
  readonly kind: "memory";
  readonly base: number;
  readonly index: number;
  readonly scale: 1 | 2 | 4 | 8;
  readonly displacement: number;
  readonly symbol: string | null;
  /** Width of the datum; 0 where the instruction itself fixes it (`lea`, `lgdt`). */
  readonly width: Width | 0;
}

/** A constant, or the address of a symbol plus a constant. */
export interface Immediate {
  readonly kind: "immediate";
  readonly value: number;
  readonly symbol: string | null;
}

/** The target of a jump or call: a local label, or a symbol that the linker resolves. */
export interface Target {
  readonly kind: "target";
  readonly name: string;
}

/** A segment register: ES 0, CS 1, SS 2, DS 3, FS 4, GS 5. */
export interface Segment {
  readonly kind: "segment";
  readonly number: number;
}

/** A control register CR0-CR4. */
export interface Control {
  readonly kind: "control";
  readonly number: number;
}

/** Selector and offset of a far jump. */
export interface Far {
  readonly kind: "far";
  readonly selector: number;
  readonly target: string;
}

/** Any operand. */
export type Operand = Register | Memory | Immediate | Target | Segment | Control | Far;

/** One instruction: mnemonic and operands in Intel order (destination first). */
export interface Instruction {
  readonly mnemonic: string;
  readonly operands: readonly Operand[];
}

const registers = (width: Width): Register[] =>
  Array.from({ length: 8 }, (_, number): Register => ({ kind: "register", number, width }));

/** EAX ... EDI. */
export const [eax, ecx, edx, ebx, esp, ebp, esi, edi]: readonly Register[] = registers(32);
/** AX ... DI. */
export const [ax, cx, dx, bx, sp, bp, si, di]: readonly Register[] = registers(16);
/** AL ... BH. */
export const [al, cl, dl, bl, ah, ch, dh, bh]: readonly Register[] = registers(8);
/** ES, CS, SS, DS, FS, GS. */
export const [es, cs, ss, ds, fs, gs]: readonly Segment[] = Array.from(
  { length: 6 },
  (_, number): Segment => ({ kind: "segment", number }),
);

/** The control register CRn. */
export function cr(number: number): Control {
  return { kind: "control", number };
}

/** The register of the given number and width. */
export function register(number: number, width: Width = 32): Register {
  return { kind: "register", number, width };
}

/** An immediate constant, or an address when a symbol is given. */
export function immediate(value: number, symbol: string | null = null): Immediate {
  return { kind: "immediate", value: value | 0, symbol };
}

/** A jump or call target. */
export function target(name: string): Target {
  return { kind: "target", name };
}

/** A memory operand. */
export function memory(
  width: Width | 0,
  parts: {
    base?: number;
    index?: number;
    scale?: 1 | 2 | 4 | 8;
    displacement?: number;
    symbol?: string | null;
  },
): Memory {
  const { base = -1, index = -1, scale = 1, displacement = 0, symbol = null } = parts;
  return { kind: "memory", base, index, scale, displacement: displacement | 0, symbol, width };
}

/** True when both operands denote the same place or value. */
export function sameOperand(a: Operand, b: Operand): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
