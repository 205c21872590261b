import { assertEquals } from "@std/assert";
import { checks } from "../../../conformance/checks/link.ts";
import { judge } from "../../../conformance/judge.ts";
import { noManifest } from "../../../conformance/manifest.ts";
import { verdicts } from "../../../conformance/report.ts";
import { correct, reference } from "../kernels.ts";

/** The clauses that fail when names of the ABI lead to other functions. */
async function failed(image: Uint8Array, names: Record<string, string> = {}): Promise<string[]> {
  const manifest = { ...noManifest, names: new Map(Object.entries(names)) };
  const report = await judge(image, { checks, manifest, only: "LINK" });
  return verdicts(report).filter(({ status }) => status === "failed").map(({ id }) => id);
}

Deno.test("Correct kernels pass the checks of what assembler and linker supply", async () => {
  assertEquals(await failed(reference), []);
  assertEquals(await failed(correct), []);
});

const faults: readonly (readonly [name: string, symbol: string, clause: string])[] = [
  ["outb", "io_wait", "LINK-1"],
  ["inb", "pmm_get_total_pages", "LINK-1"],
  ["io_wait", "halt", "LINK-1"],
  ["gdt_flush", "io_wait", "LINK-2"],
  ["idt_flush", "io_wait", "LINK-2"],
  ["vmm_load_page_directory", "vmm_flush_tlb", "LINK-3"],
  ["vmm_enable_paging", "vmm_flush_tlb", "LINK-3"],
  ["vmm_flush_tlb", "io_wait", "LINK-3"],
  ["kernel_end", "kernel_readonly_end", "LINK-4"],
  ["kernel_start", "kernel_end", "LINK-4"],
  ["timer_handler", "no_such_symbol", "LINK-5"],
];

for (const [name, symbol, clause] of faults) {
  Deno.test(`A kernel whose ${name} is ${symbol} fails ${clause}`, async () => {
    assertEquals(await failed(reference, { [name]: symbol }), [clause]);
  });
}
