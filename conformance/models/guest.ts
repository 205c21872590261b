/**
 * A kernel while a model plays with it: calls that a report prints, questions that it does not, and
 * memory as the page tables in it say.
 */
import type { Machine } from "../../machine/machine.ts";
import { Failure } from "../check.ts";
import { describeOutcome, printCall, type Subject } from "../subject.ts";

/** Bytes in a page. */
export const PAGE = 4096;
/** Flags of an entry of a page table or directory. */
export const PRESENT = 1, WRITABLE = 2, USER = 4;
const CODE_BELOW_STACK = 2048; // bytes: out of the way of what the code and interrupts push
/** mov eax, [esp+4]; mov eax, [eax]; ret */
const READ_CODE = [0x8b, 0x44, 0x24, 0x04, 0x8b, 0x00, 0xc3];
/** mov eax, [esp+4]; mov edx, [esp+8]; mov [eax], edx; ret */
const WRITE_CODE = [0x8b, 0x44, 0x24, 0x04, 0x8b, 0x54, 0x24, 0x08, 0x89, 0x10, 0xc3];
const LARGE = 0x80; // in a directory entry: 4 MB page
const LARGE_PAGE = 0x400000;
/** Instructions that one call may take, and more for each byte that it may have to touch. */
const CALL_BUDGET = 4_000_000, BUDGET_PER_BYTE = 16;
const LISTEN_BYTES = 4_000_000; // for functions that print

/** Thrown when a sequence may not go on: the kernel stopped, and that was right. */
export class Ended {}

/** One page as a directory maps it. */
export interface Mapped {
  /** Physical address behind the linear one. */
  readonly physAddr: number;
  /** Writable on both levels. */
  readonly writable: boolean;
  /** Open to ring 3 on both levels. */
  readonly user: boolean;
}

/** The kernel under a model's hands, during one sequence of calls. */
export class Guest {
  /** The kernel. */
  readonly subject: Subject;
  /** What was done so far, as a report prints it. */
  readonly calls: string[] = [];
  /** Functions whose result means something although the ABI does not say so. */
  readonly results: ReadonlySet<string>;
  /** Set while the kernel may stop with a report, as after memory of its own was damaged. */
  mayPanic = false;
  readonly #words: DataView;
  #directory: number | undefined; // as of the last call

  /** Plays with `subject` as it is now. */
  constructor(subject: Subject, results: ReadonlySet<string> = new Set()) {
    this.subject = subject;
    this.results = results;
    const { ram } = subject.machine.memory;
    this.#words = new DataView(ram.buffer, ram.byteOffset, ram.length);
  }

  /** The machine. */
  get machine(): Machine {
    return this.subject.machine;
  }

  // ---- calling

  /** Calls a function; the report prints it. `bytes` is how much it may have to copy or clear. */
  act(name: string, args: readonly number[] = [], bytes = 0): number {
    return this.#call(name, args, bytes, true);
  }

  /** Calls a function that only looks; the report does not print it. */
  ask(name: string, ...args: number[]): number {
    return this.#call(name, args, 0, false);
  }

  /** As `ask`; undefined if the kernel has no such function. */
  askIf(name: string, ...args: number[]): number | undefined {
    return this.subject.has(name) ? this.ask(name, ...args) : undefined;
  }

