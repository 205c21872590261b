/**
 * What a kernel says about its memory, compared with what its memory shows, while it comes up and
 * afterwards. Not judged: sums over blocks, whose headers are the kernel's own. Spec:
 * specs/kernel/pmm.md, specs/kernel/heap.md.
 */
import { memoryMap } from "../../machine/bootinfo.ts";
import { bitmapUsage, type Usage } from "../../machine/inspect.ts";
import type { Machine } from "../../machine/machine.ts";
import { type Check, expect, expectSame, Failure, Skip } from "../check.ts";
import type { Subject } from "../subject.ts";
import { ask, type SeenCall, watchBoot } from "../watch.ts";

const PAGE = 4096, HEAP = 0x400000, HEAP_END = 0xc00000, FIRST_HEAP = 0x100000;
const HEADER_ROOM = 48; // bytes that a block may take beside what was asked for
const PAGE_COUNTS = ["pmm_get_total_pages", "pmm_get_free_pages", "pmm_get_used_pages"];
const HEAP_SIZES = ["heap_get_total_size", "heap_get_free_size", "heap_get_used_size"];
const STAGES = ["pmm_init", "vmm_init", "heap_init", "kmalloc", "kcalloc", "krealloc", "kfree"];

/** What three functions say. */
function reported(subject: Subject, machine: Machine, names: readonly string[]): Usage {
  const [total, free, used] = names.map((name) => ask(subject, machine, name));
  return { total, free, used };
}

/** What the bitmap says. */
function bitmapOf(subject: Subject, machine: Machine): Usage {
  const bitmap = machine.readWord(subject.address("pmm_bitmap")) ?? 0;
  const ends = memoryMap(machine.memory.ramBytes)
    .filter(({ available }) => available).map(({ base, bytes }) => base + bytes);
  const pageCount = Math.max(...ends) / PAGE;
  return bitmapUsage((index) => machine.readWord(bitmap + 4 * index) ?? 0, pageCount);
}

/** Bytes that are mapped without a gap from the heap's start. */
function mappedBytes(machine: Machine): number {
  let end = HEAP;
  while (end < HEAP_END && machine.translate(end) !== undefined) end += PAGE;
  return end - HEAP;
}

function shown({ total, free, used }: Usage): string {
  return `${total} in all, ${free} free, ${used} used`;
}

/** A failure unless two accounts agree; `after` says when. */
function agree(after: string, expected: Usage, seen: Usage, clauses: readonly string[]): void {
  const same = shown(expected) === shown(seen);
  if (!same) fail(`after ${after}, ${shown(expected)}`, shown(seen), clauses);
}

function fail(expected: string, seen: string, clauses: readonly string[]): never {
  throw new Failure({ expected, seen, clauses });
}

function sums(after: string, usage: Usage, clause: string): void {
  const { total, free, used } = usage;
  if (free + used !== total) {
    fail(`after ${after}, free and used to make the total`, shown(usage), [clause]);
  }
}

/** Looks at a machine after each memory function of the boot; a Skip if none of them is seen. */
function atEachStage(
  subject: Subject,
  from: string,
  look: (machine: Machine, after: string, call: SeenCall) => void,
): void {
  let started = false, looks = 0;
  watchBoot(subject, STAGES, (machine, call) => {
    started ||= call.name === from;
    if (!started) return;
    looks++;
    look(machine, describe(call), call);
  });
  if (looks === 0) throw new Skip(`no call of ${from} is seen while the kernel comes up`);
}

function describe({ name, args, result }: SeenCall): string {
  if (name.endsWith("_init")) return name;
  const hex = (value: number): string => value < 0x10000 ? `${value}` : `0x${value.toString(16)}`;
  const count = name === "kcalloc" || name === "krealloc" ? 2 : 1;
  const text = `${name}(${args.slice(0, count).map(hex).join(", ")})`;
  return name === "kfree" ? text : `${text} = ${hex(result)}`;
}

