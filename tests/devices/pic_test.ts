import { assertEquals } from "@std/assert";
import { Pic } from "../../devices/pic.ts";
import { replayGolden } from "./traces.ts";

const COMMAND = 0;
const DATA = 1;
const NON_SPECIFIC_EOI = 0x20;
const SPECIFIC_EOI = 0x60;
const READ_IRR = 0x0a;
const READ_ISR = 0x0b;

/** A single chip with vectors from 20h on and a log of INT and diagnoses. */
function single(icw1 = 0x13, icw4 = 0x01) {
  const int: boolean[] = [];
  const clauses: string[] = [];
  const pic = new Pic((level) => int.push(level), {}, (clause) => clauses.push(clause));
  initialise(pic, icw1, [0x20, icw4]);
  return { pic, int, clauses };
}

function initialise(pic: Pic, icw1: number, words: number[]): void {
  pic.write(COMMAND, icw1);
  for (const word of words) pic.write(DATA, word);
}

/** Master and slave as in a PC: 20h and 28h, cascade on input 2. */
function pair(masterIcw4 = 0x01, masterIcw3 = 0x04, slaveIcw3 = 0x02) {
  const int: boolean[] = [];
  const clauses: string[] = [];
  const diagnose = (clause: string) => clauses.push(clause);
  const slave: Pic = new Pic((level) => master.irq(2)(level), {}, diagnose);
  const master: Pic = new Pic((level) => int.push(level), { 2: slave }, diagnose);
  initialise(master, 0x11, [0x20, masterIcw3, masterIcw4]);
  initialise(slave, 0x11, [0x28, slaveIcw3, 0x01]);
  return { master, slave, int, clauses };
}

function readIsr(pic: Pic): number {
  pic.write(COMMAND, READ_ISR);
  return pic.read(COMMAND);
}

function readIrr(pic: Pic): number {
  pic.write(COMMAND, READ_IRR);
  return pic.read(COMMAND);
}

function pulse(pic: Pic, level: number): void {
  pic.irq(level)(false);
  pic.irq(level)(true);
}

Deno.test("Pic is silent until initialised and diagnoses early commands [PIC-1]", () => {
  const int: boolean[] = [];
  const clauses: string[] = [];
  const pic = new Pic((level) => int.push(level), {}, (clause) => clauses.push(clause));
  pulse(pic, 0);
  pic.write(DATA, 0x00);
  assertEquals(clauses, ["PIC-1"]);
  initialise(pic, 0x13, [0x20]);
  pic.irq(1)(true);
  assertEquals(int, []);
  pic.write(DATA, 0x01);
  assertEquals(int, [true]);
  assertEquals(clauses, ["PIC-1"]);
});

Deno.test("Pic takes one request from an input that rises and stays high [PIC-2]", () => {
  const { pic, int } = single();
  pic.irq(3)(true);
  assertEquals(readIrr(pic), 0x08);
  assertEquals(pic.acknowledge(), 0x23);
  pic.irq(3)(true);
  pic.write(COMMAND, NON_SPECIFIC_EOI);
  assertEquals(int, [true, false]);
  pulse(pic, 3);
  assertEquals(int, [true, false, true]);
});

Deno.test("Pic drops the request of an input that falls before it is acknowledged [PIC-3]", () => {
  const { pic, int } = single();
  pic.irq(3)(true);
  pic.irq(3)(false);
  assertEquals(int, [true, false]);
  assertEquals(readIrr(pic), 0);
});

Deno.test("Pic interrupts again for a level that is still high [PIC-4]", () => {
  const { pic, int } = single(0x1b);
  pic.irq(3)(true);
  assertEquals(pic.acknowledge(), 0x23);
  assertEquals(readIrr(pic), 0x08);
  pic.write(COMMAND, NON_SPECIFIC_EOI);
  assertEquals(int, [true, false, true]);
  pic.irq(3)(false);
  assertEquals(int, [true, false, true, false]);
});

Deno.test("Pic keeps a masked request for later [PIC-5]", () => {
  const { pic, int } = single();
  pic.write(DATA, 0xfb);
  assertEquals(pic.read(DATA), 0xfb);
  pic.irq(0)(true);
  assertEquals(int, []);
  assertEquals(readIrr(pic), 0x01);
  pic.write(DATA, 0xfa);
  assertEquals(int, [true]);
});

Deno.test("Pic forgets everything but its inputs at ICW1 [PIC-6]", () => {
  const { pic } = single(0x13, 0x03);
  for (const command of [0x68, 0xc0 + 2, 0x80, READ_ISR]) pic.write(COMMAND, command);
  pic.write(DATA, 0x0f);
  pic.irq(5)(true);
  pic.irq(6)(true);
  pic.acknowledge();
  initialise(pic, 0x13, [0x40, 0x01]);
  assertEquals(pic.read(DATA), 0);
  assertEquals(pic.read(COMMAND), 0, "IRR is selected and clear, though inputs 5 and 6 are high");
  assertEquals(readIsr(pic), 0);
  pulse(pic, 7);
  pulse(pic, 0);
  assertEquals([pic.acknowledge(), readIsr(pic)], [0x40, 0x01], "0 is above 7, no automatic end");
  pic.write(DATA, 0x01);
  assertEquals(pic.acknowledge(), 0x47, "spurious: level 0 keeps 7 out without special mask mode");
});

