/** 8254 timer. Spec: specs/devices/pit.md. Not modelled: the undefined contents after power-on. */

import { copyState, type Device, type Diagnose, type Line, type PortDevice } from "./device.ts";

const CLOCK_HZ = 1_193_182; // input of all three channels
const TICK_HZ = 100_000_000; // virtual clock
const CONTROL = 3; // control word register

const READ_BACK = 3; // as the channel of a control word
const READ_BACK_NO_COUNT = 0x20;
const READ_BACK_NO_STATUS = 0x10;
const LATCH = 0; // as the access of a control word
const HIGH_BYTE = 2;
const BOTH_BYTES = 3;
const STATUS_OUT = 0x80; // level of OUT
const STATUS_NULL = 0x40; // the count written last is not yet loaded

const UNCONNECTED: Line = () => {};

/** Everything that one channel remembers. */
export interface ChannelState {
  /** Control word bits 5 to 0 as written: access, mode, BCD; -1 before the first. */
  control: number;
  /** The level of GATE. */
  gate: boolean;
  /** The level of OUT. */
  out: boolean;
  /** Count register: the two bytes as written. */
  written: number;
  /** The low byte of a count whose high byte is still to come. */
  half: number;
  /** A complete count has been written since the control word. */
  hasCount: boolean;
  /** The count written last waits for loading. */
  nullCount: boolean;
  /** The next clock loads the counting element. */
  load: boolean;
  /** The counting element has been loaded and not been stopped by half a count. */
  running: boolean;
  /** The count has not expired since it was loaded. */
  armed: boolean;
  /** The count that was loaded last, 1 to 65536. */
  reload: number;
  /** Counting element, 0 to 65536. */
  count: number;
  /** The next byte written is the high one. */
  writeHigh: boolean;
  /** The next byte read is the high one. */
  readHigh: boolean;
  /** The count latched for reading, or -1. */
  latchedCount: number;
  /** The status latched for reading, or -1. */
  latchedStatus: number;
}

/** Everything that an 8254 remembers. */
export interface PitState {
  /** Fraction of an input clock that has passed, in clocks / 100 000 000. */
  fraction: number;
  /** The three channels. */
  channels: ChannelState[];
}

/** What tells the six modes apart. */
interface Mode {
  /** OUT after the control word. */
  readonly idle: boolean;
  /** OUT when a count has been loaded. */
  readonly loaded: boolean;
  /** Counting stops while GATE is low. */
  readonly gated: boolean;
  /** A rising GATE loads the count. */
  readonly triggered: boolean;
  /** OUT is high while GATE is low, and a count that runs is replaced only at its end. */
  readonly periodic: boolean;
  /** What one clock takes from the count. */
  readonly pace: number;
  /** Clocks until something but the count changes; `Infinity` when nothing will. */
  next(channel: ChannelState): number;
  /** That change. */
  step(channel: ChannelState): void;
}

const oneShot = { // modes 0 and 1: OUT is low until the count expires
  loaded: false,
  periodic: false,
  pace: 1,
  next: (c: ChannelState) => c.armed ? c.count : Infinity,
  step: (c: ChannelState) => {
    c.count = 0;
    c.armed = false;
    c.out = true;
  },
};

const strobe = { // modes 4 and 5: OUT is low for the clock after the count expired
  loaded: true,
  periodic: false,
  pace: 1,
  next: (c: ChannelState) => !c.out ? 1 : c.armed ? c.count : Infinity,
  step: (c: ChannelState) => {
    count(c, c.out ? c.count : 1);
    c.out = !c.out;
    c.armed = false;
  },
};

