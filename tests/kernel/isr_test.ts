import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { bootGuest, wordBytes } from "./guest.ts";
import { replayGolden } from "./traces.ts";

const PLACE = 0x81000;
const MASTER = 0x20, SLAVE = 0xa0, EOI = 0x20;

Deno.test("An exception prints its vector and name [ISR-1]", () => {
  const cases: [number[], string][] = [
    [[0x31, 0xc9, 0xf7, 0xf1], "EXCEPTION 0: Divide error\n"],
    [[0xcc], "EXCEPTION 3: Breakpoint\n"],
    [[0x0f, 0x0b], "EXCEPTION 6: Invalid opcode\n"],
    [[0xb8, 0x38, 0x12, 0, 0, 0x8e, 0xd8], "EXCEPTION 13: General protection\n"],
    [[0xa1, 0, 0, 0, 0x20], "EXCEPTION 14: Page fault\n"],
  ];
  for (const [code, line] of cases) {
    const guest = bootGuest();
    assertStringIncludes(guest.fate(() => guest.runCode(code)), line);
  }
});

Deno.test("An error code is shown where the processor pushes one [ISR-2]", () => {
  const withCode = new Set([8, 10, 11, 12, 13, 14, 17, 21, 29, 30]);
  for (let vector = 0; vector < 32; vector++) {
    const guest = bootGuest();
    const frame = new Uint8Array(76);
    frame[48] = vector;
    frame[52] = 0x40;
    const report = guest.fate(() => guest.call("isr_handler", guest.put(frame)));
    assertEquals(report.includes("Error code 0x00000040"), withCode.has(vector), `${vector}`);
  }
});

Deno.test("The error code of a page fault is decoded [ISR-3]", () => {
  const read = [0xa1, ...wordBytes(0x20000abc)];
  const write = [0xa3, ...wordBytes(0x100000)];
  const reports = [read, write].map((code) => {
    const guest = bootGuest();
    return guest.fate(() => guest.runCode(code));
  });
  assertStringIncludes(reports[0], "0x00000000: read from the kernel, page not present\n");
  assertStringIncludes(reports[0], "CR2 0x20000abc");
  assertStringIncludes(reports[1], "0x00000003: write from the kernel, protection violation\n");
  const guest = bootGuest();
  const frame = new Uint8Array(76);
  [frame[48], frame[52]] = [14, 0x1f];
  assertStringIncludes(
    guest.fate(() => guest.call("isr_handler", guest.put(frame))),
    ": write from user mode, protection violation, reserved bit set, instruction fetch\n",
  );
});

Deno.test("The selector in an error code is decoded [ISR-4]", () => {
  const decoded: [number, string][] = [
    [0, ": no selector\n"],
    [0x1238, ": GDT entry 583\n"],
    [0x0403, ": IDT entry 128, external event\n"],
    [0x000c, ": LDT entry 1\n"],
  ];
  for (const [code, text] of decoded) {
    const guest = bootGuest();
    const frame = new Uint8Array(76);
    frame[48] = 13;
    frame.set(wordBytes(code), 52);
    const report = guest.fate(() => guest.call("isr_handler", guest.put(frame)));
    assertStringIncludes(report, text);
  }
});

Deno.test("The registers are shown as they were, and the machine rests [ISR-5]", () => {
  const guest = bootGuest();
  const load = (register: number) => [0xb8 + register, ...wordBytes(0x11111111 * (register + 1))];
  const names = ["EAX", "ECX", "EDX", "EBX", "ESP", "EBP", "ESI", "EDI"];
  const code = [0, 1, 2, 3, 6, 7].flatMap(load);
  const report = guest.fate(() => guest.runCode([...code, 0xf9, 0x0f, 0x0b])); // stc; ud2
  for (const n of [0, 1, 2, 3, 6, 7]) {
    assertStringIncludes(report, `${names[n]} 0x${`${n + 1}`.repeat(8)}`);
  }
  const flags = Number(/EFLAGS (0x\w+)/.exec(report)?.[1]);
  assertEquals(flags & 0x201, 0x201);
  assertMatch(report, new RegExp(`EIP 0x0009001f`));
  assertMatch(report, /CS 0x00000008 DS 0x00000010 ES 0x00000010 FS 0x00000010 GS 0x00000010\n/);
  assertMatch(report, /CR0 0x8001001[13] CR2 0x\w{8} CR3 0x\w{8}\nBacktrace:\n/);
  assertEquals(guest.machine.registers.eflags & 0x200, 0);
});

Deno.test("An IRQ that nobody wants is acknowledged all the same [ISR-6]", () => {
  const guest = bootGuest();
  for (const irq of [3, 5, 9, 12]) {
    guest.call("pic_clear_mask", irq);
    const chip = irq < 8 ? guest.machine.pc.master : guest.machine.pc.slave;
    chip.irq(irq & 7)(true);
    guest.settle();
    chip.irq(irq & 7)(false);
    assertEquals(guest.call("pic_get_isr"), 0);
  }
  const ticks = guest.call("timer_get_ticks");
  guest.machine.run({ budget: 5_000_000, until: (machine) => machine.ticks > 1e8 });
  assert(guest.call("timer_get_ticks") > ticks);
});

Deno.test("Spurious IRQs get the acknowledgement that they need [ISR-7]", () => {
  const guest = bootGuest();
  const endsOf = (action: () => void) =>
    guest.portWrites(action).filter(([, value]) => value === EOI);
  assertEquals(endsOf(() => guest.runCode([0xfa, 0xcd, 39, 0xfb, 0xc3])), []);
  assertEquals(endsOf(() => guest.runCode([0xfa, 0xcd, 47, 0xfb, 0xc3])), [[MASTER, EOI]]);
});

Deno.test("A real IRQ 7 or 15 is acknowledged at its chip [ISR-7]", () => {
  const guest = bootGuest();
  const { master, slave } = guest.machine.pc;
  for (const [irq, chip, port] of [[7, master, MASTER], [15, slave, SLAVE]] as const) {
    guest.call("pic_clear_mask", irq);
    const ends = guest.portWrites(() => {
      chip.irq(7)(true);
      guest.machine.run({ budget: 300 });
    });
    assert(ends.some(([to, value]) => to === port && value === EOI));
    chip.irq(7)(false);
    assertEquals(guest.call("pic_get_isr"), 0);
  }
});

Deno.test("An interrupt preserves registers and flags [ISR-8]", () => {
  const guest = bootGuest();
  const registers = [0, 1, 2, 3, 5, 6, 7];
  const load = registers.flatMap((n) => [0xb8 + n, ...wordBytes(0x01010101 * (n + 1))]);
  const save = registers.flatMap((n) => [0x89, 0x05 | n << 3, ...wordBytes(PLACE + n * 4)]);
  const flags = [0x9c, 0x8f, 0x05, ...wordBytes(PLACE + 16)]; // pushf; pop [PLACE+16]
  guest.runCode([0x60, ...load, 0xf9, 0xfd, 0xcd, 32, ...flags, 0xfc, ...save, 0x61, 0xc3]);
  for (const n of registers) assertEquals(guest.word(PLACE + n * 4), 0x01010101 * (n + 1));
  assertEquals(guest.word(PLACE + 16) & 0x601, 0x601); // DF, IF, CF
});

Deno.test("Interrupt service replays its golden trace", async () => {
  const { golden, trace } = await replayGolden("isr");
  assertEquals(trace, golden);
});
