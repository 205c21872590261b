import { assertEquals } from "@std/assert";
import { Uart, type UartOptions } from "../../devices/uart.ts";
import { replayGolden } from "./traces.ts";

const DATA = 0;
const IER = 1;
const IIR = 2;
const FCR = 2;
const LCR = 3;
const MCR = 4;
const LSR = 5;
const MSR = 6;
const SCR = 7;

const CHARACTER_CYCLES = 104_167; // 10 bits at 9600 baud, rounded up

/** A port whose outputs are logged. */
function port(options: UartOptions = {}) {
  const levels: boolean[] = [];
  const sent: number[] = [];
  const clauses: string[] = [];
  const uart = new Uart(
    (level) => levels.push(level),
    (byte) => sent.push(byte),
    options,
    (clause) => clauses.push(clause),
  );
  return { uart, levels, sent, clauses };
}

function fifoPort(fcr = 0x01, options: UartOptions = {}) {
  const bench = port(options);
  bench.uart.write(FCR, fcr);
  bench.uart.write(LCR, 0x03);
  return bench;
}

function drain(uart: Uart): number[] {
  const bytes: number[] = [];
  while (uart.read(LSR) & 0x01) bytes.push(uart.read(DATA));
  return bytes;
}

Deno.test("Uart keeps what is written to LCR, MCR, IER and SCR [UART-1]", () => {
  const { uart } = port();
  const values = [[LCR, 0x1f], [MCR, 0x0b], [IER, 0x0f], [SCR, 0xa5]];
  for (const [register, value] of values) {
    uart.write(register, value);
    assertEquals(uart.read(register), value);
  }
});

Deno.test("Uart starts at 9600 baud with everything else off [UART-2]", () => {
  const { uart } = port();
  assertEquals([IER, IIR, LCR, MCR, LSR, MSR, SCR].map((r) => uart.read(r)), [
    0,
    0x01,
    0,
    0,
    0x60,
    0xb0,
    0,
  ]);
  uart.write(LCR, 0x83);
  assertEquals([uart.read(0), uart.read(1)], [12, 0]);
});

Deno.test("Uart.reset brings back the power-on state and lowers the line [UART-2]", () => {
  const { uart, levels } = port();
  uart.write(MCR, 0x08);
  uart.write(IER, 0x01);
  uart.receive(0x41);
  uart.reset();
  assertEquals(levels, [true, false]);
  assertEquals(uart.state(), new Uart(() => {}).state());
});

Deno.test("Uart shows the divisor in registers 0 and 1 while DLAB is set [UART-3]", () => {
  const { uart, sent } = port();
  uart.write(LCR, 0x83);
  uart.write(0, 0x34);
  uart.write(1, 0x12);
  assertEquals([uart.read(0), uart.read(1)], [0x34, 0x12]);
  uart.write(LCR, 0x03);
  assertEquals([uart.read(IER), sent], [0, []]);
  assertEquals(uart.characterCycles, Math.ceil(10 * 0x1234 * 100_000_000 / 115_200));
});

Deno.test("Uart cuts bytes to the programmed length [UART-4]", () => {
  const { uart, sent } = port();
  for (const lcr of [0, 1, 2, 3]) {
    uart.write(LCR, lcr);
    uart.write(DATA, 0xff);
    uart.receive(0xff);
    assertEquals(uart.read(DATA), sent.at(-1));
  }
  assertEquals(sent, [0x1f, 0x3f, 0x7f, 0xff]);
});

Deno.test("Uart asserts its IRQ for a byte only while IER.0 is set [UART-5]", () => {
  const { uart, levels } = port();
  uart.write(LCR, 0x03);
  uart.receive(0x41);
  assertEquals(levels, []);
  uart.write(IER, 0x01);
  assertEquals(levels, [true]);
  assertEquals(uart.read(DATA), 0x41);
  assertEquals(levels, [true, false]);
});

Deno.test("Uart gives bytes in the order of arrival, then zero [UART-6]", () => {
  const { uart } = fifoPort();
  [1, 2, 3].forEach((byte) => uart.receive(byte));
  assertEquals(drain(uart), [1, 2, 3]);
  assertEquals([uart.read(LSR), uart.read(DATA)], [0x60, 0]);
});

