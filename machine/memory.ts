/**
 * Guest memory by physical address: RAM, and the memory of devices at A0000h to BFFFFh.
 * Spec: specs/machine/memory.md. Not modelled: shadow ROM; F0000h to FFFFFh is RAM.
 */
import { allocateMemory, DEVICE_MEMORY, RAM_BASE } from "../cpu/state.ts";

/** The memory sizes that a machine can have, in bytes. */
export const SMALLEST_RAM = 0x200000, LARGEST_RAM = 0x40000000;

/** Where the memory of devices is. */
const DEVICE_START = 0xa0000, DEVICE_END = 0xc0000;

const STATE_BYTES = 4096; // the first page of `cpu/state.ts`
const PATTERN_BYTES = 0x10000;

/** How RAM is filled before a kernel is loaded. */
export interface Fill {
  /** All zeros instead of a pattern. */
  readonly zero?: boolean;
  /** Chooses the pattern. */
  readonly seed?: number;
}

/** RAM and device memory. Addresses are unsigned 32-bit numbers; what is not there reads as ones. */
export class Memory {
  /** What the processor executes from. */
  readonly wasm: WebAssembly.Memory;
  /** Size of RAM. */
  readonly ramBytes: number;
  /** All of RAM, from physical address 0, for looking: changes go through {@link write} and {@link load}. The bytes at A0000h to BFFFFh in it are never seen. */
  readonly ram: Uint8Array;
  /** A0000h to BFFFFh. */
  readonly device: Uint8Array;
  /** The processor's registers, as `cpu/state.ts` lays them out. */
  readonly registers: Uint8Array;

  /** Told of what {@link write} and {@link load} changed. */
  onChange: (physAddr: number, bytes: number) => void = () => {};

  /** Memory of `ramBytes` bytes, a multiple of 64 KiB; throws a RangeError for other sizes. */
  constructor(ramBytes: number, fill: Fill = {}) {
    if (ramBytes % 0x10000 !== 0 || ramBytes < SMALLEST_RAM || ramBytes > LARGEST_RAM) {
      throw new RangeError(
        `Cannot make ${ramBytes} bytes of memory: give 2 MB to 1024 MB, a multiple of 64 KB`,
      );
    }
    this.wasm = allocateMemory(ramBytes);
    this.ramBytes = ramBytes;
    this.ram = new Uint8Array(this.wasm.buffer, RAM_BASE, ramBytes);
    this.device = new Uint8Array(this.wasm.buffer, DEVICE_MEMORY, DEVICE_END - DEVICE_START);
    this.registers = new Uint8Array(this.wasm.buffer, 0, STATE_BYTES);
    if (!fill.zero) fillPattern(this.ram, fill.seed ?? 1);
  }

  /** Reads `bytes` (1, 2 or 4) bytes, little-endian. */
  read(physAddr: number, bytes: number): number {
    let value = 0;
    for (let i = bytes - 1; i >= 0; i--) value = value * 256 + this.#byte(physAddr + i);
    return value;
  }

  /** Writes `bytes` (1, 2 or 4) bytes, little-endian; writes to what is not there are lost. */
  write(physAddr: number, bytes: number, value: number): void {
    for (let i = 0; i < bytes; i++) {
      const at = this.#place(physAddr + i);
      if (at !== undefined) at.room[at.index] = value >>> (8 * i);
    }
    this.onChange(physAddr, bytes);
  }

  /** A copy of a range. */
  copy(physAddr: number, bytes: number): Uint8Array {
    return Uint8Array.from({ length: bytes }, (_, i) => this.#byte(physAddr + i));
  }

  /** Writes bytes to RAM, quickly. Throws a RangeError where RAM ends. */
  load(physAddr: number, data: Uint8Array): void {
    this.ram.set(data, physAddr);
    if (data.length > 0) this.onChange(physAddr, data.length);
  }

  /** Puts back a page of 4 KiB, by its number, from copies of {@link ram} and {@link device}. */
  copyPage(page: number, ram: Uint8Array, device: Uint8Array): void {
    const start = page << 12, isDevice = start >= DEVICE_START && start < DEVICE_END;
    const [to, from, at] = isDevice
      ? [this.device, device, start - DEVICE_START]
      : [this.ram, ram, start];
    to.set(from.subarray(at, at + 4096), at);
  }

  #byte(physAddr: number): number {
    const at = this.#place(physAddr);
    return at === undefined ? 0xff : at.room[at.index]; // MEMORY-5
  }

  #place(physAddr: number): { room: Uint8Array; index: number } | undefined {
    if (physAddr >= DEVICE_START && physAddr < DEVICE_END) {
      return { room: this.device, index: physAddr - DEVICE_START };
    }
    return physAddr < this.ramBytes ? { room: this.ram, index: physAddr } : undefined;
  }
}

/** MEMORY-2: fills with bytes that are never zero: 64 KiB of xorshift numbers, repeated. */
function fillPattern(ram: Uint8Array, seed: number): void {
  let x = seed >>> 0 || 0x9e3779b9;
  for (let i = 0; i < PATTERN_BYTES; i++) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    ram[i] = (x & 0xff) || 0xa5;
  }
  for (let filled = PATTERN_BYTES; filled < ram.length; filled *= 2) {
    ram.copyWithin(filled, 0, Math.min(filled, ram.length - filled));
  }
}
