import { assertEquals } from "@std/assert";
import { Fault, faultClass, isFault, Unmodelled } from "../../cpu/fault.ts";
import { replayGolden } from "./traces.ts";

const VECTORS = Array.from({ length: 32 }, (_, vector) => vector);

Deno.test("Fault without an error code has -1 [FAULT-1]", () => {
  assertEquals(new Fault(6).code, -1);
  assertEquals(new Fault(13, 0).code, 0);
  assertEquals(new Fault(13, 8).vector, 13);
});

Deno.test("faultClass sorts vectors as the double-fault table does [FAULT-2]", () => {
  const of = (name: string) => VECTORS.filter((vector) => faultClass(vector) === name);
  assertEquals(of("contributory"), [0, 10, 11, 12, 13]);
  assertEquals(of("page fault"), [14]);
  assertEquals(of("double fault"), [8]);
  assertEquals(of("benign").length, 25);
  assertEquals(faultClass(255), "benign");
});

Deno.test("isFault tells faults from traps and aborts [FAULT-3]", () => {
  assertEquals(VECTORS.filter(isFault), [0, 5, 6, 7, 10, 11, 12, 13, 14, 16, 17]);
});

Deno.test("Unmodelled is a value of its own with a clause for people [FAULT-4]", () => {
  const thrown: unknown = new Unmodelled("a task switch");
  assertEquals(thrown instanceof Fault || thrown instanceof Error, false);
  assertEquals((thrown as Unmodelled).what, "a task switch");
});

Deno.test("Fault replays its golden trace", async () => {
  const [replayed, golden] = await replayGolden("fault");
  assertEquals(replayed, golden);
});
