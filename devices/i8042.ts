/**
 * 8042 keyboard controller. Spec: specs/devices/i8042.md.
 * Not modelled: the auxiliary (mouse) port, the test port, the time that commands take.
 */

import { copyState, type Device, type Diagnose, type Line, type PortDevice } from "./device.ts";

const MOST_REPLIES = 16; // that wait behind an unread byte
const DATA = 0; // register: port 60h
const STATUS = 4; // register: port 64h, commands when written

const STATUS_OUTPUT_FULL = 0x01;
const STATUS_SYSTEM = 0x04; // self-test passed
const STATUS_COMMAND = 0x08; // the last byte went to port 64h
const STATUS_UNLOCKED = 0x10;

const CONFIG_INTERRUPT = 0x01; // IRQ1 for a full output buffer
const CONFIG_SYSTEM = 0x04; // shows in the status
const CONFIG_DISABLE = 0x10; // keyboard's clock held
const CONFIG_DISABLE_AUXILIARY = 0x20;
const CONFIG_TRANSLATE = 0x40; // set 2 to set 1
const CONFIG_FIRMWARE = 0x65; // I8042-2

const OUTPUT_RESET = 0x01; // active low
const OUTPUT_A20 = 0x02;
const OUTPUT_BUFFER_FULL = 0x10;
const OUTPUT_IDLE = 0xcc; // lines that nothing drives low

const SELF_TEST_PASSED = 0x55;
const INTERFACE_OK = 0x00;
const INPUT_PORT = 0x80; // keyboard not locked

const BREAK_PREFIX = 0xf0;
const BREAK_BIT = 0x80;

/** What each byte of set 2 becomes in set 1, as in the 8042's ROM: I8042-7. */
const LOW_CODES = `
ff 43 41 3f 3d 3b 3c 58 64 44 42 40 3e 0f 29 59
65 38 2a 70 1d 10 02 5a 66 71 2c 1f 1e 11 03 5b
67 2e 2d 20 12 05 04 5c 68 39 2f 21 14 13 06 5d
69 31 30 23 22 15 07 5e 6a 72 32 24 16 08 09 5f
6b 33 25 17 18 0b 0a 60 6c 34 35 26 27 19 0c 61
6d 73 28 74 1a 0d 62 6e 3a 36 1c 1b 75 2b 63 76
55 56 77 78 79 7a 0e 7b 7c 4f 7d 4b 47 7e 7f 6f
52 53 50 4c 4d 48 01 45 57 4e 51 4a 37 49 46 54`;

/** F7 and SysRq; the other bytes from 80h on stay what they are. */
const HIGH_CODES: Readonly<Record<number, number>> = { 0x83: 0x41, 0x84: 0x54 };

const TRANSLATION: readonly number[] = [
  ...LOW_CODES.trim().split(/\s/).map((digits) => parseInt(digits, 16)),
  ...Array.from({ length: 0x80 }, (_, i) => HIGH_CODES[0x80 + i] ?? 0x80 + i),
];

/** What a controller needs of the device on its wire. */
export interface Ps2Device {
  /** Connects the data line: `send` is called for each byte that has arrived. */
  connect(send: (byte: number) => void): void;
  /** Takes a byte from the controller. */
  receive(byte: number): void;
  /** The controller holds (true) or frees the clock line; while it holds it, no byte is sent. */
  inhibit(level: boolean): void;
}

/** Output pins besides the interrupt. */
export interface I8042Lines {
  /** Address line 20 enabled; called on changes, enabled after reset. */
  readonly a20?: Line;
  /** Resets the processor while true. */
  readonly reset?: Line;
}

/** Everything that an `I8042` remembers. */
export interface I8042State {
  /** The controller's memory; byte 0 is the configuration. */
  ram: number[];
  /** The byte that port 60h shows. */
  output: number;
  /** It has not been read. */
  full: boolean;
  /** Replies that wait until it is. */
  replies: number[];
  /** The command that waits for its parameter, or 0. */
  command: number;
  /** The last byte went to port 64h. */
  commanded: boolean;
  /** The next code is that of a released key. */
  released: boolean;
  /** Address line 20 is enabled. */
  a20: boolean;
  /** The level of the interrupt line. */
  irq: boolean;
}