Deno.test("Uart.receive refuses a byte without room [UART-7]", () => {
  const single = port().uart;
  single.write(LCR, 0x03);
  assertEquals([single.receive(1), single.receive(2)], [true, false]);
  assertEquals(drain(single), [1]);
  const { uart } = fifoPort();
  const taken = Array.from({ length: 18 }, (_, i) => uart.receive(i));
  assertEquals(taken.indexOf(false), 16);
  assertEquals(uart.read(LSR) & 0x02, 0); // no overrun
  assertEquals(drain(uart), Array.from({ length: 16 }, (_, i) => i));
});

Deno.test("Uart interrupts at the trigger level of the FIFO [UART-8]", () => {
  for (const [fcr, level] of [[0x01, 1], [0x41, 4], [0x81, 8], [0xc1, 14]]) {
    const { uart, levels } = fifoPort(fcr);
    uart.write(IER, 0x01);
    for (let i = 1; i < level; i++) uart.receive(i);
    assertEquals(levels, []);
    uart.receive(level);
    assertEquals([levels, uart.read(IIR)], [[true], 0xc4]);
    uart.read(DATA);
    assertEquals(levels, [true, false]);
  }
});

Deno.test("Uart reports forgotten bytes after four characters of silence [UART-9]", () => {
  const { uart, levels } = fifoPort(0xc1);
  uart.write(IER, 0x01);
  uart.receive(0x41);
  uart.receive(0x42);
  assertEquals(uart.cyclesToEvent(), 416_667);
  uart.advance(416_666);
  assertEquals(levels, []);
  uart.advance(1);
  assertEquals([levels, uart.read(IIR)], [[true], 0xcc]);
  uart.read(DATA);
  assertEquals([levels, uart.read(IIR)], [[true, false], 0xc1]);
  uart.advance(416_667); // the other byte still waits
  assertEquals(uart.read(IIR), 0xcc);
});

Deno.test("Uart starts the timeout anew with each byte [UART-9]", () => {
  const { uart, levels } = fifoPort(0xc1);
  uart.write(IER, 0x01);
  uart.receive(0x41);
  uart.advance(400_000);
  uart.receive(0x42);
  uart.advance(400_000);
  assertEquals([levels, uart.cyclesToEvent()], [[], 16_667]);
  assertEquals(drain(uart), [0x41, 0x42]);
  assertEquals(uart.cyclesToEvent(), Infinity);
});

Deno.test("Uart has no timeout without FIFO [UART-9]", () => {
  const { uart } = port();
  uart.receive(0x41);
  assertEquals(uart.cyclesToEvent(), Infinity);
});

Deno.test("Uart interrupts for an empty transmitter until IIR is read [UART-10]", () => {
  const { uart, levels } = port();
  uart.write(IER, 0x02);
  assertEquals(levels, [true]);
  assertEquals(uart.read(IIR), 0x02);
  assertEquals([levels, uart.read(IIR)], [[true, false], 0x01]);
  uart.write(DATA, 0x41); // leaves at once: empty again
  assertEquals(levels, [true, false, true]);
  uart.write(DATA, 0x42); // an edge for each byte
  assertEquals(levels, [true, false, true, false, true]);
  uart.write(IER, 0x00);
  uart.write(IER, 0x02);
  assertEquals(levels.length, 7);
});

Deno.test("Uart clears the transmitter's interrupt by writing THR [UART-10]", () => {
  const { uart, levels } = port({ lineRate: true });
  uart.write(IER, 0x02);
  uart.write(DATA, 0x41); // to the shift register: THR is empty again
  uart.write(DATA, 0x42); // THR is full
  assertEquals(levels, [true, false, true, false]);
  uart.advance(uart.characterCycles);
  assertEquals(levels.at(-1), true);
});

