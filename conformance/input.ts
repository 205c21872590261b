/** Input scripts: what is typed, pressed and sent to a kernel, and when. Spec: specs/conformance/input.md. */
import { LocatedError } from "./located_json.ts";

/** When an action is done; conditions but `at` count from the action before it. */
export type Condition =
  /** So many instructions are retired. */
  | { readonly kind: "at"; readonly instructions: number }
  /** The text was sent on COM1. */
  | { readonly kind: "serial"; readonly text: string }
  /** The text is on the screen. */
  | { readonly kind: "screen"; readonly text: string }
  /** The guest waits for input. */
  | { readonly kind: "idle" };

/** What is done. */
export type Deed =
  /** The keys of a text. */
  | { readonly kind: "type"; readonly text: string }
  /** Bytes on COM1. */
  | { readonly kind: "send"; readonly text: string }
  /** A key goes down, up, or both. */
  | { readonly kind: "press" | "hold" | "release"; readonly key: string }
  /** The recording ends. */
  | { readonly kind: "stop" };

/** One line of a script. */
export interface Action {
  /** When. */
  readonly condition: Condition;
  /** What. */
  readonly deed: Deed;
  /** The line's number, from 1. */
  readonly line: number;
  /** The line, without comment. */
  readonly source: string;
}

/** Reads a script: one action a line, `#` begins a comment. An {@link LocatedError} says what is wrong. */
export function parseScript(source: string): Action[] {
  const actions: Action[] = [];
  source.split(/\r?\n/).forEach((text, index) => {
    const action = parseAction(text, index + 1);
    if (action !== undefined) actions.push(action);
  });
  checkOrder(actions);
  return actions;
}

/** Reads one line of a script; undefined where nothing is on it. */
export function parseAction(text: string, line: number): Action | undefined {
  const words = new Words(text, line);
  if (words.ended) return undefined;
  const when = words.keyword("at", "after");
  const condition = when === "at"
    ? { kind: "at" as const, instructions: words.count() }
    : conditions[words.keyword("serial", "screen", "idle")](words);
  const deed = deeds[words.keyword("type", "send", "press", "hold", "release", "stop")](words);
  words.end();
  return { condition, deed, line, source: words.consumed };
}

const conditions: Record<"serial" | "screen" | "idle", (words: Words) => Condition> = {
  serial: (words) => ({ kind: "serial", text: words.text() }),
  screen: (words) => ({ kind: "screen", text: words.text() }),
  idle: () => ({ kind: "idle" }),
};

const deeds: Record<Deed["kind"], (words: Words) => Deed> = {
  type: (words) => ({ kind: "type", text: words.text() }),
  send: (words) => ({ kind: "send", text: words.text() }),
  press: (words) => ({ kind: "press", key: words.bare("a key, such as Enter or KeyA") }),
  hold: (words) => ({ kind: "hold", key: words.bare("a key, such as ShiftLeft") }),
  release: (words) => ({ kind: "release", key: words.bare("a key, such as ShiftLeft") }),
  stop: () => ({ kind: "stop" }),
};

/** INPUT-2: moments in the order of the lines. */
function checkOrder(actions: readonly Action[]): void {
  let last = 0;
  for (const { condition, line } of actions) {
    if (condition.kind !== "at") continue;
    if (condition.instructions < last) {
      throw new LocatedError(
        line,
        `${condition.instructions} is before ${last}, where an earlier ` +
          `line acts: put the lines in the order of time`,
      );
    }
    last = condition.instructions;
  }
}

const WORD = /\s*("(?:[^"\\]|\\.)*"|[^\s"#]+)/y;

/** The words of a line, taken one after the other. */
class Words {
  readonly #text: string;
  readonly #line: number;
  #at = 0;

  constructor(text: string, line: number) {
    this.#text = text;
    this.#line = line;
  }

  get ended(): boolean {
    return /^\s*(#.*)?$/.test(this.#text.slice(this.#at));
  }

  /** What has been taken. */
  get consumed(): string {
    return this.#text.slice(0, this.#at).trim();
  }

  keyword<K extends string>(...keywords: K[]): K {
    const word = this.#next(keywords.join(" or "));
    const found = keywords.find((keyword) => keyword === word);
    return found ?? this.#fail(`${keywords.join(" or ")} is expected, found ${word}`);
  }

  text(): string {
    const word = this.#next("a text in quotes");
    try {
      const value: unknown = JSON.parse(word);
      if (typeof value === "string" && value !== "") return value;
    } catch { /* told below */ }
    return this.#fail(`a text in quotes is expected, with JSON's escapes, found ${word}`);
  }

  count(): number {
    const word = this.#next("a number of instructions"), value = Number(word.replaceAll("_", ""));
    if (/^[0-9][0-9_]*$/.test(word) && Number.isSafeInteger(value)) return value;
    return this.#fail(`a number of instructions is expected, such as 1500000, found ${word}`);
  }

  bare(what: string): string {
    const word = this.#next(what);
    return word.startsWith('"') ? this.#fail(`${what} is expected, found ${word}`) : word;
  }

  end(): void {
    if (!this.ended) this.#fail(`the line should end before ${this.#text.slice(this.#at).trim()}`);
  }

  #next(what: string): string {
    if (this.ended) this.#fail(`the line ends where ${what} is expected`);
    WORD.lastIndex = this.#at;
    const match = WORD.exec(this.#text);
    if (match === null) {
      this.#fail(`${what} is expected, found ${this.#text.slice(this.#at).trim()}`);
    }
    this.#at = WORD.lastIndex;
    return match[1];
  }

  #fail(problem: string): never {
    throw new LocatedError(this.#line, problem);
  }
}
