/** Planted defects in what the loader told, page frames and page tables. */
import { type Mutant, mutantsOf } from "./patch.ts";

const multiboot = mutantsOf("kernel/multiboot.ts", [
  {
    name: "entries of the memory map have 20 bytes",
    clause: "KERNEL-MULTIBOOT-1",
    find: "region + load<u32>(region + REGION_SIZE) + 4",
    replace: "region + 24",
  },
  {
    name: "reserved is only what has type 2",
    clause: "KERNEL-MULTIBOOT-1",
    find: "load<u32>(region + REGION_TYPE) == AVAILABLE",
    replace: "load<u32>(region + REGION_TYPE) != 2",
  },
  {
    name: "upper memory counted in pages",
    clause: "KERNEL-MULTIBOOT-2",
    find: "load<u32>(info + MEM_UPPER) << 10",
    replace: "load<u32>(info + MEM_UPPER) << 12",
  },
  {
    name: "without any information 32 MB are taken for granted",
    clause: "KERNEL-MULTIBOOT-2",
    find: "if ((flags & HAS_MEMORY_SIZE) == 0) return 0;",
    replace: "if ((flags & HAS_MEMORY_SIZE) == 0) store<u32>(info + MEM_UPPER, 31 << 10);",
  },
  {
    name: "an available region begins with a frame that it only touches",
    clause: "KERNEL-MULTIBOOT-3",
    also: ["PMM-4"],
    find: "isAvailable(region) ? frameAbove(base) : base >> PAGE_SHIFT",
    replace: "base >> PAGE_SHIFT",
  },
  {
    name: "a module's last, partial frame is free",
    clause: "KERNEL-MULTIBOOT-3",
    also: ["PMM-4"],
    find: "return frameAbove(load<u32>(moduleEntry(info, n) + 4));",
    replace: "return load<u32>(moduleEntry(info, n) + 4) >> PAGE_SHIFT;",
  },
  {
    name: "memory beyond 4 GB counts from 0",
    clause: "KERNEL-MULTIBOOT-4",
    find: "if (load<u32>(region + REGION_BASE + 4) != 0) return FRAME_LIMIT;",
    replace: "",
  },
]);

const pmm = mutantsOf("kernel/pmm.ts", [
  {
    name: "an available region wins over a reserved one",
    clause: "KERNEL-MULTIBOOT-5",
    also: ["KERNEL-MULTIBOOT-3", "PMM-4"],
    find: "if (!isAvailable(region)) reserve(",
    replace: "if (!isAvailable(region) && regionStart(region) == 0) reserve(",
  },
  {
    name: "32 MB whatever the loader says",
    clause: "PMM-1",
    also: [1, 2, 3, 4, 5].map((n) => `KERNEL-MULTIBOOT-${n}`),
    find: "totalPages && start < end) totalPages = end;",
    replace: "totalPages && start < end) totalPages = 8192;",
  },
  {
    name: "used pages are one less",
    clause: "PMM-2",
    also: ["PMM-9"],
    find: "return totalPages - freePages;",
    replace: "return totalPages - freePages - 1;",
  },
  {
    name: "every 32nd freed page is not counted",
    clause: "PMM-3",
    also: ["PMM-7", "HEAP-12", "VMM-10"],
    find: "  freePages++;\n  hint",
    replace: "  if ((frame & 31) != 0) freePages++;\n  hint",
  },
  {
    name: "a freed page is counted and kept",
    clause: "PMM-7",
    also: ["PMM-3", "PMM-5", "PMM-6", "PMM-8", "HEAP-12", "VMM-5", "VMM-10"],
    find: "  setBit(used, frame, false);\n  freePages++;\n  hint",
    replace: "  freePages++;\n  hint",
  },
  {
    name: "low memory is free",
    clause: "PMM-4",
    also: ["PMM-8"],
    find: "FIRST_MB: u32 = 256",
    replace: "FIRST_MB: u32 = 1",
  },
  {
    name: "boot modules are free",
    clause: "PMM-4",
    also: ["KERNEL-MULTIBOOT-3"],
    find: "n < moduleCount(info); n++",
    replace: "n < min(moduleCount(info), 0); n++",
  },
  {
    name: "pages freed below the search are lost",
    clause: "PMM-6",
    also: ["PMM-5", "PMM-7", "HEAP-12"],
    find: "  hint = min(hint, wordOf(frame));\n",
    replace: "",
  },
  {
    name: "exhausted memory gives an address",
    clause: "PMM-6",
    also: [
      ...["KERNEL-MULTIBOOT-2", "KERNEL-MULTIBOOT-3"], // seen by what can be allocated
      ...["HEAP-3", "HEAP-4", "HEAP-8", "HEAP-10", "HEAP-12", "HEAP-13"],
      ...["PMM-4", "PMM-5", "PMM-7", "PMM-8", "VMM-5", "VMM-11"],
    ],
    find: "if (hint >= end) return 0;",
    replace: "if (hint >= end) return <usize> totalPages << PAGE_SHIFT;",
  },
  {
    name: "every freed page moves the search up to itself",
    clause: "PMM-6",
    also: ["PMM-5", "PMM-7"],
    find: "hint = min(hint, wordOf(frame));",
    replace: "hint = wordOf(frame);",
  },
  {
    name: "reserved pages may be freed",
    clause: "PMM-8",
    find: 'if (isSet(reserved, frame)) return refuse(addr, cstr("reserved"));',
    replace: "",
  },
  {
    name: "an unaligned address frees its page",
    clause: "PMM-8",
    find: 'if ((addr & (PAGE_SIZE - 1)) != 0) return refuse(addr, cstr("not page aligned"));',
    replace: "",
  },
  {
    name: "a page may be freed twice",
    clause: "PMM-8",
    also: ["PMM-2", "PMM-3"],
    find: 'if (!isSet(used, frame)) return refuse(addr, cstr("already free"));',
    replace: "",
  },
  {
    name: "statistics call every page free",
    clause: "PMM-9",
    find: "writeDecimal(freePages);",
    replace: "writeDecimal(totalPages);",
  },
]);

