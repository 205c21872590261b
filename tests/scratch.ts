/** Files that a test writes: in a folder of the project that nothing else uses, the only one tests may write to. */

const SCRATCH = new URL("../.scratch/", import.meta.url);

/** The path of a new, empty file; the test removes it. */
export async function scratchFile(suffix = ""): Promise<string> {
  await Deno.mkdir(SCRATCH, { recursive: true });
  return await Deno.makeTempFile({ dir: SCRATCH.pathname, suffix });
}
