/// <reference types="npm:assemblyscript/std/types/assembly/index.d.ts" />
/**
 * Kernel heap: blocks that tile one stretch of virtual memory, which grows by pages.
 * Spec: specs/kernel/heap.md.
 *
 * A block is a header of 16 bytes and a payload. The header links the blocks in the order of
 * memory; a free block keeps the two links of its free list in its payload.
 *
 *     +0 size   payload bytes, a multiple of 8
 *     +4 flag   bit 0: free; bits 3-31: "HEAP" xor the header's address
 *     +8 prev   header of the block just below, 0 for the first
 *     +12 next  header of the block just above, 0 for the last
 *
 * @module
 */
import { cstr } from "./link.ts";
import { kernel_panic } from "./panic.ts";
import { PAGE_SIZE, pmm_alloc_page, pmm_free_page } from "./pmm.ts";
import {
  terminal_writestring,
  writeColored,
  writeDecimal,
  writeField,
  writeHex,
  YELLOW,
} from "./terminal.ts";
import {
  current_page_directory,
  PRESENT,
  vmm_get_physical_address,
  vmm_map_page,
  vmm_unmap_page,
  WRITABLE,
} from "./vmm.ts";

/** Address of the first block. */
export const HEAP_START: usize = 0x400000;
/** Bytes that the heap starts with. */
export const HEAP_INITIAL_SIZE: u32 = 0x100000;
/** Bytes that the heap never exceeds. */
export const HEAP_MAXIMUM_SIZE: u32 = 0x800000;

const SIZE: usize = 0;
const FLAG: usize = 4;
const PREV: usize = 8;
const NEXT: usize = 12;
const HEADER_SIZE: u32 = 16;
const NEXT_FREE: usize = 16; // in the payload of a free block
const PREV_FREE: usize = 20;
const SMALLEST: u32 = 8; // payload; both links fit

const FREE: u32 = 1;
const MAGIC: u32 = 0x48454150; // "HEAP"; with the address in it, no copy of a header passes for one

// Free lists, one for each power of two: list n has the blocks of 2^n to 2^(n+1)-1 bytes.
const LISTS: u32 = 24;
const lists: usize = memory.data(96, 4);

let end: usize = HEAP_START; // of the mapped heap
let lastBlock: usize = 0; // the one that ends there
let usedSize: u32 = 0; // headers included

/** Maps the first megabyte and makes it one free block. */
export function heap_init(): void {
  end = HEAP_START;
  lastBlock = 0;
  usedSize = 0;
  memory.fill(lists, 0, LISTS * 4);
  if (heap_expand(HEAP_INITIAL_SIZE) == 0) kernel_panic(cstr("No memory for the heap"));
}

/** Allocates `size` bytes, 8-byte aligned: their address; or 0 for no bytes or too many. */
export function kmalloc(size: u32): usize {
  if (size == 0 || size > HEAP_MAXIMUM_SIZE) return 0; // HEAP-4: before rounding can overflow
  const need = roundUp(size);
  let block = findFree(need);
  if (block == 0) {
    if (heap_expand(need + HEADER_SIZE - freeTail()) == 0) return 0;
    block = lastBlock;
  }
  unlinkFree(block);
  allocate(block, need);
  return block + HEADER_SIZE;
}

/** Allocates `count * size` zeroed bytes; 0 also when the product overflows. */
export function kcalloc(count: u32, size: u32): usize {
  if (size != 0 && count > HEAP_MAXIMUM_SIZE / size) return 0;
  const payload = kmalloc(count * size);
  if (payload != 0) memory.fill(payload, 0, count * size);
  return payload;
}

/**
 * Frees an allocation: 1 (also for address 0, where nothing is to do); or 0 after a report, with
 * nothing changed, for what is not one.
 */
export function kfree(ptr: usize): u32 {
  if (ptr == 0) return 1;
  const block = allocationAt(ptr, cstr("kfree"));
  if (block == 0) return 0;
  usedSize -= blockSize(block);
  mergeAndLink(block);
  return 1;
}

/**
 * Resizes an allocation, in place where its neighbour permits: the new address, with the contents
 * up to the smaller size; or 0, with the old allocation as it was. From 0 it allocates; to size 0
 * it frees and returns 0.
 */
export function krealloc(ptr: usize, size: u32): usize {
  if (ptr == 0) return kmalloc(size);
  const block = allocationAt(ptr, cstr("krealloc"));
  if (block == 0 || size > HEAP_MAXIMUM_SIZE) return 0;
  if (size == 0) {
    kfree(ptr);
    return 0;
  }
  return resizeInPlace(block, roundUp(size)) ? ptr : moveTo(kmalloc(size), ptr, size);
}

function resizeInPlace(block: usize, need: u32): bool {
  const next = load<usize>(block + NEXT);
  const room = next != 0 && isFree(next) ? blockSize(next) : 0;
  if (need > load<u32>(block + SIZE) + room) return false;
  usedSize -= blockSize(block);
  if (room != 0) {
    unlinkFree(next);
    absorb(block, next);
  }
  allocate(block, need);
  return true;
}

