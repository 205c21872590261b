/// <reference types="npm:assemblyscript/std/types/assembly/index.d.ts" />
/**
 * Virtual memory: two-level paging with pages of 4 KB. Spec: specs/kernel/vmm.md.
 *
 *     00000000  identity map: low memory and the kernel image; code and constants read-only
 *     00400000  heap, 8 MB at most
 *     00C00000  free for mappings, user pages among them
 *     FFC00000  window: frames of directories and tables while they are edited
 *
 * A directory is named by its physical address. Left out: large and global pages, PAE.
 *
 * @module
 */
import {
  cstr,
  invlpg,
  kernel_readonly_end,
  kernel_start,
  vmm_enable_paging,
  vmm_load_page_directory,
} from "./link.ts";
import { kernel_panic } from "./panic.ts";
import { PAGE_SIZE, pmm_alloc_page, pmm_free_page } from "./pmm.ts";
import { terminal_writestring, writeColored, writeHex, YELLOW } from "./terminal.ts";

/** Page flag: the page can be accessed. */
export const PRESENT: u32 = 1;
/** Page flag: the page can be written. */
export const WRITABLE: u32 = 2;
/** Page flag: ring 3 can access the page. */
export const USER: u32 = 4;

const FLAGS: u32 = 7;
const OFFSET: u32 = 0xfff;
const ENTRIES: u32 = 1024;
const IDENTITY_PAGES: u32 = 1024;
const KERNEL_TABLES: u32 = 3; // 0-12 MB: identity map and heap
const KERNEL_SPACE_END: usize = 0xc00000;

const WINDOW: usize = 0xffc00000;
const DIRECTORY_SLOT: u32 = 0;
const TABLE_SLOT: u32 = 1;
const windowTable: usize = memory.data(4096, 4096); // in the image: mapped wherever frames come from

/** Physical address of the page directory in use. */
export let current_page_directory: usize = 0;
let pagingIsOn: bool = false;

/** Builds the kernel's address space and turns paging on. */
export function vmm_init(): void {
  pagingIsOn = false;
  current_page_directory = 0;
  const directory = vmm_create_page_directory();
  if (directory == 0) kernel_panic(cstr("No memory for the page directory"));
  vmm_load_page_directory(directory);
  vmm_enable_paging();
  current_page_directory = directory;
  pagingIsOn = true;
}

/** A new directory that shares the kernel's tables: its physical address, or 0 without memory. */
export function vmm_create_page_directory(): usize {
  const directory = allocateTable(DIRECTORY_SLOT);
  if (directory == 0) return 0;
  store<u32>(directoryEntry(directory, WINDOW), windowTable | PRESENT | WRITABLE);
  if (current_page_directory != 0) shareKernelTables(directory);
  else if (!createKernelTables(directory)) return 0;
  return directory;
}

/** VMM-11: the tables of kernel space exist from the start, so every directory can share them. */
function createKernelTables(directory: usize): bool {
  for (let n: u32 = 0; n < KERNEL_TABLES; n++) {
    if (tableEntry(directory, n << 22, PRESENT) == 0) return false;
  }
  vmm_identity_map_kernel(directory);
  return true;
}

function shareKernelTables(directory: usize): void {
  for (let n: u32 = 0; n < KERNEL_TABLES; n++) {
    const entry = load<u32>(directoryEntry(current_page_directory, n << 22));
    store<u32>(directoryEntry(directory, n << 22), entry);
  }
}

/** Maps 0-4 MB to themselves, the kernel's code and constants read-only. */
export function vmm_identity_map_kernel(dir: usize): void {
  for (let page: u32 = 0; page < IDENTITY_PAGES; page++) {
    const address: usize = page * PAGE_SIZE;
    const isConstant = address >= kernel_start() && address < kernel_readonly_end();
    vmm_map_page(dir, address, address, isConstant ? PRESENT : PRESENT | WRITABLE);
  }
}

/** Makes a directory from `vmm_create_page_directory` the one in use. */
export function vmm_switch_page_directory(dir: usize): void {
  if (!isDirectory(dir)) return refuse(cstr("vmm_switch_page_directory"), dir);
  vmm_load_page_directory(dir);
  current_page_directory = dir;
}

/**
 * Maps the page of `virt` to the frame of `phys`, in place of what was there: 1; or 0 when
 * there is no memory for a table, or after a report when the request is refused (VMM-8).
 */
