/** The shadow of the reference kernel's heap, of a C kernel's, and of small kernels in machine code. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { functionsOf } from "../../conformance/abi.ts";
import { Recorder } from "../../conformance/recorder.ts";
import { describeMisuse, type Misuse, Shadow } from "../../conformance/shadow.ts";
import { boot } from "../../machine/boot.ts";
import type { Machine } from "../../machine/machine.ts";
import { formatEvent } from "../../trace/text.ts";
import { concat, kernel, words } from "../machine/images.ts";

const FIXTURES = new URL("../../fixtures/", import.meta.url);
const CODE = 0x90000; // low memory that the kernels map and do not use
const COM1 = 0x3f8;

interface Watched {
  readonly machine: Machine;
  readonly shadow: Shadow;
}

/** A machine with a shadow at its first instruction. */
function start(image: Uint8Array): Watched {
  let shadow: Shadow | undefined;
  const machine = boot(image, {
    attach: (it) => shadow = new Shadow(it, (name) => it.symbols.find(name)?.address),
  });
  return { machine, shadow: shadow! };
}

const files = new Map<string, Uint8Array>();
function image(name: string): Uint8Array {
  const known = files.get(name) ?? Deno.readFileSync(new URL(name, FIXTURES));
  files.set(name, known);
  return known;
}

function idle(name = "kernel.elf"): Watched {
  const watched = start(image(name));
  assertEquals(watched.machine.run({ until: "idle" }).kind, "idle");
  return watched;
}

/** Calls a function of the kernel as a check does. */
function call({ machine, shadow }: Watched, name: string, ...args: (number | string)[]): number {
  return shadow.during(`${name}(${args})`, name, () => machine.call(name, ...args)) >>> 0;
}

/** Runs machine code in the kernel; it ends by RET. */
function run({ machine, shadow }: Watched, what: string, ...code: (number | Uint8Array)[]): void {
  const parts = code.map((part) => typeof part === "number" ? Uint8Array.of(part) : part);
  machine.writeBytes(CODE, concat(...parts, Uint8Array.of(0xc3)));
  shadow.during(what, "", () => machine.call(CODE));
}

function only({ shadow }: Watched): Misuse {
  assertEquals(shadow.misuses.map(describeMisuse).slice(1), []);
  assertEquals(shadow.misuses.length, 1);
  return shadow.misuses[0];
}

const storeByte = (address: number) =>
  concat(Uint8Array.of(0xc6, 0x05), words(address), Uint8Array.of(7));
const storeWord = (address: number) => concat(Uint8Array.of(0xa3), words(address)); // mov [a], eax
const loadByte = (address: number) => concat(Uint8Array.of(0xa0), words(address)); // mov al, [a]
const loadWord = (address: number) => concat(Uint8Array.of(0xa1), words(address)); // mov eax, [a]

for (const name of ["kernel.elf", "ckernel6/good.elf"]) {
  Deno.test(`Shadow finds nothing in ${name}, booted, typed to and called [SHADOW-1, SHADOW-2, SHADOW-3]`, () => {
    const it = idle(name);
    it.machine.type("help\nalloc 24\nblocks\n");
    it.machine.run({ until: "idle" });
    const block = call(it, "kcalloc", 3, 5);
    const moved = call(it, "krealloc", block, 5000);
    call(it, "heap_dump_blocks");
    it.shadow.write(moved, new TextEncoder().encode("good\0"));
    call(it, "terminal_writestring", moved);
    call(it, "kfree", moved);
    assertEquals(it.shadow.misuses, []);
  });

  Deno.test(`A shadow changes nothing in ${name} [SHADOW-MEMORY-10]`, () => {
    const plain = boot(image(name)), it = idle(name);
    plain.run({ until: "idle" });
    for (const machine of [plain, it.machine]) {
      machine.call("kfree", machine.call("krealloc", machine.call("kcalloc", 7, 90), 4000));
      machine.type("a");
      machine.run({ until: "idle" });
    }
    const looked = ({ instructions, ticks, serial }: Machine) => [instructions, ticks, serial.text];
    assertEquals(looked(it.machine), looked(plain));
    assertEquals(it.machine.hash(), plain.hash());
  });
}

