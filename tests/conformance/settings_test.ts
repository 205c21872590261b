import { assertEquals, assertThrows } from "@std/assert";
import { parseScript } from "../../conformance/input.ts";
import {
  bootOptions,
  defaultSettings,
  HeadError,
  readHead,
  type Settings,
  writeHead,
} from "../../conformance/settings.ts";

const head = (...lines: string[]) => ({ head: lines, events: [] });

Deno.test("readHead gives the settings that writeHead wrote [SETTINGS-1]", () => {
  const script = 'after serial "> " send "x\\n"\nat 5000 stop';
  const cases: Settings[] = [
    defaultSettings,
    {
      events: "serial,call=my_*",
      ramBytes: 0x450000,
      commandLine: "kernel.elf a: b # c",
      budget: 5_000_000,
      rest: 20,
      timing: "free",
      ram: "zeros",
      lineRate: true,
      input: parseScript(script),
    },
    { ...defaultSettings, ram: 77 },
  ];
  for (const settings of cases) {
    const lines = writeHead("kernel.elf", settings), read = readHead(head(...lines));
    const plain = (s: Settings) => ({ ...s, input: s.input.map(({ source }) => source) });
    assertEquals(plain(read), plain(settings));
    assertEquals(writeHead("kernel.elf", read), lines);
  }
  assertEquals(bootOptions(cases[1]), {
    ...{ ramBytes: 0x450000, commandLine: "kernel.elf a: b # c", zeroRam: true, seed: undefined },
    lineRate: true,
  });
});

Deno.test("writeHead writes the lines in their order [SETTINGS-1]", () => {
  assertEquals(
    writeHead("kernel.elf", { ...defaultSettings, events: "serial", commandLine: "k" }),
    [
      "subject: kernel.elf",
      "origin: recorded from this machine only",
      "events: serial",
      "memory: 32M",
      "command-line: k",
      "budget: 100000000",
      "rest: 1000",
      "timing: exact",
    ],
  );
});

Deno.test("readHead refuses a trace that does not say what is in it [SETTINGS-2]", () => {
  assertThrows(() => readHead(head("subject: devices/pit")), HeadError, "no line `# events: ...`");
});

Deno.test("readHead names the line that it cannot read [SETTINGS-3]", () => {
  const wrong: [string, string][] = [
    ["memory: lots", "lots is no size of memory"],
    ["memory: M", "M is no size"],
    ["memory: 1M", "1M is no size"],
    ["memory: 2048M", "2048M is no size"],
    ["memory: 4.3M", "4.3M is no size"],
    ["rest: 0.5", "0.5 is not what is expected"],
    ["budget: -1", "-1 is not"],
    ["budget: ", " is not"],
    ["ram: seed x", "seed x is not"],
    ["timing: loose", "loose is not exact or free"],
    ["serial-rate: slow", "slow is not programmed or fast"],
    ["events: seriel", '"seriel" is no kind'],
    ["input: at noon stop", "found noon"],
  ];
  for (const [line, problem] of wrong) {
    const trace = head("subject: x", "events: serial", line);
    assertEquals(assertThrows(() => readHead(trace), HeadError, problem).line, 4);
  }
});

Deno.test("readHead leaves other lines alone [SETTINGS-4]", () => {
  const read = readHead(head("toString: x", "events: serial", "  more", "colour: red"));
  assertEquals(read, { ...defaultSettings, events: "serial" });
});
