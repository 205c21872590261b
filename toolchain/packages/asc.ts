/** The AssemblyScript compiler as a command, and the sources of its library. */
// @ts-types="./asc_types.d.ts"
export { default, libraryFiles } from "npm:assemblyscript@0.28.20/asc";
