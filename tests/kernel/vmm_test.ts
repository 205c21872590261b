import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { bootGuest, type Guest, wordBytes } from "./guest.ts";
import { replayGolden } from "./traces.ts";

const PRESENT = 1, WRITABLE = 2, USER = 4;
const MB = 0x100000, PAGE = 4096;
const FREE_SPACE = 0x10000000; // any address between kernel space and the window
const WINDOW = 0xffc00000;

const current = (guest: Guest): number => guest.word(guest.address("current_page_directory"));
const free = (guest: Guest): number => guest.call("pmm_get_free_pages");
const used = (word: number): boolean => (word & PRESENT) !== 0;

/** Takes frames until the PMM gives one above 4 MB, beyond the identity map. */
function allocateAbove4MB(guest: Guest): number {
  for (;;) {
    const page = guest.call("pmm_alloc_page");
    if (page >= 4 * MB) return page;
  }
}

Deno.test("Paging is on with write protection for the kernel [VMM-1]", () => {
  const guest = bootGuest();
  const { cr0, cr3 } = guest.control();
  assertEquals(cr0 & 0x80010000, 0x80010000 | 0);
  assertEquals(cr3, current(guest));
});

Deno.test("0-4 MB is mapped to itself, constants read-only [VMM-2] [VMM-3] [VMM-14]", () => {
  const guest = bootGuest();
  const check = () => {
    const start = guest.address("kernel_start"), end = guest.address("kernel_readonly_end");
    for (let address = 0; address < 4 * MB; address += PAGE) {
      const isConstant = address >= start && address < end;
      const entry = guest.mapping(address);
      assertEquals(entry & ~0x60, address | PRESENT | (isConstant ? 0 : WRITABLE));
    }
  };
  check();
  guest.call("vmm_identity_map_kernel", current(guest));
  check();
});

Deno.test("A write to the kernel's code is a page fault [VMM-3]", () => {
  const guest = bootGuest();
  const target = guest.address("kmalloc");
  const report = guest.fate(() => guest.runCode([0xa2, ...wordBytes(target)])); // mov [kmalloc], al
  assertMatch(report, /write from the kernel, protection violation/);
});

Deno.test("vmm_map_page maps, replaces, and the processor sees it [VMM-4] [VMM-7]", () => {
  const guest = bootGuest();
  const directory = current(guest);
  const [a, b] = [guest.call("pmm_alloc_page"), guest.call("pmm_alloc_page")];
  assertEquals(guest.call("vmm_map_page", directory, FREE_SPACE + 5, a, WRITABLE), 1);
  guest.setWord(FREE_SPACE, 0x11111111);
  assertEquals(guest.physWord(a), 0x11111111);
  assertEquals(guest.call("vmm_get_physical_address", directory, FREE_SPACE + 0x123), a + 0x123);
  assertEquals(guest.call("vmm_map_page", directory, FREE_SPACE, b, PRESENT), 1);
  assertEquals(guest.call("vmm_get_physical_address", directory, FREE_SPACE), b);
  assertEquals(guest.mapping(FREE_SPACE) & 7, PRESENT);
  // through the processor: the guest reads the new frame, not a stale translation
  guest.setPhysWord(b, 0x22222222);
  assertEquals(guest.runCode([0xa1, ...wordBytes(FREE_SPACE), 0xc3]), 0x22222222);
});

Deno.test("vmm_map_page without memory for a table changes nothing [VMM-5]", () => {
  const guest = bootGuest();
  guest.drain(0);
  assertEquals(guest.call("vmm_map_page", current(guest), FREE_SPACE, 0x5000, WRITABLE), 0);
  assertEquals(guest.call("vmm_is_page_present", current(guest), FREE_SPACE), 0);
  assertEquals(guest.call("vmm_create_page_directory"), 0);
  assertEquals(guest.call("vmm_map_page", current(guest), 0xb00000, 0x5000, WRITABLE), 1); // has one
});

Deno.test("vmm_unmap_page removes the mapping and keeps the frame [VMM-6] [VMM-7]", () => {
  const guest = bootGuest();
  const directory = current(guest);
  const page = guest.call("pmm_alloc_page");
  guest.call("vmm_map_page", directory, FREE_SPACE, page, WRITABLE);
  assertEquals(guest.call("vmm_is_page_present", directory, FREE_SPACE), 1);
  assertEquals(guest.call("vmm_unmap_page", directory, FREE_SPACE), 1);
  assertEquals(guest.call("vmm_is_page_present", directory, FREE_SPACE), 0);
  assertEquals(guest.call("vmm_get_physical_address", directory, FREE_SPACE), 0);
  assertEquals(guest.call("vmm_unmap_page", directory, FREE_SPACE), 0);
  assertEquals(guest.call("pmm_free_page", page), 1);
  assertMatch(
    guest.fate(() => guest.runCode([0xa1, ...wordBytes(FREE_SPACE)])),
    /page not present/,
  );
});

