/**
 * The abstract machine on which every instruction's meaning is stated, once. Spec: specs/isa.md.
 *
 * A meaning never sees a number, only values: `V` is 32 bits wide, `W` 64. One implementation records a
 * graph (from which the interpreter and the JIT are printed), another computes on plain numbers.
 */

/** Bits of an operand. */
export type Size = 8 | 16 | 32;

/**
 * Where an operand of a form is:
 * - `register`: a general register that the operation names in its register field `slot`;
 * - `fixed`: the register at a byte offset of `isa/registers.ts`;
 * - `memory`: the operation's memory operand;
 * - `immediate`: the operation's immediate; `count` is one that is not zero modulo 32.
 */
export type Place =
  | { readonly kind: "register"; readonly slot: 0 | 1; readonly size: Size }
  | { readonly kind: "fixed"; readonly offset: number; readonly size: Size }
  | { readonly kind: "memory"; readonly size: Size }
  | { readonly kind: "immediate" | "count"; readonly size: Size };

/** What distinguishes one printed handler from another. */
export interface Form {
  /** The mnemonic. */
  readonly name: string;
  /** Operand size. */
  readonly size: Size;
  /** Operands, destination first. */
  readonly places: readonly Place[];
  /** Size of implicit addresses and counts: ESI or SI, ECX or CX. */
  readonly addressSize: 16 | 32;
  /** Implicit accesses and jumps need no segment: CS, SS, DS and ES are flat and SS is 32-bit. */
  readonly flat: boolean;
  /** The repeat prefix of a string instruction, or 0. */
  readonly repeat: 0 | 0xf2 | 0xf3;
}

/** The abstract machine. Registers and flags change when the instruction completes, in program order. */
export interface Machine<V, W> {
  /** A constant. */
  const(value: number): V;
  /** Sum, difference and product modulo 2^32. */
  add(a: V, b: V): V;
  /** See {@link add}. */
  sub(a: V, b: V): V;
  /** See {@link add}. */
  mul(a: V, b: V): V;
  /** Bitwise. */
  and(a: V, b: V): V;
  /** Bitwise. */
  or(a: V, b: V): V;
  /** Bitwise. */
  xor(a: V, b: V): V;
  /** Shifts; the count is taken modulo 32. */
  shl(a: V, count: V): V;
  /** Logical shift right. */
  shr(a: V, count: V): V;
  /** Arithmetic shift right. */
  sar(a: V, count: V): V;
  /** Rotation of 32 bits to the left. */
  rotl(a: V, count: V): V;
  /** Division of 32-bit numbers; the divisor must not be zero, nor the signed quotient too large. */
  divU(a: V, b: V): V;
  /** See {@link divU}. */
  divS(a: V, b: V): V;
  /** See {@link divU}. */
  remU(a: V, b: V): V;
  /** See {@link divU}. */
  remS(a: V, b: V): V;
  /** Comparisons give 1 or 0. */
  eq(a: V, b: V): V;
  /** Unsigned less than. */
  ltU(a: V, b: V): V;
  /** Signed less than. */
  ltS(a: V, b: V): V;
  /** Count of trailing zeros, of leading zeros, of ones. */
  ctz(a: V): V;
  /** See {@link ctz}. */
  clz(a: V): V;
  /** See {@link ctz}. */
  popcnt(a: V): V;
  /** The low `size` bits, sign-extended. */
  signExtend(size: Size, a: V): V;
  /** `a` when the condition is not zero, else `b`. */
  select(condition: V, a: V, b: V): V;

  /** 64-bit values. */
  wideU(a: V): W;
  /** Sign-extended to 64 bits. */
  wideS(a: V): W;
  /** The low 32 bits. */
  low(a: W): V;
  /** 64-bit arithmetic; shift counts are taken modulo 64. */
  wideMul(a: W, b: W): W;
  /** See {@link wideMul}. */
  wideOr(a: W, b: W): W;
  /** See {@link wideMul}. */
  wideShl(a: W, count: W): W;
  /** Logical shift right. */
  wideShr(a: W, count: W): W;
  /** The divisor must not be zero, nor the signed quotient too large. */
  wideDivU(a: W, b: W): W;
  /** See {@link wideDivU}. */
  wideDivS(a: W, b: W): W;
  /** See {@link wideDivU}. */
  wideRemU(a: W, b: W): W;
  /** See {@link wideDivU}. */
  wideRemS(a: W, b: W): W;
  /** Gives 1 or 0. */
  wideEq(a: W, b: W): V;

  /** The operand's value, zero-extended. A memory operand is loaded, which may fault. */
  get(place: Place): V;
  /** Like {@link get}, for an operand that is then written: a memory operand must be writable, or it faults as a write. */
  modify(place: Place): V;
  /** Writes the operand's low bits. After {@link modify} of the same place it cannot fault. */
  set(place: Place, value: V): void;
  /** The memory operand's linear address (for LEA: its offset). */
  address(): V;
  /** The word at a byte offset of `isa/registers.ts`. */
  register(offset: number): V;
  /** Writes the word at a byte offset. */
  setRegister(offset: number, value: V): void;
  /** A field of the segment through which the memory operand goes, e.g. `SEGMENT_BASE`. */
  sourceSegment(field: number): V;
  /** Loads from a linear address, zero-extended; may fault. */
  load(size: Size, linear: V): V;
  /** Stores to a linear address; may fault. */
  store(size: Size, linear: V, value: V): void;
  /** Faults where a store of `bytes` bytes would. */
  probe(bytes: number, linear: V): void;

  /** Raises the exception when the condition is not zero, before anything has changed. */
  faultIf(condition: V, vector: number, code?: number): void;
  /** Completes the instruction without any effect when the condition is not zero. */
  skipIf(condition: V): void;
  /** Executes the instruction once more, after this iteration is complete, when the condition is not zero. */
  againIf(condition: V): void;
  /** EIP of the next instruction. */
  next(): V;
  /** The operation's direct jump target. */
  target(): V;
  /** Continues at EIP `to` (the direct target, when left out). */
  jump(to?: V): void;
  /** Continues at the direct target when the condition is not zero. */
  jumpIf(condition: V): void;
}

/** What an instruction does. Branches in TypeScript depend on the form only, never on values. */
export type Meaning = <V, W>(m: Machine<V, W>, form: Form) => void;

/** A 32-bit register at a fixed offset. */
export function fixed(offset: number, size: Size = 32): Place {
  return { kind: "fixed", offset, size };
}
