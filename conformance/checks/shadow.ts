/**
 * Checks of how a kernel uses its heap, seen by a shadow of the heap's memory that is kept beside the
 * machine from the first instruction on. Spec: specs/conformance/shadow.md.
 */
import { type Chance, type Check, Failure, Skip } from "../check.ts";
import { Ended } from "../models/guest.ts";
import { type Game, type Move, play, type Random, type Source } from "../models/play.ts";
import { gdtr, idtr, words } from "../probe.ts";
import { describeMisuse, type Misuse, Shadow, type ShadowState } from "../shadow.ts";
import { printCall, type Subject } from "../subject.ts";

const COM1 = 0x3f8;
const BUDGET = 100_000_000; // instructions to come to rest after a line was typed
const EVERY = ["SHADOW-1", "SHADOW-2", "SHADOW-3", "SHADOW-4", "SHADOW-5"];
const CALL_BUDGET = 500_000; // instructions: much more than a call of a sequence takes
const INDEX = 1000;

/** A kernel that was booted under a shadow. */
export interface Shadowed {
  /** The kernel. */
  readonly subject: Subject;
  /** The shadow of its heap. */
  readonly shadow: Shadow;
  /** What the shadow knew when the kernel first waited for input. */
  readonly state: ShadowState;
}

const known = new WeakMap<Subject, Shadowed>();

/** The same kernel under a shadow, as it first waited for input. */
export function shadowed(subject: Subject): Shadowed {
  const found = known.get(subject) ?? bootShadowed(subject);
  known.set(subject, found);
  found.subject.fresh();
  found.shadow.restore(found.state);
  return found;
}

function bootShadowed(original: Subject): Shadowed {
  let shadow: Shadow | undefined;
  const addressOf = (name: string) => original.has(name) ? original.address(name) : undefined;
  const subject = original.variant({
    attach: (machine) => shadow = new Shadow(machine, addressOf),
  });
  return { subject, shadow: shadow!, state: shadow!.save() };
}

const promises: Readonly<Record<string, string>> = {
  "SHADOW-1": "code outside of the heap's functions to stay inside of allocations",
  "SHADOW-2": "no access to an allocation after it was freed",
  "SHADOW-3": "no read of allocated bytes that nothing has written",
  "SHADOW-4": "the heap's functions to leave live allocations alone",
  "SHADOW-5": "only live allocations to be freed, each once",
};

/** A {@link Failure} for the first misuse, if there is one. */
function expectNone(misuses: readonly Misuse[], calls: readonly string[]): void {
  if (misuses.length === 0) return;
  const { clause } = misuses[0], others = misuses.length - 1;
  const seen = describeMisuse(misuses[0]) + (others > 0 ? `; and ${others} more` : "");
  throw new Failure({ expected: promises[clause], seen, calls: [...calls], clauses: [clause] });
}

// ---- functions that read what they are given

/** What a function is given: `text` ends with a NUL, `data` does not. */
interface Given {
  readonly name: string;
  readonly kind: "text" | "data" | "descriptor";
  readonly args: (address: number, size: number) => readonly number[];
}

const readers: readonly Given[] = [
  { name: "terminal_writestring", kind: "text", args: (address) => [address] },
  { name: "terminal_write", kind: "data", args: (address, size) => [address, size] },
  { name: "serial_write_string", kind: "text", args: (address) => [COM1, address] },
  { name: "debug_write_string", kind: "text", args: (address) => [address] },
  { name: "kernel_panic", kind: "text", args: (address) => [address] },
  { name: "gdt_flush", kind: "descriptor", args: (address) => [address] },
  { name: "idt_flush", kind: "descriptor", args: (address) => [address] },
];
const SAMPLES = ["", "a", "Day 6", "seven c", "eight ch", "a line\n", "x".repeat(100)];

/** The contents that a function is given, one after the other. */
function contents(subject: Subject, { name, kind }: Given): Uint8Array[] {
  if (kind === "descriptor") {
    const { base, limit } = name === "gdt_flush" ? gdtr(subject) : idtr(subject);
    return [Uint8Array.of(...words(limit).slice(0, 2), ...words(base))];
  }
  const end = kind === "text" ? "\0" : "";
  return SAMPLES.map((text) => new TextEncoder().encode(text + end))
    .filter((bytes) => bytes.length > 0);
}

/** Gives a function an allocation that is not a byte longer than it may read. */
function tryReader(original: Subject, given: Given, bytes: Uint8Array): void {
  const { subject, shadow } = shadowed(original);
  const found = subject.invoke("kmalloc", [bytes.length]);
  const address = found.kind === "returned" ? found.value : 0;
  if (shadow.memory.at(address) === undefined) throw new Skip(UNSEEN);
  shadow.write(address, bytes);
  const args = given.args(address, bytes.length), before = shadow.misuses.length;
  shadow.during(printCall(given.name, args), given.name, () => subject.invoke(given.name, args));
  expectNone(shadow.misuses.slice(before), subject.log);
}

