/** Expression trees of a function, read from Binaryen; what has no i686 lowering is refused here. */
import binaryen from "./packages/binaryen.ts";
import { BuildError } from "./build_error.ts";

/** A 32-bit expression. */
export type Node =
  | { kind: "const"; value: number }
  | { kind: "register"; number: number } // a value that the lowering has already computed
  | { kind: "local.get"; index: number }
  | { kind: "local.set"; index: number; value: Node; isTee: boolean }
  | { kind: "global.get"; name: string }
  | { kind: "global.set"; name: string; value: Node }
  | { kind: "load"; bytes: 1 | 2 | 4; signed: boolean; offset: number; pointer: Node }
  | { kind: "store"; bytes: 1 | 2 | 4; offset: number; pointer: Node; value: Node }
  | { kind: "unary"; operator: UnaryOperator; value: Node }
  | { kind: "binary"; operator: BinaryOperator; left: Node; right: Node }
  | { kind: "select"; condition: Node; ifTrue: Node; ifFalse: Node }
  | { kind: "block"; name: string; children: Node[]; hasResult: boolean }
  | { kind: "loop"; name: string; body: Node; hasResult: boolean }
  | { kind: "if"; condition: Node; ifTrue: Node; ifFalse: Node | null; hasResult: boolean }
  | { kind: "break"; name: string; condition: Node | null; value: Node | null }
  | { kind: "switch"; names: string[]; defaultName: string; selector: Node; value: Node | null }
  | { kind: "call"; target: string; operands: Node[]; hasResult: boolean }
  | { kind: "call_indirect"; target: Node; operands: Node[]; hasResult: boolean }
  | { kind: "drop"; value: Node }
  | { kind: "return"; value: Node | null }
  | { kind: "unreachable" }
  | { kind: "nop" };

/** Operators of one operand. */
export type UnaryOperator = "eqz" | "clz" | "ctz" | "popcnt" | "extend8" | "extend16";
/** Comparisons, named as the conditions of the opcode map. */
export type Comparison = "z" | "nz" | "l" | "b" | "le" | "be" | "nle" | "nbe" | "nl" | "nb";
/** Operators of two operands; comparisons give 0 or 1. */
export type BinaryOperator =
  | Comparison
  | "add"
  | "sub"
  | "imul"
  | "and"
  | "or"
  | "xor"
  | "shl"
  | "shr"
  | "sar"
  | "rol"
  | "ror"
  | "div"
  | "idiv"
  | "rem"
  | "irem";

const unaries = new Map<number, UnaryOperator>([
  [binaryen.EqZInt32, "eqz"],
  [binaryen.ClzInt32, "clz"],
  [binaryen.CtzInt32, "ctz"],
  [binaryen.PopcntInt32, "popcnt"],
  [binaryen.ExtendS8Int32, "extend8"],
  [binaryen.ExtendS16Int32, "extend16"],
]);

const binaries = new Map<number, BinaryOperator>([
  [binaryen.AddInt32, "add"],
  [binaryen.SubInt32, "sub"],
  [binaryen.MulInt32, "imul"],
  [binaryen.AndInt32, "and"],
  [binaryen.OrInt32, "or"],
  [binaryen.XorInt32, "xor"],
  [binaryen.ShlInt32, "shl"],
  [binaryen.ShrUInt32, "shr"],
  [binaryen.ShrSInt32, "sar"],
  [binaryen.RotLInt32, "rol"],
  [binaryen.RotRInt32, "ror"],
  [binaryen.DivUInt32, "div"],
  [binaryen.DivSInt32, "idiv"],
  [binaryen.RemUInt32, "rem"],
  [binaryen.RemSInt32, "irem"],
  [binaryen.EqInt32, "z"],
  [binaryen.NeInt32, "nz"],
  [binaryen.LtSInt32, "l"],
  [binaryen.LtUInt32, "b"],
  [binaryen.LeSInt32, "le"],
  [binaryen.LeUInt32, "be"],
  [binaryen.GtSInt32, "nle"],
  [binaryen.GtUInt32, "nbe"],
  [binaryen.GeSInt32, "nl"],
  [binaryen.GeUInt32, "nb"],
]);

