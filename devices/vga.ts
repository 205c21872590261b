/**
 * VGA in text mode, and its screen as text. Spec: specs/devices/vga.md.
 * Not modelled: graphics modes, plane and latch logic, loadable fonts, monochrome ports, panning.
 */

import { copyState, type Device, type Diagnose, type PortDevice } from "./device.ts";

const ATTRIBUTE_INDEX = 0x00; // register numbers are ports from 3C0h on
const ATTRIBUTE_DATA = 0x01; // read only
const MISC_WRITE = 0x02;
const SEQUENCER = 0x04;
const DAC_MASK = 0x06;
const DAC_READ_INDEX = 0x07;
const DAC_WRITE_INDEX = 0x08;
const DAC_DATA = 0x09;
const FEATURE_READ = 0x0a;
const MISC_READ = 0x0c;
const GRAPHICS = 0x0e;
const CRTC = 0x14;
const STATUS = 0x1a; // feature control when written

const CRTC_OVERFLOW = 0x07;
const CRTC_MAX_SCAN = 0x09; // character height - 1
const CRTC_CURSOR_START = 0x0a;
const CRTC_CURSOR_END = 0x0b;
const CRTC_START_HIGH = 0x0c;
const CRTC_CURSOR_HIGH = 0x0e;
const CRTC_PROTECT = 0x11; // bit 7: registers 0 to 7 are read only
const CRTC_DISPLAY_END = 0x12;
const CRTC_OFFSET = 0x13; // half the distance of two rows
const CRTC_COLUMNS = 0x01; // - 1

const OVERFLOW_LINE_COMPARE = 0x10; // writable even while protected
const CURSOR_OFF = 0x20;
const ATTRIBUTE_DISPLAY = 0x20; // in the index: the screen shows something
const ATTRIBUTE_MODE = 0x10;
const MODE_BLINK = 0x08;
const SEQUENCER_CLOCKING = 0x01;
const CLOCKING_OFF = 0x20;
const GRAPHICS_MISC = 0x06;
const MISC_GRAPHICS = 0x01;

const STATUS_BLANK = 0x01; // not within the displayed part
const STATUS_RETRACE = 0x08; // vertical

// Mode 3 of 720 by 400: 28.322 MHz dots, 900 by 449 with the borders (VGA-14).
const DOTS_PER_LINE = 900;
const DISPLAYED_DOTS = 720;
const DISPLAYED_LINES = 400;
const RETRACE_FIRST_LINE = 412;
const RETRACE_LINES = 2;
const UNITS_PER_CYCLE = 28_322;
const UNITS_PER_DOT = 100_000;
const UNITS_PER_FRAME = DOTS_PER_LINE * 449 * UNITS_PER_DOT;

const CHARACTERS = 0x4000; // in 32 KB: addresses wrap here

/** VGA-2: the registers as firmware leaves them in mode 3. */
const MODE_3 = {
  crtc: "5f4f50825581bf1f004f0d0e00000000 9c8e8f281f96b9a3ff",
  sequencer: "0300030002",
  graphics: "0000000000100e0fff",
  attribute: "0001020304051407 38393a3b3c3d3e3f 0c000f0800",
  misc: 0x67,
};

const CP437 = "\u0000☺☻♥♦♣♠•◘○◙♂♀♪♫☼►◄↕‼¶§▬↨↑↓→←∟↔▲▼ !\"#$%&'()*+,-./0123456789:;<=>?" +
  "@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~⌂" +
  "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐" +
  "└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u00a0";

const GLYPHS: readonly string[] = [" ", ...[...CP437].slice(1)]; // VGA-8: code 0 shows nothing

/** One character of the screen. */
export interface Cell {
  /** The code in the frame buffer. */
  readonly code: number;
  /** Its character in Unicode. */
  readonly character: string;
  /** Foreground in bits 0 to 3, background in bits 4 to 7 (6 while `blink`). */
  readonly attribute: number;
}

/** The hardware cursor. */
export interface Cursor {
  /** 0 is the top row; beyond the last row the cursor is off the screen. */
  readonly row: number;
  /** 0 is the left column. */
  readonly column: number;
  /** It is on, and on the screen. */
  readonly visible: boolean;
}

/** What the screen shows. */
export interface Screen {
  /** Rows from the top, each with its characters from the left. */
  readonly rows: readonly (readonly Cell[])[];
  /** Where the cursor is. */
  readonly cursor: Cursor;
  /** Bit 7 of an attribute blinks; otherwise it is a bright background. */
  readonly blink: boolean;
  /** The screen is on. */
  readonly on: boolean;
  /** The colours of the 16 attributes as 0xRRGGBB. */
  readonly palette: readonly number[];
}

