/** `deno task witness`: the same images on QEMU and on our machine, and everything that both can show compared. */
import { boot } from "../machine/boot.ts";
import { heapBlocks, mappedRanges, pageMappings, translateAddress } from "../machine/inspect.ts";
import type { Machine } from "../machine/machine.ts";
import { type ControlRegisters, latin1, QEMU, Qemu, qemuVersion } from "./qemu.ts";

const USAGE = `Compares this machine with QEMU: one line a comparison, last a count.

Usage: deno task witness

Exit codes: 0 no difference, or QEMU is not installed; 1 a difference; 2 wrong usage.`;

const KERNEL = "fixtures/kernel.elf";
const C_KERNEL = "fixtures/ckernel/ckernel.elf";
const SCREEN = 0xb8000, SCREEN_BYTES = 80 * 25 * 2;
const HEAP = 0x400000;
const BUDGET = 2_000_000_000;

/** What a person types into the kernel's monitor: as text, and as QEMU names the keys. */
const SESSION = [
  "help\nmem\nheap\n",
  "alloc 100\nalloc 3000000\nfree 0x400010\nfree 0x400010\nfree 0x400014\nblocks\n",
  "map 0x00100000\nmap 0x00400123\nmap 0xffc00000\nmap 0xdeadb000\nheap\nmem\n",
].join("");
const C_KEYS = "Hello, Worldx\b! 42\n";

const keyNames: Readonly<Record<string, string>> = {
  " ": "spc",
  "\n": "ret",
  "\b": "backspace",
  ",": "comma",
  "!": "shift-1",
};

/** QEMU's names of the keys that type a text on the US layout. */
export function keysOf(text: string): string[] {
  return [...text].map((c) => keyNames[c] ?? (/[A-Z]/.test(c) ? `shift-${c.toLowerCase()}` : c));
}

/** What there is to compare of a machine at rest. */
interface View {
  readonly serial: Uint8Array;
  readonly memory: Uint8Array;
  readonly registers: ControlRegisters;
  readonly cursor: number;
}

/** Prints and counts comparisons. */
export class Verdicts {
  /** Comparisons without and with a difference. */
  passed = 0;
  failed = 0;

  /** One comparison; `difference` is undefined where there is none. */
  add(subject: string, size: string, difference: string | undefined): void {
    if (difference === undefined) this.passed++;
    else this.failed++;
    console.log(
      difference === undefined ? `ok    ${subject}: ${size}` : `FAIL  ${subject}: ${difference}`,
    );
  }

  /** Two runs of bytes. */
  bytes(subject: string, qemu: Uint8Array, ours: Uint8Array, show: ShowByte = hexByte): void {
    this.add(subject, `${qemu.length} bytes`, byteDifference(qemu, ours, show));
  }

  /** Two lists of values that print as text. */
  lists(subject: string, unit: string, qemu: readonly unknown[], ours: readonly unknown[]): void {
    this.add(subject, `${qemu.length} ${unit}`, listDifference(qemu, ours));
  }
}

type ShowByte = (bytes: Uint8Array, index: number) => string;

const hexByte: ShowByte = (bytes, i) => bytes[i] === undefined ? "nothing" : hex(bytes[i], 2);
const lineAt: ShowByte = (bytes, i) => {
  const text = latin1(bytes);
  return JSON.stringify(text.slice(text.lastIndexOf("\n", i - 1) + 1).split("\n", 1)[0]);
};

/** Where two runs of bytes part, or undefined. */
export function byteDifference(
  qemu: Uint8Array,
  ours: Uint8Array,
  show: ShowByte = hexByte,
): string | undefined {
  const count = Math.max(qemu.length, ours.length);
  for (let i = 0; i < count; i++) {
    if (qemu[i] === ours[i]) continue;
    return `at byte ${i} QEMU has ${show(qemu, i)}, we have ${show(ours, i)}`;
  }
  return undefined;
}

