/**
 * What a kernel reports when an exception strikes or it panics, and that it then rests. Wording is the
 * kernel's own: judged are numbers, names and values. Spec: specs/kernel/isr.md, specs/kernel/panic.md.
 */
import type { CallResult } from "../../machine/machine.ts";
import { type Check, expect, expectSame, printed, Skip } from "../check.ts";
import {
  CODE,
  DATA,
  type End,
  endOf,
  gate,
  gdtr,
  idtr,
  put,
  setWord,
  tryCode,
  word,
  words,
} from "../probe.ts";
import type { Subject } from "../subject.ts";

const RETURN = 0xc3, UD2 = [0x0f, 0x0b];
const CARRY = 0x001, IF = 0x200; // of EFLAGS
const REPORT_BUDGET = 5_000_000; // instructions after which a report counts as endless
const PAGE_FAULT = 14;
const WITH_CODE = [8, 10, 11, 12, 13, 14, 17, 21, 29, 30];
const WHITE_ON_RED = 0x4f, COLUMNS = 80;
const MOST_FRAMES = 16;
const NEWER = /reserved|unknown|/; // vectors that older manuals do not name

/** What the processor manual calls a vector, as kernels may spell it. */
const NAMES: readonly RegExp[] = [
  /divi[ds]/,
  /debug|single.?step/,
  /\bnmi\b|non.?maskable/,
  /break.?point/,
  /overflow/,
  /bound/,
  /op.?code|instruction/,
  /device|coprocessor/,
  /double.?fault/,
  /overrun|coprocessor/,
  /\btss\b|task.?state/,
  /present/,
  /stack/,
  /protection/,
  /page.?fault/,
  NEWER,
  /x87|floating|fpu|math/,
  /alignment/,
  /machine.?check/,
  /simd|sse/,
  ...new Array<RegExp>(12).fill(NEWER),
];

// ---- reading reports

/** A number in a report, in hexadecimal or decimal digits. */
function numberPattern(value: number): string {
  return `(?:(?:0x)?0*${(value >>> 0).toString(16)}h?|${value >>> 0})`;
}

function mentions(text: string, value: number): boolean {
  return new RegExp(`(?<![0-9a-z])${numberPattern(value)}(?![0-9a-z])`, "i").test(text);
}

/** Whether a report gives this value to this name, as `EAX 0x1`, `EAX=00000001` or `eax: 1`. */
function assigns(report: string, name: string, value: number): boolean {
  const pattern = `\\b${name}\\b[^0-9a-z]*${numberPattern(value)}(?![0-9a-z])`;
  return new RegExp(pattern, "i").test(report);
}

/** The hexadecimal number after a name. */
function numberAfter(report: string, name: string): number {
  return parseInt(
    new RegExp(`${name}\\b[^0-9a-z]*(?:0x)?([0-9a-f]+)`, "i").exec(report)?.[1] ?? "",
    16,
  );
}

/** The lines of a report that have something to say. */
function linesOf(report: string): string[] {
  return report.split(/\r?\n/).map((line) => line.trim()).filter((line) => line !== "");
}

function quoted(report: string): string {
  const lines = linesOf(report);
  return lines.length === 0 ? "no report" : JSON.stringify(lines.slice(0, 3).join(" / "));
}

/** Expects a report and a processor that rests for good. */
function expectEnd(subject: Subject, { report, halted, seen }: End, clauses: string[]): void {
  expect(subject, halted, "a processor that is halted with interrupts off", seen, clauses);
  expect(subject, report.trim() !== "", "a report", "none", clauses);
}

// ---- raising exceptions

/** Lets something end that should not return. */
function fate(subject: Subject, what: string, action: () => CallResult): End {
  subject.note(what);
  return endOf(subject, action());
}

/** Runs code that should end in a report. */
function raise(subject: Subject, code: readonly number[]): CallResult {
  return tryCode(subject, code, REPORT_BUDGET);
}

