/** The list that chooses what a recording contains: `serial,screen,call=kmalloc,kfree`. Spec: specs/conformance/event_list.md. */
import type { SymbolTable } from "../machine/elf.ts";
import { type Signature, signatures } from "./abi.ts";

/** The kinds that can be chosen besides calls, and the lines of a trace that each stands for. */
export const lineKinds = {
  serial: ["serial"],
  screen: ["screen", "cursor"],
  memory: ["memory"],
  control: ["control"],
  interrupt: ["interrupt"],
  exception: ["exception"],
  port: ["in", "out"],
  pages: ["mapping"],
  blocks: ["block"],
  diagnose: ["diagnose"],
} as const;

/** A kind that can be chosen. */
export type EventKind = keyof typeof lineKinds;

/** What is recorded where nothing is said. */
export const DEFAULT_EVENTS = "serial,screen,control,exception,diagnose";

/** Functions to record: a name, or the beginning of names. */
export interface FunctionChoice {
  /** A symbol; with `*` at its end, every function whose name begins so. */
  readonly pattern: string;
  /** Its shape, where the list gives it. */
  readonly signature: Signature | undefined;
}

/** A list, read. */
export interface EventChoice {
  /** Chosen kinds. */
  readonly kinds: ReadonlySet<EventKind>;
  /** Chosen functions. */
  readonly functions: readonly FunctionChoice[];
}

const FUNCTION = /^([A-Za-z_.$][\w.$]*\*?|\*)(?:\/([0-9]{1,2})(\/void)?)?$/;

/** Reads a list; a SyntaxError says in one line what is wrong with it. */
export function parseEvents(list: string): EventChoice {
  const kinds = new Set<EventKind>(), functions: FunctionChoice[] = [];
  let calls = false;
  for (const item of list.split(",")) {
    if (Object.hasOwn(lineKinds, item)) {
      kinds.add(item as EventKind);
      calls = false;
    } else if (item.startsWith("call=")) {
      functions.push(readFunction(item.slice("call=".length)));
      calls = true;
    } else if (calls) functions.push(readFunction(item));
    else fail(item);
  }
  return { kinds, functions };
}

function readFunction(text: string): FunctionChoice {
  const match = FUNCTION.exec(text);
  if (match === null) fail(text);
  const [, pattern, parameters, isVoid] = match;
  if (parameters === undefined) return { pattern, signature: undefined };
  return { pattern, signature: { parameters: Number(parameters), result: isVoid === undefined } };
}

function fail(item: string): never {
  throw new SyntaxError(
    `"${item}" is no kind of events: give ${Object.keys(lineKinds).join(", ")}, ` +
      `or call=NAME,NAME (NAME* for all that begin so, NAME/2 for two arguments)`,
  );
}

/** The functions of an image that a list chooses, with the shapes that the list gives. */
export interface ChosenFunctions {
  /** Symbols. */
  readonly names: readonly string[];
  /** Shapes by symbol, where they are not those of the kernel family. */
  readonly signatures: Readonly<Record<string, Signature>>;
}

/** Finds the chosen functions in an image; a SyntaxError names the first that it lacks. */
export function findFunctions(choice: EventChoice, symbols: SymbolTable): ChosenFunctions {
  const names = new Set<string>(), shapes: Record<string, Signature> = {};
  for (const { pattern, signature } of choice.functions) {
    const found = matching(pattern, symbols);
    if (found.length === 0) {
      throw new SyntaxError(
        `the image has no function ${pattern} (${symbols.all.length} symbols)`,
      );
    }
    for (const name of found) {
      names.add(name);
      if (signature) shapes[name] = signature;
    }
  }
  return { names: [...names], signatures: shapes };
}

const FUNCTION_TYPE = 2; // ELF's STT_FUNC

function matching(pattern: string, symbols: SymbolTable): string[] {
  if (!pattern.endsWith("*")) return symbols.find(pattern) ? [pattern] : [];
  const start = pattern.slice(0, -1);
  return symbols.all
    .filter(({ name, type }) => name.startsWith(start) && type === FUNCTION_TYPE)
    .map(({ name }) => name);
}

/** Whether a trace's line belongs to what a list chooses; stages and the end always do. */
export function chosen(choice: EventChoice, kind: string, symbol: string): boolean {
  if (kind === "call" || kind === "return") {
    return choice.functions.some(({ pattern }) =>
      pattern.endsWith("*") ? symbol.startsWith(pattern.slice(0, -1)) : symbol === pattern
    );
  }
  if (kind === "stage" || kind === "stop") return true;
  return [...choice.kinds].some((name) => (lineKinds[name] as readonly string[]).includes(kind));
}

/** Whether a function of the kernel family changes page frames, page tables or heap. */
export function managesMemory(symbol: string): boolean {
  return symbol in signatures &&
    /^(pmm_(init|alloc|free)|vmm_(init|map|unmap|switch|create)|heap_(init|expand)|k(m|c|re)alloc|kfree)/
      .test(symbol);
}