Deno.test("Shadow finds accesses around an allocation [SHADOW-1]", () => {
  const rows: [(block: number) => Uint8Array, RegExp][] = [
    [
      (block) => storeByte(block + 21),
      /^out of bounds: .* wrote 1 byte at .*, 0 bytes behind the 21 bytes of kmalloc\(21\) at/,
    ],
    [
      (block) => storeByte(block - 1),
      /^out of bounds: .* wrote 1 byte at .*, 0 bytes before the 21/,
    ],
    [(block) => storeByte(block + 24), /3 bytes behind the 21/],
    [(block) => storeWord(block + 20), /wrote 4 bytes at .*, across the end of the 21/],
    [(block) => storeWord(block - 2), /wrote 4 bytes at .*, across the beginning of the 21/],
    [(block) => loadByte(block + 21), /read 1 byte at .*, 0 bytes behind the 21/],
  ];
  for (const [code, expected] of rows) {
    const it = idle(), block = call(it, "kmalloc", 21);
    it.shadow.write(block, new Uint8Array(21));
    run(it, "a test", code(block));
    assertMatch(describeMisuse(only(it)), expected);
    assertEquals(only(it).clause, "SHADOW-1");
  }
});

Deno.test("Shadow finds a text without its end, in the function that reads it [SHADOW-1, SHADOW-MEMORY-7]", () => {
  const it = idle(), block = call(it, "kmalloc", 4);
  it.shadow.write(block, new TextEncoder().encode("text"));
  call(it, "serial_write_string", COM1, block);
  const found = it.shadow.misuses[0];
  assertMatch(found.at, /^serial_write_string\+0x[0-9a-f]+$/);
  assertEquals(it.machine.describe(found.eip), found.at);
  const { clause, access, address, bytes, distance, call: under } = found;
  assertEquals([clause, access, address - block, bytes, distance], ["SHADOW-1", "load", 4, 1, 0]);
  assertEquals(under, `serial_write_string(${COM1},${block})`);
  assertEquals(found.block?.size, 4);
  assertMatch(
    describeMisuse(found),
    /0 bytes behind the 4 bytes of kmalloc\(4\) at 0x[0-9a-f]{8}, during serial_write/,
  );
});

