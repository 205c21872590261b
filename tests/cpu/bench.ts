/** The interpreter alone, on operations that a test writes field by field (specs/cpu/operation.md). */
import { handlers, instantiate, interpreterModule, type Run } from "../../cpu/interpreter.ts";
import { allocateMemory, State } from "../../cpu/state.ts";

const OPERATIONS = 0x100000, OPERATION_BYTES = 32, JUMP_CACHE = 0x10000;
const REMAINING = 256, OPERATION = 260;
/** Words that the state names for compiled code. */
const READ_TABLE_WORD = 276, WRITE_TABLE_WORD = 280, JUMP_CACHE_WORD = 284;
const READ_TABLE = 0x1000000, WRITE_TABLE = 0x1400000;
const SPECIAL: Record<string, number> = { system: 0, break: 1, continue: 2 };
/** Byte offsets and sizes of the fields. */
const FIELDS: Record<string, [at: number, size: 1 | 2 | 4]> = {
  slot0: [2, 1],
  slot1: [3, 1],
  base: [4, 1],
  index: [5, 1],
  scale: [6, 1],
  segment: [7, 1],
  displacement: [8, 4],
  immediate: [12, 4],
  link: [16, 4],
  target: [20, 4],
  eip: [24, 4],
  next: [28, 4],
};

/** An interpreter and its state; every access to memory is slow, unless a page is given. */
export class Bench {
  readonly state: State;
  readonly view: DataView;
  readonly run: Run;
  /** Called at each slow access; it may fault by setting STOPPED (288). */
  onAccess: (name: string, linear: number, bytes: number) => void = () => {};
  /** What slow loads give. */
  value = 0;
  #free = OPERATIONS;

  constructor() {
    const memory = allocateMemory(0);
    this.state = new State(memory);
    this.view = new DataView(memory.buffer);
    this.run = instantiate(interpreterModule(), memory, {
      load: (linear, bytes) => (this.onAccess("load", linear >>> 0, bytes), this.value),
      modify: (linear, bytes) => (this.onAccess("modify", linear >>> 0, bytes), this.value),
      store: (linear, bytes) => this.onAccess("store", linear >>> 0, bytes),
      probe: (linear, bytes) => this.onAccess("probe", linear >>> 0, bytes),
    });
    this.state.set(READ_TABLE_WORD, READ_TABLE);
    this.state.set(WRITE_TABLE_WORD, WRITE_TABLE);
    this.state.set(JUMP_CACHE_WORD, JUMP_CACHE);
    for (let i = 0; i < 4096; i++) this.view.setUint32(JUMP_CACHE + 8 * i, i ^ 1, true);
  }

  /** Appends an operation with the handler of a form key, or `system`, `break`, `continue`. */
  add(key: string, fields: Record<string, number> = {}): number {
    const at = this.#free, handler = SPECIAL[key] ?? handlers.get(key);
    if (handler === undefined) throw new RangeError(`Cannot add "${key}": no such handler`);
    this.#free += OPERATION_BYTES;
    this.view.setUint16(at, handler, true);
    for (const [name, value] of Object.entries({ base: 32, index: 32, ...fields })) {
      const [offset, size] = FIELDS[name];
      if (size === 1) this.view.setUint8(at + offset, value);
      else this.view.setUint32(at + offset, value, true);
    }
    return at;
  }

  /** Tells the jump cache where code for `eip` is. */
  enterJump(eip: number, operation: number): void {
    this.view.setUint32(JUMP_CACHE + 8 * (eip & 0xfff), eip, true);
    this.view.setUint32(JUMP_CACHE + 8 * (eip & 0xfff) + 4, operation, true);
  }

  /** Makes a linear page readable and writable at a host address. */
  map(linear: number, host: number): void {
    this.view.setUint32(READ_TABLE + 4 * (linear >>> 12), host, true);
    this.view.setUint32(WRITE_TABLE + 4 * (linear >>> 12), host, true);
  }

  /** Where it returned, and how many instructions were left. */
  get operation(): number {
    return this.state.get(OPERATION);
  }

  /** See {@link operation}. */
  get remaining(): number {
    return this.state.get(REMAINING);
  }
}
