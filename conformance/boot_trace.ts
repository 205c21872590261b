/** The golden boot trace: how a kernel comes up, with its memory checked. Spec: specs/conformance/boot_trace.md. */
import type { MachineEvent, Trace } from "../trace/event.ts";
import { functionsOf } from "./abi.ts";
import { Recorder } from "./recorder.ts";
import {
  blockEvents,
  heapStatistics,
  mappingEvents,
  pageStatistics,
  screenEvents,
} from "./views.ts";

/** Functions after whose return the memory is looked at, and the clauses that the look touches. */
const STAGES: Readonly<Record<string, string>> = {
  pmm_init: "PMM-1, PMM-2, PMM-4",
  vmm_init: "VMM-1, PMM-2",
  heap_init: "HEAP-1, PMM-2",
  kmalloc: "HEAP-3, HEAP-7",
  kcalloc: "HEAP-10, HEAP-7",
  krealloc: "HEAP-13, HEAP-7",
  kfree: "HEAP-6, HEAP-7",
};

const HEAD = [
  "subject: the reference kernel's boot with 32 MB",
  "origin: recorded from this machine; serial lines, screen, page tables, bitmap and heap blocks are",
  "  compared with QEMU 7.2 by `deno task witness`, the instruction counts are this machine's alone",
];

/** Records a boot of `image` until the kernel waits for input. */
export function recordBoot(image: Uint8Array): Trace {
  const recorder = new Recorder(image, {
    functions: functionsOf("pmm", "vmm", "heap"),
    kinds: ["serial", "control"],
  });
  let heap = false;
  const stop = recorder.run((symbol, depth) => {
    heap ||= symbol === "heap_init";
    if (depth > 0 || STAGES[symbol] === undefined) return;
    recorder.add({ kind: "stage", name: `${symbol} has returned [${STAGES[symbol]}]` });
    recordMemory(recorder, heap);
  });
  recorder.flush();
  recorder.add({ kind: "stage", name: "waiting for input [MAIN-4, MONITOR-4]" });
  recordMemory(recorder, heap);
  recordFinalState(recorder);
  recorder.add({ kind: "stop", reason: stop.kind });
  return { head: HEAD, events: recorder.events };
}

/** Adds the memory statistics, each as the kernel reports it and as its structures show it. */
function recordMemory(recorder: Recorder, heap: boolean): void {
  const { machine } = recorder, aside: Recorder["aside"] = (look) => recorder.aside(look);
  const events = pageStatistics(machine, aside);
  if (heap) events.push(...heapStatistics(machine, aside));
  for (const event of events) recorder.add(event);
}

/** Adds what screen, page tables and heap hold. */
function recordFinalState(recorder: Recorder): void {
  const { machine } = recorder;
  const parts: [string, MachineEvent[]][] = [
    ["the screen [TERMINAL-2, TERMINAL-6, TERMINAL-7]", screenEvents(machine)],
    ["the page tables [VMM-2, VMM-3]", mappingEvents(machine)],
    ["the heap [HEAP-2, MAIN-4]", blockEvents(machine)],
  ];
  for (const [text, events] of parts) {
    recorder.add({ kind: "note", text });
    for (const event of events) recorder.add(event);
  }
}
