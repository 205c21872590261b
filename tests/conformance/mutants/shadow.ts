/** Planted defects in the use of the heap: each leaves everything else as it was. */
import { type Mutant, mutantsOf } from "./patch.ts";

/** Defects that only a shadow of the heap shows. */
export const shadow: readonly Mutant[] = [
  ...mutantsOf("kernel/main.ts", [
    {
      name: "the demonstration writes one byte behind its allocation",
      clause: "SHADOW-1",
      find: "  const second = showAllocation",
      replace:
        "  store<u8>(first + 1024, load<u8>(first + 1024));\n  const second = showAllocation",
    },
    {
      name: "the demonstration reads what it has freed",
      clause: "SHADOW-2",
      find: "  showFree(second);",
      replace:
        "  if (load<u32>(first + 512) == 0x12345678) terminal_putchar(0x21);\n  showFree(second);",
    },
    {
      name: "the demonstration reads what nobody wrote",
      clause: "SHADOW-3",
      find: "  const second = showAllocation",
      replace:
        "  if (load<u32>(first) == 0x12345678) terminal_putchar(0x21);\n  const second = showAllocation",
    },
    {
      name: "the demonstration frees twice",
      clause: "SHADOW-5",
      find: "  showFree(third);",
      replace: "  showFree(third);\n  kfree(third);",
    },
  ]),
  ...mutantsOf("kernel/serial.ts", [
    {
      name: "the debug console reads behind the end of a text",
      clause: "SHADOW-1",
      find: "c != 0; c = load<u8>(++text)) debug_putchar(c);",
      replace: "c != 0 || load<u8>(text + 1) == 1; c = load<u8>(++text)) debug_putchar(c);",
    },
  ]),
  ...mutantsOf("kernel/heap.ts", [
    {
      name: "kfree writes to the allocation above, what was there",
      clause: "SHADOW-4",
      find: "  usedSize -= blockSize(block);\n  mergeAndLink(block);",
      replace: `  const above = load<usize>(block + NEXT);
  if (above != 0) store<u8>(above + HEADER_SIZE, load<u8>(above + HEADER_SIZE));
  usedSize -= blockSize(block);
  mergeAndLink(block);`,
    },
  ]),
];
