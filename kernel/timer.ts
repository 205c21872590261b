/// <reference types="npm:assemblyscript/std/types/assembly/index.d.ts" />
/**
 * 100 Hz clock on channel 0 of the 8254. Spec: specs/kernel/timer.md.
 *
 * @module
 */
import { cli, outb, read_eflags, sti, sti_hlt } from "./link.ts";
import { pic_clear_mask } from "./pic.ts";

const CHANNEL_0: u16 = 0x40;
const COMMAND: u16 = 0x43;
const SQUARE_WAVE: u8 = 0x36; // channel 0, low byte then high byte, mode 3, binary
const DIVISOR: u32 = 11932; // 1,193,182 Hz / 100 Hz, rounded
const IRQ: u32 = 0;

let ticks: u32 = 0;

/** Starts the clock and unmasks IRQ 0. */
export function timer_init(): void {
  ticks = 0;
  outb(COMMAND, SQUARE_WAVE);
  outb(CHANNEL_0, <u8> DIVISOR);
  outb(CHANNEL_0, <u8> (DIVISOR >> 8));
  pic_clear_mask(IRQ);
}

/** Counts a tick; the IRQ 0 handler. */
export function timer_handler(): void {
  ticks++;
}

/** Ticks since `timer_init`, modulo 2^32. */
export function timer_get_ticks(): u32 {
  return ticks;
}

/** Halts until `count` ticks have passed, with interrupts on; then IF is as it was. */
export function timer_wait(count: u32): void {
  const interruptible = (read_eflags() & 0x200) != 0;
  const start = ticks;
  cli(); // TIMER-5: a tick between the comparison and HLT would be slept through
  while (ticks - start < count) {
    sti_hlt();
    cli();
  }
  if (interruptible) sti();
}