/** Enters a gate as the processor does, with an error code where the vector has one. */
function deliver(subject: Subject, vector: number, error: number): End {
  const { offset } = gate(subject, idtr(subject), vector);
  const code = WITH_CODE.includes(vector) ? [0x68, ...words(error)] : [];
  const frame = [0x9c, 0xfa, 0x0e, 0x68, ...words(CODE)]; // pushf; cli; push cs; push CODE
  const entry = [...frame, ...code, 0x68, ...words(offset), RETURN];
  const with_ = code.length > 0 ? ` with error code ${printed(error)}` : "";
  return fate(subject, `exception ${vector}${with_}`, () => raise(subject, entry));
}

/** An exception that code provokes. */
interface Provocation {
  readonly vector: number;
  readonly what: string;
  readonly code: readonly number[];
  readonly error?: number;
  readonly prepare?: (subject: Subject) => void;
}

const BAD_SELECTOR = 0x1238, NOWHERE = 0x20000abc;
const MOV_EAX = 0xb8, MOV_ES = [0x8e, 0xc0], MOV_SS = [0x8e, 0xd0];
const USER_DATA = 0x20, PRESENT = 0x8000;

/** Gives the user data descriptor another access byte. */
function setAccess(subject: Subject, access: number): void {
  const at = gdtr(subject).base + USER_DATA + 4;
  setWord(subject, at, word(subject, at) & ~0xff00 | access << 8);
}

/** Makes a gate absent. */
function removeGate(subject: Subject, vector: number): void {
  const at = idtr(subject).base + 8 * vector + 4;
  setWord(subject, at, word(subject, at) & ~PRESENT);
}

const provocations: readonly Provocation[] = [
  { vector: 0, what: "division by zero", code: [0x31, 0xc9, 0xf7, 0xf1] },
  {
    vector: 1,
    what: "a single step", // pushf; or [esp], TF; popf; nop
    code: [0x9c, 0x81, 0x0c, 0x24, ...words(0x100), 0x9d, 0x90, 0x90],
  },
  { vector: 2, what: "int 2", code: [0xcd, 2] },
  { vector: 3, what: "int3", code: [0xcc] },
  { vector: 4, what: "into after an overflow", code: [0xb0, 0x7f, 0x04, 0x01, 0xce] },
  {
    vector: 5,
    what: "bound with 5 outside 0 to 1",
    code: [MOV_EAX, ...words(5), 0x62, 0x05, ...words(DATA + 64)],
    prepare: (subject) => put(subject, DATA + 64, words(0, 1)),
  },
  { vector: 6, what: "ud2", code: UD2 },
  {
    vector: 7,
    what: "fninit with CR0.TS set", // mov eax, cr0; or al, 8; mov cr0, eax; fninit
    code: [0x0f, 0x20, 0xc0, 0x0c, 8, 0x0f, 0x22, 0xc0, 0xdb, 0xe3],
  },
  {
    vector: 8,
    what: "a general protection fault without its gate",
    code: [MOV_EAX, ...words(BAD_SELECTOR), ...MOV_ES],
    error: 0,
    prepare: (subject) => removeGate(subject, 13),
  },
  {
    vector: 11,
    what: "a segment that is not present",
    code: [MOV_EAX, ...words(USER_DATA), ...MOV_ES],
    error: USER_DATA,
    prepare: (subject) => setAccess(subject, 0x72),
  },
  {
    vector: 12,
    what: "a stack segment that is not present",
    code: [MOV_EAX, ...words(USER_DATA), ...MOV_SS],
    error: USER_DATA,
    prepare: (subject) => setAccess(subject, 0x12),
  },
  {
    vector: 13,
    what: "a selector beyond the GDT",
    code: [MOV_EAX, ...words(BAD_SELECTOR), ...MOV_ES],
    error: BAD_SELECTOR,
  },
  {
    vector: PAGE_FAULT,
    what: "a read where nothing is mapped",
    code: [0xa1, ...words(NOWHERE)],
    error: 0,
  },
  {
    vector: PAGE_FAULT,
    what: "a write where nothing is mapped",
    code: [0xa3, ...words(NOWHERE)],
    error: 2,
  },
  { vector: 16, what: "int 16", code: [0xcd, 16] },
  { vector: 18, what: "int 18", code: [0xcd, 18] },
];