const UNSEEN = "its kmalloc gives nothing between 400000h and BFFFFFh that could be watched";

function reading(given: Given): Check {
  const clauses = ["SHADOW-1", "SHADOW-3"], { name } = given;
  return {
    title: `${name} reads what it is given and nothing else of the heap`,
    clauses,
    needs: ["kmalloc", name],
    run(subject): void {
      for (const bytes of contents(subject, given)) tryReader(subject, given, bytes);
    },
  };
}

// ---- the allocator and what it gave away

/** The heap during one sequence of calls. */
class World {
  readonly subject: Subject;
  readonly shadow: Shadow;
  /** What was done, as a report prints it. */
  readonly calls: string[] = [];
  readonly live: number[] = [];
  readonly #first: number;

  constructor({ subject, shadow, state }: Shadowed) {
    shadow.restore(state);
    subject.callBudget = CALL_BUDGET;
    this.subject = subject;
    this.shadow = shadow;
    this.#first = shadow.misuses.length;
  }

  /** What was seen in this sequence. */
  get misuses(): readonly Misuse[] {
    return this.shadow.misuses.slice(this.#first);
  }

  /** Calls a function; EAX, or 0 if the kernel has no such function. */
  act(name: string, ...args: number[]): number {
    const { subject, shadow } = this;
    if (!subject.has(name)) return 0;
    const outcome = shadow.during(printCall(name, args), name, () => subject.invoke(name, args));
    const isBack = outcome.kind === "returned";
    this.calls.push(printCall(name, args, isBack ? outcome : undefined));
    if (isBack) return outcome.value;
    throw new Ended(); // other clauses say that it must return
  }

  /** Remembers a result that is an allocation. */
  keep(address: number): void {
    if (address !== 0 && !this.live.includes(address)) this.live.push(address);
  }

  /** Takes an allocation out of the list. */
  take(index: number): number | undefined {
    return this.live.splice(index % Math.max(1, this.live.length), 1)[0];
  }
}

function moves(random: Random): readonly Source<Move<World>>[] {
  const size = random.oneof(
    random.integer({ min: 1, max: 80 }),
    random.integer({ min: 1, max: 3000 }),
  );
  const some = random.nat(INDEX);
  return [
    size.map((bytes) => (world) => world.keep(world.act("kmalloc", bytes))),
    random.tuple(random.integer({ min: 1, max: 40 }), random.integer({ min: 1, max: 40 }))
      .map(([count, bytes]) => (world) => world.keep(world.act("kcalloc", count, bytes))),
    some.map((index) => (world) => {
      const address = world.take(index);
      if (address !== undefined) world.act("kfree", address);
    }),
    random.tuple(some, size).map(([index, bytes]) => (world) => {
      const address = world.subject.has("krealloc") ? world.take(index) : undefined;
      if (address !== undefined) world.keep(world.act("krealloc", address, bytes) || address);
    }),
    random.constant((world) => void world.act("heap_coalesce_free_blocks")),
    random.nat(20_000).map((bytes) => (world) => void world.act("heap_expand", bytes)),
  ];
}

function allocatorGame(found: Shadowed): Game<World> {
  const judge = ({ misuses, calls }: World): void => expectNone(misuses, calls);
  return {
    name: "shadow",
    moves: 40,
    share: 0.5,
    needs: ["kmalloc", "kfree"],
    begin: () => new World(found),
    kinds: moves,
    judge,
    ended: judge,
  };
}

// ---- the checks

/** The checks. */
export const checks: readonly Check[] = [
  {
    title: "The kernel uses its heap as it may while it comes up",
    clauses: EVERY,
    needs: ["kmalloc"],
    early: true,
    run(subject): void {
      expectNone(shadowed(subject).shadow.misuses, []);
    },
  },
  {
    title: "The kernel uses its heap as it may while somebody types",
    clauses: EVERY,
    needs: ["kmalloc"],
    run(original): void {
      const { subject, shadow } = shadowed(original), before = shadow.misuses.length;
      for (const line of ["help\n", "alloc 24\n", "blocks\n", "heap\n"]) {
        subject.note(`typed ${JSON.stringify(line)}`);
        shadow.during(`what was typed: ${JSON.stringify(line)}`, "", () => {
          subject.machine.type(line);
          subject.run({ until: "idle", budget: BUDGET });
        });
      }
      expectNone(shadow.misuses.slice(before), subject.log);
    },
  },
  ...readers.map(reading),
  {
    title: "The heap's functions write into no allocation that is not theirs",
    clauses: ["SHADOW-4"],
    needs: ["kmalloc", "kfree"],
    async run(original: Subject, chance: Chance): Promise<void> {
      const found = shadowed(original);
      await play(found.subject, chance, allocatorGame(found));
    },
  },
];
