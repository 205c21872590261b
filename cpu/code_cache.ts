/**
 * Predecoded code: operations by physical page, the jump caches, and what happens when code is written.
 * Spec: specs/cpu/code_cache.md.
 *
 * A page's operations are found by offset, kind of code (32-bit, flat) and the EIP of its first byte, since
 * an operation holds its EIP. Direct jumps are linked within a page only: between pages the mapping may
 * change, and the jump caches, which are emptied then, know the way. For the same reason an instruction
 * that reaches into the next page is in the jump caches only.
 */
import type { Instruction } from "../isa/instruction.ts";
import type { Row } from "../isa/row.ts";
import { decode, jumpTarget, LONGEST } from "./decode.ts";
import {
  addressKey,
  addressOf,
  endsBlock,
  formKey,
  formOf,
  isBranch,
  needsAddress,
} from "./form.ts";
import {
  BREAK_HANDLER,
  CONTINUE_HANDLER,
  JUMP_CACHE_ENTRIES,
  OPERATION_BYTES,
  OPERATION_FIELDS,
  SYSTEM_HANDLER,
} from "./operation.ts";
import { Fault } from "./fault.ts";
import type { Paging } from "./paging.ts";
import {
  ADDRESS,
  CS,
  ESP,
  GP,
  JUMP_CACHE,
  JUMP_CACHES,
  OPERATIONS,
  OPERATIONS_END,
  SEGMENT_BASE,
  type State,
  ZERO,
} from "./state.ts";

const PAGE = 4096;
const LONGEST_BLOCK = 64; // instructions
const OPERATIONS_PER_INSTRUCTION = 3; // breakpoint, address, the instruction itself
const GRANULE_SHIFT = 5; // writes are compared with code in units of 32 bytes
const MOST_TABLES = 4096; // 16 KiB each

/** What decoding depends on besides the bytes. */
export interface CodeKind {
  /** The code segment's D bit. */
  readonly code32: boolean;
  /** CS, SS, DS and ES are flat, and SS is 32-bit. */
  readonly flat: boolean;
  /** The code segment's limit. */
  readonly limit: number;
}

/** Operations of one page for one kind of code and one EIP of its first byte; 0 where none is known. */
interface Table extends CodeKind {
  readonly origin: number;
  readonly operations: Uint32Array;
}

/** A physical page that holds translated code. */
interface CodePage {
  readonly number: number;
  readonly tables: Table[];
  /** A bit for each granule that holds translated bytes. */
  readonly granules: Uint32Array;
}

/** Where code is read from. */
interface Source {
  readonly linear: number;
  readonly physPage: number;
  readonly offset: number;
  /** Bytes of the page, and where it begins in them. */
  readonly bytes: Uint8Array;
  readonly start: number;
}

/** All translated code. */
export class CodeCache {
  /** Counts what has made operations invalid: one that was looked up before may not be continued after. */
  generation = 0;
  readonly #state: State;
  readonly #paging: Paging;
  readonly #handlers: ReadonlyMap<string, number>;
  readonly #known = new Map<Row, number[]>();
  readonly #bytes16: Uint16Array;
  readonly #pages = new Map<number, CodePage>();
  readonly #absent = new Uint8Array(PAGE).fill(0xff); // what reads of nothing give
  #instructions: Instruction[] = [];
  #filled: number[] = []; // jump cache entries, as word indices
  #free = OPERATIONS;
  #tableCount = 0;
  #breakpoints: ReadonlySet<number> = new Set();

  /** A cache whose handlers are numbered by `handlers` (form keys). */
  constructor(state: State, paging: Paging, handlers: ReadonlyMap<string, number>) {
    this.#state = state;
    this.#paging = paging;
    this.#handlers = handlers;
    this.#bytes16 = new Uint16Array(state.words.buffer);
    for (let i = 0; i < 2 * JUMP_CACHE_ENTRIES; i++) this.#emptyJump((JUMP_CACHES >> 2) + 2 * i);
  }

  /** The decoded instruction of a system operation. */
  instruction(operation: number): Instruction {
    return this.#instructions[this.#word(operation, "immediate")];
  }

  /** The EIP of an operation. */
  eip(operation: number): number {
    return this.#word(operation, "eip") >>> 0;
  }

  /** Stops before the instructions at these linear addresses from now on. */
  setBreakpoints(linear: ReadonlySet<number>): void {
    this.#breakpoints = new Set(linear);
    this.clear();
  }

