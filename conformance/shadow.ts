/**
 * Watches what a kernel does with its heap: accesses outside of allocations, after they were freed, of
 * bytes that nothing wrote; an allocator that overwrites what it gave away. Spec: specs/conformance/shadow.md, shadow_memory.md.
 * Not seen: kernels whose compiler has put the allocator's functions into their callers.
 */
import type { Access, Machine } from "../machine/machine.ts";
import { printed } from "./check.ts";
import { type Block, distance, ShadowMemory, type ShadowMemoryState } from "./shadow_memory.ts";

const HEAP_START = 0x400000, HEAP_END = 0xc00000; // HEAP-1, HEAP-8
const MOST_MISUSES = 100;

/** The heap's own functions: what happens in a call of them is theirs to do. */
const PARAMETERS: Readonly<Record<string, number>> = {
  heap_init: 0,
  kmalloc: 1,
  kcalloc: 2,
  krealloc: 2,
  kfree: 1,
  heap_expand: 1,
  heap_coalesce_free_blocks: 0,
  heap_get_total_size: 0,
  heap_get_used_size: 0,
  heap_get_free_size: 0,
  heap_dump_stats: 0,
  heap_dump_blocks: 0,
};

/** What a shadow has seen that may not be. */
export interface Misuse {
  /** Which rule is broken. */
  readonly kind:
    | "out of bounds"
    | "use after free"
    | "never written"
    | "overwritten by the allocator"
    | "given away twice"
    | "freed wrongly";
  /** The clause of specs/conformance/shadow.md that says so. */
  readonly clause: string;
  /** What was done: `load` and `modify` read, `store` writes, `call` of an allocator's function. */
  readonly access: Access | "call";
  /** The linear address. */
  readonly address: number;
  /** How many bytes from there; for a call, how many were asked for. */
  readonly bytes: number;
  /** The allocation that is touched or nearest; undefined where none is known. */
  readonly block: Block | undefined;
  /** Bytes between the two: 0 where they touch. */
  readonly distance: number;
  /** The instruction as function and offset; for a call the one behind it. */
  readonly at: string;
  /** Its linear address. */
  readonly eip: number;
  /** The call under way, as the caller of {@link Shadow.during} named it. */
  readonly call: string;
  /** Instructions retired before it. */
  readonly instructions: number;
}

const clauseOf: Readonly<Record<Misuse["kind"], string>> = {
  "out of bounds": "SHADOW-1",
  "use after free": "SHADOW-2",
  "never written": "SHADOW-3",
  "overwritten by the allocator": "SHADOW-4",
  "given away twice": "SHADOW-4",
  "freed wrongly": "SHADOW-5",
};

/** A call of an allocator's function that has not returned. */
interface OpenCall {
  readonly name: string;
  readonly args: readonly number[];
  /** Where the return address stands, and what it is. */
  readonly esp: number;
  readonly back: number;
  /** The host asked for it, so that its arguments are not the guest's fault. */
  readonly isHosts: boolean;
}

/** What a shadow knows at one moment. */
export interface ShadowState {
  /** Allocations. */
  readonly memory: ShadowMemoryState;
  /** Whether something was allocated. */
  readonly isUp: boolean;
  /** Number of misuses seen by then. */
  readonly misuses: number;
}

/** The linear address of a name of the ABI, or undefined where the kernel has none. */
export type AddressOf = (name: string) => number | undefined;

/** A shadow of one machine's heap. */
export class Shadow {
  /** What was seen, in order, each place and allocation once. */
  readonly misuses: Misuse[] = [];
  /** The allocations. */
  readonly memory: ShadowMemory = new ShadowMemory();
  readonly #machine: Machine;
  readonly #returns = new Set<number>();
  #open: OpenCall | undefined;
  #isUp = false;
  #call = "the boot";
  #asked: string | undefined; // a function that the host calls and that has not been entered

