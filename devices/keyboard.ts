/**
 * PS/2 keyboard with the US layout. Spec: specs/devices/keyboard.md.
 * Not modelled: scan code set 3, key rollover limits, parity errors on the wire.
 */

import { copyState, type Device, type Diagnose } from "./device.ts";
import type { Ps2Device } from "./i8042.ts";

const ACK = 0xfa;
const RESEND = 0xfe;
const SELF_TEST_PASSED = 0xaa;
const ECHO = 0xee;

const SET_LEDS = 0xed;
const SELECT_SET = 0xf0;
const SET_RATE = 0xf3;

const BREAK_PREFIX = 0xf0; // set 2: before the code of a released key
const BREAK_BIT = 0x80; // set 1: in the code of a released key

const BUFFER_BYTES = 16; // for what is to be sent
const BYTE_CYCLES = 88_000; // 11 bits of 80 µs: KEYBOARD-3
const DEFAULT_RATE = 0x2b; // 500 ms, then 10.9 a second
const DELAY_STEP_CYCLES = 25_000_000; // 250 ms
const CYCLES_PER_SECOND = 100_000_000;

/** KEYBOARD-1. One key a field: W3C code, set 2, set 1; `e0` stands before extended codes. */
const KEYS = `
Escape 76 01,F1 05 3b,F2 06 3c,F3 04 3d,F4 0c 3e,F5 03 3f,F6 0b 40,F7 83 41,F8 0a 42,F9 01 43,
F10 09 44,F11 78 57,F12 07 58,PrintScreen e012e07c e02ae037,ScrollLock 7e 46,
Pause e11477e1f014f077 e11d45e19dc5,
Backquote 0e 29,Digit1 16 02,Digit2 1e 03,Digit3 26 04,Digit4 25 05,Digit5 2e 06,Digit6 36 07,
Digit7 3d 08,Digit8 3e 09,Digit9 46 0a,Digit0 45 0b,Minus 4e 0c,Equal 55 0d,Backspace 66 0e,
Tab 0d 0f,KeyQ 15 10,KeyW 1d 11,KeyE 24 12,KeyR 2d 13,KeyT 2c 14,KeyY 35 15,KeyU 3c 16,
KeyI 43 17,KeyO 44 18,KeyP 4d 19,BracketLeft 54 1a,BracketRight 5b 1b,Backslash 5d 2b,
CapsLock 58 3a,KeyA 1c 1e,KeyS 1b 1f,KeyD 23 20,KeyF 2b 21,KeyG 34 22,KeyH 33 23,KeyJ 3b 24,
KeyK 42 25,KeyL 4b 26,Semicolon 4c 27,Quote 52 28,Enter 5a 1c,
ShiftLeft 12 2a,IntlBackslash 61 56,KeyZ 1a 2c,KeyX 22 2d,KeyC 21 2e,KeyV 2a 2f,KeyB 32 30,
KeyN 31 31,KeyM 3a 32,Comma 41 33,Period 49 34,Slash 4a 35,ShiftRight 59 36,
ControlLeft 14 1d,MetaLeft e01f e05b,AltLeft 11 38,Space 29 39,AltRight e011 e038,
MetaRight e027 e05c,ContextMenu e02f e05d,ControlRight e014 e01d,
Insert e070 e052,Home e06c e047,PageUp e07d e049,Delete e071 e053,End e069 e04f,
PageDown e07a e051,ArrowUp e075 e048,ArrowLeft e06b e04b,ArrowDown e072 e050,ArrowRight e074 e04d,
NumLock 77 45,NumpadDivide e04a e035,NumpadMultiply 7c 37,NumpadSubtract 7b 4a,NumpadAdd 79 4e,
NumpadEnter e05a e01c,NumpadDecimal 71 53,Numpad0 70 52,Numpad1 69 4f,Numpad2 72 50,
Numpad3 7a 51,Numpad4 6b 4b,Numpad5 73 4c,Numpad6 74 4d,Numpad7 6c 47,Numpad8 75 48,Numpad9 7d 49`;