/** Where two lists part, or undefined. */
export function listDifference(
  qemu: readonly unknown[],
  ours: readonly unknown[],
): string | undefined {
  const texts = (values: readonly unknown[]): string[] => values.map((v) => JSON.stringify(v));
  const left = texts(qemu), right = texts(ours), count = Math.max(left.length, right.length);
  for (let i = 0; i < count; i++) {
    if (left[i] !== right[i]) return `at ${i} QEMU has ${left[i]}, we have ${right[i]}`;
  }
  return undefined;
}

function hex(value: number, digits = 8): string {
  return `0x${value.toString(16).padStart(digits, "0")}`;
}

/** Reads words of a memory dump. */
function reader({ memory }: View): (physAddr: number) => number {
  const view = new DataView(memory.buffer, memory.byteOffset, memory.byteLength);
  return (physAddr) =>
    physAddr + 4 <= view.byteLength ? view.getUint32(physAddr, true) : 0xffffffff;
}

/** Reads words at linear addresses, by the dump's own page tables. */
function linearReader(view: View): (address: number) => number | undefined {
  const read = reader(view);
  return (address) => {
    const physAddr = translateAddress(read, view.registers, address);
    return physAddr === undefined ? undefined : read(physAddr);
  };
}

async function qemuView(qemu: Qemu, megabytes: number): Promise<View> {
  await qemu.rest(); // what it has sent, it may not yet have shown
  await qemu.stop();
  return {
    serial: await qemu.serial(),
    memory: await qemu.memory(megabytes << 20),
    registers: await qemu.controlRegisters(),
    cursor: await qemu.cursor(),
  };
}

function ourView(machine: Machine): View {
  const { memory, registers: { cr0, cr3, cr4 }, screen: { cursor }, serial } = machine;
  const dump = memory.ram.slice();
  dump.set(memory.device, 0xa0000);
  const position = cursor.row * 80 + cursor.column;
  return { serial: serial.bytes, memory: dump, registers: { cr0, cr3, cr4 }, cursor: position };
}

/** Every second byte of the text screen from `first`: 0 characters, 1 attributes. */
function screenBytes({ memory }: View, first: 0 | 1): Uint8Array {
  return memory.subarray(SCREEN, SCREEN + SCREEN_BYTES).filter((_, i) => (i & 1) === first);
}

/** The page directory, and each table that it names, as words. */
function pagingWords(view: View): { directory: number[]; tables: number[][] } {
  const read = reader(view);
  const words = (frame: number): number[] =>
    Array.from({ length: 1024 }, (_, i) => read(((frame & ~0xfff) >>> 0) + 4 * i));
  const directory = words(view.registers.cr3);
  return { directory, tables: directory.filter((entry) => entry & 1).map(words) };
}

/** The bytes at a linear address. */
function linearBytes(view: View, address: number, count: number): Uint8Array {
  const read = linearReader(view), words = new Uint32Array(count / 4);
  for (let i = 0; i < words.length; i++) words[i] = read(address + 4 * i) ?? 0xdeadbeef;
  return new Uint8Array(words.buffer);
}

/** The kernel's memory, structure by structure. */
function compareViews(verdicts: Verdicts, name: string, machine: Machine, qemu: View): void {
  const ours = ourView(machine), both = [qemu, ours] as const;
  const say = (what: string): string => `${name}, ${what}`;
  const lists = (what: string, unit: string, of: (view: View) => readonly unknown[]): void =>
    verdicts.lists(say(what), unit, of(both[0]), of(both[1]));
  const bytes = (what: string, of: (view: View) => Uint8Array, show?: ShowByte): void =>
    verdicts.bytes(say(what), of(both[0]), of(both[1]), show);
  bytes("serial bytes", (view) => view.serial, lineAt);
  bytes("screen characters", (view) => screenBytes(view, 0));
  bytes("screen colours", (view) => screenBytes(view, 1));
  lists("cursor", "position", (view) => [view.cursor]);
  lists("control registers", "registers", ({ registers }) => Object.entries(registers));
  lists("page directory", "entries", (view) => pagingWords(view).directory.map((w) => hex(w)));
  lists("page tables", "entries", (view) => pagingWords(view).tables.flat().map((w) => hex(w)));
  lists("page walk", "pages", (view) => pageMappings(reader(view), view.registers) ?? []);
  lists(
    "mapped ranges",
    "ranges",
    (view) => mappedRanges(pageMappings(reader(view), view.registers) ?? []),
  );
  bytes("PMM bitmap", (view) => {
    const bitmap = linearReader(view)(machine.address("pmm_bitmap")) ?? 0;
    return linearBytes(view, bitmap, qemu.memory.length >>> 15);
  });
  lists("heap blocks", "blocks", (view) => heapBlocks(linearReader(view)));
  const last = heapBlocks(linearReader(qemu)).at(-1);
  const heapBytes = last === undefined ? 0 : last.address + 16 + last.size - HEAP;
  bytes("heap contents", (view) => linearBytes(view, HEAP, heapBytes));
}

