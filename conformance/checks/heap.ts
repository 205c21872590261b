/**
 * Checks of the heap: random calls against a model of it. Spec: specs/kernel/heap.md. Not judged:
 * results of `kfree` and texts of reports, which the ABI leaves open, and the layout of headers.
 */
import { boot } from "../../machine/boot.ts";
import { type Chance, type Check, expect, expectSame, Skip } from "../check.ts";
import { Heap, HEAP_LIMIT, type Rule, SLACK } from "../models/blocks.ts";
import { takeFrames } from "../models/frames.ts";
import { isSaid } from "../models/texts.ts";
import { type Game, type Move, play, type Random, type Source } from "../models/play.ts";
import type { Subject } from "../subject.ts";

const SIZES = ["heap_get_total_size", "heap_get_used_size", "heap_get_free_size"];
const INITIAL_SIZE = 0x100000;
const BOOT_BUDGET = 400_000_000;
const FRAMES_LEFT = 20; // in games about exhausted memory

type Moves = (random: Random) => Source<Move<Heap>>[];

// ---- kinds of moves

const INDEX = 1000;

/** Sizes that callers ask for: mostly small, some of pages, few of hundreds of pages. */
function sizes(random: Random): Source<number> {
  return random.oneof(
    { arbitrary: random.integer({ min: 1, max: 80 }), weight: 3 },
    { arbitrary: random.integer({ min: 1, max: 3000 }), weight: 4 },
    { arbitrary: random.integer({ min: 1, max: 70_000 }), weight: 2 },
  );
}

/** Sizes of which few fit. */
function largeSizes(random: Random): Source<number> {
  return random.oneof(
    random.integer({ min: 1, max: 20_000 }),
    random.integer({ min: 100_000, max: 3_000_000 }),
    random.integer({ min: 500_000, max: HEAP_LIMIT }),
  );
}

/** Sizes that fit into an empty heap at best. */
function hugeSizes(random: Random): Source<number> {
  return random.integer({ min: HEAP_LIMIT - 100, max: HEAP_LIMIT });
}

/** Sizes that no heap has. */
function endlessSizes(random: Random): Source<number> {
  return random.oneof(
    random.integer({ min: 0, max: 40 }).map((n) => 0xffffffff - n),
    random.integer({ min: HEAP_LIMIT + 1, max: 0xffffffff }),
    random.constantFrom(0x80000000, 0x7fffffff, HEAP_LIMIT + 1, 0xc00000, 0xfffff000),
  );
}

const allocate: Moves = (random) => [
  sizes(random).map((size) => (heap) => void heap.allocate(size)),
];
const allocateLarge: Moves = (random) => [
  largeSizes(random).map((size) => (heap) => void heap.allocate(size)),
];
const allocateEndless: Moves = (random) => [
  endlessSizes(random).map((size) => (heap) => void heap.allocate(size)),
];
const allocateNothing: Moves = (random) => [
  random.constant((heap) => void heap.allocate(0)),
];
const free: Moves = (random) => [
  random.nat(INDEX).map((index) => (heap) => heap.free(index)),
];
const freeNull: Moves = (random) => [
  random.constant((heap) => heap.freeNull()),
];
const allocateCleared: Moves = (random) => [
  random.tuple(random.integer({ min: 1, max: 60 }), random.integer({ min: 1, max: 200 }))
    .map(([count, size]) => (heap) => heap.allocateCleared(count, size)),
  sizes(random).map((size) => (heap) => heap.allocateCleared(size, 1)),
];
const allocateClearedEndless: Moves = (random) => [
  random.tuple(random.integer({ min: 1, max: 0xffff }), random.nat(300))
    .map(([size, extra]) => (heap) =>
      heap.allocateCleared(Math.ceil(2 ** 32 / size) + extra, size)
    ),
  random.constantFrom([0, 0], [0, 8], [8, 0], [0x10000, 0x10000], [0xffffffff, 0xffffffff], [
    0x10000,
    0xff00,
  ])
    .map(([count, size]) => (heap) => heap.allocateCleared(count, size)),
];
const resize: Moves = (random) => [
  random.tuple(random.nat(INDEX), sizes(random))
    .map(([index, size]) => (heap) => heap.resize(index, size)),
];
const resizeOddly: Moves = (random) => [
  random.tuple(
    random.nat(INDEX),
    random.oneof(endlessSizes(random), largeSizes(random), hugeSizes(random)),
  ).map(([index, size]) => (heap) => heap.resize(index, size)),
  random.nat(INDEX).map((index) => (heap) => heap.resizeToNothing(index)),
  sizes(random).map((size) => (heap) => heap.allocateByResize(size)),
];
const expand: Moves = (random) => [
  random.oneof(random.nat(40_000), random.nat(HEAP_LIMIT), endlessSizes(random))
    .map((bytes) => (heap) => heap.expand(bytes)),
];
const coalesce: Moves = (random) => [random.constant((heap) => heap.coalesce())];

