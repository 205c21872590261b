/** Planted defects in the heap. */
import { type Mutant, mutantsOf } from "./patch.ts";

/** All clauses about the use of the heap but one: for what leaves the heap in ruins. */
function otherThan(clause: string): string[] {
  const numbers = [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16];
  return [...numbers.map((n) => `HEAP-${n}`), "SHADOW-4"].filter((id) => id !== clause);
}

/** Defects of heap. */
export const heap: readonly Mutant[] = mutantsOf("kernel/heap.ts", [
  {
    name: "the heap begins a page short",
    clause: "HEAP-1",
    also: ["MAIN-4"],
    find: "HEAP_INITIAL_SIZE: u32 = 0x100000",
    replace: "HEAP_INITIAL_SIZE: u32 = 0xff000",
  },
  {
    name: "a split hides itself from the block above",
    clause: "HEAP-7", // such a block can never be freed: it counts as used for ever
    also: ["HEAP-6", "HEAP-9", "HEAP-13", "HEAP-14", "HEAP-16"],
    find: "  setPrev(next, rest);\n  mergeAndLink(rest);",
    replace: "  if (next == 0) lastBlock = rest;\n  mergeAndLink(rest);",
  },
  {
    name: "merging loses a header",
    clause: "HEAP-2",
    also: otherThan("HEAP-2"), // the neighbours no longer agree
    find: "load<u32>(block + SIZE) + blockSize(next)",
    replace: "load<u32>(block + SIZE) + load<u32>(next + SIZE)",
  },
  {
    name: "odd sizes are rounded down",
    clause: "HEAP-3",
    also: otherThan("HEAP-3"), // the caller's last bytes overwrite the next header
    find: "return (size + 7) & ~7;",
    replace: "return size < 16 ? (size + 7) & ~7 : (size + 3) & ~7;",
  },
  {
    name: "4 GB fit into 8 bytes",
    clause: "HEAP-4",
    also: ["HEAP-3", "HEAP-10", "HEAP-13"],
    find: "size > HEAP_MAXIMUM_SIZE) return 0; // HEAP-4",
    replace: "size > 0xfffffff8) return size == 0 ? 0 : kmalloc(8); // HEAP-4",
  },
  {
    name: "no bytes are an allocation",
    clause: "HEAP-4",
    also: ["HEAP-10", "HEAP-13"],
    find: "if (size == 0 || size > HEAP_MAXIMUM_SIZE) return 0;",
    replace: "if (size == 0) return kmalloc(8);\n  if (size > HEAP_MAXIMUM_SIZE) return 0;",
  },
  {
    name: "the rest of a block is lost",
    clause: "HEAP-5",
    also: ["HEAP-1", "HEAP-7", "HEAP-8", "HEAP-13", "MAIN-3", "MAIN-4"], // the demonstration makes it grow
    find: "if (load<u32>(block + SIZE) - need >= HEADER_SIZE + SMALLEST) split(block, need);",
    replace: "if (load<u32>(block + SIZE) == need + 24) split(block, need);",
  },
  {
    name: "freed blocks do not merge upwards",
    clause: "HEAP-6",
    also: ["HEAP-5", "HEAP-8", "HEAP-16"],
    find: `  if (next != 0 && isFree(next)) {
    unlinkFree(next);
    absorb(block, next);
  }
  const prev`,
    replace: "  const prev",
  },
  {
    name: "freed blocks do not merge downwards",
    clause: "HEAP-6",
    also: otherThan("HEAP-6"), // growth relies on it: kmalloc panics
    find: "if (prev != 0 && isFree(prev)) {",
    replace: "if (prev != 0 && next == prev) {",
  },
  {
    name: "freed headers stay in use",
    clause: "HEAP-7",
    also: ["MAIN-3", "MAIN-4"],
    find: "  usedSize -= blockSize(block);\n  mergeAndLink(block);\n  return 1;",
    replace: "  usedSize -= load<u32>(block + SIZE);\n  mergeAndLink(block);\n  return 1;",
  },
  {
    name: "a resized block is counted twice",
    clause: "HEAP-7",
    also: ["HEAP-13"], // from outside it looks as if the old block were never freed
    find: "  usedSize -= blockSize(block);\n  if (room != 0) {",
    replace: "  if (room != 0) {",
  },
  {
    name: "free bytes leave out a header",
    clause: "HEAP-7",
    also: ["HEAP-15", "MAIN-4"],
    find: "return heap_get_total_size() - usedSize;",
    replace: "return heap_get_total_size() - usedSize - HEADER_SIZE;",
  },
  {
    name: "growth overlooks the free block at the end",
    clause: "HEAP-8",
    find: "heap_expand(need + HEADER_SIZE - freeTail())",
    replace: "heap_expand(need + HEADER_SIZE)",
  },
  {
    name: "the heap ends at 7 MB",
    clause: "HEAP-8",
    also: ["HEAP-4", "HEAP-12"],
    find: "HEAP_MAXIMUM_SIZE: u32 = 0x800000",
    replace: "HEAP_MAXIMUM_SIZE: u32 = 0x700000",
  },
  {
    name: "the heap has no limit",
    clause: "HEAP-8",
    also: ["HEAP-4", "HEAP-10", "HEAP-12", "HEAP-13", "MONITOR-3"],
    find: "HEAP_MAXIMUM_SIZE: u32 = 0x800000",
    replace: "HEAP_MAXIMUM_SIZE: u32 = 0x10000000",
  },
  {
    name: "a block may be freed twice",
    clause: "HEAP-9",
    also: ["HEAP-6", "HEAP-7", "HEAP-11", "MONITOR-3"],
    find: '  if (isFree(block)) return refuse(caller, ptr, cstr(" is already free\\n"));\n',
    replace: "",
  },
  {
    name: "any address in the heap is an allocation",
    clause: "HEAP-9",
    also: ["HEAP-14"],
    find: `  if (!isBlock(block)) return refuse(caller, ptr, cstr(" is not an allocation\\n"));
  if (isFree(block)) return refuse(caller, ptr, cstr(" is already free\\n"));
  if (!fits(block)) return refuse(caller, ptr, cstr(" has a damaged header\\n"));
`,
    replace: `  if (isFree(block)) return refuse(caller, ptr, cstr(" is already free\\n"));
`,
  },
  {
    name: "the product of kcalloc wraps",
    clause: "HEAP-10",
    find: "  if (size != 0 && count > HEAP_MAXIMUM_SIZE / size) return 0;\n",
    replace: "",
  },
  {
    name: "kcalloc clears one page",
    clause: "HEAP-10",
    find: "memory.fill(payload, 0, count * size)",
    replace: "memory.fill(payload, 0, min(count * size, PAGE_SIZE))",
  },
  {
    name: "damaged list links are followed",
    clause: "HEAP-11",
    find:
      'function damaged(): void {\n  kernel_panic(cstr("Heap: a freed block was written to"));\n}',
    replace: "function damaged(): void {}",
  },
  {
    name: "a failed growth keeps its pages",
    clause: "HEAP-12",
    also: ["HEAP-4"],
    find: "  pmm_free_page(vmm_get_physical_address(current_page_directory, address));\n",
    replace: "",
  },
  {
    name: "growth is rounded down",
    clause: "HEAP-12",
    also: otherThan("HEAP-12"), // kmalloc panics when it has grown too little
    find: "(min_size + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1)",
    replace: "min_size & ~(PAGE_SIZE - 1)",
  },
  {
    name: "krealloc keeps half of the contents",
    clause: "HEAP-13",
    find: "min(size, load<u32>(source - HEADER_SIZE + SIZE))",
    replace: "min(size, load<u32>(source - HEADER_SIZE + SIZE)) >> 1",
  },
  {
    name: "krealloc that fails frees",
    clause: "HEAP-13",
    find: "  if (target == 0) return 0;\n",
    replace: `  if (target == 0) {
    kfree(source);
    return 0;
  }
`,
  },
  {
    name: "krealloc to no bytes keeps the block",
    clause: "HEAP-13",
    find: "    kfree(ptr);\n    return 0;",
    replace: "    return 0;",
  },
  {
    name: "overwritten headers are believed",
    clause: "HEAP-14",
    find: '  if (!fits(block)) return refuse(caller, ptr, cstr(" has a damaged header\\n"));\n',
    replace: "",
  },
  {
    name: "the list of blocks calls used blocks free",
    clause: "HEAP-15",
    find: '" bytes used\\n| bytes free\\n"',
    replace: '" bytes free\\n| bytes used\\n"',
  },
  {
    name: "heap statistics count a header too many",
    clause: "HEAP-15",
    also: ["MAIN-3", "MAIN-4"],
    find: "writeDecimal(usedSize);",
    replace: "writeDecimal(usedSize + HEADER_SIZE);",
  },
  {
    name: "coalescing takes used blocks for free ones",
    clause: "HEAP-16",
    also: ["SHADOW-4"],
    find: "next != 0 && isFree(block) && isFree(next)) {\n      unlinkFree(block);",
    replace: "next != 0 && isFree(next)) {\n      if (isFree(block)) unlinkFree(block);",
  },
]);
