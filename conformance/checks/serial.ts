/** What a kernel's serial driver makes of its chips. Spec: specs/kernel/serial.md. */
import type { Machine } from "../../machine/machine.ts";
import { type Check, expect, expectSame, Skip } from "../check.ts";
import { park, pass, portWrites } from "../probe.ts";
import type { Subject } from "../subject.ts";

type Uart = Machine["pc"]["uart1"];

const COM1 = 0x3f8, COM2 = 0x2f8, NOBODY = 0x3000;
const DATA = 0, LCR = 3, MCR = 4, LSR = 5; // registers
const DLAB = 0x80, LOOP = 0x10, DATA_READY = 0x01, TRANSMITTER_EMPTY = 0x60;
const FAILED = 0xffffffff; // -1
const TEST_BYTE = 0xae;
const TICKS_PER_CHARACTER = 100_000_000 * 10 / 115_200; // of divisor 1
const ENDLESS = 5_000_000; // instructions after which one byte counts as never given up

/** Replaces what reads of a chip's registers give; undefined takes it back. */
function fake(uart: Uart, read: ((register: number, value: number) => number) | undefined): void {
  const chip = uart as unknown as Record<"read", unknown>;
  delete chip.read;
  if (read === undefined) return;
  const real = uart.read.bind(uart);
  chip.read = (register: number): number => read(register, real(register));
}

/** Does something to a chip whose reads are changed. */
function withFake<T>(
  uart: Uart,
  read: (register: number, value: number) => number,
  action: () => T,
): T {
  fake(uart, read);
  try {
    return action();
  } finally {
    fake(uart, undefined);
  }
}

/** All bytes that wait at a port, by the kernel's functions. */
function received(subject: Subject, port: number, most = 2000): string {
  let text = "";
  while (text.length < most && (subject.call("serial_received", port) & 0xff) === 1) {
    text += String.fromCharCode(subject.call("serial_getchar", port) & 0xff);
  }
  return text;
}

/** A transmitter that is busy for as long as a character takes at the programmed rate. */
class SlowLine {
  /** What was written while it was ready. */
  sent = "";
  /** What was written while it was busy: a real chip loses it or an earlier byte. */
  lost = "";
  readonly #subject: Subject;
  #busyUntil = 0;

  constructor(subject: Subject) {
    this.#subject = subject;
  }

  get #busy(): boolean {
    return this.#subject.machine.ticks < this.#busyUntil;
  }

  /** Does something while COM2 is such a line. */
  during(action: () => void): void {
    const { uart2 } = this.#subject.machine.pc, real = uart2.write.bind(uart2);
    const chip = uart2 as unknown as Record<"write", unknown>;
    chip.write = (register: number, value: number) => {
      if (register === DATA && !(uart2.state().lcr & DLAB)) this.#send(value);
      else real(register, value);
    };
    try {
      withFake(uart2, (register, value) => this.#read(register, value), action);
    } finally {
      delete chip.write;
    }
  }

  #read(register: number, value: number): number {
    return register === LSR && this.#busy ? value & ~TRANSMITTER_EMPTY : value;
  }

  #send(value: number): void {
    if (this.#busy) this.lost += String.fromCharCode(value);
    else this.sent += String.fromCharCode(value);
    const { pc, ticks } = this.#subject.machine, { divisor } = pc.uart2.state();
    this.#busyUntil = ticks + divisor * TICKS_PER_CHARACTER;
  }
}

/** Sets COM2's divisor from outside. */
function setDivisor({ machine }: Subject, divisor: number): void {
  const { bus } = machine.pc, lcr = bus.read(COM2 + LCR, 1);
  bus.write(COM2 + LCR, 1, lcr | DLAB);
  bus.write(COM2, 1, divisor & 0xff);
  bus.write(COM2 + 1, 1, divisor >> 8);
  bus.write(COM2 + LCR, 1, lcr & ~DLAB);
}

function nothingReceived(register: number, value: number): number {
  if (register === DATA) return 0;
  return register === LSR ? value & ~DATA_READY : value;
}

/** What a chip gives that does not return what it is sent, and works otherwise. */
function wrongByte(register: number, value: number): number {
  return register === DATA ? value ^ 1 : value;
}

/** Chips that must fail the test. */
const ways: readonly (readonly [string, (register: number, value: number) => number])[] = [
  ["a wrong byte comes back", wrongByte],
  ["no byte comes back", nothingReceived],
  ["every register reads as ones", () => 0xff],
];

