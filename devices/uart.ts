/**
 * 16550A serial port. Spec: specs/devices/uart.md.
 * Not modelled: sending a break, auto flow control, DMA pins, the OUT2 gate of a PC's board.
 */

import { copyState, type Device, type Diagnose, type Line, type PortDevice } from "./device.ts";

const IER_DATA = 0x01; // received data, and the FIFO's timeout
const IER_THRE = 0x02; // transmitter holding register empty
const IER_LINE = 0x04; // errors
const IER_MODEM = 0x08; // changes of the modem's lines
const IER_RESERVED = 0xf0;

const IIR_NONE = 0x01; // no interrupt pends
const IIR_MODEM = 0x00;
const IIR_THRE = 0x02;
const IIR_DATA = 0x04;
const IIR_LINE = 0x06;
const IIR_TIMEOUT = 0x0c;
const IIR_FIFO = 0xc0; // FIFOs are on

const FCR_ENABLE = 0x01;
const FCR_CLEAR_RECEIVER = 0x02;
const FCR_CLEAR_TRANSMITTER = 0x04;
const FCR_KEPT = 0xc9; // trigger level, DMA mode, enable
const FCR_RESERVED = 0x30;

const LCR_LENGTH = 0x03; // 5 to 8 bits
const LCR_STOP = 0x04; // more than one stop bit
const LCR_PARITY = 0x08;
const LCR_BREAK = 0x40;
const LCR_DLAB = 0x80; // registers 0 and 1 are the divisor

const MCR_OUT2 = 0x08; // on a PC: lets the interrupt through to the 8259A
const MCR_LOOP = 0x10;
const MCR_RESERVED = 0xe0;

const LSR_DR = 0x01; // a byte waits
const LSR_OE = 0x02; // overrun
const LSR_CHARACTER = 0x1c; // parity, framing, break: they belong to one character
const LSR_THRE = 0x20; // transmitter holding register, or its FIFO, empty
const LSR_TEMT = 0x40; // the shift register too
const LSR_FIFO = 0x80; // an error somewhere in the FIFO

const MSR_RI = 0x40; // only its trailing edge is a change
const MSR_CONNECTED = 0xb0; // DCD, DSR and CTS: a peer that is ready

const FIFO_DEPTH = 16;
const TRIGGER_LEVELS = [1, 4, 8, 14];

const UNITS_PER_CYCLE = 230_400; // half bits of divisor 1 in a second
const UNITS_PER_HALF_BIT = 100_000_000; // ticks in a second: together, exact integers (UART-19)

/** Everything that a `Uart` remembers. */
export interface UartState {
  /** Interrupt enable register. */
  ier: number;
  /** FIFO control register, as far as it is kept. */
  fcr: number;
  /** Line control register. */
  lcr: number;
  /** Modem control register. */
  mcr: number;
  /** Scratch register. */
  scr: number;
  /** Divisor latch, 16 bits. */
  divisor: number;
  /** Latched error bits of the line status register. */
  errors: number;
  /** Levels of the modem's lines, as in the upper half of the modem status register. */
  modem: number;
  /** Changes of the modem's lines: the lower half of the modem status register. */
  delta: number;
  /** Received characters, oldest first: error bits above the byte. */
  received: number[];
  /** Written characters that are not yet in the shift register. */
  holding: number[];
  /** The character in the transmitter's shift register, or -1. */
  shifting: number;
  /** Units until it has left. */
  shiftLeft: number;
  /** The character in the receiver's shift register, or -1. */
  arriving: number;
  /** Units until it is complete. */
  arriveLeft: number;
  /** The transmitter's interrupt pends. */
  thre: boolean;
  /** Units until unread characters count as forgotten; 0: no such wait. */
  silence: number;
  /** The timeout interrupt pends. */
  timeout: boolean;
  /** The level of the interrupt line. */
  irq: boolean;
}

/** How a `Uart` is connected to its host. */
export interface UartOptions {
  /** Characters take the time of the programmed divisor; by default they take none. */
  readonly lineRate?: boolean;
  /** Called when `receive` would accept a byte again. */
  readonly ready?: () => void;
}

function powerOn(modem: number): UartState {
  return {
    ier: 0,
    fcr: 0,
    lcr: 0,
    mcr: 0,
    scr: 0,
    divisor: 12, // UART-2: 9600 baud, as firmware leaves it
    errors: 0,
    modem,
    delta: 0,
    received: [],
    holding: [],
    shifting: -1,
    shiftLeft: 0,
    arriving: -1,
    arriveLeft: 0,
    thre: false,
    silence: 0,
    timeout: false,
    irq: false,
  };
}

