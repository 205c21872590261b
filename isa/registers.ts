/**
 * Where the architecture's registers stand in the state: byte offsets, which meanings name and which
 * every implementation of the abstract machine shares. Spec: specs/isa/registers.md.
 *
 * A register is an offset below 256, so that an operation names any of them, AH included, by a byte.
 */

/** Byte offsets of the general registers, in the order of their encoding (Intel SDM vol. 2, table 2-2). */
export const EAX = 0, ECX = 4, EDX = 8, EBX = 12, ESP = 16, EBP = 20, ESI = 24, EDI = 28;
/** The 8-bit registers that the meanings name. */
export const AL = 0, AH = 1, CL = 4;
/** Always zero: stands for 'no base' and 'no index'. */
export const ZERO = 32;
/** The linear address that a general address operation found for the operation after it. */
export const ADDRESS = 36;
/** ZF is `zero == 0`. */
export const FLAG_ZERO = 40;
/** SF is bit 31; PF is the parity of the low byte. */
export const FLAG_SIGN = 44;
/** CF is bit 31; OF is bit 31 xor bit 30; AF is bit 3: the carries out of each bit. */
export const FLAG_CARRY = 48;
/** EFLAGS without the six arithmetic flags, which the three words above hold. */
export const EFLAGS = 52;
/** The instruction pointer while no compiled code runs. */
export const EIP = 56;
/** Six words each, in the order ES CS SS DS FS GS: what a segment register caches. */
export const SEGMENT_BASE = 64;
/** First valid offset: 0, or limit + 1 for an expand-down segment. */
export const SEGMENT_FIRST = 88;
/** Last valid offset minus the first one. */
export const SEGMENT_SPAN = 112;
/** What may be done through it: {@link READABLE} | {@link WRITABLE}; 0 for a null selector. */
export const SEGMENT_RIGHTS = 136;
/** The visible part. */
export const SEGMENT_SELECTOR = 160;
/** The descriptor's upper dword with the limit's bits as in memory; 0 for a null selector. */
export const SEGMENT_ATTRIBUTES = 184;
/** The byte-granular limit. */
export const SEGMENT_LIMIT = 208;

/** Rights of a segment. */
export const READABLE = 1, WRITABLE = 2;

/** Numbers of the segment registers in {@link SEGMENT_BASE} and its siblings. */
export const ES = 0, CS = 1, SS = 2, DS = 3, FS = 4, GS = 5;

/** Bits of EFLAGS (Intel SDM vol. 1, 3.4.3). */
export const CF = 0x1,
  PF = 0x4,
  AF = 0x10,
  ZF = 0x40,
  SF = 0x80,
  TF = 0x100,
  IF = 0x200,
  DF = 0x400,
  OF = 0x800,
  IOPL = 0x3000,
  NT = 0x4000,
  RF = 0x10000,
  VM = 0x20000,
  AC = 0x40000,
  ID = 0x200000;
/** The six flags that arithmetic sets. */
export const ARITHMETIC_FLAGS: number = CF | PF | AF | ZF | SF | OF;

/** Vectors of the exceptions (Intel SDM vol. 3, table 6-1). */
export const DE = 0,
  DB = 1,
  BP = 3,
  OVERFLOW = 4,
  BR = 5,
  UD = 6,
  NM = 7,
  DOUBLE_FAULT = 8,
  TS = 10,
  NP = 11,
  SS_FAULT = 12,
  GP = 13,
  PAGE_FAULT = 14,
  AC_FAULT = 17;
