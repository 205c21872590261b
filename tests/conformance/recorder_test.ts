import { assert, assertEquals } from "@std/assert";
import { Recorder } from "../../conformance/recorder.ts";
import { boot } from "../../machine/boot.ts";
import type { Event } from "../../trace/event.ts";
import { formatEvent } from "../../trace/text.ts";
import { kernel } from "../machine/images.ts";

/** A kernel that calls outer(5), which says "a", calls inner(7) for 12, and says LF and "b". */
const CODE = [
  ...[0xbc, 0x00, 0x00, 0x20, 0x00], // 10000c  mov esp, 200000h
  ...[0x6a, 0x05], //                   100011  push 5
  ...[0xe8, 0x05, 0x00, 0x00, 0x00], // 100013  call outer
  ...[0xfa, 0xf4, 0xeb, 0xfc, 0x90], // 100018  cli; hlt
  // outer: 10001d
  ...[0xba, 0xf8, 0x03, 0x00, 0x00], // 10001d  mov edx, 3f8h
  ...[0xb0, 0x61, 0xee], //             100022  mov al, 'a'; out dx, al
  ...[0x6a, 0x07], //                   100025  push 7
  ...[0xe8, 0x0c, 0x00, 0x00, 0x00], // 100027  call inner
  ...[0x58], //                         10002c  pop eax
  ...[0xb0, 0x0a, 0xee], //             10002d  mov al, LF; out dx, al
  ...[0xb0, 0x62, 0xee], //             100030  mov al, 'b'; out dx, al
  ...[0x31, 0xc0, 0xc3, 0x90, 0x90], // 100033  xor eax, eax; ret
  // inner: 100038
  ...[0x8b, 0x44, 0x24, 0x04], //       100038  mov eax, [esp+4]
  ...[0x83, 0xc0, 0x05, 0xc3], //       10003c  add eax, 5; ret
];
// the names of two functions of the public list: one without result, one with
const OUTER = "kfree", INNER = "kmalloc";
const image = kernel(CODE, {
  memBytes: 0x1000,
  symbols: [
    { name: "_start", address: 0x10000c, bytes: 17 },
    { name: OUTER, address: 0x10001d, bytes: 27 },
    { name: INNER, address: 0x100038, bytes: 8 },
  ],
});

type Kinds = ConstructorParameters<typeof Recorder>[1]["kinds"];

function record(functions: string[], kinds: Kinds): string[] {
  const recorder = new Recorder(image, { functions, kinds });
  recorder.run();
  recorder.flush();
  return lines(recorder.events);
}

function lines(events: readonly Event[]): string[] {
  return events.map(formatEvent);
}

Deno.test("Recorder writes a line of COM1 where it ends, and the rest at the end [RECORDER-1]", () => {
  assertEquals(record([], ["serial"]), ['13 serial com1 "a"', '20 serial com1 "b"']);
});

Deno.test("Recorder writes a call in one line unless something happens in it [RECORDER-2]", () => {
  assertEquals(record([OUTER, INNER], ["serial"]), [
    "3 call kfree 0x00000005",
    "11 return kmalloc 0x00000007 = 0x0000000c",
    '13 serial com1 "a"',
    "18 return kfree 0x00000005",
    '20 serial com1 "b"',
  ]);
  assertEquals(record([OUTER], []), ["18 return kfree 0x00000005"]);
});

Deno.test("Recorder sees the functions that it was asked for and that are there [RECORDER-3]", () => {
  assertEquals(record([INNER, "pmm_init"], []), ["11 return kmalloc 0x00000007 = 0x0000000c"]);
});

Deno.test("Recorder writes the kinds that it was asked for [RECORDER-4]", () => {
  assertEquals(record([], ["out"]), ["5 out 0x3f8 0x61", "13 out 0x3f8 0x0a", "15 out 0x3f8 0x62"]);
});