  /** The operation behind a breakpoint's. */
  behindBreakpoint(operation: number): number {
    const isBreak = this.#bytes16[operation >> 1] === BREAK_HANDLER;
    return isBreak ? operation + OPERATION_BYTES : operation;
  }

  /**
   * The operation for `eip` in code of this kind, translated if need be and entered into the jump cache.
   * Throws a Fault where the instruction cannot be fetched.
   */
  lookUp(eip: number, kind: CodeKind, user: boolean): number {
    const linear = (this.#state.get(SEGMENT_BASE + 4 * CS) + eip) >>> 0;
    const physAddr = this.#paging.translate(linear, false, user), offset = physAddr & (PAGE - 1);
    if (this.#tableCount >= MOST_TABLES) this.clear();
    const table = this.#table(physAddr >>> 12, (eip - offset) >>> 0, kind);
    const operation = table.operations[offset] ||
      this.#translate(table, eip, linear, physAddr, user);
    const entry = (this.#state.get(JUMP_CACHE) >> 2) + 2 * (eip & (JUMP_CACHE_ENTRIES - 1));
    if (this.#isEmptyJump(entry)) this.#filled.push(entry);
    this.#state.words[entry] = eip;
    this.#state.words[entry + 1] = operation;
    return operation;
  }

  /** Lets the direct jump at `from` go to `to` without a look-up, if both lie wholly in one page. */
  link(from: number, to: number): void {
    const target = this.#word(from, "target") >>> 0;
    if ((target & (PAGE - 1)) > PAGE - LONGEST) return; // it may reach into the next page
    if (target !== this.eip(to) || (this.eip(from) ^ target) >>> 12 !== 0) return;
    if (this.#word(from, "next") >>> 0 > (this.eip(from) | (PAGE - 1)) + 1) return; // it reaches into the next page
    if ((this.#state.get(SEGMENT_BASE + 4 * CS) & (PAGE - 1)) !== 0) return; // pages of EIP are not pages of memory
    this.#setWord(from, "link", to);
  }

  /** Empties the jump caches: linear addresses may mean other memory, or code of another kind. */
  forgetJumps(): void {
    this.generation++;
    for (const entry of this.#filled) this.#emptyJump(entry);
    this.#filled = [];
  }

  /** Gives an entry an EIP that belongs to another one. */
  #emptyJump(entry: number): void {
    this.#state.words[entry] = (entry >> 1 & (JUMP_CACHE_ENTRIES - 1)) ^ 1;
  }

  #isEmptyJump(entry: number): boolean {
    return ((this.#state.words[entry] ^ (entry >> 1)) & (JUMP_CACHE_ENTRIES - 1)) !== 0;
  }

  /** Forgets all code. */
  clear(): void {
    for (const page of this.#pages.keys()) this.#paging.setCodePage(page, false);
    this.#pages.clear();
    this.#tableCount = 0;
    this.#instructions = [];
    this.#free = OPERATIONS;
    this.forgetJumps();
  }

  /** Code may have been written: forgets the page if translated bytes were. True if so. */
  written(physAddr: number, bytes: number): boolean {
    const page = this.#pages.get(physAddr >>> 12);
    if (!page || !touches(page, physAddr & (PAGE - 1), bytes)) return false;
    this.#forget(page);
    this.forgetJumps();
    return true;
  }

  /** Forgets the code on these physical pages, and where linear addresses lead. */
  forgetPages(numbers: readonly number[]): void {
    for (const number of numbers) {
      const page = this.#pages.get(number);
      if (page) this.#forget(page);
    }
    this.forgetJumps();
  }

  #forget(page: CodePage): void {
    this.#pages.delete(page.number);
    this.#tableCount -= page.tables.length;
    this.#paging.setCodePage(page.number, false);
  }

  #page(number: number): CodePage {
    const known = this.#pages.get(number);
    if (known) return known;
    const page = {
      number,
      tables: [],
      granules: new Uint32Array(PAGE >> GRANULE_SHIFT >> 5),
    };
    this.#pages.set(number, page);
    this.#paging.setCodePage(number, true);
    return page;
  }

  #table(physPage: number, origin: number, { code32, flat, limit }: CodeKind): Table {
    const { tables } = this.#page(physPage);
    for (const table of tables) {
      const same = table.flat === flat && table.code32 === code32 && table.limit === limit;
      if (same && table.origin === origin) return table;
    }
    const table = { origin, code32, flat, limit, operations: new Uint32Array(PAGE) };
    tables.push(table);
    this.#tableCount++;
    return table;
  }

  /** Translates from `eip` to a jump, the end of the page, or code that is known. */
  #translate(table: Table, eip: number, linear: number, physAddr: number, user: boolean): number {
    if (
      this.#free + (LONGEST_BLOCK + 1) * OPERATIONS_PER_INSTRUCTION * OPERATION_BYTES >
        OPERATIONS_END
    ) {
      this.clear();
      table = this.#table(physAddr >>> 12, table.origin, table);
    }
    const first = this.#free, source = this.#source(linear, physAddr);
    let at = source.offset, instruction: Instruction | undefined;
    for (let count = 0; count < LONGEST_BLOCK; count++) {
      const here = (eip + at - source.offset) >>> 0;
      if (at >= PAGE || table.operations[at]) break;
      instruction = decode(
        source.bytes,
        source.start + at,
        source.start + PAGE,
        here,
        table.code32,
      );
      if (!instruction && at !== source.offset) break; // reaches into the next page: a block of its own
      instruction ??= this.#decodeAcross(source, here, table.code32, user);
      if (here + instruction.length - 1 > table.limit) {
        if (at !== source.offset) break;
        throw new Fault(GP, 0);
      }
      if (at + instruction.length <= PAGE) table.operations[at] = this.#free; // CODE-CACHE-6
      this.#mark(source.physPage, at, instruction.length);
      this.#emit(instruction, table.flat, (linear + at - source.offset) >>> 0);
      at += instruction.length;
      if (endsBlock(instruction.row)) return first;
    }
    this.#emitSpecial(CONTINUE_HANDLER, (eip + at - source.offset) >>> 0);
    return first;
  }

  #source(linear: number, physAddr: number): Source {
    const host = this.#paging.hostAddress(physAddr & ~(PAGE - 1));
    const bytes = host ? this.#state.bytes : this.#absent;
    return { linear, physPage: physAddr >>> 12, offset: physAddr & (PAGE - 1), bytes, start: host };
  }

  /** Decodes an instruction that begins in one page and ends in the next. */
  #decodeAcross(source: Source, eip: number, code32: boolean, user: boolean): Instruction {
    const inFirst = PAGE - source.offset, joined = new Uint8Array(LONGEST);
    const next = (source.linear + inFirst) >>> 0,
      physAddr = this.#paging.translate(next, false, user);
    const second = this.#source(next, physAddr), from = source.start + source.offset;
    joined.set(source.bytes.subarray(from, from + inFirst));
    joined.set(second.bytes.subarray(second.start, second.start + LONGEST - inFirst), inFirst);
    const instruction = decode(joined, 0, LONGEST, eip, code32)!;
    this.#mark(second.physPage, 0, Math.max(1, instruction.length - inFirst));
    return instruction;
  }

  /** Remembers that bytes of a page are translated. */
  #mark(physPage: number, offset: number, bytes: number): void {
    const { granules } = this.#page(physPage),
      last = Math.min(offset + bytes - 1, PAGE - 1) >> GRANULE_SHIFT;
    for (let i = offset >> GRANULE_SHIFT; i <= last; i++) granules[i >> 5] |= 1 << (i & 31);
  }

  #emit(instruction: Instruction, flat: boolean, linear: number): void {
    if (this.#breakpoints.has(linear)) this.#emitSpecial(BREAK_HANDLER, 0, instruction.eip);
    const { row } = instruction,
      isSystem = row.meaning === undefined || instruction.immediate2 !== 0; // ENTER with levels
    if (isSystem) {
      const operation = this.#emitSpecial(SYSTEM_HANDLER, 0, instruction.eip);
      this.#setWord(operation, "immediate", this.#instructions.push(instruction) - 1);
      this.#setWord(operation, "next", instruction.eip + instruction.length);
      return;
    }
    const general = needsAddress(instruction, flat);
    if (general) this.#emitAddress(instruction);
    this.#emitInstruction(instruction, flat, general);
  }

  #emitSpecial(handler: number, target: number, eip: number = target): number {
    const operation = this.#new(handler, eip);
    this.#setWord(operation, "target", target);
    return operation;
  }

  #emitAddress(instruction: Instruction): void {
    const operation = this.#new(this.#handler(addressKey(addressOf(instruction))), instruction.eip);
    this.#writeMemoryOperand(operation, instruction);
    this.#setByte(operation, "slot1", 4 * instruction.reg);
  }