Deno.test("vmm_map_page refuses to expose or break the kernel [VMM-8]", () => {
  const guest = bootGuest();
  const directory = current(guest);
  const refused = [
    [directory, 0x1000, 0x1000, WRITABLE | USER],
    [directory, 0xbff000, 0x1000, USER],
    [directory, WINDOW, 0x1000, WRITABLE],
    [0, FREE_SPACE, 0x1000, WRITABLE],
    [directory + 4, FREE_SPACE, 0x1000, WRITABLE],
    [0x5000, FREE_SPACE, 0x1000, WRITABLE],
  ];
  const before = [free(guest), ...guest.pageTable(directory)];
  for (const request of refused) {
    const line = guest.said(() => assertEquals(guest.call("vmm_map_page", ...request), 0));
    assertMatch(line, /^vmm_map_page: refused for 0x[0-9a-f]{8}\n$/);
  }
  assertEquals([free(guest), ...guest.pageTable(directory)], before);
});

Deno.test("Tables and directories may lie above 4 MB [VMM-9]", () => {
  const guest = bootGuest();
  allocateAbove4MB(guest);
  const directory = guest.call("vmm_create_page_directory");
  assert(directory >= 4 * MB);
  for (const dir of [directory, current(guest)]) {
    assertEquals(guest.call("vmm_map_page", dir, FREE_SPACE, 0x5000, WRITABLE), 1);
    assertEquals(guest.call("vmm_get_physical_address", dir, FREE_SPACE + 1), 0x5001);
    const table = guest.physWord(dir + (FREE_SPACE >>> 22) * 4) & ~0xfff;
    assert(table >= 4 * MB);
    assertEquals(guest.physWord(table) & ~0xfff, 0x5000);
  }
});

Deno.test("A table goes back to the PMM with its last page [VMM-10]", () => {
  const guest = bootGuest();
  const directory = current(guest), before = free(guest);
  for (const page of [0, 1]) {
    guest.call("vmm_map_page", directory, FREE_SPACE + page * PAGE, 0x5000, WRITABLE);
  }
  assertEquals(free(guest), before - 1);
  guest.call("vmm_unmap_page", directory, FREE_SPACE);
  assertEquals(free(guest), before - 1);
  guest.call("vmm_unmap_page", directory, FREE_SPACE + PAGE);
  assertEquals(free(guest), before);
  assertEquals(guest.physWord(directory + (FREE_SPACE >>> 22) * 4), 0);
});

Deno.test("A new directory has the kernel's mappings and nothing else [VMM-11]", () => {
  const guest = bootGuest();
  guest.call("vmm_map_page", current(guest), FREE_SPACE, 0x5000, WRITABLE | USER);
  const directory = guest.call("vmm_create_page_directory");
  const present = guest.pageTable(directory).map(used);
  assertEquals(present.flatMap((isPresent, n) => isPresent ? [n] : []), [0, 1, 2, 1023]);
  assertEquals(guest.call("heap_expand", 7 * MB), 1);
  for (const address of [0x1000, 4 * MB, 12 * MB - PAGE]) {
    assertNotEquals(guest.call("vmm_get_physical_address", directory, address), 0);
    assertEquals(
      guest.call("vmm_get_physical_address", directory, address),
      guest.call("vmm_get_physical_address", current(guest), address),
    );
  }
});

Deno.test("vmm_switch_page_directory changes the address space [VMM-12]", () => {
  const guest = bootGuest();
  const first = current(guest), second = guest.call("vmm_create_page_directory");
  guest.call("vmm_map_page", second, FREE_SPACE, 0x5000, WRITABLE);
  assertEquals(guest.call("vmm_is_page_present", first, FREE_SPACE), 0);
  guest.call("vmm_switch_page_directory", second);
  assertEquals([guest.control().cr3, current(guest)], [second, second]);
  assertNotEquals(guest.call("kmalloc", 100), 0); // the heap is there as well
  for (const bad of [0, second + 1, 0x5000]) {
    assertMatch(guest.said(() => guest.call("vmm_switch_page_directory", bad)), /refused/);
  }
  assertEquals([guest.control().cr3, current(guest)], [second, second]);
});

Deno.test("Directory entries allow user mode only where a user page is [VMM-13]", () => {
  const guest = bootGuest();
  const directory = current(guest), entry = FREE_SPACE >>> 22;
  const userEntries = () =>
    guest.pageTable(directory).flatMap((word, n) => (word & USER) !== 0 ? [n] : []);
  guest.call("vmm_map_page", directory, FREE_SPACE, 0x5000, WRITABLE);
  assertEquals(userEntries(), []);
  guest.call("vmm_map_page", directory, FREE_SPACE + PAGE, 0x6000, USER);
  assertEquals(userEntries(), [entry]);
  assertEquals(guest.mapping(FREE_SPACE) & USER, 0);
});

Deno.test("The VMM replays its golden trace", async () => {
  const { golden, trace } = await replayGolden("vmm");
  assertEquals(trace, golden);
});
