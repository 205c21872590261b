import { assertEquals } from "@std/assert";
import { type MachineEvent, machineEvent } from "../../trace/event.ts";
import { formatEvent, parseEvent } from "../../trace/text.ts";

/** The table of the specification, one line each, with its optional fields present and absent. */
const lines: [string, MachineEvent][] = [
  ['7 note "x"', { kind: "note", text: "x" }],
  ['7 stage "heap ready"', { kind: "stage", name: "heap ready" }],
  ['7 serial com1 "hello"', { kind: "serial", port: "com1", line: "hello" }],
  ['7 screen 3 "OK" 0x0a:2,0x07:78', {
    kind: "screen",
    row: 3,
    text: "OK",
    attributes: [[0x0a, 2], [0x07, 78]],
  }],
  ["7 cursor 24 79", { kind: "cursor", row: 24, column: 79 }],
  ["7 call kmalloc 0x00000400", { kind: "call", symbol: "kmalloc", arguments: [1024] }],
  ["7 call heap_init", { kind: "call", symbol: "heap_init", arguments: [] }],
  ["7 return kmalloc 0x00000400 = 0x00400010", {
    kind: "return",
    symbol: "kmalloc",
    arguments: [1024],
    result: 0x400010,
  }],
  ["7 return kfree 0x00400010", { kind: "return", symbol: "kfree", arguments: [0x400010] }],
  ["7 memory reported pages 8192 7421 771", {
    kind: "memory",
    source: "reported",
    of: "pages",
    total: 8192,
    free: 7421,
    used: 771,
  }],
  ["7 control cr0 0x80010011", { kind: "control", register: "cr0", value: 0x80010011 }],
  ["7 interrupt 0x20 hardware 0x00101234", {
    kind: "interrupt",
    vector: 32,
    source: "hardware",
    eip: 0x101234,
  }],
  ["7 exception 0x06 0x00101234", { kind: "exception", vector: 6, eip: 0x101234 }],
  ["7 exception 0x0e 0x00101234 error 0x00000002 cr2 0xdeadbeef", {
    kind: "exception",
    vector: 14,
    eip: 0x101234,
    error: 2,
    cr2: 0xdeadbeef,
  }],
  ["7 in 0x3fd = 0x60", { kind: "in", port: 0x3fd, bytes: 1, value: 0x60 }],
  ["7 out 0x604 0x2000", { kind: "out", port: 0x604, bytes: 2, value: 0x2000 }],
  ["7 out 0x80 0x00000001", { kind: "out", port: 0x80, bytes: 4, value: 1 }],
  ["7 mapping 0x00400000 0x00100000 0x00200000 w---", {
    kind: "mapping",
    virtual: 0x400000,
    bytes: 0x100000,
    physical: 0x200000,
    flags: "w---",
  }],
  ["7 block 0x00400000 1024 used", { kind: "block", address: 0x400000, size: 1024, use: "used" }],
  ['7 diagnose PIT-9 "mode 6"', { kind: "diagnose", clause: "PIT-9", message: "mode 6" }],
  ["7 stop exit 33", { kind: "stop", reason: "exit", code: 33 }],
  ["7 stop halted", { kind: "stop", reason: "halted" }],
];

Deno.test("machineEvent writes each kind as the table says [TRACE-14]", () => {
  for (const [line, event] of lines) {
    assertEquals(formatEvent(machineEvent(7, event)), line);
    assertEquals(parseEvent(line), machineEvent(7, event));
  }
});

Deno.test("machineEvent writes negative values as unsigned ones [TRACE-15]", () => {
  const event: MachineEvent = { kind: "call", symbol: "kmalloc", arguments: [-1] };
  assertEquals(formatEvent(machineEvent(0, event)), "0 call kmalloc 0xffffffff");
  const write: MachineEvent = { kind: "out", port: 0x80, bytes: 4, value: -2147483648 };
  assertEquals(formatEvent(machineEvent(0, write)), "0 out 0x80 0x80000000");
});