/** Everything that a `Vga` remembers; the frame buffer belongs to the machine's memory. */
export interface VgaState {
  /** CRT controller: index and registers 0 to 18h. */
  crtcIndex: number;
  /** See `crtcIndex`. */
  crtc: number[];
  /** Sequencer: index and registers 0 to 4. */
  sequencerIndex: number;
  /** See `sequencerIndex`. */
  sequencer: number[];
  /** Graphics controller: index and registers 0 to 8. */
  graphicsIndex: number;
  /** See `graphicsIndex`. */
  graphics: number[];
  /** Attribute controller: index with the display bit, registers 0 to 14h. */
  attributeIndex: number;
  /** See `attributeIndex`. */
  attribute: number[];
  /** The next write to port 3C0h is data. */
  attributeData: boolean;
  /** Miscellaneous output register. */
  misc: number;
  /** Feature control register. */
  feature: number;
  /** 256 colours of three 6-bit values. */
  dac: number[];
  /** PEL mask. */
  dacMask: number;
  /** The colour that is read or written next, times three, plus its component. */
  dacPlace: number;
  /** The DAC was last set up to be read. */
  dacReading: boolean;
  /** Where the beam is, in units of 1/100000 dot. */
  beam: number;
}

function powerOn(): VgaState {
  return {
    crtcIndex: 0,
    crtc: bytesOf(MODE_3.crtc),
    sequencerIndex: 0,
    sequencer: bytesOf(MODE_3.sequencer),
    graphicsIndex: 0,
    graphics: bytesOf(MODE_3.graphics),
    attributeIndex: ATTRIBUTE_DISPLAY,
    attribute: bytesOf(MODE_3.attribute),
    attributeData: false,
    misc: MODE_3.misc,
    feature: 0,
    dac: defaultColours(),
    dacMask: 0xff,
    dacPlace: 0,
    dacReading: false,
    beam: 0,
  };
}

function bytesOf(digits: string): number[] {
  return digits.replaceAll(" ", "").match(/../g)!.map((pair) => parseInt(pair, 16));
}

/** 64 colours, two bits a component: the EGA's; the rest is black. */
function defaultColours(): number[] {
  const component = (index: number, bit: number): number =>
    (index >> bit & 1) * 0x2a + (index >> (bit + 3) & 1) * 0x15;
  return Array.from(
    { length: 256 },
    (_, i) => i < 64 ? [2, 1, 0].map((b) => component(i, b)) : [0, 0, 0],
  )
    .flat();
}

/** The four groups of indexed registers. */
type Group = "crtc" | "sequencer" | "graphics" | "attribute";

/** A VGA whose registers 0 to 1Fh are ports 3C0h to 3DFh; it shows `frame`, 32 KB at B8000h. */
export class Vga implements PortDevice, Device<VgaState> {
  readonly #frame: Uint8Array;
  readonly #diagnose: Diagnose;
  #s: VgaState = powerOn();

  /** `frame` is the memory that the guest sees at B8000h to BFFFFh; it is only read. */
  constructor(frame: Uint8Array, diagnose: Diagnose = () => {}) {
    this.#frame = frame;
    this.#diagnose = diagnose;
  }

  /** Columns of the programmed mode. */
  get columns(): number {
    return this.#s.crtc[CRTC_COLUMNS] + 1;
  }

  /** Whole rows of the programmed mode. */
  get rows(): number {
    const { crtc } = this.#s;
    const overflow = crtc[CRTC_OVERFLOW];
    const lines = (crtc[CRTC_DISPLAY_END] | (overflow & 0x02) << 7 | (overflow & 0x40) << 3) + 1;
    return Math.floor(lines / ((crtc[CRTC_MAX_SCAN] & 0x1f) + 1));
  }

