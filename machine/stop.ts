/**
 * Why a run ended, as data and as a line for people. Spec: specs/machine/stop.md.
 */
import type { ChainLink } from "../cpu/interrupts.ts";
import { CR0, CR2, CR3, CR4, type State } from "../cpu/state.ts";

/** Registers of the processor at one moment. */
export type Registers = Readonly<
  Record<
    | ("eax" | "ecx" | "edx" | "ebx" | "esp" | "ebp" | "esi" | "edi" | "eip" | "eflags")
    | ("es" | "cs" | "ss" | "ds" | "fs" | "gs" | "cr0" | "cr2" | "cr3" | "cr4"),
    number
  >
>;

/** Where and when a run ended. */
export interface Place {
  /** Instructions retired since power-on. */
  readonly instructions: number;
  /** Virtual time since power-on, in ticks of 10 ns. */
  readonly ticks: number;
  /** EIP. */
  readonly eip: number;
  /** The same as `symbol+offset`, or as hexadecimal digits. */
  readonly at: string;
}

/** What ended a run. */
export type StopReason =
  /** The guest wrote `value` to the debug exit; `code` is `(value << 1) | 1`. */
  | { readonly kind: "guest-exit"; readonly value: number; readonly code: number }
  /** The guest turned the machine off. */
  | { readonly kind: "power-off" }
  /** The guest reset the machine, by way of `by`. */
  | { readonly kind: "reset"; readonly by: string }
  /** HLT that nothing can end. */
  | { readonly kind: "halted"; readonly why: string }
  /** The guest waits for input. */
  | { readonly kind: "idle" }
  /** A triple fault: exceptions, registers before the first one, the instruction's bytes. */
  | {
    readonly kind: "triple-fault";
    readonly chain: readonly ChainLink[];
    readonly registers: Registers;
    readonly code: readonly number[];
  }
  /** A breakpoint stands before the instruction at EIP. */
  | { readonly kind: "breakpoint"; readonly address: number; readonly symbol: string | undefined }
  /** The text was sent, or the predicate came true. */
  | { readonly kind: "condition" }
  /** The instruction budget is spent. */
  | { readonly kind: "budget" }
  /** Exceptions without end: each handler's first instruction faults again. */
  | { readonly kind: "exception-loop"; readonly vector: number }
  /** The guest used something that the processor does not model. */
  | { readonly kind: "unmodelled"; readonly what: string };

/** How a run ended. */
export type Stop = StopReason & Place;

const exceptionNames: Readonly<Record<number, string>> = {
  0: "#DE divide error",
  1: "#DB debug",
  2: "NMI",
  3: "#BP breakpoint",
  4: "#OF overflow",
  5: "#BR bound range",
  6: "#UD invalid opcode",
  7: "#NM no coprocessor",
  8: "#DF double fault",
  10: "#TS invalid TSS",
  11: "#NP segment not present",
  12: "#SS stack fault",
  13: "#GP general protection",
  14: "#PF page fault",
  16: "#MF x87 error",
  17: "#AC alignment check",
};

const sentences: {
  readonly [K in StopReason["kind"]]: (stop: Extract<StopReason, { kind: K }>) => string;
} = {
  "guest-exit": ({ value, code }) => `the guest exited with ${value} (exit code ${code})`,
  "power-off": () => "the guest turned the machine off",
  "reset": ({ by }) => `the guest reset the machine through ${by}`,
  "halted": ({ why }) => `halted for good: ${why}`,
  "idle": () => "the guest waits for input",
  "triple-fault": ({ chain }) => `triple fault after ${chain.map(linkName).join(", then ")}`,
  "breakpoint": ({ address, symbol }) => `breakpoint at ${symbol ?? hex(address)}`,
  "condition": () => "the condition is met",
  "budget": () => "the instruction budget is spent",
  "exception-loop": ({ vector }) =>
    `exceptions without end: the first instruction of the handler of ${
      nameOf(vector)
    } faults again`,
  "unmodelled": ({ what }) => `the guest used what is not modelled: ${what}`,
};

/** One line that says why a run ended. */
export function describeStop(stop: StopReason): string {
  return (sentences[stop.kind] as (stop: StopReason) => string)(stop);
}

/** Lines that show how a triple fault came to be: exceptions, registers, instruction. */
export function describeTripleFault(
  stop: Extract<Stop, { kind: "triple-fault" }>,
  describe: (address: number) => string,
): string[] {
  return [
    ...stop.chain.map((link) =>
      `  ${describeLink(link)} at ${describe(link.eip)} (${hex(link.eip)})`
    ),
    ...registerLines(stop.registers),
    `  instruction at ${describe(stop.chain[0].eip)}: ${stop.code.map(byteText).join(" ")}`,
  ];
}

/** What the registers hold now. */
export function registersOf(state: State): Registers {
  const [eax, ecx, edx, ebx, esp, ebp, esi, edi] = [0, 1, 2, 3, 4, 5, 6, 7].map((i) =>
    state.register(i)
  );
  const [es, cs, ss, ds, fs, gs] = [0, 1, 2, 3, 4, 5].map((i) => state.selector(i));
  const [cr0, cr2, cr3, cr4] = [CR0, CR2, CR3, CR4].map((offset) => state.get(offset));
  const { eip, eflags } = state;
  return {
    ...{ eax, ebx, ecx, edx, esi, edi, ebp, esp, eip, eflags },
    ...{ cs, ss, ds, es, fs, gs, cr0, cr2, cr3, cr4 },
  };
}

/** Registers in lines of four. */
export function registerLines(registers: Registers): string[] {
  const fields = Object.entries(registers).map(([name, value]) => `${name}=${hex(value).slice(2)}`);
  const lines: string[] = [];
  for (let i = 0; i < fields.length; i += 4) lines.push(`  ${fields.slice(i, i + 4).join(" ")}`);
  return lines;
}

function nameOf(vector: number): string {
  return exceptionNames[vector] ?? `vector ${vector}`;
}

/** An interrupt's vector has not the name of the exception there: a timer tick at vector 8 is no double fault. */
function linkName({ vector, isInterrupt }: ChainLink): string {
  return isInterrupt ? `an interrupt at vector ${vector}` : nameOf(vector);
}

function describeLink(link: ChainLink): string {
  const code = link.code < 0 ? "" : `, error code ${hex(link.code)}`;
  const address = link.cr2 === undefined ? "" : `, address ${hex(link.cr2)}`;
  return `${linkName(link)}${code}${address}`;
}

function byteText(byte: number): string {
  return byte.toString(16).padStart(2, "0");
}

function hex(value: number): string {
  return `0x${value.toString(16).padStart(8, "0")}`;
}
