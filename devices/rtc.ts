/**
 * MC146818 clock and CMOS memory on virtual time. Spec: specs/devices/rtc.md.
 * Not modelled: daylight saving, square wave, other crystals.
 */

import { copyState, type Device, type Diagnose, type Line, type PortDevice } from "./device.ts";

const INDEX = 0; // port 70h: number of the byte, and NMI mask
const NMI_MASKED = 0x80;

const SECONDS = 0x00;
const MINUTES = 0x02;
const HOURS = 0x04;
const WEEKDAY = 0x06; // 1 is Sunday
const DATE = 0x07;
const MONTH = 0x08;
const YEAR = 0x09;
const REG_A = 0x0a;
const REG_B = 0x0b;
const REG_C = 0x0c;
const REG_D = 0x0d;
const CENTURY = 0x32;

const A_UIP = 0x80; // update in progress
const A_DIVIDER = 0x70;
const A_RUNNING = 0x20; // divider for 32 768 Hz
const A_HELD = 0x60; // 11x: divider held in reset
const A_RATE = 0x0f;
const B_SET = 0x80; // no updates
const B_PERIODIC = 0x40; // enables PF's interrupt
const B_ALARM = 0x20;
const B_UPDATE = 0x10;
const B_SQUARE_WAVE = 0x08; // an output that a PC does not connect
const B_BINARY = 0x04; // else BCD
const B_24_HOURS = 0x02;
const B_DAYLIGHT = 0x01;
const C_IRQ = 0x80;
const C_PERIODIC = 0x40;
const C_ALARM = 0x20;
const C_UPDATE = 0x10;
const D_VALID = 0x80; // the battery is good
const PM = 0x80; // in the hours, with 12 hours
const ANY = 0xc0; // in an alarm byte: matches everything

const SECOND = 100_000_000; // virtual ticks
const UPDATE_TICKS = 222_800; // 244 µs of notice and 1984 µs of update
const CRYSTAL_HZ = 32_768;
const RELEASE_TICKS = SECOND / 2; // first update after the divider was held

const FIELDS: readonly (readonly [string, number])[] = [
  ["base", 0x15],
  ["extended", 0x17],
  ["extended", 0x30],
  ["above16", 0x34],
];

/** What the machine sets up at power-on. */
export interface RtcOptions {
  /** Date and time at power-on, `YYYY-MM-DDTHH:MM:SS`. */
  readonly start?: string;
  /** Size of the memory, for the bytes in which firmware leaves it. */
  readonly memoryBytes?: number;
  /** Called with `false` when port 70h masks NMI and with `true` when it lets it through. */
  readonly nmi?: Line;
}

/** Everything that the clock remembers. */
export interface RtcState {
  /** The 128 bytes. */
  bytes: number[];
  /** The byte that port 71h accesses. */
  index: number;
  /** NMI is masked. */
  nmiMasked: boolean;
  /** Ticks since the last update, below 100 000 000. */
  elapsed: number;
  /** The level of the interrupt output. */
  irq: boolean;
}

/** Ports 70h and 71h, as registers 0 and 1. */
export class Rtc implements Device<RtcState>, PortDevice {
  #s: RtcState;
  readonly #irq8: Line;
  readonly #nmi: Line;
  readonly #diagnose: Diagnose;

  /** `irq8` is the interrupt output. A `start` that is no date is a `RangeError`. */
  constructor(irq8: Line, options: RtcOptions = {}, diagnose: Diagnose = () => {}) {
    this.#irq8 = irq8;
    this.#nmi = options.nmi ?? (() => {});
    this.#diagnose = diagnose;
    const memoryBytes = options.memoryBytes ?? 0x2000000;
    const bytes = powerOn(options.start ?? "2025-06-14T00:00:00", memoryBytes);
    this.#s = { bytes, index: REG_D, nmiMasked: false, elapsed: 0, irq: false };
  }