export function vmm_map_page(dir: usize, virt: usize, phys: usize, flags: u32): u32 {
  const exposesKernel = (flags & USER) != 0 && virt < KERNEL_SPACE_END;
  if (!isDirectory(dir) || virt >= WINDOW || exposesKernel) {
    refuse(cstr("vmm_map_page"), virt);
    return 0;
  }
  const entry = tableEntry(dir, virt, PRESENT | (flags & USER));
  if (entry == 0) return 0;
  store<u32>(entry, (phys & ~OFFSET) | (flags & FLAGS) | PRESENT);
  invlpg(virt);
  return 1;
}

/** Removes the mapping of the page of `virt`: 1; or 0 when there was none. */
export function vmm_unmap_page(dir: usize, virt: usize): u32 {
  if (virt >= WINDOW || !vmm_is_page_present(dir, virt)) return 0;
  const entry = tableEntry(dir, virt, 0);
  store<u32>(entry, 0);
  invlpg(virt);
  if (virt >= KERNEL_SPACE_END) freeTableIfEmpty(dir, virt, entry & ~OFFSET);
  return 1;
}

/** Physical address behind `virt`, or 0 when its page is not mapped. */
export function vmm_get_physical_address(dir: usize, virt: usize): usize {
  const entry = pageEntry(dir, virt);
  return (entry & PRESENT) != 0 ? <usize> (entry & ~OFFSET) | (virt & OFFSET) : 0;
}

/** 1 when the page of `virt` is mapped. */
export function vmm_is_page_present(dir: usize, virt: usize): u32 {
  return pageEntry(dir, virt) & PRESENT;
}

/** The page-table entry of `virt`: frame and flags; 0 when there is no table. */
export function pageEntry(dir: usize, virt: usize): u32 {
  if (!isDirectory(dir)) return 0;
  const entry = tableEntry(dir, virt, 0);
  return entry != 0 ? load<u32>(entry) : 0;
}

/**
 * Where the page-table entry of `virt` can be accessed now. A missing table is made when
 * `create` has PRESENT (with USER: one that ring 3 may go through); otherwise the result is 0.
 */
function tableEntry(dir: usize, virt: usize, create: u32): usize {
  const slot = directoryEntry(dir, virt);
  let entry = load<u32>(slot);
  if (create != 0) {
    if ((entry & PRESENT) == 0) entry = <u32> allocateTable(TABLE_SLOT);
    if (entry == 0) return 0;
    entry |= create | WRITABLE; // the pages' own flags decide about writing
    store<u32>(slot, entry);
  }
  if ((entry & PRESENT) == 0) return 0;
  return window(TABLE_SLOT, entry & ~OFFSET) + ((virt >> 12) & (ENTRIES - 1)) * 4;
}

function directoryEntry(dir: usize, virt: usize): usize {
  return window(DIRECTORY_SLOT, dir) + (virt >> 22) * 4;
}

/** VMM-10: a table without pages goes back to the PMM. */
function freeTableIfEmpty(dir: usize, virt: usize, table: usize): void {
  for (let n: u32 = 0; n < ENTRIES; n++) {
    if (load<u32>(table + n * 4) != 0) return;
  }
  const slot = directoryEntry(dir, virt);
  pmm_free_page(load<u32>(slot) & ~OFFSET);
  store<u32>(slot, 0);
  invlpg(virt); // also drops the cached directory entry
}

function allocateTable(slot: u32): usize {
  const frame = pmm_alloc_page();
  if (frame != 0) memory.fill(window(slot, frame), 0, PAGE_SIZE);
  return frame;
}

/** Makes a frame accessible through one of the window's pages, wherever it lies. */
function window(slot: u32, frame: usize): usize {
  assert((frame & OFFSET) == 0);
  if (!pagingIsOn) return frame;
  const address = WINDOW + slot * PAGE_SIZE;
  const entry = windowTable + slot * 4;
  if (load<usize>(entry) != (frame | PRESENT | WRITABLE)) {
    store<u32>(entry, frame | PRESENT | WRITABLE);
    invlpg(address);
  }
  return address;
}

/** Only `vmm_create_page_directory` makes directories that have the window in them. */
function isDirectory(dir: usize): bool {
  if (dir == 0 || (dir & OFFSET) != 0) return false;
  return (load<usize>(directoryEntry(dir, WINDOW)) & ~OFFSET) == windowTable;
}

function refuse(caller: usize, address: usize): void {
  writeColored(YELLOW, caller);
  terminal_writestring(cstr(": refused for "));
  writeHex(address);
  terminal_writestring(cstr("\n"));
}
