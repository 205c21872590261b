/**
 * The command line that a kernel serves on keyboard and COM1 after its demonstration. A kernel without
 * one, which shows no prompt, is not judged by it. Spec: specs/kernel/monitor.md.
 */
import { TICKS_PER_MILLISECOND } from "../../machine/clock.ts";
import { type Check, expect, expectSame, Skip } from "../check.ts";
import { masks, setMasks } from "../probe.ts";
import type { Subject } from "../subject.ts";

const PROMPT = "> ";
const LINE_ROOM = 71; // characters of a command: MONITOR-2
const BUDGET = 100_000_000; // instructions for one command
const IF = 0x200; // EFLAGS: interrupts on
const SECOND = 1000 * TICKS_PER_MILLISECOND;
const TIMER = 0x01; // IRQ 0 among the masks
const BACKSPACE = "\b", DELETE = "\x7f";

function needPrompt(subject: Subject): void {
  if (lines(subject.bootOutput).at(-1) === PROMPT) return;
  throw new Skip(`its output does not end in the prompt ${JSON.stringify(PROMPT)}`);
}

/** Lines without what a terminal does not show. */
function lines(output: string): string[] {
  return output.replaceAll("\r", "").split("\n");
}

/** What it says to a line of input, echo included, the next prompt too. */
function say(subject: Subject, input: string): string {
  const before = subject.said.length;
  subject.machine.serial.send(input);
  subject.note(`COM1 receives ${JSON.stringify(input)}`);
  subject.run({ until: "idle", budget: BUDGET });
  return subject.said.slice(before).replaceAll("\r", "");
}

/** The lines between echo and prompt. */
function answer(subject: Subject, command: string): string[] {
  const said = say(subject, `${command}\r`), all = said.split("\n");
  const framed = all[0] === command && all.at(-1) === PROMPT;
  const expected = `the echo ${JSON.stringify(command)}, an answer, and the prompt`;
  expect(subject, framed, expected, JSON.stringify(said), ["MONITOR-1"]);
  return all.slice(1, -1);
}

/** Expects the answer to a command to be one line that matches. */
function expectLine(subject: Subject, command: string, pattern: RegExp, expected: string): string {
  const seen = answer(subject, command);
  const holds = seen.length === 1 && pattern.test(seen[0]);
  expect(subject, holds, `${command} to print ${expected}`, JSON.stringify(seen.join("\n")));
  return seen[0];
}

function hex(value: number): string {
  return `0x${value.toString(16).padStart(8, "0")}`;
}

function dialogue(title: string, clause: string, run: (subject: Subject) => void): Check {
  const judge = (subject: Subject): void => {
    needPrompt(subject);
    run(subject);
  };
  return { title, clauses: [clause], needs: [], run: judge };
}

/** MONITOR-3: commands without an argument, and the function that prints the same. */
const reports: readonly (readonly [command: string, name: string])[] = [
  ["mem", "pmm_dump_stats"],
  ["heap", "heap_dump_stats"],
  ["blocks", "heap_dump_blocks"],
];

const commands = ["mem", "heap", "blocks", "map", "alloc", "free", "ticks", "panic"];
const unusable = ["", " x", " 12x", " 0x", " 4294967296", " 0x100000000", " -1"];

/** The screen's line with the cursor. */
function cursorLine({ machine }: Subject): string {
  const { screen } = machine;
  return screen.text.split("\n")[screen.cursor.row] ?? "";
}

/** MONITOR-2: by the screen and by what the command does, not by the characters that do it. */
function expectErased(subject: Subject, erase: string): void {
  const plain = lines(say(subject, "heap\r")).slice(1);
  say(subject, `heax${erase}`);
  expectSame(subject, "the line on the screen", cursorLine(subject), `${PROMPT}hea`);
  const corrected = lines(say(subject, "p\r")).slice(1);
  expectSame(subject, "the answer", corrected.join("\n"), plain.join("\n"));
  say(subject, erase.repeat(3));
  expectSame(subject, "the line on the screen", cursorLine(subject).trimEnd(), PROMPT.trimEnd());
}

/** MONITOR-4: almost no instruction in a second without input, and interrupts on. */
function atRest(subject: Subject): void {
  const { machine, booted } = subject, start = machine.ticks, from = machine.instructions;
  const expected = "a processor that is halted with interrupts on";
  expect(subject, booted.kind === "idle", expected, `it runs on, at ${booted.at}`);
  machine.run({ until: () => machine.ticks >= start + SECOND, idleAfter: Infinity });
  const executed = machine.instructions - from, on = (machine.registers.eflags & IF) !== 0;
  const seen = on ? `${executed} instructions in a second` : "interrupts off";
  expect(subject, on && executed < SECOND / 10, expected, seen);
}

