/// <reference types="npm:assemblyscript/std/types/assembly/index.d.ts" />
/**
 * Physical memory: one bit a page frame of 4 KB, set while the frame is in use.
 * Spec: specs/kernel/pmm.md. Not managed: memory above 4 GB.
 *
 * @module
 */
import { cstr, kernel_end, kernel_start } from "./link.ts";
import {
  firstRegion,
  FRAME_LIMIT,
  frameAbove,
  isAvailable,
  moduleCount,
  moduleEnd,
  moduleStart,
  nextRegion,
  PAGE_SHIFT,
  regionEnd,
  regionStart,
} from "./multiboot.ts";
import { kernel_panic } from "./panic.ts";
import { terminal_writestring, writeColored, writeDecimal, writeHex, YELLOW } from "./terminal.ts";

/** Bytes in a page frame. */
export const PAGE_SIZE: u32 = 4096;

const FIRST_MB: u32 = 256; // frames: BIOS data, video memory, Multiboot information
const ALL_USED: u32 = 0xffffffff;

// Both maps are part of the image, so that they are mapped and no module lies on them.
const used: usize = memory.data(131072, 4096); // bit set: frame in use
const reserved: usize = memory.data(131072, 4096); // bit set: never to be freed

/** Address of the bitmap, for whoever looks at the kernel from outside. */
export let pmm_bitmap: usize = used;

let totalPages: u32 = 0;
let freePages: u32 = 0;
let hint: usize = 0; // offset of a bitmap word below which no frame is free

/** Learns the memory from the loader's information at `info`. */
export function pmm_init(info: usize): void {
  pmm_bitmap = used;
  totalPages = 0;
  freePages = 0;
  hint = 0;
  memory.fill(used, 0xff, FRAME_LIMIT >> 3);
  memory.fill(reserved, 0xff, FRAME_LIMIT >> 3);
  for (let region = firstRegion(info); region != 0; region = nextRegion(info, region)) {
    if (isAvailable(region)) release(regionStart(region), regionEnd(region));
  }
  if (totalPages == 0) kernel_panic(cstr("The loader reports no memory"));
  for (let region = firstRegion(info); region != 0; region = nextRegion(info, region)) {
    if (!isAvailable(region)) reserve(regionStart(region), regionEnd(region)); // regions overlap
  }
  reserve(0, FIRST_MB);
  reserve(<u32> (kernel_start() >> PAGE_SHIFT), frameAbove(kernel_end()));
  for (let n: u32 = 0; n < moduleCount(info); n++) {
    reserve(moduleStart(info, n), moduleEnd(info, n));
  }
}

function release(start: u32, end: u32): void {
  if (end > totalPages && start < end) totalPages = end;
  for (let frame = start; frame < end; frame++) {
    if (!isSet(used, frame)) continue; // regions may overlap
    setBit(used, frame, false);
    setBit(reserved, frame, false);
    freePages++;
  }
}

function reserve(start: u32, end: u32): void {
  for (let frame = start; frame < min(end, totalPages); frame++) {
    if (isSet(used, frame)) continue;
    setBit(used, frame, true);
    setBit(reserved, frame, true);
    freePages--;
  }
}

/** Takes the lowest free page frame: its physical address, or 0 when none is free. */
export function pmm_alloc_page(): usize {
  const end = bitmapBytes();
  while (hint < end && load<u32>(used + hint) == ALL_USED) hint += 4; // PMM-6: 32 frames a step
  if (hint >= end) return 0;
  const word = load<u32>(used + hint);
  store<u32>(used + hint, word | (word + 1)); // sets the lowest clear bit
  freePages--;
  return ((hint << 3) + ctz(~word)) << PAGE_SHIFT;
}

/** Gives a page frame back: 1; or 0 after a report when it was not handed out (PMM-8). */
export function pmm_free_page(addr: usize): u32 {
  const frame = <u32> (addr >> PAGE_SHIFT);
  if ((addr & (PAGE_SIZE - 1)) != 0) return refuse(addr, cstr("not page aligned"));
  if (frame >= totalPages) return refuse(addr, cstr("outside memory"));
  if (isSet(reserved, frame)) return refuse(addr, cstr("reserved"));
  if (!isSet(used, frame)) return refuse(addr, cstr("already free"));
  setBit(used, frame, false);
  freePages++;
  hint = min(hint, wordOf(frame));
  return 1;
}

function refuse(addr: usize, reason: usize): u32 {
  writeColored(YELLOW, cstr("pmm_free_page: "));
  writeHex(addr);
  terminal_writestring(cstr(" is "));
  terminal_writestring(reason);
  terminal_writestring(cstr("\n"));
  return 0;
}

/** Page frames below the end of the highest available memory. */
export function pmm_get_total_pages(): u32 {
  return totalPages;
}

/** Page frames that `pmm_alloc_page` can still give. */
export function pmm_get_free_pages(): u32 {
  return freePages;
}

/** Page frames in use or reserved, holes in the memory map included. */
export function pmm_get_used_pages(): u32 {
  return totalPages - freePages;
}

/** Shows the three counts. */
export function pmm_dump_stats(): void {
  terminal_writestring(cstr("PMM: "));
  writeDecimal(totalPages);
  terminal_writestring(cstr(" pages of 4096 bytes, "));
  writeDecimal(freePages);
  terminal_writestring(cstr(" free, "));
  writeDecimal(pmm_get_used_pages());
  terminal_writestring(cstr(" used\n"));
}

/** Bytes of the bitmap that describe memory, in whole words; the bits past the end are set. */
function bitmapBytes(): usize {
  return wordOf(totalPages + 31);
}

function wordOf(frame: u32): usize {
  return (frame >> 5) << 2;
}

function isSet(map: usize, frame: u32): bool {
  return ((load<u32>(map + wordOf(frame)) >> (frame & 31)) & 1) != 0;
}

function setBit(map: usize, frame: u32, value: bool): void {
  const word = map + wordOf(frame);
  const bit: u32 = 1 << (frame & 31);
  store<u32>(word, value ? load<u32>(word) | bit : load<u32>(word) & ~bit);
}
