/** Builds a kernel image from sources: compile, lower, assemble, link. Spec: specs/toolchain/build.md. */
import binaryen from "./packages/binaryen.ts";
import { abiNames } from "./abi.ts";
import { allocate } from "./allocate.ts";
import { Assembler } from "./assemble.ts";
import { BuildError } from "./build_error.ts";
import { compile, type CompiledModule, type ModuleView, type SourceLine } from "./compile.ts";
import { finish, type Finished, removeDead } from "./finish.ts";
import { isJump, isLabel, type Line } from "./ir.ts";
import { link, type PlacedSection, type PlacedSymbol } from "./link.ts";
import { lower } from "./lower.ts";
import type { Environment } from "./values.ts";
import { target } from "./operands.ts";
import { addEntry } from "./start/entry.ts";
import { addFlush } from "./start/flush.ts";
import { routines } from "./start/memory.ts";
import { addPaging } from "./start/paging.ts";
import { addPorts } from "./start/ports.ts";
import { addStubs } from "./start/stubs.ts";
import { type DataObject, splitReference } from "./static_data.ts";
import { type FunctionTree, readFunction } from "./tree.ts";

/** A symbol of the image with its source position, where it has one. */
export interface BuiltSymbol extends PlacedSymbol {
  /** Where it was written; null for what is not compiled. */
  readonly source: SourceLine | null;
}

/** A finished kernel. */
export interface BuiltKernel {
  /** The file. */
  readonly image: Uint8Array;
  /** Address of `_start`. */
  readonly entry: number;
  /** Sections in the order of their addresses. */
  readonly sections: readonly PlacedSection[];
  /** Symbols, local ones first, then by address. */
  readonly symbols: readonly BuiltSymbol[];
}

/** What differs from the reference kernel's build. */
export interface BuildOptions {
  /** Names that must be in the image, callable and never inlined; by default the ABI. */
  readonly exports?: readonly string[];
}

/**
 * Compiles and links a kernel. Sources are by file name (`kernel/main.ts`); nothing else is read. What cannot be
 * built rejects with a `BuildError`.
 */
export function buildKernel(
  sources: ReadonlyMap<string, string>,
  options: BuildOptions = {},
): Promise<BuiltKernel> {
  return new Promise((resolve) => resolve(build(sources, options)));
}

function build(sources: ReadonlyMap<string, string>, options: BuildOptions): BuiltKernel {
  const exports = new Set([...options.exports ?? abiNames, ...CALLED_BY_STUBS]);
  const compiled = compile({ sources, roots: exports });
  try {
    return new Builder(compiled, exports).build();
  } finally {
    compiled.module.dispose();
  }
}

const CALLED_BY_STUBS = ["kernel_main", "isr_handler", "irq_handler"];
const NULL_FUNCTION = "null_function"; // calls through index 0 trap

/** The last part of a compiler's name: `splitBlock` of `kernel/heap/splitBlock`. */
const displayName = (name: string): string => name.replace(/^.*[/~]/, "");

class Builder {
  readonly #compiled: CompiledModule;
  readonly #module: ModuleView;
  readonly #exports: ReadonlySet<string>;
  readonly #assembler = new Assembler();
  readonly #exported = new Map<string, string>();
  readonly #imports = new Map<string, string>();
  readonly #globals = new Map<string, binaryen.GlobalInfo>();
  readonly #used = new Set<string>();
  readonly #lowered = new Map<string, string>();

  constructor(compiled: CompiledModule, exports: ReadonlySet<string>) {
    this.#compiled = compiled;
    this.#module = compiled.module;
    this.#exports = exports;
  }

