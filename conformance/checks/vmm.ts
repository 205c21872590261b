/**
 * Checks of virtual memory: random calls against a model. Spec: specs/kernel/vmm.md. Not judged: results
 * of `vmm_map_page` and `vmm_unmap_page`, which the ABI leaves open, and texts of reports.
 */
import { type Chance, type Check, expect } from "../check.ts";
import { kernelFrames, takeFrames } from "../models/frames.ts";
import { Guest, hex, PAGE, PRESENT, WRITABLE } from "../models/guest.ts";
import { KERNEL_ADDRESSES, Space, type SpaceRule } from "../models/mappings.ts";
import { type Game, type Move, play, type Random, type Source } from "../models/play.ts";
import type { Subject } from "../subject.ts";
import { readImage } from "../../machine/multiboot.ts";

const MAP = ["vmm_map_page", "vmm_unmap_page", "pmm_alloc_page", "pmm_get_free_pages"];
const QUERIES = ["vmm_get_physical_address", "vmm_is_page_present"];
const CREATE = "vmm_create_page_directory", SWITCH = "vmm_switch_page_directory";
const HEAP = ["heap_expand", "heap_get_total_size"];
const IDENTITY_END = 0x400000;
const FRAMES_LEFT = 5;

// ---- games

type Moves = (random: Random) => Source<Move<Space>>;

/** Which page: low numbers stay together in few tables. */
const page = (random: Random) => random.nat(23);
const directory = (random: Random) => random.nat(3);
const offset = (random: Random) => random.constantFrom(0, 0, 0, 0x123, 0xfff);

const map: Moves = (random) =>
  random.tuple(page(random), random.nat(5), random.nat(7), directory(random), offset(random))
    .map(([page, frame, flags, directory, offset]) => (space) =>
      space.map(page, frame, flags, directory, offset)
    );
const mapInNewest: Moves = (random) =>
  random.tuple(page(random), random.nat(5), random.nat(7))
    .map(([page, frame, flags]) => (space) => space.mapInNewest(page, frame, flags));
/** In the directory in use, and used at once. */
const mapAndTouch: Moves = (random) =>
  random.tuple(page(random), random.nat(5), random.nat(7)).map(
    ([page, frame, flags]) => (space) => {
      space.map(page, frame, flags, space.directories.indexOf(space.current));
      space.touch(page);
    },
  );
const unmap: Moves = (random) =>
  random.tuple(page(random), directory(random), offset(random))
    .map(([page, directory, offset]) => (space) => space.unmap(page, directory, offset));
const touch: Moves = (random) => page(random).map((page) => (space) => space.touch(page));
const query: Moves = (random) =>
  random.tuple(page(random), directory(random), random.nat(PAGE - 1))
    .map(([page, directory, offset]) => (space) => space.queryPage(page, directory, offset));
/** In one directory, and asked about in all of them. */
const mapAndQuery: Moves = (random) =>
  random.tuple(page(random), random.nat(5), random.nat(7), directory(random)).map(
    ([page, frame, flags, directory]) => (space) => {
      space.map(page, frame, flags, directory);
      for (const index of space.directories.keys()) space.queryPage(page, index, 0);
    },
  );
const queryKernel: Moves = (random) =>
  random.tuple(random.constantFrom(...KERNEL_ADDRESSES), directory(random))
    .map(([address, directory]) => (space) => space.query(address, directory));
const mapForeign: Moves = (random) =>
  random.tuple(random.nat(4), page(random))
    .map(([kind, index]) => (space) => space.mapForeign(kind, index));
const create: Moves = (random) => random.constant((space) => space.create());
const change: Moves = (random) => directory(random).map((index) => (space) => space.switch(index));
const changeForeign: Moves = (random) =>
  random.nat(3).map((index) => (space) => space.switchForeign(index));
const growHeap: Moves = (random) =>
  random.oneof(random.integer({ min: 1, max: 30 }), random.integer({ min: 700, max: 1700 }))
    .map((pages) => (space) => space.growHeap(pages));

interface Played {
  readonly title: string;
  readonly clause: string;
  readonly name?: string;
  readonly needs?: readonly string[];
  readonly rules: readonly SpaceRule[];
  readonly moves: readonly Moves[];
  readonly share?: number;
  prepare?(subject: Subject): readonly string[];
  end?(space: Space): void;
}

function playedCheck(
  { title, clause, name, needs = [], rules, moves, share, ...rest }: Played,
): Check {
  const game: Game<Space> = {
    ...rest,
    name: name ?? clause.toLowerCase(),
    moves: 20,
    share,
    needs: MAP,
    begin: (stage) => new Space(stage, rules),
    kinds: (random) => moves.map((kind) => kind(random)),
    judge: (space) => space.judge(),
  };
  const run = (subject: Subject, chance: Chance) => play(subject, chance, game);
  return { title, clauses: [clause], needs: [...MAP, ...needs], run };
}

/** Takes frames until what comes is outside the identity map. */
function takeLowFrames(subject: Subject): readonly string[] {
  let taken = 0;
  for (let row = 0; row < 4 && subject.call("pmm_get_free_pages") > 0; taken++) {
    row = subject.call("pmm_alloc_page") >= IDENTITY_END ? row + 1 : 0;
  }
  return [`pmm_alloc_page() ${taken} times, until the frames lie above 4 MB`];
}

