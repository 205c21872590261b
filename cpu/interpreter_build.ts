/**
 * Builds the interpreter: one WebAssembly module with a handler for each form. Its product is committed as
 * `cpu/interpreter_wasm.ts`. Spec: specs/cpu/interpreter.md.
 *
 * `run(operation, count)` is a loop with one `br_table` over the hot handlers; all others are functions of
 * their own, which V8 compiles when they are first called.
 */
import type { Row } from "../isa/row.ts";
import type { Form, Meaning } from "../isa/machine.ts";
import { allForms } from "./form.ts";
import { type Graph, record, recordAddress } from "./graph.ts";
import {
  CONTINUE_HANDLER,
  FIRST_HANDLER,
  JUMP_CACHE_ENTRIES,
  OPERATION_FIELDS,
} from "./operation.ts";
import { HandlerPrinter, IMPORTS, LocalPool } from "./print.ts";
import {
  EIP,
  EXIT,
  Exit,
  JUMP_CACHE,
  OPERATION,
  READ_TABLE,
  REMAINING,
  WRITE_TABLE,
} from "./state.ts";
import { Code, type Definition, EMPTY, encodeModule } from "./wasm.ts";

/** What a compiler uses most: these stand in the hot loop at 32 bits, and MOV also at 8. */
const HOT = new Set(
  ("mov add sub and or xor cmp test inc dec lea push pop call ret jmp movzx movsx imul shl shr sar neg not adc sbb " +
    "jo jno jb jnb jz jnz jbe jnbe js jns jp jnp jl jnl jle jnle leave cwd mul").split(" "),
);

function isHot({ name, size, flat, places }: Form): boolean {
  if (!HOT.has(name) || !flat || (name === "ret" && places.length > 0)) return false;
  if (
    /^(shl|shr|sar)$/.test(name) && (places[1].kind === "immediate" || places[0].kind === "memory")
  ) return false;
  return size === 32 || (size === 8 && /^(mov|cmp|test|and)$/.test(name));
}

/** A handler to be printed. */
interface Handler {
  readonly key: string;
  readonly graph: Graph;
}

/** The built interpreter. */
export interface Interpreter {
  /** The module. */
  readonly wasm: Uint8Array<ArrayBuffer>;
  /** Keys of the handlers (form.ts), from number 3 on. */
  readonly keys: readonly string[];
}

/** Builds the interpreter; `replace` may give a form another meaning (for tests that plant a fault). */
export function buildInterpreter(
  replace?: (row: Row, form: Form) => Meaning | undefined,
): Interpreter {
  const { forms, addresses } = allForms(), hot: Handler[] = [], cold: Handler[] = [];
  for (const [key, { row, form }] of forms) {
    const meaning = replace?.(row, form) ?? row.meaning!;
    (isHot(form) ? hot : cold).push({ key, graph: record(meaning, form) });
  }
  for (const [key, form] of addresses) cold.push({ key, graph: recordAddress(form) });
  const functions = [runFunction(hot), ...cold.map(({ graph }) => coldFunction(graph))];
  const first = IMPORTS.length + 1; // the functions after the imports and `run`
  const wasm = encodeModule({
    signatures: SIGNATURES,
    imports: IMPORTS.map((name) => ({ name, signature: IMPORT_SIGNATURES[name] })),
    functions,
    table: cold.map((_, i) => first + i),
  });
  return { wasm, keys: [...hot, ...cold].map(({ key }) => key) };
}

const SIGNATURES = [
  { parameters: 2, results: 1 }, // run, load, modify
  { parameters: 1, results: 1 }, // a cold handler
  { parameters: 3, results: 0 }, // store
  { parameters: 2, results: 0 }, // probe
];
const IMPORT_SIGNATURES = { load: 0, store: 2, modify: 0, probe: 3 };
const COLD_SIGNATURE = 1;

function coldFunction(graph: Graph): Definition {
  const printed = (locals: LocalPool) => {
    const body = new Code(), none = { fault: 0, lookup: 0, next: 0, uncounted: 0 };
    new HandlerPrinter(body, { operation: 0, locals }, none).print(graph);
    return body.op("unreachable"); // every path has returned
  };
  const measure = new LocalPool(1, 64);
  printed(measure);
  const [i32, i64] = measure.most;
  return { signature: COLD_SIGNATURE, locals: [i32, i64], body: printed(new LocalPool(1, i32)) };
}

// Locals of `run`: its parameters, then these.
const OP = 0, COUNT = 1, READ = 2, WRITE = 3, NEXT = 4, POOL = 5;

function runFunction(hot: readonly Handler[]): Definition {
  const measure = new LocalPool(POOL, 64);
  runBody(hot, measure);
  const [i32, i64] = measure.most;
  const body = runBody(hot, new LocalPool(POOL, i32));
  return { signature: 0, locals: [i32 + POOL - READ, i64], body };
}

