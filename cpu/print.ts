/**
 * Prints graphs as WebAssembly: a meaning becomes the handler of its form, whose operands are read from a
 * predecoded operation. Spec: specs/cpu/print.md.
 */
import type { Effect, Graph, Node, OperationField, Write } from "./graph.ts";
import { JUMP_CACHE_ENTRIES, OPERATION_BYTES, OPERATION_FIELDS } from "./operation.ts";
import {
  EIP,
  EXIT,
  Exit,
  FAULT_CODE,
  FAULT_VECTOR,
  JUMP_CACHE,
  OPERATION,
  READ_TABLE,
  REMAINING,
  SEGMENT_BASE,
  STOPPED,
  WRITE_TABLE,
} from "./state.ts";
import { type Code, EMPTY, I32, type Opcode } from "./wasm.ts";

/** Imported functions, in the order of their indices. */
export const IMPORTS = ["load", "store", "modify", "probe"] as const;

/** Where a handler stands: in the hot loop, or in a function of its own. */
export interface Frame {
  /** Locals that hold the operation and, in the hot loop, the remaining count and the access tables. */
  readonly operation: number;
  /** The hot loop's locals; undefined in a function of its own. */
  readonly loop?: {
    readonly count: number;
    readonly readTable: number;
    readonly writeTable: number;
  };
  /** First free local of each type, and how many have been used so far. */
  readonly locals: LocalPool;
}

/** Locals of a function, reused by each handler in it. */
export class LocalPool {
  /** The most that any handler used, i32 and i64. */
  readonly most: [number, number] = [0, 0];
  #used: [number, number] = [0, 0];
  readonly #first: number;
  readonly #i64: number;

  /** i32 locals begin at `first`; i64 locals after `i32Count` of them. */
  constructor(first: number, i32Count: number) {
    this.#first = first;
    this.#i64 = first + i32Count;
  }

  /** Forgets the last handler's locals. */
  reset(): void {
    this.#used = [0, 0];
  }

  /** A local for a value. */
  take(wide: boolean): number {
    const type = wide ? 1 : 0, index = this.#used[type]++;
    this.most[type] = Math.max(this.most[type], this.#used[type]);
    return (wide ? this.#i64 : this.#first) + index;
  }
}

const LOADS: Record<number, Opcode> = { 8: "i32.load8_u", 16: "i32.load16_u", 32: "i32.load" };
const STORES: Record<number, Opcode> = { 8: "i32.store8", 16: "i32.store16", 32: "i32.store" };
const PAGE_MASK = 0xfff;

/** Prints one handler. Labels: see `interpreter_build.ts` for those of the hot loop. */
export class HandlerPrinter {
  readonly #code: Code;
  readonly #frame: Frame;
  readonly #homes = new Map<Node, number>();
  /** The local that holds the host address (0: slow) of a `modify`, and that of its linear address. */
  readonly #modified = new Map<Node, { host: number; linear: number }>();
  readonly #depths: { fault: number; lookup: number; next: number; uncounted: number };
  #depth = 0;

  /** `depths`: how many blocks out the labels lie (hot loop only). */
  constructor(
    code: Code,
    frame: Frame,
    depths: { fault: number; lookup: number; next: number; uncounted: number },
  ) {
    this.#code = code;
    this.#frame = frame;
    this.#depths = depths;
  }

  /** Prints the whole graph. */
  print(graph: Graph): void {
    for (const effect of graph.effects) this.#effect(effect);
    this.#writes(graph.writes, graph.control);
  }

  // ---- values

  /** Leaves the node's value on the stack. */
  #value(node: Node): void {
    const home = this.#homes.get(node);
    if (home !== undefined) {
      this.#code.op("local.get", home);
      return;
    }
    this.#compute(node);
    if (node.uses < 2 || node.op === "const") return;
    const local = this.#frame.locals.take(node.wide);
    this.#homes.set(node, local);
    this.#code.op("local.tee", local);
  }

  /** Computes the node into a local, and gives the local. */
  #local(node: Node): number {
    const home = this.#homes.get(node);
    if (home !== undefined) return home;
    const local = this.#frame.locals.take(node.wide);
    this.#compute(node);
    this.#homes.set(node, local);
    this.#code.op("local.set", local);
    return local;
  }

