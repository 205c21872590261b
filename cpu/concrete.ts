/**
 * Meanings run directly on numbers: slow, simple, and the oracle that the printed interpreter is compared
 * with. Spec: specs/cpu/concrete.md.
 */
import type { Form, Machine, Meaning, Place, Size } from "../isa/machine.ts";
import { Fault } from "./fault.ts";

/** Linear memory; accesses throw a {@link Fault} where the guest's would fault. */
export interface ConcreteMemory {
  /** Reads 1, 2 or 4 bytes. */
  read(linear: number, bytes: number): number;
  /** Writes 1, 2 or 4 bytes. */
  write(linear: number, bytes: number, value: number): void;
  /** Faults where a write of `bytes` bytes would. */
  probeWrite(linear: number, bytes: number): void;
}

/** What a predecoded operation tells its handler. Registers are byte offsets. */
export interface Operands {
  /** Registers of the first two operands. */
  readonly slots: readonly [number, number];
  /** The memory operand's base register. */
  readonly base: number;
  /** Its index register. */
  readonly index: number;
  /** By how many bits the index is shifted. */
  readonly scale: number;
  /** Its displacement. */
  readonly displacement: number;
  /** Its segment's number. */
  readonly segment: number;
  /** Immediate, zero-extended. */
  readonly immediate: number;
  /** EIP of a direct target. */
  readonly target: number;
  /** EIP of the next instruction. */
  readonly next: number;
}

/** How an instruction completed. */
export interface Outcome {
  /** EIP afterwards; undefined when the same instruction is executed again. */
  readonly eip: number | undefined;
}

/** Thrown by skipIf, caught in {@link execute}. */
const SKIPPED = Symbol("skipped");

class Concrete implements Machine<number, bigint> {
  readonly #view: DataView;
  readonly #memory: ConcreteMemory;
  readonly #operands: Operands;
  readonly #pending: (() => void)[] = [];
  outcome: Outcome;

  constructor(registers: DataView, memory: ConcreteMemory, operands: Operands) {
    this.#view = registers;
    this.#memory = memory;
    this.#operands = operands;
    this.outcome = { eip: operands.next >>> 0 };
  }

