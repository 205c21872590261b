/** Kernels with planted faults, for tests of the checks: several at once, since building one takes a second. */
import { assertEquals } from "@std/assert";
import type { Check } from "../../../conformance/check.ts";
import { judge } from "../../../conformance/judge.ts";
import { verdicts } from "../../../conformance/report.ts";
import { readImage } from "../../../machine/multiboot.ts";
import { correct, reference } from "../kernels.ts";
import { buildPatched, type Patch, readSources } from "../mutants/patch.ts";
import { mutants } from "../mutants/table.ts";

/** The clauses that fail, sorted. */
export async function failed(checks: readonly Check[], image: Uint8Array): Promise<string[]> {
  const report = await judge(image, { checks, runs: 1 });
  return verdicts(report).filter(({ status }) => status === "failed").map(({ id }) => id).sort();
}

/** Expects two kernels that have little in common to pass. */
export async function expectCorrectKernelsPass(checks: readonly Check[]): Promise<void> {
  for (const image of [reference, correct]) {
    const { results } = await judge(image, { checks, runs: 1 });
    const others = results.filter(({ status }) => status !== "passed");
    assertEquals(others, [], "checks that did not pass");
  }
}

/** The reference kernel with changed sources. */
export async function build(...patches: Patch[]): Promise<Uint8Array> {
  return await buildPatched(await readSources(), patches);
}

/** The patches of mutants of the table, by name. */
export function patchesOf(...names: string[]): Patch[] {
  return names.map((name) => {
    const found = mutants.find((mutant) => mutant.name === name);
    if (found === undefined) throw new Error(`Cannot find the mutant ${name}`);
    return found;
  });
}

/** The reference kernel with machine code in place of the beginning of functions. */
export function overwritten(...places: (readonly [symbol: string, code: number[]])[]): Uint8Array {
  const image = reference.slice(), { segments, symbols } = readImage(image);
  for (const [name, code] of places) {
    const address = symbols.find(name)!.address;
    const { data, virtAddr } = segments.find((segment) =>
      address >= segment.virtAddr && address < segment.virtAddr + segment.data.length
    )!;
    data.set(code, address - virtAddr);
  }
  return image;
}

/** The reference kernel with another text, of the same length, in place of one. */
export function retold(find: string, replace: string): Uint8Array {
  const image = reference.slice(), text = String.fromCharCode(...image);
  const at = text.indexOf(find);
  if (at < 0 || find.length !== replace.length) throw new Error(`Cannot replace ${find}`);
  image.set(new TextEncoder().encode(replace), at);
  return image;
}
