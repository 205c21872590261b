import { assertEquals } from "@std/assert";
import { checks } from "../../../conformance/checks/boot.ts";
import { build, expectCorrectKernelsPass, failed, overwritten, retold } from "./planted.ts";

const RET = 0xc3;

Deno.test("Correct kernels pass the checks of the boot", () => expectCorrectKernelsPass(checks));

const texts: readonly (readonly [find: string, replace: string, clauses: string[]])[] = [
  ["[ OK ] ", "[DONE] ", ["MAIN-1"]],
  ["Heap: \0", "Pile: \0", ["MAIN-1"]],
  ["System Complete!", "System complete!", ["MAIN-5"]],
  ["Serial: COM1 failed", "The parallel printer", ["MAIN-6"]],
];

for (const [find, replace, clauses] of texts) {
  const text = replace.slice(0, find.length).padEnd(find.length);
  Deno.test(`A kernel that says ${JSON.stringify(text)} fails ${clauses}`, async () => {
    assertEquals(await failed(checks, retold(find, text)), clauses);
  });
}

// mov edx, 300h; in al, dx
const readsEmptyPort = [0xba, 0x00, 0x03, 0, 0, 0xec, RET];
// movzx eax, byte [95000h]; or al, 40h; and al, 5Fh; mov dx, 3F8h; out dx, al
const printsOldMemory = [
  ...[0x0f, 0xb6, 0x05, 0x00, 0x50, 0x09, 0, 0x0c, 0x40, 0x24, 0x5f],
  ...[0x66, 0xba, 0xf8, 0x03, 0xee, RET],
];
// mov dx, 20h; mov al, 1Ah; out dx, al: ICW1 without ICW4
const programsPicWrongly = [0x66, 0xba, 0x20, 0, 0xb0, 0x1a, 0xee, RET];

const codes: readonly (readonly [what: string, code: number[], clauses: string[]])[] = [
  ["reads an empty port", readsEmptyPort, ["MAIN-7"]],
  ["programs the PIC in a reserved way", programsPicWrongly, ["MAIN-7"]],
  ["prints what RAM held before", printsOldMemory, ["MAIN-2"]],
];

for (const [what, code, clauses] of codes) {
  Deno.test(`A kernel that ${what} fails ${clauses}`, async () => {
    assertEquals(await failed(checks, overwritten(["heap_dump_stats", code])), clauses);
  });
}

Deno.test("A kernel that never waits fails by what it has not done", async () => {
  const image = overwritten(["heap_dump_stats", [0x0f, 0x0b]]); // ud2
  assertEquals(await failed(checks, image), ["MAIN-5", "MAIN-7"]);
});

Deno.test("A kernel that panics on its way fails by what it has not done", async () => {
  const image = overwritten(["kcalloc", [0x31, 0xc0, RET]]); // xor eax, eax; ret
  assertEquals(await failed(checks, image), ["MAIN-5"]);
});

Deno.test("A demonstration that frees less than it allocated fails MAIN-3", async () => {
  const patch = { file: "kernel/main.ts", find: "  showFree(second);\n", replace: "" };
  assertEquals(await failed(checks, await build(patch)), ["MAIN-3"]);
});
