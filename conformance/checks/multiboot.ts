/**
 * What a kernel makes of its boot loader's tables, which are changed before its first instruction.
 * Looked at when `pmm_init` has returned: no frame is taken then. Spec: specs/kernel/multiboot.md.
 */
import type { BootOptions } from "../../machine/boot.ts";
import type { Machine } from "../../machine/machine.ts";
import { describeStop } from "../../machine/stop.ts";
import { type Check, expect, expectSame, printed, Skip } from "../check.ts";
import { words } from "../probe.ts";
import type { Subject } from "../subject.ts";
import { ask, watchBoot } from "../watch.ts";

const MB = 0x100000, GB4 = 0x100000000, PAGE = 0x1000;
const HEADER_MAGIC = 0x1badb002, HEADER_SEARCH = 8192, MEMORY_INFO = 0x02;
const HAS_MEMORY = 0x01, HAS_MAP = 0x40;
const FLAGS = 0, MEM_UPPER = 8, MODULES = 20, MAP_LENGTH = 44; // offsets in the structure; behind the length its address
const SMALL = { ramBytes: 0x1000000 }; // 16 MB: quicker to set up
const MOST_FRAMES = 8192; // more than any of these maps has
const MAP = 0x8000; // where the changed memory map stands: low memory, nobody's
const WRONG_MAGIC = 0x12345678;
const AVAILABLE = 1, RESERVED = 2;

/** An entry of a memory map. */
type Region = readonly [base: number, bytes: number, type: number];

/** The first megabyte as loaders give it, and enough for the kernel. */
const LOW: Region = [0, 0x9fc00, AVAILABLE];

function write(machine: Machine, physAddr: number, ...values: number[]): void {
  machine.memory.load(physAddr, Uint8Array.from(words(...values)));
}

/** Replaces the memory map that EBX's structure names. */
function setMap(regions: readonly Region[], entrySize = 20): (machine: Machine) => void {
  return (machine) => {
    const info = machine.registers.ebx;
    regions.forEach(([base, bytes, type], n) => {
      const halves = [base, bytes].flatMap((value) => [value % GB4, Math.floor(value / GB4)]);
      write(machine, MAP + n * (entrySize + 4), entrySize, ...halves, type);
    });
    write(machine, info + MAP_LENGTH, regions.length * (entrySize + 4), MAP);
  };
}

/** Leaves only these flags, and this size of upper memory. */
function setFlags(flags: number, upperKilobytes: number): (machine: Machine) => void {
  return (machine) => {
    const info = machine.registers.ebx;
    write(
      machine,
      info + FLAGS,
      machine.memory.read(info + FLAGS, 4) & ~(HAS_MAP | HAS_MEMORY) | flags,
    );
    write(machine, info + MEM_UPPER, upperKilobytes);
  };
}

/** What the kernel knows about memory after `pmm_init`. */
interface Learned {
  readonly total: number;
  readonly free: ReadonlySet<number>;
}

const needs = ["pmm_init", "pmm_get_total_pages", "pmm_alloc_page"];

/** Boots with changed tables and takes every frame. */
function learn(
  subject: Subject,
  prepare: (machine: Machine) => void,
  options: BootOptions = {},
): Learned {
  let learned: Learned | undefined;
  watchBoot(
    subject,
    ["pmm_init"],
    (machine) => {
      const total = ask(subject, machine, "pmm_get_total_pages"), free = new Set<number>();
      for (;;) {
        const frame = ask(subject, machine, "pmm_alloc_page");
        if (frame === 0 || free.has(frame) || free.size > MOST_FRAMES) break;
        free.add(frame);
      }
      learned = { total, free };
      return true;
    },
    options,
    prepare,
  );
  if (learned === undefined) throw new Skip("pmm_init does not return, or its call is not seen");
  return learned;
}

/** Expects a total, and frames that are free or not. */
function expectLearned(
  subject: Subject,
  what: string,
  { total, free }: Learned,
  expected: { total?: number; free?: readonly number[]; taken?: readonly number[] },
): void {
  subject.note(what);
  expectSame(subject, "pmm_get_total_pages()", total, expected.total ?? total);
  for (const frame of expected.free ?? []) {
    expectSame(subject, `the frame ${printed(frame)} available:`, free.has(frame), true);
  }
  for (const frame of expected.taken ?? []) {
    expectSame(subject, `the frame ${printed(frame)} available:`, free.has(frame), false);
  }
}

