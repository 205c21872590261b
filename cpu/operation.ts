/**
 * Predecoded operations: what the code cache writes and printed handlers read. Spec: specs/cpu/operation.md.
 */

/** Byte offsets of an operation's fields. */
export const OPERATION_FIELDS = {
  /** Number of the handler, 16 bits. */
  handler: 0,
  /** Byte offsets of the operands' registers. */
  slot0: 2,
  slot1: 3,
  /** Byte offsets of the memory operand's base and index, the index's shift, and its segment's base. */
  base: 4,
  index: 5,
  scale: 6,
  segment: 7,
  displacement: 8,
  immediate: 12,
  /** The operation at the direct jump's target, or 0. */
  link: 16,
  /** EIP of the direct jump's target, of the instruction, and of the one after it. */
  target: 20,
  eip: 24,
  next: 28,
} as const;

/** Bytes of an operation; the next one in memory is the next one in the program. */
export const OPERATION_BYTES = 32;

/** Entries of a jump cache: direct-mapped by the low bits of EIP, eight bytes each (EIP, operation). */
export const JUMP_CACHE_ENTRIES = 4096;

/** Handlers that are no form's: system code, a breakpoint, the end of a block. The forms' numbers follow. */
export const SYSTEM_HANDLER = 0, BREAK_HANDLER = 1, CONTINUE_HANDLER = 2, FIRST_HANDLER = 3;
