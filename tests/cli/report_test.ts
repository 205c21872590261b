import { assert, assertEquals } from "@std/assert";
import { LineSink } from "../../cli/output.ts";
import { closingJson, closingReport, exitCode } from "../../cli/report.ts";
import { KeyFilter, keysFor } from "../../cli/terminal.ts";
import { boot } from "../../machine/boot.ts";
import type { Stop } from "../../machine/stop.ts";
import { kernel } from "../machine/images.ts";

const place = { instructions: 1, ticks: 1, eip: 0, at: "main" };
const machineFor = (...code: number[]) => boot(kernel(code), { ramBytes: 0x200000 });

Deno.test("exitCode is odd for the guest and even for the machine", () => {
  const stops: [Stop, number][] = [
    [{ ...place, kind: "guest-exit", value: 0, code: 1 }, 1],
    [{ ...place, kind: "guest-exit", value: 16, code: 33 }, 33],
    [{ ...place, kind: "guest-exit", value: 255, code: 511 }, 255],
    [{ ...place, kind: "power-off" }, 0],
    [{ ...place, kind: "idle" }, 0],
    [{ ...place, kind: "halted", why: "" }, 6],
    [{ ...place, kind: "budget" }, 8],
    [{ ...place, kind: "reset", by: "" }, 10],
    [{ ...place, kind: "unmodelled", what: "" }, 12],
    [{ ...place, kind: "exception-loop", vector: 14 }, 14],
  ];
  for (const [stop, code] of stops) assertEquals(exitCode(stop), code);
});

Deno.test("closingReport shows a triple fault with registers and symbol", () => {
  const machine = machineFor(0x66, 0xba, 0x00, 0x03, 0xec, 0x0f, 0x0b); // in al, 300h; ud2
  const stop = machine.run();
  const report = closingReport(machine, stop, 1500);
  assertEquals(exitCode(stop), 4);
  for (
    const text of ["#UD invalid opcode", "eax=", "_start+0x5: 0f 0b", "1.500 s wall", "0x300 (1)"]
  ) {
    assert(report.includes(text), `${text} in ${report}`);
  }
});

Deno.test("closingJson is one line of JSON with the stop", () => {
  const machine = machineFor(0xfa, 0xf4), stop = machine.run();
  const text = closingJson(machine, stop, 12.6), report = JSON.parse(text);
  assertEquals(text.indexOf("\n"), text.length - 1);
  assertEquals([report.stop.kind, report.exitCode, report.wallMilliseconds], ["halted", 6, 13]);
});

Deno.test("LineSink writes whole lines, and returns carriages only for raw terminals", () => {
  const written: string[] = [];
  const sink = new LineSink((bytes) => written.push(new TextDecoder().decode(bytes)));
  const put = (text: string) => [...text].forEach((c) => sink.put(c.charCodeAt(0)));
  put("a\nbc");
  assertEquals([written, sink.midLine], [["a\n"], true]);
  sink.raw = true;
  put("\n");
  assertEquals([written, sink.midLine], [["a\n", "bc\r\n"], false]);
  put("x".repeat(10_000));
  sink.flush();
  assertEquals(written.join("").length, 2 + 4 + 10_000);
});

Deno.test("KeyFilter leaves at Ctrl-A x and sends Ctrl-A for two of them", () => {
  const filter = new KeyFilter(),
    typed = (...bytes: number[]) => [...filter.filter(Uint8Array.from(bytes))];
  assertEquals(typed(0x61, 1), [0x61]);
  assertEquals([typed(1, 0x62), filter.left], [[1, 0x62], false]);
  assertEquals(typed(1, 0x68, 0x63), [0x63]);
  typed(1);
  assertEquals([typed(0x78), filter.left], [[], true]);
});

Deno.test("keysFor names Enter and Backspace and leaves out what has no key", () => {
  assertEquals(keysFor(Uint8Array.of(0x41, 13, 127, 27, 9, 0xc3)), "A\n\b\t");
});
