/** Operands of i686 instructions as the assembler and the lowering write them. Spec: specs/toolchain/assemble.md. */

/** Operand width in bits. */
export type Width = 8 | 16 | 32;

/** A general register: 0-7 as the manual numbers them; the lowering uses numbers from 8 for virtual registers. */
export interface Register {
  /** Tells it apart. */
  readonly kind: "register";
  /** 0-7, or virtual. */
  readonly number: number;
  /** Which part of it. */
  readonly width: Width;
}

/** A memory operand `[symbol + base + index * scale + displacement]`; -1 means no base, no index. */
export interface Memory {
  /** Tells it apart. */
  readonly kind: "memory";
  /** Register, or -1. */
  readonly base: number;
  /** Register, or -1. */
  readonly index: number;
  /** Factor of the index. */
  readonly scale: 1 | 2 | 4 | 8;
  /** Constant part. */
  readonly displacement: number;
  /** Symbol whose address is added. */
  readonly symbol: string | null;
  /** Width of the datum; 0 where the instruction itself fixes it (`lea`, `lgdt`). */
  readonly width: Width | 0;
}

/** A constant, or the address of a symbol plus a constant. */
export interface Immediate {
  /** Tells it apart. */
  readonly kind: "immediate";
  /** 32 bits, signed. */
  readonly value: number;
  /** Symbol whose address is added. */
  readonly symbol: string | null;
}

/** The target of a jump or call: a local label, or a symbol that the linker resolves. */
export interface Target {
  /** Tells it apart. */
  readonly kind: "target";
  /** Symbol, or `.label` of the current symbol. */
  readonly name: string;
}

/** A segment register: ES 0, CS 1, SS 2, DS 3, FS 4, GS 5. */
export interface Segment {
  /** Tells it apart. */
  readonly kind: "segment";
  /** As the manual numbers them. */
  readonly number: number;
}

/** A control register CR0-CR4. */
export interface Control {
  /** Tells it apart. */
  readonly kind: "control";
  /** 0, 2, 3 or 4. */
  readonly number: number;
}

/** Selector and offset of a far jump. */
export interface Far {
  /** Tells it apart. */
  readonly kind: "far";
  /** Code segment. */
  readonly selector: number;
  /** Symbol of the offset. */
  readonly target: string;
}

/** Any operand. */
export type Operand = Register | Memory | Immediate | Target | Segment | Control | Far;

/** One instruction: mnemonic and operands in Intel order (destination first). */
export interface Instruction {
  /** As in the opcode map, perhaps after a prefix. */
  readonly mnemonic: string;
  /** Destination first. */
  readonly operands: readonly Operand[];
}

/** EAX. */
export const eax: Register = register(0, 32);
/** ECX. */
export const ecx: Register = register(1, 32);
/** EDX. */
export const edx: Register = register(2, 32);
/** EBX. */
export const ebx: Register = register(3, 32);
/** ESP. */
export const esp: Register = register(4, 32);
/** EBP. */
export const ebp: Register = register(5, 32);
/** ESI. */
export const esi: Register = register(6, 32);
/** EDI. */
export const edi: Register = register(7, 32);
/** AX. */
export const ax: Register = register(0, 16);
/** CX. */
export const cx: Register = register(1, 16);
/** DX. */
export const dx: Register = register(2, 16);
/** BX. */
export const bx: Register = register(3, 16);
/** SP. */
export const sp: Register = register(4, 16);
/** BP. */
export const bp: Register = register(5, 16);
/** SI. */
export const si: Register = register(6, 16);
/** DI. */
export const di: Register = register(7, 16);
/** AL. */
export const al: Register = register(0, 8);
/** CL. */
export const cl: Register = register(1, 8);
/** DL. */
export const dl: Register = register(2, 8);
/** BL. */
export const bl: Register = register(3, 8);
/** AH. */
export const ah: Register = register(4, 8);
/** CH. */
export const ch: Register = register(5, 8);
/** DH. */
export const dh: Register = register(6, 8);
/** BH. */
export const bh: Register = register(7, 8);
/** ES. */
export const es: Segment = { kind: "segment", number: 0 };
/** CS. */
export const cs: Segment = { kind: "segment", number: 1 };
/** SS. */
export const ss: Segment = { kind: "segment", number: 2 };
/** DS. */
export const ds: Segment = { kind: "segment", number: 3 };
/** FS. */
export const fs: Segment = { kind: "segment", number: 4 };
/** GS. */
export const gs: Segment = { kind: "segment", number: 5 };

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
