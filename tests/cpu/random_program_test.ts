/** Whole programs with demand mapping. Spec: specs/cpu/cpu.md, specs/cpu/concrete.md. */
import { assert, assertEquals } from "@std/assert";
import { Random } from "../random.ts";
import { runRandomProgram } from "./random_program.ts";

const PROGRAMS = 16, INSTRUCTIONS = 2500;

for (const flat of [true, false]) {
  const segments = flat ? "flat segments" : "segments with bases and limits";
  Deno.test(`Cpu and concrete machine agree on demand-mapped programs in ${segments} [CPU-16] [CONCRETE-3]`, () => {
    let instructions = 0, faults = 0;
    for (let seed = 1; seed <= PROGRAMS; seed++) {
      const result = runRandomProgram(new Random(seed), flat, INSTRUCTIONS);
      assertEquals(result.difference, undefined, `seed ${seed}`);
      instructions += result.instructions;
      faults += result.faults;
    }
    assert(instructions >= 0.8 * PROGRAMS * INSTRUCTIONS, `${instructions} instructions`);
    assert(faults > 10 * PROGRAMS, `${faults} page faults`);
  });
}
