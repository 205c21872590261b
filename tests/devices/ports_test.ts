import { assertEquals } from "@std/assert";
import {
  DebugConsole,
  DebugExit,
  FastGate,
  PostPort,
  PowerControl,
  ResetControl,
} from "../../devices/ports.ts";
import { replayGolden } from "./traces.ts";

/** Collects what a device passes on. */
function log<T>(): { values: T[]; add: (value: T) => void } {
  const values: T[] = [];
  return { values, add: (value) => void values.push(value) };
}

function gate() {
  const [a20, reset, clauses] = [log<boolean>(), log<boolean>(), log<string>()];
  const device = new FastGate(a20.add, reset.add, clauses.add);
  return { device, a20: a20.values, reset: reset.values, clauses: clauses.values };
}

function resetControl() {
  const [reset, clauses] = [log<boolean>(), log<string>()];
  const device = new ResetControl(reset.add, clauses.add);
  return { device, reset: reset.values, clauses: clauses.values };
}

function power() {
  const [off, clauses] = [log<string>(), log<string>()];
  const device = new PowerControl(() => off.add("off"), clauses.add);
  return { device, off: off.values, clauses: clauses.values };
}

Deno.test("PostPort passes codes on and reads the last one back [PORTS-1]", () => {
  const codes = log<number>();
  const port = new PostPort(codes.add);
  port.write(0, 0x10);
  port.write(0, 0x7f);
  assertEquals([codes.values, port.read(0)], [[0x10, 0x7f], 0x7f]);
});

Deno.test("DebugConsole passes characters on and shows that it exists [PORTS-2]", () => {
  const bytes = log<number>();
  const port = new DebugConsole(bytes.add);
  port.write(0, 0x41);
  assertEquals([bytes.values, port.read(0)], [[0x41], 0xe9]);
});

Deno.test("DebugExit ends the run with the byte [PORTS-3]", () => {
  const values = log<number>();
  const port = new DebugExit(values.add);
  port.write(0, 0x10);
  assertEquals([values.values, port.read(0)], [[0x10], 0]);
});

Deno.test("DebugExit takes the low byte of a wider write [PORTS-4]", () => {
  const values = log<number>();
  const port = new DebugExit(values.add);
  [0x21, 0x43, 0x65, 0x87].forEach((byte, register) => port.write(register, byte));
  assertEquals(values.values, [0x21]);
});

Deno.test("FastGate drives A20 on changes [PORTS-5]", () => {
  const { device, a20 } = gate();
  assertEquals(device.read(0), 0x02);
  device.write(0, 0x02);
  device.write(0, 0x00);
  device.write(0, 0x00);
  device.write(0, 0x02);
  assertEquals(a20, [false, true]);
});

Deno.test("FastGate pulses reset when bit 0 rises [PORTS-6]", () => {
  const { device, reset } = gate();
  device.write(0, 0x03);
  device.write(0, 0x03);
  assertEquals(reset, [true, false]);
  device.write(0, 0x02);
  device.write(0, 0x03);
  assertEquals(reset, [true, false, true, false]);
});

Deno.test("FastGate reads back what it has [PORTS-7]", () => {
  const { device } = gate();
  device.write(0, 0xc3);
  assertEquals(device.read(0), 0xc3);
});

Deno.test("FastGate diagnoses the bits that it has not [PORTS-8]", () => {
  const { device, clauses } = gate();
  for (const bit of [0x04, 0x08, 0x10, 0x20]) device.write(0, 0x02 | bit);
  assertEquals([clauses, device.read(0)], [Array(4).fill("PORTS-8"), 0x02]);
});

Deno.test("ResetControl pulses reset when bit 2 rises [PORTS-9]", () => {
  const { device, reset } = resetControl();
  assertEquals(device.read(0), 0x00);
  device.write(0, 0x02);
  assertEquals([reset, device.read(0)], [[], 0x02]);
  device.write(0, 0x0e);
  device.write(0, 0x0e);
  assertEquals([reset, device.read(0)], [[true, false], 0x0e]);
});

Deno.test("ResetControl diagnoses reserved bits [PORTS-10]", () => {
  const { device, reset, clauses } = resetControl();
  for (const bit of [0x01, 0x10, 0x80]) device.write(0, bit);
  assertEquals([clauses, device.read(0), reset], [Array(3).fill("PORTS-10"), 0x00, []]);
});

Deno.test("PowerControl turns the machine off [PORTS-11]", () => {
  const { device, off, clauses } = power();
  device.write(0, 0x00);
  assertEquals(off, []);
  device.write(1, 0x20);
  assertEquals([off, clauses], [["off"], []]);
});

Deno.test("PowerControl reads back all but the sleep bit [PORTS-12]", () => {
  const { device, off } = power();
  device.write(0, 0xff);
  device.write(1, 0xdf);
  assertEquals([device.read(0), device.read(1), off], [0x01, 0x1c, []]);
});

Deno.test("PowerControl diagnoses other sleep types [PORTS-13]", () => {
  const { device, off, clauses } = power();
  device.write(1, 0x34);
  assertEquals([off, clauses], [[], ["PORTS-13"]]);
});

Deno.test("The small ports reset and restore their state [PORTS-14]", () => {
  const fast = gate();
  fast.device.write(0, 0xc0);
  fast.device.reset();
  assertEquals([fast.device.read(0), fast.a20], [0x02, [false, true]]);
  const controls = [resetControl().device, power().device, new PostPort(), gate().device];
  for (const device of controls) {
    const initial = device.state();
    device.write(0, 0x01);
    device.write(0, 0x82);
    const saved = JSON.parse(JSON.stringify(device.state()));
    device.reset();
    assertEquals(device.state(), initial);
    device.restore(saved);
    assertEquals(device.state(), saved);
    device.advance(1_000);
    assertEquals(device.cyclesToEvent(), Infinity);
  }
});

Deno.test("The small ports replay their golden trace", async (t) => {
  const { golden, trace, state } = await replayGolden("ports");
  assertEquals(trace, golden);
  await t.assertSnapshot(state);
});
