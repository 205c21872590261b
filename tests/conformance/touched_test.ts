import { assertEquals } from "@std/assert";
import { namedClauses, touchedClauses } from "../../conformance/touched.ts";
import { parseEvent } from "../../trace/text.ts";

const SPECS = new URL("../../specs/kernel/", import.meta.url);

/** The clauses of a line, for a kernel that has everything or only what is given. */
function touched(line: string, backtrace: string[] = [], symbols?: string[]): readonly string[] {
  return touchedClauses(parseEvent(line), backtrace, (symbol) => symbols?.includes(symbol) ?? true);
}

Deno.test("touchedClauses names a function's clauses [TOUCHED-1]", () => {
  assertEquals(touched("5 return kfree 0x00400010"), ["HEAP-6", "HEAP-9"]);
  assertEquals(touched("5 call pmm_free_page 0x00400010"), ["PMM-7", "PMM-8"]);
});

Deno.test("touchedClauses looks behind the functions that carry output [TOUCHED-2]", () => {
  const carriers = ["serial_putchar", "put", "terminal_writestring"];
  assertEquals(touched('5 serial com1 "x"', [...carriers, "pmm_dump_stats", "kernel_main"]), [
    "PMM-9",
  ]);
  assertEquals(touched('5 serial com1 "x"', carriers), []);
});

Deno.test("touchedClauses names the clauses of a state that the kernel has [TOUCHED-3]", () => {
  assertEquals(touched("5 memory reported pages 1 1 0"), ["PMM-2", "PMM-3"]);
  assertEquals(touched("5 memory recomputed heap 1 1 0"), ["HEAP-7"]);
  assertEquals(touched("5 block 0x00400000 8 used"), ["HEAP-2"]);
  assertEquals(touched("5 block 0x00400000 8 used", [], []), []);
  assertEquals(touched("5 cursor 1 1", [], ["terminal_putchar"]), ["TERMINAL-7"]);
});

Deno.test("touchedClauses takes a diagnosis at its word [TOUCHED-4]", () => {
  assertEquals(touched('5 diagnose PIT-9 "mode 6"'), ["PIT-9"]);
});

Deno.test("touchedClauses names none for another kernel's functions [TOUCHED-5]", () => {
  assertEquals(touched("5 call my_alloc"), []);
  assertEquals(touched("5 call constructor"), []);
  assertEquals(touched("5 call kernel_main", [], ["kernel_main"]), []);
  assertEquals(touched("5 call kernel_main"), ["MAIN-1", "MAIN-3"]);
  assertEquals(touched("5 constructor", [], []), []);
});

Deno.test("touchedClauses names clauses that exist [TOUCHED-6]", async () => {
  const defined = new Set<string>();
  for await (const { name } of Deno.readDir(SPECS)) {
    const text = await Deno.readTextFile(new URL(name, SPECS));
    for (const [, id] of text.matchAll(/^- \*\*([A-Z-]+-[0-9]+)\*\*/gm)) defined.add(id);
  }
  assertEquals(namedClauses().filter((id) => !defined.has(id)), []);
});