/** The US layout but its letters: code, character, character with shift. */
const LAYOUT = "Backquote`~ Digit11! Digit22@ Digit33# Digit44$ Digit55% Digit66^ Digit77& " +
  "Digit88* Digit99( Digit00) Minus-_ Equal=+ BracketLeft[{ BracketRight]} Backslash\\| " +
  "Semicolon;: Quote'\" Comma,< Period.> Slash/?";

/** Keys of the characters that print nothing. */
const CONTROLS: readonly (readonly [string, string])[] = [
  [" ", "Space"],
  ["\b", "Backspace"],
  ["\x7f", "Backspace"],
  ["\t", "Tab"],
  ["\n", "Enter"],
  ["\r", "Enter"],
  ["\x1b", "Escape"],
];

/** The codes of a key, by scan code set. */
interface Key {
  readonly make: readonly [readonly number[], readonly number[]];
  readonly break: readonly [readonly number[], readonly number[]];
}

/** The keys to hold and to press for one character. */
interface Stroke {
  readonly modifier?: string;
  readonly code: string;
}

const keys: ReadonlyMap<string, Key> = new Map(
  KEYS.trim().split(/,\s*/).map((field) => {
    const [code, set2, set1] = field.split(" ");
    const make = [bytesOf(set1), bytesOf(set2)] as const;
    return [code, { make, break: [breakOfSet1(make[0]), breakOfSet2(make[1])] as const }];
  }),
);

const strokes: ReadonlyMap<string, Stroke> = new Map<string, Stroke>([
  ...Array.from({ length: 26 }, (_, i) => controlStroke(i)),
  ...Array.from({ length: 26 }, (_, i) => letterStrokes(i)).flat(),
  ...LAYOUT.split(" ").flatMap(layoutStrokes),
  ...CONTROLS.map(([character, code]): [string, Stroke] => [character, { code }]),
]);

function bytesOf(digits: string): number[] {
  return digits.match(/../g)!.map((pair) => parseInt(pair, 16));
}

/** One group for each code, its prefix included. */
function groups(make: readonly number[]): number[][] {
  return make.reduce<number[][]>((result, byte) => {
    const last = result.at(-1);
    if (last?.length === 1 && last[0] === 0xe0) last.push(byte);
    else result.push([byte]);
    return result;
  }, []);
}

function breakOfSet2(make: readonly number[]): number[] {
  if (make[0] === 0xe1) return []; // KEYBOARD-2: Pause has no break code
  return groups(make).reverse().flatMap((g) => [...g.slice(0, -1), BREAK_PREFIX, g.at(-1)!]);
}

function breakOfSet1(make: readonly number[]): number[] {
  if (make[0] === 0xe1) return [];
  return groups(make).reverse().flatMap((g) => [...g.slice(0, -1), g.at(-1)! | BREAK_BIT]);
}

function letter(index: number): string {
  return String.fromCharCode(0x61 + index);
}

function controlStroke(index: number): [string, Stroke] {
  const code = `Key${letter(index).toUpperCase()}`;
  return [String.fromCharCode(1 + index), { modifier: "ControlLeft", code }];
}

function letterStrokes(index: number): [string, Stroke][] {
  const upper = letter(index).toUpperCase();
  const code = `Key${upper}`;
  return [[letter(index), { code }], [upper, { modifier: "ShiftLeft", code }]];
}

function layoutStrokes(field: string): [string, Stroke][] {
  const code = field.slice(0, -2);
  return [[field.at(-2)!, { code }], [field.at(-1)!, { modifier: "ShiftLeft", code }]];
}

/** Everything that a `Keyboard` remembers. */
export interface KeyboardState {
  /** What was done to the keys and is not yet scanned: `+` or `-` and the code. */
  keys: string[];
  /** Bytes for the controller. */
  output: number[];
  /** The last byte that was sent. */
  last: number;
  /** The command that waits for its parameter, or 0. */
  parameter: number;
  /** Keys are scanned. */
  scanning: boolean;
  /** Scan code set, 1 or 2. */
  set: number;
  /** Typematic delay and rate, as command F3h sets them. */
  rate: number;
  /** Scroll lock 1, num lock 2, caps lock 4. */
  leds: number;
  /** The controller holds the clock line. */
  inhibited: boolean;
  /** Ticks until the first byte of `output` has been sent; 0: none is on its way. */
  sendLeft: number;
  /** The key that repeats, or nothing. */
  held: string;
  /** Ticks until it does. */
  repeatLeft: number;
}

