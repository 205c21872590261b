/** Writes conformance/clauses.ts from the specifications: `deno task clauses`. */
import { type Clause, clausesModule, clausesOf } from "../conformance/specification.ts";

const ROOT = new URL("../", import.meta.url);
/** Specifications of what kernels do that are not of specs/kernel. */
const OTHERS = ["specs/conformance/shadow.md"];
const TARGET = new URL("conformance/clauses.ts", ROOT);

/** The clauses that kernels are judged by, by the names of the files. */
export async function readClauses(): Promise<Clause[]> {
  const names: string[] = [];
  for await (const { name } of Deno.readDir(new URL("specs/kernel/", ROOT))) names.push(name);
  const files = names.filter((name) => name.endsWith(".md")).sort()
    .map((name) => `specs/kernel/${name}`).concat(OTHERS);
  const texts = await Promise.all(files.map((file) => Deno.readTextFile(new URL(file, ROOT))));
  return files.flatMap((file, at) => clausesOf(texts[at], file));
}

if (import.meta.main) {
  const clauses = await readClauses();
  await Deno.writeTextFile(TARGET, clausesModule(clauses));
  console.log(`conformance/clauses.ts: ${clauses.length} clauses`);
}