  /** Performs the register writes, in program order. */
  commit(): void {
    for (const write of this.#pending) write();
  }

  const(value: number): number {
    return value | 0;
  }
  add(a: number, b: number): number {
    return a + b | 0;
  }
  sub(a: number, b: number): number {
    return a - b | 0;
  }
  mul(a: number, b: number): number {
    return Math.imul(a, b);
  }
  and(a: number, b: number): number {
    return a & b;
  }
  or(a: number, b: number): number {
    return a | b;
  }
  xor(a: number, b: number): number {
    return a ^ b;
  }
  shl(a: number, count: number): number {
    return a << count;
  }
  shr(a: number, count: number): number {
    return a >>> count | 0;
  }
  sar(a: number, count: number): number {
    return a >> count;
  }
  rotl(a: number, count: number): number {
    const turns = count & 31;
    return turns === 0 ? a : a << turns | a >>> (32 - turns);
  }
  divU(a: number, b: number): number {
    return (a >>> 0) / (b >>> 0) | 0;
  }
  divS(a: number, b: number): number {
    return a / b | 0;
  }
  remU(a: number, b: number): number {
    return (a >>> 0) % (b >>> 0) | 0;
  }
  remS(a: number, b: number): number {
    return a % b | 0;
  }
  eq(a: number, b: number): number {
    return a === b ? 1 : 0;
  }
  ltU(a: number, b: number): number {
    return a >>> 0 < b >>> 0 ? 1 : 0;
  }
  ltS(a: number, b: number): number {
    return a < b ? 1 : 0;
  }
  ctz(a: number): number {
    return a === 0 ? 32 : 31 - Math.clz32(a & -a);
  }
  clz(a: number): number {
    return Math.clz32(a);
  }
  popcnt(a: number): number {
    let ones = 0;
    for (let rest = a; rest !== 0; rest &= rest - 1) ones++;
    return ones;
  }
  signExtend(size: Size, a: number): number {
    return a << 32 - size >> 32 - size;
  }
  select(condition: number, a: number, b: number): number {
    return condition !== 0 ? a : b;
  }

  wideU(a: number): bigint {
    return BigInt(a >>> 0);
  }
  wideS(a: number): bigint {
    return BigInt.asUintN(64, BigInt(a | 0));
  }
  low(a: bigint): number {
    return Number(BigInt.asIntN(32, a));
  }
  wideMul(a: bigint, b: bigint): bigint {
    return BigInt.asUintN(64, a * b);
  }
  wideOr(a: bigint, b: bigint): bigint {
    return a | b;
  }
  wideShl(a: bigint, count: bigint): bigint {
    return BigInt.asUintN(64, a << (count & 63n));
  }
  wideShr(a: bigint, count: bigint): bigint {
    return a >> (count & 63n);
  }
  wideDivU(a: bigint, b: bigint): bigint {
    return a / b;
  }
  wideDivS(a: bigint, b: bigint): bigint {
    return BigInt.asUintN(64, BigInt.asIntN(64, a) / BigInt.asIntN(64, b));
  }
  wideRemU(a: bigint, b: bigint): bigint {
    return a % b;
  }
  wideRemS(a: bigint, b: bigint): bigint {
    return BigInt.asUintN(64, BigInt.asIntN(64, a) % BigInt.asIntN(64, b));
  }
  wideEq(a: bigint, b: bigint): number {
    return a === b ? 1 : 0;
  }

  get(place: Place): number {
    switch (place.kind) {
      case "register":
        return this.#read(this.#operands.slots[place.slot], place.size);
      case "fixed":
        return this.#read(place.offset, place.size);
      case "memory":
        return this.load(place.size, this.address());
      default:
        return this.#operands.immediate | 0;
    }
  }

  modify(place: Place): number {
    if (place.kind === "memory") this.#memory.probeWrite(this.address() >>> 0, place.size / 8);
    return this.get(place);
  }

  set(place: Place, value: number): void {
    switch (place.kind) {
      case "register":
        return this.#write(this.#operands.slots[place.slot], place.size, value);
      case "fixed":
        return this.#write(place.offset, place.size, value);
      case "memory":
        return this.store(place.size, this.address(), value);
      default:
        throw new TypeError("Cannot write an immediate operand");
    }
  }

  address(): number {
    const { base, index, scale, displacement } = this.#operands;
    return this.#read(base, 32) + (this.#read(index, 32) << scale) + displacement | 0;
  }
  register(offset: number): number {
    return this.#read(offset, 32);
  }
  setRegister(offset: number, value: number): void {
    this.#write(offset, 32, value);
  }
  sourceSegment(field: number): number {
    return this.#read(field + 4 * this.#operands.segment, 32);
  }
  load(size: Size, linear: number): number {
    return this.#memory.read(linear >>> 0, size / 8) | 0;
  }
  store(size: Size, linear: number, value: number): void {
    const low = size === 32 ? value >>> 0 : value & (1 << size) - 1;
    this.#memory.write(linear >>> 0, size / 8, low);
  }
  probe(bytes: number, linear: number): void {
    this.#memory.probeWrite(linear >>> 0, bytes);
  }

  faultIf(condition: number, vector: number, code?: number): void {
    if (condition !== 0) throw new Fault(vector, code);
  }
  skipIf(condition: number): void {
    if (condition !== 0) throw SKIPPED;
  }
  againIf(condition: number): void {
    if (condition !== 0) this.outcome = { eip: undefined };
  }
  next(): number {
    return this.#operands.next | 0;
  }
  target(): number {
    return this.#operands.target | 0;
  }
  jump(to?: number): void {
    this.outcome = { eip: (to ?? this.#operands.target) >>> 0 };
  }
  jumpIf(condition: number): void {
    if (condition !== 0) this.jump();
  }

  #read(offset: number, size: Size): number {
    if (size === 8) return this.#view.getUint8(offset);
    return size === 16 ? this.#view.getUint16(offset, true) : this.#view.getInt32(offset, true);
  }

  #write(offset: number, size: Size, value: number): void {
    this.#pending.push(() => {
      if (size === 8) this.#view.setUint8(offset, value);
      else if (size === 16) this.#view.setUint16(offset, value, true);
      else this.#view.setInt32(offset, value, true);
    });
  }
}

/**
 * Executes one instruction (one iteration of a repeated one) on the registers at `isa/registers.ts`' offsets.
 * Throws a Fault, with registers and memory unchanged, where the instruction faults.
 */
export function execute(
  meaning: Meaning,
  form: Form,
  operands: Operands,
  registers: DataView,
  memory: ConcreteMemory,
): Outcome {
  const machine = new Concrete(registers, memory, operands);
  try {
    meaning(machine, form);
  } catch (reason) {
    if (reason === SKIPPED) return machine.outcome;
    throw reason;
  }
  machine.commit();
  return machine.outcome;
}
