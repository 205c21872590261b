/**
 * What a kernel's drivers make of keyboard and timer: scancodes, virtual time.
 * Spec: specs/kernel/keyboard.md, specs/kernel/timer.md.
 */
import { type Check, expect, expectSame } from "../check.ts";
import { park, pass, runCode, setMasks, words } from "../probe.ts";
import type { Subject } from "../subject.ts";

const QUEUE = 256; // characters of the keyboard's queue
const TICKS_PER_SECOND = 100_000_000, PIT_HZ = 1_193_182;
const LETTERS = "abcdefghijklmnopqrstuvwxyz";

// ---- keyboard

const input = ["keyboard_has_input", "keyboard_get_char"] as const;

/** The characters that wait, oldest first. */
function taken(subject: Subject): string {
  let text = "";
  while (text.length < 2 * QUEUE) {
    const waits = subject.call("keyboard_has_input");
    if (waits === 0) break;
    const c = subject.call("keyboard_get_char") & 0xff;
    if (c === 0 && (waits & 0xff) === 0) break; // a result of one byte leaves the others undefined
    text += String.fromCharCode(c);
  }
  return text;
}

/** Expects what `keyboard_has_input` says. */
function expectWaits(subject: Subject, expected: number): void {
  const answer = subject.call("keyboard_has_input") & 0xff;
  expectSame(subject, "keyboard_has_input()", answer, expected);
}

/** The characters that the kernel makes of what is done to the keys. */
function typed(subject: Subject, keys: () => void): string {
  const { keyboard, i8042 } = subject.machine.pc;
  park(subject);
  keys();
  for (let n = 0; n < 1000 && (keyboard.pending > 0 || i8042.state().full); n++) pass(subject, 5);
  return taken(subject);
}

/** Expects these characters from the keys of a text of the US layout. */
function expectEcho(subject: Subject, text: string): void {
  subject.note(`type(${JSON.stringify(text)})`);
  const seen = typed(subject, () => subject.machine.pc.keyboard.type(text));
  expectSame(subject, "characters", seen, text);
}

/** The characters of key strokes: `+CODE`, `-CODE`, or `CODE` for both. */
function struck(subject: Subject, strokes: string): string {
  const { keyboard } = subject.machine.pc;
  subject.note(`keys ${strokes}`);
  return typed(subject, () => {
    for (const stroke of strokes.split(" ")) {
      const code = stroke.replace(/^[+-]/, "");
      if (!stroke.startsWith("-")) keyboard.press(code);
      if (!stroke.startsWith("+")) keyboard.release(code);
    }
  });
}

/** Expects these characters from key strokes. */
function expectKeys(subject: Subject, strokes: string, expected: string): void {
  expectSame(subject, "characters", struck(subject, strokes), expected);
}

