/**
 * JSON (RFC 8259) whose values know their line, so that a reader can say where something is wrong.
 * Spec: specs/conformance/manifest.md.
 */

/** A value and the line on which it begins, counted from 1. */
export interface Located {
  /** The line. */
  readonly line: number;
  /** The value; the members of an object in the order of the file. */
  readonly value: string | number | boolean | null | readonly Located[] | readonly Member[];
  /** What it is. */
  readonly kind: "string" | "number" | "literal" | "array" | "object";
}

/** A member of an object. */
export interface Member {
  /** Its name. */
  readonly name: string;
  /** The line of its name. */
  readonly line: number;
  /** Its value. */
  readonly value: Located;
}

/** A text that is not as it should be: `line` and what is wrong there. */
export class LocatedError extends Error {
  /** The class's name. */
  override readonly name = "LocatedError";
  /** The line, counted from 1. */
  readonly line: number;

  /** An error on a line. */
  constructor(line: number, message: string) {
    super(message);
    this.line = line;
  }
}

const DEEPEST = 50; // levels of arrays and objects

const TOKEN =
  /[ \t\r\n]*(?:("(?:[^"\\\n]|\\.)*")|(-?[0-9][0-9.eE+-]*)|(true|false|null)|([{}[\],:]))/y;

interface Token {
  readonly text: string;
  readonly kind: "string" | "number" | "literal" | "sign" | "end";
  readonly line: number;
}

/** Reads a JSON text; throws a {@link LocatedError}. */
export function parseLocated(text: string): Located {
  const reader = new Reader(text), value = reader.value();
  reader.take("end", "the end of the file");
  return value;
}

class Reader {
  readonly #text: string;
  #at = 0;
  #line = 1;
  #depth = 0;
  #next: Token;

  constructor(text: string) {
    this.#text = text;
    this.#next = this.#read();
  }

  value(): Located {
    const { kind, text, line } = this.#next;
    if (text === "{") return { kind: "object", line, value: this.#list("}", () => this.#member()) };
    if (text === "[") return { kind: "array", line, value: this.#list("]", () => this.value()) };
    if (kind === "sign" || kind === "end") this.#wrong("a value");
    this.#next = this.#read();
    return { kind, line, value: parseScalar(text, line) };
  }

  take(kind: Token["kind"], expected: string, text?: string): Token {
    const token = this.#next;
    if (token.kind !== kind || (text !== undefined && token.text !== text)) this.#wrong(expected);
    if (kind !== "end") this.#next = this.#read();
    return token;
  }

  #list<T>(close: string, item: () => T): T[] {
    const items: T[] = [];
    if (++this.#depth > DEEPEST) throw new LocatedError(this.#line, "it is nested too deeply");
    this.#next = this.#read(); // the opening bracket
    while (this.#next.text !== close) {
      if (items.length > 0) this.take("sign", `"," or "${close}"`, ",");
      items.push(item());
    }
    this.#depth--;
    this.#next = this.#read();
    return items;
  }

  #member(): Member {
    const { text, line } = this.take("string", "a name in double quotes");
    this.take("sign", `":"`, ":");
    return { name: `${parseScalar(text, line)}`, line, value: this.value() };
  }

  #read(): Token {
    TOKEN.lastIndex = this.#at;
    const match = TOKEN.exec(this.#text);
    const skipped = /[ \t\r\n]*/y;
    skipped.lastIndex = this.#at;
    this.#line += skipped.exec(this.#text)![0].split("\n").length - 1;
    if (match === null) return this.#unreadable(skipped.lastIndex);
    this.#at = TOKEN.lastIndex;
    const index = match.findIndex((group, i) => i > 0 && group !== undefined);
    const kind = (["string", "number", "literal", "sign"] as const)[index - 1];
    return { text: match[index], kind, line: this.#line };
  }

  #unreadable(at: number): Token {
    this.#at = at;
    const rest = this.#text.slice(at).split("\n")[0];
    if (at === this.#text.length) return { text: "", kind: "end", line: this.#line };
    throw new LocatedError(this.#line, `cannot read ${JSON.stringify(rest.slice(0, 40))}`);
  }

  #wrong(expected: string): never {
    const { text, kind, line } = this.#next;
    throw new LocatedError(
      line,
      `expected ${expected}, found ${kind === "end" ? "the end of the file" : text}`,
    );
  }
}

function parseScalar(text: string, line: number): string | number | boolean | null {
  try {
    return JSON.parse(text);
  } catch {
    throw new LocatedError(line, `cannot read ${text}`);
  }
}