  #emitInstruction(instruction: Instruction, flat: boolean, general: boolean): void {
    const { row } = instruction;
    const operation = this.#new(this.#handlerOf(instruction, flat), instruction.eip);
    if (general) this.#setByte(operation, "base", ADDRESS);
    else this.#writeMemoryOperand(operation, instruction);
    const [slot0, slot1] = row.operands.map((kind) => slotOf(instruction, kind));
    this.#setByte(operation, "slot0", slot0 ?? ZERO);
    this.#setByte(operation, "slot1", slot1 ?? ZERO);
    this.#setWord(operation, "immediate", immediateOf(instruction));
    this.#setWord(operation, "next", instruction.eip + instruction.length);
    if (isBranch(row)) this.#setWord(operation, "target", jumpTarget(instruction));
  }

  #writeMemoryOperand(operation: number, instruction: Instruction): void {
    const { row, base, index, scale, displacement, segment, isMemory } = instruction;
    this.#setByte(operation, "segment", SEGMENT_BASE + 4 * segment);
    if (!isMemory) return;
    this.#setByte(operation, "base", base < 0 ? ZERO : 4 * base);
    this.#setByte(operation, "index", index < 0 ? ZERO : 4 * index);
    this.#setByte(operation, "scale", scale);
    const popped = row.mnemonic === "pop" && base === ESP >> 2 ? instruction.operandSize / 8 : 0; // ESP is raised first
    this.#setWord(operation, "displacement", displacement + popped);
  }

  /** A fresh operation without operands. */
  #new(handler: number, eip: number): number {
    const operation = this.#free;
    this.#free += OPERATION_BYTES;
    this.#state.words.fill(0, operation >> 2, this.#free >> 2);
    this.#bytes16[operation >> 1] = handler;
    this.#setByte(operation, "base", ZERO);
    this.#setByte(operation, "index", ZERO);
    this.#setWord(operation, "eip", eip);
    return operation;
  }

  #handler(key: string): number {
    const handler = this.#handlers.get(key);
    if (handler === undefined) {
      throw new Error(`Cannot execute "${key}": the interpreter has no such handler`);
    }
    return handler;
  }

  /** The handler of an instruction, remembered by what its form depends on. */
  #handlerOf(instruction: Instruction, flat: boolean): number {
    const { row, operandSize, addressSize, isMemory, repeat, segment, immediate } = instruction;
    const known = this.#known.get(row) ?? [];
    const variant = (operandSize === 32 ? 1 : 0) | (addressSize === 32 ? 2 : 0) |
      (isMemory ? 4 : 0) | (flat ? 8 : 0) |
      ((immediate & 31) !== 0 ? 16 : 0) | (repeat & 3) << 5 | segment << 7;
    this.#known.set(row, known);
    return known[variant] ??= this.#handler(formKey(formOf(instruction, flat)));
  }

  #word(operation: number, field: keyof typeof OPERATION_FIELDS): number {
    return this.#state.words[(operation + OPERATION_FIELDS[field]) >> 2];
  }

  #setWord(operation: number, field: keyof typeof OPERATION_FIELDS, value: number): void {
    this.#state.words[(operation + OPERATION_FIELDS[field]) >> 2] = value;
  }

  #setByte(operation: number, field: keyof typeof OPERATION_FIELDS, value: number): void {
    this.#state.bytes[operation + OPERATION_FIELDS[field]] = value;
  }
}

