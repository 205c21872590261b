import { assertEquals } from "@std/assert";
import { SerialPort } from "../../machine/serial.ts";
import { replayGolden } from "./traces.ts";

/** A chip with room for `room` bytes. */
function chip(room: number) {
  const taken: number[] = [];
  return { taken, receive: (byte: number) => taken.length < room && taken.push(byte) > 0 };
}

Deno.test("SerialPort keeps what the guest sends [SERIAL-1]", () => {
  const port = new SerialPort();
  for (const byte of [0x41, 0xff, 0x0a]) port.transmitted(byte);
  assertEquals([port.text, [...port.bytes]], ["A\xff\n", [0x41, 0xff, 0x0a]]);
});

Deno.test("SerialPort holds back what the chip has no room for [SERIAL-2]", () => {
  const port = new SerialPort(), first = chip(2), second = chip(9);
  port.send("ab");
  port.connect(first);
  port.send("cd");
  assertEquals(first.taken, [0x61, 0x62]);
  port.connect(second);
  port.deliver();
  assertEquals(second.taken, [0x63, 0x64]);
});

Deno.test("SerialPort sends text as UTF-8 and bytes as they are [SERIAL-3]", () => {
  const port = new SerialPort(), uart = chip(9);
  port.connect(uart);
  port.send("é");
  port.send(Uint8Array.of(0xff));
  assertEquals(uart.taken, [0xc3, 0xa9, 0xff]);
});

Deno.test("SerialPort keeps the last 16 MB of a guest that never stops [SERIAL-7]", () => {
  const port = new SerialPort(), kept = 16_777_216;
  port.restore({ text: "a".repeat(2 * kept), queue: [] });
  assertEquals(port.text.length, 2 * kept);
  port.transmitted(0x62);
  assertEquals([port.text.length, port.text.at(-1)], [kept, "b"]);
});

Deno.test("SerialPort takes more at once than a call has arguments [SERIAL-2]", () => {
  const port = new SerialPort();
  port.send(new Uint8Array(1_000_000));
  assertEquals(port.pending, 1_000_000);
});

Deno.test("SerialPort tells how much waits [SERIAL-4]", () => {
  const port = new SerialPort();
  port.connect(chip(1));
  port.send("abc");
  assertEquals(port.pending, 2);
});

Deno.test("SerialPort tells its listener of each byte [SERIAL-5]", () => {
  const heard: number[] = [], port = new SerialPort((byte) => heard.push(byte));
  port.transmitted(1);
  port.transmitted(2);
  assertEquals(heard, [1, 2]);
});

Deno.test("SerialPort restores text and queue without handing over [SERIAL-6]", () => {
  const port = new SerialPort(), uart = chip(9);
  port.transmitted(0x41);
  port.send("xy");
  const saved = port.state();
  const other = new SerialPort();
  other.connect(uart);
  other.restore(saved);
  assertEquals([other.text, other.pending, uart.taken], ["A", 2, []]);
});

Deno.test("SerialPort replays its golden trace", async () => {
  const { golden, trace } = await replayGolden("serial");
  assertEquals(trace, golden);
});