Deno.test("Shadow finds the use of freed memory by the kernel's functions [SHADOW-2]", () => {
  for (const name of ["kernel.elf", "ckernel6/good.elf"]) {
    const it = idle(name), block = call(it, "kmalloc", 40);
    it.shadow.write(block, new TextEncoder().encode("text\0"));
    call(it, "kfree", block);
    call(it, "terminal_writestring", block);
    const found = it.shadow.misuses[0];
    assertEquals([found.kind, found.clause, found.access], ["use after free", "SHADOW-2", "load"]);
    assertMatch(
      describeMisuse(found),
      /at offset 0 of the 40 bytes of kmalloc\(40\) at .*, freed by kfree\(/,
    );
  }
});

Deno.test("Shadow finds the use of what krealloc has moved [SHADOW-2, SHADOW-MEMORY-1]", () => {
  const it = idle(), block = call(it, "kmalloc", 40);
  call(it, "kmalloc", 8); // in the way
  const moved = call(it, "krealloc", block, 400);
  assert(moved !== block);
  run(it, "a test", storeWord(moved + 396), storeWord(block));
  assertEquals([only(it).kind, only(it).block?.base], ["use after free", block]);
});

Deno.test("Shadow finds reads of what was never written [SHADOW-3, SHADOW-MEMORY-1]", () => {
  const it = idle(), cleared = call(it, "kcalloc", 4, 4), block = call(it, "kmalloc", 16);
  run(it, "a test", loadWord(cleared), storeByte(block + 1), loadWord(block), loadWord(block + 12));
  assertEquals([only(it).kind, only(it).address - block], ["never written", 12]);
  call(it, "terminal_write", block + 4, 4);
  assertEquals(it.shadow.misuses.length, 2);
  assertMatch(
    describeMisuse(it.shadow.misuses[1]),
    /^never written: .* read 1 byte at .*, at offset 4 of the 16 .*, which nothing wrote, during terminal_write\(/,
  );
});

Deno.test("Shadow follows allocations through all functions [SHADOW-MEMORY-1]", () => {
  const it = idle(), { memory } = it.shadow;
  const sizes = () => memory.blocks.map(({ size }) => size);
  const first = call(it, "kmalloc", 10), second = call(it, "kcalloc", 3, 7);
  assertEquals(sizes(), [10, 21]);
  assertEquals(memory.at(call(it, "krealloc", 0, 9))?.size, 9);
  assertEquals(memory.at(call(it, "krealloc", second, 5))?.size, 5);
  assertEquals(memory.at(call(it, "krealloc", first, 3000))?.size, 3000);
  assertEquals(memory.at(first), undefined);
  const before = sizes();
  assertEquals([call(it, "kmalloc", 0), call(it, "kmalloc", 0xffffff)], [0, 0]);
  assertEquals([call(it, "krealloc", second, 0xffffff), call(it, "kcalloc", 0x10000, 0x10000)], [
    0,
    0,
  ]);
  assertEquals(sizes(), before);
  assertEquals(call(it, "krealloc", second, 0), 0);
  assertEquals(memory.at(second), undefined);
  for (const { base } of [...memory.blocks]) call(it, "kfree", base);
  assertEquals([memory.blocks.length, it.shadow.misuses.length], [0, 0]);
});

/** push ARG; mov eax, FUNCTION; call eax; pop ecx */
function callCode(machine: Machine, name: string, ...args: number[]): Uint8Array {
  const pushes = args.toReversed().map((arg) => concat(Uint8Array.of(0x68), words(arg)));
  const entry = concat(
    Uint8Array.of(0xb8),
    words(machine.address(name)),
    Uint8Array.of(0xff, 0xd0),
  );
  return concat(...pushes, entry, Uint8Array.of(0x83, 0xc4, 4 * args.length)); // add esp
}

Deno.test("Shadow finds guest code that frees what is not live [SHADOW-5]", () => {
  const rows: [string, (block: number) => (readonly [string, ...number[]])[]][] = [
    ["twice", (block) => [["kfree", block], ["kfree", block]]],
    ["inside", (block) => [["kfree", block + 8]]],
    ["resized", (block) => [["kfree", block], ["krealloc", block, 90]]],
    ["resized to nothing", (block) => [["kfree", block], ["krealloc", block, 0]]],
    ["foreign", () => [["kfree", 0x100000]]],
  ];
  for (const [what, calls] of rows) {
    const it = idle(), block = call(it, "kmalloc", 64), { machine } = it;
    run(it, what, ...calls(block).map(([name, ...args]) => callCode(machine, name, ...args)));
    const { kind, clause, call: under } = only(it);
    assertEquals([kind, clause, under], ["freed wrongly", "SHADOW-5", what]);
    const text = describeMisuse(only(it));
    assertMatch(text, /^freed wrongly: a call before 0x0009.* freed 0x/);
    if (what === "twice") assertMatch(text, /, at offset 0 of the 64 .*, freed by kfree\(0x0/);
    if (what === "foreign") assertMatch(text, /, where nothing is allocated,/);
  }
});

Deno.test("Shadow does not blame the kernel for what the host frees and writes [SHADOW-MEMORY-8]", () => {
  const it = idle(), block = call(it, "kmalloc", 64);
  call(it, "kfree", block);
  call(it, "kfree", block);
  call(it, "krealloc", block + 8, 9);
  call(it, "kfree", 0);
  const text = call(it, "kmalloc", 3);
  it.shadow.write(text, Uint8Array.of(0x41, 0x42, 0));
  call(it, "terminal_writestring", text);
  assertEquals(it.shadow.misuses, []);
});

Deno.test("Shadow exempts what the heap's functions do, with all that they call [SHADOW-MEMORY-5]", () => {
  const it = idle(), block = call(it, "kmalloc", 64);
  call(it, "kfree", block); // the free list's links come to lie in it
  assertEquals(call(it, "kfree", block), 0); // says why not, by the terminal's functions
  call(it, "heap_dump_blocks");
  call(it, "heap_expand", 4096);
  assertEquals(it.shadow.misuses, []);
  run(it, "a test", callCode(it.machine, "heap_get_used_size"), loadWord(block));
  assertEquals(only(it).kind, "use after free");
});

/** A kernel in machine code with a heap at 4 MB, paging off: `kmalloc` and `kfree` are given. */
function smallKernel(kmalloc: number[], main: number[], kfree: number[] = [0xc3]): Uint8Array {
  const code = [0xbc, ...words(0x200000), ...main, 0xfa, 0xf4]; // mov esp; ...; cli; hlt
  const malloc = 0x10000c + code.length, free = malloc + kmalloc.length;
  return kernel([...code, ...kmalloc, ...kfree], {
    memBytes: 0x1000,
    symbols: [
      { name: "_start", address: 0x10000c, bytes: code.length },
      { name: "kmalloc", address: malloc, bytes: kmalloc.length },
      { name: "kfree", address: free, bytes: kfree.length },
    ],
  });
}

/** push SIZE; call kmalloc, which lies `ahead` bytes behind this call; pop ecx */
function allocation(size: number, ahead: number): number[] {
  return [0x6a, size, 0xe8, ...words(ahead), 0x59];
}

const constant = [0xb8, ...words(0x400010), 0xc3]; // mov eax, 400010h; ret
const [ONCE, TWICE] = [3, 11]; // pop; cli; hlt follow a call, or another call before

Deno.test("Shadow finds an allocator that gives memory away twice [SHADOW-4, SHADOW-MEMORY-4]", () => {
  const it = start(smallKernel(constant, [...allocation(8, TWICE), ...allocation(16, ONCE)]));
  it.machine.run();
  const { kind, clause, block, address, bytes, call: under } = only(it);
  assertEquals([kind, clause, block?.size], ["given away twice", "SHADOW-4", 8]);
  assertEquals([address, bytes, under], [0x400010, 16, "the boot"]);
  assertMatch(
    describeMisuse(only(it)),
    /^given away twice: a call before _start\+0x14 was given 0x00400010, at offset 0 of the 8/,
  );
});

Deno.test("Shadow finds an allocator that writes into live memory [SHADOW-4]", () => {
  const scribbling = [0xc6, 0x05, ...words(0x400017), 1, ...constant]; // mov byte [400017h], 1
  const it = start(smallKernel(scribbling, allocation(8, ONCE)));
  it.machine.run();
  assertEquals(it.shadow.misuses, [], "it was not live yet");
  it.shadow.during("kmalloc(1)", "kmalloc", () => it.machine.invoke("kmalloc", [1], 1));
  assertEquals([only(it).kind, only(it).at], ["overwritten by the allocator", "kmalloc"]);
  assertMatch(
    describeMisuse(only(it)),
    /wrote 1 byte at 0x00400017, at offset 7 of the 8 bytes of kmalloc\(8\)/,
  );
});

Deno.test("Shadow lets kfree write into what it frees [SHADOW-4]", () => {
  const links = [0x8b, 0x44, 0x24, 0x04, 0xc7, 0x00, ...words(0), 0xc3]; // mov eax, [esp+4]; mov [eax], 0
  for (const [address, kinds] of [[0x400010, []], [0x400014, ["overwritten by the allocator"]]]) {
    const it = start(smallKernel(constant, allocation(8, ONCE), links));
    it.machine.run();
    call(it, "kfree", address as number);
    assertEquals(it.shadow.misuses.map(({ kind }) => kind), kinds);
  }
});

Deno.test("Shadow judges from the first allocation in the heap on [SHADOW-MEMORY-6]", () => {
  const touch = [...storeByte(0x400800)];
  const main = [...touch, ...allocation(8, ONCE + touch.length), ...touch];
  const it = start(smallKernel(constant, main));
  it.machine.run();
  assertEquals(only(it).at, "_start+0x14");
  const elsewhere = start(smallKernel([0xb8, ...words(0x200000), 0xc3], main));
  elsewhere.machine.run();
  assertEquals([elsewhere.shadow.misuses, elsewhere.shadow.memory.blocks], [[], []]);
});

Deno.test("Shadow begins anew after heap_init [SHADOW-MEMORY-6]", () => {
  const it = idle();
  call(it, "kmalloc", 8);
  it.machine.call("heap_init");
  assertEquals(it.shadow.memory.blocks, []);
});

Deno.test("Shadow and watched memory leave a recording as it is [SHADOW-MEMORY-10]", () => {
  const selection = {
    functions: functionsOf("heap", "pmm"),
    kinds: ["serial", "control", "interrupt", "exception", "in", "out"],
  } as const;
  const attachments: ((machine: Machine) => unknown)[] = [
    () => {},
    (machine) => new Shadow(machine, (name) => machine.symbols.find(name)?.address),
    (machine) => machine.watch(0, 2 ** 32, () => {}),
  ];
  const [plain, ...others] = attachments.map((attach) => {
    const recorder = new Recorder(image("kernel.elf"), selection, { attach });
    const stop = recorder.run();
    return [stop.kind, stop.instructions, recorder.events.map(formatEvent)];
  });
  for (const other of others) assertEquals(other, plain);
});

Deno.test("Shadow reports an instruction once for an allocation and a call [SHADOW-MEMORY-7]", () => {
  const it = idle(), block = call(it, "kmalloc", 8);
  const loop = [0xb9, ...words(9), 0xbf, ...words(block + 8), 0xf3, 0xaa]; // rep stosb, 9 times
  for (let i = 0; i < 2; i++) run(it, "first", Uint8Array.from(loop));
  assertEquals(it.shadow.misuses.map(({ address }) => address - block), [8]);
  run(it, "second", Uint8Array.from(loop));
  assertEquals(it.shadow.misuses.map((found) => found.call), ["first", "second"]);
});

Deno.test("Shadow goes back with the machine [SHADOW-MEMORY-9]", () => {
  const it = idle(), { machine, shadow } = it, block = call(it, "kmalloc", 8);
  const [saved, snapshot] = [shadow.save(), machine.snapshot()], seen: unknown[] = [];
  for (let i = 0; i < 3; i++) {
    run(it, "a test", storeByte(block), storeByte(block + 9));
    call(it, "kfree", block);
    run(it, "after it", loadByte(block));
    seen.push(shadow.misuses.map(describeMisuse), shadow.memory.blocks.length);
    machine.restore(snapshot);
    shadow.restore(saved);
    assertEquals([shadow.misuses.length, shadow.memory.blocks.length], [0, 1]);
  }
  assertEquals(seen.slice(2, 4), seen.slice(0, 2));
  assertEquals([...seen.slice(4), (seen[0] as string[]).length], [...seen.slice(0, 2), 2]);
});

Deno.test("Shadow forgets a call that the machine was taken out of [SHADOW-MEMORY-9]", () => {
  const it = idle(), { machine, shadow } = it;
  const [saved, snapshot] = [shadow.save(), machine.snapshot()];
  machine.invoke("kmalloc", [100], 3); // stopped in the middle
  machine.restore(snapshot);
  shadow.restore(saved);
  const block = call(it, "kmalloc", 8);
  assertEquals(shadow.memory.blocks.map(({ base, size }) => [base, size]), [[block, 8]]);
});
