import { assert, assertEquals } from "@std/assert";
import { Pit } from "../../devices/pit.ts";
import { replayGolden } from "./traces.ts";

const CONTROL = 3;

/** The tick on which a clock falls. */
const tick = (clock: number): number => Math.ceil(clock * 100_000_000 / 1_193_182);

/** A timer whose outputs are logged as `[clock, channel, level]`. */
class Bench {
  clock = 0;
  readonly log: [number, number, boolean][] = [];
  readonly clauses: string[] = [];
  readonly pit: Pit;

  constructor() {
    const out = (channel: number) => (level: boolean) => {
      this.log.push([this.clock, channel, level]);
    };
    this.pit = new Pit(out(0), out(1), out(2), (clause) => this.clauses.push(clause));
  }

  program(control: number, ...bytes: number[]): void {
    this.pit.write(CONTROL, control);
    for (const byte of bytes) this.pit.write(control >> 6, byte);
  }

  /** One clock at a time, so that the log has exact clocks. */
  run(clocks: number): void {
    for (let i = 0; i < clocks; i++) {
      this.clock++;
      this.pit.advance(tick(this.clock) - tick(this.clock - 1));
    }
  }

  /** The clocks at which a channel changed since the last call, with its new level. */
  changes(channel = 0): [number, boolean][] {
    const changes = this.log.filter(([, of]) => of === channel);
    this.log.length = 0;
    return changes.map(([clock, , level]) => [clock, level]);
  }

  readBoth(channel: number): number {
    const low = this.pit.read(channel);
    return low | (this.pit.read(channel) << 8);
  }
}

Deno.test("Pit does nothing before its control word and diagnoses counts [PIT-1]", () => {
  const bench = new Bench();
  bench.pit.write(0, 5);
  bench.run(100);
  assertEquals([bench.clauses, bench.changes()], [["PIT-1"], []]);
  assertEquals([bench.pit.output(0), bench.pit.cyclesToEvent()], [true, Infinity]);
});

Deno.test("Pit's reset stops all channels and lifts their outputs [PIT-1]", () => {
  const bench = new Bench();
  bench.program(0x10, 5);
  assertEquals(bench.changes(), [[0, false]]);
  bench.pit.reset();
  bench.run(10);
  assertEquals(bench.changes(), [[0, true]]);
});

Deno.test("Pit's control word sets OUT at once and stops counting [PIT-2]", () => {
  for (const [mode, level] of [[0, false], [1, true], [2, true], [3, true], [4, true], [5, true]]) {
    const bench = new Bench();
    bench.program(0x10, 3);
    bench.run(1);
    bench.program(0x10 | (Number(mode) << 1));
    assertEquals(bench.pit.output(0), level, `mode ${mode}`);
    bench.changes();
    bench.run(10);
    assertEquals(bench.changes(), [], `mode ${mode}`);
  }
});

Deno.test("Pit's control word forgets latched values [PIT-2]", () => {
  const bench = new Bench();
  bench.program(0x14, 9);
  bench.run(3);
  bench.pit.write(CONTROL, 0xc2);
  bench.program(0x14, 5);
  bench.run(1);
  assertEquals(bench.pit.read(0), 5);
});

Deno.test("Pit takes modes 6 and 7 as 2 and 3 [PIT-3]", () => {
  for (const mode of [6, 7]) {
    const bench = new Bench();
    bench.program(0x10 | (mode << 1), 4);
    bench.run(5);
    assertEquals(bench.changes(), mode === 6 ? [[4, false], [5, true]] : [[3, false], [5, true]]);
    assertEquals(bench.clauses, ["PIT-3"]);
  }
});

Deno.test("Pit fills the byte that is not written with zero [PIT-4]", () => {
  const low = new Bench();
  low.program(0x38, 0x34, 0x12);
  low.program(0x18, 0x56);
  low.run(1);
  assertEquals(low.pit.read(0), 0x56);
  const high = new Bench();
  high.program(0x28, 0x56);
  high.run(1);
  assertEquals(high.pit.read(0), 0x56);
  high.run(1);
  assertEquals(high.pit.read(0), 0x55);
});

