/**
 * Values that end an instruction in the middle: faults of the guest, and what the machine does not
 * model. They are thrown through the system code and caught where an instruction is executed; neither
 * is an error of the host. Spec: specs/cpu/fault.md.
 */
import {
  AC_FAULT,
  BR,
  DE,
  DOUBLE_FAULT,
  GP,
  NM,
  NO_CODE,
  NP,
  PAGE_FAULT,
  SS_FAULT,
  TS,
  UD,
} from "./state.ts";

const MF = 16; // x87 error

/** A guest's fault: the instruction has changed nothing, EIP still points to it. */
export class Fault {
  /** The exception's vector. */
  readonly vector: number;
  /** Its error code, or `NO_CODE`. */
  readonly code: number;

  /** An exception with or without an error code. */
  constructor(vector: number, code: number = NO_CODE) {
    this.vector = vector;
    this.code = code;
  }
}

/** Something that the guest asked for and that this processor does not model: a typed stop. */
export class Unmodelled {
  /** One clause for people, e.g. `a task switch through a task gate`. */
  readonly what: string;

  /** Names what is missing. */
  constructor(what: string) {
    this.what = what;
  }
}

/** What an event does when it meets another one on its delivery (Intel SDM vol. 3, table 6-4). */
export type FaultClass = "benign" | "contributory" | "page fault" | "double fault";

const classes: { readonly [vector: number]: FaultClass } = {
  [DE]: "contributory",
  [DOUBLE_FAULT]: "double fault",
  [TS]: "contributory",
  [NP]: "contributory",
  [SS_FAULT]: "contributory",
  [GP]: "contributory",
  [PAGE_FAULT]: "page fault",
};

/** The class of exception `vector`; interrupts are always benign and have no class of their own. */
export function faultClass(vector: number): FaultClass {
  return classes[vector] ?? "benign";
}

const faults = new Set([DE, BR, UD, NM, TS, NP, SS_FAULT, GP, PAGE_FAULT, MF, AC_FAULT]);

/** Whether exception `vector` is a fault: its saved RF is 1 (Intel SDM vol. 3, 17.3.1.1). */
export function isFault(vector: number): boolean {
  return faults.has(vector);
}
