/**
 * Control, debug and model-specific registers, descriptor-table registers, CPUID and the counters.
 * Spec: specs/cpu/control.md (Intel SDM vol. 3, 2.5, 17.2; vol. 2, the instructions).
 * Not modelled: leaving protected mode, debug breakpoints; the caches have no effect.
 */
import type { Instruction } from "../isa/instruction.ts";
import {
  demandRing0,
  effectiveOffset,
  linearAddress,
  readMemory,
  readRm,
  type SystemContext,
  type SystemOperation,
  writeMemory,
  writeRm,
} from "./context.ts";
import { Fault, Unmodelled } from "./fault.ts";
import {
  CR0,
  CR2,
  CR3,
  CR4,
  DB,
  DEBUG_REGISTERS as DR,
  EAX,
  EBX,
  ECX,
  EDX,
  GDTR,
  GP,
  IDTR,
  SEGMENT_BASE,
  type State,
  TSC_OFFSET,
  UD,
} from "./state.ts";

const CR0_PE = 0x1; // protected mode
const CR0_TS = 0x8; // task switched
const CR0_ET = 0x10; // always one
const CR0_WP = 0x10000; // supervisor writes obey R/W
const CR0_NW = 0x20000000; // not write-through
const CR0_CD = 0x40000000; // cache disable
const CR0_PG = 0x80000000; // paging
const CR0_DEFINED = 0xe005003f;
const CR3_DEFINED = 0xfffff018; // base, PCD, PWT

const CR4_TSD = 0x4; // RDTSC only in ring 0
const CR4_PSE = 0x10; // 4 MB pages
const CR4_PGE = 0x80; // global pages
const CR4_PCE = 0x100; // RDPMC in every ring
const CR4_DEFINED = CR4_TSD | CR4_PSE | CR4_PGE | CR4_PCE;

const DR6_FIXED = 0xffff0ff0, DR6_DEFINED = 0xe00f;
const DR7_FIXED = 0x400, DR7_DEFINED = 0xffff23ff;
const DR7_ENABLES = 0xff; // L0 G0 ... L3 G3
const DR7_GD = 0x2000; // general detect: MOV DR is #DB
const DR6_BD = 0x2000; // it was

/** Values after reset (Intel SDM vol. 3, table 9-1), for what this module keeps. */
export function resetControl(state: State): void {
  for (let i = 0; i < 8; i++) state.set(DR + 4 * i, 0);
  state.set(DR + 24, DR6_FIXED);
  state.set(DR + 28, DR7_FIXED);
  state.set(TSC_OFFSET, 0);
  state.set(TSC_OFFSET + 4, 0);
}

// --- Control registers

/** MOV to CR0, also for LMSW and CLTS: checks, and does what a change entails. */
function setCr0(cpu: SystemContext, value: number): void {
  const { state, paging } = cpu;
  const old = state.get(CR0), next = ((value & CR0_DEFINED) | CR0_ET) >>> 0;
  if (next & CR0_PG && !(next & CR0_PE)) throw new Fault(GP, 0);
  if (next & CR0_NW && !(next & CR0_CD)) throw new Fault(GP, 0);
  if (!(next & CR0_PE)) throw new Unmodelled("real mode, which clearing CR0.PE returns to");
  state.set(CR0, next);
  const changed = old ^ next;
  if (changed & CR0_PG) {
    paging.flush(true);
    cpu.flushCode();
  } else if (changed & CR0_WP) {
    paging.refill();
  }
}

function setCr3(cpu: SystemContext, value: number): void {
  cpu.state.set(CR3, value & CR3_DEFINED);
  cpu.paging.flush(false);
  cpu.flushCode();
}

function setCr4(cpu: SystemContext, value: number): void {
  if (value & ~CR4_DEFINED) throw new Fault(GP, 0);
  const changed = cpu.state.get(CR4) ^ value;
  cpu.state.set(CR4, value);
  if (!(changed & (CR4_PSE | CR4_PGE))) return;
  cpu.paging.flush(true);
  cpu.flushCode();
}

const controlRegisters: {
  readonly [number: number]: {
    readonly offset: number;
    readonly set: (cpu: SystemContext, value: number) => void;
  };
} = {
  0: { offset: CR0, set: setCr0 },
  2: { offset: CR2, set: (cpu, value) => cpu.state.set(CR2, value) },
  3: { offset: CR3, set: setCr3 },
  4: { offset: CR4, set: setCr4 },
};