Deno.test("Pit keeps the turns of reading and writing apart [PIT-4]", () => {
  const bench = new Bench();
  const pit = bench.pit;
  pit.write(CONTROL, 0x34);
  pit.write(0, 0x34);
  pit.write(0, 0x12);
  bench.run(1);
  assertEquals(pit.read(0), 0x34);
  pit.write(0, 0x00);
  assertEquals(pit.read(0), 0x12);
  pit.write(0, 0x20);
  assertEquals(pit.state().channels[0].written, 0x2000);
});

Deno.test("Pit never loads half a count [PIT-4]", () => {
  const bench = new Bench();
  bench.program(0x34, 4, 0);
  bench.run(3);
  bench.pit.write(0, 6);
  bench.run(4);
  bench.pit.write(0, 0);
  bench.run(9);
  const rises = bench.changes().filter(([, level]) => level).map(([clock]) => clock);
  assertEquals(rises, [5, 9, 15]);
});

Deno.test("Pit loads with the clock after the count or the trigger [PIT-5]", () => {
  for (const mode of [0, 2, 3, 4]) {
    const bench = new Bench();
    bench.program(0x10 | (mode << 1), 8);
    bench.run(1);
    assertEquals(bench.pit.read(0), 8, `mode ${mode}`);
    bench.run(1);
    assertEquals(bench.pit.read(0), mode === 3 ? 6 : 7, `mode ${mode}`);
  }
  for (const mode of [1, 5]) {
    const bench = new Bench();
    bench.program(0x90 | (mode << 1), 8);
    bench.run(3);
    bench.pit.gate(2)(true);
    bench.run(1);
    assertEquals(bench.pit.read(2), 8, `mode ${mode}`);
  }
});

Deno.test("Pit counts 65536 for a reload of zero [PIT-6]", () => {
  const bench = new Bench();
  bench.program(0x34, 0, 0);
  bench.pit.advance(tick(65536) - 1);
  assertEquals(bench.changes().length, 0);
  bench.pit.advance(1);
  assertEquals(bench.changes().length, 1);
  const decimal = new Bench();
  decimal.program(0x35, 0, 0);
  decimal.run(10_001);
  assertEquals(decimal.changes(), [[10_000, false], [10_001, true]]);
});

Deno.test("Pit mode 0 raises OUT once, N + 1 clocks after the count [PIT-7]", () => {
  const bench = new Bench();
  bench.program(0x10, 4);
  bench.run(100);
  assertEquals(bench.changes(), [[0, false], [5, true]]);
  bench.pit.write(0, 2);
  bench.run(10);
  assertEquals(bench.changes(), [[100, false], [103, true]]);
});

Deno.test("Pit mode 0 stops at the first of two bytes [PIT-7]", () => {
  const bench = new Bench();
  bench.program(0x30, 4, 0);
  bench.run(3);
  bench.pit.write(0, 3);
  bench.run(10);
  bench.pit.write(0, 0);
  bench.run(10);
  assertEquals(bench.changes(), [[0, false], [17, true]]);
});

Deno.test("Pit mode 0 stands still while GATE is low [PIT-7]", () => {
  const bench = new Bench();
  bench.program(0x90, 4);
  bench.run(10);
  bench.pit.gate(2)(true);
  bench.run(2);
  bench.pit.gate(2)(false);
  bench.run(10);
  assertEquals(bench.pit.read(2), 2);
  bench.pit.gate(2)(true);
  bench.run(10);
  assertEquals(bench.changes(2), [[0, false], [24, true]]);
});

