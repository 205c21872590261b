/** Small programs, built by the toolchain and run on our machine. */
import { boot } from "../../machine/boot.ts";
import type { CallResult, Machine } from "../../machine/machine.ts";
import { buildKernel, type BuiltKernel } from "../../toolchain/build.ts";

const SKELETON = `
export function isr_handler(frame: usize): void { while (true) {} }
export function irq_handler(frame: usize): void { while (true) {} }
`;
const MAIN = "export function kernel_main(magic: u32, info: usize): void {}\n";

/** Builds a program from one source; handlers and an empty `kernel_main` are added where it has none. */
export function build(source: string, ...exports: string[]): Promise<BuiltKernel> {
  const main = source.includes("function kernel_main(") ? "" : MAIN;
  const handlers = source.includes("function isr_handler(") ? "" : SKELETON;
  const named = [...source.matchAll(/^\s*export (?:function|let) (\w+)/gm)].map(([, name]) => name);
  const sources = new Map([["kernel/main.ts", source + handlers + main]]);
  return buildKernel(sources, { exports: exports.length > 0 ? exports : named });
}

/** Builds and runs a program to its end. */
export async function start(source: string, ...exports: string[]): Promise<Machine> {
  const machine = boot((await build(source, ...exports)).image);
  machine.run({ budget: 10_000_000 });
  return machine;
}

/** The result of a call as a signed number. */
export function call(machine: Machine, name: string, ...args: number[]): number {
  return machine.call(name, ...args) | 0;
}

/** How a call that does not return ends: the reason, as text. */
export function fate(machine: Machine, name: string, ...args: number[]): string {
  const result: CallResult = machine.invoke(name, args, 1_000_000);
  return JSON.stringify(result);
}
