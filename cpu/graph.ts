/**
 * Meanings recorded as graphs: what the printers of the interpreter and the JIT read. Spec: specs/cpu/graph.md.
 *
 * Accesses, faults and other effects keep their order; registers are read as they were before the instruction
 * and written after the last effect, in program order.
 */
import { type GeneralAddress, generalAddress } from "../isa/memory.ts";
import type { Form, Machine, Meaning, Place, Size } from "../isa/machine.ts";

/** Fields of a predecoded operation that a graph may name. */
export type OperationField = "immediate" | "target" | "next";

/** A value. `i32` unless `wide`. Pure nodes are shared: equal ones are one object. */
export type Node =
  & { uses: number; readonly wide: boolean; readonly args: readonly Node[] }
  & (
    | { readonly op: "const"; readonly value: number }
    | { readonly op: "register"; readonly offset: number }
    | { readonly op: "fixed"; readonly offset: number; readonly size: Size }
    | { readonly op: "slot"; readonly slot: 0 | 1; readonly size: Size }
    | { readonly op: "segment"; readonly field: number }
    | { readonly op: "field"; readonly field: OperationField }
    | { readonly op: "address" }
    | { readonly op: "result"; readonly size: Size }
    | { readonly op: Operator }
  );

/** Pure operators, named as in WebAssembly where it has them. */
export type Operator =
  | "i32.add"
  | "i32.sub"
  | "i32.mul"
  | "i32.and"
  | "i32.or"
  | "i32.xor"
  | "i32.shl"
  | "i32.shr_u"
  | "i32.shr_s"
  | "i32.rotl"
  | "i32.div_u"
  | "i32.div_s"
  | "i32.rem_u"
  | "i32.rem_s"
  | "i32.eq"
  | "i32.eqz"
  | "i32.lt_u"
  | "i32.lt_s"
  | "i32.ctz"
  | "i32.clz"
  | "i32.popcnt"
  | "i32.extend8_s"
  | "i32.extend16_s"
  | "i32.wrap_i64"
  | "i64.extend_i32_u"
  | "i64.extend_i32_s"
  | "i64.mul"
  | "i64.or"
  | "i64.shl"
  | "i64.shr_u"
  | "i64.div_u"
  | "i64.div_s"
  | "i64.rem_u"
  | "i64.rem_s"
  | "i64.eq"
  | "select";

/** What happens in order before the instruction completes. */
export type Effect =
  | {
    readonly kind: "load" | "modify";
    readonly size: Size;
    readonly linear: Node;
    readonly result: Node;
  }
  | { readonly kind: "store"; readonly size: Size; readonly linear: Node; readonly value: Node }
  /** Stores where the `modify` before it loaded. */
  | { readonly kind: "storeBack"; readonly size: Size; readonly modify: Node; readonly value: Node }
  | { readonly kind: "probe"; readonly bytes: number; readonly linear: Node }
  | {
    readonly kind: "faultIf";
    readonly condition: Node;
    readonly vector: number;
    readonly code: number;
  }
  | { readonly kind: "skipIf"; readonly condition: Node };

/** A register write at completion. */
export type Write =
  | { readonly kind: "fixed"; readonly offset: number; readonly size: Size; readonly value: Node }
  | { readonly kind: "slot"; readonly slot: 0 | 1; readonly size: Size; readonly value: Node };

/** Where execution continues. */
export type Control =
  | { readonly kind: "next" }
  | { readonly kind: "again"; readonly condition: Node }
  | { readonly kind: "jump"; readonly to: Node | undefined }
  | { readonly kind: "jumpIf"; readonly condition: Node }
  /** On to the operation of the same instruction, which counts. */
  | { readonly kind: "uncounted" };

/** A recorded meaning. */
export interface Graph {
  /** In program order. */
  readonly effects: readonly Effect[];
  /** In program order, after all effects. */
  readonly writes: readonly Write[];
  /** Last. */
  readonly control: Control;
}

/** No error code. */
const NO_CODE = -1;

class Recorder implements Machine<Node, Node> {
  readonly effects: Effect[] = [];
  readonly writes: Write[] = [];
  control: Control = { kind: "next" };
  readonly #pure = new Map<string, Node>();
  readonly #ids = new Map<Node, number>();
  #modified: Node | undefined;

