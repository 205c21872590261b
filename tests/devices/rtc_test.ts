import { assert, assertEquals, assertThrows } from "@std/assert";
import { Rtc, type RtcOptions } from "../../devices/rtc.ts";
import { replayGolden } from "./traces.ts";

const INDEX = 0;
const DATA = 1;
const A = 0x0a;
const B = 0x0b;
const C = 0x0c;
const D = 0x0d;
const SECOND = 100_000_000;

/** A clock with a log of its interrupt line, its NMI line and its diagnoses. */
function build(options: RtcOptions = {}) {
  const irq: boolean[] = [];
  const nmi: boolean[] = [];
  const clauses: string[] = [];
  const rtc = new Rtc(
    (level) => irq.push(level),
    { nmi: (level) => nmi.push(level), ...options },
    (clause) => clauses.push(clause),
  );
  return { rtc, irq, nmi, clauses };
}

function get(rtc: Rtc, index: number): number {
  rtc.write(INDEX, index);
  return rtc.read(DATA);
}

function set(rtc: Rtc, index: number, value: number): void {
  rtc.write(INDEX, index);
  rtc.write(DATA, value);
}

/** Century, year, month, day, hours, minutes, seconds, as stored. */
const date = (rtc: Rtc): string =>
  [0x32, 0x09, 0x08, 0x07, 0x04, 0x02, 0x00].map((index) => get(rtc, index).toString(16))
    .map((byte) => byte.padStart(2, "0")).join(" ");

Deno.test("Rtc accesses the byte that port 70h selects, and 70h reads all ones [RTC-1]", () => {
  const { rtc } = build();
  set(rtc, 0x40, 0x5a);
  set(rtc, 0xc1, 0xa5);
  assertEquals([get(rtc, 0x40), get(rtc, 0x41), rtc.read(INDEX)], [0x5a, 0xa5, 0xff]);
});

Deno.test("Rtc masks NMI by bit 7 of port 70h [RTC-2]", () => {
  const { rtc, nmi } = build();
  for (const value of [0x00, 0x80, 0x8f, 0x0f]) rtc.write(INDEX, value);
  assertEquals(nmi, [false, true]);
});

Deno.test("Rtc starts at the configured date, 24 hours in BCD [RTC-3]", () => {
  const { rtc } = build();
  assertEquals([A, B, C, D].map((index) => get(rtc, index)), [0x26, 0x02, 0x00, 0x80]);
  assertEquals([date(rtc), get(rtc, 0x06)], ["20 25 06 14 00 00 00", 7]);
  const other = build({ start: "1999-12-31T23:59:58" }).rtc;
  assertEquals([date(other), get(other, 0x06)], ["19 99 12 31 23 59 58", 6]);
});

Deno.test("Rtc refuses a start that is no date [RTC-3]", () => {
  for (const start of ["", "2025-06-14", "2025-02-30T00:00:00", "2025-06-14T24:00:00", "x"]) {
    assertThrows(() => build({ start }), RangeError, `Cannot start the clock at "${start}"`);
  }
});

Deno.test("Rtc holds the memory's size and a checksum [RTC-4]", () => {
  const word = (rtc: Rtc, index: number) => get(rtc, index) | (get(rtc, index + 1) << 8);
  const sizes = (memoryBytes: number) => {
    const { rtc } = build({ memoryBytes });
    return [0x15, 0x17, 0x30, 0x34].map((index) => word(rtc, index));
  };
  assertEquals(sizes(0x2000000), [640, 31 * 1024, 31 * 1024, 256]);
  assertEquals(sizes(0x800000), [640, 7 * 1024, 7 * 1024, 0]);
  assertEquals(sizes(0x10000000), [640, 65535, 65535, 3840]);
  assertEquals(sizes(0x40000), [256, 0, 0, 0]);
  const { rtc } = build();
  let sum = 0;
  for (let index = 0x10; index < 0x2e; index++) sum += get(rtc, index);
  assert(sum > 0);
  assertEquals((get(rtc, 0x2e) << 8) | get(rtc, 0x2f), sum);
});

Deno.test("Rtc does not let C, D and UIP be written [RTC-5]", () => {
  const { rtc, clauses } = build();
  set(rtc, C, 0xf0);
  set(rtc, D, 0x00);
  set(rtc, A, 0xa6);
  assertEquals([get(rtc, C), get(rtc, D), get(rtc, A)], [0x00, 0x80, 0x26]);
  assertEquals(clauses, ["RTC-5", "RTC-5"]);
});