  build(): BuiltKernel {
    this.#survey();
    const functions = this.#functions();
    const initializer = functions.find((tree) => tree.name === this.#initializerName());
    const isEmpty = !initializer || initializer.body.kind === "nop" ||
      initializer.body.kind === "block" && initializer.body.children.length === 0;
    addEntry(this.#assembler, isEmpty ? null : initializer.name);
    for (const add of [addFlush, addStubs, addPorts, addPaging]) add(this.#assembler);
    for (const tree of functions) if (!isEmpty || tree !== initializer) this.#addFunction(tree);
    this.#addRoutines();
    this.#addFunctionTable();
    this.#addVariables();
    this.#addData();
    return this.#link();
  }

  /** Reads what the module exports, imports and declares. */
  #survey(): void {
    for (let index = 0; index < this.#module.getNumExports(); index++) {
      const { name, value } = binaryen.getExportInfo(this.#module.getExportByIndex(index));
      this.#exported.set(value, name);
    }
    for (let index = 0; index < this.#module.getNumGlobals(); index++) {
      const info = binaryen.getGlobalInfo(this.#module.getGlobalByIndex(index));
      this.#globals.set(info.name, info);
    }
  }

  #initializerName(): string | undefined {
    return [...this.#exported].find(([, name]) => name === "_start")?.[0];
  }

  #functions(): FunctionTree[] {
    const infos = Array.from(
      { length: this.#module.getNumFunctions() },
      (_, index) => binaryen.getFunctionInfo(this.#module.getFunctionByIndex(index)),
    );
    for (const { name, base } of infos) if (base) this.#imports.set(name, base);
    return infos.filter((info) => !info.base).map((info) =>
      readFunction(info, this.#where(info.name))
    );
  }

  #where(name: string): string {
    const position = this.#compiled.lines.get(name);
    return position ? `${position.file}:${position.line}` : "no source line";
  }

  #symbol(name: string): string {
    const exported = this.#exported.get(name);
    return exported !== undefined && exported !== "_start" ? exported : name;
  }

  #environment(): Environment {
    return {
      constant: (name) => this.#constant(name),
      variable: (name) => this.#use(this.#symbol(name)),
      callee: (name) => this.#imports.get(name) ?? this.#symbol(name),
      where: (name) => this.#where(name),
    };
  }

  #constant(name: string): { symbol: string | null; value: number } | null {
    if (name === "interrupt_stubs") return { symbol: name, value: 0 };
    const info = this.#globals.get(name);
    if (!info) throw new BuildError(`Cannot lower: no global ${name}`);
    if (info.module) {
      const { symbol, addend } = splitReference(name);
      this.#used.add(symbol);
      return { symbol, value: addend };
    }
    return info.mutable ? null : this.#initial(info);
  }

  #initial({ name, init }: binaryen.GlobalInfo): { symbol: string | null; value: number } {
    return this.#constantOf(init, `variable ${name}`);
  }

  #constantOf(expression: number, of: string): { symbol: string | null; value: number } {
    const info = binaryen.getExpressionInfo(expression);
    if (info.id === binaryen.GlobalGetId) {
      return this.#constant((info as binaryen.GlobalGetInfo).name)!;
    }
    if (info.id !== binaryen.ConstId) {
      throw new BuildError(`Cannot link: ${of} does not start as a constant`);
    }
    return { symbol: null, value: Number((info as binaryen.ConstInfo).value) | 0 };
  }