Deno.test("Pic diagnoses MCS-80 mode and reserved bits [PIC-7]", () => {
  const cases: [number, number[]][] = [
    [0x12, [0x20]],
    [0x13, [0x20, 0x00]],
    [0x13, [0x20, 0x81]],
    [0x11, [0x20, 0x0a, 0x01]],
  ];
  for (const [icw1, words] of cases) {
    const clauses: string[] = [];
    const pic = new Pic(() => {}, {}, (clause) => clauses.push(clause));
    initialise(pic, icw1, words);
    assertEquals(clauses, ["PIC-7"], `ICW1 ${icw1}, then ${words}`);
  }
  const { pic, clauses } = single();
  pic.write(COMMAND, 0x8a);
  assertEquals(clauses, ["PIC-7"]);
});

Deno.test("Pic acknowledges the highest request with its vector [PIC-8]", () => {
  const { pic, int } = single();
  pulse(pic, 4);
  pulse(pic, 1);
  assertEquals(pic.acknowledge(), 0x21);
  assertEquals([readIsr(pic), readIrr(pic)], [0x02, 0x10]);
  assertEquals(int, [true, false]);
  pulse(pic, 0);
  assertEquals(int, [true, false, true]);
});

Deno.test("Pic uses only the upper five bits of ICW2 [PIC-8]", () => {
  const pic = new Pic(() => {});
  initialise(pic, 0x13, [0x4f, 0x01]);
  pulse(pic, 1);
  assertEquals(pic.acknowledge(), 0x49);
});

Deno.test("Pic answers an acknowledge without request as level 7, not in service [PIC-9]", () => {
  const { pic } = single();
  pic.irq(3)(true);
  pic.irq(3)(false);
  assertEquals(pic.acknowledge(), 0x27);
  assertEquals(readIsr(pic), 0);
});

Deno.test("Pic lets its slave give the vector [PIC-10]", () => {
  const { master, slave, int } = pair();
  pulse(slave, 0);
  assertEquals(int, [true]);
  assertEquals(master.acknowledge(), 0x28);
  assertEquals([readIsr(master), readIsr(slave)], [0x04, 0x01]);
});

Deno.test("Pic passes on its slave's spurious interrupt [PIC-10]", () => {
  const { master, slave } = pair();
  master.irq(2)(true);
  assertEquals(master.acknowledge(), 0x2f);
  assertEquals([readIsr(master), readIsr(slave)], [0x04, 0x00]);
});

Deno.test("Pic diagnoses a cascade that ICW3 describes wrongly [PIC-11]", () => {
  const noSlave = pair(0x01, 0x0c);
  pulse(noSlave.master, 3);
  assertEquals([noSlave.master.acknowledge(), noSlave.clauses], [0xff, ["PIC-11"]]);
  const wrongIdentity = pair(0x01, 0x04, 0x03);
  pulse(wrongIdentity.slave, 0);
  assertEquals([wrongIdentity.master.acknowledge(), wrongIdentity.clauses], [0xff, ["PIC-11"]]);
});

Deno.test("Pic keeps equal and lower priorities out of a service [PIC-12]", () => {
  const { pic, int } = single();
  pulse(pic, 3);
  pic.acknowledge();
  pulse(pic, 3);
  pulse(pic, 4);
  assertEquals(int, [true, false]);
  pulse(pic, 2);
  assertEquals(pic.acknowledge(), 0x22);
  assertEquals(readIsr(pic), 0x0c);
});

Deno.test("Pic ends the highest or the named level in service [PIC-13]", () => {
  const { pic } = single();
  for (const level of [5, 3, 1]) {
    pulse(pic, level);
    pic.acknowledge();
  }
  pic.write(COMMAND, 0x40);
  assertEquals(readIsr(pic), 0x2a);
  pic.write(COMMAND, NON_SPECIFIC_EOI);
  assertEquals(readIsr(pic), 0x28);
  pic.write(COMMAND, SPECIFIC_EOI + 5);
  assertEquals(readIsr(pic), 0x08);
  pic.write(COMMAND, NON_SPECIFIC_EOI);
  pic.write(COMMAND, NON_SPECIFIC_EOI);
  assertEquals(readIsr(pic), 0);
});

/** The order in which all eight levels are served, after `command` was written. */
function order(pic: Pic): number[] {
  for (let level = 0; level < 8; level++) pulse(pic, level);
  return [0, 1, 2, 3, 4, 5, 6, 7].map(() => {
    const vector = pic.acknowledge();
    pic.write(COMMAND, SPECIFIC_EOI + (vector & 7));
    return vector & 7;
  });
}

