/**
 * Interrupt requests: that each is served and acknowledged, also the spurious, and leaves no trace in
 * what it interrupts. Spec: specs/kernel/isr.md.
 */
import { type Check, expect, expectSame } from "../check.ts";
import {
  DATA,
  gdtr,
  inService,
  irqLine,
  park,
  pass,
  put,
  runCode,
  setMasks,
  word,
  words,
} from "../probe.ts";
import type { Subject } from "../subject.ts";

/** How often a vector has been delivered by the controllers. */
function delivered(subject: Subject, vector: number): number {
  return subject.deeds.deliveries.filter((delivery) =>
    delivery.vector === vector && delivery.source === "external"
  ).length;
}

/** Requests an IRQ twice: each time it must be delivered, and nothing remain in service. */
function expectAcknowledged(subject: Subject, irq: number): void {
  subject.fresh();
  park(subject);
  setMasks(subject, 0xffff & ~(1 << irq | 1 << 2));
  const line = irqLine(subject, irq);
  for (let count = 1; count <= 2; count++) {
    subject.note(`IRQ ${irq}`);
    line(false);
    line(true);
    pass(subject, 1);
    expectSame(subject, `deliveries of IRQ ${irq}`, delivered(subject, 32 + irq), count);
    expectSame(subject, `IRQs in service after IRQ ${irq}`, inService(subject), 0);
  }
  line(false);
}

/** Raises a vector with INT while IRQs are in service, as a controller does that lost its request. */
function spurious(subject: Subject, irq: number, served: number): number {
  const { master, slave } = subject.machine.pc;
  setMasks(subject, 0xffff);
  master.restore({ ...master.state(), isr: served & 0xff });
  slave.restore({ ...slave.state(), isr: served >> 8 });
  runCode(subject, `a spurious IRQ ${irq}`, [0xfa, 0xcd, 32 + irq, 0xfb, 0xc3]); // cli; int; sti
  return inService(subject);
}

const REGISTERS = ["EAX", "ECX", "EDX", "EBX", "", "EBP", "ESI", "EDI"];
const SEGMENTS = [["ES", 0xc0], ["FS", 0xe0], ["GS", 0xe8]] as const; // with ModRM of MOV from AX
const FLAGS_AT = DATA + 16, SEGMENTS_AT = DATA + 32; // ESP's place is free
const KERNEL_DATA = 0x10, USER_DATA = 0x23;
const ALL_FLAGS = 0xed7, NO_FLAGS = 0x002; // arithmetic flags, IF and DF; bit 1 is always set
const KEPT_FLAGS = 0xed5;

/** A flat data segment, if there is one that is not the kernel's own. */
function otherData(subject: Subject): number {
  const { base, limit } = gdtr(subject), access = word(subject, base + (USER_DATA & ~7) + 4) >>> 8;
  return limit >= (USER_DATA | 7) && (access & 0xfe) === 0xf2 ? USER_DATA : KERNEL_DATA;
}

function loadSegments(selector: number): number[] {
  return [0xb8, ...words(selector), ...SEGMENTS.flatMap(([, modrm]) => [0x8e, modrm])];
}

/** Code that fills every register, raises a vector, and stores what the registers are then. */
function preservation(vector: number, data: number, flags: number): number[] {
  const general = REGISTERS.flatMap((name, n) => name === "" ? [] : [n]);
  const load = general.flatMap((n) => [0xb8 + n, ...words(0x01010101 * (n + 1))]);
  const setFlags = [0x68, ...words(flags), 0x9d]; // push; popf
  const saveFlags = [0x9c, 0x8f, 0x05, ...words(FLAGS_AT), 0xfc]; // pushf; pop [FLAGS_AT]; cld
  const save = general.flatMap((n) => [0x89, 0x05 | n << 3, ...words(DATA + 4 * n)]);
  const saveSegments = SEGMENTS.flatMap((
    [, modrm],
    n,
  ) => [0x8c, modrm & 0x38 | 5, ...words(SEGMENTS_AT + 4 * n)]);
  const raise = [...loadSegments(data), ...load, ...setFlags, 0xcd, vector];
  const store = [...saveFlags, ...save, ...saveSegments, ...loadSegments(KERNEL_DATA)];
  return [0x60, ...raise, ...store, 0xfb, 0x61, 0xc3]; // pusha; ...; sti; popa; ret
}

