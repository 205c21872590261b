/// <reference types="npm:assemblyscript/std/types/assembly/index.d.ts" />
/**
 * What a Multiboot 1 loader tells about memory, in page frames.
 * Spec: specs/kernel/multiboot.md. Not used: command line, symbols, drives, video.
 *
 * @module
 */

/** EAX at entry, when a Multiboot loader started the kernel. */
export const MULTIBOOT_MAGIC: u32 = 0x2badb002;

/** Bytes in a page frame, as a shift. */
export const PAGE_SHIFT: u32 = 12;
/** Page frames below 4 GB. */
export const FRAME_LIMIT: u32 = 0x100000;

// The information structure: offsets, and the flags that say what is there.
const FLAGS: usize = 0;
const MEM_UPPER: usize = 8; // KB above 1 MB
const MODULE_COUNT: usize = 20;
const MODULES: usize = 24;
const MAP_LENGTH: usize = 44;
const MAP: usize = 48;
const HAS_MEMORY_SIZE: u32 = 1 << 0;
const HAS_MODULES: u32 = 1 << 3;
const HAS_MAP: u32 = 1 << 6;

// An entry of the memory map; its size field does not count itself.
const REGION_SIZE: usize = 0;
const REGION_BASE: usize = 4; // 64 bits
const REGION_LENGTH: usize = 12; // 64 bits
const REGION_TYPE: usize = 20;
const AVAILABLE: u32 = 1;

const MODULE_SIZE: u32 = 16;
const ONE_MB: u32 = 0x100000;

const substitute: usize = memory.data(24, 4); // the map of a loader that gives only a size

/** First entry of the memory map, or 0. */
export function firstRegion(info: usize): usize {
  const flags = load<u32>(info + FLAGS);
  if ((flags & HAS_MAP) != 0) {
    return load<u32>(info + MAP_LENGTH) != 0 ? load<usize>(info + MAP) : 0;
  }
  if ((flags & HAS_MEMORY_SIZE) == 0) return 0;
  store<u32>(substitute + REGION_SIZE, 20);
  store<u32>(substitute + REGION_BASE, ONE_MB);
  store<u32>(substitute + REGION_LENGTH, load<u32>(info + MEM_UPPER) << 10);
  store<u32>(substitute + REGION_TYPE, AVAILABLE);
  return substitute;
}

/** The entry after `region`, or 0. */
export function nextRegion(info: usize, region: usize): usize {
  if (region == substitute) return 0;
  const next = region + load<u32>(region + REGION_SIZE) + 4;
  return next < load<usize>(info + MAP) + load<u32>(info + MAP_LENGTH) ? next : 0;
}

/** Whether a region is memory that the kernel may use. */
export function isAvailable(region: usize): bool {
  return load<u32>(region + REGION_TYPE) == AVAILABLE;
}

/** First frame of a region: one that lies wholly in it if available, that it touches if not. */
export function regionStart(region: usize): u32 {
  if (load<u32>(region + REGION_BASE + 4) != 0) return FRAME_LIMIT;
  const base = load<u32>(region + REGION_BASE);
  return isAvailable(region) ? frameAbove(base) : base >> PAGE_SHIFT;
}

/** The frame after a region's last, at most `FRAME_LIMIT`; rounded as `regionStart` is. */
export function regionEnd(region: usize): u32 {
  const base = load<u32>(region + REGION_BASE);
  const end = base + load<u32>(region + REGION_LENGTH);
  const highWords = load<u32>(region + REGION_BASE + 4) | load<u32>(region + REGION_LENGTH + 4);
  if (highWords != 0 || end < base) return FRAME_LIMIT; // KERNEL-MULTIBOOT-4: it reaches 4 GB
  return isAvailable(region) ? end >> PAGE_SHIFT : frameAbove(end);
}

/** Number of boot modules. */
export function moduleCount(info: usize): u32 {
  return (load<u32>(info + FLAGS) & HAS_MODULES) != 0 ? load<u32>(info + MODULE_COUNT) : 0;
}

/** First frame that module `n` touches. */
export function moduleStart(info: usize, n: u32): u32 {
  return load<u32>(moduleEntry(info, n)) >> PAGE_SHIFT;
}

/** The frame after the last that module `n` touches. */
export function moduleEnd(info: usize, n: u32): u32 {
  return frameAbove(load<u32>(moduleEntry(info, n) + 4));
}

/** The first frame that begins at or after an address. */
export function frameAbove(physAddr: usize): u32 {
  return <u32> (physAddr >> PAGE_SHIFT) + ((physAddr & 0xfff) != 0 ? 1 : 0);
}

function moduleEntry(info: usize, n: u32): usize {
  return load<usize>(info + MODULES) + (n * MODULE_SIZE);
}