  /** The shared node of this kind, attributes and arguments. */
  #node(key: string, attributes: object, args: Node[] = [], wide = false): Node {
    const full = `${key} ${args.map((arg) => this.#ids.get(arg)).join()}`;
    const known = this.#pure.get(full);
    if (known) return known;
    const node = { uses: 0, wide, args, ...attributes } as unknown as Node;
    this.#pure.set(full, node);
    this.#ids.set(node, this.#ids.size);
    for (const arg of args) arg.uses++;
    return node;
  }

  #apply(op: Operator, ...args: Node[]): Node {
    return this.#node(op, { op }, args, op.startsWith("i64") && op !== "i64.eq");
  }

  /** A value that an effect produces: never shared. */
  #result(size: Size): Node {
    const node: Node = { op: "result", size, uses: 0, wide: false, args: [] };
    this.#ids.set(node, this.#ids.size);
    return node;
  }

  const(value: number): Node {
    return this.#node(`const ${value | 0}`, { op: "const", value: value | 0 });
  }

  add(a: Node, b: Node): Node {
    return isZero(b) ? a : this.#apply("i32.add", a, b);
  }
  sub(a: Node, b: Node): Node {
    return isZero(b) ? a : this.#apply("i32.sub", a, b);
  }
  mul(a: Node, b: Node): Node {
    return this.#apply("i32.mul", a, b);
  }
  and(a: Node, b: Node): Node {
    return this.#apply("i32.and", a, b);
  }
  or(a: Node, b: Node): Node {
    return isZero(b) ? a : this.#apply("i32.or", a, b);
  }
  xor(a: Node, b: Node): Node {
    return isZero(b) ? a : this.#apply("i32.xor", a, b);
  }
  shl(a: Node, count: Node): Node {
    return isZero(count) ? a : this.#apply("i32.shl", a, count);
  }
  shr(a: Node, count: Node): Node {
    return isZero(count) ? a : this.#apply("i32.shr_u", a, count);
  }
  sar(a: Node, count: Node): Node {
    return this.#apply("i32.shr_s", a, count);
  }
  rotl(a: Node, count: Node): Node {
    return this.#apply("i32.rotl", a, count);
  }
  divU(a: Node, b: Node): Node {
    return this.#apply("i32.div_u", a, b);
  }
  divS(a: Node, b: Node): Node {
    return this.#apply("i32.div_s", a, b);
  }
  remU(a: Node, b: Node): Node {
    return this.#apply("i32.rem_u", a, b);
  }
  remS(a: Node, b: Node): Node {
    return this.#apply("i32.rem_s", a, b);
  }
  eq(a: Node, b: Node): Node {
    return isZero(b) ? this.#apply("i32.eqz", a) : this.#apply("i32.eq", a, b);
  }
  ltU(a: Node, b: Node): Node {
    return this.#apply("i32.lt_u", a, b);
  }
  ltS(a: Node, b: Node): Node {
    return this.#apply("i32.lt_s", a, b);
  }
  ctz(a: Node): Node {
    return this.#apply("i32.ctz", a);
  }
  clz(a: Node): Node {
    return this.#apply("i32.clz", a);
  }
  popcnt(a: Node): Node {
    return this.#apply("i32.popcnt", a);
  }
  signExtend(size: Size, a: Node): Node {
    return size === 32 ? a : this.#apply(size === 16 ? "i32.extend16_s" : "i32.extend8_s", a);
  }
  select(condition: Node, a: Node, b: Node): Node {
    return this.#apply("select", a, b, condition);
  }

  wideU(a: Node): Node {
    return this.#apply("i64.extend_i32_u", a);
  }
  wideS(a: Node): Node {
    return this.#apply("i64.extend_i32_s", a);
  }
  low(a: Node): Node {
    return this.#apply("i32.wrap_i64", a);
  }
  wideMul(a: Node, b: Node): Node {
    return this.#apply("i64.mul", a, b);
  }
  wideOr(a: Node, b: Node): Node {
    return this.#apply("i64.or", a, b);
  }
  wideShl(a: Node, count: Node): Node {
    return this.#apply("i64.shl", a, count);
  }
  wideShr(a: Node, count: Node): Node {
    return this.#apply("i64.shr_u", a, count);
  }
  wideDivU(a: Node, b: Node): Node {
    return this.#apply("i64.div_u", a, b);
  }
  wideDivS(a: Node, b: Node): Node {
    return this.#apply("i64.div_s", a, b);
  }
  wideRemU(a: Node, b: Node): Node {
    return this.#apply("i64.rem_u", a, b);
  }
  wideRemS(a: Node, b: Node): Node {
    return this.#apply("i64.rem_s", a, b);
  }
  wideEq(a: Node, b: Node): Node {
    return this.#apply("i64.eq", a, b);
  }

  get(place: Place): Node {
    switch (place.kind) {
      case "register":
        return this.#node(`slot ${place.slot} ${place.size}`, {
          op: "slot",
          slot: place.slot,
          size: place.size,
        });
      case "fixed":
        return place.size === 32
          ? this.register(place.offset)
          : this.#node(`fixed ${place.offset} ${place.size}`, {
            op: "fixed",
            offset: place.offset,
            size: place.size,
          });
      case "memory":
        return this.load(place.size, this.address());
      default:
        return this.#field("immediate");
    }
  }

  modify(place: Place): Node {
    if (place.kind !== "memory") return this.get(place);
    this.#modified = this.#result(place.size);
    this.#effect({
      kind: "modify",
      size: place.size,
      linear: this.address(),
      result: this.#modified,
    });
    return this.#modified;
  }

  set(place: Place, value: Node): void {
    if (place.kind === "register") {
      this.#write({ kind: "slot", slot: place.slot, size: place.size, value });
    } else if (place.kind === "fixed") {
      this.#write({ kind: "fixed", offset: place.offset, size: place.size, value });
    } else if (place.kind !== "memory") throw new TypeError("Cannot write an immediate operand");
    else if (this.#modified) {
      this.#effect({ kind: "storeBack", size: place.size, modify: this.#modified, value });
    } else this.store(place.size, this.address(), value);
  }

  address(): Node {
    return this.#node("address", { op: "address" });
  }
  register(offset: number): Node {
    return this.#node(`register ${offset}`, { op: "register", offset });
  }
  setRegister(offset: number, value: Node): void {
    this.#write({ kind: "fixed", offset, size: 32, value });
  }
  sourceSegment(field: number): Node {
    return this.#node(`segment ${field}`, { op: "segment", field });
  }

  load(size: Size, linear: Node): Node {
    const result = this.#result(size);
    this.#effect({ kind: "load", size, linear, result });
    return result;
  }
  store(size: Size, linear: Node, value: Node): void {
    this.#effect({ kind: "store", size, linear, value });
  }
  probe(bytes: number, linear: Node): void {
    this.#effect({ kind: "probe", bytes, linear });
  }
  faultIf(condition: Node, vector: number, code: number = NO_CODE): void {
    this.#effect({ kind: "faultIf", condition, vector, code });
  }
  skipIf(condition: Node): void {
    this.#effect({ kind: "skipIf", condition });
  }

  againIf(condition: Node): void {
    condition.uses++;
    this.control = { kind: "again", condition };
  }
  next(): Node {
    return this.#field("next");
  }
  target(): Node {
    return this.#field("target");
  }
  jump(to?: Node): void {
    if (to) to.uses++;
    this.control = { kind: "jump", to };
  }
  jumpIf(condition: Node): void {
    condition.uses++;
    this.control = { kind: "jumpIf", condition };
  }

  #field(field: OperationField): Node {
    return this.#node(`field ${field}`, { op: "field", field });
  }

  #effect(effect: Effect): void {
    if ("linear" in effect) effect.linear.uses++;
    if ("value" in effect) effect.value.uses++;
    if ("condition" in effect) effect.condition.uses++;
    this.effects.push(effect);
  }

  #write(write: Write): void {
    write.value.uses++;
    this.writes.push(write);
  }
}

function isZero(node: Node): boolean {
  return node.op === "const" && node.value === 0;
}

/** Records what `meaning` does in this form. */
export function record(meaning: Meaning, form: Form): Graph {
  const recorder = new Recorder();
  meaning(recorder, form);
  return recorder;
}

/** Records the address operation that stands before a general memory operand. */
export function recordAddress(form: GeneralAddress): Graph {
  const recorder = new Recorder();
  generalAddress(recorder, form);
  recorder.control = { kind: "uncounted" };
  return recorder;
}