Deno.test("Uart shows the highest interrupt in IIR [UART-11]", () => {
  const { uart } = fifoPort(0x41);
  uart.write(MCR, 0x08);
  uart.write(IER, 0x0f);
  uart.modem(0x00);
  uart.receive(0x41);
  uart.advance(416_667);
  for (let i = 0; i < 4; i++) uart.receive(0x42, i === 0 ? 0 : 0x04);
  const seen: number[] = [];
  const step = (clear: number) => {
    seen.push(uart.read(IIR));
    uart.read(clear);
  };
  step(DATA); // the timeout; the next byte has no error
  step(DATA); // four bytes are left: data; then the first error shows
  step(LSR);
  step(DATA); // of three bytes with the error read away: the transmitter
  uart.read(LSR);
  step(MSR);
  assertEquals(seen, [0xcc, 0xc4, 0xc6, 0xc2, 0xc0]);
  assertEquals(uart.read(IIR), 0xc1);
});

Deno.test("Uart interrupts for an error while IER.2 is set, until LSR is read [UART-11, UART-12]", () => {
  const { uart, levels } = port();
  uart.receive(0, 0x08);
  uart.write(IER, 0x0b);
  assertEquals(uart.read(IIR), 0x04);
  uart.read(DATA);
  assertEquals(uart.read(IIR), 0x02);
  assertEquals(levels, [true, false]);
  uart.write(IER, 0x04);
  assertEquals([levels.length, uart.read(IIR)], [3, 0x06]);
  uart.read(LSR);
  assertEquals([levels.length, uart.read(IIR)], [4, 0x01]);
});

Deno.test("Uart shows an error when its byte is the next [UART-12]", () => {
  const { uart } = fifoPort();
  uart.write(LCR, 0x03);
  uart.receive(0x41);
  uart.receive(0xff);
  assertEquals(uart.read(LSR), 0x61);
  uart.receive(0x42, 0x08);
  assertEquals(uart.read(LSR), 0xe1);
  uart.read(DATA);
  uart.read(DATA);
  assertEquals([uart.read(LSR), uart.read(LSR)], [0xe9, 0x61]);
  const single = port().uart;
  single.receive(0, 0x10);
  assertEquals([single.read(LSR), single.read(LSR)], [0x71, 0x61]);
});

Deno.test("Uart reports an overrun [UART-13]", () => {
  const single = port().uart;
  single.write(LCR, 0x03);
  single.write(MCR, 0x10);
  single.write(DATA, 0x41);
  single.write(DATA, 0x42);
  assertEquals([single.read(LSR), single.read(LSR), single.read(DATA)], [0x63, 0x61, 0x42]);
  const { uart } = fifoPort();
  uart.write(MCR, 0x10);
  for (let i = 0; i < 17; i++) uart.write(DATA, i);
  assertEquals(uart.read(LSR) & 0x02, 0x02);
  assertEquals(drain(uart), Array.from({ length: 16 }, (_, i) => i));
});

Deno.test("Uart receives what it sends in loopback, and nothing else [UART-14]", () => {
  const { uart, sent } = fifoPort();
  uart.write(MCR, 0x1e);
  uart.write(DATA, 0xae);
  assertEquals([uart.read(LSR), uart.read(DATA)], [0x61, 0xae]);
  assertEquals([uart.receive(0x41), uart.read(LSR), sent], [false, 0x60, []]);
  uart.write(MCR, 0x0f);
  uart.write(DATA, 0x42);
  assertEquals([uart.receive(0x41), sent], [true, [0x42]]);
});

Deno.test("Uart connects its modem outputs to its inputs in loopback [UART-15]", () => {
  const { uart } = port();
  const seen = [0x10, 0x11, 0x12, 0x14, 0x18].map((mcr) => {
    uart.write(MCR, mcr);
    return uart.read(MSR) & 0xf0;
  });
  assertEquals(seen, [0x00, 0x20, 0x10, 0x40, 0x80]);
});

Deno.test("Uart reports changes of the modem's lines until MSR is read [UART-16]", () => {
  const { uart, levels } = port();
  uart.write(IER, 0x08);
  uart.modem(0x60); // CTS and DCD fall, RI rises: its rise does not count
  assertEquals([levels, uart.read(IIR)], [[true], 0x00]);
  assertEquals([uart.read(MSR), uart.read(MSR)], [0x69, 0x60]);
  uart.modem(0x00); // DSR and RI fall
  assertEquals([uart.read(MSR), levels.length], [0x06, 4]);
});

