/**
 * The AssemblyScript compiler. Packages are named in this folder, with their versions, and not in
 * `deno.json`: what stands there is downloaded by every task, also by those that need no package.
 */
// @ts-types="./assemblyscript_types.d.ts"
export * from "npm:assemblyscript@0.28.20";