Deno.test("Rtc carries from seconds to the century [RTC-6]", () => {
  const after = (start: string): string => {
    const { rtc } = build({ start });
    rtc.advance(SECOND - 1);
    assertEquals(date(rtc).slice(-2), start.slice(-2));
    rtc.advance(1);
    return date(rtc);
  };
  assertEquals(after("2025-06-14T00:00:09"), "20 25 06 14 00 00 10");
  assertEquals(after("2025-06-14T09:59:59"), "20 25 06 14 10 00 00");
  assertEquals(after("2025-06-30T23:59:59"), "20 25 07 01 00 00 00");
  assertEquals(after("2025-02-28T23:59:59"), "20 25 03 01 00 00 00");
  assertEquals(after("2024-02-28T23:59:59"), "20 24 02 29 00 00 00");
  assertEquals(after("1999-12-31T23:59:59"), "20 00 01 01 00 00 00");
});

Deno.test("Rtc counts a year of days and their weekdays [RTC-6]", () => {
  const { rtc } = build({ start: "2024-01-01T00:00:00" });
  for (let day = 0; day < 366; day++) rtc.advance(86_400 * SECOND);
  assertEquals([date(rtc), get(rtc, 0x06)], ["20 25 01 01 00 00 00", 4]);
});

Deno.test("Rtc counts in binary and with 12 hours as B says [RTC-7]", () => {
  const hours = (b: number, first: number): number[] => {
    const { rtc } = build();
    set(rtc, B, b);
    set(rtc, 0x04, first);
    return [0, 1, 2].map(() => {
      set(rtc, 0x00, b & 0x04 ? 59 : 0x59);
      set(rtc, 0x02, b & 0x04 ? 59 : 0x59);
      rtc.advance(SECOND);
      return get(rtc, 0x04);
    });
  };
  assertEquals(hours(0x02, 0x09), [0x10, 0x11, 0x12]);
  assertEquals(hours(0x06, 9), [10, 11, 12]);
  assertEquals(hours(0x06, 22), [23, 0, 1]);
  assertEquals(hours(0x00, 0x10), [0x11, 0x92, 0x81]);
  assertEquals(hours(0x04, 0x8a), [0x8b, 12, 1]);
});

Deno.test("Rtc's day changes at 12 a.m., not at 12 p.m. [RTC-7]", () => {
  for (const [hour, day] of [[0x91, 0x15], [0x11, 0x14]]) {
    const { rtc } = build({ start: "2025-06-14T00:59:59" });
    set(rtc, B, 0x00);
    set(rtc, 0x04, hour);
    rtc.advance(SECOND);
    assertEquals(get(rtc, 0x07), day);
  }
});

Deno.test("Rtc does not convert when B changes [RTC-7]", () => {
  const { rtc } = build({ start: "2025-06-14T00:00:10" });
  set(rtc, B, 0x06);
  assertEquals(get(rtc, 0x00), 0x10);
});

Deno.test("Rtc stands still while SET is 1 [RTC-8]", () => {
  const { rtc } = build();
  set(rtc, A, 0x20);
  set(rtc, B, 0x92);
  assertEquals(get(rtc, B), 0x82);
  rtc.advance(SECOND - 1);
  assertEquals(get(rtc, A), 0x20);
  rtc.advance(SECOND);
  assertEquals([get(rtc, 0x00), get(rtc, C)], [0, 0]);
  set(rtc, B, 0x02);
  rtc.advance(1);
  assertEquals(get(rtc, 0x00), 1);
});

Deno.test("Rtc counts half a second after its divider was held [RTC-9]", () => {
  for (const held of [0x60, 0x70]) {
    const { rtc, clauses } = build();
    set(rtc, A, held);
    rtc.advance(5 * SECOND);
    assertEquals(get(rtc, 0x00), 0);
    set(rtc, A, 0x20);
    rtc.advance(SECOND / 2 - 1);
    assertEquals(get(rtc, 0x00), 0);
    rtc.advance(1);
    assertEquals([get(rtc, 0x00), clauses], [1, []]);
  }
});

Deno.test("Rtc stops and diagnoses dividers of other crystals [RTC-9]", () => {
  const { rtc, clauses } = build();
  set(rtc, A, 0x06);
  rtc.advance(5 * SECOND);
  assertEquals([get(rtc, 0x00), clauses], [0, ["RTC-9"]]);
});

Deno.test("Rtc announces an update by UIP [RTC-10]", () => {
  const { rtc } = build();
  rtc.advance(SECOND - 222_801);
  assertEquals(get(rtc, A), 0x26);
  rtc.advance(1);
  assertEquals(get(rtc, A), 0xa6);
  rtc.advance(222_799);
  assertEquals([get(rtc, A), get(rtc, 0x00)], [0xa6, 0]);
  rtc.advance(1);
  assertEquals([get(rtc, A), get(rtc, 0x00)], [0x26, 1]);
});

