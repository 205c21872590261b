/** The part of `npm:assemblyscript` that the toolchain uses. The package's own types do not resolve for `deno doc`. */

/** The compiler's options. */
export interface Options {
  readonly __brand: "options";
}
/** Something between two offsets of a source. */
export interface Range {
  readonly start: number;
  readonly source: { readonly normalizedPath: string; lineAt(offset: number): number };
}
/** An element of a program. */
export interface Element {
  readonly internalName: string;
}
/** An element that a declaration has made. */
export interface DeclaredElement extends Element {
  readonly declaration?: { readonly range: Range };
}
/** What has been parsed. */
export interface Program {
  readonly instancesByName: ReadonlyMap<string, Element>;
}
/** A message of the compiler. */
export interface Diagnostic {
  readonly code: number;
}
/** A compiled module. */
export interface Module {
  readonly ref: number;
}
/** Static data at an address, which is a 64-bit number of the compiler's own. */
export interface MemorySegment {
  readonly buffer: Uint8Array;
  readonly offset: unknown;
}
/** The compiler of a program. */
export class Compiler {
  constructor(program: Program);
  memorySegments: MemorySegment[];
  compile(): Module;
  addAlignedMemorySegment(buffer: Uint8Array, alignment?: number): MemorySegment;
  addRuntimeMemorySegment(buffer: Uint8Array): MemorySegment;
}
export function newOptions(): Options;
export function setRuntime(options: Options, runtime: number): void;
export function setMemoryBase(options: Options, address: number): void;
export function setTableBase(options: Options, index: number): void;
export function setExportStart(options: Options, name: string): void;
export function setDebugInfo(options: Options, debug: boolean): void;
export function setOptimizeLevelHints(options: Options, optimize: number, shrink: number): void;
export function addGlobalAlias(options: Options, alias: string, name: string): void;
export function newProgram(options: Options): Program;
export function initializeProgram(program: Program): void;
export function parse(program: Program, text: string, path: string, isEntry: boolean): void;
export function nextFile(program: Program): string | null;
export function nextDiagnostic(program: Program): Diagnostic | null;
export function formatDiagnostic(message: Diagnostic, color: boolean, context: boolean): string;
export function getBinaryenModuleRef(module: Module): number;