/** The bytes lie in a granule that holds translated ones. */
function touches({ granules }: CodePage, offset: number, bytes: number): boolean {
  const last = Math.min(offset + bytes - 1, PAGE - 1) >> GRANULE_SHIFT;
  for (let i = offset >> GRANULE_SHIFT; i <= last; i++) {
    if (granules[i >> 5] & 1 << (i & 31)) return true;
  }
  return false;
}

/** Byte offset of the register that an operand names, if it names one. */
function slotOf(instruction: Instruction, kind: string): number | undefined {
  if (kind === "eaxv" || kind === "al") return 0;
  const isRm = kind.startsWith("rm");
  if ((isRm && instruction.isMemory) || !/^r(m)?(8|16|32|v)$/.test(kind)) return undefined;
  const number = isRm ? instruction.rm : instruction.reg;
  return kind.endsWith("8") && number > 3 ? 4 * number - 15 : 4 * number; // AH is byte 1 of EAX
}

/** The immediate, zero-extended from the operand's size. */
function immediateOf({ row, operandSize, immediate }: Instruction): number {
  const kinds = row.operands;
  const size = kinds.includes("imm16") ? 16 : kinds.includes("imm8") ? 8 : operandSize;
  return size === 32 ? immediate : immediate & (1 << size) - 1;
}