/** Allocates multiples of 8. */
const allocateRound: Moves = (random) => [
  random.integer({ min: 1, max: 300 }).map((words) => (heap) => void heap.allocate(words * 8)),
];
/** Allocates without writing, so that what was there stays there. */
const allocateUnwritten: Moves = (random) => [
  sizes(random).map((size) => (heap) => void heap.allocate(size, false)),
];
const freeForeign: Moves = (random) => [
  random.tuple(random.nat(6), random.nat(INDEX))
    .map(([kind, index]) => (heap) => heap.freeForeign(kind, index)),
];
const resizeForeign: Moves = (random) => [
  random.tuple(random.nat(6), random.nat(INDEX), sizes(random))
    .map(([kind, index, size]) => (heap) => heap.resizeForeign(kind, index, size)),
];

const freeAndWrite: Moves = (random) => [
  random.tuple(random.nat(INDEX), random.nat(INDEX), random.nat(2))
    .map(([index, target, offset]) => (heap) => heap.freeAndWrite(index, target, offset)),
];
const freeDamaged: Moves = (random) => [
  random.tuple(random.nat(INDEX), random.nat(2), random.nat())
    .map(([index, which, seed]) => (heap) => heap.freeDamaged(index, which, seed)),
];

// ---- checks from games

/** A check that plays one game. */
interface Played {
  readonly title: string;
  readonly clause: string;
  readonly needs: readonly string[];
  readonly rules: readonly Rule[];
  readonly moves: readonly Moves[];
  readonly length?: number;
  readonly share?: number;
  /** It needs to know where free memory is, which the model knows only of a heap that was empty. */
  readonly empty?: boolean;
  /** Name in paths, where a clause has several games. */
  readonly name?: string;
  prepare?(subject: Subject): readonly string[];
  end?(heap: Heap): void;
  ended?(heap: Heap): void;
}

function playedCheck(played: Played): Check {
  const { title, clause, needs, rules, moves, length = 25, share, prepare } = played;
  const game: Game<Heap> = {
    name: played.name ?? clause.toLowerCase(),
    moves: length,
    share,
    prepare,
    needs,
    begin: (stage) => new Heap(stage, rules),
    kinds: (random) => moves.flatMap((kind) => kind(random)),
    judge: (heap) => heap.judge(),
    end: played.end,
    ended: played.ended,
  };
  return {
    title,
    clauses: [clause],
    needs,
    run: (subject: Subject, chance: Chance) => {
      if (played.empty) requireEmpty(subject);
      return play(subject, chance, game);
    },
  };
}

/** Gaps are known only in a heap in which nothing else lives. */
function requireEmpty(subject: Subject): void {
  const used = subject.call("heap_get_used_size");
  if (used !== 0) throw new Skip(`the kernel itself keeps ${used} bytes of the heap allocated`);
}

function freeAll(heap: Heap): void {
  heap.freeAll();
  heap.judge();
}

/** What is freed can be allocated again. */
function recover(heap: Heap): void {
  for (const index of heap.live.keys()) heap.replace(index);
}

function leaveFewFrames(subject: Subject): readonly string[] {
  return takeFrames(subject, FRAMES_LEFT);
}