/** Raises a vector while every register holds a value, and expects the values afterwards. */
function expectPreserved(subject: Subject, vector: number, data: number, flags: number): void {
  put(subject, DATA, new Array(64).fill(0));
  setMasks(subject, 0xffff);
  const what = `IRQ ${vector - 32} while every register holds a value`;
  runCode(subject, what, preservation(vector, data, flags));
  REGISTERS.forEach((name, n) => {
    if (name === "") return;
    expectSame(subject, name, word(subject, DATA + 4 * n), 0x01010101 * (n + 1));
  });
  SEGMENTS.forEach(([name], n) =>
    expectSame(subject, name, word(subject, SEGMENTS_AT + 4 * n) & 0xffff, data)
  );
  const seen = word(subject, FLAGS_AT) & KEPT_FLAGS;
  expectSame(subject, "EFLAGS", seen.toString(16), (flags & KEPT_FLAGS).toString(16));
}

/** All checks of interrupt requests. */
export const checks: readonly Check[] = [
  {
    title: "IRQ 1 to 7 are acknowledged, wanted or not",
    clauses: ["ISR-6"],
    needs: [],
    run(subject) {
      for (const irq of [1, 3, 4, 5, 6]) expectAcknowledged(subject, irq);
    },
  },
  {
    title: "IRQ 8 to 15 are acknowledged at both controllers",
    clauses: ["ISR-6"],
    needs: [],
    run(subject) {
      for (const irq of [8, 9, 10, 11, 12, 13, 14]) expectAcknowledged(subject, irq);
    },
  },
  {
    title: "The timer goes on after every other IRQ",
    clauses: ["ISR-6"],
    needs: [],
    run(subject) {
      park(subject);
      setMasks(subject, 0);
      for (const irq of [1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]) {
        const line = irqLine(subject, irq), before = delivered(subject, 32);
        subject.note(`IRQ ${irq}`);
        line(true);
        pass(subject, 1);
        line(false);
        pass(subject, 30);
        const ticks = delivered(subject, 32) - before;
        expect(subject, ticks >= 2, `IRQ 0 after IRQ ${irq}`, `${ticks} in 30 ms`);
      }
    },
  },
  {
    title: "A real IRQ 7 or 15 is acknowledged like any other",
    clauses: ["ISR-7"],
    needs: [],
    run(subject) {
      expectAcknowledged(subject, 7);
      expectAcknowledged(subject, 15);
    },
  },
  {
    title: "A spurious IRQ 7 gets no end of interrupt",
    clauses: ["ISR-7"],
    needs: [],
    run(subject) {
      const left = spurious(subject, 7, 1 << 5);
      expectSame(subject, "IRQ 5 still in service:", left === 1 << 5, true);
    },
  },
  {
    title: "A spurious IRQ 15 gets an end of interrupt at the master only",
    clauses: ["ISR-7"],
    needs: [],
    run(subject) {
      const left = spurious(subject, 15, 1 << 12 | 1 << 2);
      expectSame(subject, "IRQ 2 in service at the master:", (left & 0xff) !== 0, false);
      expectSame(subject, "IRQ 12 still in service at the slave:", left >> 8 === 1 << 4, true);
    },
  },
  {
    title: "Interrupts preserve registers and flags",
    clauses: ["ISR-8"],
    needs: [],
    run(subject) {
      const data = otherData(subject);
      for (const vector of [32, 33, 36, 37, 39, 40, 47]) {
        for (const flags of [ALL_FLAGS, NO_FLAGS]) expectPreserved(subject, vector, data, flags);
      }
    },
  },
];