const vmm = mutantsOf("kernel/vmm.ts", [
  {
    name: "the last page below 4 MB is missing",
    clause: "VMM-2",
    also: ["VMM-14"],
    find: "IDENTITY_PAGES: u32 = 1024",
    replace: "IDENTITY_PAGES: u32 = 1023",
  },
  {
    name: "the kernel's code is writable",
    clause: "VMM-3",
    also: ["VMM-14"],
    find: "isConstant ? PRESENT : PRESENT | WRITABLE",
    replace: "PRESENT | WRITABLE",
  },
  {
    name: "the first page of code is writable",
    clause: "VMM-3",
    also: ["VMM-14"],
    find: "address >= kernel_start()",
    replace: "address > kernel_start()",
  },
  {
    name: "a changed mapping is not seen at once",
    clause: "VMM-4",
    find: "(flags & FLAGS) | PRESENT);\n  invlpg(virt);",
    replace: "(flags & FLAGS) | PRESENT);",
  },
  {
    name: "user pages are the kernel's",
    clause: "VMM-4",
    find: "(flags & FLAGS) | PRESENT",
    replace: "(flags & WRITABLE) | PRESENT",
  },
  {
    name: "every page is writable",
    clause: "VMM-4",
    also: ["VMM-3", "VMM-14"],
    find: "(flags & FLAGS) | PRESENT",
    replace: "(flags & FLAGS) | PRESENT | WRITABLE",
  },
  {
    name: "no memory for a table is called success",
    clause: "VMM-5",
    find: "if (entry == 0) return 0;\n  store<u32>(entry, (phys",
    replace: "if (entry == 0) return 1;\n  store<u32>(entry, (phys",
  },
  {
    name: "an unmapped page can still be read",
    clause: "VMM-6",
    find: "store<u32>(entry, 0);\n  invlpg(virt);",
    replace: "store<u32>(entry, 0);",
  },
  {
    name: "unmapping frees the frame",
    clause: "VMM-6",
    also: ["VMM-10", "HEAP-12"],
    find: "store<u32>(entry, 0);\n  invlpg(virt);",
    replace: "pmm_free_page(load<u32>(entry) & ~OFFSET);\n  store<u32>(entry, 0);\n  invlpg(virt);",
  },
  {
    name: "a translation loses its offset",
    clause: "VMM-7",
    find: "<usize> (entry & ~OFFSET) | (virt & OFFSET)",
    replace: "<usize> (entry & ~OFFSET)",
  },
  {
    name: "presence is that in the present directory",
    clause: "VMM-7",
    also: ["VMM-6", "VMM-9", "VMM-10", "VMM-11", "VMM-12"], // unmapping asks for it first
    find: "return pageEntry(dir, virt) & PRESENT;",
    replace: "return pageEntry(current_page_directory, virt) & PRESENT;",
  },
  {
    name: "user pages in kernel space",
    clause: "VMM-8",
    also: ["VMM-13", "VMM-2"],
    find: "if (!isDirectory(dir) || virt >= WINDOW || exposesKernel)",
    replace: "if (!isDirectory(dir) || virt >= WINDOW)",
  },
  {
    name: "tables are taken for mapped where they lie",
    clause: "VMM-9",
    also: ["VMM-4", "VMM-5", "VMM-6", "VMM-7", "VMM-8", "VMM-10", "VMM-11", "VMM-12"],
    find: "if (!pagingIsOn) return frame;",
    replace: "if (!pagingIsOn || frame != 0) return frame;",
  },
  {
    name: "empty tables are kept",
    clause: "VMM-10",
    find: "  if (virt >= KERNEL_SPACE_END) freeTableIfEmpty(dir, virt, entry & ~OFFSET);\n",
    replace: "",
  },
  {
    name: "a new directory lacks the heap's second half",
    clause: "VMM-11",
    also: ["VMM-12", "VMM-14"],
    find: "n < KERNEL_TABLES; n++) {\n    const entry",
    replace: "n < KERNEL_TABLES - 1; n++) {\n    const entry",
  },
  {
    name: "a new directory inherits the present one's mappings",
    clause: "VMM-11",
    also: ["VMM-9", "VMM-10", "VMM-13"], // two directories own one table
    find: "n < KERNEL_TABLES; n++) {\n    const entry",
    replace: "n < ENTRIES - 1; n++) {\n    const entry",
  },
  {
    name: "a switch forgets CR3",
    clause: "VMM-12",
    also: ["VMM-1"],
    find: "  vmm_load_page_directory(dir);\n  current_page_directory = dir;",
    replace: "  current_page_directory = dir;",
  },
  {
    name: "a switch takes any address",
    clause: "VMM-12",
    find: 'if (!isDirectory(dir)) return refuse(cstr("vmm_switch_page_directory"), dir);',
    replace: "",
  },
  {
    name: "every directory entry lets user mode pass",
    clause: "VMM-13",
    also: ["VMM-2"],
    find: "entry |= create | WRITABLE;",
    replace: "entry |= create | WRITABLE | USER;",
  },
  {
    name: "a second identity map changes nothing",
    clause: "VMM-14",
    find: "    vmm_map_page(dir, address, address, isConstant",
    replace: `    if (vmm_is_page_present(dir, address) != 0) continue;
    vmm_map_page(dir, address, address, isConstant`,
  },
]);

/** Defects of multiboot, pmm and vmm. */
export const memory: readonly Mutant[] = [...multiboot, ...pmm, ...vmm];
