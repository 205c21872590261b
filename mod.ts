/**
 * A deterministic PC that you can import, and the means to look into the kernel that it runs.
 *
 * ```ts
 * import { boot } from "@claudeos/claudeos";
 *
 * const machine = boot(await Deno.readFile("fixtures/kernel.elf"));
 * const stop = machine.run({ until: "idle", budget: 100_000_000 });
 * console.log(machine.serial.text, stop.kind, stop.instructions);
 * console.log(machine.call("kmalloc", 100), machine.heapBlocks());
 * ```
 *
 * Everything is synchronous, needs no permission, and gives the same results on every host.
 *
 * @module
 */
export { boot, type BootOptions, DEFAULT_RAM } from "./machine/boot.ts";
export { memoryMap, type Module, type Region } from "./machine/bootinfo.ts";
export { TICKS_PER_MILLISECOND, TICKS_PER_SECOND } from "./machine/clock.ts";
export { ImageError, type ImageSymbol, SymbolTable } from "./machine/elf.ts";
export {
  type HeapBlock,
  heapUsage,
  type MappedRange,
  mappedRanges,
  type PageMapping,
  type Usage,
} from "./machine/inspect.ts";
export {
  CallError,
  type CallResult,
  Machine,
  type MachineScreen,
  type RunOptions,
  type Snapshot,
  type Until,
} from "./machine/machine.ts";
export type { Memory } from "./machine/memory.ts";
export type { MachineHooks, Pc } from "./machine/pc.ts";
export type { SerialPort } from "./machine/serial.ts";
export {
  describeStop,
  describeTripleFault,
  registerLines,
  type Registers,
  type Stop,
  type StopReason,
} from "./machine/stop.ts";
export { type Cell, type Cursor, renderAnsi, type Screen } from "./devices/vga.ts";
export { recordBoot } from "./conformance/boot_trace.ts";
export { parseEvents } from "./conformance/event_list.ts";
export { type Action, type Condition, type Deed, parseScript } from "./conformance/input.ts";
export { LocatedError } from "./conformance/located_json.ts";
export { type Recording, recordTrace } from "./conformance/recording.ts";
export { defaultSettings, HeadError, type Settings } from "./conformance/settings.ts";
export {
  checkTrace,
  formatDifference,
  type TraceDifference,
  type TracePlace,
} from "./conformance/trace_check.ts";
export { type HookKind, type OnReturn, Recorder, type Selection } from "./conformance/recorder.ts";
export { compareTraces, type Divergence, formatDivergence } from "./trace/compare.ts";
export type { Event, Field, MachineEvent, Trace } from "./trace/event.ts";
export { formatTrace, parseTrace } from "./trace/text.ts";