function runBody(hot: readonly Handler[], locals: LocalPool): Code {
  const code = new Code(), handlers = hot.length + FIRST_HANDLER;
  code.constant(0).memory("i32.load", READ_TABLE).op("local.set", READ);
  code.constant(0).memory("i32.load", WRITE_TABLE).op("local.set", WRITE);
  for (const _ of ["fault", "lookup", "stopped"]) code.op("block", EMPTY);
  code.op("loop", EMPTY).op("block", EMPTY); // dispatch, next
  for (let i = 0; i <= handlers; i++) code.op("block", EMPTY);
  code.op("local.get", OP).memory("i32.load16_u", OPERATION_FIELDS.handler);
  code.op("br_table", handlers, ...Array.from({ length: handlers + 1 }, (_, i) => i));
  printSpecial(code, handlers);
  hot.forEach(({ graph }, i) => {
    code.op("end");
    locals.reset();
    const next = handlers - (i + FIRST_HANDLER),
      depths = { next, uncounted: next + 1, lookup: next + 3, fault: next + 4 };
    const loop = { count: COUNT, readTable: READ, writeTable: WRITE };
    new HandlerPrinter(code, { operation: OP, loop, locals }, depths).print(graph);
  });
  code.op("end");
  printColdCall(code, handlers);
  code.op("end"); // next: one instruction is complete
  code.op("local.get", COUNT).constant(1).op("i32.sub").op("local.tee", COUNT).op("br_if", 0);
  printExit(code, () => code.constant(Exit.COUNT));
  code.op("end").op("unreachable"); // dispatch
  code.op("end"); // stopped: REMAINING and OPERATION are already there
  code.constant(0).memory("i32.load", EXIT).op("return");
  code.op("end");
  printExit(code, () => code.constant(Exit.LOOKUP));
  code.op("end");
  printExit(code, () => code.constant(Exit.FAULT));
  return code.op("unreachable");
}

/** Returns from `run` at the current operation. */
function printExit(code: Code, exit: () => void): void {
  code.constant(0).op("local.get", OP).memory("i32.store", OPERATION);
  code.constant(0).op("local.get", COUNT).memory("i32.store", REMAINING);
  exit();
  code.op("return");
}

/** System code and breakpoints return; the end of a block continues through the jump cache. */
function printSpecial(code: Code, handlers: number): void {
  code.op("end");
  printExit(code, () => code.constant(Exit.SYSTEM));
  code.op("end");
  printExit(code, () => code.constant(Exit.BREAK));
  code.op("end");
  const dispatch = handlers - CONTINUE_HANDLER + 1;
  code.constant(0).memory("i32.load", JUMP_CACHE);
  code.op("local.get", OP).memory("i32.load", OPERATION_FIELDS.target);
  code.constant(JUMP_CACHE_ENTRIES - 1).op("i32.and").constant(3).op("i32.shl").op("i32.add");
  code.op("local.tee", NEXT).memory("i32.load", 0);
  code.op("local.get", OP).memory("i32.load", OPERATION_FIELDS.target).op("i32.eq");
  code.op("if", EMPTY).op("local.get", NEXT).memory("i32.load", 4).op("local.set", OP).op(
    "br",
    dispatch + 1,
  ).op("end");
  code.constant(0).op("local.get", OP).memory("i32.load", OPERATION_FIELDS.target).memory(
    "i32.store",
    EIP,
  );
  printExit(code, () => code.constant(Exit.CONTINUE));
}

/** Calls the handler's own function; zero means that it stopped, bit 0 that it does not count. */
function printColdCall(code: Code, handlers: number): void {
  code.constant(0).op("local.get", COUNT).memory("i32.store", REMAINING);
  code.constant(0).op("local.get", OP).memory("i32.store", OPERATION);
  code.op("local.get", OP);
  code.op("local.get", OP).memory("i32.load16_u", OPERATION_FIELDS.handler).constant(handlers).op(
    "i32.sub",
  );
  code.op("call_indirect", COLD_SIGNATURE, 0).op("local.tee", NEXT).op("i32.eqz").op("br_if", 2); // stopped
  code.constant(0).memory("i32.load", REMAINING).op("local.set", COUNT);
  code.op("local.get", NEXT).constant(-2).op("i32.and").op("local.set", OP);
  code.op("local.get", NEXT).constant(1).op("i32.and").op("br_if", 1); // dispatch
}

/** The source text of `cpu/interpreter_wasm.ts`. */
export function interpreterSource({ wasm, keys }: Interpreter): string {
  let binary = "";
  for (const byte of wasm) binary += String.fromCharCode(byte);
  return `/** The built interpreter: written by \`deno task build\`, never by hand. */

/** The module, in base64. */
export const wasmBase64 = ${JSON.stringify(btoa(binary))} as string;
/** Keys of its handlers. */
export const handlerKeys = ${JSON.stringify(keys.join("|"))} as string;
`;
}
