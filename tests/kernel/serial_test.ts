import { assert, assertEquals } from "@std/assert";
import { bootGuest, type Guest } from "./guest.ts";
import { replayGolden } from "./traces.ts";

const COM1 = 0x3f8, COM2 = 0x2f8, NOBODY = 0x3000;
const BUSY = 0x8d; // the 'line status' there is port 92h, with bit 5 clear
const IER = 1, IIR = 2, LCR = 3, MCR = 4, LSR = 5;

const readAll = (guest: Guest, port: number): string => {
  let text = "";
  while (guest.call("serial_received", port) === 1) {
    text += String.fromCharCode(guest.call("serial_getchar", port));
  }
  return text;
};

Deno.test("serial_init sets 9600 baud, 8N1 [KERNEL-SERIAL-1]", () => {
  const guest = bootGuest();
  guest.call("serial_init", COM2);
  assertEquals(guest.call("inb", COM2 + LCR), 0x03);
  guest.call("outb", COM2 + LCR, 0x83);
  assertEquals([guest.call("inb", COM2), guest.call("inb", COM2 + 1)], [12, 0]);
});

Deno.test("serial_init enables the FIFOs and raises the modem lines [KERNEL-SERIAL-2]", () => {
  const guest = bootGuest();
  const writes = guest.portWrites(() => guest.call("serial_init", COM2));
  assert(writes.some(([port, value]) => port === COM2 + 2 && value === 0xc7));
  assertEquals(guest.call("inb", COM2 + IIR) & 0xc0, 0xc0);
  assertEquals(guest.call("inb", COM2 + MCR), 0x0b);
});

Deno.test("serial_init tests the chip in loopback [KERNEL-SERIAL-3]", () => {
  const guest = bootGuest();
  const writes = guest.portWrites(() => assertEquals(guest.call("serial_init", COM2), 0));
  const loopback = writes.findIndex(([port, value]) => port === COM2 + MCR && (value & 0x10) !== 0);
  assertEquals(writes[loopback + 1], [COM2, 0xae]);
  assertEquals(guest.machine.serial2.text, "");
  assertEquals(guest.call("serial_init", NOBODY), 0xffffffff);
});

Deno.test("Bytes are sent unchanged [KERNEL-SERIAL-4]", () => {
  const guest = bootGuest();
  guest.call("serial_init", COM2);
  for (let c = 0; c < 256; c++) guest.call("serial_putchar", COM2, c);
  assertEquals([...guest.machine.serial2.bytes], Array.from({ length: 256 }, (_, c) => c));
  guest.call("serial_write_string", COM2, "line\n");
  assert(guest.machine.serial2.text.endsWith("\xffline\n"));
});

Deno.test("The status functions answer 0 or 1 [KERNEL-SERIAL-5]", () => {
  const guest = bootGuest();
  guest.call("serial_init", COM2);
  assertEquals(guest.call("serial_is_transmit_empty", COM2), 1);
  assertEquals(guest.call("serial_is_transmit_empty", BUSY), 0);
  assertEquals(guest.call("serial_received", COM2), 0);
  guest.machine.serial2.send("x");
  assertEquals(guest.call("serial_received", COM2), 1);
});

Deno.test("A transmitter that stays busy is given up [KERNEL-SERIAL-6]", () => {
  const guest = bootGuest();
  const before = guest.machine.instructions;
  const writes = guest.portWrites(() => guest.call("serial_putchar", BUSY, 0x41));
  assertEquals(writes.filter(([port]) => port === BUSY), []);
  assert(guest.machine.instructions - before < 10_000_000);
});

Deno.test("serial_getchar takes the oldest byte and never waits [KERNEL-SERIAL-7]", () => {
  const guest = bootGuest();
  guest.call("serial_init", COM2);
  guest.machine.serial2.send("abc");
  assertEquals(readAll(guest, COM2), "abc");
  assertEquals(guest.call("serial_getchar", COM2), 0);
  assertEquals(guest.call("serial_getchar", COM1), 0);
});

Deno.test("COM1 interrupts for input [KERNEL-SERIAL-8]", () => {
  const guest = bootGuest();
  assertEquals(guest.call("inb", COM1 + IER), 1);
  guest.machine.serial.send("abcdefghijklmnop");
  guest.call("timer_wait", 3); // the monitor sleeps
  assertEquals(guest.call("inb", COM1 + LSR) & 1, 0); // the chip is empty, the queue has it all
  assertEquals(readAll(guest, COM1), "abcdefghijklmnop");
});

Deno.test("No byte is lost while the queue is full [KERNEL-SERIAL-9]", () => {
  const guest = bootGuest();
  const text = Array.from({ length: 1000 }, (_, n) => String.fromCharCode(33 + n % 90)).join("");
  guest.machine.serial.send(text);
  guest.call("timer_wait", 20);
  assert(guest.machine.serial.pending > 0);
  assertEquals(readAll(guest, COM1), text);
});

Deno.test("The debug functions send to COM1, unless it is broken [KERNEL-SERIAL-10]", () => {
  const guest = bootGuest();
  const speak = () => {
    guest.call("debug_putchar", 0x41);
    guest.call("debug_write_string", "BC\n");
  };
  assertEquals(guest.said(speak), "ABC\n");
  guest.setWord(guest.address("console"), 0);
  assertEquals(guest.said(speak), "");
  guest.machine.serial.send("x");
  assertEquals(guest.call("serial_received", COM1), 0);
});

Deno.test("The serial driver replays its golden trace", async () => {
  const { golden, trace } = await replayGolden("serial");
  assertEquals(trace, golden);
});