/** A 16550A with registers 0 to 7. Bytes leave by `transmit` and enter by `receive`. */
export class Uart implements PortDevice, Device<UartState> {
  readonly #irq: Line;
  readonly #transmit: (byte: number) => void;
  readonly #ready: () => void;
  readonly #diagnose: Diagnose;
  readonly #lineRate: boolean;
  #s: UartState = powerOn(MSR_CONNECTED);

  /** `irq` is the interrupt output, `transmit` gets each byte that has left. */
  constructor(
    irq: Line,
    transmit: (byte: number) => void = () => {},
    options: UartOptions = {},
    diagnose: Diagnose = () => {},
  ) {
    this.#irq = irq;
    this.#transmit = transmit;
    this.#lineRate = options.lineRate ?? false;
    this.#ready = options.ready ?? (() => {});
    this.#diagnose = diagnose;
  }

  /** Ticks that a character of the programmed format takes at the programmed rate. */
  get characterCycles(): number {
    return Math.ceil(this.#characterUnits / UNITS_PER_CYCLE);
  }

  /** Whether `receive` would accept a byte now. */
  get canReceive(): boolean {
    return !this.#loop && this.#s.arriving < 0 && this.#s.received.length < this.#depth;
  }

  /**
   * Offers a byte from outside; false when there is no room for it, then offer it again later.
   * `errors` are bits of the line status register: parity 4, framing 8, break 10h.
   */
  receive(byte: number, errors: number = 0): boolean {
    if (!this.canReceive) return false;
    const word = ((errors & LSR_CHARACTER) << 8) | (byte & this.#wordMask);
    if (!this.#lineRate) {
      this.#arrive(word);
      return true;
    }
    this.#s.arriving = word;
    this.#s.arriveLeft += this.#characterUnits;
    return true;
  }

  /** Sets the modem's lines: CTS 10h, DSR 20h, RI 40h, DCD 80h. */
  modem(lines: number): void {
    const before = this.#modemLines;
    this.#s.modem = lines & 0xf0;
    this.#modemChanged(before);
  }

  read(register: number): number {
    return Uart.#readers[register & 7](this);
  }

  write(register: number, value: number): void {
    Uart.#writers[register & 7](this, value & 0xff);
  }

  reset(): void {
    const { irq, modem } = this.#s;
    this.#s = powerOn(modem);
    if (irq) this.#irq(false);
  }

  advance(cycles: number): void {
    while (cycles > 0) {
      const step = Math.min(cycles, this.cyclesToEvent());
      this.#pass(step);
      cycles -= step;
    }
  }

  cyclesToEvent(): number {
    const s = this.#s;
    const units = Math.min(
      s.shifting < 0 ? Infinity : s.shiftLeft,
      s.arriving < 0 ? Infinity : s.arriveLeft,
      s.silence === 0 ? Infinity : s.silence,
    );
    return Math.max(Math.ceil(units / UNITS_PER_CYCLE), 1);
  }

  state(): UartState {
    return copyState(this.#s);
  }

  restore(state: UartState): void {
    this.#s = copyState(state);
  }

  static readonly #readers: readonly ((u: Uart) => number)[] = [
    (u) => u.#dlab ? u.#s.divisor & 0xff : u.#readRbr(),
    (u) => u.#dlab ? u.#s.divisor >> 8 : u.#s.ier,
    (u) => u.#readIir(),
    (u) => u.#s.lcr,
    (u) => u.#s.mcr,
    (u) => u.#readLsr(),
    (u) => u.#readMsr(),
    (u) => u.#s.scr,
  ];

  static readonly #writers: readonly ((u: Uart, value: number) => void)[] = [
    (u, value) => u.#dlab ? u.#setDivisor(0xff00, value) : u.#writeThr(value),
    (u, value) => u.#dlab ? u.#setDivisor(0x00ff, value << 8) : u.#writeIer(value),
    (u, value) => u.#writeFcr(value),
    (u, value) => u.#writeLcr(value),
    (u, value) => u.#writeMcr(value),
    (u, value) => u.#readOnly("line status", value),
    (u, value) => u.#readOnly("modem status", value),
    (u, value) => void (u.#s.scr = value),
  ];

  get #dlab(): boolean {
    return (this.#s.lcr & LCR_DLAB) !== 0;
  }

  get #loop(): boolean {
    return (this.#s.mcr & MCR_LOOP) !== 0;
  }

  get #fifo(): boolean {
    return (this.#s.fcr & FCR_ENABLE) !== 0;
  }

  get #depth(): number {
    return this.#fifo ? FIFO_DEPTH : 1;
  }

  get #trigger(): number {
    return this.#fifo ? TRIGGER_LEVELS[this.#s.fcr >> 6] : 1;
  }

