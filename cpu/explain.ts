/** Graphs as text for people: what an instruction does, step by step. Spec: specs/cpu/explain.md. */
import { addressKey, allForms, formKey } from "./form.ts";
import {
  type Control,
  type Effect,
  type Graph,
  type Node,
  record,
  recordAddress,
} from "./graph.ts";
import {
  ADDRESS,
  EFLAGS,
  FLAG_CARRY,
  FLAG_SIGN,
  FLAG_ZERO,
  SEGMENT_ATTRIBUTES,
  SEGMENT_BASE,
  SEGMENT_FIRST,
  SEGMENT_LIMIT,
  SEGMENT_RIGHTS,
  SEGMENT_SELECTOR,
  SEGMENT_SPAN,
  ZERO,
} from "./state.ts";

const GENERAL = ["eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"];
const SEGMENTS = ["es", "cs", "ss", "ds", "fs", "gs"];
const WORDS: Readonly<Record<number, string>> = {
  [ZERO]: "0",
  [ADDRESS]: "address",
  [FLAG_ZERO]: "zero",
  [FLAG_SIGN]: "sign",
  [FLAG_CARRY]: "carry",
  [EFLAGS]: "eflags",
};
const FIELDS: readonly (readonly [number, string])[] = [
  [SEGMENT_LIMIT, "limit"],
  [SEGMENT_ATTRIBUTES, "attributes"],
  [SEGMENT_SELECTOR, "selector"],
  [SEGMENT_RIGHTS, "rights"],
  [SEGMENT_SPAN, "span"],
  [SEGMENT_FIRST, "first"],
  [SEGMENT_BASE, "base"],
];

/** Operators between their operands; all others are written as functions. */
const INFIX: Readonly<Record<string, string>> = {
  "i32.add": "+",
  "i32.sub": "-",
  "i32.mul": "*",
  "i32.and": "&",
  "i32.or": "|",
  "i32.xor": "^",
  "i32.shl": "<<",
  "i32.shr_u": ">>>",
  "i32.shr_s": ">>",
  "i32.eq": "==",
  "i32.lt_u": "<u",
  "i32.lt_s": "<s",
  "i64.mul": "*",
  "i64.or": "|",
  "i64.shl": "<<",
  "i64.shr_u": ">>>",
  "i64.eq": "==",
};

/** The register at a byte offset, e.g. `ah`, `bx`, `carry`, `ss.base`. */
function registerName(offset: number, size: number): string {
  if (offset < 4 * GENERAL.length) {
    const name = GENERAL[offset >> 2];
    if (size === 32) return name;
    return size === 16 ? name.slice(1) : `${name[1]}${offset & 1 ? "h" : "l"}`;
  }
  if (offset < SEGMENT_BASE) return WORDS[offset] ?? `word ${offset}`;
  const [first, field] = FIELDS.find(([base]) => offset >= base)!;
  return `${SEGMENTS[(offset - first) / 4]}.${field}`;
}

function fieldName(field: number): string {
  return FIELDS.find(([base]) => base === field)![1];
}

function number(value: number): string {
  return value > -256 && value < 256 ? `${value}` : `0x${(value >>> 0).toString(16)}`;
}

/** Whether a space stands outside all parentheses. */
function hasOperator(text: string): boolean {
  const inner = /\([^()]*\)/g;
  let bare = text;
  while (inner.test(bare)) bare = bare.replaceAll(inner, "");
  return bare.includes(" ");
}

/** Writes one graph. Values used more than once get names. */
class Explainer {
  readonly lines: string[] = [];
  readonly #names = new Map<Node, string>();