  /** Begins to watch `machine`, which must not have set up its heap yet. */
  constructor(machine: Machine, addressOf: AddressOf) {
    this.#machine = machine;
    for (const name of Object.keys(PARAMETERS)) {
      const address = addressOf(name);
      if (address !== undefined) machine.tap(address, () => this.#entered(name));
    }
    machine.watch(
      HEAP_START,
      HEAP_END,
      (address, bytes, access) => this.#accessed(address, bytes, access),
    );
  }

  /** Does something to the machine; misuses meanwhile say `call`. `name` is the function that is called. */
  during<T>(call: string, name: string, action: () => T): T {
    const outer = this.#call;
    this.#call = call;
    this.#asked = name;
    try {
      return action();
    } finally {
      this.#call = outer;
      this.#asked = undefined;
    }
  }

  /** Writes bytes from outside, which then count as written. */
  write(address: number, data: Uint8Array): void {
    this.#machine.writeBytes(address, data);
    this.memory.written(address, data.length);
  }

  /** What it knows now, to go with a snapshot of the machine. */
  save(): ShadowState {
    return { memory: this.memory.save(), isUp: this.#isUp, misuses: this.misuses.length };
  }

  /** Goes back, with the machine. */
  restore({ memory, isUp, misuses }: ShadowState): void {
    this.memory.restore(memory);
    this.#isUp = isUp;
    this.misuses.length = misuses;
    this.#open = undefined;
  }

  // ---- calls of the allocator

  #entered(name: string): void {
    const { esp } = this.#machine.registers, word = (i: number) => this.#word(esp + 4 * i);
    const back = word(0), isHosts = this.#asked === name, open = this.#open;
    this.#asked = undefined;
    if (open && (esp < open.esp || (esp === open.esp && back === open.back))) return; // SHADOW-MEMORY-5
    const args = Array.from({ length: PARAMETERS[name] }, (_, i) => word(i + 1));
    this.#open = { name, args, esp, back, isHosts };
    if (this.#returns.has(back)) return;
    this.#returns.add(back);
    this.#machine.tap(back, () => this.#returned(back));
  }

  #returned(back: number): void {
    const open = this.#open, { esp, eax } = this.#machine.registers;
    if (open?.back !== back || esp <= open.esp) return;
    this.#open = undefined;
    this.#effects[open.name]?.(open, eax >>> 0);
  }

  /** SHADOW-MEMORY-1: what the functions do to the shadow once they have returned. */
  readonly #effects: Readonly<Record<string, (call: OpenCall, result: number) => void>> = {
    heap_init: () => this.memory.clear(),
    kmalloc: (call, result) => this.#allocated(call, result, call.args[0], 0),
    kcalloc: (call, result) => {
      const size = Math.imul(call.args[0], call.args[1]) >>> 0;
      this.#allocated(call, result, size, size);
    },
    kfree: (call) => this.#freed(call),
    krealloc: (call, result) => {
      const [from, size] = call.args;
      if (from === 0) this.#allocated(call, result, size, 0);
      else if (size === 0) this.#freed(call);
      else this.#resized(call, result);
    },
  };

  #allocated(call: OpenCall, base: number, size: number, written: number): void {
    if (!this.#isBlock(base, size)) return;
    this.#isUp = true; // SHADOW-MEMORY-6
    this.#overlapped(call, base, size, this.memory.allocate(base, size, printCall(call), written));
  }

  #resized(call: OpenCall, base: number): void {
    const [from, size] = call.args;
    if (this.memory.at(from) === undefined) this.#freedWrongly(call);
    if (!this.#isBlock(base, size)) return;
    this.#overlapped(call, base, size, this.memory.move(from, base, size, printCall(call)));
  }