const typeNames = new Map<number, string>([
  [binaryen.i64, "64-bit integers"],
  [binaryen.f32, "32-bit floating point"],
  [binaryen.f64, "64-bit floating point"],
  [binaryen.v128, "vectors"],
]);

/** A function as the lowering reads it. */
export interface FunctionTree {
  /** The compiler's internal name. */
  readonly name: string;
  /** How many of the locals are parameters. */
  readonly parameterCount: number;
  /** Locals, parameters included. */
  readonly localCount: number;
  /** True unless it gives nothing. */
  readonly hasResult: boolean;
  /** What it does. */
  readonly body: Node;
}

/** What Binaryen says of a function; types and body are references. */
export interface RawFunction {
  /** Internal name. */
  readonly name: string;
  /** Types of the parameters, as one. */
  readonly params: number;
  /** Types of the results, as one. */
  readonly results: number;
  /** Types of the other locals. */
  readonly vars: readonly number[];
  /** Its expression. */
  readonly body: number;
}

const summary = (expression: Ref): string => binaryen.emitText(expression).trim().split("\n")[0];

type Ref = number;
type Read = (expression: Ref) => Node;

/** Reads one function; `where` says file and line for errors. */
export function readFunction(info: RawFunction, where: string): FunctionTree {
  const refuse = (what: string): never => {
    throw new BuildError(
      `Cannot lower ${info.name} (${where}): ${what} are not supported on this target`,
    );
  };
  const read: Read = (expression) => {
    const type = binaryen.getExpressionType(expression);
    const unsupported = typeNames.get(type);
    if (unsupported) refuse(unsupported);
    const id = binaryen.getExpressionId(expression);
    if (id === binaryen.NopId) return { kind: "nop" };
    if (id === binaryen.UnreachableId) return { kind: "unreachable" };
    const reader = readers.get(id);
    if (!reader) return refuse(`expressions like ${summary(expression)}`);
    const detail = binaryen.getExpressionInfo(expression);
    const node = reader(detail as never, read, type === binaryen.i32);
    return node ?? refuse(`operators like ${summary(expression)}`);
  };
  const parameters = binaryen.expandType(info.params);
  for (const type of [...parameters, ...info.vars, info.results]) {
    if (typeNames.has(type)) refuse(typeNames.get(type)!);
  }
  return {
    name: info.name,
    parameterCount: parameters.length,
    localCount: parameters.length + info.vars.length,
    hasResult: info.results === binaryen.i32,
    body: read(info.body),
  };
}

// deno-lint-ignore no-explicit-any -- each reader gets the info type of its own expression id
type Reader = (info: any, read: Read, hasResult: boolean) => Node | null;
const reader = <Info>(make: (info: Info, read: Read, hasResult: boolean) => Node | null): Reader =>
  make;
const optional = (expression: Ref, read: Read): Node | null => expression ? read(expression) : null;
const bytesOf = (info: { bytes: number }) => info.bytes as 1 | 2 | 4;

