/// <reference types="npm:assemblyscript/std/types/assembly/index.d.ts" />
/**
 * Two cascaded 8259A interrupt controllers. Spec: specs/kernel/pic.md.
 *
 * @module
 */
import { inb, io_wait, outb } from "./link.ts";

const MASTER_COMMAND: u16 = 0x20;
const MASTER_DATA: u16 = 0x21;
const SLAVE_COMMAND: u16 = 0xa0;
const SLAVE_DATA: u16 = 0xa1;

const ICW1: u8 = 0x11; // edge triggered, cascaded, ICW4 follows
const ICW4_8086: u8 = 0x01;
const MASTER_BASE: u8 = 0x20; // vectors 32-39
const SLAVE_BASE: u8 = 0x28; // vectors 40-47
const SLAVE_ON_IRQ2: u8 = 0x04;
const SLAVE_ID: u8 = 0x02;
const EOI: u8 = 0x20; // OCW2: non-specific end of interrupt
const READ_IRR: u8 = 0x0a; // OCW3
const READ_ISR: u8 = 0x0b; // OCW3
const CASCADE: u32 = 2;

/** Moves the IRQs to vectors 32-47 and masks all of them. */
export function pic_init(): void {
  command(ICW1, ICW1);
  data(MASTER_BASE, SLAVE_BASE);
  data(SLAVE_ON_IRQ2, SLAVE_ID);
  data(ICW4_8086, ICW4_8086);
  data(0xff, 0xff);
}

/** Ends the service of an IRQ at the chips that are in it. */
export function pic_send_eoi(irq: u32): void {
  if (irq >= 8) outb(SLAVE_COMMAND, EOI);
  outb(MASTER_COMMAND, EOI);
}

/** Masks an IRQ, 0 to 15. */
export function pic_set_mask(irq: u32): void {
  const port = dataPort(irq);
  outb(port, inb(port) | bit(irq));
}

/** Unmasks an IRQ, 0 to 15, and the cascade when it comes through the slave (KERNEL-PIC-5). */
export function pic_clear_mask(irq: u32): void {
  const port = dataPort(irq);
  outb(port, inb(port) & ~bit(irq));
  if (irq >= 8) pic_clear_mask(CASCADE);
}

/** IRQs in service: the master's in bits 0-7, the slave's in bits 8-15. */
export function pic_get_isr(): u16 {
  return readBoth(READ_ISR);
}

/** IRQs requested: the master's in bits 0-7, the slave's in bits 8-15. */
export function pic_get_irr(): u16 {
  return readBoth(READ_IRR);
}

function command(master: u8, slave: u8): void {
  outb(MASTER_COMMAND, master);
  io_wait();
  outb(SLAVE_COMMAND, slave);
  io_wait();
}

function data(master: u8, slave: u8): void {
  outb(MASTER_DATA, master);
  io_wait();
  outb(SLAVE_DATA, slave);
  io_wait();
}

function readBoth(ocw3: u8): u16 {
  command(ocw3, ocw3);
  return (<u16> inb(SLAVE_COMMAND) << 8) | inb(MASTER_COMMAND);
}

function dataPort(irq: u32): u16 {
  return irq < 8 ? MASTER_DATA : SLAVE_DATA;
}

function bit(irq: u32): u8 {
  return <u8> 1 << <u8> (irq & 7);
}
