/**
 * Checks of the page frames: random calls against a model. Spec: specs/kernel/pmm.md. Not judged: which
 * free frame is given, results of `pmm_free_page`, and texts of reports.
 */
import { memoryMap } from "../../machine/bootinfo.ts";
import { type Chance, type Check, expect, expectSame } from "../check.ts";
import { type FrameRule, Frames, takeFrames } from "../models/frames.ts";
import { hex, PAGE } from "../models/guest.ts";
import { isSaid } from "../models/texts.ts";
import { type Game, type Move, play, type Random, type Source } from "../models/play.ts";
import type { Subject } from "../subject.ts";

const COUNTS = ["pmm_get_total_pages", "pmm_get_free_pages", "pmm_get_used_pages"];
const ALL = ["pmm_alloc_page", "pmm_free_page", ...COUNTS];
const OTHER_RAM = 20 << 20;
const MODULE_BYTES = 2 * PAGE + 100; // it ends within a page
const FRAMES_LEFT = 3;
const INDEX = 10_000;

// ---- games

type Moves = (random: Random) => Source<Move<Frames>>;

const take: Moves = (random) => random.constant((frames) => void frames.take());
const takeSome: Moves = (random) =>
  random.integer({ min: 2, max: 40 }).map((count) => (frames) => frames.takeSome(count));
const give: Moves = (random) => random.nat(INDEX).map((index) => (frames) => frames.give(index));
const giveForeign: Moves = (random) =>
  random.tuple(random.nat(5), random.nat(INDEX))
    .map(([kind, index]) => (frames) => frames.giveForeign(kind, index));

interface Played {
  readonly title: string;
  readonly clause: string;
  /** Name in paths, where a clause has several games. */
  readonly name?: string;
  readonly rules: readonly FrameRule[];
  readonly needs?: readonly string[];
  readonly moves: readonly Moves[];
  readonly share?: number;
  prepare?(subject: Subject): readonly string[];
}

function playedCheck(
  { title, clause, name, rules, needs = [], moves, share, prepare }: Played,
): Check {
  const game: Game<Frames> = {
    name: name ?? clause.toLowerCase(),
    moves: 30,
    share,
    prepare,
    needs: ALL,
    begin: (stage) => new Frames(stage, rules),
    kinds: (random) => moves.map((kind) => kind(random)),
    judge: (frames) => frames.judge(),
  };
  const run = (subject: Subject, chance: Chance) => play(subject, chance, game);
  return { title, clauses: [clause], needs: [...ALL, ...needs], run };
}

const games: readonly Played[] = [
  {
    title: "Free and used page frames make the total, and change by one with each call",
    clause: "PMM-2",
    rules: ["counts"],
    moves: [take, takeSome, give, give],
  },
  {
    title: "The clear bits of pmm_bitmap are the free frames",
    clause: "PMM-3",
    rules: ["bitmap"],
    needs: ["pmm_bitmap"],
    moves: [take, takeSome, give, give, give],
    share: 0.5,
  },
  {
    title: "pmm_alloc_page gives whole frames that nobody else has",
    clause: "PMM-5",
    rules: ["owner"],
    moves: [take, takeSome, give, give],
  },
  {
    title: "pmm_free_page makes a frame free",
    clause: "PMM-7",
    rules: ["free"],
    moves: [take, takeSome, give, give, give],
  },
  {
    title: "The last free frames can all be had again after pmm_free_page",
    clause: "PMM-7",
    name: "pmm-7-last",
    rules: ["free", "owner"],
    moves: [take, give],
    prepare: (subject) => takeFrames(subject, FRAMES_LEFT),
  },
  {
    title: "pmm_free_page does not obey for kernel pages, free, misaligned and outside addresses",
    clause: "PMM-8",
    rules: ["foreign", "owner"],
    moves: [take, give, giveForeign, giveForeign],
  },
];

// ---- all of memory

/** Takes every frame. */
function exhaust(subject: Subject, rules: readonly FrameRule[]): Frames {
  const frames = new Frames({ subject, prepared: [], results: new Set() }, rules);
  frames.takeAll();
  return frames;
}

