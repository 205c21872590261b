/**
 * AssemblyScript sources to an optimised Binaryen module whose references to static data are symbolic.
 * Spec: specs/toolchain/compile.md. Reads no file: the sources are given, the standard library is part of the compiler.
 */

import { libraryFiles } from "./packages/asc.ts";
import * as assemblyscript from "./packages/assemblyscript.ts";
import binaryen from "./packages/binaryen.ts";
import { BuildError } from "./build_error.ts";
import { GAP_BYTES, type Segment, StaticData } from "./static_data.ts";

/** AssemblyScript places static data here, so that a constant in this range is a reference into it. */
export const DATA_BASE = 0x6bad0000;

const FEATURES = binaryen.Features.MutableGlobals | binaryen.Features.SignExt |
  binaryen.Features.BulkMemory | binaryen.Features.BulkMemoryOpt;
const WIDTH_OF_USIZE = 201; // "will require an explicit cast when switching between 32/64-bit"

/** Source position of a function. */
export interface SourceLine {
  /** As given: `kernel/heap.ts`. */
  readonly file: string;
  /** From 1. */
  readonly line: number;
}

/** The parts of a Binaryen module that the build reads; the references are Binaryen's own. */
export interface ModuleView {
  /** How many exports there are. */
  getNumExports(): number;
  /** Reference to an export. */
  getExportByIndex(index: number): number;
  /** How many globals there are. */
  getNumGlobals(): number;
  /** Reference to a global. */
  getGlobalByIndex(index: number): number;
  /** How many functions there are. */
  getNumFunctions(): number;
  /** Reference to a function. */
  getFunctionByIndex(index: number): number;
  /** How many parts the function table has. */
  getNumElementSegments(): number;
  /** Reference to a part of the function table. */
  getElementSegmentByIndex(index: number): number;
  /** Frees it. */
  dispose(): void;
}

/** A compiled program. */
export interface CompiledModule {
  /** The optimised module; static data are imported globals. */
  readonly module: ModuleView;
  /** What those globals stand for. */
  readonly data: StaticData;
  /** Where each function was written, by the compiler's internal name. */
  readonly lines: ReadonlyMap<string, SourceLine>;
}

/** What to compile and which functions must stay callable. */
export interface CompileOptions {
  /** File name ("kernel/main.ts") to text. */
  readonly sources: ReadonlyMap<string, string>;
  /** Exported functions that keep their symbol and are never inlined; others may vanish. */
  readonly roots: ReadonlySet<string>;
}

type Program = assemblyscript.Program;
type MemorySegment = assemblyscript.MemorySegment;

/** Compiles the sources; any error or warning of the compiler throws a BuildError. */
export function compile(options: CompileOptions): CompiledModule {
  const { program, text, data: segments } = compileToText(options.sources);
  const data = new StaticData(segments);
  const module = binaryen.parseText(symbolicText(text, data));
  module.setFeatures(FEATURES);
  removeExports(module, options.roots);
  optimize(module, options.roots);
  return { module, data, lines: functionLines(program) };
}

/**
 * Takes the static data out of the module, and keeps a gap after each datum, so that an address just before or behind
 * one is its own.
 */
class SpacedCompiler extends assemblyscript.Compiler {
  /** The data, in the order in which they are placed. */
  readonly data: Segment[] = [];

  override addAlignedMemorySegment(buffer: Uint8Array, alignment?: number): MemorySegment {
    const segment = super.addAlignedMemorySegment(spaced(buffer), alignment);
    return this.#taken(segment, buffer.length);
  }

  override addRuntimeMemorySegment(buffer: Uint8Array): MemorySegment {
    return this.#taken(super.addRuntimeMemorySegment(spaced(buffer)), buffer.length);
  }

  #taken(segment: MemorySegment, size: number): MemorySegment {
    this.memorySegments.pop();
    const address = Number(String(segment.offset)); // a 64-bit number of the compiler's own
    this.data.push({ address, bytes: segment.buffer.subarray(0, size) });
    return segment;
  }
}

function spaced(buffer: Uint8Array): Uint8Array {
  const longer = new Uint8Array(buffer.length + GAP_BYTES);
  longer.set(buffer);
  return longer;
}

interface CompiledText {
  readonly program: Program;
  readonly text: string;
  readonly data: readonly Segment[];
}

