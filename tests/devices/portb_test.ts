import { assertEquals } from "@std/assert";
import { SystemPortB } from "../../devices/portb.ts";
import { replayGolden } from "./traces.ts";

const PORT = 0;
const REFRESH = 0x10;

/** A port whose OUT 2 is `pins.out2`, with a log of GATE 2. */
function build() {
  const gate: boolean[] = [];
  const pins = { out2: false };
  const port = new SystemPortB((level) => gate.push(level), () => pins.out2);
  return { port, gate, pins };
}

Deno.test("SystemPortB reads back its low four bits only [PORTB-1]", () => {
  const { port } = build();
  assertEquals(port.read(PORT), 0);
  port.write(PORT, 0xff);
  assertEquals(port.read(PORT), 0x0f);
  port.reset();
  assertEquals(port.read(PORT), 0);
});

Deno.test("SystemPortB drives GATE 2 when bit 0 changes [PORTB-2]", () => {
  const { port, gate } = build();
  for (const value of [0x02, 0x03, 0x01, 0x00, 0x00]) port.write(PORT, value);
  assertEquals(gate, [true, false]);
});

Deno.test("SystemPortB shows OUT 2 and lets it through to the speaker [PORTB-3]", () => {
  const { port, pins } = build();
  assertEquals([port.read(PORT), port.speaker()], [0x00, false]);
  pins.out2 = true;
  assertEquals([port.read(PORT), port.speaker()], [0x20, false]);
  port.write(PORT, 0x02);
  assertEquals([port.read(PORT), port.speaker()], [0x22, true]);
  pins.out2 = false;
  assertEquals([port.read(PORT), port.speaker()], [0x02, false]);
});

Deno.test("SystemPortB toggles its refresh bit every 18 clocks [PORTB-4]", () => {
  const tick = (clock: number) => Math.ceil(clock * 100_000_000 / 1_193_182);
  const { port } = build();
  port.advance(tick(18) - 1);
  assertEquals(port.read(PORT) & REFRESH, 0);
  port.advance(1);
  assertEquals(port.read(PORT) & REFRESH, REFRESH);
  port.advance(tick(36) - tick(18) - 1);
  assertEquals(port.read(PORT) & REFRESH, REFRESH);
  port.advance(1);
  assertEquals(port.read(PORT) & REFRESH, 0);
});

Deno.test("SystemPortB's refresh bit is exact over long times, passed at once or in parts [PORTB-4]", () => {
  const whole = build().port;
  const parts = build().port;
  whole.advance(86_400 * 100_000_000);
  for (let hour = 0; hour < 24; hour++) parts.advance(3_600 * 100_000_000);
  const clocks = 86_400n * 1_193_182n;
  assertEquals(whole.state().phase, Number(clocks % 36n) * 100_000_000);
  assertEquals(parts.state(), whole.state());
});

Deno.test("SystemPortB reports no parity or I/O check error [PORTB-5]", () => {
  const { port } = build();
  port.write(PORT, 0xf0);
  assertEquals(port.read(PORT) & 0xc0, 0);
});

Deno.test("SystemPortB continues from a state that went through JSON [PORTB-6]", () => {
  const { port } = build();
  port.write(PORT, 0x03);
  port.advance(2000);
  const other = build().port;
  other.restore(JSON.parse(JSON.stringify(port.state())));
  assertEquals(other.read(PORT), 0x13);
  assertEquals([other.state(), other.cyclesToEvent()], [port.state(), Infinity]);
});

Deno.test("SystemPortB replays its golden trace", async (t) => {
  const { golden, trace, state } = await replayGolden("portb");
  assertEquals(trace, golden);
  await t.assertSnapshot(state);
});
