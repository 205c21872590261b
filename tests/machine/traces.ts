/** The subject of each golden trace of fixtures/machine: what its `do` calls. */
import { boot } from "../../machine/boot.ts";
import { memoryMap, writeBootInformation } from "../../machine/bootinfo.ts";
import { Bus } from "../../machine/bus.ts";
import { Clock } from "../../machine/clock.ts";
import { ImageError, readElf } from "../../machine/elf.ts";
import { IdleWatch } from "../../machine/idle.ts";
import { heapBlocks, mappedRanges, pageMappings, translateAddress } from "../../machine/inspect.ts";
import type { Machine } from "../../machine/machine.ts";
import { Memory } from "../../machine/memory.ts";
import { readImage } from "../../machine/multiboot.ts";
import { Pc } from "../../machine/pc.ts";
import { SerialPort } from "../../machine/serial.ts";
import { describeStop, type StopReason } from "../../machine/stop.ts";
import { type Methods, replay, type SubjectFactory } from "../../trace/replay.ts";
import { concat, elf, header, kernel, words } from "./images.ts";

const RAM = 0x200000;
const data = header();
const hex = (value: number): string => `0x${value.toString(16)}`;

/** The outcome of reading an image, as text. */
function verdict(read: () => string): string {
  try {
    return read();
  } catch (error) {
    if (error instanceof ImageError) return error.message;
    throw error;
  }
}

/** A subject that time does not touch. */
function still(methods: Methods): ReturnType<SubjectFactory> {
  return { device: { advance() {}, cyclesToEvent: () => Infinity }, methods };
}

function changed(file: Uint8Array, offset: number, value: number): Uint8Array {
  file[offset] = value;
  return file;
}

const elfFile = (): Uint8Array =>
  elf([{ physAddr: 0x100000, virtAddr: 0xc0100000, data, memBytes: 0x1000 }], 0xc0100004, [
    { name: "_start", address: 0xc0100004, bytes: 8 },
  ]);

const elfImages: Readonly<Record<string, () => Uint8Array>> = {
  "good": elfFile,
  "short": () => elfFile().subarray(0, 51),
  "cut": () => elfFile().subarray(0, elfFile().length - 1),
  "text": () => new TextEncoder().encode("hello"),
  "elf64": () => changed(elfFile(), 4, 2),
  "big-endian": () => changed(elfFile(), 5, 2),
  "arm": () => changed(elfFile(), 18, 40),
  "object": () => changed(elfFile(), 16, 1),
  "no-segment": () => changed(elfFile(), 44, 0),
};

const multibootImages: Readonly<Record<string, () => Uint8Array>> = {
  "good": elfFile,
  "empty": () => new Uint8Array(),
  "zeros": () => new Uint8Array(4096),
  "bad-sum": () => concat(words(0x1badb002, 3, 7), new Uint8Array(64)),
  "late": () => concat(new Uint8Array(8192), header()),
  "unaligned": () => concat(new Uint8Array(2), header(), new Uint8Array(2)),
  "multiboot2": () => words(0xe85250d6, 0, 16, 0),
  "feature-5": () => header(1 << 5),
  "no-addresses": () => header(),
  "addresses": () => header(0x10000, 0x200000, 0x200000, 0, 0x201000, 0x200010),
};

/** How a page table entry and the registers come to a page: a directory at 1000h, a table at 2000h. */
function inspected(): Methods {
  const memory = new Memory(RAM, { zero: true }),
    read = (address: number) => memory.read(address, 4);
  const registers = { cr0: 0x80000001, cr3: 0x1000, cr4: 0x10 };
  return {
    set: (physAddr: number, value: number) => memory.write(physAddr, 4, value),
    translate: (address: number) => hex(translateAddress(read, registers, address) ?? -1),
    ranges: () =>
      mappedRanges(pageMappings(read, registers) ?? [])
        .map((r) => `${hex(r.virtAddr)} ${hex(r.bytes)} ${hex(r.physAddr)} ${r.flags}`).join(", "),
    block: (address: number, size: number, flag: number, prev: number, next: number) =>
      [size, flag, prev, next].forEach((word, i) =>
        memory.write(address - 0x300000 + 4 * i, 4, word)
      ),
    blocks: () =>
      heapBlocks((address) => read(address - 0x300000))
        .map((b) => `${hex(b.address)} ${b.size} ${b.free ? "free" : "used"} ${b.damage ?? "ok"}`)
        .join(", "),
  };
}

/** Programs for the traces of boot and machine. */
export const programs: Readonly<Record<string, readonly number[]>> = {
  "exit-5": [0xb0, 0x05, 0xe6, 0xf4], // mov al, 5; out 0f4h, al
  "halt": [0xfa, 0xf4], // cli; hlt
  "sleep": [0xfb, 0xf4], // sti; hlt, without an IDT
  "spin": [0xeb, 0xfe], // jmp $
  "invalid": [0x0f, 0x0b], // ud2, without an IDT
  "off": [0x66, 0xba, 0x04, 0x06, 0x66, 0xb8, 0x00, 0x20, 0x66, 0xef], // out 604h, 2000h
  "reset": [0xb0, 0xfe, 0xe6, 0x64], // mov al, 0feh; out 64h, al
};