Deno.test("Recorder leaves no trace of what is asked on the side [RECORDER-5]", () => {
  const recorder = new Recorder(image, { kinds: ["serial", "out"] });
  const before = recorder.machine.hash();
  const value = recorder.aside((machine) => {
    machine.writeBytes(0x180000, Uint8Array.of(9, 9, 9, 9));
    machine.run({ budget: 9 });
    return machine.instructions;
  });
  assertEquals(value, 9);
  assertEquals(recorder.events, []);
  assertEquals(recorder.machine.hash(), before);
});

Deno.test("Recorder changes nothing of the run [RECORDER-6]", () => {
  const alone = boot(image);
  alone.run();
  const recorder = new Recorder(image, {
    functions: [OUTER, INNER],
    kinds: ["serial", "out", "in"],
  });
  recorder.run();
  assertEquals(recorder.machine.instructions, alone.instructions);
  assertEquals(recorder.machine.hash(), alone.hash());
  assert(recorder.events.length > 0);
});

Deno.test("Recorder writes lines of COM2 and the debug console too [RECORDER-1]", () => {
  const code = [0xb0, 0x0a, 0xe6, 0xe9, 0x66, 0xba, 0xf8, 0x02, 0xee, 0xb0, 0x78, 0xee, 0xfa, 0xf4];
  const recorder = new Recorder(kernel(code), { kinds: ["serial"] }); // LF to e9h; LF, 'x' to 2f8h
  recorder.run();
  recorder.flush();
  assertEquals(lines(recorder.events), [
    ...['1 serial debug ""', '3 serial com2 ""', '8 serial com2 "x"'],
  ]);
});

Deno.test("Recorder writes what a chip calls reserved [RECORDER-4]", () => {
  const mode6 = [0xb0, 0x3d, 0xe6, 0x43, 0xfa, 0xf4]; // out 43h, 3dh: channel 0, BCD
  const recorder = new Recorder(kernel(mode6), { kinds: ["diagnose"] });
  recorder.run();
  assertEquals(recorder.events.map(({ kind }) => kind), ["diagnose"]);
});

Deno.test("Recorder tells of functions that are only watched [RECORDER-7]", () => {
  const recorder = new Recorder(image, { functions: [], watched: [OUTER, INNER], kinds: [] });
  const returned: [string, number][] = [];
  recorder.run((symbol, depth) => returned.push([symbol, depth]));
  assertEquals(returned, [[INNER, 1], [OUTER, 0]]);
  assertEquals(recorder.events, []);
});

Deno.test("Recorder takes the shapes that it is given [RECORDER-8]", () => {
  const signatures = { [OUTER]: { parameters: 2, result: true } };
  const selection = { functions: [OUTER], signatures, kinds: [] };
  const recorder = new Recorder(image, selection, { zeroRam: true });
  recorder.run();
  assertEquals(lines(recorder.events), ["18 return kfree 0x00000005 0x00000000 = 0x00000000"]);
});

Deno.test("Recorder knows where each event happened [RECORDER-9]", () => {
  const recorder = new Recorder(image, { functions: [OUTER, INNER], kinds: ["serial"] });
  recorder.run();
  const at = recorder.events.map(({ kind }, i) => `${kind} ${recorder.places[i].toString(16)}`);
  assertEquals(at, ["call 10001d", "return 10002c", "serial 10002f", "return 100018"]);
});

Deno.test("Recorder ends a run with a text, and when there are enough events [RECORDER-10]", () => {
  const recorder = new Recorder(image, { kinds: ["out"], most: 2 });
  recorder.waitFor("a");
  assertEquals([recorder.advance(Infinity, 100).kind, recorder.machine.instructions], [
    ...["condition", 6],
  ]);
  recorder.waitFor(undefined);
  assertEquals([recorder.full, recorder.advance(Infinity, 100).kind], [false, "condition"]);
  assertEquals([recorder.full, recorder.events.length], [true, 2]);
});