function powerOn(): KeyboardState {
  return {
    keys: [],
    output: [],
    last: 0,
    parameter: 0,
    scanning: true,
    set: 2,
    rate: DEFAULT_RATE,
    leds: 0,
    inhibited: false,
    sendLeft: 0,
    held: "",
    repeatLeft: 0,
  };
}

/** A keyboard, to be given to an `I8042`. Keys have their W3C codes: `KeyA`, `ArrowUp`. */
export class Keyboard implements Ps2Device, Device<KeyboardState> {
  readonly #diagnose: Diagnose;
  #send: (byte: number) => void = () => {};
  #s: KeyboardState = powerOn();

  /** `diagnose` hears of commands that the keyboard does not know. */
  constructor(diagnose: Diagnose = () => {}) {
    this.#diagnose = diagnose;
  }

  /** The indicators as the guest set them: scroll lock 1, num lock 2, caps lock 4. */
  get leds(): number {
    return this.#s.leds;
  }

  /** How much of what was done to the keys has not reached the controller: 0 when all has. */
  get pending(): number {
    return this.#s.keys.length + this.#s.output.length;
  }

  /** Presses a key; it repeats until another one is pressed or it is released. */
  press(code: string): void {
    this.#queue(`+${known(code)}`);
  }

  /** Releases a key. */
  release(code: string): void {
    this.#queue(`-${known(code)}`);
  }

  /** Types a text on the US layout: KEYBOARD-5. Throws a `RangeError` before typing anything. */
  type(text: string): void {
    const typed = [...text.replaceAll("\r\n", "\n")].map(strokeOf);
    for (const { modifier, code } of typed) {
      if (modifier !== undefined) this.press(modifier);
      this.press(code);
      this.release(code);
      if (modifier !== undefined) this.release(modifier);
    }
  }

  connect(send: (byte: number) => void): void {
    this.#send = send;
  }

  inhibit(level: boolean): void {
    this.#s.inhibited = level;
    if (level) this.#s.sendLeft = 0; // a byte on its way is sent again later
    this.#start();
  }

  receive(byte: number): void {
    const { parameter } = this.#s;
    this.#s.parameter = 0;
    if (parameter !== 0 && byte < 0x80) Keyboard.#parameters[parameter](this, byte);
    else this.#command(byte);
    this.#limitOutput();
    this.#start();
  }