Deno.test("Pic rotates priorities by command [PIC-14]", () => {
  const set = single();
  set.pic.write(COMMAND, 0xc0 + 2);
  assertEquals(order(set.pic), [3, 4, 5, 6, 7, 0, 1, 2]);
  for (const [command, lowest] of [[0xa0, 3], [0xe0 + 3, 3]]) {
    const { pic } = single();
    pulse(pic, 3);
    pic.acknowledge();
    pic.write(COMMAND, command);
    assertEquals(readIsr(pic), 0);
    assertEquals(order(pic)[7], lowest);
  }
  const idle = single();
  idle.pic.write(COMMAND, 0xa0);
  assertEquals(order(idle.pic), [0, 1, 2, 3, 4, 5, 6, 7]);
});

Deno.test("Pic rotates with automatic end of interrupt until told to stop [PIC-14]", () => {
  const { pic } = single(0x13, 0x03);
  const next = () => {
    pulse(pic, 0);
    pulse(pic, 1);
    const vectors = [pic.acknowledge(), pic.acknowledge()];
    return vectors.map((vector) => vector & 7);
  };
  pic.write(COMMAND, 0x80);
  pulse(pic, 0);
  pic.acknowledge();
  assertEquals(next(), [1, 0]);
  pic.write(COMMAND, 0x00);
  pic.write(COMMAND, 0xc0 + 7);
  pulse(pic, 0);
  pic.acknowledge();
  assertEquals(next(), [0, 1]);
});

Deno.test("Pic lets lower levels in when the level in service is masked specially [PIC-15]", () => {
  const { pic, int } = single();
  pulse(pic, 1);
  pic.acknowledge();
  pic.write(DATA, 0x02);
  pulse(pic, 5);
  assertEquals(int, [true, false]);
  pic.write(COMMAND, 0x68);
  assertEquals(int, [true, false, true]);
  assertEquals(pic.acknowledge(), 0x25);
  pic.write(COMMAND, NON_SPECIFIC_EOI);
  pic.write(COMMAND, NON_SPECIFIC_EOI);
  assertEquals(readIsr(pic), 0x02, "level 1 is hidden from the non-specific end");
  pic.write(COMMAND, 0x48);
  pulse(pic, 5);
  assertEquals(pic.acknowledge(), 0x27, "spurious: level 1 keeps 5 out again");
});

Deno.test("Pic ends the interrupt within the acknowledge when told so [PIC-16]", () => {
  const { pic, int } = single(0x13, 0x03);
  pulse(pic, 1);
  pulse(pic, 5);
  assertEquals([pic.acknowledge(), readIsr(pic)], [0x21, 0]);
  assertEquals(int, [true, false, true]);
  assertEquals(pic.acknowledge(), 0x25);
});

Deno.test("Pic accepts a second request of a slave only in special fully nested mode [PIC-17]", () => {
  for (const [icw4, expected] of [[0x01, 0x27], [0x11, 0x28]]) {
    const { master, slave } = pair(icw4);
    pulse(slave, 4);
    assertEquals(master.acknowledge(), 0x2c);
    pulse(slave, 0);
    assertEquals(master.acknowledge(), expected);
  }
});

Deno.test("Pic reads the register that OCW3 selected last [PIC-18]", () => {
  const { pic } = single();
  pulse(pic, 6);
  pulse(pic, 2);
  pic.acknowledge();
  pic.write(COMMAND, READ_ISR);
  assertEquals([pic.read(COMMAND), pic.read(COMMAND)], [0x04, 0x04]);
  pic.write(COMMAND, 0x08);
  assertEquals(pic.read(COMMAND), 0x04);
  pic.write(COMMAND, READ_IRR);
  assertEquals(pic.read(COMMAND), 0x40);
});

Deno.test("Pic acknowledges by polling [PIC-19]", () => {
  const { pic, int } = single();
  pulse(pic, 6);
  pic.write(COMMAND, 0x0c);
  assertEquals(pic.read(COMMAND), 0x86);
  assertEquals([readIsr(pic), int], [0x40, [true, false]]);
  pic.write(COMMAND, 0x0c);
  assertEquals(pic.read(COMMAND), 0x00);
});

Deno.test("Pic continues from a state that went through JSON [PIC-20]", () => {
  const { pic } = single();
  pulse(pic, 6);
  const other = new Pic(() => {});
  other.restore(JSON.parse(JSON.stringify(pic.state())));
  assertEquals(other.state(), pic.state());
  assertEquals(other.acknowledge(), 0x26);
});

Deno.test("Pic keeps its inputs through a reset and is silent again [PIC-1]", () => {
  const { pic, int } = single();
  pic.irq(1)(true);
  pic.reset();
  assertEquals(int, [true, false]);
  assertEquals(pic.state().inputs, 0x02);
  assertEquals(pic.cyclesToEvent(), Infinity);
});

Deno.test("Pic replays its golden trace", async (t) => {
  const { golden, trace, state } = await replayGolden("pic");
  assertEquals(trace, golden);
  await t.assertSnapshot(state);
});