const MODES: readonly Mode[] = [
  { ...oneShot, idle: false, gated: true, triggered: false },
  { ...oneShot, idle: true, gated: false, triggered: true },
  { // rate generator: OUT is low while the count is 1
    idle: true,
    loaded: true,
    gated: true,
    triggered: true,
    periodic: true,
    pace: 1,
    next: (c) => c.count > 1 ? c.count - 1 : 1,
    step: (c) => {
      const ends = c.count <= 1;
      if (ends) load(c);
      else c.count = 1;
      c.out = ends;
    },
  },
  { // square wave: the count goes by two, the odd clock belongs to the high half
    idle: true,
    loaded: true,
    gated: true,
    triggered: true,
    periodic: true,
    pace: 2,
    next: (c) => Math.max(1, c.count / 2 + (c.out ? c.reload & 1 : 0)),
    step: (c) => {
      load(c);
      c.out = !c.out;
    },
  },
  { ...strobe, idle: true, gated: true, triggered: false },
  { ...strobe, idle: true, gated: false, triggered: true },
];

const modeNumber = (c: ChannelState): number => {
  const written = (c.control >> 1) & 7;
  return written > 5 ? written - 4 : written; // PIT-3: bit 2 is "don't care" in modes 2 and 3
};
const modeOf = (c: ChannelState): Mode => MODES[modeNumber(c)];
const access = (c: ChannelState): number => (c.control >> 4) & 3;
const isBcd = (c: ChannelState): boolean => (c.control & 1) !== 0;
const modulus = (c: ChannelState): number => isBcd(c) ? 10_000 : 0x10000;
const fromBcd = (bcd: number): number =>
  [12, 8, 4, 0].reduce((value, shift) => value * 10 + ((bcd >> shift) & 15), 0);
const toBcd = (value: number): number => parseInt(`${value % 10_000}`, 16);

/** Moves the count register into the counting element. */
function load(c: ChannelState): void {
  const value = isBcd(c) ? fromBcd(c.written) : c.written;
  c.reload = value || modulus(c); // PIT-6: zero means 65536, or 10000 in BCD
  c.count = modeOf(c).pace === 2 ? c.reload & ~1 : c.reload;
  c.nullCount = false;
  c.load = false;
  c.running = true;
  c.armed = true;
}

/** Lets the counting element run, wrapping at its modulus. */
function count(c: ChannelState, clocks: number): void {
  const limit = modulus(c);
  const rest = (c.count - clocks * modeOf(c).pace) % limit;
  c.count = rest < 0 ? rest + limit : rest;
}

/** Loads at the clock after a count was written or GATE rose. */
function start(c: ChannelState): void {
  load(c);
  c.out = modeOf(c).loaded;
}

/** Clocks until something but the count changes. */
function clocksToStep(c: ChannelState): number {
  if (c.load) return 1;
  if (!c.running) return Infinity;
  const mode = modeOf(c);
  if (mode.gated && !c.gate && (mode.periodic || c.out === mode.idle)) return Infinity;
  return mode.next(c);
}

function isCounting(c: ChannelState): boolean {
  return c.running && (c.gate || !modeOf(c).gated);
}

/** Lets clocks pass in which nothing but the count changes, or exactly up to the change. */
function run(c: ChannelState, clocks: number, toStep: number): void {
  if (clocks < toStep) {
    if (isCounting(c)) count(c, clocks);
  } else if (c.load) start(c);
  else modeOf(c).step(c);
}

const POWER_ON: Readonly<ChannelState> = {
  control: -1,
  gate: true,
  out: true,
  written: 0,
  half: 0,
  hasCount: false,
  nullCount: true,
  load: false,
  running: false,
  armed: false,
  reload: 0x10000,
  count: 0,
  writeHigh: false,
  readHigh: false,
  latchedCount: -1,
  latchedStatus: -1,
};

/** Three counters behind four registers. */
export class Pit implements Device<PitState>, PortDevice {
  #s: PitState;
  readonly #outputs: readonly Line[];
  readonly #diagnose: Diagnose;

  /**
   * `out0` goes to IRQ 0. Only connected outputs make `cyclesToEvent` finite.
   * GATE 0 and 1 are high, GATE 2 is low until its line says otherwise.
   */
  constructor(
    out0: Line,
    out1: Line = UNCONNECTED,
    out2: Line = UNCONNECTED,
    diagnose: Diagnose = () => {},
  ) {
    this.#outputs = [out0, out1, out2];
    this.#diagnose = diagnose;
    this.#s = powerOn();
  }