const games: readonly Played[] = [
  {
    title:
      "vmm_map_page maps the frame with its flags, in place of another, for the processor at once",
    clause: "VMM-4",
    rules: ["map"],
    moves: [map, mapAndTouch, mapAndTouch, touch],
    end: (space) => space.judgeReadOnly(),
  },
  {
    title: "vmm_map_page takes one frame for a missing page table and none otherwise",
    clause: "VMM-5",
    rules: ["tables"],
    moves: [map],
  },
  {
    title: "vmm_map_page changes nothing when there is no memory for a page table",
    clause: "VMM-5",
    name: "vmm-5-memory",
    rules: ["tables", "unmap"],
    moves: [map],
    prepare: (subject) => takeFrames(subject, FRAMES_LEFT),
  },
  {
    title: "vmm_unmap_page removes the mapping, for the processor too, and keeps the frame",
    clause: "VMM-6",
    rules: ["unmap"],
    moves: [mapAndTouch, mapAndTouch, unmap],
    end: (space) => space.judgeUnmapped(),
  },
  {
    title: "vmm_get_physical_address and vmm_is_page_present agree with the page tables",
    clause: "VMM-7",
    needs: QUERIES,
    rules: ["query"],
    moves: [map, unmap, query, query, queryKernel],
  },
  {
    title: "Both questions are answered for the directory that is asked about, in use or not",
    clause: "VMM-7",
    name: "vmm-7-directories",
    needs: [CREATE, ...QUERIES],
    rules: ["query"],
    moves: [create, mapAndQuery, query, queryKernel],
    share: 0.5,
  },
  {
    title: "vmm_map_page refuses user pages in kernel space, the window, and what is no directory",
    clause: "VMM-8",
    rules: ["refuse"],
    moves: [map, mapForeign],
  },
  {
    title: "Tables and directories above 4 MB can be used",
    clause: "VMM-9",
    needs: [CREATE],
    rules: ["reach"],
    moves: [mapInNewest, mapInNewest, create],
    prepare: takeLowFrames,
  },
  {
    title: "A page table whose last page is unmapped goes back to the PMM",
    clause: "VMM-10",
    rules: ["giveBack"],
    moves: [map, map, unmap, unmap],
    end: (space) => space.unmapAll(),
  },
  {
    title: "A new directory has the kernel's mappings and nothing else, and sees the heap grow",
    clause: "VMM-11",
    needs: [CREATE, ...HEAP],
    rules: ["share"],
    moves: [map, create, growHeap],
    share: 0.4,
  },
  {
    title: "vmm_create_page_directory returns 0 and takes nothing without memory",
    clause: "VMM-11",
    name: "vmm-11-memory",
    needs: [CREATE],
    rules: ["share"],
    moves: [map, create],
    share: 0.3,
    prepare: (subject) => takeFrames(subject, FRAMES_LEFT),
  },
  {
    title: "vmm_switch_page_directory loads CR3, and refuses what is no directory",
    clause: "VMM-12",
    needs: [CREATE, SWITCH, "current_page_directory"],
    rules: ["switch"],
    moves: [create, change, changeForeign],
    share: 0.5,
  },
  {
    title: "Directory entries allow user mode only where a user page was mapped",
    clause: "VMM-13",
    rules: ["user"],
    moves: [map],
  },
];

// ---- the identity map

/** VMM-14: after changes to it, the identity map is as VMM-2 and VMM-3 say. */
function checkIdentityMap(subject: Subject): void {
  const guest = new Guest(subject), { directory } = guest;
  const [start, end] = ["kernel_start", "kernel_readonly_end"].map((name) => subject.address(name));
  const spare = sparePages(guest);
  guest.act("vmm_map_page", [directory, start, start, PRESENT | WRITABLE]);
  guest.act("vmm_map_page", [directory, spare[0], spare[1], PRESENT | WRITABLE]);
  guest.act("vmm_map_page", [directory, spare[1], spare[1], PRESENT]);
  guest.act("vmm_identity_map_kernel", [directory]);
  for (let page = 0; page < IDENTITY_END; page += PAGE) {
    const isConstant = page >= (start & ~0xfff) && page < end;
    const expected = `${hex(page)} ${isConstant ? "read-only" : "writable"}, for the kernel`;
    const mapped = guest.walk(page);
    const seen = mapped &&
      `${hex(mapped.physAddr)} ${mapped.writable ? "writable" : "read-only"}, ` +
        `for ${mapped.user ? "users" : "the kernel"}`;
    if (seen !== expected) guest.fail(`${expected} at ${hex(page)}`, seen ?? "no page");
  }
}

/** Two pages of the identity map that nobody uses: neither the image nor a table lies there. */
function sparePages(guest: Guest): number[] {
  const { segments } = readImage(guest.subject.image), pages: number[] = [];
  const frames = kernelFrames(guest);
  const end = Math.max(...segments.map(({ physAddr, memBytes }) => physAddr + memBytes));
  for (let page = IDENTITY_END - PAGE; page >= end && pages.length < 2; page -= PAGE) {
    if (!frames.has(page)) pages.push(page);
  }
  const isEnough = pages.length === 2;
  expect(
    guest.subject,
    isEnough,
    "room between the kernel's image and 4 MB",
    `${pages.length} pages`,
  );
  return pages;
}

/** The checks of virtual memory. */
export const checks: readonly Check[] = [
  ...games.map(playedCheck),
  {
    title: "vmm_identity_map_kernel makes the identity map again, the kernel's code read-only",
    clauses: ["VMM-14"],
    needs: ["vmm_identity_map_kernel", "vmm_map_page", "kernel_start", "kernel_readonly_end"],
    run: checkIdentityMap,
  },
];