const setup: readonly Check[] = [
  {
    title: "serial_init sets 9600 baud, 8 data bits, no parity, one stop bit",
    clauses: ["KERNEL-SERIAL-1"],
    needs: ["serial_init"],
    run(subject) {
      subject.call("serial_init", COM2);
      const { divisor, lcr } = subject.machine.pc.uart2.state();
      expectSame(subject, "the divisor", divisor, 12);
      expectSame(subject, "line control", lcr, 0x03);
    },
  },
  {
    title: "serial_init enables the FIFOs with a 14-byte trigger, and sets DTR, RTS and OUT2",
    clauses: ["KERNEL-SERIAL-2"],
    needs: ["serial_init"],
    run(subject) {
      subject.call("serial_init", COM2);
      const { fcr, mcr } = subject.machine.pc.uart2.state();
      expectSame(subject, "FIFO control", fcr & 0xc1, 0xc1);
      expectSame(subject, "modem control", mcr & 0x1b, 0x0b);
    },
  },
  {
    title: "serial_init sends AEh in loopback and returns 0",
    clauses: ["KERNEL-SERIAL-3"],
    needs: ["serial_init"],
    run(subject) {
      let result = FAILED;
      const writes = portWrites(subject, () => result = subject.call("serial_init", COM2));
      let loop = false;
      const tests = writes.filter(([port, value]) => {
        if (port === COM2 + MCR) loop = (value & LOOP) !== 0;
        return loop && port === COM2 && value === TEST_BYTE;
      });
      expectSame(subject, "serial_init(0x2f8)", result, 0);
      expectSame(subject, "AEh sent in loopback:", tests.length > 0, true);
      expectSame(subject, "what left the chip", subject.machine.serial2.text, "");
    },
  },
  {
    title: "serial_init returns -1 when the test byte does not come back",
    clauses: ["KERNEL-SERIAL-3"],
    needs: ["serial_init"],
    run(subject) {
      subject.callBudget = ENDLESS;
      for (const [fault, read] of ways) {
        subject.note(`COM2 is broken: ${fault}`);
        const init = (): number => subject.call("serial_init", COM2);
        const result = withFake(subject.machine.pc.uart2, read, init);
        expectSame(subject, "serial_init(0x2f8)", result | 0, -1);
      }
      expectSame(subject, "serial_init(0x3000)", subject.call("serial_init", NOBODY) | 0, -1);
      expectSame(subject, "serial_init(0x2f8)", subject.call("serial_init", COM2), 0);
    },
  },
];

const output: readonly Check[] = [
  {
    title: "Bytes and strings are sent unchanged",
    clauses: ["KERNEL-SERIAL-4"],
    needs: ["serial_init", "serial_putchar", "serial_write_string"],
    run(subject) {
      const line = subject.machine.serial2;
      subject.call("serial_init", COM2);
      for (let c = 0; c < 256; c++) subject.call("serial_putchar", COM2, c);
      const all = Array.from({ length: 256 }, (_, c) => c).join(" ");
      expectSame(subject, "bytes sent", [...line.bytes].join(" "), all);
      const before = line.text.length, text = "a line\twith\r\n\x01 and \x7f\n";
      subject.call("serial_write_string", COM2, text);
      expectSame(subject, "the string sent", line.text.slice(before), text);
    },
  },
  {
    title: "No byte is lost at any rate from 115200 down to 9600 baud",
    clauses: ["KERNEL-SERIAL-4"],
    needs: ["serial_init", "serial_putchar"],
    run(subject) {
      for (const divisor of [1, 2, 3, 6, 12]) {
        const line = new SlowLine(subject);
        subject.call("serial_init", COM2);
        subject.note(`COM2's divisor is ${divisor}`);
        setDivisor(subject, divisor);
        line.during(() => {
          for (const c of "abc") subject.call("serial_putchar", COM2, c.charCodeAt(0));
        });
        expectSame(subject, "bytes sent while the transmitter was busy", line.lost, "");
        expectSame(subject, "bytes sent", line.sent, "abc");
      }
    },
  },
  {
    title: "A transmitter that stays busy is given up: the byte is lost, the kernel goes on",
    clauses: ["KERNEL-SERIAL-6"],
    needs: ["serial_init", "serial_putchar"],
    run(subject) {
      subject.call("serial_init", COM2);
      subject.callBudget = ENDLESS;
      subject.note("COM2's transmitter is busy for ever");
      const { uart2 } = subject.machine.pc;
      const busy = (register: number, value: number): number =>
        register === LSR ? value & ~TRANSMITTER_EMPTY : value;
      withFake(uart2, busy, () => subject.call("serial_putchar", COM2, 0x41));
      expectSame(subject, "bytes sent", subject.machine.serial2.text, "");
      subject.note("it is ready again");
      subject.call("serial_putchar", COM2, 0x42);
      expectSame(subject, "bytes sent", subject.machine.serial2.text, "B");
    },
  },
  {
    title: "serial_is_transmit_empty and serial_received are 1 or 0",
    clauses: ["KERNEL-SERIAL-5"],
    needs: ["serial_init", "serial_is_transmit_empty", "serial_received"],
    run(subject) {
      const { uart2 } = subject.machine.pc;
      subject.call("serial_init", COM2);
      const empty = (): number => subject.call("serial_is_transmit_empty", COM2) & 0xff;
      const waits = (): number => subject.call("serial_received", COM2) & 0xff;
      expectSame(subject, "serial_is_transmit_empty(0x2f8)", empty(), 1);
      expectSame(subject, "serial_received(0x2f8)", waits(), 0);
      const busy = withFake(uart2, (register, value) => register === LSR ? 0 : value, empty);
      expectSame(subject, "while it is busy, serial_is_transmit_empty(0x2f8)", busy, 0);
      subject.machine.serial2.send("x");
      expectSame(subject, "with a byte, serial_received(0x2f8)", waits(), 1);
    },
  },
  {
    title: "debug_putchar and debug_write_string send to COM1",
    clauses: ["KERNEL-SERIAL-10"],
    needs: ["debug_putchar", "debug_write_string"],
    run(subject) {
      subject.call("debug_putchar", 0x41);
      subject.call("debug_write_string", "BC\n");
      expectSame(subject, "COM1", subject.said, "ABC\n");
    },
  },
  {
    title: "When COM1 failed its test nothing is sent to it and nothing received from it",
    clauses: ["KERNEL-SERIAL-10"],
    needs: ["debug_putchar", "debug_write_string", "serial_received"],
    run(subject) {
      const mute = subject.variant({ ramBytes: 0x1000000 }, ({ pc }) => fake(pc.uart1, wrongByte));
      fake(mute.machine.pc.uart1, undefined);
      if (mute.booted.kind !== "idle") throw new Skip("the kernel does not come up without COM1");
      const { machine } = mute;
      mute.fresh();
      mute.call("debug_putchar", 0x41);
      mute.call("debug_write_string", "BC\n");
      expectSame(mute, "COM1", mute.said, "");
      machine.serial.send("x");
      expectSame(mute, "serial_received(0x3f8)", mute.call("serial_received", COM1) & 0xff, 0);
    },
  },
];