/** The checks. */
export const checks: readonly Check[] = [
  dialogue("The monitor echoes what is typed and prompts again", "MONITOR-1", (subject) => {
    for (const end of ["\r", "\n"]) {
      const seen = say(subject, end);
      expect(subject, seen === `\n${PROMPT}`, "a new line and the prompt", JSON.stringify(seen));
    }
    answer(subject, "heap");
  }),
  dialogue("Backspace and DEL erase the last character of the line", "MONITOR-2", (subject) => {
    expectErased(subject, BACKSPACE);
    expectErased(subject, DELETE);
  }),
  dialogue("A line takes 71 characters and no control characters", "MONITOR-2", (subject) => {
    const [seen] = lines(say(subject, `${"x".repeat(100)}\x01\x1b\r`));
    const expected = "x".repeat(LINE_ROOM);
    expect(subject, seen === expected, `${LINE_ROOM} times "x"`, JSON.stringify(seen));
  }),
  ...reports.map(([command, name]): Check => ({
    title: `The monitor's ${command} prints what ${name} prints`,
    clauses: ["MONITOR-3"],
    needs: [name],
    run(subject): void {
      needPrompt(subject);
      subject.call(name);
      const expected = lines(subject.said).slice(0, -1).join("\n");
      const seen = answer(subject, command).join("\n");
      expect(subject, seen === expected, JSON.stringify(expected), JSON.stringify(seen));
    },
  })),
  dialogue("The monitor's alloc and free use the heap", "MONITOR-3", (subject) => {
    const address = expectLine(subject, "alloc 100", /^0x[0-9a-f]{8}$/, "an address");
    expectLine(subject, `free ${address}`, /^Freed$/, "Freed");
    expectLine(subject, `free ${Number(address)}`, /^(?!Freed$)./, "why it cannot be freed");
    expectLine(subject, "alloc 9000000", /^Not possible$/, "Not possible");
  }),
  dialogue("The monitor's map shows a translation", "MONITOR-3", (subject) => {
    const frame = subject.machine.translate(0x400000) ?? 0;
    const shown = `${hex(0x400004)} -> ${hex(frame + 4)} writable kernel`;
    expectLine(subject, "map 0x400004", new RegExp(`^${shown}$`), shown);
    const none = "0x20000000 is not mapped";
    expectLine(subject, "map 0x20000000", new RegExp(`^${none}$`), none);
  }),
  dialogue("The monitor's help, ticks and panic do what they say", "MONITOR-3", (subject) => {
    const help = answer(subject, "help").join("\n");
    const missing = commands.filter((name) => !new RegExp(`\\b${name}\\b`).test(help));
    expect(subject, missing.length === 0, "help to list every command", `none of ${missing}`);
    expectLine(subject, "ticks", /^[1-9][0-9]*$/, "the number of clock ticks");
    subject.machine.serial.send("panic\r");
    const stop = subject.run({ until: "idle", budget: BUDGET });
    expect(subject, stop.kind === "halted", "panic to halt for good", `it is ${stop.kind}`);
  }),
  {
    ...dialogue("The processor is halted while the monitor waits", "MONITOR-4", atRest),
    early: true, // a monitor that never halts keeps the kernel from ever waiting
  },
  dialogue("No character is lost, whenever it arrives", "MONITOR-4", (subject) => {
    for (let at = 0; at < 50; at++) {
      subject.fresh();
      setMasks(subject, masks(subject) | TIMER); // no clock that could wake it by chance
      subject.machine.serial.send("he");
      subject.machine.step(7 * at);
      say(subject, "ap\r");
      const [echo] = lines(subject.said);
      expect(subject, echo === "heap", `the echo "heap"`, JSON.stringify(echo));
    }
  }),
  dialogue("Numbers are decimal, or hexadecimal after 0x", "MONITOR-5", (subject) => {
    for (const text of ["0x00400000", "4194304", "0X400000"]) {
      expectLine(subject, `map ${text}`, /^0x00400000 -> /, "a translation of 0x00400000");
    }
    const [needed] = answer(subject, "map ?");
    for (const text of unusable) {
      const seen = answer(subject, `map${text}`);
      const holds = seen.length === 1 && seen[0] === needed && !seen[0].startsWith("0x");
      expect(subject, holds, "one line that says what is needed", JSON.stringify(seen.join("\n")));
    }
  }),
  dialogue("An unknown command gets a line that names help", "MONITOR-6", (subject) => {
    expectLine(subject, "frobnicate", /\bhelp\b/, "a line that names help");
    expect(subject, answer(subject, "").length === 0, "a new prompt only", subject.said);
  }),
  dialogue("Keyboard and COM1 are treated alike", "MONITOR-7", (subject) => {
    const expected = say(subject, "heap\r");
    subject.fresh();
    subject.machine.type("heap\n");
    subject.run({ until: "idle", budget: BUDGET });
    const seen = subject.said.replaceAll("\r", "");
    expect(subject, seen === expected, JSON.stringify(expected), JSON.stringify(seen));
  }),
];
