/**
 * What a machine holds, as events: screen, page tables, heap blocks, memory statistics.
 * Spec: specs/conformance/views.md. Not shown: text modes other than the PC's 80 by 25.
 */
import { type HeapBlock, heapUsage, mappedRanges, type Usage } from "../machine/inspect.ts";
import type { Machine } from "../machine/machine.ts";
import type { BlockEvent, CursorEvent, MachineEvent, ScreenEvent } from "../trace/event.ts";

/** Instructions within which a function that only reports has to return. */
const ASKING_BUDGET = 10_000_000;

/** The screen's rows, from the top. */
export function rowEvents(machine: Machine): ScreenEvent[] {
  const { rows, text } = machine.screen;
  const texts = text.split("\n");
  return rows.map((cells, row) => ({
    kind: "screen",
    row,
    text: texts[row] ?? "",
    attributes: runs(cells.map((cell) => cell.attribute)),
  }));
}

/** The cursor. */
export function cursorEvent(machine: Machine): CursorEvent {
  const { row, column } = machine.screen.cursor;
  return { kind: "cursor", row, column };
}

/** The screen's rows and the cursor. */
export function screenEvents(machine: Machine): MachineEvent[] {
  return [...rowEvents(machine), cursorEvent(machine)];
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
export function blockEvents(machine: Machine): BlockEvent[] {
  return machine.heapBlocks().map(blockEvent);
}

function blockEvent({ address, size, free }: HeapBlock): BlockEvent {
  return { kind: "block", address, size, use: free ? "free" : "used" };
}

/** VIEWS-4: the heap's blocks and what is wrong with the last; nothing where no such heap is. */
export function heapEvents(machine: Machine): MachineEvent[] {
  const blocks = machine.heapBlocks(), damaged = blocks.at(-1)?.damage;
  if (damaged === undefined) return blocks.map(blockEvent);
  if (blocks.length === 1) return []; // another kernel's heap, or none
  const note: MachineEvent = { kind: "note", text: `the last block is damaged: ${damaged}` };
  return [...blocks.map(blockEvent), note];
}

/** Does something to a machine and takes it back. */
export type Aside = <T>(look: (machine: Machine) => T) => T;

/** VIEWS-5: page frames, as the kernel reports them and as its bitmap shows them. */
export function pageStatistics(machine: Machine, aside: Aside): MachineEvent[] {
  const known = machine.symbols.find("pmm_bitmap") !== undefined;
  return [
    ...statistics("reported", "pages", reported(machine, aside, "pmm", "pages")),
    ...statistics("recomputed", "pages", known ? machine.pageUsage() : undefined),
  ];
}

/** VIEWS-5: bytes of the heap, as the kernel reports them and as its blocks show them. */
export function heapStatistics(machine: Machine, aside: Aside): MachineEvent[] {
  const blocks = machine.heapBlocks(), sound = blocks.length > 0 && !blocks.at(-1)!.damage;
  return [
    ...statistics("reported", "heap", reported(machine, aside, "heap", "size")),
    ...statistics("recomputed", "heap", sound ? heapUsage(blocks) : undefined),
  ];
}

function statistics(
  source: "reported" | "recomputed",
  of: "pages" | "heap",
  usage: Usage | undefined,
): MachineEvent[] {
  return usage === undefined ? [] : [{ kind: "memory", source, of, ...usage }];
}

/** What the kernel's three functions say, asked on the side; undefined where one cannot be asked. */
function reported(
  machine: Machine,
  aside: Aside,
  module: string,
  unit: string,
): Usage | undefined {
  const names = ["total", "free", "used"].map((what) => `${module}_get_${what}_${unit}`);
  if (names.some((name) => machine.symbols.find(name) === undefined)) return undefined;
  const values = aside((machine) =>
    names.map((name) => {
      const result = machine.invoke(name, [], ASKING_BUDGET);
      return result.kind === "returned" ? result.value >>> 0 : undefined;
    })
  );
  if (values.includes(undefined)) return undefined;
  const [total, free, used] = values as number[];
  return { total, free, used };
}
