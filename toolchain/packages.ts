/**
 * The packages that the toolchain stands on. They are named here, with their versions, and not in
 * `deno.json`: what stands there is downloaded by every task, also by those that need no package.
 */
export * as assemblyscript from "npm:assemblyscript@0.28.20";
export { default as asc, libraryFiles } from "npm:assemblyscript@0.28.20/asc";
export { default as binaryen } from "npm:binaryen@131.0.0-nightly.20260721";