const keyboard: readonly Check[] = [
  {
    title: "keyboard_init turns keyboard, interrupt and translation on, and drops old bytes",
    clauses: ["KERNEL-KEYBOARD-1"],
    needs: ["keyboard_init", ...input],
    run(subject) {
      const { i8042, keyboard: keys, bus, master } = subject.machine.pc;
      setMasks(subject, 0xffff);
      park(subject);
      keys.press("KeyO"); // one byte, and no more for half a second
      pass(subject, 20);
      bus.write(0x64, 1, 0x60); // configuration: neither interrupt nor translation
      bus.write(0x60, 1, 0x10);
      subject.note("the keyboard is off, an old byte waits");
      subject.call("keyboard_init");
      const [configuration] = i8042.state().ram;
      expectSame(subject, "interrupt, disable, translation bits", configuration & 0x51, 0x41);
      expectSame(subject, "the mask of IRQ 1", master.state().imr & 2, 0);
      pass(subject, 50);
      expectSame(subject, "a byte nobody read:", i8042.state().full, false);
      expectSame(subject, "characters of old bytes", taken(subject), "");
      keys.release("KeyO");
      expectEcho(subject, "new");
    },
  },
  {
    title: "Keys give the characters of the US layout",
    clauses: ["KERNEL-KEYBOARD-2"],
    needs: input,
    run: (subject) => expectEcho(subject, LETTERS + "0123456789 `-=[]\\;',./\n\t\b\x1b"),
  },
  {
    title: "Releases and keys without a character give none",
    clauses: ["KERNEL-KEYBOARD-2"],
    needs: input,
    run(subject) {
      expectKeys(subject, "ControlLeft AltLeft F1 F12 NumLock ScrollLock ShiftLeft ShiftRight", "");
      expectKeys(subject, "+KeyA +KeyB -KeyA -KeyB", "ab");
    },
  },
  {
    title: "Either shift key gives the shifted characters",
    clauses: ["KERNEL-KEYBOARD-3"],
    needs: input,
    run(subject) {
      expectEcho(subject, LETTERS.toUpperCase() + ')!@#$%^&*(~_+{}|:"<>?');
      const both = "+ShiftRight +ShiftLeft KeyA -ShiftLeft KeyB -ShiftRight KeyC";
      expectKeys(subject, both, "ABc");
      expectKeys(subject, "+ShiftRight Digit1 -ShiftRight Digit1", "!1");
    },
  },
  {
    title: "Caps lock reverses shift for letters only",
    clauses: ["KERNEL-KEYBOARD-4"],
    needs: input,
    run(subject) {
      const strokes = "CapsLock KeyA Digit1 +ShiftLeft KeyA Digit1 -ShiftLeft CapsLock KeyA";
      expectKeys(subject, strokes, "A1a!a");
      const letters = [...LETTERS].map((c) => `Key${c.toUpperCase()}`).join(" ");
      const shifted = struck(subject, `+ShiftLeft ${letters} -ShiftLeft`);
      expectKeys(subject, `CapsLock ${letters} CapsLock`, shifted);
      const others = "Backquote Minus Equal BracketLeft BracketRight Semicolon Quote Comma Slash";
      expectKeys(subject, `CapsLock ${others} CapsLock`, struck(subject, others));
    },
  },
  {
    title: "The queue holds 256 characters, oldest first, and loses later ones",
    clauses: ["KERNEL-KEYBOARD-5"],
    needs: input,
    run(subject) {
      const { keyboard: keys } = subject.machine.pc, length = QUEUE + 44;
      const letters = typed(subject, () => keys.type(LETTERS)); // right or not is another clause
      subject.note(`type(${length} letters)`);
      const text = Array.from({ length }, (_, n) => LETTERS[n % 26]).join("");
      const seen = typed(subject, () => keys.type(text));
      expectSame(subject, "characters in the queue", seen.length, QUEUE);
      expectSame(subject, "characters", seen, letters.repeat(10).slice(0, QUEUE));
      expectEcho(subject, "again");
    },
  },
  {
    title: "keyboard_get_char is 0 without input and never waits",
    clauses: ["KERNEL-KEYBOARD-6"],
    needs: input,
    run(subject) {
      const ask = (): void => {
        expectWaits(subject, 0);
        const { ticks } = subject.machine;
        expectSame(subject, "keyboard_get_char()", subject.call("keyboard_get_char") & 0xff, 0);
        const quick = subject.machine.ticks - ticks < 100_000;
        expect(subject, quick, "an answer at once", "a wait of more than a millisecond");
      };
      ask();
      park(subject);
      subject.machine.type("xy");
      pass(subject, 50);
      for (let n = 0; n < 2; n++) {
        expectWaits(subject, 1);
        subject.call("keyboard_get_char");
      }
      ask();
    },
  },
  {
    title: "Extended keys give nothing but the keypad's Enter and /, and do not shift",
    clauses: ["KERNEL-KEYBOARD-7"],
    needs: input,
    run(subject) {
      expectKeys(subject, "ArrowUp Insert Delete Pause MetaLeft ControlRight", "");
      expectKeys(subject, "+PrintScreen KeyA -PrintScreen KeyB", "ab"); // E0 2A E0 37: no shift
      expectKeys(subject, "NumpadEnter NumpadDivide KeyC", "\n/c");
    },
  },
];

// ---- timer

/** Time between two interrupts of the timer as it is programmed. */
function period({ machine }: Subject): number {
  return machine.pc.pit.state().channels[0].reload / PIT_HZ * TICKS_PER_SECOND;
}