function moveTo(target: usize, source: usize, size: u32): usize {
  if (target == 0) return 0;
  memory.copy(target, source, min(size, load<u32>(source - HEADER_SIZE + SIZE)));
  kfree(source);
  return target;
}

/** Grows the heap by `min_size` bytes, rounded up to pages: 1; or 0 with nothing changed. */
export function heap_expand(min_size: u32): u32 {
  if (min_size > HEAP_MAXIMUM_SIZE - heap_get_total_size()) return 0;
  const growth = (min_size + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1);
  if (growth == 0) return 1;
  if (!mapPages(end, growth)) return 0;
  const block = end;
  writeHeader(block, growth - HEADER_SIZE, lastBlock, 0);
  if (lastBlock != 0) store<usize>(lastBlock + NEXT, block);
  lastBlock = block;
  end += growth;
  mergeAndLink(block);
  return 1;
}

/** HEAP-12: all of the pages or none of them. */
function mapPages(start: usize, size: u32): bool {
  for (let done: u32 = 0; done < size; done += PAGE_SIZE) {
    if (mapNewPage(start + done)) continue;
    while (done != 0) {
      done -= PAGE_SIZE;
      unmapPage(start + done);
    }
    return false;
  }
  return true;
}

function mapNewPage(address: usize): bool {
  const frame = pmm_alloc_page();
  if (frame == 0) return false;
  if (vmm_map_page(current_page_directory, address, frame, PRESENT | WRITABLE) != 0) return true;
  pmm_free_page(frame);
  return false;
}

function unmapPage(address: usize): void {
  pmm_free_page(vmm_get_physical_address(current_page_directory, address));
  vmm_unmap_page(current_page_directory, address);
}

/** Merges all free neighbours. `kfree` leaves none, so there is nothing to do: 0 merges. */
export function heap_coalesce_free_blocks(): u32 {
  let merges: u32 = 0;
  let block = HEAP_START;
  while (block != 0) {
    const next = load<usize>(block + NEXT);
    if (next != 0 && isFree(block) && isFree(next)) {
      unlinkFree(block);
      mergeAndLink(block);
      merges++;
    } else block = next;
  }
  return merges;
}

/** Bytes of the heap, headers included. */
export function heap_get_total_size(): u32 {
  return <u32> (end - HEAP_START);
}

/** Bytes of the allocated blocks, headers included. */
export function heap_get_used_size(): u32 {
  return usedSize;
}

/** Bytes of the free blocks, headers included. */
export function heap_get_free_size(): u32 {
  return heap_get_total_size() - usedSize;
}

/** Shows the three sizes. */
export function heap_dump_stats(): void {
  terminal_writestring(cstr("Heap: "));
  writeDecimal(heap_get_total_size());
  terminal_writestring(cstr(" bytes, "));
  writeDecimal(heap_get_free_size());
  terminal_writestring(cstr(" free, "));
  writeDecimal(usedSize);
  terminal_writestring(cstr(" used\n"));
}

/** Shows every block in the order of memory: header, payload size, state. */
export function heap_dump_blocks(): void {
  for (let block = HEAP_START; block != 0; block = load<usize>(block + NEXT)) {
    writeHex(block);
    terminal_writestring(cstr("  "));
    writeDecimal(load<u32>(block + SIZE));
    writeField(cstr(" bytes used\n| bytes free\n"), load<u32>(block + FLAG) & FREE);
  }
}

/** Makes an unlinked block an allocation of `need` bytes; what is over becomes a free block. */
function allocate(block: usize, need: u32): void {
  assert(load<u32>(block + SIZE) >= need);
  store<u32>(block + FLAG, flagOf(block)); // before the split, which looks for free neighbours
  if (load<u32>(block + SIZE) - need >= HEADER_SIZE + SMALLEST) split(block, need);
  usedSize += blockSize(block);
}

function split(block: usize, need: u32): void {
  const rest = block + HEADER_SIZE + need;
  const next = load<usize>(block + NEXT);
  writeHeader(rest, load<u32>(block + SIZE) - need - HEADER_SIZE, block, next);
  store<u32>(block + SIZE, need);
  store<usize>(block + NEXT, rest);
  setPrev(next, rest);
  mergeAndLink(rest);
}

/** Merges a block that is in no list with its free neighbours and puts the result in its list. */
function mergeAndLink(block: usize): void {
  const next = load<usize>(block + NEXT);
  if (next != 0 && isFree(next)) {
    unlinkFree(next);
    absorb(block, next);
  }
  const prev = load<usize>(block + PREV);
  if (prev != 0 && isFree(prev)) {
    unlinkFree(prev);
    absorb(prev, block);
    block = prev;
  }
  linkFree(block);
}