/** Live allocations by address, as the calls of the boot make them. */
class Allocations {
  readonly #sizes = new Map<number, number>();

  /** Takes a call into account. */
  note({ name, args: [first, second], result }: SeenCall): void {
    if (name === "kfree") this.#sizes.delete(first);
    if (name === "kmalloc" && result !== 0) this.#sizes.set(result, first);
    if (name === "kcalloc" && result !== 0) this.#sizes.set(result, first * second);
    if (name !== "krealloc" || (result === 0 && second !== 0)) return;
    this.#sizes.delete(first);
    if (result !== 0) this.#sizes.set(result, second);
  }

  /** The least and the most that a heap with these allocations may call used. */
  get bounds(): [number, number] {
    const sizes = [...this.#sizes.values()];
    const least = sizes.reduce((sum, size) => sum + size, 0);
    return [least, least + HEADER_ROOM * sizes.length];
  }
}

/** A heap's sizes against the allocations that live in it and the pages that are mapped. */
function judgeHeap(machine: Machine, after: string, usage: Usage, live: Allocations): void {
  sums(after, usage, "HEAP-7");
  const mapped = mappedBytes(machine), [least, most] = live.bounds;
  if (usage.total !== mapped) {
    fail(`after ${after}, ${mapped} bytes, as are mapped`, shown(usage), ["HEAP-7"]);
  }
  const right = usage.used >= least && usage.used <= most;
  if (!right) fail(`after ${after}, ${least} to ${most} bytes used`, shown(usage), ["HEAP-7"]);
}

/** All checks of statistics. */
export const checks: readonly Check[] = [
  {
    title: "Reported page counts are those of the bitmap, after each memory function of the boot",
    clauses: ["PMM-2", "PMM-3"],
    needs: ["pmm_init", "pmm_bitmap", ...PAGE_COUNTS],
    run: (subject) =>
      atEachStage(subject, "pmm_init", (machine, after) => {
        const usage = reported(subject, machine, PAGE_COUNTS);
        sums(after, usage, "PMM-2");
        agree(after, bitmapOf(subject, machine), usage, ["PMM-3"]);
      }),
  },
  {
    title: "Reported heap sizes fit pages and allocations, after each memory function of the boot",
    clauses: ["HEAP-7"],
    needs: ["heap_init", ...HEAP_SIZES],
    run(subject) {
      const live = new Allocations();
      atEachStage(subject, "heap_init", (machine, after, call) => {
        live.note(call);
        judgeHeap(machine, after, reported(subject, machine, HEAP_SIZES), live);
      });
    },
  },
  {
    title: "The heap takes its pages from the PMM, a frame each and a few for tables",
    clauses: ["PMM-2", "HEAP-1"],
    needs: ["heap_init", "pmm_get_used_pages"],
    run(subject) {
      const used = new Map<string, number>();
      atEachStage(subject, "vmm_init", (machine, _after, { name }) => {
        used.set(name, ask(subject, machine, "pmm_get_used_pages"));
      });
      const [before, after] = ["vmm_init", "heap_init"].map((name) => used.get(name));
      if (before === undefined || after === undefined) throw new Skip("heap_init is not seen");
      const taken = after - before, pages = FIRST_HEAP / PAGE;
      const right = taken >= pages && taken <= pages + 2;
      expect(subject, right, `${pages} to ${pages + 2} frames taken by heap_init`, `${taken}`);
    },
  },
  {
    title: "After the demonstration the heap uses 0 bytes of 1,048,576",
    clauses: ["MAIN-4"],
    needs: HEAP_SIZES,
    run(subject) {
      const [total, free, used] = HEAP_SIZES.map((name) => subject.call(name));
      expectSame(
        subject,
        "heap",
        shown({ total, free, used }),
        shown({ total: FIRST_HEAP, free: FIRST_HEAP, used: 0 }),
      );
    },
  },
];
