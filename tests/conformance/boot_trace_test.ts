import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { recordBoot } from "../../conformance/boot_trace.ts";
import type { Event } from "../../trace/event.ts";
import { compareTraces, formatDivergence } from "../../trace/compare.ts";
import { formatTrace, parseTrace } from "../../trace/text.ts";

const FIXTURES = new URL("../../fixtures/", import.meta.url);
const image = await Deno.readFile(new URL("kernel.elf", FIXTURES));
const golden = await Deno.readTextFile(new URL("boot.trace", FIXTURES));
const HEAP = 0x400000, HEAP_END = 0xc00000;

function ofKind(kind: string): Event[] {
  return parseTrace(golden).events.filter((event) => event.kind === kind);
}

/** The memory lines behind each stage: source, subject, total, free, used. */
function stages(): { name: string; memory: string[][] }[] {
  const found: { name: string; memory: string[][] }[] = [];
  for (const { kind, fields } of parseTrace(golden).events) {
    if (kind === "stage") found.push({ name: (fields[0] as { text: string }).text, memory: [] });
    if (kind === "memory") found.at(-1)!.memory.push(fields as string[]);
  }
  return found;
}

Deno.test("recordBoot gives the golden trace, twice, byte for byte [BOOT-TRACE-1]", () => {
  for (let run = 0; run < 2; run++) {
    const trace = recordBoot(image);
    const divergence = compareTraces(parseTrace(golden), trace);
    assert(divergence === undefined, divergence && formatDivergence(divergence));
    assertEquals(formatTrace(trace), golden);
  }
});

Deno.test("recordBoot shows another kernel's boot as another trace [BOOT-TRACE-1]", () => {
  const other = image.slice(), text = new TextDecoder("latin1").decode(other);
  other[text.indexOf("Deallocation")] = "d".charCodeAt(0);
  assertNotEquals(compareTraces(parseTrace(golden), recordBoot(other)), undefined);
});

Deno.test("recordBoot looks at the memory at each stage [BOOT-TRACE-2]", () => {
  const names = stages().map(({ name }) => name.split(" ")[0]);
  assertEquals(names, [
    ...["pmm_init", "vmm_init", "heap_init", "kmalloc", "kmalloc", "kcalloc"],
    ...["kfree", "kfree", "kfree", "waiting"],
  ]);
  for (const { name, memory } of stages()) {
    const subjects = memory.map(([source, of]) => `${source} ${of}`);
    const pages = ["reported pages", "recomputed pages"];
    const heap = /^(pmm|vmm)/.test(name) ? [] : ["reported heap", "recomputed heap"];
    assertEquals(subjects, [...pages, ...heap]);
  }
});

Deno.test("recordBoot finds reported and recomputed memory equal and complete [BOOT-TRACE-3]", () => {
  for (const { memory } of stages()) {
    for (let i = 0; i < memory.length; i += 2) {
      assertEquals(memory[i].slice(1), memory[i + 1].slice(1));
      const [total, free, used] = memory[i].slice(2).map(Number);
      assertEquals(free + used, total);
    }
  }
});

Deno.test("recordBoot finds as much mapped as the heap has [BOOT-TRACE-4]", () => {
  const ranges = ofKind("mapping").map(({ fields }) => fields.slice(0, 2).map(Number));
  const mapped = ranges.filter(([start]) => start >= HEAP && start < HEAP_END)
    .reduce((sum, [, bytes]) => sum + bytes, 0);
  assertEquals(mapped, Number(stages().at(-1)!.memory[2][2]));
});

Deno.test("recordBoot ends with screen, page tables, heap and reason [BOOT-TRACE-5]", () => {
  assertEquals(ofKind("screen").length, 25);
  assertEquals(ofKind("cursor").length, 1);
  assertEquals(ofKind("block").map(({ fields }) => fields), [["0x00400000", "1048560", "free"]]);
  assertEquals(parseTrace(golden).events.at(-1)!.fields, ["idle"]);
});
