/**
 * The standard library's assertions, with the types that its npm republication lacks. A project that
 * reaches the JSR registry maps `@std/assert` to `jsr:@std/assert@1` in `deno.json` instead.
 */
// @ts-types="./assert_types.d.ts"
export * from "npm:deno-std@1.4.0/assert/mod.js";
