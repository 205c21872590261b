/**
 * Instructions a second on whole programs, beside QEMU's time for the same image where it is installed.
 * The images, built by gcc, stand with their sources in `fixtures/bench/`.
 *
 *     deno task bench            a table of medians
 *     deno task bench --json     the same as JSON
 *     deno task bench --runs 9   more runs of each (default 5)
 */
import { parseArgs } from "node:util";
import { boot } from "../machine/boot.ts";

const WORKLOADS = ["sieve", "crc32", "quicksort"];
const QEMU = "qemu-system-i386";

/** Medians for one workload. */
interface Row {
  readonly workload: string;
  readonly instructions: number;
  /** Seconds from the first instruction to the last, in one process that is warm after its first run. */
  readonly seconds: number;
  readonly millionPerSecond: number;
  /** Seconds of the whole QEMU process; undefined where QEMU is not installed. */
  readonly qemuSeconds: number | undefined;
}

function ours(image: Uint8Array): { instructions: number; seconds: number } {
  const machine = boot(image), start = performance.now(), stop = machine.run();
  if (stop.kind !== "guest-exit") {
    throw new Error(`Cannot measure: the image stopped with ${stop.kind}`);
  }
  return { instructions: stop.instructions, seconds: (performance.now() - start) / 1000 };
}

/** Seconds of one QEMU run, or undefined without QEMU. */
async function qemu(path: string): Promise<number | undefined> {
  const machine = [
    "-display",
    "none",
    "-no-reboot",
    "-serial",
    "null",
    "-device",
    "isa-debug-exit,iobase=0xf4,iosize=4",
  ];
  const start = performance.now();
  try {
    await new Deno.Command(QEMU, {
      args: ["-kernel", path, ...machine],
      stdout: "null",
      stderr: "null",
    }).output();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
  return (performance.now() - start) / 1000;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1];
}

/** Runs both in turn, so that a machine that slows down slows both. */
async function measure(workload: string, runs: number): Promise<Row> {
  const path = new URL(`../fixtures/bench/${workload}.elf`, import.meta.url).pathname;
  const image = Deno.readFileSync(path), times: number[] = [], peers: number[] = [];
  let instructions = 0;
  for (let i = 0; i < runs; i++) {
    const run = ours(image), peer = await qemu(path);
    instructions = run.instructions;
    times.push(run.seconds);
    if (peer !== undefined) peers.push(peer);
  }
  const seconds = median(times), qemuSeconds = peers.length > 0 ? median(peers) : undefined;
  return {
    workload,
    instructions,
    seconds,
    millionPerSecond: instructions / seconds / 1e6,
    qemuSeconds,
  };
}

function format({ workload, instructions, seconds, millionPerSecond, qemuSeconds }: Row): string {
  const peer = qemuSeconds === undefined ? "not installed" : `${qemuSeconds.toFixed(3)} s`;
  const ratio = qemuSeconds === undefined ? "" : (qemuSeconds / seconds).toFixed(2);
  return [
    workload.padEnd(10),
    `${(instructions / 1e6).toFixed(0)} M`.padStart(12),
    `${seconds.toFixed(3)} s`.padStart(9),
    millionPerSecond.toFixed(0).padStart(16),
    peer.padStart(13),
    ratio.padStart(8),
  ].join("  ");
}

if (import.meta.main) {
  const { values } = parseArgs({
    args: Deno.args,
    options: { json: { type: "boolean" }, runs: { type: "string", default: "5" } },
  });
  if (!values.json) {
    console.log("workload    instructions     ours  million a second          QEMU  QEMU/ours");
  }
  const rows: Row[] = [];
  for (const workload of WORKLOADS) {
    const row = await measure(workload, Number(values.runs));
    rows.push(row);
    if (!values.json) console.log(format(row));
  }
  if (values.json) console.log(JSON.stringify(rows, null, 2));
}