const readers = new Map<number, Reader>([
  [
    binaryen.BlockId,
    reader<binaryen.BlockInfo>(({ name, children }, read, hasResult) => ({
      kind: "block",
      name,
      children: children.map(read),
      hasResult,
    })),
  ],
  [
    binaryen.LoopId,
    reader<binaryen.LoopInfo>(({ name, body }, read, hasResult) => ({
      kind: "loop",
      name,
      body: read(body),
      hasResult,
    })),
  ],
  [
    binaryen.IfId,
    reader<binaryen.IfInfo>(({ condition, ifTrue, ifFalse }, read, hasResult) => ({
      kind: "if",
      condition: read(condition),
      ifTrue: read(ifTrue),
      ifFalse: optional(ifFalse, read),
      hasResult,
    })),
  ],
  [
    binaryen.BreakId,
    reader<binaryen.BreakInfo>(({ name, condition, value }, read) => ({
      kind: "break",
      name,
      condition: optional(condition, read),
      value: optional(value, read),
    })),
  ],
  [
    binaryen.SwitchId,
    reader<binaryen.SwitchInfo>((info, read) => ({
      kind: "switch",
      names: info.names,
      defaultName: info.defaultName ?? "",
      selector: read(info.condition),
      value: optional(info.value, read),
    })),
  ],
  [
    binaryen.CallId,
    reader<binaryen.CallInfo>(({ target, operands }, read, hasResult) => ({
      kind: "call",
      target,
      operands: operands.map(read),
      hasResult,
    })),
  ],
  [
    binaryen.CallIndirectId,
    reader<binaryen.CallIndirectInfo>(({ target, operands }, read, hasResult) => ({
      kind: "call_indirect",
      target: read(target),
      operands: operands.map(read),
      hasResult,
    })),
  ],
  [
    binaryen.LocalGetId,
    reader<binaryen.LocalGetInfo>(({ index }) => ({ kind: "local.get", index })),
  ],
  [
    binaryen.LocalSetId,
    reader<binaryen.LocalSetInfo>(({ index, value, isTee }, read) => ({
      kind: "local.set",
      index,
      value: read(value),
      isTee,
    })),
  ],
  [
    binaryen.GlobalGetId,
    reader<binaryen.GlobalGetInfo>(({ name }) => ({ kind: "global.get", name })),
  ],
  [
    binaryen.GlobalSetId,
    reader<binaryen.GlobalSetInfo>(({ name, value }, read) => ({
      kind: "global.set",
      name,
      value: read(value),
    })),
  ],
  [
    binaryen.LoadId,
    reader<binaryen.LoadInfo>((info, read) =>
      info.isAtomic ? null : {
        kind: "load",
        bytes: bytesOf(info),
        signed: info.isSigned,
        offset: info.offset,
        pointer: read(info.ptr),
      }
    ),
  ],
  [
    binaryen.StoreId,
    reader<binaryen.StoreInfo>((info, read) =>
      info.isAtomic ? null : {
        kind: "store",
        bytes: bytesOf(info),
        offset: info.offset,
        pointer: read(info.ptr),
        value: read(info.value),
      }
    ),
  ],
  [
    binaryen.ConstId,
    reader<binaryen.ConstInfo>(({ value }) => ({ kind: "const", value: Number(value) | 0 })),
  ],
  [
    binaryen.UnaryId,
    reader<binaryen.UnaryInfo>(({ op, value }, read) => {
      const operator = unaries.get(op);
      return operator ? { kind: "unary", operator, value: read(value) } : null;
    }),
  ],
  [
    binaryen.BinaryId,
    reader<binaryen.BinaryInfo>(({ op, left, right }, read) => {
      const operator = binaries.get(op);
      return operator ? { kind: "binary", operator, left: read(left), right: read(right) } : null;
    }),
  ],
  [
    binaryen.SelectId,
    reader<binaryen.SelectInfo>(({ ifTrue, ifFalse, condition }, read) => ({
      kind: "select",
      ifTrue: read(ifTrue),
      ifFalse: read(ifFalse),
      condition: read(condition),
    })),
  ],
  [
    binaryen.DropId,
    reader<binaryen.DropInfo>(({ value }, read) => ({ kind: "drop", value: read(value) })),
  ],
  [
    binaryen.ReturnId,
    reader<binaryen.ReturnInfo>(({ value }, read) => ({
      kind: "return",
      value: optional(value, read),
    })),
  ],
]);

/** Direct subexpressions in order of evaluation. */
export function childrenOf(node: Node): Node[] {
  switch (node.kind) {
    case "local.set":
    case "global.set":
    case "unary":
    case "drop":
      return [node.value];
    case "load":
      return [node.pointer];
    case "store":
      return [node.pointer, node.value];
    case "binary":
      return [node.left, node.right];
    case "select":
      return [node.ifTrue, node.ifFalse, node.condition];
    case "block":
      return node.children;
    case "loop":
      return [node.body];
    case "if":
      return [node.condition, node.ifTrue, ...node.ifFalse ? [node.ifFalse] : []];
    case "break":
      return [...node.value ? [node.value] : [], ...node.condition ? [node.condition] : []];
    case "switch":
      return [...node.value ? [node.value] : [], node.selector];
    case "call":
      return node.operands;
    case "call_indirect":
      return [...node.operands, node.target];
    case "return":
      return node.value ? [node.value] : [];
    default:
      return [];
  }
}
