/**
 * Stops a kernel's boot where functions of the ABI begin and return. Calls that its compiler has
 * inlined have no symbol to be seen at. Spec: specs/conformance/watch.md.
 */
import { boot, type BootOptions } from "../machine/boot.ts";
import type { Machine } from "../machine/machine.ts";
import { Failure } from "./check.ts";
import { describeOutcome, type Subject } from "./subject.ts";

const BOOT_BUDGET = 400_000_000; // instructions
const CALL_BUDGET = 10_000_000;
const PATIENCE_MS = 100; // of rest after which the kernel waits for input

/** A call that was seen: its arguments can be read at its beginning, its result at its end. */
export interface SeenCall {
  /** The name of the ABI. */
  readonly name: string;
  /** The first words behind the return address. */
  readonly args: readonly number[];
  /** EAX when it has returned. */
  readonly result: number;
}

/** Called after each return, with the machine at the return address; true ends the watch. */
export type OnReturn = (machine: Machine, call: SeenCall) => boolean | void;

/**
 * Boots the subject's image anew and stops after each call of the named functions that no other of
 * them has made, until the kernel waits for input or `onReturn` has seen enough; the machine.
 */
export function watchBoot(
  subject: Subject,
  names: readonly string[],
  onReturn: OnReturn,
  options: BootOptions = {},
  prepare: (machine: Machine) => void = () => {},
): Machine {
  const machine = boot(subject.image, options);
  prepare(machine);
  const entries = new Map(
    names.filter((name) => subject.has(name)).map((name) => [subject.address(name), name]),
  );
  for (;;) {
    const called = runTo(machine, [...entries.keys()]);
    if (called === undefined) return machine;
    const call = finish(machine, entries.get(called)!);
    if (call === undefined || onReturn(machine, call)) return machine;
  }
}

/** Runs until one of these addresses is reached; undefined if something else ends it. */
function runTo(machine: Machine, reaches: readonly number[]): number | undefined {
  const until = { reaches };
  const stop = machine.run({ until, budget: BOOT_BUDGET, idleAfter: PATIENCE_MS });
  return stop.kind === "breakpoint" ? stop.address : undefined;
}

/** Runs from a function's first instruction to its return. */
function finish(machine: Machine, name: string): SeenCall | undefined {
  const { esp } = machine.registers,
    word = (n: number) => (machine.readWord(esp + 4 * n) ?? 0) >>> 0;
  const back = word(0), args = [word(1), word(2)];
  for (;;) {
    if (runTo(machine, [back]) === undefined) return undefined;
    if (machine.registers.esp > esp) return { name, args, result: machine.registers.eax >>> 0 };
  }
}

/** Calls a function of the ABI on a machine that a watch has stopped. */
export function ask(subject: Subject, machine: Machine, name: string): number {
  const result = machine.invoke(subject.address(name), [], CALL_BUDGET);
  if (result.kind === "returned") return result.value >>> 0;
  throw new Failure({ expected: `${name} to return`, seen: describeOutcome(result) });
}