function powerOn(): I8042State {
  return {
    ram: [CONFIG_FIRMWARE, ...new Array(31).fill(0)],
    output: 0,
    full: false,
    replies: [],
    command: 0,
    commanded: false,
    released: false,
    a20: true,
    irq: false,
  };
}

type Handler = (c: I8042, byte: number) => void;

/** A keyboard controller: register 0 is port 60h, register 4 is port 64h. */
export class I8042 implements PortDevice, Device<I8042State> {
  readonly #keyboard: Ps2Device;
  readonly #irq1: Line;
  readonly #a20: Line;
  readonly #reset: Line;
  readonly #diagnose: Diagnose;
  #s: I8042State = powerOn();

  /** Connects itself to `keyboard`, which the machine advances as a device of its own. */
  constructor(
    keyboard: Ps2Device,
    irq1: Line,
    lines: I8042Lines = {},
    diagnose: Diagnose = () => {},
  ) {
    this.#keyboard = keyboard;
    this.#irq1 = irq1;
    this.#a20 = lines.a20 ?? (() => {});
    this.#reset = lines.reset ?? (() => {});
    this.#diagnose = diagnose;
    keyboard.connect((byte) => this.#fromKeyboard(byte));
  }

  read(register: number): number {
    if (register === DATA) return this.#readData();
    if (register === STATUS) return this.#status;
    return 0xff;
  }

  write(register: number, value: number): void {
    const byte = value & 0xff;
    if (register === DATA) this.#writeData(byte);
    if (register === STATUS) this.#writeCommand(byte);
  }

  reset(): void {
    const { a20, irq } = this.#s;
    this.#s = powerOn();
    if (!a20) this.#a20(true);
    if (irq) this.#irq1(false);
    this.#keyboard.inhibit(false);
  }

  advance(_cycles: number): void {}

  cyclesToEvent(): number {
    return Infinity;
  }

  state(): I8042State {
    return copyState(this.#s);
  }

  restore(state: I8042State): void {
    this.#s = copyState(state);
  }

  static readonly #commands: ReadonlyMap<number, Handler> = new Map<number, Handler>([
    ...range(0x20, 0x3f, (c, byte) => c.#reply(byte, c.#s.ram[byte & 0x1f])),
    ...range(0x60, 0x7f, (c, byte) => c.#expect(byte)),
    ...range(0xf0, 0xff, (c, byte) => c.#pulse(byte)),
    [0xaa, (c, byte) => c.#selfTest(byte)],
    [0xab, (c, byte) => c.#reply(byte, INTERFACE_OK)],
    [0xad, (c) => c.#configure(c.#config | CONFIG_DISABLE)],
    [0xae, (c) => c.#configure(c.#config & ~CONFIG_DISABLE)],
    [0xc0, (c, byte) => c.#reply(byte, INPUT_PORT)],
    [0xd0, (c, byte) => c.#reply(byte, c.#outputPort)],
    [0xd1, (c, byte) => c.#expect(byte)],
    [0xd2, (c, byte) => c.#expect(byte)],
    [0xd4, (c, byte) => c.#expect(byte)],
    [0xdd, (c) => c.#setA20(false)],
    [0xdf, (c) => c.#setA20(true)],
  ]);

  static readonly #parameters: ReadonlyMap<number, Handler> = new Map<number, Handler>([
    [0x60, (c, byte) => c.#configure(byte | CONFIG_DISABLE_AUXILIARY)],
    ...range(0x61, 0x7f, (c, byte) => void (c.#s.ram[c.#s.command & 0x1f] = byte)),
    [0xd1, (c, byte) => c.#writeOutputPort(byte)],
    [0xd2, (c, byte) => c.#reply(0xd2, byte)],
    [0xd4, (c, byte) => c.#unmodelled(`The byte 0x${byte.toString(16)} for a mouse`)],
  ]);

  get #config(): number {
    return this.#s.ram[0];
  }

  get #status(): number {
    const { full, commanded } = this.#s;
    return STATUS_UNLOCKED | (full ? STATUS_OUTPUT_FULL : 0) |
      (this.#config & CONFIG_SYSTEM ? STATUS_SYSTEM : 0) | (commanded ? STATUS_COMMAND : 0);
  }

  get #outputPort(): number {
    const { a20, full } = this.#s;
    return OUTPUT_IDLE | OUTPUT_RESET | (a20 ? OUTPUT_A20 : 0) | (full ? OUTPUT_BUFFER_FULL : 0);
  }

  #readData(): number {
    const { output } = this.#s;
    this.#s.full = false;
    this.#update(); // the line falls before the next byte raises it
    const next = this.#s.replies.shift();
    if (next !== undefined) this.#put(next);
    return output;
  }

  #writeCommand(byte: number): void {
    this.#s.commanded = true;
    this.#s.command = 0;
    const command = I8042.#commands.get(byte);
    if (command !== undefined) command(this, byte);
    else this.#unmodelled(`Controller command 0x${byte.toString(16)}`);
  }

  #writeData(byte: number): void {
    const { command } = this.#s;
    this.#s.commanded = false;
    if (command !== 0) {
      I8042.#parameters.get(command)!(this, byte);
      this.#s.command = 0;
      return;
    }
    this.#configure(this.#config & ~CONFIG_DISABLE); // I8042-10
    this.#keyboard.receive(byte);
  }

  #fromKeyboard(byte: number): void {
    if (!(this.#config & CONFIG_TRANSLATE)) return this.#put(byte);
    if (byte === BREAK_PREFIX) {
      this.#s.released = true;
      return;
    }
    const released = this.#s.released ? BREAK_BIT : 0;
    this.#s.released = false;
    this.#put(TRANSLATION[byte] | released);
  }

  #put(byte: number): void {
    this.#s.output = byte;
    this.#s.full = true;
    this.#update();
  }

  #reply(command: number, byte: number): void {
    if (!this.#s.full) return this.#put(byte);
    if (this.#s.replies.length < MOST_REPLIES) this.#s.replies.push(byte);
    this.#diagnose(
      "I8042-6",
      `The reply to command 0x${command.toString(16)} waits behind a byte that was not read`,
    );
  }

  #expect(command: number): void {
    this.#s.command = command;
  }

  #configure(config: number): void {
    this.#s.ram[0] = config;
    this.#update();
  }

  #selfTest(command: number): void {
    this.#configure(this.#config | CONFIG_SYSTEM);
    this.#reply(command, SELF_TEST_PASSED);
  }

  #writeOutputPort(byte: number): void {
    this.#setA20((byte & OUTPUT_A20) !== 0);
    if (!(byte & OUTPUT_RESET)) this.#reset(true);
  }

  #pulse(command: number): void {
    if (command & OUTPUT_RESET) return; // the other lines drive nothing here
    this.#reset(true);
    this.#reset(false);
  }

  #setA20(level: boolean): void {
    if (level === this.#s.a20) return;
    this.#s.a20 = level;
    this.#a20(level);
  }

  #unmodelled(what: string): void {
    this.#diagnose("I8042-14", `${what} is not modelled and has no effect`);
  }

  #update(): void {
    const s = this.#s;
    const disabled = (this.#config & CONFIG_DISABLE) !== 0;
    const level = s.full && !disabled && (this.#config & CONFIG_INTERRUPT) !== 0;
    this.#keyboard.inhibit(s.full || disabled);
    if (level === s.irq) return;
    s.irq = level;
    this.#irq1(level);
  }
}

function range(first: number, last: number, handler: Handler): [number, Handler][] {
  return Array.from({ length: last - first + 1 }, (_, i) => [first + i, handler]);
}