/** PMM-1: the frames below the end of the highest available region. */
function checkTotal(subject: Subject): void {
  const ends = memoryMap(subject.machine.memory.ramBytes)
    .filter(({ available }) => available).map(({ base, bytes }) => base + bytes);
  expectSame(
    subject,
    `pmm_get_total_pages() with ${subject.machine.memory.ramBytes / 1024} KB of memory:`,
    subject.call("pmm_get_total_pages"),
    Math.max(...ends) / PAGE,
  );
}

/** PMM-6: nothing changes when nothing is free, and what is freed then can be had again. */
function checkExhausted(subject: Subject): void {
  const frames = exhaust(subject, ["counts"]), { guest, held, counts: { total, free } } = frames;
  if (free !== 0) guest.fail("0 free frames", `${free}`);
  for (let n = 0; n < 3; n++) frames.take();
  for (const part of [0.1, 0.9, 0.5]) frames.give(Math.floor(held.length * part));
  const wanted = frames.freed.map(hex).sort().join(", ");
  const seen = [1, 2, 3].map(() => hex(frames.take())).sort().join(", ");
  if (seen !== wanted) guest.fail(`${wanted}, the only free frames`, seen);
  frames.take();
  checkSteps(subject, total);
}

/** PMM-6: it looks at 32 frames a step, so it takes fewer instructions than there are frames. */
function checkSteps(subject: Subject, total: number): void {
  const outcome = subject.invoke("pmm_alloc_page");
  const steps = outcome.kind === "returned" ? outcome.instructions : Infinity;
  const seen = `${steps} instructions for ${total} frames`;
  expect(subject, steps < total, `a search by words of 32 frames`, seen);
}

/** PMM-4: what a boot module touches is given to nobody. */
function checkModule(subject: Subject): void {
  const data = Uint8Array.from({ length: MODULE_BYTES }, (_, i) => (i * 167 + (i >> 8)) & 0xff);
  const other = subject.variant({ modules: [{ data, commandLine: "module" }] });
  const start = findPage(other.machine.memory.ram, data);
  expect(subject, start !== undefined, "the module where the loader put it", "other bytes");
  const frames = exhaust(other, []);
  const taken = frames.held.filter((physAddr) =>
    physAddr + PAGE > start && physAddr < start + MODULE_BYTES
  );
  const seen = taken.map(hex).join(", ");
  if (seen) frames.guest.fail(`the boot module at ${hex(start)} given to nobody`, seen);
}

function findPage(ram: Uint8Array, data: Uint8Array): number | undefined {
  for (let page = 0; page < ram.length; page += PAGE) {
    if (data.every((byte, i) => ram[page + i] === byte)) return page;
  }
}

/** PMM-9, as far as the wording is free: the three numbers. */
function checkStatistics(subject: Subject): void {
  const frames = new Frames({ subject, prepared: [], results: new Set() }, []),
    said = frames.guest.listen("pmm_dump_stats");
  for (const [name, count] of Object.entries(frames.counts)) {
    const text = JSON.stringify(said.trim());
    expect(subject, isSaid(said, name, count), `the ${name} frames, ${count}, in the text`, text);
  }
}

/** The checks of the page frames. */
export const checks: readonly Check[] = [
  {
    title: "The total is what the memory map says, with 32 MB and with less",
    clauses: ["PMM-1"],
    needs: ["pmm_get_total_pages"],
    run: (subject) => {
      checkTotal(subject);
      checkTotal(subject.variant({ ramBytes: OTHER_RAM }));
    },
  },
  {
    title: "Of all frames that pmm_alloc_page gives none is reserved",
    clauses: ["PMM-4"],
    needs: ALL,
    run: (subject) => void exhaust(subject, ["reserved"]),
  },
  {
    title: "pmm_alloc_page gives no frame of a boot module",
    clauses: ["PMM-4"],
    needs: ALL,
    run: checkModule,
  },
  {
    title: "pmm_alloc_page gives each free frame once, until none is left",
    clauses: ["PMM-5"],
    needs: ALL,
    run: (subject) => void exhaust(subject, ["owner"]),
  },
  {
    title: "pmm_alloc_page returns 0 and changes nothing when no frame is free",
    clauses: ["PMM-6"],
    needs: ALL,
    run: checkExhausted,
  },
  ...games.map(playedCheck),
  {
    title: "pmm_dump_stats prints the three counts",
    clauses: ["PMM-9"],
    needs: ["pmm_dump_stats", ...COUNTS],
    run: checkStatistics,
  },
];
