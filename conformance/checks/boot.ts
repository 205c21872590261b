/**
 * How a kernel comes up: what it prints, that it comes to rest, and what it does on the way.
 * Spec: specs/kernel/main.md.
 */
import { boot } from "../../machine/boot.ts";
import type { Machine } from "../../machine/machine.ts";
import { describeStop } from "../../machine/stop.ts";
import { type Check, expect, expectSame, printed, Skip } from "../check.ts";
import { stagesOf } from "../stages.ts";
import type { Subject } from "../subject.ts";
import { type SeenCall, watchBoot } from "../watch.ts";

const IF = 0x200; // EFLAGS: interrupts on
const MANAGERS = ["pmm_init", "vmm_init", "heap_init"];
const OTHER_SEED = 7;
const SMALL = { ramBytes: 0x1000000 }; // 16 MB: quicker to set up

/** The parts in their order; how a line may call them. */
const PARTS: readonly (readonly [name: string, pattern: RegExp])[] = [
  ["serial", /serial|com1|uart/i],
  ["GDT", /\bgdt\b|segment|global descriptor/i],
  ["IDT", /\bidt\b|interrupt descriptor/i],
  ["PIC", /\bpic\b|8259|interrupt controller/i],
  ["timer", /timer|\bpit\b/i],
  ["keyboard", /keyboard/i],
  ["PMM", /\bpmm\b|physical/i],
  ["VMM", /\bvmm\b|virtual|paging/i],
  ["heap", /heap/i],
];

/** What the kernel has printed: on COM1, else on the screen. */
function output(subject: Subject): string {
  return subject.bootOutput || subject.machine.screen.text;
}

function lines(text: string): string[] {
  return text.split(/\r?\n/).map((line) => line.trim()).filter((line) => line !== "");
}

function lastLines(subject: Subject): string {
  const last = lines(output(subject)).slice(-2).join(" / ");
  return last === "" ? "no output" : `output that ends ${JSON.stringify(last)}`;
}

/** The demonstration's allocations, and how to tell that a call is one of them. */
const DEMONSTRATION: readonly (readonly [text: string, name: string, ...args: number[]])[] = [
  ["kmalloc(1024)", "kmalloc", 1024],
  ["kmalloc(2048)", "kmalloc", 2048],
  ["kcalloc(10, 64)", "kcalloc", 10, 64],
];

function isCall(
  { name, args }: SeenCall,
  [, wanted, ...values]: typeof DEMONSTRATION[number],
): boolean {
  return name === wanted && values.every((value, n) => args[n] === value);
}

/** MAIN-3: the calls of the boot as the symbols show them. */
function judgeDemonstration(subject: Subject, calls: readonly SeenCall[], said: string): void {
  let from = 0;
  for (const wanted of DEMONSTRATION) {
    const at = calls.findIndex((call, n) => n >= from && isCall(call, wanted));
    expect(subject, at >= 0, `the call ${wanted[0]}`, "none in its place");
    from = at + 1;
    const { result } = calls[at], digits = result.toString(16);
    expect(subject, result !== 0, `${wanted[0]} to succeed`, "0");
    const told = new RegExp(`(?<![0-9a-f])0*${digits}(?![0-9a-f])`, "i").test(
      said.replaceAll("0x", " "),
    );
    expect(subject, told, `its result ${printed(result)} in the output`, lastLines(subject));
    const freed = calls.some(({ name, args }, n) =>
      n > at && name === "kfree" && args[0] === result
    );
    expect(subject, freed, `kfree(${printed(result)}) afterwards`, "none");
  }
}

/** How often the boot's statistics are printed before, between and after the allocations. */
function judgeStatistics(subject: Subject, calls: readonly SeenCall[]): void {
  const first = calls.findIndex((call) => isCall(call, DEMONSTRATION[0]));
  const last = calls.findLastIndex(({ name }) => name === "kfree");
  for (const name of ["pmm_dump_stats", "heap_dump_stats"]) {
    if (!subject.has(name)) continue;
    const places = calls.flatMap((call, n) => call.name === name ? [n] : []);
    expect(subject, places.some((n) => n < first), `${name}() before the allocations`, "none");
    expect(subject, places.some((n) => n > last), `${name}() after the frees`, "none");
  }
}

/** Makes COM1 fail its test: what is sent to it does not come back. */
function breakCom1({ pc }: Machine): void {
  const real = pc.uart1.read.bind(pc.uart1);
  Object.assign(pc.uart1, { read: (register: number) => register === 0 ? 0 : real(register) });
}