Deno.test("Uart empties its FIFOs when FCR says so [UART-17]", () => {
  const { uart } = fifoPort();
  uart.receive(0x41);
  uart.write(FCR, 0x02); // bit 0 is 0: FIFO off, and so empty
  assertEquals([uart.read(LSR), uart.read(IIR)], [0x60, 0x01]);
  uart.receive(0x41);
  uart.write(FCR, 0x02); // still off: not taken
  assertEquals(uart.read(LSR), 0x61);
  uart.write(FCR, 0x01);
  assertEquals(uart.read(LSR), 0x60);
  uart.receive(0x41);
  uart.write(FCR, 0x05);
  assertEquals(uart.read(LSR), 0x61);
  uart.write(FCR, 0x03);
  assertEquals(uart.read(LSR), 0x60);
});

Deno.test("Uart drops unsent bytes when FCR.2 is set, but not the one on its way [UART-17]", () => {
  const { uart, sent } = fifoPort(0x01, { lineRate: true });
  [1, 2, 3].forEach((byte) => uart.write(DATA, byte));
  uart.write(FCR, 0x01); // clears nothing
  assertEquals(uart.read(LSR), 0x00);
  uart.write(FCR, 0x05);
  assertEquals(uart.read(LSR), 0x20);
  uart.advance(1_000_000);
  assertEquals([sent, uart.read(LSR)], [[1], 0x60]);
});

Deno.test("Uart interrupts when FCR.2 empties the transmitter [UART-10, UART-17]", () => {
  const { uart, levels } = fifoPort(0x01, { lineRate: true });
  uart.write(IER, 0x02);
  [1, 2].forEach((byte) => uart.write(DATA, byte));
  assertEquals(levels.at(-1), false);
  uart.write(FCR, 0x05);
  assertEquals(levels.at(-1), true);
});

Deno.test("Uart sends at once by default [UART-18]", () => {
  const { uart, sent } = port();
  uart.write(LCR, 0x03);
  [..."ok"].forEach((c) => uart.write(DATA, c.charCodeAt(0)));
  assertEquals([sent, uart.read(LSR)], [[0x6f, 0x6b], 0x60]);
  assertEquals(uart.cyclesToEvent(), Infinity);
});

Deno.test("Uart takes the time of the programmed format at the line rate [UART-19]", () => {
  const { uart, sent } = fifoPort(0x01, { lineRate: true });
  for (let i = 0; i < 6; i++) uart.write(DATA, i);
  assertEquals([uart.cyclesToEvent(), uart.characterCycles], [104_167, CHARACTER_CYCLES]);
  uart.advance(104_166);
  assertEquals(sent, []);
  uart.advance(1);
  assertEquals(sent, [0]);
  uart.advance(625_000 - 104_167 - 1);
  assertEquals(sent.length, 5);
  uart.advance(1); // six characters of 104166 2/3 ticks: exactly 625000
  assertEquals([sent.length, uart.cyclesToEvent()], [6, Infinity]);
});

Deno.test("Uart counts start, parity and stop bits [UART-19]", () => {
  const { uart } = port();
  const halves = [[0x00, 14], [0x04, 15], [0x03, 20], [0x07, 22], [0x0f, 24], [0x1b, 22]];
  for (const [lcr, count] of halves) {
    uart.write(LCR, lcr);
    assertEquals(uart.characterCycles, Math.ceil(count * 12 * 100_000_000 / 230_400));
  }
});

Deno.test("Uart fills its transmitter at the line rate [UART-20]", () => {
  const { uart, sent, clauses } = port({ lineRate: true });
  uart.write(LCR, 0x03);
  uart.write(DATA, 1);
  assertEquals(uart.read(LSR), 0x20);
  uart.write(DATA, 2);
  assertEquals([uart.read(LSR), clauses], [0x00, []]);
  uart.write(DATA, 3);
  assertEquals(clauses, ["UART-20"]);
  uart.advance(1_000_000);
  assertEquals([sent, uart.read(LSR)], [[1, 3], 0x60]);
});

Deno.test("Uart loses what is written to a full FIFO at the line rate [UART-20]", () => {
  const { uart, sent, clauses } = fifoPort(0x01, { lineRate: true });
  for (let i = 0; i < 18; i++) uart.write(DATA, i);
  assertEquals(clauses, ["UART-20"]);
  uart.advance(10_000_000);
  assertEquals(sent, Array.from({ length: 17 }, (_, i) => i));
});

