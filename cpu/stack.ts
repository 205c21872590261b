/**
 * A stack during an instruction that pushes or pops several values: ESP changes only when all accesses
 * have succeeded. Spec: specs/cpu/stack.md.
 */
import { isUser, type SystemContext } from "./context.ts";
import { Fault } from "./fault.ts";
import {
  admits,
  cachedSegment,
  demand,
  type Descriptor,
  hasTss32,
  type SegmentCache,
  selectorCode,
  stackDescriptor,
} from "./segments.ts";
import { ESP, SS, SS_FAULT, TR, TS } from "./state.ts";

const BIG = 1 << 22; // B of a stack segment: ESP, not SP

/** A stack pointer under way. */
export class Stack {
  readonly #cpu: SystemContext;
  readonly #segment: SegmentCache;
  readonly #user: boolean;
  readonly #code: number;
  readonly #mask: number;
  #pointer: number;

  /** A stack at `pointer`; accesses outside it are #SS(`code`). */
  constructor(
    cpu: SystemContext,
    segment: SegmentCache,
    pointer: number,
    user: boolean,
    code = 0,
  ) {
    this.#cpu = cpu;
    this.#segment = segment;
    this.#user = user;
    this.#code = code;
    this.#mask = segment.attributes & BIG ? 0xffffffff : 0xffff;
    this.#pointer = pointer;
  }

  /** The stack that SS names now, at ESP or at another pointer. */
  static current(cpu: SystemContext, code = 0, pointer: number = cpu.state.get(ESP)): Stack {
    return new Stack(cpu, cachedSegment(cpu.state, SS), pointer, isUser(cpu), code);
  }

  /** What ESP holds when this stack is taken: a 16-bit stack changes SP only. */
  get pointer(): number {
    return this.#pointer;
  }

  /** Pushes the low 2 or 4 bytes of `value`. */
  push(bytes: number, value: number): void {
    this.skip(-bytes);
    this.#cpu.paging.write(this.#address(0, bytes, true), bytes, value, this.#user);
  }

  /** Pops 2 or 4 bytes. */
  pop(bytes: number): number {
    const value = this.peek(bytes);
    this.skip(bytes);
    return value;
  }

  /** Reads the 2 or 4 bytes on top. */
  peek(bytes: number): number {
    return this.#cpu.paging.read(this.#address(0, bytes, false), bytes, this.#user);
  }

  /** Drops `bytes` bytes; negative: makes room. */
  skip(bytes: number): void {
    this.#pointer = this.#wrapped(this.#pointer, bytes);
  }

  /** Checks that `bytes` bytes can be pushed, by the segment alone. */
  demandRoom(bytes: number, unit: number): void {
    for (let below = unit; below <= bytes; below += unit) this.#address(-below, unit, true);
  }

  /** Makes this pointer ESP. */
  commit(): void {
    this.#cpu.state.set(ESP, this.#pointer);
  }

  #wrapped(pointer: number, by: number): number {
    const moved = (pointer + by) & this.#mask;
    return (moved | (pointer & ~this.#mask)) >>> 0;
  }

  #address(above: number, bytes: number, write: boolean): number {
    const offset = (this.#wrapped(this.#pointer, above) & this.#mask) >>> 0;
    if (!admits(this.#segment, offset, bytes, write)) throw new Fault(SS_FAULT, this.#code);
    return (this.#segment.base + offset) >>> 0;
  }
}

/** The stack of an inner ring, from the TSS; a fault in taking it is #TS or #SS with EXT as `ext`. */
export function innerStack(
  cpu: SystemContext,
  ring: number,
  ext = 0,
): { readonly stack: Stack; readonly descriptor: Descriptor } {
  const { state, paging } = cpu;
  const wide = hasTss32(state), bytes = wide ? 4 : 2;
  const at = wide ? 4 + 8 * ring : 2 + 4 * ring;
  const lastByte = at + (wide ? 5 : 3);
  demand(lastByte <= state.get(TR + 8), TS, state.get(TR), ext);
  const linear = state.get(TR + 4) + at;
  const pointer = paging.read(linear >>> 0, bytes, false);
  const selector = paging.read((linear + bytes) >>> 0, 2, false);
  const descriptor = stackDescriptor(cpu, selector, ring, TS, ext);
  const code = selectorCode(selector, ext);
  return { stack: new Stack(cpu, descriptor.cache(), pointer, ring === 3, code), descriptor };
}