  #name(node: Node): string {
    const name = `t${this.#names.size + 1}`;
    this.#names.set(node, name);
    return name;
  }

  /** The node as part of an expression. */
  #value(node: Node): string {
    const known = this.#names.get(node);
    if (known) return known;
    const text = this.#expression(node);
    if (node.uses < 2 || node.args.length === 0) return text;
    const name = this.#name(node);
    this.lines.push(`let ${name} = ${text}`);
    return name;
  }

  /** As {@link #value}, in parentheses where it has an operator. */
  #operand(node: Node): string {
    const text = this.#value(node);
    return hasOperator(text) ? `(${text})` : text;
  }

  #expression(node: Node): string {
    switch (node.op) {
      case "const":
        return number(node.value);
      case "register":
        return registerName(node.offset, 32);
      case "fixed":
        return registerName(node.offset, node.size);
      case "slot":
        return `operand${node.slot}`;
      case "segment":
        return `segment.${fieldName(node.field)}`;
      case "field":
        return node.field;
      case "address":
        return "base + (index << scale) + displacement";
      case "result":
        throw new Error("Cannot explain the result of an access that was not explained");
      default:
        return this.#operation(node.op, node.args);
    }
  }

  #operation(op: string, args: readonly Node[]): string {
    if (op === "select") {
      const [a, b, condition] = args.map((arg) => this.#operand(arg));
      return `${condition} ? ${a} : ${b}`;
    }
    if (op === "i32.eqz") return `${this.#operand(args[0])} == 0`;
    if (INFIX[op]) return args.map((arg) => this.#operand(arg)).join(` ${INFIX[op]} `);
    return `${op.slice(4)}(${args.map((arg) => this.#value(arg)).join(", ")})`;
  }

  effect(effect: Effect): void {
    this.lines.push(this.#effectText(effect));
  }

  #effectText(effect: Effect): string {
    switch (effect.kind) {
      case "load":
      case "modify": {
        const linear = this.#value(effect.linear);
        return `let ${this.#name(effect.result)} = ${effect.kind}${effect.size} [${linear}]`;
      }
      case "store":
        return `store${effect.size} [${this.#value(effect.linear)}] = ${this.#value(effect.value)}`;
      case "storeBack":
        return `store${effect.size} where ${this.#value(effect.modify)} was = ` +
          this.#value(effect.value);
      case "probe":
        return `probe ${effect.bytes} bytes at [${this.#value(effect.linear)}]`;
      case "faultIf": {
        const code = effect.code < 0 ? "" : ` code ${effect.code}`;
        return `fault ${effect.vector}${code} if ${this.#value(effect.condition)}`;
      }
      case "skipIf":
        return `done if ${this.#value(effect.condition)}`;
    }
  }

  writes(graph: Graph): void {
    const writes = graph.writes.map((write) => {
      const name = write.kind === "slot"
        ? `operand${write.slot}`
        : registerName(write.offset, write.size);
      return `${name} := ${this.#value(write.value)}`;
    });
    const control = this.#control(graph.control);
    this.lines.push(...writes, ...control); // after the names that they use
  }

  #control(control: Control): string[] {
    switch (control.kind) {
      case "next":
        return [];
      case "uncounted":
        return ["then the instruction itself"];
      case "again":
        return [`again if ${this.#value(control.condition)}`];
      case "jump":
        return [`jump to ${control.to ? this.#value(control.to) : "target"}`];
      case "jumpIf":
        return [`jump to target if ${this.#value(control.condition)}`];
    }
  }
}

/** The graph's effects in order, its writes, and where it goes on, a line each. */
export function explainGraph(graph: Graph): string[] {
  const explainer = new Explainer();
  for (const effect of graph.effects) explainer.effect(effect);
  explainer.writes(graph);
  return explainer.lines;
}

/** What every form of an instruction does, by the form's key; `address` explains memory operands. */
export function explain(mnemonic: string): Map<string, string[]> {
  const { forms, addresses } = allForms();
  const found = [...forms.values()].filter(({ form }) => form.name === mnemonic)
    .map(({ row, form }) => [formKey(form), explainGraph(record(row.meaning!, form))] as const);
  const general = mnemonic === "address" ? [...addresses.values()] : [];
  return new Map([
    ...found,
    ...general.map((form) => [addressKey(form), explainGraph(recordAddress(form))] as const),
  ]);
}
