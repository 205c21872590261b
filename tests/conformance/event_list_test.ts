import { assertEquals, assertThrows } from "@std/assert";
import { chosen, findFunctions, lineKinds, parseEvents } from "../../conformance/event_list.ts";
import { SymbolTable } from "../../machine/elf.ts";

const symbols = new SymbolTable(
  ["pmm_init", "pmm_alloc_page", "kmalloc", "serial", "my_alloc"].map((name, i) => ({
    ...{ name, address: 0x100000 + 16 * i, bytes: 16, type: 2, global: true },
  })).concat({ name: "pmm_bitmap", address: 0x200000, bytes: 4, type: 1, global: true }),
);

function read(list: string): [string[], string[]] {
  const { kinds, functions } = parseEvents(list);
  return [[...kinds], functions.map(({ pattern }) => pattern)];
}

Deno.test("parseEvents takes names behind call= up to the next kind [EVENT-LIST-1]", () => {
  assertEquals(read("serial,call=kmalloc,kfree,screen"), [["serial", "screen"], [
    "kmalloc",
    "kfree",
  ]]);
  assertEquals(read("call=a,call=serial,b"), [[], ["a", "serial", "b"]]);
  assertEquals(read(Object.keys(lineKinds).join()), [Object.keys(lineKinds), []]);
});

Deno.test("findFunctions finds names and beginnings, and misses none silently [EVENT-LIST-2]", () => {
  const names = (list: string) => findFunctions(parseEvents(list), symbols).names;
  assertEquals(names("call=pmm_*,kmalloc"), ["pmm_init", "pmm_alloc_page", "kmalloc"]);
  assertEquals(names("call=*").length, 5);
  assertThrows(() => names("call=kfree"), SyntaxError, "the image has no function kfree");
  assertThrows(() => names("call=heap_*"), SyntaxError, "no function heap_*");
});

Deno.test("findFunctions gives the shapes that the list gives [EVENT-LIST-3]", () => {
  const shapes = (list: string) => findFunctions(parseEvents(list), symbols).signatures;
  assertEquals(shapes("call=my_alloc/2,kmalloc"), { my_alloc: { parameters: 2, result: true } });
  assertEquals(shapes("call=my_alloc/0/void"), { my_alloc: { parameters: 0, result: false } });
});

Deno.test("parseEvents names what is none of its items [EVENT-LIST-4]", () => {
  for (const item of ["seriel", "", "call=", "call=a/b", "call=9", "toString", "call=a b"]) {
    const name = item.replace("call=", "");
    assertThrows(
      () => parseEvents(`serial,${item}`),
      SyntaxError,
      `"${name}" is no kind of events`,
    );
  }
});

Deno.test("chosen tells which lines a list chooses [EVENT-LIST-5]", () => {
  const choice = parseEvents("port,blocks,call=pmm_*");
  const wanted = (kind: string, symbol = "") => chosen(choice, kind, symbol);
  assertEquals(["in", "out", "block", "stage", "stop"].map((kind) => wanted(kind)), [
    ...[true, true, true, true, true],
  ]);
  assertEquals(["serial", "note", "mapping"].map((kind) => wanted(kind)), [false, false, false]);
  assertEquals([wanted("call", "pmm_init"), wanted("return", "kfree")], [true, false]);
});