  /** What the screen shows now. */
  screen(): Screen {
    const { attributeIndex, attribute, sequencer } = this.#s;
    return {
      rows: Array.from({ length: this.rows }, (_, row) => this.#row(row)),
      cursor: this.#cursor(),
      blink: (attribute[ATTRIBUTE_MODE] & MODE_BLINK) !== 0,
      on: (attributeIndex & ATTRIBUTE_DISPLAY) !== 0 &&
        (sequencer[SEQUENCER_CLOCKING] & CLOCKING_OFF) === 0,
      palette: Array.from({ length: 16 }, (_, i) => this.#colour(i)),
    };
  }

  /** The characters of the screen, one line a row, without trailing spaces. */
  text(): string {
    return textOf(this.screen());
  }

  read(register: number): number {
    return Vga.#readers[register]?.(this) ?? 0xff;
  }

  write(register: number, value: number): void {
    const writer = Vga.#writers[register];
    if (writer !== undefined) return writer(this, value & 0xff);
    this.#diagnose(
      "VGA-4",
      `${hex(value)} is written to port ${hex(0x3c0 + register)}: no register`,
    );
  }

  reset(): void {
    this.#s = powerOn();
  }

  advance(cycles: number): void {
    const units = (cycles % UNITS_PER_FRAME) * UNITS_PER_CYCLE; // as many cycles are whole frames
    this.#s.beam = (this.#s.beam + units) % UNITS_PER_FRAME;
  }

  cyclesToEvent(): number {
    return Infinity;
  }

  state(): VgaState {
    return copyState(this.#s);
  }

  restore(state: VgaState): void {
    this.#s = copyState(state);
  }

  static readonly #readers: Readonly<Record<number, (v: Vga) => number>> = {
    [ATTRIBUTE_INDEX]: (v) => v.#s.attributeIndex,
    [ATTRIBUTE_DATA]: (v) => v.#readIndexed("attribute", v.#s.attributeIndex & 0x1f),
    [MISC_WRITE]: () => 0, // input status 0: no interrupt, no sense
    [SEQUENCER]: (v) => v.#s.sequencerIndex,
    [SEQUENCER + 1]: (v) => v.#readIndexed("sequencer", v.#s.sequencerIndex),
    [DAC_MASK]: (v) => v.#s.dacMask,
    [DAC_READ_INDEX]: (v) => v.#s.dacReading ? 3 : 0,
    [DAC_WRITE_INDEX]: (v) => Math.floor(v.#s.dacPlace / 3),
    [DAC_DATA]: (v) => v.#s.dac[v.#nextDac()],
    [FEATURE_READ]: (v) => v.#s.feature,
    [MISC_READ]: (v) => v.#s.misc,
    [GRAPHICS]: (v) => v.#s.graphicsIndex,
    [GRAPHICS + 1]: (v) => v.#readIndexed("graphics", v.#s.graphicsIndex),
    [CRTC]: (v) => v.#s.crtcIndex,
    [CRTC + 1]: (v) => v.#readIndexed("crtc", v.#s.crtcIndex),
    [STATUS]: (v) => v.#readStatus(),
  };

  static readonly #writers: Readonly<Record<number, (v: Vga, value: number) => void>> = {
    [ATTRIBUTE_INDEX]: (v, value) => v.#writeAttribute(value),
    [MISC_WRITE]: (v, value) => void (v.#s.misc = value),
    [SEQUENCER]: (v, value) => void (v.#s.sequencerIndex = value),
    [SEQUENCER + 1]: (v, value) => v.#writeIndexed("sequencer", v.#s.sequencerIndex, value),
    [DAC_MASK]: (v, value) => void (v.#s.dacMask = value),
    [DAC_READ_INDEX]: (v, value) => v.#placeDac(value, true),
    [DAC_WRITE_INDEX]: (v, value) => v.#placeDac(value, false),
    [DAC_DATA]: (v, value) => void (v.#s.dac[v.#nextDac()] = value & 0x3f),
    [GRAPHICS]: (v, value) => void (v.#s.graphicsIndex = value),
    [GRAPHICS + 1]: (v, value) => v.#writeGraphics(value),
    [CRTC]: (v, value) => void (v.#s.crtcIndex = value),
    [CRTC + 1]: (v, value) => v.#writeCrtc(value),
    [STATUS]: (v, value) => void (v.#s.feature = value),
  };

  #readIndexed(group: Group, index: number): number {
    return this.#s[group][index] ?? 0;
  }

  #writeIndexed(group: Group, index: number, value: number): void {
    if (index < this.#s[group].length) {
      this.#s[group][index] = value;
      return;
    }
    this.#diagnose(
      "VGA-4",
      `${hex(value)} is written to ${group} register ${hex(index)}: reserved`,
    );
  }

  #writeAttribute(value: number): void {
    const s = this.#s;
    if (s.attributeData) this.#writeIndexed("attribute", s.attributeIndex & 0x1f, value);
    else s.attributeIndex = value & 0x3f;
    s.attributeData = !s.attributeData;
  }

  #writeGraphics(value: number): void {
    const { graphicsIndex } = this.#s;
    if (graphicsIndex === GRAPHICS_MISC && value & MISC_GRAPHICS) {
      this.#diagnose("VGA-16", "A graphics mode is selected: only text is modelled");
    }
    this.#writeIndexed("graphics", graphicsIndex, value);
  }

  #writeCrtc(value: number): void {
    const { crtc, crtcIndex } = this.#s;
    const kept = crtc[CRTC_PROTECT] & 0x80 && crtcIndex <= CRTC_OVERFLOW // VGA-5
      ? (crtcIndex === CRTC_OVERFLOW ? 0xff & ~OVERFLOW_LINE_COMPARE : 0xff)
      : 0;
    this.#writeIndexed("crtc", crtcIndex, crtc[crtcIndex] & kept | value & ~kept);
  }

  #placeDac(index: number, reading: boolean): void {
    this.#s.dacPlace = index * 3;
    this.#s.dacReading = reading;
  }

  #nextDac(): number {
    const place = this.#s.dacPlace;
    this.#s.dacPlace = (place + 1) % this.#s.dac.length;
    return place;
  }