Deno.test("Rtc's periodic interrupt has the rate of A [RTC-11]", () => {
  const rates = { 1: 256, 2: 128, 3: 8192, 6: 1024, 15: 2 };
  for (const [rate, hertz] of Object.entries(rates)) {
    const { rtc, irq } = build();
    set(rtc, A, 0x20 | Number(rate));
    set(rtc, B, 0x42);
    let ticks = 0;
    while (ticks < SECOND) {
      const cycles = rtc.cyclesToEvent();
      rtc.advance(cycles);
      ticks += cycles;
      assertEquals(get(rtc, C) & 0x40, 0x40);
    }
    assertEquals([ticks, irq.length / 2], [SECOND, hertz]);
  }
});

Deno.test("Rtc has no periodic flag at rate 0, and divides the second evenly else [RTC-11]", () => {
  const { rtc } = build();
  set(rtc, A, 0x20);
  rtc.advance(SECOND / 2 - 10);
  assertEquals(get(rtc, C), 0);
  set(rtc, A, 0x2f);
  rtc.advance(9);
  assertEquals(get(rtc, C), 0);
  rtc.advance(1);
  assertEquals(get(rtc, C), 0x40);
  rtc.advance(7 * 86_400 * SECOND);
  assertEquals(get(rtc, C) & 0x40, 0x40);
});

Deno.test("Rtc flags each update, and the alarm when the time matches [RTC-12]", () => {
  const { rtc } = build();
  set(rtc, A, 0x20);
  set(rtc, 0x01, 0x02);
  rtc.advance(SECOND);
  assertEquals([get(rtc, C), get(rtc, C)], [0x10, 0x00]);
  rtc.advance(SECOND);
  assertEquals(get(rtc, C), 0x30);
});

Deno.test("Rtc's alarm compares the hours, unless they are don't care [RTC-12]", () => {
  for (const [hours, flags] of [[0x05, 0x10], [0xc0, 0x30], [0xff, 0x30]]) {
    const { rtc } = build();
    set(rtc, A, 0x20);
    set(rtc, 0x05, hours);
    set(rtc, 0x01, 0xff);
    rtc.advance(SECOND);
    assertEquals(get(rtc, C), flags);
  }
});

Deno.test("Rtc's output follows the enabled flags until C is read [RTC-13]", () => {
  const { rtc, irq } = build();
  rtc.advance(SECOND);
  assertEquals(irq, []);
  set(rtc, B, 0x12);
  assertEquals(irq, [true]);
  assertEquals(get(rtc, C), 0xd0);
  assertEquals(irq, [true, false]);
  rtc.advance(SECOND);
  set(rtc, B, 0x02);
  assertEquals(irq, [true, false, true, false]);
});

Deno.test("Rtc diagnoses daylight saving [RTC-14]", () => {
  const { rtc, clauses } = build();
  set(rtc, B, 0x03);
  assertEquals(clauses, ["RTC-14"]);
});

Deno.test("Rtc's reset disables interrupts and keeps time and memory [RTC-15]", () => {
  const { rtc, irq, nmi } = build();
  set(rtc, 0x40, 0x5a);
  set(rtc, B, 0x7a);
  rtc.advance(SECOND);
  rtc.write(INDEX, 0x80);
  rtc.reset();
  assertEquals([irq, nmi], [[true, false], [false, true]]);
  assertEquals([get(rtc, B), get(rtc, C), get(rtc, 0x40), get(rtc, 0x00)], [0x02, 0, 0x5a, 1]);
});

Deno.test("Rtc announces only enabled interrupts [RTC-16]", () => {
  const { rtc, irq } = build();
  assertEquals(rtc.cyclesToEvent(), Infinity);
  rtc.advance(30);
  set(rtc, B, 0x12);
  assertEquals(rtc.cyclesToEvent(), SECOND - 30);
  set(rtc, B, 0x22);
  assertEquals(rtc.cyclesToEvent(), SECOND - 30);
  set(rtc, A, 0x26);
  set(rtc, B, 0x52);
  get(rtc, C);
  const cycles = rtc.cyclesToEvent();
  rtc.advance(cycles - 1);
  assertEquals(irq, []);
  rtc.advance(1);
  assertEquals([irq, rtc.cyclesToEvent()], [[true], Infinity]);
  set(rtc, B, 0xc2);
  set(rtc, A, 0x60);
  get(rtc, C);
  assertEquals(rtc.cyclesToEvent(), Infinity);
});

Deno.test("Rtc continues from a state that went through JSON [RTC-17]", () => {
  const { rtc } = build();
  set(rtc, B, 0x12);
  rtc.advance(SECOND - 1);
  const other = build();
  other.rtc.restore(JSON.parse(JSON.stringify(rtc.state())));
  assertEquals(other.rtc.state(), rtc.state());
  other.rtc.advance(1);
  assertEquals([other.irq, get(other.rtc, 0x00)], [[true], 1]);
});

Deno.test("Rtc replays its golden trace", async (t) => {
  const { golden, trace, state } = await replayGolden("rtc");
  assertEquals(trace, golden);
  await t.assertSnapshot(state);
});
