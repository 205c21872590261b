import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { parseScript } from "../../conformance/input.ts";
import { LocatedError } from "../../conformance/located_json.ts";
import { type Recording, recordTrace } from "../../conformance/recording.ts";
import { defaultSettings, type Settings } from "../../conformance/settings.ts";
import { boot } from "../../machine/boot.ts";
import { formatEvent, formatTrace } from "../../trace/text.ts";
import { kernel } from "../machine/images.ts";

const reference = await Deno.readFile(new URL("../../fixtures/kernel.elf", import.meta.url));

type Choice = Partial<Omit<Settings, "input">> & { input?: string };

function record(image: Uint8Array, { input = "", ...choice }: Choice, most?: number): Recording {
  const settings = {
    ...defaultSettings,
    ramBytes: 0x800000,
    rest: 100,
    ...choice,
    input: parseScript(input),
  };
  return recordTrace(image, "kernel.elf", settings, most);
}

function lines({ trace }: Recording, ...kinds: string[]): string[] {
  return trace.events.filter(({ kind }) => kinds.length === 0 || kinds.includes(kind))
    .map(formatEvent);
}

/** Halts with interrupts on, all of them masked but the keyboard's and the serial lines'. */
const SLEEPING = [0xb0, 0xe5, 0xe6, 0x21, 0xfb, 0xf4, 0xeb, 0xfd];
/** Counts on the screen's first character for ever: inc byte [b8000h]; jmp to it. */
const COUNTING = [0xfe, 0x05, 0x00, 0x80, 0x0b, 0x00, 0xeb, 0xf8];

Deno.test("recordTrace gives the same bytes every time [RECORDING-1]", () => {
  const settings: Choice = {
    events: "serial,screen,memory,pages,blocks,control,exception,call=k*",
    input: 'after serial "> " type "alloc 5\\n"\nafter idle send "blocks\\n"',
  };
  const [first, second] = [1, 2].map(() => formatTrace(record(reference, settings).trace));
  assertEquals(first, second);
  assert(first.includes('serial com1 "> alloc 5"'));
  assert(first.endsWith("stop idle\n"));
});

Deno.test("recordTrace writes what has changed where it looks [RECORDING-2]", () => {
  const recording = record(reference, {
    events: "screen,memory,blocks,call=kfree",
    input: 'after serial "Complete!\\n" type "\\n"\nafter idle send "alloc 5\\n"',
  });
  const rows = recording.trace.events.filter(({ kind }) => kind === "screen");
  const looks = new Set(rows.map(({ stamp }) => stamp));
  assertEquals(looks.size, 3); // before each action, and at the end
  assert(rows.length < 3 * 25);
  const free = lines(recording, "return", "memory", "note", "block").slice(-9);
  assert(/return kfree/.test(lines(recording, "return")[0]));
  assert(free.some((line) => line.endsWith("block 0x00400000 8 used")), free.join("\n"));
  const memory = lines(recording, "memory").map((line) => line.split(" ").slice(1).join(" "));
  for (let i = 2; i < memory.length; i++) assertNotEquals(memory[i], memory[i - 2]);
});

Deno.test("recordTrace leaves an empty screen out [RECORDING-2]", () => {
  assertEquals(
    lines(record(kernel([0xf4]), { events: "screen" })),
    ["0 stop halted"].map((line) => line.replace("0 ", "1 ")),
  );
});

Deno.test("recordTrace acts at an instruction, or where only input wakes [RECORDING-3]", () => {
  const input = "at 5000 stop";
  assertEquals(lines(record(kernel(COUNTING), { events: "serial", input })), [
    "5000 stop condition",
  ]);
  const late = 'after screen "p" press KeyA\nat 5000 stop';
  assertEquals(lines(record(kernel(COUNTING), { events: "serial", input: late })), [
    "100000 stop condition",
  ]);
  assertEquals(lines(record(kernel(SLEEPING), { events: "serial", input })), [
    "4 stop condition",
  ]);
});

Deno.test("recordTrace waits for what is sent after the action before [INPUT-3]", () => {
  const input = 'after serial "> " send "ticks\\n"\nafter serial "> " send "gaga\\n"\n' +
    'after serial "help" stop';
  const recording = record(reference, { events: "serial", input });
  const said = lines(recording, "serial").slice(-4);
  assertEquals(recording.missed, undefined);
  assert(said[0].endsWith('"> ticks"') && said[2].endsWith('"> gaga"'), said.join("\n"));
});

Deno.test("recordTrace looks for a text on the screen every 100,000 instructions [RECORDING-4]", () => {
  const input = 'after screen "P" stop'; // 20h, counted up every two instructions to 50h
  const recording = record(kernel(COUNTING), { events: "serial", input, budget: 50_000_000 });
  assertEquals(recording.stop.kind, "condition");
  assertEquals(recording.stop.instructions % 100_000, 0);
});

Deno.test("recordTrace refuses keys that do not exist before it runs [RECORDING-5]", () => {
  for (const deed of ['type "\\u00e9"', "press AnyKey", "hold Shift", "release x"]) {
    const error = assertThrows(
      () => record(kernel(COUNTING), { input: `after idle stop\nafter idle ${deed}` }),
      LocatedError,
      "not",
    );
    assertEquals(error.line, 2);
  }
});

Deno.test("recordTrace says which action was missed and why [RECORDING-6]", () => {
  const missed = (image: Uint8Array, input: string) => {
    const { missed, trace } = record(image, { events: "serial", input, budget: 1_000_000 });
    assertEquals(trace.events.at(-1)!.kind, "stop");
    return `${missed?.action.line}: ${missed?.why}`;
  };
  const script = (condition: string) => `# nothing\n${condition} stop`;
  assertEquals(
    missed(kernel(SLEEPING), script('after serial "x"')),
    "2: the guest waits for input at 4",
  );
  assertEquals(
    missed(kernel(SLEEPING), script('after screen "x"')),
    "2: the guest waits for input at 4",
  );
  assertEquals(
    missed(kernel(COUNTING), script("after idle")),
    "2: the instruction budget is spent at 1000000",
  );
  assertEquals(
    missed(kernel([0xf4]), script("at 50")),
    "2: halted for good: interrupts are off at 1",
  );
  assertEquals(missed(kernel(SLEEPING), script("after idle")), "undefined: undefined");
});

Deno.test("recordTrace ends when there are enough events [RECORDING-7]", () => {
  const port = [0xe6, 0x80, 0xeb, 0xfc]; // out 80h, al, for ever
  const recording = record(kernel(port), { events: "port" }, 7);
  assertEquals([recording.full, recording.trace.events.length], [true, 7]);
});

Deno.test("recordTrace changes nothing of the run [RECORDING-8]", () => {
  const alone = boot(reference, { ramBytes: 0x800000 });
  alone.run({ until: "idle" });
  const { machine } = record(reference, {
    events: "serial,screen,memory,pages,blocks,interrupt,port,call=k*,pmm_*",
  });
  assertEquals(machine.instructions, alone.instructions);
  assertEquals(machine.hash(), alone.hash());
});

Deno.test("recordTrace boots with the settings that it is given [RECORDING-1]", () => {
  const sizes = ["8M", "64M"].map((_, i) => {
    const { machine } = record(reference, {
      ramBytes: (i ? 64 : 8) * 0x100000,
      commandLine: "k x",
    });
    return machine.call("pmm_get_total_pages");
  });
  assertEquals(sizes, [2016, 16352]);
});
