/** The golden boot trace: how a kernel comes up, with its memory checked. Spec: specs/conformance/boot_trace.md. */
import { heapUsage, mappedRanges, type Usage } from "../machine/inspect.ts";
import type { Machine } from "../machine/machine.ts";
import type { MachineEvent, Trace } from "../trace/event.ts";
import { functionsOf } from "./abi.ts";
import { Recorder } from "./recorder.ts";

/** Functions after whose return the memory is looked at: initialisations and what the demonstration calls. */
const STAGES: ReadonlySet<string> = new Set([
  ...["pmm_init", "vmm_init", "heap_init", "kmalloc", "kcalloc", "krealloc", "kfree"],
]);

const HEAD = [
  "subject: the reference kernel's boot, 32 MB",
  "origin: recorded from this machine; serial lines, screen, page tables, bitmap and heap are the same on",
  "origin: QEMU 7.2 (deno task witness); the instruction counts are this machine's alone",
];

/** Records a boot of `image` until the kernel waits for input. */
export function recordBoot(image: Uint8Array): Trace {
  const recorder = new Recorder(image, {
    functions: functionsOf("pmm", "vmm", "heap"),
    kinds: ["serial", "control"],
  });
  const stages = new Stages(recorder);
  const stop = recorder.run((symbol, depth) => stages.returned(symbol, depth));
  recorder.flush();
  stages.enter("waiting for input");
  for (const event of finalState(recorder.machine)) recorder.add(event);
  recorder.add({ kind: "stop", reason: stop.kind });
  return { head: HEAD, events: recorder.events };
}

/** Memory statistics at each stage, from the kernel's functions and from its structures. */
class Stages {
  readonly #recorder: Recorder;
  readonly #returned = new Set<string>();

  constructor(recorder: Recorder) {
    this.#recorder = recorder;
  }

  returned(symbol: string, depth: number): void {
    this.#returned.add(symbol);
    if (depth === 0 && STAGES.has(symbol)) this.enter(`${symbol} has returned`);
  }

  enter(name: string): void {
    this.#recorder.add({ kind: "stage", name });
    const heap = this.#returned.has("heap_init");
    this.#memory("reported", "pages", this.#reported("pmm", "pages"));
    this.#memory("recomputed", "pages", this.#recorder.machine.pageUsage());
    if (!heap) return;
    this.#memory("reported", "heap", this.#reported("heap", "size"));
    this.#memory("recomputed", "heap", heapUsage(this.#recorder.machine.heapBlocks()));
  }

  /** What the kernel's three functions say, asked on the side. */
  #reported(module: string, unit: string): Usage {
    return this.#recorder.aside((machine) => {
      const ask = (what: string): number => machine.call(`${module}_get_${what}_${unit}`) >>> 0;
      return { total: ask("total"), free: ask("free"), used: ask("used") };
    });
  }

  #memory(source: "reported" | "recomputed", of: "pages" | "heap", usage: Usage): void {
    const { total, free, used } = usage;
    this.#recorder.add({ kind: "memory", source, of, total, free, used });
  }
}

/** Screen, page tables and heap blocks as they are now. */
export function finalState(machine: Machine): MachineEvent[] {
  return [...screenEvents(machine), ...mappingEvents(machine), ...blockEvents(machine)];
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
