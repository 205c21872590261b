/**
 * Starts a kernel as a Multiboot 1 loader does. Spec: specs/machine/boot.md.
 */
import { setSegment } from "../cpu/segments.ts";
import { CPL, CR0, CS, GDTR, IDTR, READABLE, WRITABLE } from "../cpu/state.ts";
import { BOOT_MAGIC, type Module, writeBootInformation } from "./bootinfo.ts";
import { Machine } from "./machine.ts";
import { Memory } from "./memory.ts";
import { checkPlacement, type KernelImage, readImage } from "./multiboot.ts";
import type { MachineHooks, Pc } from "./pc.ts";

/** Size of RAM where nothing else is said: 32 MB. */
export const DEFAULT_RAM = 0x2000000;

const CODE_SELECTOR = 0x08, DATA_SELECTOR = 0x10;
const CODE_ATTRIBUTES = 0xcf9b00; // 4 GB, 32-bit, ring 0, readable code
const DATA_ATTRIBUTES = 0xcf9300; // 4 GB, 32-bit, ring 0, writable data
const CR0_PE = 0x01, CR0_ET = 0x10;
const EFLAGS_AT_ENTRY = 0x02; // only the bit that is always set

/** BOOT-8: what firmware leaves in the BIOS data area, 256 bytes at 400h, of which the rest is zero. */
const biosData: readonly (readonly [physAddr: number, word: number])[] = [
  ...([[0x400, 0x3f8], [0x402, 0x2f8]] as const), // serial ports
  ...([[0x40e, 0x9fc0], [0x413, 639]] as const), // extended BIOS data area; KB below it
  ...([[0x449, 3], [0x44a, 80], [0x44c, 4000]] as const), // text mode, columns, bytes of a page
  ...([[0x463, 0x3d4], [0x484, 24]] as const), // CRT controller; rows less one
];

/** How a machine is equipped and what it boots with. */
export interface BootOptions {
  /** Size of RAM in bytes; 32 MB by default. */
  readonly ramBytes?: number;
  /** The kernel's command line. */
  readonly commandLine?: string;
  /** Files to place beside the kernel. */
  readonly modules?: readonly Module[];
  /** RAM begins as zeros, not as a pattern. */
  readonly zeroRam?: boolean;
  /** Chooses the pattern. */
  readonly seed?: number;
  /** Serial characters take the time of the programmed rate. */
  readonly lineRate?: boolean;
  /** Date and time at power-on, `YYYY-MM-DDTHH:MM:SS`. */
  readonly date?: string;
  /** Listeners. */
  readonly hooks?: MachineHooks;
  /** Is given the machine before its first instruction: to set taps, to watch memory. */
  readonly attach?: (machine: Machine) => void;
}

/**
 * A machine that stands at the first instruction of a Multiboot 1 kernel. Throws an `ImageError`, one
 * line that says why, if the image cannot be booted, and a RangeError for impossible options.
 */
export function boot(image: Uint8Array, options: BootOptions = {}): Machine {
  const { ramBytes = DEFAULT_RAM, commandLine = "", modules = [], zeroRam, seed } = options;
  const kernel = readImage(image);
  checkPlacement(kernel, ramBytes);
  const memory = new Memory(ramBytes, { zero: zeroRam, seed });
  const { hooks, lineRate, date } = options;
  const machine = new Machine({ memory, hooks, lineRate, date }, kernel.symbols);
  memory.ram.fill(0, 0x400, 0x500);
  for (const [physAddr, word] of biosData) memory.write(physAddr, 2, word);
  load(memory, kernel);
  const infoAddr = writeBootInformation(memory, kernel, commandLine, modules);
  enter(machine.pc, kernel.entry, infoAddr);
  options.attach?.(machine);
  return machine;
}

/** BOOT-2: bytes from the file, zeros behind them. */
function load(memory: Memory, { segments }: KernelImage): void {
  for (const { physAddr, data, memBytes } of segments) {
    memory.load(physAddr, data);
    memory.ram.fill(0, physAddr + data.length, physAddr + memBytes);
  }
}

/** BOOT-3 to BOOT-6: the state of the processor that the Multiboot specification gives. */
function enter({ cpu }: Pc, entry: number, infoAddr: number): void {
  const { state } = cpu, flat = { base: 0, first: 0, span: 0xffffffff, limit: 0xffffffff };
  const data = { ...flat, selector: DATA_SELECTOR, rights: READABLE | WRITABLE };
  for (let segment = 0; segment < 6; segment++) {
    setSegment(state, segment, { ...data, attributes: DATA_ATTRIBUTES });
  }
  const code = { ...flat, selector: CODE_SELECTOR, rights: READABLE };
  setSegment(state, CS, { ...code, attributes: CODE_ATTRIBUTES });
  for (const table of [GDTR, IDTR]) {
    state.set(table, 0);
    state.set(table + 4, 0); // no entry may be used before the kernel's own table
  }
  state.set(CR0, CR0_PE | CR0_ET);
  state.set(CPL, 0);
  state.eflags = EFLAGS_AT_ENTRY;
  state.setRegister(0, BOOT_MAGIC);
  state.setRegister(3, infoAddr);
  state.eip = entry;
  cpu.changed();
}
