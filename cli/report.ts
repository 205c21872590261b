/** What is told when a run has ended: exit code, report for people, report for programs. */
import { describeStop, describeTripleFault, type Stop } from "../machine/stop.ts";
import type { Machine } from "../machine/machine.ts";

/** The exit code for wrong arguments and images that cannot be booted. */
export const USAGE = 2;

const exitCodes: Readonly<Partial<Record<Stop["kind"], number>>> = {
  "power-off": 0,
  "idle": 0,
  "triple-fault": 4,
  "halted": 6,
  "budget": 8,
  "reset": 10,
  "unmodelled": 12,
  "exception-loop": 14,
};

/** The exit code of a run: odd ones are the guest's. */
export function exitCode(stop: Stop): number {
  return stop.kind === "guest-exit" ? stop.code & 0xff : exitCodes[stop.kind] ?? 0;
}

/** The closing report, each line with its line feed. */
export function closingReport(machine: Machine, stop: Stop, wallMilliseconds: number): string {
  const lines = [`${describeStop(stop)}, at ${stop.at}`];
  if (stop.kind === "triple-fault") {
    lines.push(...describeTripleFault(stop, (address) => machine.describe(address)));
  }
  const virtual = (stop.ticks / 1e8).toFixed(3), wall = (wallMilliseconds / 1000).toFixed(3);
  lines.push(
    `${stop.instructions.toLocaleString("en")} instructions, ${virtual} s virtual, ${wall} s wall`,
  );
  const unclaimed = [...machine.pc.bus.unclaimed].map(([port, count]) =>
    `0x${port.toString(16)} (${count})`
  );
  if (unclaimed.length > 0) {
    lines.push(`ports that no device has: ${shortened(unclaimed).join(", ")}`);
  }
  return lines.map((line) => `${line}\n`).join("");
}

/** The closing report as one line of JSON. */
export function closingJson(machine: Machine, stop: Stop, wallMilliseconds: number): string {
  const { pc, screen } = machine;
  return JSON.stringify({
    stop,
    exitCode: exitCode(stop),
    wallMilliseconds: Math.round(wallMilliseconds),
    unclaimedPorts: Object.fromEntries(pc.bus.unclaimed),
    absentMemory: pc.cpu.paging.absent,
    screen: screen.text.split("\n"),
  }) + "\n";
}

function shortened(items: readonly string[]): string[] {
  return items.length <= 8 ? [...items] : [...items.slice(0, 8), `and ${items.length - 8} more`];
}
