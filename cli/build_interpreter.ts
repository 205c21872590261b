/** Writes the built interpreter, `cpu/interpreter_wasm.ts`: part of `deno task build`. */
import { buildInterpreter, interpreterSource } from "../cpu/interpreter_build.ts";

if (import.meta.main) {
  const path = new URL("../cpu/interpreter_wasm.ts", import.meta.url);
  const text = interpreterSource(buildInterpreter());
  if (Deno.args.includes("--check")) {
    if (Deno.readTextFileSync(path) === text) Deno.exit(0);
    console.error("cpu/interpreter_wasm.ts is out of date: run deno task build");
    Deno.exit(1);
  }
  Deno.writeTextFileSync(path, text);
  console.error(`cpu/interpreter_wasm.ts: ${text.length} characters`);
}