function controlRegister(cpu: SystemContext, { reg }: Instruction) {
  const register = controlRegisters[reg];
  if (!register) throw new Fault(UD);
  demandRing0(cpu);
  return register;
}

// --- Debug registers

/** Number of the debug register: DR4 and DR5 are DR6 and DR7. Faults as MOV DR does before it moves. */
function debugRegister(cpu: SystemContext, { reg }: Instruction): number {
  demandRing0(cpu);
  const { state } = cpu;
  if (state.get(DR + 28) & DR7_GD) {
    state.set(DR + 24, state.get(DR + 24) | DR6_BD);
    state.set(DR + 28, state.get(DR + 28) & ~DR7_GD);
    throw new Fault(DB);
  }
  return reg === 4 || reg === 5 ? reg + 2 : reg;
}

function setDebugRegister(cpu: SystemContext, instruction: Instruction): void {
  const number = debugRegister(cpu, instruction), value = cpu.state.register(instruction.rm);
  if (number === 7 && value & DR7_ENABLES) {
    throw new Unmodelled("a debug breakpoint, which a MOV to DR7 enables");
  }
  const kept = number === 6
    ? value & DR6_DEFINED | DR6_FIXED
    : number === 7
    ? value & DR7_DEFINED | DR7_FIXED
    : value;
  cpu.state.set(DR + 4 * number, kept);
}

// --- Counters and model-specific registers

/** The time-stamp counter: the clock, plus what WRMSR made of it. */
function timeStamp(cpu: SystemContext): bigint {
  const { state } = cpu;
  const offset = BigInt(state.get(TSC_OFFSET)) | BigInt(state.get(TSC_OFFSET + 4)) << 32n;
  return BigInt.asUintN(64, BigInt(cpu.time()) + offset);
}

function setTimeStamp(cpu: SystemContext, value: bigint): void {
  const offset = BigInt.asUintN(64, value - BigInt(cpu.time()));
  cpu.state.set(TSC_OFFSET, Number(offset & 0xffffffffn));
  cpu.state.set(TSC_OFFSET + 4, Number(offset >> 32n));
}

function edxEax(state: State): bigint {
  return BigInt(state.get(EAX)) | BigInt(state.get(EDX)) << 32n;
}

function setEdxEax(cpu: SystemContext, value: bigint): void {
  cpu.state.set(EAX, Number(value & 0xffffffffn));
  cpu.state.set(EDX, Number(value >> 32n));
}

/** Model-specific registers, by number. */
const modelSpecific: {
  readonly [number: number]: {
    readonly get: (cpu: SystemContext) => bigint;
    readonly set: (cpu: SystemContext, value: bigint) => void;
  };
} = {
  0x10: { get: timeStamp, set: setTimeStamp }, // TSC
  0x8b: { get: () => 0n, set: () => {} }, // BIOS_SIGN: no microcode update is loaded
};

function modelSpecificRegister(cpu: SystemContext) {
  demandRing0(cpu);
  const register = modelSpecific[cpu.state.get(ECX)];
  if (!register) throw new Fault(GP, 0);
  return register;
}

function readTimeStamp(cpu: SystemContext): void {
  if (cpu.state.get(CR4) & CR4_TSD && cpu.state.cpl !== 0) throw new Fault(GP, 0);
  setEdxEax(cpu, timeStamp(cpu));
}

/** Two counters, which nobody can start: they stand at zero. */
function readCounter(cpu: SystemContext): void {
  if (!(cpu.state.get(CR4) & CR4_PCE) && cpu.state.cpl !== 0) throw new Fault(GP, 0);
  if (cpu.state.get(ECX) > 1) throw new Fault(GP, 0);
  setEdxEax(cpu, 0n);
}

// --- CPUID

const FEATURES = 1 << 3 | // PSE
  1 << 4 | // TSC
  1 << 5 | // MSR
  1 << 8 | // CMPXCHG8B
  1 << 13 | // PGE
  1 << 15; // CMOV

const GENU = 0x756e6547, INEI = 0x49656e69, NTEL = 0x6c65746e;

