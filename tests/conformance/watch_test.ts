import { assert, assertEquals } from "@std/assert";
import { ask, type SeenCall, watchBoot } from "../../conformance/watch.ts";
import { stagesOf } from "../../conformance/stages.ts";
import { freshSubject } from "./kernels.ts";

const HEAP = ["kmalloc", "kcalloc", "kfree"];

/** The calls of the boot, printed. */
function calls(names: readonly string[], enough = Infinity): string[] {
  const seen: string[] = [];
  watchBoot(freshSubject(), names, (_machine, { name, args, result }: SeenCall) => {
    seen.push(`${name} ${args[0].toString(16)} ${result.toString(16)}`);
    return seen.length === enough;
  });
  return seen;
}

Deno.test("Calls are seen in order, with arguments and results [WATCH-1]", () => {
  assertEquals(calls(HEAP), [
    ...["kmalloc 400 400010", "kmalloc 800 400420", "kcalloc a 400c30"],
    ...["kfree 400010 1", "kfree 400420 1", "kfree 400c30 1"],
  ]);
});

Deno.test("Calls inside of calls are not seen [WATCH-1]", () => {
  const names = calls(["heap_init", "pmm_alloc_page"]).map((call) => call.split(" ")[0]);
  assert(names.includes("heap_init"));
  assert(names.filter((name) => name === "pmm_alloc_page").length < 20, "those of heap_init too");
});

Deno.test("A watch ends at rest or when enough is seen [WATCH-2]", () => {
  assertEquals(calls(HEAP, 2), ["kmalloc 400 400010", "kmalloc 800 400420"]);
  const machine = watchBoot(freshSubject(), HEAP, () => {});
  assert(machine.serial.text.endsWith("> "));
});

Deno.test("Asking changes nothing [WATCH-3]", () => {
  const subject = freshSubject(), free: number[] = [];
  const machine = watchBoot(subject, ["pmm_init", ...HEAP], (machine) => {
    free.push(ask(subject, machine, "pmm_get_free_pages"));
  });
  assertEquals(free.length, 7);
  assertEquals(machine.serial.text, subject.bootOutput);
});

Deno.test("The machine can be prepared [WATCH-4]", () => {
  const machine = watchBoot(
    freshSubject(),
    HEAP,
    () => {},
    {},
    ({ pc }) => pc.cpu.state.setRegister(0, 0),
  );
  assert(machine.serial.text.includes("KERNEL PANIC"));
});

Deno.test("The stages of a boot are watched once [WATCH-5]", () => {
  const subject = freshSubject(), stages = stagesOf(subject);
  assert(stagesOf(subject) === stages);
  const names = stages.map(({ call }) => call.name);
  assertEquals(names.slice(0, 3), ["pmm_init", "vmm_init", "heap_init"]);
  const [pmm, , heap] = stages;
  assertEquals([pmm.mappedBytes === 0, heap.mappedBytes], [false, 0x100000]); // paging is off at first
  assertEquals([pmm.heap, heap.heap?.used, heap.interrupts], [undefined, 0, true]);
  assertEquals(heap.pages?.free, heap.bitmap?.free);
  assertEquals(pmm.pages!.free - heap.pages!.free > 256, true);
});