const games: readonly Played[] = [
  {
    title: "The blocks that heap_dump_blocks shows tile the heap",
    clause: "HEAP-2",
    needs: ["kmalloc", "kfree", "heap_dump_blocks", ...SIZES],
    rules: ["tile"],
    moves: [allocateUnwritten, allocateUnwritten, free],
    length: 12,
    share: 0.4,
    end: (heap) => heap.judgeDump(),
  },
  {
    title: "kmalloc gives aligned, mapped, disjoint memory inside the heap, whose contents stay",
    clause: "HEAP-3",
    needs: ["kmalloc", "kfree"],
    rules: ["place", "contents", "serve"],
    moves: [allocate, allocate, allocate, free],
    end: freeAll,
  },
  {
    title: "kmalloc refuses size 0 and sizes beyond the heap's limit, and changes nothing then",
    clause: "HEAP-4",
    needs: ["kmalloc", "kfree", ...SIZES],
    rules: ["refuse"],
    moves: [allocateEndless, allocateNothing, allocate],
    length: 12,
  },
  {
    title:
      "kmalloc fails without a trace when the heap is at its limit, and works again after kfree",
    clause: "HEAP-4",
    name: "heap-4-limit",
    needs: ["kmalloc", "kfree", ...SIZES],
    rules: ["refuse", "recover", "contents"],
    moves: [allocateLarge, allocateLarge, free],
    share: 0.3,
    empty: true,
    end: recover,
  },
  {
    title: "kmalloc fails without a trace when no page frame is free, and works again after kfree",
    clause: "HEAP-4",
    name: "heap-4-memory",
    needs: ["kmalloc", "kfree", "pmm_alloc_page", "pmm_free_page", "pmm_get_free_pages", ...SIZES],
    rules: ["refuse", "recover", "contents"],
    moves: [allocateLarge, allocateLarge, free],
    length: 15,
    share: 0.3,
    empty: true,
    prepare: leaveFewFrames,
    end: recover,
  },
  {
    title: "kmalloc splits: the heap does not grow while one free block has room",
    clause: "HEAP-5",
    needs: ["kmalloc", ...SIZES],
    rules: ["fit"],
    moves: [allocate],
    empty: true,
  },
  {
    title: "kfree merges with both neighbours in any order: after all frees one block is left",
    clause: "HEAP-6",
    needs: ["kmalloc", "kfree", ...SIZES],
    rules: ["merge"],
    moves: [allocate, allocate, free, freeNull],
    empty: true,
    end: (heap) => heap.allocateAll(),
  },
  {
    title: "The heap's sizes are sums over its allocations, and its pages are mapped",
    clause: "HEAP-7",
    needs: ["kmalloc", "kfree", ...SIZES],
    rules: ["sums"],
    moves: [allocate, allocate, allocateLarge, free],
    end: (heap) => {
      freeAll(heap);
      heap.judgeEmpty();
    },
  },
  {
    title: "krealloc keeps the sums over the heap's allocations",
    clause: "HEAP-7",
    name: "heap-7-krealloc",
    needs: ["kmalloc", "kfree", "krealloc", ...SIZES],
    rules: ["sums"],
    moves: [allocate, resize, resize, free],
    end: (heap) => {
      freeAll(heap);
      heap.judgeEmpty();
    },
  },
  {
    title: "The heap grows by the pages it needs, a frame each, up to 8 MB",
    clause: "HEAP-8",
    needs: ["kmalloc", "kfree", ...SIZES],
    rules: ["growth", "serve"],
    moves: [allocateLarge, allocateLarge, allocate],
    length: 15,
    share: 0.5,
    empty: true,
  },
  {
    title: "kfree and krealloc do not obey for what is no live allocation",
    clause: "HEAP-9",
    needs: ["kmalloc", "kfree", ...SIZES],
    rules: ["foreign", "place", "contents", "serve"],
    moves: [allocate, allocateUnwritten, free, freeForeign, freeForeign],
    end: freeAll,
  },
  {
    title: "krealloc does not obey for what is no live allocation",
    clause: "HEAP-9",
    name: "heap-9-krealloc",
    needs: ["kmalloc", "kfree", "krealloc", ...SIZES],
    rules: ["foreign", "place", "contents", "serve"],
    moves: [allocate, allocateUnwritten, free, resizeForeign, resizeForeign],
    end: freeAll,
  },
  {
    title:
      "kcalloc clears what it gives, used memory too, and refuses products that are zero or overflow",
    clause: "HEAP-10",
    needs: ["kmalloc", "kfree", "kcalloc"],
    rules: ["zero"],
    moves: [allocate, allocateCleared, allocateClearedEndless, free],
  },
  {
    title:
      "A write to a freed block ends in a panic when the block is used, never in a write elsewhere",
    clause: "HEAP-11",
    needs: ["kmalloc", "kfree", ...SIZES],
    rules: ["place", "contents"],
    moves: [allocateRound, allocateRound, free, freeAndWrite],
    ended: (heap) => heap.judge(),
  },
  {
    title: "heap_expand gives whole pages or nothing, at the limit",
    clause: "HEAP-12",
    needs: ["heap_expand", "kmalloc", "kfree", "pmm_get_free_pages", ...SIZES],
    rules: ["expand"],
    moves: [expand, expand, allocate, free],
    length: 8,
    share: 0.4,
  },
  {
    title: "heap_expand gives whole pages or nothing, every frame back, when memory runs out",
    clause: "HEAP-12",
    name: "heap-12-memory",
    needs: [
      "heap_expand",
      "kmalloc",
      "kfree",
      "pmm_alloc_page",
      "pmm_free_page",
      "pmm_get_free_pages",
      ...SIZES,
    ],
    rules: ["expand"],
    moves: [expand, expand, allocate, free],
    length: 8,
    share: 0.4,
    prepare: leaveFewFrames,
  },
  {
    title: "krealloc keeps contents, stays in place where it can, and fails without a trace",
    clause: "HEAP-13",
    needs: ["kmalloc", "kfree", "krealloc", ...SIZES],
    rules: ["resize"],
    moves: [allocate, resize, resize, resizeOddly, free],
    empty: true,
  },
  {
    title: "kfree changes nothing for a block whose header or neighbour's header was overwritten",
    clause: "HEAP-14",
    needs: ["kmalloc", "kfree", ...SIZES],
    rules: ["damage", "contents"],
    moves: [allocateRound, allocateRound, free, freeDamaged],
    ended: (heap) => heap.judge(),
  },
  {
    title: "heap_dump_blocks shows each allocation as a used block",
    clause: "HEAP-15",
    needs: ["kmalloc", "kfree", "heap_dump_blocks", ...SIZES],
    rules: ["dump"],
    moves: [allocateUnwritten, allocateUnwritten, free],
    length: 12,
    share: 0.4,
    end: (heap) => heap.judgeDump(),
  },
  {
    title: "heap_coalesce_free_blocks leaves sizes and contents, and free neighbours merged",
    clause: "HEAP-16",
    needs: ["kmalloc", "kfree", "heap_coalesce_free_blocks", ...SIZES],
    rules: ["contents", "coalesce"],
    moves: [allocate, allocate, free, coalesce],
  },
];

