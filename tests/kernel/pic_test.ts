import { assertEquals } from "@std/assert";
import { bootGuest, type Guest } from "./guest.ts";
import { replayGolden } from "./traces.ts";

const MASTER = 0x20, MASTER_MASK = 0x21, SLAVE = 0xa0, SLAVE_MASK = 0xa1, EOI = 0x20;

const masks = (guest: Guest): number =>
  guest.call("inb", SLAVE_MASK) << 8 | guest.call("inb", MASTER_MASK);

/** Requests an IRQ as its device does. */
function request(guest: Guest, irq: number): void {
  const { master, slave } = guest.machine.pc;
  const line = (irq < 8 ? master : slave).irq(irq & 7);
  line(false);
  line(true);
}

Deno.test("pic_init masks every IRQ [KERNEL-PIC-1]", () => {
  const guest = bootGuest();
  guest.call("pic_init");
  assertEquals(masks(guest), 0xffff);
});

Deno.test("The IRQs have the vectors 32 to 47 [KERNEL-PIC-1]", () => {
  for (const irq of [0, 1, 3, 7, 8, 12, 15]) {
    const guest = bootGuest();
    guest.call("pic_init");
    guest.call("pic_clear_mask", irq);
    request(guest, irq);
    assertEquals(guest.machine.pc.master.acknowledge(), 32 + irq);
  }
});

Deno.test("pic_set_mask and pic_clear_mask change one IRQ [KERNEL-PIC-2] [KERNEL-PIC-3]", () => {
  const guest = bootGuest();
  guest.call("pic_init");
  guest.call("pic_clear_mask", 5);
  assertEquals(masks(guest), 0xffff & ~(1 << 5));
  guest.call("pic_clear_mask", 3);
  guest.call("pic_set_mask", 5);
  assertEquals(masks(guest), 0xffff & ~(1 << 3));
  guest.call("pic_clear_mask", 12);
  guest.call("pic_set_mask", 12);
  assertEquals(masks(guest) >> 8, 0xff);
});

Deno.test("Unmasking an IRQ of the slave lets the slave through [KERNEL-PIC-5]", () => {
  const guest = bootGuest();
  guest.call("pic_init");
  guest.call("pic_clear_mask", 12);
  assertEquals(masks(guest), 0xffff & ~(1 << 12 | 1 << 2));
});

Deno.test("pic_send_eoi ends the service at the slave, then at the master [KERNEL-PIC-4]", () => {
  const guest = bootGuest();
  assertEquals(guest.portWrites(() => guest.call("pic_send_eoi", 4)), [[MASTER, EOI]]);
  assertEquals(
    guest.portWrites(() => guest.call("pic_send_eoi", 12)),
    [[SLAVE, EOI], [MASTER, EOI]],
  );
});

Deno.test("pic_get_irr and pic_get_isr show both chips [KERNEL-PIC-6]", () => {
  const guest = bootGuest();
  guest.call("pic_init");
  request(guest, 5);
  request(guest, 12);
  assertEquals(guest.call("pic_get_irr") & 0x1020, 0x1020);
  assertEquals(guest.call("pic_get_isr"), 0);
  const { master, slave } = guest.machine.pc;
  slave.write(1, 0xef); // unmasked from outside, so that the kernel does not serve it
  master.write(1, 0xfb);
  assertEquals(master.acknowledge(), 44);
  assertEquals(guest.call("pic_get_isr"), 1 << 12 | 1 << 2);
  assertEquals(guest.call("pic_get_irr") & 0x1000, 0);
});

Deno.test("The PIC driver replays its golden trace", async () => {
  const { golden, trace } = await replayGolden("pic");
  assertEquals(trace, golden);
});
