/**
 * One watched boot of a kernel for all checks that look at it while it comes up.
 * Spec: specs/conformance/watch.md.
 */
import { memoryMap } from "../machine/bootinfo.ts";
import { bitmapUsage, type Usage } from "../machine/inspect.ts";
import type { Machine } from "../machine/machine.ts";
import { Failure } from "./check.ts";
import type { Subject } from "./subject.ts";
import { ask, type SeenCall, watchBoot } from "./watch.ts";

const PAGE = 4096, HEAP = 0x400000, HEAP_END = 0xc00000, IF = 0x200;
const STAGES = [
  ...["pmm_init", "vmm_init", "heap_init", "pmm_dump_stats", "heap_dump_stats"],
  ...["kmalloc", "kcalloc", "krealloc", "kfree"],
];

/** The functions that report numbers of page frames. */
export const PAGE_COUNTS: readonly string[] = [
  "pmm_get_total_pages",
  "pmm_get_free_pages",
  "pmm_get_used_pages",
];
/** The functions that report sizes of the heap. */
export const HEAP_SIZES: readonly string[] = [
  "heap_get_total_size",
  "heap_get_free_size",
  "heap_get_used_size",
];

/** A kernel at the moment when a call has returned. */
export interface Stage {
  /** The call. */
  readonly call: SeenCall;
  /** Whether interrupts are on. */
  readonly interrupts: boolean;
  /** Page frames as the kernel reports them, from `pmm_init` on. */
  readonly pages: Usage | undefined;
  /** Page frames as the bitmap has them, where there is one. */
  readonly bitmap: Usage | undefined;
  /** The heap as the kernel reports it, from `heap_init` on. */
  readonly heap: Usage | undefined;
  /** Bytes that are mapped without a gap from the heap's start. */
  readonly mappedBytes: number;
  /** A function that did not answer. */
  readonly failure: Failure | undefined;
}

const known = new WeakMap<Subject, readonly Stage[]>();

/** The stages of a subject's boot: each call by symbol that none of the others has made. */
export function stagesOf(subject: Subject): readonly Stage[] {
  const before = known.get(subject);
  if (before !== undefined) return before;
  const stages: Stage[] = [], done = new Set<string>();
  watchBoot(subject, STAGES, (machine, call) => {
    done.add(call.name);
    stages.push(stageOf(subject, machine, call, done));
  });
  known.set(subject, stages);
  return stages;
}

function stageOf(
  subject: Subject,
  machine: Machine,
  call: SeenCall,
  done: ReadonlySet<string>,
): Stage {
  const has = (names: readonly string[]): boolean => names.every((name) => subject.has(name));
  const interrupts = (machine.registers.eflags & IF) !== 0, mapped = mappedBytes(machine);
  const stage = { call, interrupts, mappedBytes: mapped, failure: undefined };
  const none = { pages: undefined, bitmap: undefined, heap: undefined };
  try {
    const counts = done.has("pmm_init") && has(PAGE_COUNTS);
    const pages = counts ? reported(subject, machine, PAGE_COUNTS) : undefined;
    const bitmap = counts && has(["pmm_bitmap"]) ? bitmapOf(subject, machine) : undefined;
    const sizes = done.has("heap_init") && has(HEAP_SIZES);
    const heap = sizes ? reported(subject, machine, HEAP_SIZES) : undefined;
    return { ...stage, pages, bitmap, heap };
  } catch (failure) {
    if (failure instanceof Failure) return { ...stage, ...none, failure };
    throw failure;
  }
}

/** What three functions say. */
function reported(subject: Subject, machine: Machine, names: readonly string[]): Usage {
  const [total, free, used] = names.map((name) => ask(subject, machine, name));
  return { total, free, used };
}

/** What the bitmap says, up to the end of the highest available region. */
function bitmapOf(subject: Subject, machine: Machine): Usage {
  const bitmap = machine.readWord(subject.address("pmm_bitmap")) ?? 0;
  const ends = memoryMap(machine.memory.ramBytes)
    .filter(({ available }) => available).map(({ base, bytes }) => base + bytes);
  const pageCount = Math.max(...ends) / PAGE;
  return bitmapUsage((index) => machine.readWord(bitmap + 4 * index) ?? 0, pageCount);
}

function mappedBytes(machine: Machine): number {
  let end = HEAP;
  while (end < HEAP_END && machine.translate(end) !== undefined) end += PAGE;
  return end - HEAP;
}
