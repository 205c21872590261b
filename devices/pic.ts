/**
 * 8259A interrupt controller. Spec: specs/devices/pic.md.
 * Not modelled: MCS-80/85 mode, the output pin of buffered mode.
 */

import type { Device, Diagnose, Line, PortDevice } from "./device.ts";

const COMMAND = 0; // write ICW1, OCW2, OCW3; read IRR, ISR or the poll byte
const DATA = 1; // write ICW2 to ICW4, OCW1; read IMR

const ICW1 = 0x10; // this bit tells ICW1 from OCW2 and OCW3
const ICW1_LTIM = 0x08; // level triggered
const ICW1_SNGL = 0x02; // no cascade, no ICW3
const ICW1_IC4 = 0x01; // ICW4 will come
const ICW4_SFNM = 0x10; // special fully nested mode
const ICW4_AEOI = 0x02; // automatic end of interrupt
const ICW4_8086 = 0x01; // 8086 mode
const ICW4_RESERVED = 0xe0;
const OCW3 = 0x08; // this bit tells OCW3 from OCW2
const OCW3_RESERVED = 0x80;
const OCW3_ESMM = 0x40; // SMM is meant
const OCW3_SMM = 0x20; // special mask mode
const OCW3_POLL = 0x04; // the next read acknowledges
const OCW3_RR = 0x02; // RIS is meant
const OCW3_RIS = 0x01; // read ISR, not IRR
const POLL_INTERRUPT = 0x80; // the poll byte has a level

const FLOATING_BUS = 0xff; // what the processor reads when no slave answers

/** Everything that an 8259A remembers. */
export interface PicState {
  /** Interrupt request register. */
  irr: number;
  /** In-service register. */
  isr: number;
  /** Interrupt mask register. */
  imr: number;
  /** The levels of the eight inputs. */
  inputs: number;
  /** The level of INT. */
  int: boolean;
  /** Upper five bits of the vectors. */
  base: number;
  /** The ICW that is expected next, 2 to 4; 0 when initialised, 1 before the first ICW1. */
  expected: number;
  /** ICW1. */
  icw1: number;
  /** ICW3: the inputs that have slaves, or the identity of this slave. */
  icw3: number;
  /** ICW4. */
  icw4: number;
  /** The level of lowest priority: 7 unless rotated. */
  lowest: number;
  /** Rotate priorities at each automatic end of interrupt. */
  rotateOnAutomaticEoi: boolean;
  /** Special mask mode. */
  specialMask: boolean;
  /** Reading the command register gives ISR. */
  readIsr: boolean;
  /** The next read is a poll. */
  poll: boolean;
}

const POWER_ON: Readonly<PicState> = {
  irr: 0,
  isr: 0,
  imr: 0,
  inputs: 0,
  int: false,
  base: 0,
  expected: 1,
  icw1: 0,
  icw3: 0,
  icw4: 0,
  lowest: 7,
  rotateOnAutomaticEoi: false,
  specialMask: false,
  readIsr: false,
  poll: false,
};

/** One 8259A; a master is one that has slaves. */
export class Pic implements Device<PicState>, PortDevice {
  #s: PicState = { ...POWER_ON };
  readonly #int: Line;
  readonly #slaves: Readonly<Record<number, Pic>>;
  readonly #diagnose: Diagnose;

  /**
   * `int` is the output to the processor or to the master's input; `slaves` are the chips whose
   * INT is connected to the input of that number.
   */
  constructor(
    int: Line,
    slaves: Readonly<Record<number, Pic>> = {},
    diagnose: Diagnose = () => {},
  ) {
    this.#int = int;
    this.#slaves = slaves;
    this.#diagnose = diagnose;
  }