/** Leaves: EAX, EBX, ECX, EDX. A leaf past the last gives the last (Intel SDM vol. 2, CPUID). */
const leaves: readonly (readonly number[])[] = [
  [2, GENU, NTEL, INEI],
  [0x619, 0, 0, FEATURES], // family 6, model 1, stepping 9
  [0x03020101, 0, 0, 0x06040a42], // caches and TLBs of a Pentium Pro
];

function identify({ state }: SystemContext): void {
  const [eax, ebx, ecx, edx] = leaves[Math.min(state.get(EAX), leaves.length - 1)];
  state.set(EAX, eax);
  state.set(EBX, ebx);
  state.set(ECX, ecx);
  state.set(EDX, edx);
}

// --- Descriptor-table registers

function loadTable(register: number): SystemOperation {
  return (cpu, instruction) => {
    demandRing0(cpu);
    const limit = readMemory(cpu, instruction, 2);
    const base = readMemory(cpu, instruction, 4, 2);
    // CONTROL-9: with 16-bit operands the base has 24 bits.
    cpu.state.set(register, instruction.operandSize === 16 ? base & 0xffffff : base);
    cpu.state.set(register + 4, limit);
  };
}

function storeTable(register: number): SystemOperation {
  return (cpu, instruction) => {
    linearAddress(cpu, instruction, 6, true);
    writeMemory(cpu, instruction, 2, cpu.state.get(register + 4));
    writeMemory(cpu, instruction, 4, cpu.state.get(register), 2);
  };
}

/** SMSW: a word in memory, the whole of CR0 in a 32-bit register. */
function storeStatus(cpu: SystemContext, instruction: Instruction): void {
  const bytes = instruction.isMemory ? 2 : instruction.operandSize / 8;
  writeRm(cpu, instruction, bytes, cpu.state.get(CR0));
}

/** LMSW: PE, MP, EM and TS; PE cannot be cleared. */
function loadStatus(cpu: SystemContext, instruction: Instruction): void {
  demandRing0(cpu);
  const value = readRm(cpu, instruction, 2), old = cpu.state.get(CR0);
  setCr0(cpu, (old & ~0xe) | (value & 0xf));
}

function invalidatePage(cpu: SystemContext, instruction: Instruction): void {
  demandRing0(cpu);
  cpu.paging.invalidate(linearOfPage(cpu, instruction));
  cpu.flushCode();
}

/** INVLPG checks no segment: the address is the segment's base plus the offset. */
function linearOfPage(cpu: SystemContext, instruction: Instruction): number {
  const base = cpu.state.get(SEGMENT_BASE + 4 * instruction.segment);
  return (base + effectiveOffset(cpu, instruction)) >>> 0;
}

/** MOV to and from control and debug registers, by the kinds of its operands. */
export const controlMoves: Record<string, SystemOperation> = {
  "rr32 cr": (cpu, instruction) => {
    const { offset } = controlRegister(cpu, instruction);
    cpu.state.setRegister(instruction.rm, cpu.state.get(offset));
  },
  "cr rr32": (cpu, instruction) =>
    controlRegister(cpu, instruction).set(cpu, cpu.state.register(instruction.rm)),
  "rr32 dr": (cpu, instruction) => {
    const number = debugRegister(cpu, instruction);
    cpu.state.setRegister(instruction.rm, cpu.state.get(DR + 4 * number));
  },
  "dr rr32": setDebugRegister,
};

/** The instructions of this module, by mnemonic. */
export const controlInstructions: Record<string, SystemOperation> = {
  clts: (cpu) => {
    demandRing0(cpu);
    cpu.state.set(CR0, cpu.state.get(CR0) & ~CR0_TS);
  },
  lmsw: loadStatus,
  smsw: storeStatus,
  lgdt: loadTable(GDTR),
  lidt: loadTable(IDTR),
  sgdt: storeTable(GDTR),
  sidt: storeTable(IDTR),
  invlpg: invalidatePage,
  invd: demandRing0,
  wbinvd: demandRing0,
  cpuid: identify,
  rdtsc: readTimeStamp,
  rdpmc: readCounter,
  rdmsr: (cpu) => setEdxEax(cpu, modelSpecificRegister(cpu).get(cpu)),
  wrmsr: (cpu) => modelSpecificRegister(cpu).set(cpu, edxEax(cpu.state)),
};