const timer: readonly Check[] = [
  {
    title: "Timer ticks follow virtual time at the programmed rate",
    clauses: ["TIMER-2", "TIMER-3"],
    needs: ["timer_get_ticks"],
    run(subject) {
      const { machine } = subject;
      park(subject);
      const ask = (): [number, number] => [subject.call("timer_get_ticks"), machine.ticks];
      const [ticks, start] = ask();
      pass(subject, 10_000);
      const [later, end] = ask();
      const counted = (later - ticks) >>> 0;
      const expected = (end - start) / period(subject);
      const close = Math.abs(counted - expected) <= 1 + expected * 0.001;
      const time = `${((end - start) / TICKS_PER_SECOND).toFixed(3)} s`;
      expect(subject, close, `${Math.round(expected)} ticks in ${time}`, `${counted} ticks`);
    },
  },
  {
    title: "timer_init starts to count from 0",
    clauses: ["TIMER-3"],
    needs: ["timer_init", "timer_get_ticks"],
    run(subject) {
      park(subject);
      pass(subject, 200);
      subject.call("timer_init");
      const first = subject.call("timer_get_ticks"); // the new mode's first edge may count
      expect(subject, first <= 1, "timer_get_ticks() to be 0", `${first}`);
      pass(subject, 105);
      const ticks = subject.call("timer_get_ticks");
      const expected = Math.round(10_500_000 / period(subject));
      const right = Math.abs(ticks - expected) <= 1;
      expect(subject, right, `${expected} ticks after 0.1 s`, `${ticks}`);
    },
  },
  {
    title: "timer_init programs channel 0 anew and unmasks IRQ 0",
    clauses: ["TIMER-1", "TIMER-2"],
    needs: ["timer_init"],
    run(subject) {
      const { bus, pit, master } = subject.machine.pc;
      for (const [port, value] of [[0x43, 0x30], [0x40, 0], [0x40, 0]]) bus.write(port, 1, value);
      setMasks(subject, 0xffff);
      subject.call("timer_init");
      const { reload, written, control } = pit.state().channels[0];
      const divisor = written || reload;
      expectSame(subject, "the mode bits 5 to 1", control & 0x36, 0x36, ["TIMER-1"]);
      const close = Math.abs(divisor - 11_931.82) < 12;
      expect(subject, close, "a divisor of about 11932", `${divisor}`, ["TIMER-1"]);
      expectSame(subject, "the mask of IRQ 0", master.state().imr & 1, 0, ["TIMER-2"]);
    },
  },
  {
    title: "timer_wait returns after the given number of ticks",
    clauses: ["TIMER-4"],
    needs: ["timer_wait"],
    run(subject) {
      for (const count of [1, 2, 7]) {
        const { ticks } = subject.machine;
        subject.call("timer_wait", count);
        const waited = (subject.machine.ticks - ticks) / period(subject);
        const right = waited > count - 1.01 && waited < count + 0.5;
        expect(subject, right, `a wait of ${count} ticks`, waited.toFixed(2));
      }
      const { ticks } = subject.machine;
      subject.call("timer_wait", 0);
      const quick = subject.machine.ticks - ticks < 100_000;
      expect(subject, quick, "timer_wait(0) to return at once", "a wait");
    },
  },
  {
    title: "timer_wait halts while it waits",
    clauses: ["TIMER-5"],
    needs: ["timer_wait"],
    run(subject) {
      const { instructions } = subject.machine;
      subject.call("timer_wait", 5);
      const spent = subject.machine.instructions - instructions;
      expect(subject, spent < 50_000, "a halted processor", `${spent} instructions in 5 ticks`);
    },
  },
  {
    title: "timer_wait leaves the interrupt flag as it was",
    clauses: ["TIMER-5"],
    needs: ["timer_wait"],
    run(subject) {
      for (const [name, set, expected] of [["cli", 0xfa, 0], ["sti", 0xfb, 0x200]] as const) {
        // push 1; mov eax, timer_wait; call eax; pop ecx; pushf; pop eax; sti; ret
        const call = [0x6a, 1, 0xb8, ...words(subject.address("timer_wait")), 0xff, 0xd0];
        const code = [set, ...call, 0x59, 0x9c, 0x58, 0xfb, 0xc3];
        const flags = runCode(subject, `${name}; timer_wait(1)`, code);
        expectSame(subject, "EFLAGS.IF", flags & 0x200, expected);
      }
    },
  },
];

/** All checks of keyboard and timer. */
export const checks: readonly Check[] = [...keyboard, ...timer];
