/** The golden boot trace: how a kernel comes up, with its memory checked. Spec: specs/conformance/boot_trace.md. */
import { heapUsage, mappedRanges, type Usage } from "../machine/inspect.ts";
import type { Machine } from "../machine/machine.ts";
import type { MachineEvent, Trace } from "../trace/event.ts";
import { functionsOf } from "./abi.ts";
import { Recorder } from "./recorder.ts";

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
export function recordMemory(recorder: Recorder, heap = true): void {
  const { machine } = recorder;
  const add = (source: "reported" | "recomputed", of: "pages" | "heap", usage: Usage): void =>
    recorder.add({ kind: "memory", source, of, ...usage });
  add("reported", "pages", reported(recorder, "pmm", "pages"));
  add("recomputed", "pages", machine.pageUsage());
  if (!heap) return;
  add("reported", "heap", reported(recorder, "heap", "size"));
  add("recomputed", "heap", heapUsage(machine.heapBlocks()));
}

/** What the kernel's three functions say, asked on the side. */
function reported(recorder: Recorder, module: string, unit: string): Usage {
  return recorder.aside((machine) => {
    const ask = (what: string): number => machine.call(`${module}_get_${what}_${unit}`) >>> 0;
    return { total: ask("total"), free: ask("free"), used: ask("used") };
  });
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

/** The screen's rows and the cursor. */
export function screenEvents(machine: Machine): MachineEvent[] {
  const { rows, text, cursor } = machine.screen;
  const texts = text.split("\n");
  const events: MachineEvent[] = rows.map((cells, row) => ({
    kind: "screen",
    row,
    text: texts[row] ?? "",
    attributes: runs(cells.map((cell) => cell.attribute)),
  }));
  return [...events, { kind: "cursor", row: cursor.row, column: cursor.column }];
}

function runs(attributes: readonly number[]): [number, number][] {
  const result: [number, number][] = [];
  for (const attribute of attributes) {
    const last = result.at(-1);
    if (last?.[0] === attribute) last[1]++;
    else result.push([attribute, 1]);
  }
  return result;
}

/** The page tables as runs of pages with equal rights. */
export function mappingEvents(machine: Machine): MachineEvent[] {
  return mappedRanges(machine.pageTables() ?? []).map(({ virtAddr, bytes, physAddr, flags }) => ({
    kind: "mapping",
    virtual: virtAddr,
    bytes,
    physical: physAddr,
    flags,
  }));
}

/** The blocks of the heap. */
export function blockEvents(machine: Machine): MachineEvent[] {
  return machine.heapBlocks().map(({ address, size, free }) => ({
    kind: "block",
    address,
    size,
    use: free ? "free" : "used",
  }));
}
