/** Small changes to the reference kernel's sources, and the images that are built from them. */
import { buildKernel } from "../../../toolchain/build.ts";

/** One replacement in one file. */
export interface Patch {
  /** The file, `kernel/heap.ts`. */
  readonly file: string;
  /** Text that occurs exactly once in it. */
  readonly find: string;
  /** What stands there instead. */
  readonly replace: string;
}

/** A kernel with one planted defect. */
export interface Mutant extends Patch {
  /** Names the defect. */
  readonly name: string;
  /** The clause that the defect breaks, and that must catch it. */
  readonly clause: string;
  /** Clauses that the same defect may break besides; every other one must still pass. */
  readonly also?: readonly string[];
}

/** A kernel that does some things differently, and correctly: every check must pass. */
export interface Variant {
  /** Names what differs. */
  readonly name: string;
  /** What makes it differ. */
  readonly patches: readonly Patch[];
}

/** Sources by path. */
export type Sources = ReadonlyMap<string, string>;

const KERNEL = new URL("../../../kernel/", import.meta.url);

/** Mutants of one file. */
export function mutantsOf(file: string, rows: readonly Omit<Mutant, "file">[]): Mutant[] {
  return rows.map((row) => ({ file, ...row }));
}

/** The reference kernel's sources; the keys are `kernel/NAME.ts`. */
export async function readSources(): Promise<Sources> {
  const names: string[] = [];
  for await (const { name, isFile } of Deno.readDir(KERNEL)) {
    if (isFile && name.endsWith(".ts")) names.push(name);
  }
  names.sort();
  const texts = await Promise.all(names.map((name) => Deno.readTextFile(new URL(name, KERNEL))));
  return new Map(names.map((name, at) => [`kernel/${name}`, texts[at]]));
}

/** The sources with patches applied, in their order. Throws an Error where one does not fit. */
export function applyPatches(sources: Sources, patches: readonly Patch[]): Sources {
  const patched = new Map(sources);
  for (const { file, find, replace } of patches) {
    const text = patched.get(file);
    if (text === undefined) throw new Error(`Cannot patch ${file}: there is no such file`);
    const count = text.split(find).length - 1;
    if (count !== 1) throw new Error(`Cannot patch ${file}: found ${count} times: ${find}`);
    patched.set(file, text.replace(find, () => replace)); // a function: `$` means nothing
  }
  return patched;
}

/** The image of a patched kernel: one or two seconds. */
export async function buildPatched(
  sources: Sources,
  patches: readonly Patch[],
): Promise<Uint8Array> {
  return (await buildKernel(applyPatches(sources, patches))).image;
}