const input: readonly Check[] = [
  {
    title: "serial_getchar takes the oldest byte, is 0 without one, and never waits",
    clauses: ["KERNEL-SERIAL-7"],
    needs: ["serial_init", "serial_getchar", "serial_received"],
    run(subject) {
      subject.call("serial_init", COM2);
      subject.machine.serial2.send("abc");
      subject.note("COM2 receives abc");
      expectSame(subject, "bytes", received(subject, COM2), "abc");
      for (const port of [COM2, COM1]) {
        const { ticks } = subject.machine;
        expectSame(subject, "serial_getchar()", subject.call("serial_getchar", port) & 0xff, 0);
        const quick = subject.machine.ticks - ticks < 100_000;
        expect(subject, quick, "an answer at once", "a wait of more than a millisecond");
      }
    },
  },
  {
    title: "COM1 interrupts for input, and the bytes are queued in order",
    clauses: ["KERNEL-SERIAL-8"],
    needs: ["serial_getchar", "serial_received"],
    run(subject) {
      const text = "abcdefghijklmnopqrstuvwxyz\x80\xff", { machine } = subject;
      park(subject);
      machine.serial.send(Uint8Array.from(text, (c) => c.charCodeAt(0)));
      subject.note(`COM1 receives ${text.length} bytes`);
      pass(subject, 50);
      const left = machine.serial.pending + machine.pc.uart1.state().received.length;
      expectSame(subject, "bytes that nobody took from the chip", left, 0);
      expectSame(subject, "bytes", received(subject, COM1), text);
    },
  },
  {
    title: "No byte is lost while the 256-byte queue is full",
    clauses: ["KERNEL-SERIAL-9"],
    needs: ["serial_getchar", "serial_received"],
    run(subject) {
      const { machine } = subject;
      const text = Array.from({ length: 600 }, (_, n) => String.fromCharCode(33 + n % 90)).join("");
      park(subject);
      machine.serial.send(text);
      subject.note(`COM1 receives ${text.length} bytes`);
      pass(subject, 200);
      const held = text.length - machine.serial.pending - machine.pc.uart1.state().received.length;
      expectSame(subject, "bytes queued", held, 256);
      expectSame(subject, "bytes", received(subject, COM1), text);
      machine.serial.send("again");
      pass(subject, 50);
      expectSame(subject, "later bytes", received(subject, COM1), "again");
    },
  },
];

/** All checks of serial lines. */
export const checks: readonly Check[] = [...setup, ...output, ...input];