  #compute(node: Node): void {
    const code = this.#code;
    switch (node.op) {
      case "const":
        code.constant(node.value);
        break;
      case "register":
        code.constant(0).memory("i32.load", node.offset);
        break;
      case "fixed":
        code.constant(0).memory(LOADS[node.size], node.offset);
        break;
      case "slot":
        this.#slotAddress(node.slot);
        code.memory(LOADS[node.size], 0);
        break;
      case "segment":
        this.#byteField("segment");
        code.memory("i32.load", node.field - SEGMENT_BASE);
        break;
      case "field":
        this.#wordField(node.field);
        break;
      case "address":
        this.#address();
        break;
      case "result":
        throw new Error("Cannot print the result of an access that was not printed");
      default:
        for (const arg of node.args) this.#value(arg);
        code.op(node.op);
    }
  }

  #wordField(field: OperationField | "displacement" | "link"): void {
    this.#code.op("local.get", this.#frame.operation).memory("i32.load", OPERATION_FIELDS[field]);
  }

  #byteField(field: "slot0" | "slot1" | "base" | "index" | "scale" | "segment"): void {
    this.#code.op("local.get", this.#frame.operation).memory(
      "i32.load8_u",
      OPERATION_FIELDS[field],
    );
  }

  #slotAddress(slot: 0 | 1): void {
    this.#byteField(slot === 0 ? "slot0" : "slot1");
  }

  /** base + (index << scale) + displacement. */
  #address(): void {
    const code = this.#code;
    this.#byteField("base");
    code.memory("i32.load", 0);
    this.#byteField("index");
    code.memory("i32.load", 0);
    this.#byteField("scale");
    code.op("i32.shl").op("i32.add");
    this.#wordField("displacement");
    code.op("i32.add");
  }

  // ---- effects

  #effect(effect: Effect): void {
    switch (effect.kind) {
      case "load":
        return this.#load(effect.result, effect.linear, effect.size);
      case "modify":
        return this.#modify(effect.result, effect.linear, effect.size);
      case "store":
        return this.#store(effect.linear, effect.value, effect.size);
      case "storeBack":
        return this.#storeBack(effect.modify, effect.value, effect.size);
      case "probe":
        return this.#probe(effect.linear, effect.bytes);
      case "faultIf":
        return this.#faultIf(effect.condition, effect.vector, effect.code);
      case "skipIf":
        this.#value(effect.condition);
        return this.#branchIf(() => this.#toNext());
    }
  }

  /** Leaves on the stack the access table of the current privilege. */
  #table(write: boolean): void {
    const { loop } = this.#frame;
    if (loop) this.#code.op("local.get", write ? loop.writeTable : loop.readTable);
    else this.#code.constant(0).memory("i32.load", write ? WRITE_TABLE : READ_TABLE);
  }

  /** Looks up `linear` for an access; leaves on the stack whether it is slow, and gives the local of the page's host address. */
  #lookUp(linear: number, bytes: number, write: boolean): number {
    const code = this.#code, host = this.#frame.locals.take(false);
    this.#table(write);
    code.op("local.get", linear).constant(12).op("i32.shr_u").constant(2).op("i32.shl").op(
      "i32.add",
    );
    code.memory("i32.load", 0).op("local.tee", host).op("i32.eqz");
    if (bytes > 1) {
      code.op("local.get", linear).constant(PAGE_MASK).op("i32.and").constant(4096 - bytes).op(
        "i32.gt_u",
      );
      code.op("i32.or");
    }
    return host;
  }

  /** Leaves the host address of `linear` on the stack. */
  #hostAddress(host: number, linear: number): void {
    this.#code.op("local.get", host).op("local.get", linear).constant(PAGE_MASK).op("i32.and").op(
      "i32.add",
    );
  }

  /** Calls a slow access whose arguments `push` leaves on the stack; leaves the handler if it faulted. */
  #slow(name: typeof IMPORTS[number], push: () => void): void {
    const code = this.#code, { loop, operation } = this.#frame;
    if (loop) { // PRINT-4; for a handler in a function of its own, its caller has stored both
      code.constant(0).op("local.get", operation).memory("i32.store", OPERATION);
      code.constant(0).op("local.get", loop.count).memory("i32.store", REMAINING);
    }
    push();
    code.op("call", IMPORTS.indexOf(name));
    if (loop) code.constant(0).memory("i32.load", REMAINING).op("local.set", loop.count); // an event may have come nearer
    code.constant(0).memory("i32.load", STOPPED);
    this.#branchIf(() => this.#toFault());
  }

  #load(result: Node, linear: Node, size: number): void {
    const code = this.#code, at = this.#local(linear), bytes = size / 8;
    const host = this.#lookUp(at, bytes, false), value = this.#frame.locals.take(false);
    this.#if(() => {
      this.#slow("load", () => code.op("local.get", at).constant(bytes));
    }, () => {
      this.#hostAddress(host, at);
      code.memory(LOADS[size], 0);
    }, value);
    this.#homes.set(result, value);
  }

  #modify(result: Node, linear: Node, size: number): void {
    const code = this.#code, at = this.#local(linear), bytes = size / 8;
    const host = this.#lookUp(at, bytes, true), value = this.#frame.locals.take(false);
    this.#if(() => {
      this.#slow("modify", () => code.op("local.get", at).constant(bytes));
      code.constant(0).op("local.set", host); // the store back goes the slow way, too
    }, () => {
      this.#hostAddress(host, at);
      code.op("local.tee", host).memory(LOADS[size], 0);
    }, value);
    this.#homes.set(result, value);
    this.#modified.set(result, { host, linear: at });
  }

  #store(linear: Node, value: Node, size: number): void {
    const code = this.#code, at = this.#local(linear), what = this.#local(value);
    const host = this.#lookUp(at, size / 8, true);
    this.#if(() => this.#slowStore(at, size / 8, what), () => {
      this.#hostAddress(host, at);
      code.op("local.get", what).memory(STORES[size], 0);
    });
  }

  #storeBack(modify: Node, value: Node, size: number): void {
    const code = this.#code,
      { host, linear } = this.#modified.get(modify)!,
      what = this.#local(value);
    code.op("local.get", host).op("i32.eqz");
    this.#if(
      () => this.#slowStore(linear, size / 8, what),
      () => code.op("local.get", host).op("local.get", what).memory(STORES[size], 0),
    );
  }

  #slowStore(linear: number, bytes: number, value: number): void {
    this.#slow(
      "store",
      () => this.#code.op("local.get", linear).constant(bytes).op("local.get", value),
    );
  }

  #probe(linear: Node, bytes: number): void {
    const at = this.#local(linear);
    this.#lookUp(at, bytes, true);
    this.#branchIf(() => this.#slow("probe", () => this.#code.op("local.get", at).constant(bytes)));
  }

  #faultIf(condition: Node, vector: number, faultCode: number): void {
    this.#value(condition);
    this.#branchIf(() => {
      this.#code.constant(0).constant(vector).memory("i32.store", FAULT_VECTOR);
      this.#code.constant(0).constant(faultCode).memory("i32.store", FAULT_CODE);
      this.#toFault();
    });
  }

  // ---- completion

  /** All values are on the stack before the first is written: two slots may be one register. */
  #writes(writes: readonly Write[], control: Graph["control"]): void {
    const code = this.#code;
    const condition = control.kind === "again" || control.kind === "jumpIf"
      ? control.condition
      : undefined;
    const decided = condition && this.#local(condition);
    const to = control.kind === "jump" && control.to ? this.#local(control.to) : undefined;
    for (const write of writes.toReversed()) {
      if (write.kind === "fixed") code.constant(0);
      else this.#slotAddress(write.slot);
      this.#value(write.value);
    }
    for (const write of writes) {
      code.memory(STORES[write.size], write.kind === "fixed" ? write.offset : 0);
    }
    this.#complete(control, decided, to);
  }

  #complete(
    control: Graph["control"],
    condition: number | undefined,
    to: number | undefined,
  ): void {
    switch (control.kind) {
      case "next":
        return this.#toNext();
      case "uncounted":
        return this.#advance(() => this.#toUncounted());
      case "again":
        this.#code.op("local.get", condition!);
        this.#branchIf(() => this.#continue());
        return this.#toNext();
      case "jumpIf":
        this.#code.op("local.get", condition!);
        this.#branchIf(() => this.#jumpDirect());
        return this.#toNext();
      case "jump":
        return to === undefined ? this.#jumpDirect() : this.#jumpTo(to);
    }
  }

  /** To the linked operation, or through the jump cache. */
  #jumpDirect(): void {
    const code = this.#code,
      link = this.#frame.locals.take(false),
      target = this.#frame.locals.take(false);
    this.#wordField("link");
    code.op("local.tee", link);
    this.#branchIf(() => {
      code.op("local.get", link).op("local.set", this.#frame.operation);
      this.#continue();
    });
    this.#wordField("target");
    code.op("local.set", target);
    this.#jumpTo(target);
  }

  /** Through the jump cache; what it does not know, `cpu.ts` looks up. */
  #jumpTo(target: number): void {
    const code = this.#code, entry = this.#frame.locals.take(false);
    code.constant(0).memory("i32.load", JUMP_CACHE);
    code.op("local.get", target).constant(JUMP_CACHE_ENTRIES - 1).op("i32.and").constant(3).op(
      "i32.shl",
    ).op("i32.add");
    code.op("local.tee", entry).memory("i32.load", 0).op("local.get", target).op("i32.eq");
    this.#branchIf(() => {
      code.op("local.get", entry).memory("i32.load", 4).op("local.set", this.#frame.operation);
      this.#continue();
    });
    code.constant(0).op("local.get", target).memory("i32.store", EIP);
    if (this.#frame.loop) code.op("br", this.#depths.lookup + this.#depth);
    else this.#stop(Exit.LOOKUP);
  }

  #toNext(): void {
    this.#advance(() => this.#continue());
  }

  #advance(then: () => void): void {
    const { operation } = this.#frame;
    this.#code.op("local.get", operation).constant(OPERATION_BYTES).op("i32.add").op(
      "local.set",
      operation,
    );
    then();
  }

  #continue(): void {
    if (this.#frame.loop) this.#code.op("br", this.#depths.next + this.#depth);
    else this.#code.op("local.get", this.#frame.operation).op("return");
  }

  /** The bit says to the hot loop that nothing is to be counted. */
  #toUncounted(): void {
    if (this.#frame.loop) this.#code.op("br", this.#depths.uncounted + this.#depth);
    else this.#code.op("local.get", this.#frame.operation).constant(1).op("i32.or").op("return");
  }

  #toFault(): void {
    if (this.#frame.loop) this.#code.op("br", this.#depths.fault + this.#depth);
    else this.#stop(Exit.FAULT);
  }

  #stop(exit: number): void {
    this.#code.constant(0).constant(exit).memory("i32.store", EXIT).constant(0).op("return");
  }

  // ---- structure

  #branchIf(then: () => void): void {
    this.#code.op("if", EMPTY);
    this.#depth++;
    then();
    this.#depth--;
    this.#code.op("end");
  }

  /** Both arms; with `result`, each leaves a value for that local, a fault none. */
  #if(then: () => void, otherwise: () => void, result?: number): void {
    const code = this.#code;
    code.op("if", result === undefined ? EMPTY : I32);
    this.#depth++;
    then();
    code.op("else");
    otherwise();
    this.#depth--;
    code.op("end");
    if (result !== undefined) code.op("local.set", result);
  }
}