/** Provokes an exception; undefined if the processor raised another one. */
function provoke(subject: Subject, { vector, what, code, prepare }: Provocation): End | undefined {
  subject.fresh();
  prepare?.(subject);
  const end = fate(subject, what, () => raise(subject, [...code, RETURN]));
  return subject.deeds.deliveries.some((delivery) => delivery.vector === vector) ? end : undefined;
}

// ---- checks

/** Expects a report that names the vector, and rest behind it. */
function expectNamed(subject: Subject, vector: number, end: End): void {
  const head = linesOf(end.report).slice(0, 3).join("\n");
  const seen = quoted(end.report), name = NAMES[vector].source.split("|")[0];
  expect(subject, mentions(head, vector), `a report of exception ${vector}`, seen, ["ISR-1"]);
  const named = new RegExp(NAMES[vector], "i").test(head);
  expect(subject, named, `its name (${name})`, seen, ["ISR-1"]);
  expectEnd(subject, end, ["ISR-5"]);
}

/** Expects the error code in a line that speaks of an error or a code. */
function expectCode(subject: Subject, error: number, { report }: End): void {
  const lines = linesOf(report).filter((line) => /err|code/i.test(line));
  const shown = lines.some((line) => mentions(line, error));
  expect(subject, shown, `the error code ${printed(error)}`, quoted(report), ["ISR-2"]);
}

/** Expects these words in a report, and none of those. */
function expectWords(subject: Subject, { report }: End, has: RegExp[], lacks: RegExp[] = []): void {
  for (const pattern of has) {
    expect(subject, pattern.test(report), `the word ${pattern.source}`, quoted(report));
  }
  for (const pattern of lacks) {
    expect(subject, !pattern.test(report), `not the word ${pattern.source}`, quoted(report));
  }
}

const READ = /\bread(?!.only)/i, WRITE = /\bwrit/i, KERNEL = /kernel|supervisor/i, USER = /user/i;
const ABSENT = /not.present|non.?present|not mapped|absent|missing/i;
const PROTECTION = /protect|violat|permission|privilege/i;
const RESERVED = /reserved/i, FETCH = /fetch|execut/i;

/** Error codes of page faults, and how they must and must not be explained. */
const pageFaults: readonly (readonly [code: number, has: RegExp[], lacks: RegExp[]])[] = [
  [0x00, [READ, KERNEL, ABSENT], [WRITE, USER, PROTECTION, RESERVED, FETCH]],
  [0x02, [WRITE, KERNEL, ABSENT], [READ, USER, PROTECTION, RESERVED, FETCH]],
  [0x01, [READ, KERNEL, PROTECTION], [WRITE, USER, ABSENT, RESERVED, FETCH]],
  [0x03, [WRITE, KERNEL, PROTECTION], [READ, USER, ABSENT, RESERVED, FETCH]],
  [0x04, [READ, USER, ABSENT], [WRITE, PROTECTION, RESERVED, FETCH]],
  [0x07, [WRITE, USER, PROTECTION], [READ, ABSENT, RESERVED, FETCH]],
  [0x0b, [WRITE, RESERVED], [USER, ABSENT, FETCH]],
  [0x15, [USER, PROTECTION, FETCH], [WRITE, ABSENT, RESERVED]],
];

const GDT = /\bGDT\b/i, IDT = /\bIDT\b/i, LDT = /\bLDT\b/i, EXTERNAL = /external/i;