/** The reference kernel: its boot, then a session in its monitor. */
async function witnessKernel(verdicts: Verdicts, megabytes: number): Promise<void> {
  const image = await Deno.readFile(KERNEL), name = `kernel, ${megabytes} MB`;
  await using qemu = await Qemu.start(KERNEL, megabytes);
  const machine = boot(image, { ramBytes: megabytes << 20, zeroRam: true }); // QEMU's RAM is zero
  machine.run({ until: "idle", budget: BUDGET });
  await qemu.serialReaches(machine.serial.bytes.length);
  compareViews(verdicts, name, machine, await qemuView(qemu, megabytes));
}

/** A session in the kernel's monitor, typed on the keyboard. */
async function witnessSession(verdicts: Verdicts, name: string, session: string): Promise<void> {
  await using qemu = await Qemu.start(KERNEL, 32);
  const machine = boot(await Deno.readFile(KERNEL), { zeroRam: true });
  machine.run({ until: "idle", budget: BUDGET });
  await qemu.serialReaches(machine.serial.bytes.length);
  machine.type(session);
  machine.run({ until: "idle", budget: BUDGET });
  await qemu.type(keysOf(session));
  await qemu.serialReaches(machine.serial.bytes.length);
  compareViews(verdicts, name, machine, await qemuView(qemu, 32));
}

/** A kernel that another compiler has made, with ring 3, demand paging and preemption. */
async function witnessCKernel(verdicts: Verdicts): Promise<void> {
  await using qemu = await Qemu.start(C_KERNEL, 32);
  const machine = boot(await Deno.readFile(C_KERNEL));
  machine.run({ until: { serial: "type a line:\n" }, budget: BUDGET });
  await qemu.serialReaches(machine.serial.bytes.length);
  machine.type(C_KEYS);
  const stop = machine.run({ budget: BUDGET });
  await qemu.typeBlindly(keysOf(C_KEYS));
  const code = await qemu.exitCode();
  verdicts.bytes("C kernel, serial bytes", await qemu.serial(), machine.serial.bytes, lineAt);
  const ours = stop.kind === "guest-exit" ? stop.code : stop.kind;
  verdicts.lists("C kernel, exit code", "code", [code], [ours]);
}

/** Runs the command; returns its exit code. */
export async function main(args: readonly string[]): Promise<number> {
  if (args.length > 0) {
    const asked = args[0] === "--help";
    (asked ? console.log : console.error)(USAGE);
    return asked ? 0 : 2;
  }
  const version = await qemuVersion();
  if (version === undefined) {
    console.log(`skipped: QEMU is not installed (${QEMU}; Debian has it in qemu-system-x86)`);
    return 0;
  }
  console.log(version);
  const verdicts = new Verdicts();
  for (const megabytes of [32, 16, 64, 256]) await witnessKernel(verdicts, megabytes);
  await witnessSession(verdicts, "monitor session", SESSION);
  await witnessSession(verdicts, "panic", "alloc 64\npanic\n");
  await witnessCKernel(verdicts);
  console.log(`${verdicts.passed} passed, ${verdicts.failed} failed`);
  return verdicts.failed === 0 ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