  #readStatus(): number {
    this.#s.attributeData = false; // VGA-6
    const dot = Math.floor(this.#s.beam / UNITS_PER_DOT);
    const line = Math.floor(dot / DOTS_PER_LINE);
    const shown = line < DISPLAYED_LINES && dot % DOTS_PER_LINE < DISPLAYED_DOTS;
    const retrace = line >= RETRACE_FIRST_LINE && line < RETRACE_FIRST_LINE + RETRACE_LINES;
    return (shown ? 0 : STATUS_BLANK) | (retrace ? STATUS_RETRACE : 0);
  }

  /** A pair of CRTC registers: the high byte first. */
  #crtcWord(high: number): number {
    return this.#s.crtc[high] << 8 | this.#s.crtc[high + 1];
  }

  #row(row: number): Cell[] {
    const first = this.#crtcWord(CRTC_START_HIGH) + row * this.#s.crtc[CRTC_OFFSET] * 2;
    return Array.from({ length: this.columns }, (_, column) => {
      const place = (first + column) % CHARACTERS * 2;
      const code = this.#frame[place];
      return { code, character: GLYPHS[code], attribute: this.#frame[place + 1] };
    });
  }

  #cursor(): Cursor {
    const { crtc } = this.#s;
    const pitch = crtc[CRTC_OFFSET] * 2;
    const start = this.#crtcWord(CRTC_START_HIGH);
    const place = (this.#crtcWord(CRTC_CURSOR_HIGH) - start + CHARACTERS * 4) % CHARACTERS;
    const row = pitch === 0 ? 0 : Math.floor(place / pitch);
    const column = pitch === 0 ? place : place % pitch;
    const first = crtc[CRTC_CURSOR_START];
    const drawn = !(first & CURSOR_OFF) && (first & 0x1f) <= (crtc[CRTC_CURSOR_END] & 0x1f);
    return { row, column, visible: drawn && row < this.rows && column < this.columns };
  }

  /** Attribute → palette register → DAC, 6 bits to 8 a component. */
  #colour(attribute: number): number {
    const { dac, dacMask } = this.#s;
    const place = (this.#s.attribute[attribute] & 0x3f & dacMask) * 3;
    return dac.slice(place, place + 3).reduce((rgb, c) => rgb << 8 | c << 2 | c >> 4, 0);
  }
}

/** The characters of a screen, one line a row, without trailing spaces. */
export function textOf(screen: Screen): string {
  return screen.rows
    .map((row) => row.map((cell) => cell.character).join("").trimEnd())
    .join("\n");
}

/** The PC counts colours blue, green, red; terminals red, green, blue. */
const ANSI_COLOURS = [0, 4, 2, 6, 1, 5, 3, 7];

/**
 * Draws a screen for a terminal: a line a row, its 16 colours and blinking as ANSI sequences, each
 * row ending with the terminal's own colours. The cursor's cell is drawn in reverse.
 */
export function renderAnsi(screen: Screen): string {
  return screen.rows.map((row, y) => renderRow(screen, row, y)).join("");
}

function renderRow(screen: Screen, row: readonly Cell[], y: number): string {
  let style = "";
  const cells = row.map((cell, x) => {
    const atCursor = screen.cursor.visible && screen.cursor.row === y && screen.cursor.column === x;
    const wanted = styleOf(cell.attribute, screen.blink) + (atCursor ? ";7" : "");
    const change = wanted === style ? "" : `\x1b[${wanted}m`;
    style = wanted;
    return change + (screen.on ? cell.character : " ");
  });
  return `${cells.join("")}\x1b[0m\n`;
}

function styleOf(attribute: number, blink: boolean): string {
  const foreground = (attribute & 8 ? 90 : 30) + ANSI_COLOURS[attribute & 7];
  const bright = !blink && (attribute & 0x80) !== 0;
  const background = (bright ? 100 : 40) + ANSI_COLOURS[attribute >> 4 & 7];
  return `0;${foreground};${background}${blink && attribute & 0x80 ? ";5" : ""}`;
}

function hex(value: number): string {
  return "0x" + value.toString(16).padStart(2, "0");
}