/** All checks of the boot. */
export const checks: readonly Check[] = [
  {
    title: "The kernel comes to wait for input with interrupts on",
    clauses: ["MAIN-2", "MAIN-5", "MONITOR-4"],
    needs: [],
    early: true,
    run(subject) {
      const { booted } = subject, clause = booted.kind === "budget" ? "MONITOR-4" : "MAIN-5";
      const seen = `${describeStop(booted)}, at ${booted.at}`;
      expect(subject, booted.kind === "idle", "a kernel that waits for input", seen, [clause]);
      const on = (subject.machine.registers.eflags & IF) !== 0;
      expect(subject, on, "interrupts on", "they are off", ["MAIN-2"]);
    },
  },
  {
    title: "Interrupts are on before the memory managers come up",
    clauses: ["MAIN-2"],
    needs: ["pmm_init"],
    early: true,
    run(subject) {
      const seen = stagesOf(subject).filter(({ call }) => MANAGERS.includes(call.name));
      if (seen.length === 0) {
        throw new Skip("no call of pmm_init is seen while the kernel comes up");
      }
      for (const { call, interrupts } of seen) {
        expectSame(subject, `interrupts on after ${call.name}:`, interrupts, true);
      }
    },
  },
  {
    title: "Two boots print the same bytes, whatever RAM held before",
    clauses: ["MAIN-2"],
    needs: [],
    run(subject) {
      const other = subject.variant({ seed: OTHER_SEED });
      const [first, second] = [subject, other].map(output);
      const at = [...first].findIndex((c, n) => c !== second[n]);
      const place = `byte ${at < 0 ? first.length : at}`;
      expect(subject, first === second, "the same output again", `another one from ${place} on`);
    },
  },
  {
    title: "The kernel raises no exception while it comes up",
    clauses: ["MAIN-7"],
    needs: [],
    early: true,
    run(subject) {
      const fault = subject.bootDeeds.deliveries.find(({ source }) => source === "exception");
      if (fault === undefined) return;
      const { vector, code, eip } = fault, error = code < 0 ? "" : `, error code ${printed(code)}`;
      const where = subject.machine.describe(eip);
      expect(subject, false, "no exception", `vector ${vector}${error}, at ${where}`);
    },
  },
  {
    title: "The kernel uses no port that no device answers, and programs no chip in a reserved way",
    clauses: ["MAIN-7"],
    needs: [],
    early: true,
    run(subject) {
      const ports = subject.machine.pc.bus.unclaimed;
      const [port] = [...ports.keys()];
      expect(subject, ports.size === 0, "no access to empty ports", `port ${port?.toString(16)}h`);
      const [reserved] = subject.bootDeeds.diagnoses;
      const seen = `${reserved?.message} (${reserved?.clause})`;
      expect(subject, reserved === undefined, "no reserved programming of a chip", seen);
    },
  },
  {
    title: "Each part reports with a line that starts with [ OK ], in the order of the parts",
    clauses: ["MAIN-1"],
    needs: [],
    early: true,
    run(subject) {
      const reports = lines(output(subject)).filter((line) => line.startsWith("[ OK ]"));
      let from = 0;
      for (const [name, pattern] of PARTS) {
        const at = reports.findIndex((line, n) => n >= from && pattern.test(line));
        const rest = JSON.stringify(reports[from] ?? "no further [ OK ] line");
        expect(subject, at >= 0, `a line of the ${name} in its place`, rest);
        from = at + 1;
      }
    },
  },
  {
    title: "The demonstration allocates, prints the results, and frees",
    clauses: ["MAIN-3"],
    needs: ["kmalloc", "kcalloc", "kfree"],
    run(subject) {
      const calls = stagesOf(subject).map(({ call }) => call);
      judgeDemonstration(subject, calls, output(subject));
      judgeStatistics(subject, calls);
    },
  },
  {
    title: "The demonstration ends with its line of completion",
    clauses: ["MAIN-5"],
    needs: [],
    early: true,
    run(subject) {
      const told = [subject.bootOutput, subject.machine.screen.text]
        .some((text) => lines(text).includes(subject.manifest.completion));
      const line = JSON.stringify(subject.manifest.completion);
      expect(subject, told, `the line ${line}`, lastLines(subject));
    },
  },
  {
    title: "Without a working COM1 the kernel says so on the screen and comes up",
    clauses: ["MAIN-6"],
    needs: [],
    run(subject) {
      const mute = subject.variant(SMALL, breakCom1), { booted } = mute;
      const seen = `${describeStop(booted)}, at ${booted.at}`;
      expect(mute, booted.kind === "idle", "a kernel that comes up without COM1", seen);
      expectSame(mute, "what is sent to COM1", mute.bootOutput, "");
      const { completion } = subject.manifest;
      const told = [subject, mute].map(({ machine }) => machine.screen.text.includes(completion));
      expect(
        mute,
        told[1] || !told[0],
        `${JSON.stringify(completion)} on the screen`,
        "another screen",
      );
      expect(mute, complains(subject), "a line on the screen that says so", "none");
    },
  },
];

/** Whether a line about the serial port stands on the screen that stands nowhere when it works. */
function complains(subject: Subject): boolean {
  const usual = new Set(lines(`${output(subject)}\n${subject.machine.screen.text}`));
  let told = false;
  const look = ({ screen }: Machine): void => {
    told ||= lines(screen.text).some((line) => PARTS[0][1].test(line) && !usual.has(line));
  };
  const stages = ["gdt_init", "idt_init", "pic_init", "timer_init", "keyboard_init", ...MANAGERS];
  look(watchBoot(subject, stages, look, SMALL, breakCom1));
  if (!told) lookOn(subject, look); // without symbols the watch has seen the end alone
  return told;
}

/** Boots without COM1 and looks once a virtual millisecond. */
function lookOn(subject: Subject, look: (machine: Machine) => void): void {
  const machine = boot(subject.image, SMALL);
  breakCom1(machine);
  const { ticks } = subject.booted;
  machine.run({ until: () => (look(machine), machine.ticks >= ticks), idleAfter: Infinity });
}