/** Error codes with a selector: the table and index that a report must name. */
const selectors:
  readonly (readonly [code: number, index: number, has: RegExp[], lacks: RegExp[]])[] = [
    [0x1238, 583, [GDT], [IDT, LDT, EXTERNAL]],
    [0x0403, 128, [IDT, EXTERNAL], [GDT, LDT]],
    [0x0402, 128, [IDT], [GDT, LDT, EXTERNAL]],
    [0x002c, 5, [LDT], [GDT, IDT, EXTERNAL]],
  ];

const exceptions: readonly Check[] = [
  {
    title: "Each exception that code provokes gives a report that names it, and halts",
    clauses: ["ISR-1", "ISR-2", "ISR-5"],
    needs: [],
    run(subject) {
      for (const provocation of provocations) {
        const end = provoke(subject, provocation), { vector, error } = provocation;
        if (end === undefined) continue; // the next check raises it
        expectNamed(subject, vector, end);
        if (error !== undefined) expectCode(subject, error, end);
        if (vector !== PAGE_FAULT) continue;
        const cr2 = assigns(end.report, "CR2", NOWHERE) || mentions(end.report, NOWHERE);
        expect(subject, cr2, `CR2, ${printed(NOWHERE)}`, quoted(end.report), ["ISR-5"]);
      }
    },
  },
  {
    title: "Each of the 32 vectors gives a report that names it, and halts",
    clauses: ["ISR-1", "ISR-5"],
    needs: [],
    run(subject) {
      for (let vector = 0; vector < 32; vector++) {
        subject.fresh();
        expectNamed(subject, vector, deliver(subject, vector, 0));
      }
    },
  },
  {
    title: "The error code is reported for each vector that has one",
    clauses: ["ISR-2"],
    needs: [],
    run(subject) {
      for (const vector of WITH_CODE) {
        subject.fresh();
        expectCode(subject, 0x5670, deliver(subject, vector, 0x5670));
      }
    },
  },
  {
    title: "A page fault's error code is decoded",
    clauses: ["ISR-3"],
    needs: [],
    run(subject) {
      for (const [code, has, lacks] of pageFaults) {
        subject.fresh();
        expectWords(subject, deliver(subject, PAGE_FAULT, code), has, lacks);
      }
    },
  },
  {
    title: "A selector in an error code is decoded",
    clauses: ["ISR-4"],
    needs: [],
    run(subject) {
      for (const vector of [10, 11, 12, 13]) {
        for (const [code, index, has, lacks] of selectors) {
          subject.fresh();
          const end = deliver(subject, vector, code);
          expectWords(subject, end, has, lacks);
          expect(subject, mentions(end.report, index), `its index ${index}`, quoted(end.report));
        }
        subject.fresh();
        expectWords(subject, deliver(subject, vector, 0), [], [GDT, IDT, LDT, EXTERNAL]);
      }
    },
  },
  {
    title: "The report shows the registers as they were",
    clauses: ["ISR-5"],
    needs: [],
    run(subject) {
      const values = { EAX: 0x11111111, ECX: 0x22222222, EDX: 0x33333333, EBX: 0x44444444 };
      const more = { ESI: 0x77777777, EDI: 0x88888888 };
      const { ebp, eflags, cs, ds, es, fs, gs } = subject.machine.registers;
      const loads = [0xb8, 0xb9, 0xba, 0xbb, 0xbe, 0xbf].flatMap((opcode, n) => [
        opcode,
        ...words([...Object.values(values), ...Object.values(more)][n]),
      ]);
      const code = [0x89, 0x25, ...words(DATA), ...loads, 0xf9, ...UD2]; // mov [DATA], esp; ...; stc
      const end = fate(
        subject,
        "ud2 while the registers hold values",
        () => raise(subject, code),
      );
      const expected: Record<string, number> = {
        ...values,
        ...more,
        ...{ EBP: ebp, ESP: word(subject, DATA), EIP: CODE + code.length - 2 },
        ...{ CS: cs, DS: ds, ES: es, FS: fs, GS: gs },
      };
      const { cr0, cr2, cr3 } = subject.machine.registers;
      Object.assign(expected, { CR0: cr0, CR2: cr2, CR3: cr3 });
      for (const [name, value] of Object.entries(expected)) {
        const shown = assigns(end.report, name, value);
        expect(subject, shown, `${name} ${printed(value)}`, valueShown(end.report, name));
      }
      const flags = numberAfter(end.report, "e?flags"), marked = CARRY | eflags & IF;
      const right = (flags & (CARRY | IF)) === marked;
      expect(subject, right, "EFLAGS with CF and IF set", valueShown(end.report, "EFLAGS"));
    },
  },
  {
    title: "The report of an exception has a backtrace",
    clauses: ["ISR-5"],
    needs: [],
    run(subject) {
      const end = fate(subject, "ud2 in a function", () => raise(subject, inFunction(UD2)));
      const shown = mentions(end.report, CODE + AFTER_CALL);
      expect(
        subject,
        shown,
        `the return address ${printed(CODE + AFTER_CALL)}`,
        quoted(end.report),
      );
    },
  },
  {
    title: "A vector without a gate ends in an exception report",
    clauses: ["IDT-3"],
    needs: [],
    run(subject) {
      for (const vector of [48, 128, 255]) {
        subject.fresh();
        const end = fate(subject, `int ${vector}`, () => raise(subject, [0xcd, vector, RETURN]));
        expect(subject, subject.said !== "" || end.halted, "a report", end.seen);
      }
    },
  },
];

