import { assertEquals, assertThrows } from "@std/assert";
import { Bus } from "../../machine/bus.ts";
import { replayGolden } from "./traces.ts";

/** A device that answers with its register numbers and keeps a log. */
function latch(log: string[], name = "latch") {
  return {
    read: (register: number) => {
      log.push(`${name} read ${register}`);
      return 0x10 + register;
    },
    write: (register: number, value: number) => {
      log.push(`${name} write ${register} ${value}`);
    },
  };
}

Deno.test("Bus gives a device registers from its base on [BUS-1]", () => {
  const log: string[] = [], bus = new Bus();
  bus.claim(0x60, 1, "first", latch(log, "first"));
  bus.claim(0xfffe, 2, "last", latch(log, "last"));
  assertEquals([bus.read(0x60, 1), bus.read(0xffff, 1)], [0x10, 0x11]);
  bus.write(0xfffe, 1, 7);
  assertEquals(log, ["first read 0", "last read 1", "last write 0 7"]);
  assertEquals([bus.owner(0x60), bus.owner(0x61)], ["first", undefined]);
});

Deno.test("Bus refuses a port that is taken or does not exist [BUS-2]", () => {
  const bus = new Bus();
  bus.claim(0x3f8, 8, "COM1", latch([]));
  assertThrows(
    () => bus.claim(0x3f0, 9, "a disk", latch([])),
    RangeError,
    "Cannot map port 0x3f8: owned by COM1",
  );
  assertThrows(
    () => bus.claim(0xffff, 2, "too far", latch([])),
    RangeError,
    "0x10000: no such port",
  );
  assertEquals(bus.owner(0x3f0), undefined);
});

Deno.test("Bus splits wide accesses into bytes, lowest port first [BUS-3]", () => {
  const log: string[] = [], bus = new Bus();
  bus.claim(0x40, 4, "latch", latch(log));
  assertEquals(bus.read(0x40, 4), 0x13121110);
  bus.write(0x41, 2, 0xbbaa);
  assertEquals(log.slice(4), ["latch write 1 170", "latch write 2 187"]);
});

Deno.test("Bus reads ones where nobody answers [BUS-4]", () => {
  const bus = new Bus();
  bus.claim(0xffff, 1, "last", latch([]));
  assertEquals([bus.read(0x300, 1), bus.read(0x300, 2), bus.read(0x300, 4)], [
    0xff,
    0xffff,
    0xffffffff,
  ]);
  assertEquals(bus.read(0xffff, 2), 0xff10);
  bus.write(0x300, 4, 0);
});

Deno.test("Bus counts accesses that nobody answers [BUS-5]", () => {
  const bus = new Bus();
  bus.read(0x300, 2);
  bus.write(0x301, 1, 0);
  assertEquals([...bus.unclaimed], [[0x300, 1], [0x301, 2]]);
  bus.restoreUnclaimed([[5, 6]]);
  assertEquals([...bus.unclaimed], [[5, 6]]);
});

Deno.test("Bus tells its hooks before a write and after a read [BUS-6]", () => {
  const log: string[] = [];
  const bus = new Bus({
    portRead: (port, value) => log.push(`hook read ${port} ${value}`),
    portWrite: (port, value) => log.push(`hook write ${port} ${value}`),
  });
  bus.claim(0x40, 2, "latch", latch(log));
  bus.read(0x40, 1);
  bus.write(0x41, 1, 3);
  assertEquals(log, ["latch read 0", "hook read 64 16", "hook write 65 3", "latch write 1 3"]);
});

Deno.test("Bus replays its golden trace", async () => {
  const { golden, trace } = await replayGolden("bus");
  assertEquals(trace, golden);
});