/** Joins `next`, the neighbour above, to `block`. */
function absorb(block: usize, next: usize): void {
  const after = load<usize>(next + NEXT);
  store<u32>(block + SIZE, load<u32>(block + SIZE) + blockSize(next));
  store<usize>(block + NEXT, after);
  setPrev(after, block);
  store<u32>(next + FLAG, 0); // HEAP-9: the old header must not pass for one
}

/** Sets the link down of the block above; above the last one there is `lastBlock` instead. */
function setPrev(next: usize, block: usize): void {
  if (next != 0) store<usize>(next + PREV, block);
  else lastBlock = block;
}

function writeHeader(block: usize, size: u32, prev: usize, next: usize): void {
  store<u32>(block + SIZE, size);
  store<u32>(block + FLAG, flagOf(block));
  store<usize>(block + PREV, prev);
  store<usize>(block + NEXT, next);
}

/** A free block of at least `need` bytes, or 0. */
function findFree(need: u32): usize {
  for (let n = listOf(need); n < LISTS; n++) {
    let before: usize = 0;
    let block = load<usize>(lists + n * 4);
    while (block != 0) {
      if (!isBlock(block) || load<usize>(block + PREV_FREE) != before) damaged(); // nor a cycle
      if (load<u32>(block + SIZE) >= need) return block;
      before = block;
      block = load<usize>(block + NEXT_FREE);
    }
  }
  return 0;
}

function linkFree(block: usize): void {
  const list = lists + listOf(load<u32>(block + SIZE)) * 4;
  const first = load<usize>(list);
  store<usize>(block + NEXT_FREE, first);
  store<usize>(block + PREV_FREE, 0);
  if (first != 0) store<usize>(first + PREV_FREE, block);
  store<usize>(list, block);
  store<u32>(block + FLAG, flagOf(block) | FREE);
}

function unlinkFree(block: usize): void {
  const next = load<usize>(block + NEXT_FREE);
  const prev = load<usize>(block + PREV_FREE);
  const atHead = prev == 0;
  const list = lists + listOf(load<u32>(block + SIZE)) * 4;
  const toItself = next == block || prev == block; // which would pass for links that agree
  const intact = !toItself &&
    (next == 0 || (isBlock(next) && load<usize>(next + PREV_FREE) == block)) &&
    (atHead ? load<usize>(list) == block : isBlock(prev) && load<usize>(prev + NEXT_FREE) == block);
  if (!intact) damaged();
  if (next != 0) store<usize>(next + PREV_FREE, prev);
  store<usize>(atHead ? list : prev + NEXT_FREE, next);
}

/** HEAP-11: links that do not agree are never followed. */
function damaged(): void {
  kernel_panic(cstr("Heap: a freed block was written to"));
}

/** The block of an allocation, or 0 after a report when `ptr` is not one. */
function allocationAt(ptr: usize, caller: usize): usize {
  const block = ptr - HEADER_SIZE;
  if ((ptr & 7) != 0) return refuse(caller, ptr, cstr(" is not 8-byte aligned\n"));
  if (block < HEAP_START || block >= end) {
    return refuse(caller, ptr, cstr(" is outside the heap\n"));
  }
  if (!isBlock(block)) return refuse(caller, ptr, cstr(" is not an allocation\n"));
  if (isFree(block)) return refuse(caller, ptr, cstr(" is already free\n"));
  if (!fits(block)) return refuse(caller, ptr, cstr(" has a damaged header\n"));
  return block;
}

function refuse(caller: usize, ptr: usize, reason: usize): usize {
  writeColored(YELLOW, caller);
  terminal_writestring(cstr(": "));
  writeHex(ptr);
  terminal_writestring(reason);
  return 0;
}

/** Whether a header lies at an address in the heap. */
function isBlock(block: usize): bool {
  if ((block & 7) != 0 || block < HEAP_START || block >= end) return false;
  return (load<u32>(block + FLAG) & ~FREE) == flagOf(block);
}

/** Whether a block and its neighbours agree about each other. */
function fits(block: usize): bool {
  const next = load<usize>(block + NEXT);
  const prev = load<usize>(block + PREV);
  if (block + blockSize(block) != (next != 0 ? next : end)) return false;
  if (next != 0 && !(isBlock(next) && load<usize>(next + PREV) == block)) return false;
  if (prev == 0) return block == HEAP_START;
  return isBlock(prev) && load<usize>(prev + NEXT) == block;
}

function isFree(block: usize): bool {
  return (load<u32>(block + FLAG) & FREE) != 0;
}

/** Bytes of a block, its header included. */
function blockSize(block: usize): u32 {
  return load<u32>(block + SIZE) + HEADER_SIZE;
}

/** Bytes of the heap's last block if it is free, else 0: growth joins them. */
function freeTail(): u32 {
  return isFree(lastBlock) ? blockSize(lastBlock) : 0;
}

/** The flag word of an allocated block at this address. */
function flagOf(block: usize): u32 {
  return (MAGIC ^ <u32> block) & ~7;
}

function listOf(size: u32): u32 {
  return 31 - clz(size);
}

function roundUp(size: u32): u32 {
  return (size + 7) & ~7;
}