/** Where the loader put its modules. */
function modulePlaces({ memory, registers }: Machine): (readonly [number, number])[] {
  const count = memory.read(registers.ebx + MODULES, 4);
  const table = memory.read(registers.ebx + MODULES + 4, 4);
  return Array.from({ length: count }, (_, n) => {
    const [start, end] = [0, 4].map((offset) => memory.read(table + 16 * n + offset, 4));
    return [start, end] as const;
  });
}

/** The frames that bytes touch. */
function framesOf(start: number, end: number): number[] {
  const first = Math.floor(start / PAGE), last = Math.ceil(end / PAGE);
  return Array.from({ length: last - first }, (_, n) => (first + n) * PAGE);
}

/** Boots with changed registers or tables that a kernel must refuse; that it rests then is PANIC-4. */
function expectPanic(subject: Subject, what: string, prepare: (machine: Machine) => void): void {
  const { booted, bootOutput, machine } = subject.variant(SMALL, prepare);
  const said = bootOutput || machine.screen.text, last = said.trim().slice(-60);
  const seen = `${describeStop(booted)}, after ${JSON.stringify(last)}`;
  const came = /^\[ OK \].*(pmm|physical)/im.test(said); // it may still panic later, for want of memory
  expect(subject, /panic/i.test(said) && !came, `a panic ${what}`, seen);
}

/** The header's offset in the file, or -1. */
function headerOffset(image: Uint8Array): number {
  const view = new DataView(image.buffer, image.byteOffset, image.byteLength);
  for (let at = 0; at + 12 <= Math.min(image.length, HEADER_SEARCH); at += 4) {
    if (view.getUint32(at, true) !== HEADER_MAGIC) continue;
    const sum = view.getUint32(at, true) + view.getUint32(at + 4, true) +
      view.getUint32(at + 8, true);
    if (sum % GB4 === 0) return at;
  }
  return -1;
}