  /** The input of a level, 0 to 7. */
  irq(level: number): Line {
    const bit = 1 << level;
    return (high) => {
      const rises = high && (this.#s.inputs & bit) === 0;
      if (high) this.#s.inputs |= bit;
      else this.#s.inputs &= ~bit;
      if (rises) this.#s.irr |= bit; // PIC-2
      else if (!high) this.#s.irr &= ~bit; // PIC-3: a request that goes away was none
      this.#update();
    };
  }

  /**
   * The processor's acknowledge sequence: returns the vector.
   * `identity` is what a master puts on the cascade lines for its slave.
   */
  acknowledge(identity?: number): number {
    if (identity !== undefined && identity !== (this.#s.icw3 & 7)) {
      return this.#wrongSlave(identity);
    }
    const level = this.#highestPending();
    if (level < 0) return this.#s.base | 7; // PIC-9: spurious, ISR unchanged
    this.#serve(level);
    const cascaded = !this.#single && Object.keys(this.#slaves).length > 0 &&
      (this.#s.icw3 & (1 << level)) !== 0;
    return cascaded ? this.#askSlave(level) : this.#s.base | level;
  }

  /** Reads the command (0) or the data register (1). */
  read(register: number): number {
    if (this.#s.poll) return this.#pollByte();
    if (register === DATA) return this.#s.imr;
    return this.#s.readIsr ? this.#s.isr : this.#pending;
  }

  /** Writes the command (0) or the data register (1). */
  write(register: number, value: number): void {
    if (register === COMMAND && (value & ICW1) !== 0) this.#initialise(value);
    else if (register === DATA && this.#s.expected > 1) {
      this.#initialisation[this.#s.expected](value);
    } else this.#operate(register, value);
    this.#update();
  }

  /** Back to power-on: silent until it is initialised. The inputs keep their levels. */
  reset(): void {
    const { inputs, int } = this.#s;
    this.#s = { ...POWER_ON, inputs, int };
    this.#update();
  }

  /** Time changes nothing here. */
  advance(_cycles: number): void {}

  /** Never: all its outputs follow inputs and programming. */
  cyclesToEvent(): number {
    return Infinity;
  }

  /** A copy of the registers. */
  state(): PicState {
    return { ...this.#s };
  }

  /** Takes the registers back. */
  restore(state: PicState): void {
    this.#s = { ...state };
  }

  get #single(): boolean {
    return (this.#s.icw1 & ICW1_SNGL) !== 0;
  }

  /** What IRR reads: PIC-4. */
  get #pending(): number {
    return (this.#s.icw1 & ICW1_LTIM) !== 0 ? this.#s.inputs : this.#s.irr;
  }

  /** In-service levels that keep others out: PIC-15 lets go of masked ones. */
  get #blocking(): number {
    return this.#s.specialMask ? this.#s.isr & ~this.#s.imr : this.#s.isr;
  }

  /** The levels from highest to lowest priority. */
  #byPriority(): number[] {
    return [1, 2, 3, 4, 5, 6, 7, 8].map((distance) => (this.#s.lowest + distance) & 7);
  }

  /** The level that may interrupt now, or -1. */
  #highestPending(): number {
    const requests = this.#pending & ~this.#s.imr; // PIC-5
    if (requests === 0 || this.#s.expected !== 0) return -1;
    for (const level of this.#byPriority()) {
      const bit = 1 << level;
      const blocked = (this.#blocking & bit) !== 0;
      if ((requests & bit) !== 0 && (!blocked || this.#nests(bit))) return level;
      if (blocked) return -1;
    }
    return -1;
  }

  /** PIC-17: in special fully nested mode a slave may interrupt its own service. */
  #nests(bit: number): boolean {
    return (this.#s.icw4 & ICW4_SFNM) !== 0 && !this.#single && (this.#s.icw3 & bit) !== 0;
  }

  /** Moves a request into service; INT goes low in every acknowledge sequence. */
  #serve(level: number): void {
    this.#s.irr &= ~(1 << level);
    this.#s.isr |= 1 << level;
    if ((this.#s.icw4 & ICW4_AEOI) !== 0) this.#automaticEoi(level);
    this.#setInt(false); // PIC-8: a further request makes a new edge
    this.#update();
  }

  #automaticEoi(level: number): void {
    this.#s.isr &= ~(1 << level);
    if (this.#s.rotateOnAutomaticEoi) this.#s.lowest = level;
  }

  #askSlave(level: number): number {
    const slave = this.#slaves[level];
    if (slave !== undefined) return slave.acknowledge(level);
    this.#diagnose("PIC-11", `ICW3 names a slave on input ${level}, but none is connected`);
    return FLOATING_BUS;
  }

  #wrongSlave(identity: number): number {
    const own = this.#s.icw3 & 7;
    this.#diagnose("PIC-11", `the slave on input ${identity} was given the identity ${own}`);
    return FLOATING_BUS;
  }

  #pollByte(): number {
    this.#s.poll = false;
    const level = this.#highestPending();
    if (level < 0) return 0;
    this.#serve(level);
    return POLL_INTERRUPT | level;
  }

  #initialise(value: number): void {
    const { inputs, int, base } = this.#s;
    this.#s = { ...POWER_ON, inputs, int, base, icw1: value, expected: 2 };
    if ((value & ICW1_IC4) === 0) {
      this.#diagnose("PIC-7", "no ICW4: MCS-80/85 mode is not modelled");
    }
  }

  readonly #initialisation: Readonly<Record<number, (value: number) => void>> = {
    2: (value) => {
      this.#s.base = value & 0xf8;
      this.#s.expected = this.#single ? this.#afterIcw3 : 3;
    },
    3: (value) => {
      const isMaster = Object.keys(this.#slaves).length > 0;
      if (!isMaster && value > 7) this.#diagnose("PIC-7", "ICW3 of a slave is an identity, 0 to 7");
      this.#s.icw3 = value;
      this.#s.expected = this.#afterIcw3;
    },
    4: (value) => {
      if ((value & ICW4_8086) === 0) this.#diagnose("PIC-7", "MCS-80/85 mode is not modelled");
      if ((value & ICW4_RESERVED) !== 0) this.#diagnose("PIC-7", "ICW4 bits 7 to 5 must be 0");
      this.#s.icw4 = value;
      this.#s.expected = 0;
    },
  };

  get #afterIcw3(): number {
    return (this.#s.icw1 & ICW1_IC4) !== 0 ? 4 : 0;
  }

  #operate(register: number, value: number): void {
    if (this.#s.expected !== 0) this.#diagnose("PIC-1", "an OCW was written before ICW1 to ICW4");
    if (register === DATA) this.#s.imr = value;
    else if ((value & OCW3) !== 0) this.#operateModes(value);
    else this.#ends[value >> 5](value & 7);
  }

  /** OCW2 by its bits R, SL, EOI. */
  readonly #ends: readonly ((level: number) => void)[] = [
    () => this.#s.rotateOnAutomaticEoi = false,
    () => this.#nonSpecificEoi(),
    () => {}, // no operation
    (level) => this.#s.isr &= ~(1 << level),
    () => this.#s.rotateOnAutomaticEoi = true,
    () => {
      const level = this.#nonSpecificEoi();
      if (level >= 0) this.#s.lowest = level;
    },
    (level) => this.#s.lowest = level,
    (level) => {
      this.#s.isr &= ~(1 << level);
      this.#s.lowest = level;
    },
  ];

  #nonSpecificEoi(): number {
    const served = this.#blocking; // PIC-15: not what special mask mode hides
    const level = this.#byPriority().find((level) => (served & (1 << level)) !== 0) ?? -1;
    if (level >= 0) this.#s.isr &= ~(1 << level);
    return level;
  }

  #operateModes(value: number): void {
    if ((value & OCW3_RESERVED) !== 0) this.#diagnose("PIC-7", "OCW3 bit 7 must be 0");
    if ((value & OCW3_ESMM) !== 0) this.#s.specialMask = (value & OCW3_SMM) !== 0;
    if ((value & OCW3_RR) !== 0) this.#s.readIsr = (value & OCW3_RIS) !== 0;
    this.#s.poll = (value & OCW3_POLL) !== 0;
  }

  #update(): void {
    this.#setInt(this.#highestPending() >= 0);
  }

  #setInt(level: boolean): void {
    if (this.#s.int === level) return;
    this.#s.int = level;
    this.#int(level);
  }
}