  /** KEYBOARD-14: a guest that only sends commands does not fill the host's memory. */
  #limitOutput(): void {
    const { output } = this.#s;
    if (output.length <= BUFFER_BYTES) return;
    output.length = BUFFER_BYTES;
    this.#diagnose(
      "KEYBOARD-14",
      "An answer is lost: the keyboard's buffer is full of bytes that nobody takes",
    );
  }

  reset(): void {
    this.#s = powerOn();
  }

  advance(cycles: number): void {
    while (cycles > 0) {
      const step = Math.min(cycles, this.cyclesToEvent());
      this.#pass(step);
      cycles -= step;
    }
  }

  cyclesToEvent(): number {
    const { sendLeft, held, repeatLeft } = this.#s;
    return Math.min(sendLeft || Infinity, held === "" ? Infinity : repeatLeft);
  }

  state(): KeyboardState {
    return copyState(this.#s);
  }

  restore(state: KeyboardState): void {
    this.#s = copyState(state);
  }

  static readonly #commands: Readonly<Record<number, (k: Keyboard, byte: number) => void>> = {
    [SET_LEDS]: (k, byte) => k.#expect(byte),
    [ECHO]: (k) => k.#s.output.push(ECHO),
    [SELECT_SET]: (k, byte) => k.#expect(byte),
    0xf2: (k) => k.#s.output.push(ACK, 0xab, 0x83), // identify
    [SET_RATE]: (k, byte) => k.#expect(byte),
    0xf4: (k) => k.#enable(), // enable scanning
    0xf5: (k) => k.#default(false), // disable scanning
    0xf6: (k) => k.#default(k.#s.scanning), // set defaults
    [RESEND]: (k) => k.#s.output.unshift(k.#s.last),
    0xff: (k) => k.#restart(), // reset
  };

  static readonly #parameters: Readonly<Record<number, (k: Keyboard, byte: number) => void>> = {
    [SET_LEDS]: (k, byte) => k.#accept({ leds: byte & 7 }),
    [SET_RATE]: (k, byte) => k.#accept({ rate: byte & 0x7f }),
    [SELECT_SET]: (k, byte) => k.#selectSet(byte),
  };

  #command(byte: number): void {
    const command = Keyboard.#commands[byte];
    if (command !== undefined) return command(this, byte);
    this.#diagnose("KEYBOARD-12", `Command 0x${byte.toString(16)} is unknown to the keyboard`);
    this.#s.output.push(RESEND);
  }

  #expect(command: number): void {
    this.#accept({ parameter: command });
  }

  #accept(change: Partial<KeyboardState>): void {
    Object.assign(this.#s, change);
    this.#s.output.push(ACK);
  }

  #enable(): void {
    this.#s.output = [ACK];
    this.#s.scanning = true;
  }

  #default(scanning: boolean): void {
    const { keys, last, inhibited, sendLeft } = this.#s;
    this.#s = { ...powerOn(), keys, last, inhibited, sendLeft, scanning, output: [ACK] };
  }

  #restart(): void {
    this.#default(true);
    this.#s.output.push(SELF_TEST_PASSED);
  }

  #selectSet(set: number): void {
    if (set === 0) this.#s.output.push(ACK, this.#s.set);
    else if (set <= 2) this.#accept({ set });
    else {
      this.#diagnose("KEYBOARD-12", `Scan code set ${set} is not modelled`);
      this.#s.output.push(RESEND);
    }
  }

  #queue(action: string): void {
    this.#s.keys.push(action);
    this.#start();
  }

  /** Scans the next key if nothing else is to be sent, and starts to send. */
  #start(): void {
    const s = this.#s;
    if (s.output.length === 0 && s.scanning && s.parameter === 0) this.#scan();
    if (s.output.length > 0 && !s.inhibited && s.sendLeft === 0) s.sendLeft = BYTE_CYCLES;
  }

  #scan(): void {
    const s = this.#s;
    const action = s.keys.shift();
    if (action === undefined) return;
    const code = action.slice(1);
    const key = keys.get(code)!;
    const pressed = action[0] === "+";
    s.output.push(...(pressed ? key.make : key.break)[s.set - 1]);
    if (pressed && key.break[0].length > 0) this.#hold(code);
    else if (code === s.held) s.held = "";
    if (s.output.length === 0) this.#scan(); // the release of Pause
  }

  #hold(code: string): void {
    this.#s.held = code;
    this.#s.repeatLeft = (1 + (this.#s.rate >> 5)) * DELAY_STEP_CYCLES;
  }

  /** Lets time pass, at most to the next event. */
  #pass(cycles: number): void {
    const s = this.#s;
    const sent = s.sendLeft > 0 && (s.sendLeft -= cycles) === 0;
    const repeats = s.held !== "" && (s.repeatLeft -= cycles) === 0;
    if (sent) this.#sent();
    if (repeats) this.#repeat();
  }

  #sent(): void {
    this.#s.last = this.#s.output.shift()!;
    this.#send(this.#s.last); // the controller may hold the clock now
    this.#start();
  }

  #repeat(): void {
    const s = this.#s;
    const { rate } = s;
    const periods = (8 + (rate & 7)) << (rate >> 3 & 3); // of 1/240 s: KEYBOARD-7
    s.repeatLeft = Math.floor(periods * CYCLES_PER_SECOND / 240);
    if (s.output.length > 0) return;
    s.output.push(...keys.get(s.held)!.make[s.set - 1]);
    this.#start();
  }
}

function known(code: string): string {
  if (keys.has(code)) return code;
  throw new RangeError(`Cannot press "${code}": not a key of the keyboard, such as KeyA or Enter`);
}

function strokeOf(character: string): Stroke {
  const stroke = strokes.get(character);
  if (stroke !== undefined) return stroke;
  throw new RangeError(`Cannot type ${JSON.stringify(character)}: not on the US layout`);
}
