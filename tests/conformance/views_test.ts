import { assert, assertEquals } from "@std/assert";
import { boot } from "../../machine/boot.ts";
import type { Machine } from "../../machine/machine.ts";
import {
  blockEvents,
  heapEvents,
  heapStatistics,
  mappingEvents,
  pageStatistics,
  screenEvents,
} from "../../conformance/views.ts";
import type { MachineEvent } from "../../trace/event.ts";
import { kernel } from "../machine/images.ts";

const image = await Deno.readFile(new URL("../../fixtures/kernel.elf", import.meta.url));
const HEAP = 0x400000;

/** The reference kernel at rest, with some blocks. */
function atRest(): Machine {
  const machine = boot(image);
  machine.run({ until: "idle" });
  const blocks = [100, 200, 300].map((bytes) => machine.call("kmalloc", bytes));
  machine.call("kfree", blocks[1]);
  return machine;
}

const aside = (machine: Machine) => <T>(look: (machine: Machine) => T): T => look(machine);

Deno.test("screenEvents are 25 rows with their colours, and the cursor [VIEWS-1]", () => {
  const events = screenEvents(atRest());
  assertEquals(events.length, 26);
  assertEquals(events[0], {
    kind: "screen",
    row: 0,
    text: "[ OK ] VMM: paging on, 0-4 MB identity mapped",
    attributes: [[0x0a, 7], [0x07, 73]],
  });
  assertEquals(events[25], { kind: "cursor", row: 24, column: 2 });
});

Deno.test("mappingEvents are the mapped ranges, none before paging [VIEWS-2]", () => {
  assertEquals(mappingEvents(boot(image)), []);
  const events = mappingEvents(atRest());
  assert(events.length >= 4);
  assertEquals(events[0], {
    ...{ kind: "mapping", virtual: 0, physical: 0, bytes: 0x100000, flags: "w---" },
  });
});

Deno.test("blockEvents are the heap's blocks [VIEWS-3]", () => {
  assertEquals(blockEvents(atRest()).map(({ size, use }) => `${size} ${use}`), [
    ...["104 used", "200 free", "304 used", "1047904 free"],
  ]);
});

Deno.test("heapEvents tell damage, and nothing of what is no heap [VIEWS-4]", () => {
  const machine = atRest(), second = HEAP + 16 + 104;
  assertEquals(heapEvents(machine), blockEvents(machine));
  machine.writeBytes(second, Uint8Array.of(0xff));
  const events = heapEvents(machine), last = events.at(-1)!;
  assertEquals(events.length, 3);
  assert(last.kind === "note" && /^the last block is damaged: its size/.test(last.text));
  machine.writeBytes(HEAP, Uint8Array.of(0xff));
  assertEquals(heapEvents(machine), []);
});

Deno.test("Statistics are what the kernel says and what its memory shows [VIEWS-5]", () => {
  const machine = atRest(), pages = pageStatistics(machine, aside(machine));
  const [reported, recomputed] = heapStatistics(machine, aside(machine));
  assertEquals(reported, {
    ...{ kind: "memory", source: "reported", of: "heap" },
    ...{ total: 1048576, free: 1048120 + 16, used: 104 + 304 + 32 },
  });
  assertEquals(recomputed, { ...reported, source: "recomputed" } as MachineEvent);
  assertEquals(pages.length, 2);
  assertEquals(pages[1], { ...pages[0], source: "recomputed" } as MachineEvent);
});

Deno.test("Statistics leave out what a kernel cannot be asked [VIEWS-5]", () => {
  const machine = boot(kernel([0xf4]));
  assertEquals(pageStatistics(machine, aside(machine)), []);
  assertEquals(heapStatistics(machine, aside(machine)), []);
});