Deno.test("Pit mode 1 lowers OUT for N clocks after each trigger [PIT-8]", () => {
  const bench = new Bench();
  const trigger = () => {
    bench.pit.gate(2)(false);
    bench.pit.gate(2)(true);
  };
  bench.program(0x92, 3);
  bench.run(10);
  assertEquals(bench.changes(2), []);
  trigger();
  bench.run(10);
  assertEquals(bench.changes(2), [[11, false], [14, true]]);
  trigger();
  bench.run(2);
  bench.pit.write(2, 5);
  bench.run(1);
  trigger();
  bench.run(10);
  assertEquals(bench.changes(2), [[21, false], [29, true]]);
});

Deno.test("Pit mode 1 takes no trigger before its first count [PIT-8]", () => {
  const bench = new Bench();
  bench.program(0x92);
  bench.pit.gate(2)(true);
  bench.pit.write(2, 3);
  bench.run(10);
  assertEquals(bench.changes(2), []);
});

Deno.test("Pit mode 2 lowers OUT for the last of N clocks [PIT-9]", () => {
  const bench = new Bench();
  bench.program(0x14, 4);
  bench.run(9);
  assertEquals(bench.changes(), [[4, false], [5, true], [8, false], [9, true]]);
  bench.pit.write(0, 3);
  bench.run(8);
  assertEquals(bench.changes(), [[12, false], [13, true], [15, false], [16, true]]);
});

Deno.test("Pit mode 2 rests with OUT high while GATE is low [PIT-9]", () => {
  const bench = new Bench();
  bench.program(0x94, 4);
  bench.run(6);
  bench.pit.gate(2)(true);
  bench.run(4);
  assertEquals(bench.changes(2), [[10, false]]);
  bench.pit.gate(2)(false);
  bench.run(5);
  bench.pit.gate(2)(true);
  bench.run(5);
  assertEquals(bench.changes(2), [[10, true], [19, false], [20, true]]);
});

Deno.test("Pit mode 3 halves even counts and gives the odd clock to the high half [PIT-10]", () => {
  const even = new Bench();
  even.program(0x16, 4);
  even.run(7);
  assertEquals(even.changes(), [[3, false], [5, true], [7, false]]);
  const odd = new Bench();
  odd.program(0x16, 5);
  odd.run(11);
  assertEquals(odd.changes(), [[4, false], [6, true], [9, false], [11, true]]);
});

Deno.test("Pit mode 3 counts by two from an even number [PIT-10]", () => {
  for (const [reload, expected] of [[6, [6, 4, 2, 6, 4, 2]], [5, [4, 2, 0, 4, 2, 4]]] as const) {
    const bench = new Bench();
    bench.program(0x16, reload);
    const counts = expected.map(() => {
      bench.run(1);
      return bench.pit.read(0);
    });
    assertEquals(counts, [...expected]);
  }
});

Deno.test("Pit mode 3 rests while GATE is low and takes a new count at the half [PIT-10]", () => {
  const bench = new Bench();
  bench.program(0x96, 4);
  bench.pit.gate(2)(true);
  bench.run(4);
  bench.pit.gate(2)(false);
  assertEquals(bench.changes(2), [[3, false], [4, true]]);
  bench.run(3);
  bench.pit.gate(2)(true);
  bench.run(2);
  bench.pit.write(2, 8);
  bench.run(5);
  assertEquals(bench.changes(2), [[10, false], [14, true]]);
});

Deno.test("Pit mode 4 strobes once, N + 1 clocks after the count [PIT-11]", () => {
  const bench = new Bench();
  bench.program(0x98, 3);
  bench.pit.gate(2)(true);
  bench.run(2);
  bench.pit.gate(2)(false);
  bench.run(5);
  bench.pit.gate(2)(true);
  bench.run(300);
  assertEquals(bench.changes(2), [[9, false], [10, true]]);
  bench.pit.write(2, 3);
  bench.run(4);
  bench.pit.write(2, 6);
  bench.run(20);
  assertEquals(bench.changes(2), [[311, false], [312, true], [318, false], [319, true]]);
});