  #use(symbol: string): string {
    this.#used.add(symbol);
    return symbol;
  }

  #addFunction(tree: FunctionTree): void {
    const { lines, registerCount, homes } = lower(tree, this.#environment());
    const allocated = allocate({ lines: removeDead(lines, registerCount), registerCount, homes });
    const symbol = this.#symbol(tree.name);
    this.#lowered.set(tree.name, symbol);
    this.#addCode(symbol, finish(symbol, allocated));
  }

  #addCode(symbol: string, { lines, tables }: Finished): void {
    this.#assembler.section(".text").symbol(symbol, "function");
    for (const line of lines) this.#addLine(line);
    this.#assembler.end();
    for (const { symbol: table, labels } of tables) {
      const names = labels.map((label) => `${symbol}:${label}`);
      this.#assembler.section(".rodata").align(4).symbol(table, "object");
      for (const name of names) this.#assembler.word(0, name);
      this.#assembler.end();
    }
  }

  #addLine(line: Line): void {
    if (isLabel(line)) return void this.#assembler.label(line.label);
    const [first] = line.operands;
    const operands = isJump(line) && first.kind === "target"
      ? [target(`.${first.name}`)]
      : line.operands;
    for (const operand of operands) if (operand.kind === "target") this.#use(operand.name);
    this.#assembler.emit(line.mnemonic, ...operands);
  }

  #addRoutines(): void {
    for (const [name, add] of routines) if (this.#used.has(name)) add(this.#assembler);
  }

  /** Functions that are called through a number: index 0 is the null function. */
  #addFunctionTable(): void {
    const entries: string[] = [];
    for (let index = 0; index < this.#module.getNumElementSegments(); index++) {
      const reference = this.#module.getElementSegmentByIndex(index);
      const { offset, data } = binaryen.getElementSegmentInfo(reference);
      const start = this.#constantOf(offset, "the function table").value; // an expression, not a number
      data.forEach((name, at) => entries[start + at] = this.#symbol(name));
    }
    if (entries.length === 0) return;
    this.#assembler.section(".text").symbol(NULL_FUNCTION, "function").emit("ud2").end();
    this.#assembler.section(".rodata").align(4).symbol("function_table", "object");
    for (let at = 0; at < entries.length; at++) {
      this.#assembler.word(0, entries[at] ?? NULL_FUNCTION);
    }
    this.#assembler.end();
  }

  #addVariables(): void {
    for (const info of this.#globals.values()) {
      const symbol = this.#symbol(info.name);
      const isWanted = this.#used.has(symbol) || this.#exports.has(symbol);
      if (info.module || !info.mutable || !isWanted) continue;
      const { symbol: reference, value } = this.#initial(info);
      const isZero = reference === null && value === 0;
      this.#assembler.section(isZero ? ".bss" : ".data").align(4).symbol(symbol, "object");
      if (isZero) this.#assembler.reserve(4);
      else this.#assembler.word(value, reference);
      this.#assembler.end();
    }
  }

  #addData(): void {
    const objects = this.#compiled.data.objects(this.#used);
    for (const object of objects) this.#addObject(object);
  }

  #addObject({ symbol, bytes, alignment, isZero, references }: DataObject): void {
    this.#assembler.section(isZero ? ".bss" : ".rodata").align(alignment).symbol(symbol, "object");
    if (isZero) return void this.#assembler.reserve(bytes.length).end();
    let done = 0;
    for (const { offset, symbol: to, addend } of references) {
      this.#assembler.bytes(...bytes.slice(done, offset)).word(addend, to);
      done = offset + 4;
    }
    this.#assembler.bytes(...bytes.slice(done)).end();
  }

  #link(): BuiltKernel {
    const isData = (name: string) => /^(datum|string):/.test(name) || /\.table\d+$/.test(name);
    const linked = link(this.#assembler.assemble(), {
      entry: "_start",
      isGlobal: (name) => this.#exports.has(name) || name === "_start",
      displayName: ({ name }) => isData(name) ? null : displayName(name),
    });
    this.#requireExports(linked.symbols);
    const sources = new Map<string, SourceLine>();
    for (const [name, symbol] of this.#lowered) {
      const line = this.#compiled.lines.get(name);
      if (line) sources.set(displayName(symbol), line);
    }
    const symbols = linked.symbols.map((symbol): BuiltSymbol => ({
      ...symbol,
      source: sources.get(symbol.name) ?? null,
    }));
    return { ...linked, symbols };
  }

  #requireExports(symbols: readonly PlacedSymbol[]): void {
    const present = new Set(symbols.map(({ name }) => name));
    const missing = [...this.#exports].filter((name) => !present.has(name));
    if (missing.length === 0) return;
    throw new BuildError(`Cannot link: no source exports ${missing.join(", ")}`);
  }
}
