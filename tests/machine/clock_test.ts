import { assertEquals, assertThrows } from "@std/assert";
import { Clock } from "../../machine/clock.ts";
import { replayGolden } from "./traces.ts";

/** A chip that acts after `left` ticks, once. */
function chip(left: number, log: string[] = [], name = "chip") {
  return {
    advance: (cycles: number) => {
      log.push(`${name} ${cycles}`);
      left = left > cycles ? left - cycles : Infinity;
    },
    cyclesToEvent: () => left,
  };
}

Deno.test("Clock ticks once an instruction [CLOCK-1]", () => {
  const clock = new Clock([]);
  clock.reach(7);
  clock.reach(7);
  clock.reach(100);
  assertEquals([clock.now, clock.skipped], [100, 0]);
});

Deno.test("Clock advances all chips alike and in order [CLOCK-2]", () => {
  const log: string[] = [];
  const clock = new Clock([chip(Infinity, log, "a"), chip(Infinity, log, "b")]);
  clock.reach(5);
  clock.reach(5);
  clock.skip(3);
  assertEquals(log, ["a 5", "b 5", "a 3", "b 3"]);
});

Deno.test("Clock's deadline is that of the chip that acts first [CLOCK-3]", () => {
  const clock = new Clock([chip(500), chip(20)]);
  clock.reach(5);
  assertEquals([clock.deadline(), clock.ticksToEvent()], [20, 15]);
  clock.reach(20);
  assertEquals(clock.deadline(), 500);
});

Deno.test("Clock brings deadlines nearer by skipped ticks [CLOCK-4]", () => {
  const clock = new Clock([chip(500)]);
  clock.skip(100);
  assertEquals([clock.now, clock.skipped, clock.deadline()], [100, 100, 400]);
  clock.reach(400);
  assertEquals([clock.now, clock.deadline()], [500, Infinity]);
});

Deno.test("Clock without events has no deadline [CLOCK-5]", () => {
  assertEquals(new Clock([]).deadline(), Infinity);
  assertEquals(new Clock([chip(Infinity)]).deadline(), Infinity);
});

Deno.test("Clock never runs backwards [CLOCK-6]", () => {
  const clock = new Clock([]);
  clock.reach(10);
  assertThrows(() => clock.reach(9), RangeError, "Cannot advance the clock by -1 ticks");
});

Deno.test("Clock's state is its time, and restoring advances nothing [CLOCK-7]", () => {
  const log: string[] = [], clock = new Clock([chip(Infinity, log)]);
  clock.reach(10);
  clock.skip(5);
  const saved = clock.state();
  clock.reach(30);
  clock.restore(saved);
  assertEquals([clock.state(), log.length], [{ now: 15, skipped: 5 }, 3]);
});

Deno.test("Clock replays its golden trace", async () => {
  const { golden, trace } = await replayGolden("clock");
  assertEquals(trace, golden);
});