  /** Reads port 71h (1); port 70h (0) cannot be read. */
  read(register: number): number {
    if (register === INDEX) return 0xff;
    const index = this.#s.index;
    if (index === REG_A && this.#updating) return this.#s.bytes[index] | A_UIP;
    const value = this.#s.bytes[index];
    if (index === REG_C) this.#setFlags(-1); // RTC-12: reading acknowledges
    return value;
  }

  /** Writes port 70h (0) or 71h (1). */
  write(register: number, value: number): void {
    if (register === INDEX) this.#select(value);
    else (this.#writers[this.#s.index] ?? this.#store)(value);
  }

  /** RESET: interrupts off and their flags clear. The battery keeps time and memory. */
  reset(): void {
    this.#select(REG_D);
    this.#s.bytes[REG_B] &= ~(B_PERIODIC | B_ALARM | B_UPDATE | B_SQUARE_WAVE);
    this.#setFlags(-1);
  }

  /** Lets virtual ticks pass. */
  advance(cycles: number): void {
    if ((this.#a & A_DIVIDER) !== A_RUNNING) return;
    const ticks = Math.min(cycles, SECOND); // the longest period is half a second
    if (ticks * CRYSTAL_HZ >= this.#toPeriodic) this.#setFlags(C_PERIODIC);
    this.#s.elapsed += cycles;
    for (; this.#s.elapsed >= SECOND; this.#s.elapsed -= SECOND) {
      if ((this.#b & B_SET) === 0) this.#update();
    }
  }

  /** Ticks until the interrupt output may rise. */
  cyclesToEvent(): number {
    if (this.#s.irq || (this.#a & A_DIVIDER) !== A_RUNNING) return Infinity;
    const seconds = (this.#b & (B_ALARM | B_UPDATE)) !== 0 && (this.#b & B_SET) === 0;
    const second = seconds ? SECOND - this.#s.elapsed : Infinity;
    if ((this.#b & B_PERIODIC) === 0) return second;
    return Math.min(second, Math.ceil(this.#toPeriodic / CRYSTAL_HZ));
  }

  /** A copy of the state. */
  state(): RtcState {
    return copyState(this.#s);
  }

  /** Takes the state back. */
  restore(state: RtcState): void {
    this.#s = copyState(state);
  }

  get #a(): number {
    return this.#s.bytes[REG_A];
  }

  get #b(): number {
    return this.#s.bytes[REG_B];
  }

  get #updating(): boolean {
    const runs = (this.#a & A_DIVIDER) === A_RUNNING && (this.#b & B_SET) === 0;
    return runs && this.#s.elapsed >= SECOND - UPDATE_TICKS;
  }

  /** The period of the periodic interrupt in ticks * 32 768; 0 for none. */
  get #period(): number {
    const rate = this.#a & A_RATE;
    const shift = rate < 3 ? rate + 6 : rate - 1; // RTC-11: 1 and 2 are 256 and 128 Hz
    return rate === 0 ? 0 : SECOND * 2 ** shift;
  }

  #select(value: number): void {
    this.#s.index = value & 0x7f;
    const masked = (value & NMI_MASKED) !== 0;
    if (masked !== this.#s.nmiMasked) this.#nmi(!masked);
    this.#s.nmiMasked = masked;
  }

  readonly #store = (value: number): void => {
    this.#s.bytes[this.#s.index] = value;
  };

  readonly #writers: Readonly<Record<number, (value: number) => void>> = {
    [REG_A]: (value) => this.#writeA(value & ~A_UIP),
    [REG_B]: (value) => this.#writeB(value),
    [REG_C]: () => this.#diagnose("RTC-5", "register C cannot be written"),
    [REG_D]: () => this.#diagnose("RTC-5", "register D cannot be written"),
  };

  #writeA(value: number): void {
    const divider = value & A_DIVIDER;
    if (divider !== A_RUNNING && (divider & A_HELD) !== A_HELD) {
      this.#diagnose("RTC-9", `the divider ${divider >> 4} is for other crystals or tests`);
    }
    const released = (this.#a & A_HELD) === A_HELD && divider === A_RUNNING;
    if (released) this.#s.elapsed = SECOND - RELEASE_TICKS;
    this.#s.bytes[REG_A] = value;
  }

  #writeB(value: number): void {
    if ((value & B_DAYLIGHT) !== 0) this.#diagnose("RTC-14", "daylight saving is not modelled");
    this.#s.bytes[REG_B] = (value & B_SET) !== 0 ? value & ~B_UPDATE : value; // RTC-8
    this.#setFlags(0);
  }

  /** What is left of the period of the periodic interrupt, in ticks * 32 768. */
  get #toPeriodic(): number {
    const period = this.#period;
    return period === 0 ? Infinity : period - this.#s.elapsed * CRYSTAL_HZ % period;
  }

  /** Sets flags of register C, or clears all for -1; the output follows. */
  #setFlags(flags: number): void {
    const set = flags < 0 ? 0 : (this.#s.bytes[REG_C] & ~C_IRQ) | flags;
    const level = (set & this.#b & (B_PERIODIC | B_ALARM | B_UPDATE)) !== 0;
    this.#s.bytes[REG_C] = set | (level ? C_IRQ : 0);
    if (level === this.#s.irq) return;
    this.#s.irq = level;
    this.#irq8(level);
  }

  #update(): void {
    this.#count();
    this.#setFlags(C_UPDATE | (this.#alarmMatches() ? C_ALARM : 0));
  }

  #alarmMatches(): boolean {
    const bytes = this.#s.bytes;
    return [SECONDS, MINUTES, HOURS].every((index) =>
      bytes[index + 1] >= ANY || bytes[index + 1] === bytes[index]
    );
  }

  /** One second more: each field that wraps carries into the next. */
  #count(): void {
    if (!this.#step(SECONDS, 0, 59) || !this.#step(MINUTES, 0, 59) || !this.#stepHours()) return;
    this.#step(WEEKDAY, 1, 7);
    const days = daysInMonth(this.#field(MONTH), this.#field(YEAR));
    if (!this.#step(DATE, 1, days) || !this.#step(MONTH, 1, 12)) return;
    if (this.#step(YEAR, 0, 99)) this.#step(CENTURY, 0, 99);
  }

  /** Counts a field; true when it wrapped. */
  #step(index: number, first: number, last: number): boolean {
    const value = this.#field(index);
    const wraps = value >= last;
    this.#s.bytes[index] = encode(wraps ? first : value + 1, this.#b);
    return wraps;
  }

  #stepHours(): boolean {
    if ((this.#b & B_24_HOURS) !== 0) return this.#step(HOURS, 0, 23);
    const half = this.#s.bytes[HOURS] & PM;
    const hour = decode(this.#s.bytes[HOURS] & ~PM, this.#b);
    const next = hour >= 12 ? 1 : hour + 1; // 11 → 12 changes the half, 12 → 1 does not
    const newHalf = next === 12 ? half ^ PM : half;
    this.#s.bytes[HOURS] = encode(next, this.#b) | newHalf;
    return half !== 0 && newHalf === 0;
  }

  #field(index: number): number {
    return decode(this.#s.bytes[index], this.#b);
  }
}

function decode(byte: number, b: number): number {
  return (b & B_BINARY) !== 0 ? byte : (byte >> 4) * 10 + (byte & 15);
}

function encode(value: number, b: number): number {
  return (b & B_BINARY) !== 0 ? value : ((value / 10 | 0) << 4) | value % 10;
}

/** The chip knows that every fourth year is a leap year, and nothing of centuries. */
function daysInMonth(month: number, year: number): number {
  if (month === 2) return year % 4 === 0 ? 29 : 28;
  return [4, 6, 9, 11].includes(month) ? 30 : 31;
}

function powerOn(start: string, memoryBytes: number): number[] {
  const bytes: number[] = new Array(128).fill(0);
  bytes[REG_A] = A_RUNNING | 6;
  bytes[REG_B] = B_24_HOURS;
  bytes[REG_D] = D_VALID;
  setDate(bytes, start);
  setMemory(bytes, memoryBytes);
  const sum = bytes.slice(0x10, 0x2e).reduce((a, b) => a + b, 0);
  bytes[0x2e] = sum >> 8; // high byte first
  bytes[0x2f] = sum & 0xff;
  return bytes;
}

function setDate(bytes: number[], start: string): void {
  const match = /^(\d\d)(\d\d)-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)$/.exec(start);
  const moment = new Date(`${start}Z`);
  if (match === null || Number.isNaN(+moment) || !moment.toISOString().startsWith(start)) {
    throw new RangeError(
      `Cannot start the clock at ${JSON.stringify(start)}: expected YYYY-MM-DDTHH:MM:SS`,
    );
  }
  const places = [CENTURY, YEAR, MONTH, DATE, HOURS, MINUTES, SECONDS];
  places.forEach((place, n) => bytes[place] = parseInt(match[n + 1], 16));
  bytes[WEEKDAY] = moment.getUTCDay() + 1;
}

/** The sizes of memory, low byte first. */
function setMemory(bytes: number[], memoryBytes: number): void {
  const above = (from: number, unit: number): number =>
    Math.min(0xffff, Math.max(0, Math.floor((memoryBytes - from) / unit)));
  const sizes: Readonly<Record<string, number>> = {
    base: Math.min(640, Math.floor(memoryBytes / 1024)),
    extended: above(0x100000, 1024),
    above16: above(0x1000000, 0x10000),
  };
  for (const [name, place] of FIELDS) {
    bytes[place] = sizes[name] & 0xff;
    bytes[place + 1] = sizes[name] >> 8;
  }
}
