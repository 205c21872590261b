import { assertEquals } from "@std/assert";
import { IdleWatch } from "../../machine/idle.ts";
import { replayGolden } from "./traces.ts";

const screen = () => 1;

/** A watch that has seen 500 ticks of rest. */
function rested(): IdleWatch {
  const watch = new IdleWatch();
  watch.halted(1000, 10, screen);
  assertEquals(watch.halted(1500, 20, screen), 500);
  return watch;
}

Deno.test("IdleWatch counts rest from the first HLT [IDLE-1]", () => {
  const watch = new IdleWatch();
  assertEquals([1000, 1200, 9000].map((now) => watch.halted(now, 10, screen)), [0, 200, 8000]);
});

Deno.test("IdleWatch takes writes but housekeeping for work [IDLE-2]", () => {
  for (const port of [0x20, 0x21, 0xa0, 0xa1, 0x40, 0x43, 0x70, 0x71, 0x80]) {
    const watch = rested();
    watch.portWritten(port);
    assertEquals(watch.halted(2000, 30, screen), 1000);
  }
  for (const port of [0x3f8, 0x60, 0xe9, 0x3d4]) {
    const watch = rested();
    watch.portWritten(port);
    assertEquals(watch.halted(2000, 30, screen), 0);
  }
});

Deno.test("IdleWatch takes more than 100,000 instructions for work [IDLE-3]", () => {
  assertEquals(rested().halted(2000, 100_020, screen), 1000);
  assertEquals(rested().halted(2000, 100_021, screen), 0);
});

Deno.test("IdleWatch begins anew when input comes or is taken [IDLE-4]", () => {
  const watch = rested();
  watch.inputPending(2);
  assertEquals(watch.halted(2000, 30, screen), 0);
  watch.inputPending(2);
  assertEquals(watch.halted(3000, 40, screen), 1000);
  watch.inputPending(1);
  assertEquals(watch.halted(4000, 50, screen), 0);
});

Deno.test("IdleWatch begins anew with each run [IDLE-5]", () => {
  const watch = rested();
  watch.restart();
  assertEquals(watch.halted(2000, 30, screen), 0);
});

Deno.test("IdleWatch takes a changed screen for work [IDLE-6]", () => {
  const watch = rested();
  assertEquals([watch.confirm(1500, 1), watch.confirm(1600, 2)], [true, false]);
  assertEquals(watch.halted(1700, 30, () => 2), 100);
});

Deno.test("IdleWatch replays its golden trace", async () => {
  const { golden, trace } = await replayGolden("idle");
  assertEquals(trace, golden);
});
