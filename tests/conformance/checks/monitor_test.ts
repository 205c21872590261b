import { assertEquals } from "@std/assert";
import { checks } from "../../../conformance/checks/monitor.ts";
import { judge } from "../../../conformance/judge.ts";
import { type ClauseStatus, verdicts } from "../../../conformance/report.ts";
import { kernel } from "../../machine/images.ts";
import { correct, reference } from "../kernels.ts";

async function clausesThat(status: ClauseStatus, image: Uint8Array): Promise<string[]> {
  const report = await judge(image, { checks, only: "MONITOR" });
  return verdicts(report).filter((verdict) => verdict.status === status).map(({ id }) => id);
}

/** The reference kernel with another text of the same length in its constants. */
function retold(text: string, other: string): Uint8Array {
  assertEquals(text.length, other.length);
  const characters = new TextDecoder("latin1").decode(reference), at = characters.indexOf(text);
  assertEquals([at > 0, characters.indexOf(text, at + 1)], [true, -1], text);
  const image = reference.slice();
  image.set(new TextEncoder().encode(other), at);
  return image;
}

Deno.test("The reference kernel's monitor passes, a kernel without one is not judged", async () => {
  assertEquals(await clausesThat("failed", reference), []);
  assertEquals((await clausesThat("passed", reference)).length, 7);
  assertEquals((await clausesThat("skipped", correct)).length, 7);
});

const faults: readonly (readonly [text: string, other: string, clauses: string[]])[] = [
  ["\b \b", "\b.\b", ["MONITOR-2"]],
  ["Freed\n", "Fried\n", ["MONITOR-3"]],
  ["Not possible\n", "Impossible!!\n", ["MONITOR-3"]],
  [" is not mapped", " is unmapped..", ["MONITOR-3"]],
  ["ticks       clock", "clock       ticks", []],
  ["panic       halt", "punic       halt", ["MONITOR-3"]],
  ["try help\n", "try hulp\n", ["MONITOR-6"]],
];

for (const [text, other, clauses] of faults) {
  Deno.test(`A monitor that prints ${JSON.stringify(other)} fails ${clauses.join() || "nothing"}`, async () => {
    assertEquals(await clausesThat("failed", retold(text, other)), clauses);
  });
}

Deno.test("A monitor that polls in place of halting fails MONITOR-4", async () => {
  const print = [..."\n> "].flatMap((c) => [0xb0, c.charCodeAt(0), 0xee]); // mov al, c; out dx, al
  const image = kernel([0x66, 0xba, 0xf8, 0x03, ...print, 0xeb, 0xfe]); // mov dx, 3f8h ... jmp $
  assertEquals(await clausesThat("failed", image), ["MONITOR-4"]);
});
