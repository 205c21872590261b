/** The reference kernel on our machine, booted to its prompt, with what the kernel's tests ask of it. */
import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { boot, type BootOptions } from "../../machine/boot.ts";
import { CallError, type Machine, type Snapshot } from "../../machine/machine.ts";

/** What differs from 32 MB and nothing else. */
export interface GuestOptions {
  megabytes?: number;
  kilobytes?: number;
  /** Boot modules. */
  modules?: readonly Uint8Array[];
}

const SCRATCH = 0x80000; // low memory: mapped, writable, and nobody's
const CODE = 0x90000;
const BUDGET = 500_000_000;

const image = Deno.readFileSync(new URL("../../fixtures/kernel.elf", import.meta.url));
const writes: (readonly [number, number])[] = []; // of the machine that runs now
let standard: { machine: Machine; snapshot: Snapshot } | undefined;

/** A kernel that waits for its first command. */
export function bootGuest({ megabytes = 32, kilobytes, modules = [] }: GuestOptions = {}): Guest {
  const ramBytes = kilobytes === undefined ? megabytes << 20 : kilobytes << 10;
  const isStandard = ramBytes === 32 << 20 && modules.length === 0;
  if (isStandard && standard) {
    standard.machine.restore(standard.snapshot);
    return new Guest(standard.machine);
  }
  const files = modules.map((data) => ({ data, commandLine: "module" }));
  const machine = bootMachine({ ramBytes, modules: files });
  assertEquals(machine.run({ until: "idle", budget: BUDGET }).kind, "idle");
  if (isStandard) standard = { machine, snapshot: machine.snapshot() };
  return new Guest(machine);
}

/** A machine that stands at the kernel's first instruction. */
export function bootMachine(options: BootOptions = {}): Machine {
  const portWrite = (port: number, value: number) => void writes.push([port, value]);
  return boot(image, { ...options, hooks: { ...options.hooks, portWrite } });
}

/** A booted kernel. Addresses are virtual unless a name says otherwise. */
export class Guest {
  readonly machine: Machine;

  constructor(machine: Machine) {
    this.machine = machine;
  }

  /** Calls a function of the kernel. */
  call(symbol: string | number, ...args: (number | string)[]): number {
    return this.machine.call(symbol, ...args) >>> 0;
  }

  /** What COM1 says meanwhile. */
  said(action: () => void): string {
    const before = this.machine.serial.text.length;
    action();
    return this.machine.serial.text.slice(before);
  }

  /** What COM1 says until the processor is halted for good, which the action must bring about. */
  fate(action: () => void): string {
    return this.said(() => {
      try {
        action();
      } catch (error) {
        assertInstanceOf(error, CallError);
        assertEquals(error.stop.kind, "halted");
        return;
      }
      assert(false, "the kernel goes on");
    });
  }

  /** Calls machine code of the test; EAX. */
  runCode(code: readonly number[]): number {
    this.machine.writeBytes(CODE, Uint8Array.from(code));
    return this.call(CODE);
  }

  /** Takes page frames from the PMM until `left` are free: quicker than so many calls from outside. */
  drain(left: number): void {
    const count = this.call("pmm_get_free_pages") - left;
    const [mov, callEax, loop] = [0xb8, [0xff, 0xd0], [0x4b, 0x75, 0xf6, 0x5b, 0xc3]];
    const start = [0x53, 0xbb, ...wordBytes(count), mov]; // push ebx; mov ebx, count
    this.runCode([...start, ...wordBytes(this.address("pmm_alloc_page")), ...callEax, ...loop]);
  }

  /** Lets the kernel run until it waits for input again. */
  settle(): void {
    assertEquals(this.machine.run({ until: "idle", budget: BUDGET }).kind, "idle");
  }

  /** What COM1 says to a command line that is sent to it. */
  command(line: string): string {
    return this.said(() => {
      this.machine.serial.send(`${line}\r`);
      this.settle();
    });
  }

  /** The writes to ports meanwhile. */
  portWrites(action: () => void): (readonly [number, number])[] {
    writes.length = 0;
    action();
    return [...writes];
  }

  address(symbol: string): number {
    return this.machine.address(symbol);
  }

  word(address: number): number {
    const word = this.machine.readWord(address);
    assert(word !== undefined, `0x${address.toString(16)} is not mapped`);
    return word;
  }

  setWord(address: number, value: number): void {
    this.machine.writeBytes(address, wordBytes(value));
  }

  bytes(address: number, length: number): Uint8Array {
    return this.machine.readBytes(address, length);
  }

  fill(address: number, length: number, value: number): void {
    this.machine.writeBytes(address, new Uint8Array(length).fill(value));
  }

  copy(to: number, from: number, length: number): void {
    this.machine.writeBytes(to, this.bytes(from, length));
  }

  /** Puts bytes where the guest can read them; their address. */
  put(bytes: Uint8Array): number {
    this.machine.writeBytes(SCRATCH, bytes);
    return SCRATCH;
  }

  physWord(physAddr: number): number {
    return this.machine.memory.read(physAddr, 4) >>> 0;
  }

  setPhysWord(physAddr: number, value: number): void {
    this.machine.memory.write(physAddr, 4, value);
  }

  /** The page-table entry in force for an address, or 0. */
  mapping(address: number): number {
    const directory = this.control().cr3 & ~0xfff;
    const table = this.physWord(directory + (address >>> 22) * 4);
    return (table & 1) === 0 ? 0 : this.physWord((table & ~0xfff) + (address >>> 12 & 0x3ff) * 4);
  }

  /** The 1,024 words of a directory or table. */
  pageTable(physAddr: number): number[] {
    return Array.from({ length: 1024 }, (_, n) => this.physWord(physAddr + n * 4));
  }

  control(): { cr0: number; cr3: number } {
    const { cr0, cr3 } = this.machine.registers;
    return { cr0, cr3 };
  }

  /** Character and attribute of a cell of the screen. */
  cell(row: number, column: number): [string, number] {
    const at = 0xb8000 + (row * 80 + column) * 2;
    const word = this.machine.memory.read(at, 2);
    return [String.fromCharCode(word & 0xff), word >> 8];
  }

  /** The characters of a row of the screen, without the spaces at its end. */
  row(row: number): string {
    return Array.from({ length: 80 }, (_, column) => this.cell(row, column)[0]).join("").trimEnd();
  }

  /** Row and column of the hardware cursor. */
  cursor(): [number, number] {
    const { row, column } = this.machine.screen.cursor;
    return [row, column];
  }
}

/** The little-endian bytes of a word. */
export function wordBytes(word: number): Uint8Array {
  return Uint8Array.from([0, 8, 16, 24], (shift) => word >>> shift);
}
