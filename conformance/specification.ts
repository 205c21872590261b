/** Reads clauses from the text of specifications, for `clauses.ts`. Spec: specs/conformance/clauses.md. */

/** A clause of a specification. */
export interface Clause {
  /** Its id, as `HEAP-7`. */
  readonly id: string;
  /** All of it, on one line. */
  readonly text: string;
  /** Its first sentence. */
  readonly sentence: string;
  /** The specification, from the root of the project. */
  readonly file: string;
}

const CLAUSE = /^- \*\*([A-Z][A-Z0-9-]*-[0-9]+)\*\* (.*(?:\n {2,}.*)*)/gm;

/** The clauses of one specification, in its order. */
export function clausesOf(markdown: string, file: string): Clause[] {
  return [...markdown.matchAll(CLAUSE)].map(([, id, text]) =>
    clauseOf(id, text.replaceAll(/\s+/g, " ").trim(), file)
  );
}

/** A clause of its text. */
export function clauseOf(id: string, text: string, file: string): Clause {
  return { id, text, sentence: text.split(/(?<=\.) (?=[A-Z])/)[0], file };
}

/** The source text of `clauses.ts`. */
export function clausesModule(clauses: readonly Clause[]): string {
  const rows = clauses.map(({ id, text, file }) =>
    `  [${[id, text, file].map((field) => JSON.stringify(field)).join(", ")}],\n`
  );
  return `/** Clauses that kernels are judged by, built by \`deno task clauses\`: do not edit. Spec: specs/conformance/clauses.md. */
import { type Clause, clauseOf } from "./specification.ts";

// deno-fmt-ignore
const rows: readonly (readonly [id: string, text: string, file: string])[] = [
${rows.join("")}];

/** Every clause that a kernel can be judged by. */
export const clauses: readonly Clause[] = rows.map((row) => clauseOf(...row));
`;
}
