/** What a kernel's author says about it. Spec: specs/conformance/manifest.md. */
import { abiNames } from "./abi.ts";
import { clauses } from "./clauses.ts";
import { type Located, LocatedError, type Member, parseLocated } from "./located_json.ts";

/** Names that differ, clauses that are waived, functions that are not there. */
export interface Manifest {
  /** Symbol of the image by name of the ABI. */
  readonly names: ReadonlyMap<string, string>;
  /** Reason by clause. */
  readonly waive: ReadonlyMap<string, string>;
  /** Reason by name of the ABI that the kernel does not claim to have; empty where none is given. */
  readonly lacks: ReadonlyMap<string, string>;
  /** What the kernel prints when it has come up, on COM1 or on the screen. */
  readonly completion: string;
}

/** The manifest of a kernel that comes without one. */
export const noManifest: Manifest = {
  names: new Map(),
  waive: new Map(),
  lacks: new Map(),
  completion: "Day 6 Memory Management System Complete!",
};

/** A manifest that cannot be used: one line with file, line number and reason. */
export class ManifestError extends Error {
  /** The class's name. */
  override readonly name = "ManifestError";
}

type Draft = { -readonly [K in keyof Manifest]: Manifest[K] };

/** What the members of a manifest mean. */
const readers: Readonly<Record<string, (draft: Draft, value: Located, known: Known) => void>> = {
  names: (draft, value, { hasSymbol }) => draft.names = texts(value, "names", abiName, hasSymbol),
  waive: (draft, value) => draft.waive = texts(value, "waive", clauseId),
  lacks: (draft, value) => draft.lacks = namesOrTexts(value),
  completion: (draft, value) => draft.completion = text(value, "completion"),
};

interface Known {
  readonly hasSymbol: (symbol: string) => boolean;
}

/**
 * Reads a manifest. `file` is its name, for errors; `hasSymbol` tells whether the image has a symbol.
 * Throws a {@link ManifestError}.
 */
export function parseManifest(
  source: string,
  file: string,
  hasSymbol: (symbol: string) => boolean = () => true,
): Manifest {
  try {
    const root = parseLocated(source), draft: Draft = { ...noManifest };
    for (const { name, line, value } of members(root, "the manifest")) {
      const reader = Object.hasOwn(readers, name) ? readers[name] : undefined;
      if (reader === undefined) {
        throw new LocatedError(line, `unknown member "${name}": there are ${list(readers)}`);
      }
      reader(draft, value, { hasSymbol });
    }
    return draft;
  } catch (error) {
    if (!(error instanceof LocatedError)) throw error;
    throw new ManifestError(`${file}:${error.line}: ${error.message}`);
  }
}

function list(table: Readonly<Record<string, unknown>>): string {
  return Object.keys(table).join(", ");
}

/** The members of an object; two of one name are an error. */
function members({ kind, value, line }: Located, what: string): readonly Member[] {
  if (kind !== "object") throw new LocatedError(line, `${what} must be an object in braces`);
  const seen = new Set<string>();
  for (const member of value as readonly Member[]) {
    if (seen.has(member.name)) {
      throw new LocatedError(member.line, `"${member.name}" stands twice in ${what}`);
    }
    seen.add(member.name);
  }
  return value as readonly Member[];
}

function text({ kind, value, line }: Located, what: string): string {
  if (kind === "string" && value !== "") return value as string;
  throw new LocatedError(line, `${what} must be a text in double quotes`);
}

/** Texts by names that `check` accepts; `accepts` says whether the image has a symbol. */
function texts(
  object: Located,
  what: string,
  check: (name: string, line: number) => void,
  accepts: (value: string) => boolean = () => true,
): Map<string, string> {
  return new Map(
    members(object, what).map(({ name, line, value }) => {
      check(name, line);
      const result = text(value, `the value of "${name}"`);
      if (!accepts(result)) throw new LocatedError(value.line, `the image has no symbol ${result}`);
      return [name, result];
    }),
  );
}

function namesOrTexts(value: Located): Map<string, string> {
  if (value.kind !== "array") return texts(value, "lacks", abiName);
  return new Map((value.value as readonly Located[]).map((item) => {
    const name = text(item, "each of lacks");
    abiName(name, item.line);
    return [name, ""];
  }));
}

function abiName(name: string, line: number): void {
  if (!abiNames.has(name)) throw new LocatedError(line, `the ABI has no name "${name}"`);
}

function clauseId(id: string, line: number): void {
  if (!clauses.some((clause) => clause.id === id)) {
    throw new LocatedError(line, `no specification has a clause "${id}"`);
  }
}
