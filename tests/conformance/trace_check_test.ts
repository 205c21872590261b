import { assert, assertEquals, assertThrows } from "@std/assert";
import { HeadError } from "../../conformance/settings.ts";
import { parseScript } from "../../conformance/input.ts";
import { recordTrace } from "../../conformance/recording.ts";
import { defaultSettings } from "../../conformance/settings.ts";
import { checkTrace, formatDifference } from "../../conformance/trace_check.ts";
import { formatTrace } from "../../trace/text.ts";
import { kernel } from "../machine/images.ts";

const FIXTURES = new URL("../../fixtures/", import.meta.url);
const reference = await Deno.readFile(new URL("kernel.elf", FIXTURES));
const golden = formatTrace(
  recordTrace(reference, "kernel.elf", {
    ...defaultSettings,
    ramBytes: 0x800000,
    rest: 100,
    events: "serial,memory,control,call=pmm_init,kmalloc,kfree",
    input: parseScript('after serial "> " send "mem\\n"'),
  }).trace,
);

/** The kernel's trace with `old` replaced, as if the kernel should do something else. */
function changed(old: string, replacement: string): string {
  assert(golden.includes(old), old);
  return golden.replace(old, replacement);
}

Deno.test("checkTrace finds no difference in what it has recorded [TRACE-CHECK-1]", () => {
  assertEquals(checkTrace(reference, golden), undefined);
});

Deno.test("checkTrace finds the kernel's monitor as its golden trace has it [TRACE-CHECK-1]", async () => {
  const path = new URL("conformance/monitor.trace", FIXTURES);
  const difference = checkTrace(reference, await Deno.readTextFile(path));
  assert(!difference, difference && formatDifference(difference, "kernel.elf", "monitor.trace"));
});

Deno.test("checkTrace shows the one byte that was changed [TRACE-CHECK-2] [TRACE-CHECK-3] [TRACE-CHECK-4]", () => {
  const trace = changed("= 0x00400010", "= 0x00400018"), difference = checkTrace(reference, trace)!;
  const line = trace.split("\n").findIndex((text) => text.endsWith("= 0x00400018")) + 1;
  assertEquals(difference.line, line);
  assertEquals(difference.clauses, ["HEAP-3", "HEAP-4"]);
  const report = formatDifference(difference, "kernel.elf", "boot.trace").split("\n");
  assertEquals(
    report[0],
    `kernel.elf leaves boot.trace at line ${line}, event ${difference.divergence.index + 1} ` +
      `[HEAP-3, HEAP-4]: return: the result is 0x00400010, not 0x00400018`,
  );
  assert(report.some((text) => /^ {2}- \d+ return kmalloc 0x00000400 = 0x00400018$/.test(text)));
  assert(report.some((text) => /^ {2}\+ \d+ return kmalloc 0x00000400 = 0x00400010$/.test(text)));
  assert(/^at kernel_main\+0x[0-9a-f]+ \(0x[0-9a-f]{8}\)$/.test(report.at(-2)!), report.at(-2));
  assert(report.at(-1)!.startsWith("called from _start+"));
});

Deno.test("checkTrace names the clauses of what a line shows [TRACE-CHECK-3]", () => {
  const clauses = (old: string, replacement: string) =>
    checkTrace(reference, changed(old, replacement))!.clauses;
  assertEquals(clauses("memory reported pages 2016", "memory reported pages 2017"), [
    ...["PMM-2", "PMM-3"],
  ]);
  assertEquals(clauses("control cr0 0x80010011", "control cr0 0x80000011"), ["VMM-1", "VMM-12"]);
  assertEquals(clauses("Heap: 1048576 bytes, 1048576 free", "Heap: 1 bytes, 1 free"), ["HEAP-15"]);
});

Deno.test("checkTrace falls back to the clauses of a stage [TRACE-CHECK-3]", () => {
  const sleeping = kernel([0xb0, 0x61, 0xe6, 0xe9, 0xfa, 0xf4]); // out e9h, 'a'; cli; hlt
  const head = "# claudeos-trace 1\n# events: serial\n";
  const trace = `${head}0 stage "it says so [BUS-4]"\n4 serial debug "b"\n4 stop halted\n`;
  const difference = checkTrace(sleeping, trace)!;
  assertEquals(difference.clauses, ["BUS-4"]);
});

Deno.test("checkTrace has no place where the kernel did nothing more [TRACE-CHECK-4]", () => {
  const difference = checkTrace(reference, `${golden}99999999 stop idle\n`)!;
  assertEquals(difference.places, []);
  assertEquals(difference.line, golden.split("\n").length);
  assertEquals(difference.divergence.what, "it ends where stop is expected");
});

Deno.test("checkTrace tells source lines where the image has them [TRACE-CHECK-4] [TRACE-CHECK-5]", async () => {
  const image = await Deno.readFile(new URL("conformance/debug.elf", FIXTURES));
  const trace = `# claudeos-trace 1\n# events: serial\n9 serial debug "other"\n9 stop halted\n`;
  const { places } = checkTrace(image, trace)!;
  assertEquals(places.map(({ text, source }) => `${text.split("+")[0]} ${source}`), [
    ...["put debug.c:5", "say debug.c:10", "start debug.c:16", "_start debug.c:14"],
  ]);
  const report = formatDifference(checkTrace(image, trace)!, "k", "t");
  assert(/^at put \(0x00100000\), debug\.c:5$/m.test(report), report);
  const without = checkTrace(reference, changed("Complete!", "complete!"))!.places;
  assert(without.length > 3 && without.every(({ source }) => source === undefined));
});

Deno.test("checkTrace can be given other input and other timing [TRACE-CHECK-3] [TRACE-CHECK-6]", () => {
  const input = parseScript('after serial "> " send "heap\\n"');
  assert(checkTrace(reference, golden, { input }) !== undefined);
  const late = golden.replace(/^(\d+) return pmm_init$/m, (_, n) => `${n - 1} return pmm_init`);
  const { divergence, clauses } = checkTrace(reference, late)!;
  assertEquals([divergence.what, clauses], ["return comes too late by 1", []]);
  assertEquals(checkTrace(reference, late, { timing: "free" }), undefined);
});

Deno.test("checkTrace stops a kernel that runs wild [TRACE-CHECK-7]", () => {
  const wild = kernel([0xe6, 0x80, 0xeb, 0xfc]); // out 80h, al, for ever
  const trace = "# claudeos-trace 1\n# events: port\n0 out 0x80 0x00\n";
  assertEquals(checkTrace(wild, trace)!.divergence.index, 0);
});

Deno.test("checkTrace refuses a trace that nobody can record [TRACE-CHECK-1]", () => {
  assertThrows(() => checkTrace(reference, "# claudeos-trace 1\n"), HeadError);
  assertThrows(() => checkTrace(reference, "hello"), SyntaxError, "line 1");
});
