/** The interpreter: the module that `interpreter_build.ts` built, ready to run. Spec: specs/cpu/interpreter.md. */
import { handlerKeys, wasmBase64 } from "./interpreter_wasm.ts";
import { FIRST_HANDLER } from "./operation.ts";

/** The slow accesses that the interpreter calls; they set STOPPED to leave with a fault. */
export interface SlowAccess {
  /** Reads `bytes` bytes at a linear address, zero-extended. */
  load(linear: number, bytes: number): number;
  /** Writes. */
  store(linear: number, bytes: number, value: number): void;
  /** Reads what will be written back: faults as a write. */
  modify(linear: number, bytes: number): number;
  /** Faults where a write would. */
  probe(linear: number, bytes: number): void;
}

/** Executes `count` instructions from an operation on, or fewer; gives an `Exit`. */
export type Run = (operation: number, count: number) => number;

/** Numbers of the handlers by the keys of their forms. */
export function numberHandlers(keys: readonly string[]): Map<string, number> {
  return new Map(keys.map((key, i) => [key, FIRST_HANDLER + i]));
}

let compiled: WebAssembly.Module | undefined;

/** The committed module, compiled once. */
export function interpreterModule(): WebAssembly.Module {
  return compiled ??= new WebAssembly.Module(decodeBase64(wasmBase64));
}

/** Handlers of the committed module. */
export const handlers: ReadonlyMap<string, number> = numberHandlers(handlerKeys.split("|"));

function decodeBase64(text: string): Uint8Array<ArrayBuffer> {
  const binary = atob(text), bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

/** Joins a module with a memory and its slow accesses. */
export function instantiate(
  module: WebAssembly.Module,
  memory: WebAssembly.Memory,
  slow: SlowAccess,
): Run {
  const { load, store, modify, probe } = slow;
  const instance = new WebAssembly.Instance(module, {
    cpu: { memory, load, store, modify, probe },
  });
  return instance.exports.run as Run;
}
