/** `deno task fixtures`: records every golden trace again and says what changed. */
import { recordBoot } from "../conformance/boot_trace.ts";
import { recordTrace } from "../conformance/recording.ts";
import { readHead } from "../conformance/settings.ts";
import { replay as replayCode, subjects as codeSubjects } from "../tests/cpu/code_traces.ts";
import { replay as replaySystem } from "../tests/cpu/traces.ts";
import { replayGolden as replayDevice } from "../tests/devices/traces.ts";
import { replay as replayIsa, subjects as isaSubjects } from "../tests/isa/traces.ts";
import { replayGolden as replayKernel } from "../tests/kernel/traces.ts";
import { replayGolden as replayMachine } from "../tests/machine/traces.ts";
import { compareTraces, formatDivergence } from "../trace/compare.ts";
import { formatTrace, headValue, parseTrace } from "../trace/text.ts";

const USAGE = `Records the golden traces of fixtures/ again and says what changed.

Usage: deno task fixtures [--check] [NAME...]

  NAME     Only traces whose path contains NAME, such as kernel/ or pit.
  --check  Write nothing; exit code 1 if a trace would change.

Traces keep their stimuli; what answers them is recorded again. The instructions of isa/ were recorded on a
processor and are left alone. A new trace begins with its stimuli, written by hand.`;

const FIXTURES = new URL("../fixtures/", import.meta.url);

/** Records the trace of a module; `golden` is the present one, undefined if it stays as it is. */
type Recording = (stem: string, golden: string) => string | undefined | Promise<string>;

const rooms: Readonly<Record<string, Recording>> = {
  devices: async (stem) => (await replayDevice(stem)).trace,
  machine: async (stem) => (await replayMachine(stem)).trace,
  kernel: async (stem) => (await replayKernel(stem)).trace,
  cpu: (stem, golden) => stem in codeSubjects ? replayCode(stem, golden) : replaySystem(golden),
  conformance: (_, golden) => recordAgain(golden),
  isa: (stem, golden) => stem in isaSubjects ? replayIsa(stem, golden) : undefined,
};

/** Below fixtures/, every trace's path and how it is recorded. */
async function recordings(): Promise<Map<string, Recording>> {
  const found = new Map<string, Recording>([["boot.trace", recordBootTrace]]);
  for (const [room, record] of Object.entries(rooms)) {
    for await (const { name } of Deno.readDir(new URL(`${room}/`, FIXTURES))) {
      if (name.endsWith(".trace")) found.set(`${room}/${name}`, record);
    }
  }
  return new Map([...found].sort(([a], [b]) => a < b ? -1 : 1));
}

async function recordBootTrace(): Promise<string> {
  return formatTrace(recordBoot(await Deno.readFile(new URL("kernel.elf", FIXTURES))));
}

/** With the settings and the input in its head. */
async function recordAgain(golden: string): Promise<string> {
  const trace = parseTrace(golden), subject = headValue(trace, "subject") ?? "";
  const image = await Deno.readFile(new URL(subject, FIXTURES));
  return formatTrace(recordTrace(image, subject, readHead(trace)).trace);
}

const stemOf = (path: string): string => path.slice(path.indexOf("/") + 1, -".trace".length);

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await Deno.readTextFile(new URL(path, FIXTURES));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** What became of a trace, in words; undefined if nothing. */
function change(before: string | undefined, after: string): string | undefined {
  if (before === undefined) return `new, ${after.split("\n").length - 1} lines`;
  if (before === after) return undefined;
  const divergence = compareTraces(parseTrace(before), parseTrace(after));
  return divergence === undefined ? "its head changed" : formatDivergence(divergence);
}

/** Runs the command; returns its exit code. */
export async function main(args: readonly string[]): Promise<number> {
  if (args.includes("--help")) {
    console.log(USAGE);
    return 0;
  }
  const check = args.includes("--check"), names = args.filter((arg) => arg !== "--check");
  let changed = 0, same = 0, kept = 0;
  for (const [path, record] of await recordings()) {
    if (names.length > 0 && !names.some((name) => path.includes(name))) continue;
    const before = await readIfThere(path), after = await record(stemOf(path), before ?? "");
    const what = after === undefined ? undefined : change(before, after);
    if (after === undefined) kept++;
    else if (what === undefined) same++;
    else {
      changed++;
      console.log(`${path}: ${what}`);
      if (!check) await Deno.writeTextFile(new URL(path, FIXTURES), after);
    }
  }
  console.log(`${changed} changed, ${same} the same, ${kept} recorded on a processor`);
  return check && changed > 0 ? 1 : 0;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