/** All checks of the boot loader's tables. */
export const checks: readonly Check[] = [
  {
    title: "The image has a Multiboot header that asks for memory information",
    clauses: ["KERNEL-MULTIBOOT-7"],
    needs: [],
    early: true,
    run(subject) {
      const { image } = subject, at = headerOffset(image);
      expect(subject, at >= 0, "a Multiboot 1 header in the first 8192 bytes", "none");
      const flags = new DataView(image.buffer, image.byteOffset).getUint32(at + 4, true);
      expect(
        subject,
        (flags & MEMORY_INFO) !== 0,
        "flag 1, memory information",
        `flags ${printed(flags)}`,
      );
    },
  },
  {
    title: "The memory map is walked by its entries' own sizes, and only type 1 is available",
    clauses: ["KERNEL-MULTIBOOT-1"],
    needs,
    run(subject) {
      const types = [RESERVED, 3, 4, 5, 0];
      const regions: Region[] = [
        LOW,
        [MB, 7 * MB, AVAILABLE],
        ...types.map((type, n): Region => [8 * MB + n * PAGE, PAGE, type]),
        [9 * MB, MB, AVAILABLE],
      ];
      const taken = types.map((_, n) => 8 * MB + n * PAGE);
      const expected = { total: 2560, free: [8 * MB - PAGE, 9 * MB, 10 * MB - PAGE], taken };
      for (const size of [20, 28]) {
        const learned = learn(subject, setMap(regions, size));
        expectLearned(subject, `a memory map with entries of ${size} bytes`, learned, expected);
      }
    },
  },
  {
    title: "Without a memory map the size of upper memory counts",
    clauses: ["KERNEL-MULTIBOOT-2"],
    needs,
    run(subject) {
      const learned = learn(subject, setFlags(HAS_MEMORY, 7 * 1024));
      const expected = { total: 2048, free: [8 * MB - PAGE], taken: [8 * MB] };
      expectLearned(subject, "no memory map, 7 MB of upper memory", learned, expected);
    },
  },
  {
    title: "Without any memory information the kernel panics",
    clauses: ["KERNEL-MULTIBOOT-2"],
    needs: [],
    run: (subject) => expectPanic(subject, "without memory information", setFlags(0, 0)),
  },
  {
    title: "An available region counts with whole frames, any other with those that it touches",
    clauses: ["KERNEL-MULTIBOOT-3"],
    needs,
    run(subject) {
      const partial: Region[] = [LOW, [MB, 7 * MB + 0xfff, AVAILABLE], [
        9 * MB + 1,
        0x2fff,
        AVAILABLE,
      ]];
      const expected = {
        free: [8 * MB - PAGE, 9 * MB + PAGE, 9 * MB + 2 * PAGE],
        taken: [8 * MB, 9 * MB, 9 * MB + 3 * PAGE],
      };
      const whole = learn(subject, setMap(partial));
      expectLearned(subject, "regions that end within frames", whole, expected);
      const hole: Region[] = [LOW, [MB, 7 * MB, AVAILABLE], [6 * MB - 1, PAGE + 2, RESERVED]];
      const { free } = learn(subject, setMap(hole));
      subject.note("a reserved region that touches the frames around 0x00600000");
      if (free.has(6 * MB)) throw new Skip("no reserved region counts: KERNEL-MULTIBOOT-5");
      for (const frame of [6 * MB - PAGE, 6 * MB + PAGE]) {
        expectSame(subject, `the frame ${printed(frame)} available:`, free.has(frame), false);
      }
    },
  },
  {
    title: "Every frame that a boot module touches is taken, and the next one is not",
    clauses: ["KERNEL-MULTIBOOT-3"],
    needs,
    run(subject) {
      const sizes = [2 * PAGE + 1, PAGE - 1, PAGE];
      const modules = sizes.map((size) => ({ data: new Uint8Array(size), commandLine: "module" }));
      let places: (readonly [start: number, end: number])[] = [];
      const learned = learn(subject, (machine) => places = modulePlaces(machine), { modules });
      subject.note(`boot modules of ${sizes.join(", ")} bytes`);
      const touched = new Set(places.flatMap(([start, end]) => framesOf(start, end)));
      for (const frame of touched) {
        expectSame(
          subject,
          `the frame ${printed(frame)} available:`,
          learned.free.has(frame),
          false,
        );
      }
      const next = Math.max(...touched) + PAGE; // nothing stands behind the last module
      expectSame(subject, `the frame ${printed(next)} available:`, learned.free.has(next), true);
    },
  },
  {
    title: "Memory beyond 4 GB does not count",
    clauses: ["KERNEL-MULTIBOOT-4"],
    needs,
    run(subject) {
      const low: Region[] = [LOW, [MB, 7 * MB, AVAILABLE]];
      const beyond = learn(subject, setMap([...low, [GB4, GB4, AVAILABLE]]));
      expectLearned(subject, "a region that begins at 4 GB", beyond, { total: 2048 });
      const across = learn(subject, setMap([...low, [GB4 - 2 * PAGE, GB4, AVAILABLE]]));
      const free = [GB4 - 2 * PAGE, GB4 - PAGE];
      expectLearned(subject, "a region across 4 GB", across, { total: GB4 / PAGE, free });
    },
  },
  {
    title: "Where an available and another region overlap, the frames are not available",
    clauses: ["KERNEL-MULTIBOOT-5"],
    needs,
    run(subject) {
      const available: Region = [MB, 7 * MB, AVAILABLE], reserved: Region = [6 * MB, MB, RESERVED];
      for (const regions of [[LOW, available, reserved], [LOW, reserved, available, available]]) {
        const order = regions[1] === reserved ? "before" : "behind";
        expectLearned(
          subject,
          `a reserved region ${order} the available one`,
          learn(subject, setMap(regions)),
          {
            free: [6 * MB - PAGE, 7 * MB],
            taken: [6 * MB, 7 * MB - PAGE],
          },
        );
      }
    },
  },
  {
    title: "The kernel panics without a Multiboot loader's magic number",
    clauses: ["KERNEL-MULTIBOOT-6"],
    needs: [],
    run: (subject) =>
      expectPanic(
        subject,
        "without 2BADB002h in EAX",
        ({ pc }) => pc.cpu.state.setRegister(0, WRONG_MAGIC),
      ),
  },
];