  #call(name: string, args: readonly number[], bytes: number, isPrinted: boolean): number {
    this.subject.callBudget = CALL_BUDGET + bytes * BUDGET_PER_BYTE;
    const outcome = this.subject.invoke(name, args);
    this.#directory = undefined;
    const isBack = outcome.kind === "returned";
    if (isPrinted || !isBack) this.calls.push(printCall(name, args, isBack ? outcome : undefined));
    if (isBack) return outcome.value;
    if (this.mayPanic && outcome.kind === "panicked") throw new Ended();
    return this.fail(`${name} to return`, describeOutcome(outcome));
  }

  /** What a function sends on COM1; the report prints the call. */
  listen(name: string, ...args: number[]): string {
    const before = this.subject.said.length;
    this.act(name, args, LISTEN_BYTES);
    return this.subject.said.slice(before);
  }

  /** Something done to the kernel that is no call; the report prints it. */
  note(line: string): void {
    this.calls.push(line);
  }

  /** A {@link Failure} with what was done so far. */
  fail(expected: string, seen: string): never {
    throw new Failure({ expected, seen, calls: [...this.calls] });
  }

  /** The guest itself reads a word at a linear address: undefined if that ends in an exception. */
  peek(address: number): number | undefined {
    const value = this.#run(READ_CODE, [address]);
    this.note(`read of ${hex(address)} = ${value === undefined ? "an exception" : hex(value)}`);
    return value;
  }

  /** The guest itself writes a word: whether it could; if not, it can be called no more. */
  poke(address: number, word: number): boolean {
    const isDone = this.#run(WRITE_CODE, [address, word]) !== undefined;
    this.note(`write of ${hex(word)} to ${hex(address)}: ${isDone ? "done" : "an exception"}`);
    return isDone;
  }

  /** Runs machine code below the stack: EAX, or undefined if it does not come back. */
  #run(code: readonly number[], args: readonly number[]): number | undefined {
    const { machine } = this, address = (machine.registers.esp - CODE_BELOW_STACK & ~15) >>> 0;
    this.write(address, Uint8Array.from(code));
    const result = machine.invoke(address, args, CALL_BUDGET);
    this.#directory = undefined;
    return result.kind === "returned" ? result.value >>> 0 : undefined;
  }

  // ---- memory

  /** A word of RAM; zero where there is none. */
  physWord(physAddr: number): number {
    return physAddr + 4 <= this.#words.byteLength ? this.#words.getUint32(physAddr, true) : 0;
  }

  /** The directory in use. */
  get directory(): number {
    return this.#directory ??= (this.machine.registers.cr3 & ~0xfff) >>> 0;
  }

  /** How a directory maps an address, by a walk of its tables; undefined where it does not. */
  walk(address: number, directory: number = this.directory): Mapped | undefined {
    const upper = this.physWord(directory + 4 * (address >>> 22));
    if ((upper & PRESENT) === 0) return undefined;
    if (upper & LARGE) return mapped(upper, upper, address, LARGE_PAGE);
    const table = (upper & ~0xfff) >>> 0;
    const entry = this.physWord(table + 4 * (address >>> 12 & 0x3ff));
    return entry & PRESENT ? mapped(entry, upper & entry, address, PAGE) : undefined;
  }

  /** Whether a page lacks a mapping, or may not be written, anywhere in a range. */
  firstUnwritable(start: number, end: number): number | undefined {
    for (let page = start & ~0xfff; page < end; page += PAGE) {
      if (!this.walk(page)?.writable) return page;
    }
    return undefined;
  }

  /** The bytes at a linear address, in pieces that end at page ends; stops where nothing is mapped. */
  *pieces(address: number, bytes: number): Generator<[offset: number, piece: Uint8Array]> {
    for (let done = 0; done < bytes;) {
      const at = this.walk(address + done)?.physAddr;
      const length = Math.min(bytes - done, PAGE - ((address + done) & 0xfff));
      const { ram } = this.machine.memory;
      if (at === undefined || at + length > ram.length) return;
      yield [done, ram.subarray(at, at + length)];
      done += length;
    }
  }

  /** Writes to linear addresses, as far as they are mapped. */
  write(address: number, data: Uint8Array): void {
    const { memory } = this.machine;
    for (const [offset, piece] of this.pieces(address, data.length)) {
      const physAddr = piece.byteOffset - memory.ram.byteOffset;
      memory.load(physAddr, data.subarray(offset, offset + piece.length));
    }
  }

  /** Offset of the first byte that is not as in `data`; undefined if all are. */
  difference(address: number, data: Uint8Array): number | undefined {
    let compared = 0;
    for (const [offset, piece] of this.pieces(address, data.length)) {
      for (let i = 0; i < piece.length; i++) if (piece[i] !== data[offset + i]) return offset + i;
      compared = offset + piece.length;
    }
    return compared < data.length ? compared : undefined;
  }
}

function mapped(entry: number, rights: number, address: number, bytes: number): Mapped {
  return {
    physAddr: ((entry & ~(bytes - 1)) | (address & (bytes - 1))) >>> 0,
    writable: (rights & WRITABLE) !== 0,
    user: (rights & USER) !== 0,
  };
}

/** An address as reports print it. */
export function hex(address: number): string {
  return `0x${(address >>> 0).toString(16).padStart(8, "0")}`;
}