function machines(): Methods {
  let machine: Machine;
  return {
    boot: (program: string) => {
      machine = boot(kernel([...programs[program]]), { ramBytes: RAM });
      return hex(machine.registers.eip);
    },
    run: (budget: number) => {
      const stop = machine.run({ budget });
      return `${describeStop(stop)}, at ${stop.at} after ${stop.instructions}`;
    },
    register: (name: string) => machine.registers[name as "eax"],
    word: (physAddr: number) => machine.memory.read(physAddr, 4),
  };
}

/** By the stem of the trace: fixtures/machine/STEM.trace. */
export const subjects: Readonly<Record<string, SubjectFactory>> = {
  elf: () =>
    still({
      read: (name: string) =>
        verdict(() => {
          const { entry, segments, symbols } = readElf(elfImages[name]());
          return `entry ${hex(entry)}, ${segments.length} segment, ${symbols.describe(0xc0100008)}`;
        }),
    }),
  multiboot: () =>
    still({
      read: (name: string) =>
        verdict(() => {
          const { header, entry, segments: [segment] } = readImage(multibootImages[name]());
          const place = `${hex(segment.physAddr)} ${hex(segment.memBytes)}`;
          return `header at ${header.fileOffset}, segment ${place}, entry ${hex(entry)}`;
        }),
    }),
  bootinfo: () => {
    const memory = new Memory(0x2000000, { zero: true });
    return still({
      write: (commandLine: string, module: string) =>
        writeBootInformation(memory, readImage(elfFile()), commandLine, [
          { data: words(1, 2), commandLine: module },
        ]),
      region: (index: number) => {
        const { base, bytes, available } = memoryMap(0x2000000)[index];
        return `${hex(base)} ${hex(bytes)} ${available ? "available" : "reserved"}`;
      },
      word: (physAddr: number) => memory.read(physAddr, 4),
    });
  },
  memory: () => {
    const memory = new Memory(RAM, { seed: 7 });
    return still({
      read: (physAddr: number, bytes: number) => memory.read(physAddr, bytes),
      write: (physAddr: number, bytes: number, value: number) =>
        memory.write(physAddr, bytes, value),
    });
  },
  bus: ({ emit }) => {
    const bus = new Bus();
    bus.claim(0x10, 4, "a latch", {
      read: (register) => 0xa0 + register,
      write: (register, value) => emit(`latch${register}`)(value),
    });
    return still({
      read: (port: number, bytes: number) => bus.read(port, bytes),
      write: (port: number, bytes: number, value: number) => bus.write(port, bytes, value),
      unclaimed: (port: number) => bus.unclaimed.get(port) ?? 0,
    });
  },
  clock: ({ emit }) => {
    const passed = emit("passed");
    let left = 1000;
    const chip = {
      advance: (cycles: number) => {
        left = left > cycles ? left - cycles : 1000;
        passed(cycles);
      },
      cyclesToEvent: () => left,
    };
    const clock = new Clock([chip]);
    return still({
      reach: (retired: number) => clock.reach(retired),
      skip: (ticks: number) => clock.skip(ticks),
      now: () => clock.now,
      deadline: () => clock.deadline(),
    });
  },
  serial: ({ emit }) => {
    const port = new SerialPort(emit("heard")), taken = emit("taken");
    let room = 0;
    port.connect({
      receive: (byte) => {
        if (room === 0) return false;
        room--;
        taken(byte);
        return true;
      },
    });
    return still({
      room: (bytes: number) => {
        room = bytes;
        port.deliver();
      },
      send: (text: string) => port.send(text),
      transmitted: (byte: number) => port.transmitted(byte),
      text: () => port.text,
      pending: () => port.pending,
    });
  },
  idle: () => {
    const watch = new IdleWatch();
    return still({
      written: (port: number) => watch.portWritten(port),
      pending: (count: number) => watch.inputPending(count),
      restart: () => watch.restart(),
      halted: (now: number, retired: number, screen: number) =>
        watch.halted(now, retired, () => screen),
      confirm: (now: number, screen: number) => watch.confirm(now, screen),
    });
  },
  pc: () => {
    const pc = new Pc({ memory: new Memory(RAM) });
    return still({
      in: (port: number, bytes: number) => pc.bus.read(port, bytes),
      out: (port: number, bytes: number, value: number) => pc.bus.write(port, bytes, value),
      skip: (ticks: number) => pc.clock.skip(ticks),
      press: (code: string) => pc.keyboard.press(code),
      send: (text: string) => pc.com1.send(text),
      interrupt: () => pc.master.state().int,
      acknowledge: () => pc.master.acknowledge(),
      wish: () => pc.wish?.kind ?? "",
    });
  },
  stop: () =>
    still({
      describe: (kind: string, detail: string) =>
        describeStop(
          {
            kind,
            vector: 14,
            value: 3,
            code: 7,
            by: detail,
            why: detail,
            what: detail,
            symbol: detail,
            chain: [
              { vector: 13, code: 0, eip: 0 },
              { vector: 8, code: 0, eip: 0 },
            ],
          } as unknown as StopReason,
        ),
    }),
  inspect: () => still(inspected()),
  boot: () => still(machines()),
  machine: () => still(machines()),
};

/** Reads a golden trace and replays it: both texts. */
export async function replayGolden(stem: string): Promise<{ golden: string; trace: string }> {
  const fixture = new URL(`../../fixtures/machine/${stem}.trace`, import.meta.url);
  const golden = await Deno.readTextFile(fixture);
  return { golden, trace: replay(subjects[stem], golden).trace };
}
