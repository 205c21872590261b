import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { Failure, Skip } from "../../conformance/check.ts";
import {
  CODE,
  DATA,
  endOf,
  gate,
  gdtr,
  idtr,
  inService,
  irqLine,
  masks,
  park,
  pass,
  portWrites,
  put,
  runCode,
  setMasks,
  setWord,
  tryCode,
  word,
  words,
} from "../../conformance/probe.ts";
import { freshSubject } from "./kernels.ts";

const RET = 0xc3;

Deno.test("Code and data stand in low memory that is mapped to itself [PROBE-1]", () => {
  const subject = freshSubject();
  assertEquals([CODE, DATA], [0x90000, 0x91000]);
  put(subject, DATA, words(0x12345678));
  assertEquals(word(subject, DATA), 0x12345678);
  assertEquals(runCode(subject, "read it", [0xa1, ...words(DATA), RET]), 0x12345678);
  const { memory, registers: { cr3 } } = subject.machine;
  const table = memory.read(cr3, 4) & ~0xfff, entry = table + 4 * (DATA >> 12);
  setWord(subject, entry, CODE | 3); // mapped, but to another frame
  let thrown: unknown;
  try {
    put(subject, DATA, [1]);
  } catch (skip) {
    thrown = skip;
  }
  assert(thrown instanceof Skip);
});

Deno.test("A parked processor serves interrupts and takes no input [PROBE-2]", () => {
  const subject = freshSubject(), { machine } = subject;
  park(subject);
  machine.type("x");
  pass(subject, 50);
  assertEquals(machine.pc.keyboard.pending, 0);
  assert((machine.registers.eflags & 0x200) !== 0);
  assert(machine.registers.eip >= CODE && machine.registers.eip < CODE + 8);
  assertEquals(subject.said, ""); // the monitor would echo it
  assertEquals(subject.call("keyboard_get_char"), 0x78);
});

Deno.test("At least the time that was asked for passes [PROBE-3]", () => {
  const subject = freshSubject(), { machine } = subject;
  park(subject);
  for (const milliseconds of [1, 7, 300]) {
    const before = machine.ticks;
    pass(subject, milliseconds);
    const passed = (machine.ticks - before) / 100_000;
    assert(passed >= milliseconds && passed < milliseconds + 11, `${passed}`);
    assertEquals(inService(subject), 0);
  }
});

Deno.test("A handler that does not return is a failure [PROBE-3]", () => {
  const subject = freshSubject();
  park(subject);
  subject.machine.writeBytes(subject.address("irq0"), Uint8Array.of(0xfa, 0xf4)); // cli; hlt
  const failure = assertThrows(() => pass(subject, 30), Failure);
  assertStringIncludes(failure.seen, "halted for good");
});

Deno.test("Descriptor tables are read where the registers point [PROBE-4]", () => {
  const subject = freshSubject(), copy = DATA + 0x100, { base, limit } = idtr(subject);
  assertEquals([limit, gdtr(subject).limit], [2047, 39]);
  const { offset, selector, flags } = gate(subject, { base, limit }, 14);
  assertEquals([offset, selector, flags], [subject.address("isr14"), 8, 0x8e]);
  put(subject, DATA + 0x40, [39, 0, ...words(copy)]);
  put(subject, copy, words(1, 2, 3));
  runCode(subject, "lidt", [0x0f, 0x01, 0x1d, ...words(DATA + 0x40), RET]);
  assertEquals(idtr(subject), { base: copy, limit: 39 });
  assertEquals(gate(subject, idtr(subject), 0), { offset: 1, selector: 0, flags: 0 });
});

Deno.test("Code that does not go on is a failure with its place [PROBE-5]", () => {
  const subject = freshSubject();
  const failure = assertThrows(() => runCode(subject, "cli; hlt", [0xfa, 0xf4]), Failure);
  assertEquals(failure.expected, "to go on after: cli; hlt");
  assertStringIncludes(failure.seen, "interrupts are off");
  assertEquals(failure.calls, ["cli; hlt"]);
});

Deno.test("Port writes are listed and reach the device [PROBE-6]", () => {
  const subject = freshSubject(), code = [0x66, 0xba, 0xff, 0x02]; // mov dx, 2FFh
  const write = () => runCode(subject, "out", [...code, 0xb0, 0x5a, 0xee, RET]);
  subject.setInterrupts(false);
  assertEquals(portWrites(subject, write), [[0x2ff, 0x5a]]);
  assertEquals(subject.machine.pc.bus.read(0x2ff, 1), 0x5a);
  setMasks(subject, 0xa55a);
  assertEquals(masks(subject), 0xa55a);
  irqLine(subject, 12)(true);
  assertEquals(subject.machine.pc.slave.state().irr & 0x10, 0x10);
});

Deno.test("A report is what COM1 got, or else the screen [PROBE-7]", () => {
  const subject = freshSubject();
  const end = endOf(subject, tryCode(subject, [0x0f, 0x0b]));
  assert(end.halted);
  assertStringIncludes(end.report, "EXCEPTION 6");
  subject.fresh();
  const { report, halted, seen } = endOf(subject, tryCode(subject, [RET]));
  assertStringIncludes(report, "Day 6");
  assertEquals([halted, seen], [false, "it went on"]);
});
