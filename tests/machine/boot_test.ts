import { assert, assertEquals, assertThrows } from "@std/assert";
import { boot } from "../../machine/boot.ts";
import { ImageError } from "../../machine/elf.ts";
import { elf, header, kernel } from "./images.ts";
import { replayGolden } from "./traces.ts";

const RAM = 0x200000;
const SPIN = [0xeb, 0xfe];

Deno.test("Boot throws nothing but an ImageError of one line for any file [BOOT-1]", () => {
  const good = kernel(SPIN);
  let refused = 0;
  for (let offset = 0; offset < 52 + 32 + 280; offset++) {
    for (const value of [0x00, 0x7f, 0xff]) {
      const file = good.slice();
      file[offset % file.length] = value;
      try {
        boot(file, { ramBytes: RAM, zeroRam: true });
      } catch (error) {
        assert(error instanceof ImageError, `${error}`);
        assert(!error.message.includes("\n"));
        refused++;
      }
    }
  }
  assert(refused > 50);
  assertThrows(() => boot(good.subarray(0, 90)), ImageError, "truncated");
});

Deno.test("Boot places segments and clears the rest of them [BOOT-2]", () => {
  const segments = [
    { physAddr: 0x100000, data: header() },
    { physAddr: 0x110000, virtAddr: 0xc0110000, data: Uint8Array.of(1, 2, 3), memBytes: 0x2000 },
  ];
  const { memory } = boot(elf(segments, 0x100000), { ramBytes: RAM });
  assertEquals(memory.read(0x100000, 4), 0x1badb002);
  assertEquals(memory.copy(0x110000, 5), Uint8Array.of(1, 2, 3, 0, 0));
  assertEquals([memory.read(0x111ffc, 4), memory.read(0x112000, 4) === 0], [0, false]);
});

Deno.test("Boot enters with magic, information and entry point [BOOT-3]", () => {
  const { registers, memory } = boot(kernel(SPIN), { ramBytes: RAM, commandLine: "k x=1" });
  assertEquals([registers.eax, registers.eip], [0x2badb002, 0x10000c]);
  assertEquals(memory.read(registers.ebx, 4) & 0x45, 0x45);
  const text = memory.copy(memory.read(registers.ebx + 16, 4), 6);
  assertEquals(text, new TextEncoder().encode("k x=1\0"));
});

Deno.test("Boot enters with flat segments of ring 0 [BOOT-4]", () => {
  const { cs, ss, ds, es, fs, gs } = boot(kernel(SPIN), { ramBytes: RAM }).registers;
  assertEquals([cs, ss, ds, es, fs, gs], [0x08, 0x10, 0x10, 0x10, 0x10, 0x10]);
  // mov dword [0fffffffch], eax; mov cs:[ebx], eax faults: code is not writable
  const machine = boot(kernel([0xa3, 0xfc, 0xff, 0xff, 0xff, 0x2e, 0x89, 0x03]), { ramBytes: RAM });
  const stop = machine.run({ budget: 10 });
  assertEquals([stop.kind, stop.instructions], ["triple-fault", 1]);
});

Deno.test("Boot enters in protected mode, paging and interrupts off [BOOT-5]", () => {
  const { cr0, eflags } = boot(kernel(SPIN), { ramBytes: RAM }).registers;
  assertEquals([cr0 & 0x80000001, eflags], [1, 2]);
});

Deno.test("Boot leaves no descriptor to be used [BOOT-6]", () => {
  const machine = boot(kernel([0x8e, 0xd8]), { ramBytes: RAM }); // mov ds, ax
  machine.pc.cpu.state.setRegister(0, 0x10);
  const stop = machine.run({ budget: 10 });
  assert(stop.kind === "triple-fault");
  assertEquals(stop.chain[0].vector, 13);
});

Deno.test("Boot has 32 MB by default and passes its options on [BOOT-7]", () => {
  const image = kernel(SPIN);
  const plain = boot(image);
  assertEquals(plain.memory.ramBytes, 0x2000000);
  assert(!plain.memory.copy(0x200000, 4096).includes(0));
  const zeros = boot(image, { ramBytes: RAM, zeroRam: true }).memory;
  assertEquals(zeros.read(0x180000, 4), 0);
  const seeded = boot(image, { ramBytes: RAM, seed: 5 }).memory;
  assert(seeded.read(0x180000, 4) !== plain.memory.read(0x180000, 4));
  const date = boot(image, { ramBytes: RAM, date: "1999-12-31T23:59:59" }).pc;
  date.bus.write(0x70, 1, 9);
  assertEquals(date.bus.read(0x71, 1), 0x99);
  const slow = boot(image, { ramBytes: RAM, lineRate: true }).pc;
  slow.bus.write(0x3f8, 1, 0x41);
  assertEquals(slow.com1.text, "");
  slow.clock.skip(slow.uart1.cyclesToEvent());
  assertEquals(slow.com1.text, "A");
});

Deno.test("Boot fills the BIOS data area [BOOT-8]", () => {
  const { memory } = boot(kernel(SPIN), { ramBytes: RAM });
  const words = [0x400, 0x402, 0x40e, 0x413, 0x44a, 0x463].map((at) => memory.read(at, 2));
  assertEquals(words, [0x3f8, 0x2f8, 0x9fc0, 639, 80, 0x3d4]);
  assertEquals([0x449, 0x484].map((at) => memory.read(at, 1)), [3, 24]);
  assertEquals([0x404, 0x410, 0x4fc].map((at) => memory.read(at, 4) & 0xffff), [0, 0, 0]);
});

Deno.test("Boot replays its golden trace", async () => {
  const { golden, trace } = await replayGolden("boot");
  assertEquals(trace, golden);
});
