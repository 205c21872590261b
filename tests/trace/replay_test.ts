import { assertEquals, assertThrows } from "@std/assert";
import { type Outputs, replay, type Subject } from "../../trace/replay.ts";

/** A timer that a reader can see through: `out 0 N` raises `done` after N ticks; `in 0` lowers it. */
class Egg {
  #left = Infinity;
  constructor(readonly outputs: Outputs) {}
  read(register: number): number {
    this.outputs.line("done")(false);
    return register + 0x0e;
  }
  write(_register: number, value: number): void {
    if (value === 0) this.outputs.diagnose("EGG-1", "no time");
    this.#left = value;
  }
  advance(cycles: number): void {
    if ((this.#left -= cycles) === 0) this.outputs.line("done")(true);
    if (this.#left <= 0) this.#left = Infinity;
  }
  cyclesToEvent(): number {
    return this.#left;
  }
}

const egg = (outputs: Outputs): Subject<Egg> => ({
  device: new Egg(outputs),
  methods: {
    say: (word: string) => outputs.emit("voice")(word.length),
    add: (a: number, b: number) => a + b,
    not: (value: boolean) => !value,
    greet: (name: string) => `hello ${name}`,
  },
});

const FIRST = "# claudeos-trace 1\n";
const run = (...lines: string[]): string[] =>
  replay(egg, FIRST + lines.map((line) => line + "\n").join("")).trace.split("\n").slice(1, -1);

Deno.test("replay makes responses anew and keeps head, notes and stimuli [TRACE-9]", () => {
  assertEquals(
    run("# origin: test", '0 note "n [EGG-1]"', "3 out 0 0", "5 in 0x01 = 0x77", "5 line done 1"),
    [
      "# origin: test",
      '0 note "n [EGG-1]"',
      "3 out 0 0",
      '3 diagnose EGG-1 "no time"',
      "5 in 0x01 = 0x0f",
      "5 line done 0",
    ],
  );
});

Deno.test("replay passes and writes values of each type [TRACE-9]", () => {
  const lines = [
    "0 do add 1 0x10 = 0x11",
    "0 do not true = false",
    '0 do greet "a b" = "hello a b"',
    '0 do greet KeyA = "hello KeyA"',
  ];
  assertEquals(run(...lines), lines);
  assertEquals(run("0 do say abc"), ["0 do say abc", "0 emit voice 0x03"]);
});

Deno.test("replay stamps a response with the tick of its cause [TRACE-10]", () => {
  assertEquals(run("0 out 0 7", "20 advance"), ["0 out 0 7", "7 line done 1", "20 advance"]);
});

Deno.test("replay returns the device where the trace left it [TRACE-10]", () => {
  assertEquals(replay(egg, FIRST + "0 out 0 9\n4 advance\n").device.cyclesToEvent(), 5);
});

Deno.test("replay refuses events, methods and registers that the device does not have [TRACE-11]", () => {
  assertThrows(() => run("4 call x"), SyntaxError, 'the event "call" at 4');
  assertThrows(() => run("0 do sing"), SyntaxError, "do sing: no such method");
  assertThrows(() => run("0 out 0"), SyntaxError, "as a number");
  const bare = () => ({ device: { advance() {}, cyclesToEvent: () => Infinity } });
  assertThrows(() => replay(bare, FIRST + "0 out 0 0\n"), SyntaxError, "no registers");
  assertThrows(() => replay(bare, FIRST + "0 in 0 = 0\n"), SyntaxError, "no registers");
});