/** What a report says of a register. */
function valueShown(report: string, name: string): string {
  return new RegExp(`\\b${name}\\b.{0,12}`, "i").exec(report)?.[0] ??
    `no ${name} in ${quoted(report)}`;
}

// ---- panic

const AFTER_CALL = 8; // offset of the return address in the code below

/** Code that runs `body` in a function with a frame, called from a function with a frame. */
function inFunction(body: readonly number[]): number[] {
  // push ebp; mov ebp, esp; call +1; leave... the callee stands behind the return
  return [0x55, 0x89, 0xe5, 0xe8, ...words(2), 0xc9, RETURN, 0x55, 0x89, 0xe5, ...body];
}

const CALL_EAX = [0xff, 0xd0], DROP_AND_RETURN = [0x83, 0xc4, 4, RETURN], LEAVE = [0xc9, RETURN];
const MESSAGE = "of the check";

/** Code that calls kernel_panic. */
function panicCall(subject: Subject): number[] {
  put(subject, DATA, [...new TextEncoder().encode(`${MESSAGE}\0`)]);
  const function_ = words(subject.address("kernel_panic"));
  return [0x68, ...words(DATA), 0xb8, ...function_, ...CALL_EAX]; // push; mov eax
}

/** The end of a call of kernel_panic. */
function panicOf(subject: Subject): End {
  const call = (): CallResult =>
    subject.machine.invoke(subject.address("kernel_panic"), [MESSAGE], REPORT_BUDGET);
  return fate(subject, `kernel_panic("${MESSAGE}")`, call);
}

/** A `Skip` if no panic halts; else as before. */
function needHalt(subject: Subject): void {
  if (!panicOf(subject).halted) throw new Skip("a panic does not halt at all: PANIC-4");
  subject.fresh();
}

/** The report of a panic in code of ours. */
function panicIn(subject: Subject, what: string, code: readonly number[]): End {
  return fate(subject, what, () => raise(subject, code));
}

/** How often a report lists an address. */
function count(report: string, address: number): number {
  const pattern = `(?<![0-9a-z])(?:0x)?0*${address.toString(16)}(?![0-9a-z])`;
  return [...report.matchAll(new RegExp(pattern, "gi"))].length;
}