Deno.test("Uart receives one character at a time at the line rate [UART-21]", () => {
  const { uart } = fifoPort(0x01, { lineRate: true });
  assertEquals([uart.receive(0x41), uart.receive(0x42)], [true, false]);
  uart.advance(CHARACTER_CYCLES - 1);
  assertEquals(uart.read(LSR), 0x60);
  uart.advance(1);
  assertEquals([uart.read(LSR), uart.receive(0x00)], [0x61, true]);
  uart.advance(CHARACTER_CYCLES);
  assertEquals(drain(uart), [0x41, 0x00]);
});

Deno.test("Uart receives its own characters at the line rate in loopback [UART-14, UART-21]", () => {
  const { uart, sent } = fifoPort(0x01, { lineRate: true });
  uart.write(MCR, 0x10);
  uart.write(DATA, 0xae);
  assertEquals(uart.read(LSR), 0x20);
  uart.advance(CHARACTER_CYCLES);
  assertEquals([uart.read(LSR), uart.read(DATA), sent], [0x61, 0xae, []]);
});

Deno.test("Uart calls ready when there is room again [UART-22]", () => {
  const text = [..."more than the sixteen bytes of a FIFO"].map((c) => c.charCodeAt(0));
  for (const lineRate of [false, true]) {
    let next = 0;
    const pump = () => {
      while (next < text.length && uart.receive(text[next])) next++;
    };
    const { uart } = port({ lineRate, ready: () => pump() });
    uart.write(LCR, 0x03);
    uart.write(FCR, 0x01);
    const got: number[] = [];
    for (let i = 0; i < 100; i++) {
      uart.advance(50_000);
      got.push(...drain(uart));
    }
    assertEquals(got, text);
  }
});

Deno.test("Uart diagnoses reserved programming [UART-23]", () => {
  const { uart, clauses } = port();
  const writes = [[IER, 0xf0], [FCR, 0x31], [MCR, 0xe0], [LSR, 0], [MSR, 0], [LCR, 0x43]];
  writes.forEach(([register, value]) => uart.write(register, value));
  assertEquals(clauses, Array(6).fill("UART-23"));
  assertEquals([uart.read(IER), uart.read(MCR), uart.read(LSR)], [0, 0, 0x60]);
});

Deno.test("Uart diagnoses a divisor of zero and counts it as 65536 [UART-24]", () => {
  const { uart, clauses } = port();
  uart.write(LCR, 0x83);
  uart.write(0, 0);
  uart.write(LCR, 0x87);
  assertEquals(clauses, []);
  uart.write(LCR, 0x03);
  assertEquals(clauses, ["UART-24"]);
  assertEquals(uart.characterCycles, Math.ceil(10 * 65_536 * 100_000_000 / 115_200));
});

Deno.test("Uart diagnoses an interrupt that OUT2 would hold back [UART-25]", () => {
  const { uart, levels, clauses } = port();
  uart.write(IER, 0x02);
  assertEquals([levels, clauses], [[true], ["UART-25"]]);
  uart.read(IIR);
  uart.write(MCR, 0x08);
  uart.write(DATA, 0x41);
  assertEquals([levels, clauses], [[true, false, true], ["UART-25"]]);
});

Deno.test("Uart continues from a restored state [UART-26]", () => {
  const first = fifoPort(0xc1, { lineRate: true });
  first.uart.write(IER, 0x03);
  [1, 2, 3].forEach((byte) => first.uart.write(DATA, byte));
  first.uart.receive(0x41);
  first.uart.advance(150_000);
  const second = port({ lineRate: true });
  second.uart.restore(JSON.parse(JSON.stringify(first.uart.state())));
  assertEquals(second.levels, []);
  first.sent.length = first.levels.length = 0;
  for (const { uart } of [first, second]) uart.advance(700_000);
  assertEquals([second.sent, second.levels], [first.sent, first.levels]);
  assertEquals(second.sent, [2, 3]);
  assertEquals(second.uart.state(), first.uart.state());
});

Deno.test("Uart replays its golden trace", async (t) => {
  const { golden, trace, state } = await replayGolden("uart");
  assertEquals(trace, golden);
  await t.assertSnapshot(state);
});