Deno.test("Pit mode 4 ends its strobe although GATE is low [PIT-11]", () => {
  const bench = new Bench();
  bench.program(0x98, 3);
  bench.pit.gate(2)(true);
  bench.run(4);
  bench.pit.gate(2)(false);
  bench.run(5);
  assertEquals(bench.changes(2), [[4, false], [5, true]]);
});

Deno.test("Pit mode 5 strobes once, N + 1 clocks after each trigger [PIT-12]", () => {
  const bench = new Bench();
  bench.program(0x9a, 3);
  bench.run(5);
  bench.pit.gate(2)(true);
  bench.run(1);
  bench.pit.gate(2)(false);
  bench.run(300);
  assertEquals(bench.changes(2), [[9, false], [10, true]]);
  bench.pit.gate(2)(true);
  bench.run(2);
  bench.pit.gate(2)(false);
  bench.pit.gate(2)(true);
  bench.run(300);
  assertEquals(bench.changes(2), [[312, false], [313, true]]);
});

Deno.test("Pit holds a latched count until it has been read [PIT-13]", () => {
  const bench = new Bench();
  bench.program(0x34, 0x00, 0x10);
  bench.run(2);
  bench.pit.write(CONTROL, 0x00);
  bench.run(0x20);
  bench.pit.write(CONTROL, 0x00);
  assertEquals(bench.readBoth(0), 0x0fff);
  assertEquals(bench.readBoth(0), 0x0fdf);
});

Deno.test("Pit reads back status, then count, of several channels [PIT-14]", () => {
  const bench = new Bench();
  bench.program(0x34, 0x10, 0x00);
  bench.program(0x50, 0x20);
  bench.pit.write(CONTROL, 0xc0 | 0x02 | 0x04);
  bench.run(3);
  assertEquals([bench.pit.read(0), bench.readBoth(0)], [0x80 | 0x40 | 0x34, 0]);
  assertEquals([bench.pit.read(1), bench.pit.read(1)], [0x40 | 0x10, 0]);
  bench.pit.write(CONTROL, 0xe0 | 0x02);
  assertEquals([bench.pit.read(0), bench.readBoth(0)], [0x80 | 0x34, 0x0e]);
  bench.pit.write(CONTROL, 0xd0 | 0x04);
  bench.run(1);
  assertEquals([bench.pit.read(1), bench.pit.read(1)], [0x1e, 0x1d]);
});

Deno.test("Pit keeps the first status that was latched [PIT-14]", () => {
  const bench = new Bench();
  bench.program(0x14, 9);
  bench.pit.write(CONTROL, 0xe2);
  bench.run(1);
  bench.pit.write(CONTROL, 0xe2);
  assertEquals([bench.pit.read(0), bench.pit.read(0)], [0xd4, 9]);
});

Deno.test("Pit diagnoses bit 0 of a read-back command [PIT-15]", () => {
  const bench = new Bench();
  bench.pit.write(CONTROL, 0xc3);
  assertEquals(bench.clauses, ["PIT-15"]);
});

Deno.test("Pit diagnoses counts that its modes cannot have [PIT-16]", () => {
  for (const [control, count] of [[0x11, 0x1a], [0x14, 1], [0x16, 1]]) {
    const bench = new Bench();
    bench.program(control, count);
    bench.run(5);
    assertEquals(bench.clauses, ["PIT-16"], `${control}`);
  }
  const fine = new Bench();
  fine.program(0x10, 1);
  fine.program(0x10, 0x1a);
  assertEquals(fine.clauses, []);
});

Deno.test("Pit's control word register reads as all ones, diagnosed [PIT-17]", () => {
  const bench = new Bench();
  assertEquals([bench.pit.read(CONTROL), bench.clauses], [0xff, ["PIT-17"]]);
});

