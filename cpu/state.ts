/**
 * The processor's registers and tables, laid out in one WebAssembly memory that the interpreter, the
 * JIT and the system code share. Spec: specs/cpu/state.md.
 *
 * A register is a byte offset in the first page, so that an operation names any of them, AH included,
 * by a number below 256.
 */

import {
  AF,
  ARITHMETIC_FLAGS,
  CF,
  EFLAGS,
  EIP,
  FLAG_CARRY,
  FLAG_SIGN,
  FLAG_ZERO,
  OF,
  PF,
  SEGMENT_SELECTOR,
  SF,
  ZF,
} from "../isa/registers.ts";

export * from "../isa/registers.ts";

/** Instructions that may still be executed before compiled code must return. */
export const REMAINING = 256;
/** The operation at which compiled code returned. */
export const OPERATION = 260;
/** Why a single operation outside the hot loop stopped: an {@link Exit}. */
export const EXIT = 264;
/** The vector of the fault that stopped compiled code; its error code. */
export const FAULT_VECTOR = 268, FAULT_CODE = 272;
/** Host addresses of the access tables for the current privilege, and of its jump cache. */
export const READ_TABLE = 276, WRITE_TABLE = 280, JUMP_CACHE = 284;
/** Set by a slow access that faulted or must leave; see `cpu/print.ts`. */
export const STOPPED = 288;
/** Control registers. */
export const CR0 = 300, CR2 = 304, CR3 = 308, CR4 = 312;
/** GDTR, IDTR: base and limit. LDTR, TR: selector, base, limit, attributes. */
export const GDTR = 316, IDTR = 324, LDTR = 332, TR = 348;
/** Current privilege level. */
export const CPL = 364;
/** External interrupts wait until this many more instructions have completed (STI, MOV SS). */
export const SHADOW = 368;
/** Debug registers 0 to 7, a word each. */
export const DEBUG_REGISTERS = 512;
/** What WRMSR added to the time-stamp counter: low and high word. */
export const TSC_OFFSET = 544;

/** Why compiled code returned. */
export const Exit = {
  /** All instructions asked for are done. */
  COUNT: 1,
  /** EIP must be looked up: no operation is known for it. */
  LOOKUP: 2,
  /** A fault: FAULT_VECTOR and FAULT_CODE say which. */
  FAULT: 3,
  /** The operation at OPERATION is one for `cpu/system.ts`. */
  SYSTEM: 4,
  /** A breakpoint stands before the instruction at OPERATION. */
  BREAK: 5,
  /** As LOOKUP, at the end of a block: no instruction was executed to get there. */
  CONTINUE: 6,
} as const;

/** No error code belongs to the fault. */
export const NO_CODE: number = -1;

/** Host addresses in the WebAssembly memory. */
export const JUMP_CACHES = 0x10000; // two, 32 KiB each: supervisor, user
/** Predecoded operations. */
export const OPERATIONS = 0x100000;
/** The end of the operations' room. */
export const OPERATIONS_END = 0x1000000;
/** Access tables: one word for each page of the linear address space. */
export const READ_SUPERVISOR = 0x1000000,
  WRITE_SUPERVISOR = 0x1400000,
  READ_USER = 0x1800000,
  WRITE_USER = 0x1c00000;
/** Memory of devices that behaves as memory: A0000h to BFFFFh. */
export const DEVICE_MEMORY = 0x2000000;
/** Guest RAM from physical address 0. */
export const RAM_BASE = 0x2100000;

const PAGE_BYTES = 65536; // of WebAssembly

/** A WebAssembly memory with room for the state and `ramBytes` of guest RAM; a fixed size lets V8 drop checks. */
export function allocateMemory(ramBytes: number): WebAssembly.Memory {
  const pages = Math.ceil((RAM_BASE + ramBytes) / PAGE_BYTES);
  return new WebAssembly.Memory({ initial: pages, maximum: pages });
}

/** The even parity of a byte: true when it has an even number of ones. */
export function evenParity(byte: number): boolean {
  byte ^= byte >> 4;
  byte ^= byte >> 2;
  byte ^= byte >> 1;
  return (byte & 1) === 0;
}

/** EFLAGS' six arithmetic flags from the three words that hold them. */
export function packFlags(zero: number, sign: number, carry: number): number {
  return (carry < 0 ? CF : 0) | (evenParity(sign & 0xff) ? PF : 0) | (carry & 8 ? AF : 0) |
    (zero === 0 ? ZF : 0) |
    (sign < 0 ? SF : 0) | ((carry ^ (carry << 1)) < 0 ? OF : 0);
}

/** The three words [zero, sign, carry] that stand for the arithmetic flags in `eflags`. */
export function unpackFlags(eflags: number): [zero: number, sign: number, carry: number] {
  const overflow = ((eflags & CF) !== 0) !== ((eflags & OF) !== 0);
  return [
    eflags & ZF ? 0 : 1,
    (eflags & SF ? 0x80000000 | 0 : 0) | (eflags & PF ? 0 : 1),
    (eflags & CF ? 0x80000000 | 0 : 0) | (overflow ? 0x40000000 : 0) | (eflags & AF ? 8 : 0),
  ];
}

/** The processor's state, by name. All values are unsigned 32-bit numbers. */
export class State {
  /** The memory's words, signed and unsigned. */
  readonly words: Int32Array;
  /** The memory's bytes. */
  readonly bytes: Uint8Array;

  /** Names the state at the start of `memory`. */
  constructor(memory: WebAssembly.Memory) {
    this.words = new Int32Array(memory.buffer);
    this.bytes = new Uint8Array(memory.buffer);
  }

  /** The word at byte offset `offset` (a multiple of 4), unsigned. */
  get(offset: number): number {
    return this.words[offset >> 2] >>> 0;
  }

  /** Writes the word at byte offset `offset`. */
  set(offset: number, value: number): void {
    this.words[offset >> 2] = value;
  }

  /** General register 0–7 (EAX ECX EDX EBX ESP EBP ESI EDI). */
  register(index: number): number {
    return this.words[index] >>> 0;
  }

  /** Writes general register 0–7. */
  setRegister(index: number, value: number): void {
    this.words[index] = value;
  }

  /** All of EFLAGS; bit 1 reads as one. */
  get eflags(): number {
    const { words } = this;
    return (words[EFLAGS >> 2] & ~ARITHMETIC_FLAGS | 2 |
      packFlags(words[FLAG_ZERO >> 2], words[FLAG_SIGN >> 2], words[FLAG_CARRY >> 2])) >>> 0;
  }

  /** Writes all of EFLAGS, unchecked. */
  set eflags(value: number) {
    const [zero, sign, carry] = unpackFlags(value);
    this.words[FLAG_ZERO >> 2] = zero;
    this.words[FLAG_SIGN >> 2] = sign;
    this.words[FLAG_CARRY >> 2] = carry;
    this.words[EFLAGS >> 2] = value & ~ARITHMETIC_FLAGS;
  }

  /** The instruction pointer. */
  get eip(): number {
    return this.get(EIP);
  }

  /** Writes the instruction pointer. */
  set eip(value: number) {
    this.set(EIP, value);
  }

  /** Current privilege level, 0–3. */
  get cpl(): number {
    return this.words[CPL >> 2];
  }

  /** Selector of segment register 0–5 (ES CS SS DS FS GS). */
  selector(segment: number): number {
    return this.words[(SEGMENT_SELECTOR >> 2) + segment];
  }
}