function compileToText(sources: ReadonlyMap<string, string>): CompiledText {
  const options = assemblyscript.newOptions();
  assemblyscript.setRuntime(options, 0); // stub: no collector
  assemblyscript.setMemoryBase(options, DATA_BASE);
  assemblyscript.setTableBase(options, 1); // index 0 is the null function
  assemblyscript.setExportStart(options, "_start");
  assemblyscript.setDebugInfo(options, true);
  assemblyscript.setOptimizeLevelHints(options, 2, 2);
  const panic = [...sources].find(([, text]) => /^export function abort\(/m.test(text));
  if (panic) assemblyscript.addGlobalAlias(options, "abort", `${moduleName(panic[0])}/abort`);
  const program = assemblyscript.newProgram(options);
  parseAll(program, sources);
  check(program);
  assemblyscript.initializeProgram(program);
  const compiler = new SpacedCompiler(program);
  const compiled = compiler.compile();
  check(program);
  const module = binaryen.wrapModule(assemblyscript.getBinaryenModuleRef(compiled));
  const text = module.emitText();
  module.dispose();
  return { program, text, data: compiler.data };
}

const moduleName = (file: string): string => file.replace(/\.ts$/, "");

function parseAll(program: Program, sources: ReadonlyMap<string, string>): void {
  for (const [name, text] of Object.entries(libraryFiles)) {
    if (!name.includes("/")) assemblyscript.parse(program, text, `~lib/${name}.ts`, false);
  }
  assemblyscript.parse(program, libraryFiles["rt/index-stub"], "~lib/rt/index-stub.ts", false);
  for (const [file, text] of sources) assemblyscript.parse(program, text, file, true);
  for (let name = next(program); name !== null; name = next(program)) {
    const [file, text] = find(name, sources);
    assemblyscript.parse(program, text, file, false);
  }
}

const next = (program: Program): string | null => assemblyscript.nextFile(program);

function find(name: string, sources: ReadonlyMap<string, string>): [string, string] {
  if (name.startsWith("~lib/")) {
    const path = name.slice("~lib/".length);
    for (const candidate of [path, `${path}/index`]) {
      if (candidate in libraryFiles) return [`~lib/${candidate}.ts`, libraryFiles[candidate]];
    }
  }
  const file = [name, `${name}.ts`].find((candidate) => sources.has(candidate));
  if (!file) throw new BuildError(`Cannot compile: module "${name}" is imported but not given`);
  return [file, sources.get(file)!];
}

/** Throws when the compiler has reported anything: warnings are errors. */
function check(program: Program): void {
  const messages: string[] = [];
  for (;;) {
    const diagnostic = assemblyscript.nextDiagnostic(program);
    if (!diagnostic) break;
    if (diagnostic.code === WIDTH_OF_USIZE) continue; // the only target has 32 bits
    messages.push(assemblyscript.formatDiagnostic(diagnostic, false, true));
  }
  if (messages.length > 0) throw new BuildError(messages.join("\n\n"));
}

/**
 * Replaces every constant that refers to static data by an imported global named after the datum, and copying and
 * filling of memory by calls, before the optimiser can make 64-bit accesses of them.
 */
function symbolicText(text: string, data: StaticData): string {
  const globals = new Set<string>();
  const get = (symbol: string): string => {
    globals.add(symbol);
    return `(global.get $${symbol})`;
  };
  const body = text
    .replace(/\(call \$\S*\/cstr\s+\(i32\.const (\d+)\)\s*\)/g, (_, at) => get(data.cstring(+at)))
    .replace(
      /\(i32\.const (\d+)\)/g,
      (whole, at) => data.has(+at) ? get(data.reference(+at)) : whole,
    );
  const routed = body.replace(/\(memory\.(copy|fill)\b/g, "(call $memory_$1");
  const imports = [
    ...[...globals].map((name) => `(import "data" "${name}" (global $${name} i32))`),
    ...["memory_copy", "memory_fill"].filter((name) => routed.includes(`$${name}`)).map((name) =>
      `(import "start" "${name}" (func $${name} (param i32 i32 i32)))`
    ),
  ];
  return routed.replace(/\n/, `\n ${imports.join("\n ")}\n`);
}

function removeExports(module: binaryen.Module, roots: ReadonlySet<string>): void {
  const names: string[] = [];
  for (let index = 0; index < module.getNumExports(); index++) {
    const { kind, name } = binaryen.getExportInfo(module.getExportByIndex(index));
    const keep = kind === binaryen.ExternalGlobal || name === "_start" || roots.has(name);
    if (!keep) names.push(name);
  }
  for (const name of names) module.removeExport(name);
}

/** Every option of the optimiser: they are global to Binaryen, and the compiler may have changed them. */
function setOptions(): void {
  binaryen.setOptimizeLevel(2);
  binaryen.setShrinkLevel(2);
  binaryen.setDebugInfo(true);
  binaryen.setAlwaysInlineMaxSize(2);
  binaryen.setFlexibleInlineMaxSize(20);
  binaryen.setOneCallerInlineMaxSize(-1); // any size
  binaryen.setAllowInliningFunctionsWithLoops(false);
  binaryen.setTrapsNeverHappen(false);
  binaryen.setClosedWorld(false);
  binaryen.setLowMemoryUnused(false);
  binaryen.setZeroFilledMemory(false);
  binaryen.setFastMath(false);
  binaryen.clearPassArguments();
  binaryen.clearPassesToSkip();
}

/** Binaryen's size optimiser; roots are never inlined, so that every call of one is a call. */
function optimize(module: binaryen.Module, roots: ReadonlySet<string>): void {
  setOptions();
  for (const name of roots) {
    binaryen.setPassArgument("no-inline", `*/${name}`);
    module.runPasses(["no-inline"]);
  }
  binaryen.addPassToSkip("duplicate-function-elimination"); // each symbol has its own code
  module.optimize();
  setOptions();
}

/** File and line of every function and method that has a body. */
function functionLines(program: Program): Map<string, SourceLine> {
  const lines = new Map<string, SourceLine>();
  for (const [name, element] of program.instancesByName) {
    const range = (element as assemblyscript.DeclaredElement).declaration?.range;
    if (!range) continue;
    const { source } = range;
    lines.set(name, { file: source.normalizedPath, line: source.lineAt(range.start) });
  }
  return lines;
}