Deno.test("Pit counts in decimal in BCD and wraps after expiry [PIT-18]", () => {
  const decimal = new Bench();
  decimal.program(0x31, 0x00, 0x01);
  decimal.run(2);
  assertEquals(decimal.readBoth(0), 0x99);
  decimal.run(101);
  assertEquals(decimal.readBoth(0), 0x9998);
  const binary = new Bench();
  binary.program(0x30, 0x02, 0x00);
  binary.run(5);
  assertEquals(binary.readBoth(0), 0xfffe);
});

Deno.test("Pit is exact however time is divided [PIT-19]", () => {
  const rises = (step: (pit: Pit) => number): number[] => {
    let now = 0;
    const ticks: number[] = [];
    const pit = new Pit((level) => level && ticks.push(now));
    pit.write(CONTROL, 0x34);
    pit.write(0, 0x9c); // 11932: 100 Hz
    pit.write(0, 0x2e);
    while (now < 10_000_000) {
      const cycles = step(pit);
      now += cycles;
      pit.advance(cycles);
    }
    return ticks;
  };
  const exact = rises((pit) => pit.cyclesToEvent());
  assertEquals(exact.slice(0, 3), [tick(1 + 11932), tick(1 + 2 * 11932), tick(1 + 3 * 11932)]);
  const fine = rises((pit) => Math.min(7, pit.cyclesToEvent()));
  assertEquals(fine, exact);
});

Deno.test("Pit loses no clock over a day passed at once [PIT-19]", () => {
  const pit = new Pit(() => {});
  pit.write(CONTROL, 0x74);
  pit.write(1, 0);
  pit.write(1, 0);
  pit.advance(86_400 * 100_000_000);
  const clocks = 86_400 * 1_193_182 - 1; // one loads
  pit.write(CONTROL, 0x40);
  assertEquals(pit.read(1) | (pit.read(1) << 8), 65536 - clocks % 65536);
});

Deno.test("Pit counts the same whether an output is connected or not [PIT-19]", () => {
  for (const [mode, count] of [[2, 7], [3, 7], [3, 8], [0, 7]]) {
    const seen = new Pit(() => {}, () => {});
    const unseen = new Pit(() => {});
    for (const pit of [seen, unseen]) {
      pit.write(CONTROL, 0x50 | (mode << 1));
      pit.write(1, count);
      pit.advance(12_345);
      pit.write(1, count + 2);
      pit.advance(54_321);
    }
    assertEquals(unseen.state(), seen.state(), `mode ${mode}, count ${count}`);
  }
});

Deno.test("Pit announces changes of connected outputs only [PIT-20]", () => {
  const levels: boolean[] = [];
  const pit = new Pit((level) => levels.push(level));
  pit.write(CONTROL, 0x74);
  pit.write(1, 18);
  pit.write(1, 0);
  assertEquals(pit.cyclesToEvent(), Infinity);
  pit.write(CONTROL, 0x10);
  pit.write(0, 4);
  levels.length = 0;
  let ticks = 0;
  while (pit.cyclesToEvent() !== Infinity) {
    const cycles = pit.cyclesToEvent();
    assert(cycles >= 1);
    assertEquals(levels, []);
    pit.advance(cycles);
    ticks += cycles;
  }
  assertEquals([ticks, levels], [tick(5), [true]]);
});

Deno.test("Pit continues from a state that went through JSON [PIT-21]", () => {
  const bench = new Bench();
  bench.program(0x16, 5);
  bench.run(2);
  const rises: boolean[] = [];
  const other = new Pit((level) => rises.push(level));
  other.restore(JSON.parse(JSON.stringify(bench.pit.state())));
  assertEquals(other.state(), bench.pit.state());
  other.advance(bench.pit.cyclesToEvent());
  assertEquals(rises, [false]);
});

Deno.test("Pit replays its golden trace", async (t) => {
  const { golden, trace, state } = await replayGolden("pit");
  assertEquals(trace, golden);
  await t.assertSnapshot(state);
});
