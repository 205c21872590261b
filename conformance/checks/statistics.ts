/**
 * What a kernel says about its memory, compared with what its memory shows, while it comes up and
 * afterwards. Not judged: sums over blocks, whose headers are the kernel's own. Spec:
 * specs/kernel/pmm.md, specs/kernel/heap.md.
 */
import type { Usage } from "../../machine/inspect.ts";
import { type Check, expect, expectSame, Failure, Skip } from "../check.ts";
import { HEAP_SIZES, PAGE_COUNTS, type Stage, stagesOf } from "../stages.ts";
import type { Subject } from "../subject.ts";
import type { SeenCall } from "../watch.ts";

const PAGE = 4096, FIRST_HEAP = 0x100000;
const HEADER_ROOM = 48; // bytes that a block may take beside what was asked for
const MOST_TABLES = 2; // page tables of the heap

function shown({ total, free, used }: Usage): string {
  return `${total} in all, ${free} free, ${used} used`;
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

/** The stages of the boot from a function on; a Skip if no call of it is seen. */
function stagesFrom(subject: Subject, name: string): readonly Stage[] {
  const stages = stagesOf(subject), first = stages.findIndex(({ call }) => call.name === name);
  if (first < 0) throw new Skip(`no call of ${name} is seen while the kernel comes up`);
  for (const { failure } of stages) if (failure) throw failure;
  return stages.slice(first);
}

function describe({ name, args, result }: SeenCall): string {
  if (/_init$|_stats$/.test(name)) return name;
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
function judgeHeap(after: string, usage: Usage, mapped: number, live: Allocations): void {
  sums(after, usage, "HEAP-7");
  const [least, most] = live.bounds;
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
    run(subject) {
      for (const { call, pages, bitmap } of stagesFrom(subject, "pmm_init")) {
        if (pages === undefined || bitmap === undefined) continue;
        const after = describe(call);
        sums(after, pages, "PMM-2");
        const same = pages.free === bitmap.free;
        if (!same) fail(`after ${after}, ${bitmap.free} free`, shown(pages), ["PMM-3"]);
      }
    },
  },
  {
    title: "Reported heap sizes fit pages and allocations, after each memory function of the boot",
    clauses: ["HEAP-7"],
    needs: ["heap_init", ...HEAP_SIZES],
    run(subject) {
      const live = new Allocations();
      for (const { call, heap, mappedBytes } of stagesFrom(subject, "heap_init")) {
        live.note(call);
        if (heap !== undefined) judgeHeap(describe(call), heap, mappedBytes, live);
      }
    },
  },
  {
    title: "The heap takes its pages from the PMM, a frame each and a few for tables",
    clauses: ["PMM-2"],
    needs: ["vmm_init", "heap_init", ...PAGE_COUNTS],
    run(subject) {
      const stages = stagesFrom(subject, "vmm_init");
      const next = stages.findIndex(({ call }) => call.name === "heap_init");
      const before = stages[next - 1]?.pages, { pages: after, mappedBytes } = stages[next] ?? {};
      if (!before || !after || !mappedBytes) throw new Skip("heap_init is not seen");
      const taken = before.free - after.free, pages = mappedBytes / PAGE;
      const right = taken >= pages && taken <= pages + MOST_TABLES;
      const wanted = `${pages} to ${pages + MOST_TABLES} frames taken by heap_init`;
      expect(subject, right, wanted, `${taken}`);
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
