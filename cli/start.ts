/** Carries out `boot` and `run`: reads files, runs the machine, reports, gives the exit code. */
import { boot } from "../machine/boot.ts";
import type { Module } from "../machine/bootinfo.ts";
import { ImageError } from "../machine/elf.ts";
import type { Machine } from "../machine/machine.ts";
import type { Stop } from "../machine/stop.ts";
import { renderAnsi } from "../devices/vga.ts";
import { readFile, toUsageError } from "./files.ts";
import { helpTexts, type Options, parseOptions, UsageError } from "./options.ts";
import { LineSink, nowhere, print, type Sink, writeAll } from "./output.ts";
import { closingJson, closingReport, exitCode, USAGE } from "./report.ts";

const REFERENCE = new URL("../fixtures/kernel.elf", import.meta.url);

/** Runs a command with its arguments; the exit code. Bad input is told in one line. */
export async function start(command: "boot" | "run", args: readonly string[]): Promise<number> {
  try {
    const options = parseOptions(command, args);
    if (!options.help) return await carryOut(options);
    print(Deno.stdout, helpTexts[command]);
    return 0;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    print(Deno.stderr, `${error.message}\n`);
    return USAGE;
  }
}

async function carryOut(options: Options): Promise<number> {
  const began = performance.now(), sink = openSink(options.serial);
  const machine = load(options, sink);
  const stop = await runToEnd(machine, options, sink);
  sink.flush();
  if (sink.midLine) print(Deno.stderr, "\n"); // not to standard output: its bytes are the guest's
  if (options.screen) print(Deno.stdout, drawn(machine));
  const wall = performance.now() - began;
  if (stop === undefined) return 0;
  const report = options.json ? closingJson : closingReport;
  print(Deno.stderr, report(machine, stop, wall));
  return exitCode(stop);
}

function load(options: Options, sink: Sink): Machine {
  const path = options.image ?? REFERENCE, name = options.image ?? "kernel.elf";
  const image = readFile(path, `Cannot boot ${name}`);
  const { ramBytes, zeroRam, seed, lineRate } = options;
  const commandLine = options.append === "" ? name : `${name} ${options.append}`;
  const modules = options.initrd.map(readModule);
  const hooks = {
    serial: (line: string, byte: number) => line === "com1" ? sink.put(byte) : undefined,
  };
  try {
    return boot(image, { ramBytes, zeroRam, seed, lineRate, commandLine, modules, hooks });
  } catch (error) {
    if (error instanceof ImageError) throw new UsageError(`Cannot boot ${name}: ${error.message}`);
    throw error;
  }
}

async function runToEnd(machine: Machine, options: Options, sink: Sink): Promise<Stop | undefined> {
  const budget = options.budget ?? Infinity;
  if (Deno.stdin.isTerminal()) {
    const { interact } = await import("./terminal.ts");
    if (sink instanceof LineSink) sink.raw = true;
    return interact(machine, options.keys, budget, () => sink.flush());
  }
  const { input } = options, idleAfter = options.idleAfter ?? (options.image ? 10_000 : undefined);
  const stop = machine.run({ until: "idle", budget, idleAfter });
  if (input === undefined || stop.kind !== "idle") return stop;
  machine.serial.send(readFile(input, `Cannot send ${input}`));
  const rest = budget - machine.instructions;
  return machine.run({ until: "idle", budget: rest, idleAfter });
}

/** The screen with its colours, or without them where the person wants none. */
function drawn(machine: Machine): string {
  return Deno.noColor ? `${machine.screen.text}\n` : renderAnsi(machine.screen);
}

function readModule(text: string): Module {
  const [path] = text.split(" ", 1);
  return { data: readFile(path, `Cannot load the module ${path}`), commandLine: text };
}

function openSink(where: string): Sink {
  if (where === "none") return nowhere;
  if (where === "stdio") return new LineSink((bytes) => writeAll(Deno.stdout, bytes));
  try {
    const file = Deno.openSync(where, { write: true, create: true, truncate: true });
    return new LineSink((bytes) => writeAll(file, bytes));
  } catch (error) {
    throw toUsageError(error, `Cannot write serial output to ${where}`);
  }
}