  /** What lies elsewhere is no business of the shadow, and what no heap can hold is HEAP-4's. */
  #isBlock(base: number, size: number): boolean {
    return base >= HEAP_START && size > 0 && base + size <= HEAP_END;
  }

  #freed(call: OpenCall): void {
    const [base] = call.args;
    if (base !== 0 && !this.memory.free(base, printCall(call))) this.#freedWrongly(call);
  }

  #freedWrongly(call: OpenCall): void {
    if (call.isHosts || !this.#isUp) return;
    const [address] = call.args;
    const block = this.memory.touching(address, 1) ?? this.memory.freed(address);
    this.#report("freed wrongly", "call", address, 0, block, call.back);
  }

  #overlapped(call: OpenCall, base: number, size: number, blocks: readonly Block[]): void {
    for (const block of blocks) {
      this.#report("given away twice", "call", base, size, block, call.back);
    }
  }

  // ---- accesses

  #accessed(address: number, bytes: number, access: Access): void {
    if (!this.#isUp) return;
    if (this.#open) return this.#byAllocator(this.#open, address, bytes, access);
    const wrong = this.memory.judge(address, bytes, access);
    if (wrong) this.#report(wrong.kind, access, address, bytes, wrong.block);
  }

  /** SHADOW-4 */
  #byAllocator(open: OpenCall, address: number, bytes: number, access: Access): void {
    if (access !== "store") return;
    const block = this.memory.touching(address, bytes);
    const isGiven = block !== undefined && block.base === open.args[0] &&
      /^k(free|realloc)$/.test(open.name);
    if (block === undefined || isGiven || this.#isInterrupted) return;
    this.#report("overwritten by the allocator", access, address, bytes, block);
  }

  /** An interrupt is being served, perhaps one that came while the allocator was at work. */
  get #isInterrupted(): boolean {
    const { master, slave } = this.#machine.pc;
    return (master.state().isr | slave.state().isr) !== 0;
  }

  #report(
    kind: Misuse["kind"],
    access: Misuse["access"],
    address: number,
    bytes: number,
    block: Block | undefined,
    eip: number = this.#machine.currentAddress,
  ): void {
    const seen = this.misuses.some((m) =>
      m.kind === kind && m.eip === eip && m.block?.base === block?.base && m.call === this.#call
    );
    if (seen || this.misuses.length >= MOST_MISUSES) return;
    this.misuses.push({
      kind,
      clause: clauseOf[kind],
      access,
      address,
      bytes,
      block,
      distance: block === undefined ? 0 : distance(block, address, bytes),
      at: this.#machine.describe(eip),
      eip,
      call: this.#call,
      instructions: this.#machine.instructions,
    });
  }

  #word(address: number): number {
    return (this.#machine.readWord(address) ?? 0) >>> 0;
  }
}

const verbs: Readonly<Record<Misuse["access"], string>> = {
  load: "read",
  store: "wrote",
  modify: "read and changed",
  call: "was given",
};

/** A misuse in one line. */
export function describeMisuse(misuse: Misuse): string {
  const { kind, access, address, bytes, at, call } = misuse;
  const what = access === "call"
    ? `a call before ${at} ${kind === "freed wrongly" ? "freed" : "was given"}`
    : `${at} ${verbs[access]} ${count(bytes)} at`;
  return `${kind}: ${what} ${printed(address)}, ${place(misuse)}, during ${call}`;
}

/** Where the address is, seen from the allocation. */
function place({ kind, address, bytes, block, distance }: Misuse): string {
  if (block === undefined) return "where nothing is allocated";
  const { base, size, made, freed } = block, end = base + size;
  const name = `the ${count(size)} of ${made} at ${printed(base)}`;
  if (kind !== "out of bounds") {
    const past = kind === "never written"
      ? ", which nothing wrote"
      : freed && `, freed by ${freed}`;
    return `at offset ${address - base} of ${name}${past ?? ""}`;
  }
  if (address + bytes <= base) return `${count(distance)} before ${name}`;
  if (address >= end) return `${count(distance)} behind ${name}`;
  return `across the ${address < base ? "beginning" : "end"} of ${name}`;
}

function count(bytes: number): string {
  return `${bytes} ${bytes === 1 ? "byte" : "bytes"}`;
}

function printCall({ name, args }: OpenCall): string {
  return `${name}(${args.map(printed).join(", ")})`;
}