  /** The GATE input of a channel. */
  gate(channel: number): Line {
    return (level) => {
      const c = this.#s.channels[channel];
      const rises = level && !c.gate;
      c.gate = level;
      if (c.control < 0) return;
      const mode = modeOf(c);
      if (rises && mode.triggered && c.hasCount) c.load = true;
      if (!level && mode.periodic) this.#drive(channel, true); // PIT-9: at once
    };
  }

  /** The level of a channel's OUT. */
  output(channel: number): boolean {
    return this.#s.channels[channel].out;
  }

  /** Reads the counter of register 0 to 2: latched status, latched count, or the count now. */
  read(register: number): number {
    if (register === CONTROL) {
      this.#diagnose("PIT-17", "the control word register cannot be read");
      return 0xff;
    }
    const c = this.#s.channels[register];
    if (c.latchedStatus >= 0) return takeStatus(c);
    const value = c.latchedCount >= 0 ? c.latchedCount : visibleCount(c);
    return takeByte(c, value);
  }

  /** Writes a count byte (registers 0 to 2) or a control word (3). */
  write(register: number, value: number): void {
    if (register !== CONTROL) this.#writeCount(register, value);
    else if (value >> 6 === READ_BACK) this.#readBack(value);
    else if (((value >> 4) & 3) === LATCH) latchCount(this.#s.channels[value >> 6]);
    else this.#program(value >> 6, value & 0x3f);
  }

  /** Back to power-on; GATE keeps its level. */
  reset(): void {
    const gates = this.#s.channels.map((c) => c.gate);
    const levels = this.#s.channels.map((c) => c.out);
    this.#s = powerOn();
    this.#s.channels.forEach((c, n) => {
      c.gate = gates[n];
      c.out = levels[n];
      this.#drive(n, POWER_ON.out);
    });
  }

  /** Lets virtual ticks pass: 1 193 182 clocks in 100 000 000 ticks. */
  advance(cycles: number): void {
    const seconds = Math.floor(cycles / TICK_HZ); // apart, so that no product exceeds 2^53
    const units = (cycles % TICK_HZ) * CLOCK_HZ + this.#s.fraction;
    const clocks = seconds * CLOCK_HZ + Math.floor(units / TICK_HZ);
    this.#s.fraction = units % TICK_HZ;
    for (let n = 0; n < 3; n++) this.#run(n, clocks);
  }

  /** Ticks until a connected output may change; `Infinity` when none will. */
  cyclesToEvent(): number {
    const clocks = this.#s.channels.map((c, n) =>
      this.#outputs[n] === UNCONNECTED ? Infinity : clocksToStep(c)
    );
    const next = Math.min(...clocks);
    return next === Infinity ? next : Math.ceil((next * TICK_HZ - this.#s.fraction) / CLOCK_HZ);
  }

  /** A copy of the channels. */
  state(): PitState {
    return copyState(this.#s);
  }

  /** Takes the channels back. */
  restore(state: PitState): void {
    this.#s = copyState(state);
  }

  #drive(channel: number, level: boolean): void {
    const c = this.#s.channels[channel];
    if (c.out === level) return;
    c.out = level;
    this.#outputs[channel](level);
  }

  #run(channel: number, clocks: number): void {
    const c = this.#s.channels[channel];
    let left = clocks;
    while (left > 0) {
      left = this.#skipPeriods(channel, left);
      const toStep = clocksToStep(c);
      const part = Math.min(left, toStep);
      const before = c.out;
      run(c, part, toStep);
      if (c.out !== before) this.#outputs[channel](c.out);
      left -= part;
    }
  }

  /** Nobody sees the whole periods of an output that is not connected. */
  #skipPeriods(channel: number, clocks: number): number {
    const c = this.#s.channels[channel];
    const skips = this.#outputs[channel] === UNCONNECTED && c.running && !c.load &&
      !c.nullCount && clocks >= 2 * c.reload && modeOf(c).periodic;
    return skips ? clocks % c.reload + c.reload : clocks;
  }

  #program(channel: number, control: number): void {
    const c = this.#s.channels[channel];
    Object.assign(c, { ...POWER_ON, control, gate: c.gate, out: c.out });
    if (((control >> 1) & 7) > 5) this.#diagnose("PIT-3", "modes 6 and 7: bit 2 should be 0");
    this.#drive(channel, modeOf(c).idle);
  }

  #readBack(value: number): void {
    if ((value & 1) !== 0) this.#diagnose("PIT-15", "bit 0 of a read-back command must be 0");
    this.#s.channels.forEach((c, n) => {
      if ((value & (2 << n)) === 0) return;
      if ((value & READ_BACK_NO_COUNT) === 0) latchCount(c);
      if ((value & READ_BACK_NO_STATUS) === 0 && c.latchedStatus < 0) c.latchedStatus = status(c);
    });
  }

  #writeCount(channel: number, value: number): void {
    const c = this.#s.channels[channel];
    if (c.control < 0) {
      return this.#diagnose("PIT-1", `channel ${channel} got a count before its control word`);
    }
    if (access(c) === BOTH_BYTES) {
      c.writeHigh = !c.writeHigh;
      if (c.writeHigh) return this.#writeFirst(channel, value);
      c.written = c.half | (value << 8);
    } else c.written = access(c) === HIGH_BYTE ? value << 8 : value; // PIT-4: the other is zero
    this.#writeComplete(channel);
  }

  #writeFirst(channel: number, value: number): void {
    const c = this.#s.channels[channel];
    c.half = value;
    if (modeNumber(c) !== 0) return;
    c.load = false;
    c.running = false; // PIT-7: half a count stops mode 0
    this.#drive(channel, false);
  }

  #writeComplete(channel: number): void {
    const c = this.#s.channels[channel];
    const mode = modeOf(c);
    this.#checkCount(channel);
    const first = !c.hasCount;
    c.hasCount = true;
    c.nullCount = true;
    if (mode.periodic ? first : !mode.triggered) c.load = true; // PIT-5
    if (modeNumber(c) === 0) this.#drive(channel, false);
  }

  #checkCount(channel: number): void {
    const c = this.#s.channels[channel];
    const hex = c.written.toString(16);
    if (isBcd(c) && /[a-f]/.test(hex)) {
      this.#diagnose("PIT-16", `channel ${channel}: 0x${hex} is no BCD number`);
    }
    if (c.written === 1 && modeOf(c).periodic) {
      this.#diagnose("PIT-16", `channel ${channel}: a count of 1 is illegal in modes 2 and 3`);
    }
  }
}

function powerOn(): PitState {
  const channels = [0, 1, 2].map((n): ChannelState => ({ ...POWER_ON, gate: n < 2 }));
  return { fraction: 0, channels };
}

function visibleCount(c: ChannelState): number {
  return isBcd(c) ? toBcd(c.count) : c.count & 0xffff;
}

function status(c: ChannelState): number {
  return (c.out ? STATUS_OUT : 0) | (c.nullCount ? STATUS_NULL : 0) | (c.control & 0x3f);
}

function latchCount(c: ChannelState): void {
  if (c.latchedCount < 0) c.latchedCount = visibleCount(c); // PIT-13: the first latch holds
}

function takeStatus(c: ChannelState): number {
  const value = c.latchedStatus;
  c.latchedStatus = -1;
  return value;
}

/** The byte of `value` whose turn it is; the last one releases the latch. */
function takeByte(c: ChannelState, value: number): number {
  const both = access(c) === BOTH_BYTES;
  const high = both ? c.readHigh : access(c) === HIGH_BYTE;
  c.readHigh = both && !c.readHigh;
  if (!c.readHigh) c.latchedCount = -1;
  return high ? value >> 8 : value & 0xff;
}
