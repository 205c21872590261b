/** Kernels that do their work in another way than the reference kernel, and as well. */
import type { Patch, Variant } from "./patch.ts";

const heap = (find: string, replace: string): Patch => ({ file: "kernel/heap.ts", find, replace });
const pmm = (find: string, replace: string): Patch => ({ file: "kernel/pmm.ts", find, replace });
const vmm = (find: string, replace: string): Patch => ({ file: "kernel/vmm.ts", find, replace });

/** Correct kernels. */
export const variants: readonly Variant[] = [
  {
    name: "best-fit heap",
    patches: [heap(
      `    let before: usize = 0;
    let block = load<usize>(lists + n * 4);
    while (block != 0) {
      if (!isBlock(block) || load<usize>(block + PREV_FREE) != before) damaged(); // nor a cycle
      if (load<u32>(block + SIZE) >= need) return block;
      before = block;
      block = load<usize>(block + NEXT_FREE);
    }`,
      `    let best: usize = 0;
    let before: usize = 0;
    let block = load<usize>(lists + n * 4);
    while (block != 0) {
      if (!isBlock(block) || load<usize>(block + PREV_FREE) != before) damaged(); // nor a cycle
      const size = load<u32>(block + SIZE);
      if (size >= need && (best == 0 || size < load<u32>(best + SIZE))) best = block;
      before = block;
      block = load<usize>(block + NEXT_FREE);
    }
    if (best != 0) return best;`,
    )],
  },
  {
    name: "heap blocks taken from the upper end",
    patches: [
      heap(
        "  unlinkFree(block);\n  allocate(block, need);\n  return block + HEADER_SIZE;",
        `  unlinkFree(block);
  const rest = load<u32>(block + SIZE) - need;
  if (rest >= HEADER_SIZE + SMALLEST) block = splitAbove(block, rest - HEADER_SIZE);
  allocate(block, need);
  return block + HEADER_SIZE;`,
      ),
      heap(
        "function split(block: usize, need: u32): void {",
        `/** Cuts a free, unlinked block behind \`keep\` bytes of payload: the block above the cut. */
function splitAbove(block: usize, keep: u32): usize {
  const upper = block + HEADER_SIZE + keep;
  const next = load<usize>(block + NEXT);
  writeHeader(upper, load<u32>(block + SIZE) - keep - HEADER_SIZE, block, next);
  store<u32>(block + SIZE, keep);
  store<usize>(block + NEXT, upper);
  setPrev(next, upper);
  linkFree(block);
  return upper;
}

function split(block: usize, need: u32): void {`,
      ),
    ],
  },
  {
    name: "heap headers of 24 bytes with another magic number",
    patches: [
      heap("HEADER_SIZE: u32 = 16", "HEADER_SIZE: u32 = 24"),
      heap("NEXT_FREE: usize = 16", "NEXT_FREE: usize = 24"),
      heap("PREV_FREE: usize = 20", "PREV_FREE: usize = 28"),
      heap("SIZE: usize = 0;", "SIZE: usize = 12;"),
      heap("FLAG: usize = 4;", "FLAG: usize = 0;"), // in the first 8 bytes: the last of a page may be asked
      heap("NEXT: usize = 12;", "NEXT: usize = 4;"),
      heap("MAGIC: u32 = 0x48454150", "MAGIC: u32 = 0x5a3cc3a5"),
    ],
  },
  {
    name: "page frames from the top of memory",
    patches: [pmm(
      `  const end = bitmapBytes();
  while (hint < end && load<u32>(used + hint) == ALL_USED) hint += 4; // PMM-6: 32 frames a step
  if (hint >= end) return 0;
  const word = load<u32>(used + hint);
  store<u32>(used + hint, word | (word + 1)); // sets the lowest clear bit
  freePages--;
  return ((hint << 3) + ctz(~word)) << PAGE_SHIFT;`,
      `  let at = bitmapBytes();
  while (at != 0 && load<u32>(used + at - 4) == ALL_USED) at -= 4;
  if (at == 0) return 0;
  const frame = <u32> (at << 3) - 1 - clz(~load<u32>(used + at - 4));
  setBit(used, frame, true);
  freePages--;
  return frame << PAGE_SHIFT;`,
    )],
  },
  {
    name: "page directory and window elsewhere",
    patches: [
      vmm("WINDOW: usize = 0xffc00000", "WINDOW: usize = 0xff800000"),
      vmm("DIRECTORY_SLOT: u32 = 0", "DIRECTORY_SLOT: u32 = 17"),
      vmm("TABLE_SLOT: u32 = 1", "TABLE_SLOT: u32 = 5"),
      vmm(
        "  const directory = vmm_create_page_directory();\n  if (directory == 0) kernel",
        `  let first: usize = 0;
  for (let n = 0; n < 1500; n++) {
    const frame = pmm_alloc_page(); // so that directory and tables come to lie above 4 MB
    if (frame == 0) break;
    store<usize>(frame, first);
    first = frame;
  }
  const directory = vmm_create_page_directory();
  while (first != 0) {
    const frame = first;
    first = load<usize>(frame);
    pmm_free_page(frame);
  }
  if (directory == 0) kernel`,
      ),
    ],
  },
];