// ---- at one moment

/** HEAP-1, just after `heap_init`: 1 MB, one free block. */
function checkInitial(subject: Subject): void {
  const machine = boot(subject.image);
  const call = (name: string, ...args: number[]) =>
    machine.call(subject.address(name), ...args) >>> 0;
  const reach = (place: number) =>
    machine.run({ until: { reaches: place }, budget: BOOT_BUDGET }).kind;
  const isCalled = reach(subject.address("heap_init")) === "breakpoint" &&
    reach(machine.readWord(machine.registers.esp) ?? 0) === "breakpoint";
  if (!isCalled) throw new Skip("heap_init is not called at start, or does not return");
  expectSame(
    subject,
    "heap_get_total_size() after heap_init:",
    call("heap_get_total_size"),
    INITIAL_SIZE,
  );
  expectSame(subject, "heap_get_used_size() after heap_init:", call("heap_get_used_size"), 0);
  const size = INITIAL_SIZE - SLACK, address = call("kmalloc", size);
  expect(subject, address !== 0, `one free block, of which kmalloc gives ${size} bytes`, "0");
  expectSame(subject, "the heap's size after that:", call("heap_get_total_size"), INITIAL_SIZE);
}

/** HEAP-15, as far as the wording is free: the three numbers. */
function checkStatistics(subject: Subject): void {
  const heap = new Heap({ subject, prepared: [], results: new Set() }, []);
  heap.allocate(1000);
  const said = heap.guest.listen("heap_dump_stats"), { total, used, free } = heap.sizes;
  for (const [name, bytes] of Object.entries({ total, used, free })) {
    const text = JSON.stringify(said.trim());
    expect(subject, isSaid(said, name, bytes), `the ${name} bytes, ${bytes}, in the text`, text);
  }
}

/** The checks of the heap. */
export const checks: readonly Check[] = [
  {
    title: "heap_init makes a heap of 1 MB, one free block",
    clauses: ["HEAP-1"],
    needs: ["heap_init", "kmalloc", ...SIZES],
    run: checkInitial,
  },
  ...games.map(playedCheck),
  {
    title: "heap_dump_stats prints the three sizes",
    clauses: ["HEAP-15"],
    needs: ["heap_dump_stats", "kmalloc", ...SIZES],
    run: checkStatistics,
  },
];