  get #wordMask(): number {
    return 0xff >> (3 - (this.#s.lcr & LCR_LENGTH));
  }

  get #characterUnits(): number {
    const { lcr, divisor } = this.#s;
    const bits = 5 + (lcr & LCR_LENGTH);
    const stopHalves = !(lcr & LCR_STOP) ? 2 : bits === 5 ? 3 : 4;
    const halves = 2 * (1 + bits + (lcr & LCR_PARITY ? 1 : 0)) + stopHalves;
    return halves * (divisor || 0x10000) * UNITS_PER_HALF_BIT; // UART-24
  }

  get #modemLines(): number {
    const { mcr, modem } = this.#s;
    if (!this.#loop) return modem;
    return (mcr & 0x0c) << 4 | (mcr & 0x02) << 3 | (mcr & 0x01) << 5; // UART-15
  }

  #readRbr(): number {
    const s = this.#s;
    if (s.received.length === 0) return 0;
    const byte = s.received.shift()! & 0xff;
    s.timeout = false;
    this.#listen();
    this.#exposeHead();
    this.#update();
    this.#offer();
    return byte;
  }

  #readIir(): number {
    const source = this.#source();
    if (source === IIR_THRE) {
      this.#s.thre = false; // UART-10
      this.#update();
    }
    return source | (this.#fifo ? IIR_FIFO : 0);
  }

  #readLsr(): number {
    const s = this.#s;
    const damaged = this.#fifo &&
      ((s.errors & LSR_CHARACTER) !== 0 || s.received.some((word) => word > 0xff));
    const value = s.errors | (s.received.length > 0 ? LSR_DR : 0) |
      (s.holding.length === 0 ? LSR_THRE : 0) |
      (s.holding.length === 0 && s.shifting < 0 ? LSR_TEMT : 0) | (damaged ? LSR_FIFO : 0);
    s.errors = 0;
    this.#update();
    return value;
  }

  #readMsr(): number {
    const value = this.#modemLines | this.#s.delta;
    this.#s.delta = 0;
    this.#update();
    return value;
  }

  #writeThr(value: number): void {
    const s = this.#s;
    s.thre = false;
    this.#update();
    if (s.holding.length >= this.#depth) {
      this.#diagnose("UART-20", `Byte ${hex(value)} is written while the transmitter is full`);
      if (this.#fifo) return;
      s.holding.pop();
    }
    s.holding.push(value & this.#wordMask);
    this.#load();
  }

  #writeIer(value: number): void {
    const s = this.#s;
    this.#reserved("interrupt enable", value & IER_RESERVED);
    if (~s.ier & value & IER_THRE && s.holding.length === 0) s.thre = true; // UART-10
    s.ier = value & ~IER_RESERVED;
    this.#update();
  }

  #writeFcr(value: number): void {
    const s = this.#s;
    this.#reserved("FIFO control", value & FCR_RESERVED);
    const toggled = ((value ^ s.fcr) & FCR_ENABLE) !== 0;
    s.fcr = value & FCR_ENABLE ? value & FCR_KEPT : 0;
    if (toggled || this.#fifo && value & FCR_CLEAR_RECEIVER) this.#clearReceiver();
    if (toggled || this.#fifo && value & FCR_CLEAR_TRANSMITTER) this.#clearTransmitter();
    this.#update();
    this.#offer();
  }

  #writeLcr(value: number): void {
    const s = this.#s;
    if (~s.lcr & value & LCR_BREAK) this.#diagnose("UART-23", "Sending a break is not modelled");
    if (s.lcr & ~value & LCR_DLAB && s.divisor === 0) {
      this.#diagnose("UART-24", "The divisor is 0, which the datasheet does not define");
    }
    s.lcr = value;
  }

  #writeMcr(value: number): void {
    const before = this.#modemLines;
    this.#reserved("modem control", value & MCR_RESERVED);
    this.#s.mcr = value & ~MCR_RESERVED;
    this.#modemChanged(before);
    this.#offer();
  }

  #setDivisor(kept: number, bits: number): void {
    this.#s.divisor = this.#s.divisor & kept | bits;
  }

  #readOnly(name: string, value: number): void {
    this.#diagnose("UART-23", `${hex(value)} is written to the ${name} register: only for tests`);
  }

  #reserved(name: string, bits: number): void {
    if (bits === 0) return;
    this.#diagnose("UART-23", `Reserved bits ${hex(bits)} are set in the ${name} register`);
  }

  #clearReceiver(): void {
    this.#s.received = [];
    this.#s.timeout = false;
    this.#s.silence = 0;
  }

  #clearTransmitter(): void {
    if (this.#s.holding.length > 0) this.#s.thre = true;
    this.#s.holding = [];
  }

  #modemChanged(before: number): void {
    const now = this.#modemLines;
    const changes = (before ^ now) & ~MSR_RI | before & ~now & MSR_RI; // UART-16
    this.#s.delta |= changes >> 4;
    this.#update();
  }

  /** Holding register or FIFO → shift register. */
  #load(): void {
    const s = this.#s;
    if (s.shifting >= 0 || s.holding.length === 0) return;
    s.shifting = s.holding.shift()!;
    if (s.holding.length === 0) s.thre = true;
    this.#update();
    if (this.#lineRate) s.shiftLeft += this.#characterUnits;
    else this.#leave();
  }

  /** Shift register → outside, or the own receiver. */
  #leave(): void {
    const byte = this.#s.shifting;
    this.#s.shifting = -1;
    if (this.#loop) this.#arrive(byte);
    else this.#transmit(byte);
    this.#load();
  }

  /** A complete character → receiver buffer or FIFO. */
  #arrive(word: number): void {
    const s = this.#s;
    if (s.received.length < this.#depth) s.received.push(word);
    else {
      s.errors |= LSR_OE; // UART-13
      if (!this.#fifo) s.received[0] = word;
    }
    this.#listen();
    this.#exposeHead();
    this.#update();
  }

  /** Starts the timeout anew: UART-9. */
  #listen(): void {
    const waits = this.#fifo && this.#s.received.length > 0 && !this.#s.timeout;
    this.#s.silence = waits ? 4 * this.#characterUnits : 0;
  }

  /** Errors show when their character is the next to be read: UART-12. */
  #exposeHead(): void {
    const { received } = this.#s;
    if (received.length === 0) return;
    this.#s.errors |= received[0] >> 8;
    received[0] &= 0xff;
  }

  /** Lets the host offer its next byte. */
  #offer(): void {
    if (this.canReceive) this.#ready();
  }

  /** The interrupt of the highest priority that pends: UART-11. */
  #source(): number {
    const s = this.#s;
    if (s.ier & IER_LINE && s.errors !== 0) return IIR_LINE;
    if (s.ier & IER_DATA && s.timeout) return IIR_TIMEOUT;
    if (s.ier & IER_DATA && s.received.length >= this.#trigger) return IIR_DATA;
    if (s.ier & IER_THRE && s.thre) return IIR_THRE;
    if (s.ier & IER_MODEM && s.delta !== 0) return IIR_MODEM;
    return IIR_NONE;
  }

  #update(): void {
    const level = this.#source() !== IIR_NONE;
    if (level === this.#s.irq) return;
    this.#s.irq = level;
    if (level && !(this.#s.mcr & MCR_OUT2)) {
      this.#diagnose("UART-25", "An interrupt is requested while OUT2 is off: a PC holds it back");
    }
    this.#irq(level);
  }

  /** Lets time pass, at most to the next event. All clocks move before anything happens. */
  #pass(cycles: number): void {
    const s = this.#s;
    const units = cycles * UNITS_PER_CYCLE;
    const left = s.shifting >= 0 && (s.shiftLeft -= units) <= 0;
    const complete = s.arriving >= 0 && (s.arriveLeft -= units) <= 0;
    const silent = s.silence > 0 && (s.silence -= units) <= 0;
    if (silent) this.#forgotten();
    if (left) this.#left();
    if (complete) this.#complete();
  }

  #forgotten(): void {
    this.#s.silence = 0;
    this.#s.timeout = true;
    this.#update();
  }

  #left(): void {
    this.#leave(); // what is below zero shortens the next character: no drift
    if (this.#s.shifting < 0) this.#s.shiftLeft = 0;
  }

  #complete(): void {
    const word = this.#s.arriving;
    this.#s.arriving = -1;
    this.#arrive(word);
    this.#offer();
    if (this.#s.arriving < 0) this.#s.arriveLeft = 0;
  }
}

function hex(value: number): string {
  return "0x" + value.toString(16).padStart(2, "0");
}