/** The attribute of the screen's cell where a text begins. */
function attributeOf(subject: Subject, text: string): number | undefined {
  const { rows } = subject.machine.screen;
  const cells = rows.flat(), characters = cells.map(({ character }) => character).join("");
  const at = characters.indexOf(text);
  return at < 0 || characters.length % COLUMNS !== 0 ? undefined : cells[at].attribute;
}

const panic: readonly Check[] = [
  {
    title: "kernel_panic prints its message, white on red",
    clauses: ["PANIC-1"],
    needs: ["kernel_panic"],
    run(subject) {
      const { report } = panicOf(subject);
      const named = /panic/i.test(report) && report.includes(MESSAGE);
      expect(subject, named, "a panic with its message", quoted(report));
      const seen = attributeOf(subject, MESSAGE);
      const shown = seen === undefined
        ? "it is not on the screen"
        : `attribute ${seen.toString(16)}h`;
      expect(subject, seen === WHITE_ON_RED, "the message on the screen in 4Fh", shown);
    },
  },
  {
    title: "After a panic the processor rests for good with interrupts off",
    clauses: ["PANIC-4"],
    needs: ["kernel_panic"],
    run(subject) {
      expectEnd(subject, panicOf(subject), ["PANIC-4"]);
    },
  },
  {
    title: "A panic prints a backtrace, the innermost call first",
    clauses: ["PANIC-3"],
    needs: ["kernel_panic"],
    run(subject) {
      const code = inFunction([...panicCall(subject), ...LEAVE]);
      const inner = CODE + code.length - LEAVE.length;
      const { report } = panicIn(subject, "a panic two functions deep", code);
      const [first, second] = [inner, CODE + AFTER_CALL].map((address) => {
        expect(
          subject,
          count(report, address) > 0,
          `the return address ${printed(address)}`,
          quoted(report),
        );
        return report.search(new RegExp(`0*${address.toString(16)}(?![0-9a-f])`, "i"));
      });
      expect(subject, first < second, "the innermost call first", "the outer one before it");
    },
  },
  {
    title: "A damaged chain of frames ends the backtrace, not the report",
    clauses: ["PANIC-5"],
    needs: ["kernel_panic"],
    run(subject) {
      needHalt(subject);
      const foreign = [0, 0x12345678, 0xfffffffc, 0xfffffff8, 0x3, DATA + 0x100];
      for (const frame of foreign) {
        subject.fresh();
        put(subject, DATA + 0x100, words(DATA + 0x100, 0x5eed5eed)); // points to itself
        const code = [0xbd, ...words(frame), ...panicCall(subject), ...DROP_AND_RETURN]; // mov ebp
        const end = panicIn(subject, `a panic with EBP ${printed(frame)}`, code);
        expectEnd(subject, end, ["PANIC-5"]);
        const faults = subject.deeds.deliveries.filter(({ source }) => source === "exception");
        expectSame(subject, "exceptions on the way", faults.length, 0);
        expectSame(subject, "addresses from a foreign frame", count(end.report, 0x5eed5eed), 0);
      }
    },
  },
  {
    title: "The backtrace stops after 16 calls",
    clauses: ["PANIC-5"],
    needs: ["kernel_panic"],
    run(subject) {
      needHalt(subject);
      // mov ecx, 40; f: push ebp; mov ebp, esp; dec ecx; jz +5; call f; then the panic
      const recursion = [0xb9, 40, 0, 0, 0, 0x55, 0x89, 0xe5, 0x49, 0x74, 5, 0xe8, ...words(-11)];
      const code = [...recursion, ...panicCall(subject), ...LEAVE];
      const { report } = panicIn(subject, "a panic 40 functions deep", code);
      const listed = count(report, CODE + recursion.length);
      expect(subject, listed <= MOST_FRAMES, "up to 16 return addresses", `${listed}`);
    },
  },
];

/** All checks of exceptions and panics. */
export const checks: readonly Check[] = [...exceptions, ...panic];
