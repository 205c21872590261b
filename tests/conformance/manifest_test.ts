import { assertEquals, assertThrows } from "@std/assert";
import { ManifestError, noManifest, parseManifest } from "../../conformance/manifest.ts";

const ABSENT = `HEAP-${999}`; // no clause
const has = (symbol: string): boolean => symbol !== "absent";
const parse = (text: string) => parseManifest(text, "my.json", has);

Deno.test("names maps public names to symbols [MANIFEST-1]", () => {
  const { names } = parse(`{ "names": { "kmalloc": "my_alloc", "kfree": "my_free" } }`);
  assertEquals([...names], [["kmalloc", "my_alloc"], ["kfree", "my_free"]]);
});

Deno.test("lacks is an array, or an object with reasons [MANIFEST-2]", () => {
  assertEquals([...parse(`{"lacks": ["krealloc", "kcalloc"]}`).lacks.keys()], [
    "krealloc",
    "kcalloc",
  ]);
  assertEquals(parse(`{"lacks": {"krealloc": "later"}}`).lacks.get("krealloc"), "later");
});

Deno.test("waive has clauses and reasons, completion a text [MANIFEST-3, MANIFEST-4]", () => {
  const { waive, completion } = parse(
    `{\r\n\t"waive": {"TERMINAL-6": "no \\"scrolling\\" \\u0041"}, "completion": "up"}`,
  );
  assertEquals(waive.get("TERMINAL-6"), 'no "scrolling" A');
  assertEquals(completion, "up");
  assertEquals(parse("{}"), noManifest);
  assertEquals(noManifest.completion, "Day 6 Memory Management System Complete!");
});

const faults: readonly (readonly [text: string, message: string])[] = [
  ["", "1: expected a value, found the end of the file"],
  ["[]", "1: the manifest must be an object in braces"],
  ["{", "1: expected a name in double quotes, found the end of the file"],
  ["{}\n}", "2: expected the end of the file, found }"],
  ['{\n"names": {}\n"waive": {}}', '3: expected "," or "}", found "waive"'],
  ['{\n"names": {},\n}', "3: expected a name in double quotes, found }"],
  ['{\n"names"; 1}', `2: cannot read "; 1}"`],
  ['{"names": {"a": "b\n"}}', `1: cannot read "\\"b"`],
  ['{\n\n"name": {}}', '3: unknown member "name": there are names, waive, lacks, completion'],
  [
    '{\n"__proto__": {}}',
    '2: unknown member "__proto__": there are names, waive, lacks, completion',
  ],
  ['{"names": {},\n"names": {}}', '2: "names" stands twice in the manifest'],
  ['{"names": {"kmalloc": "a",\n"kmalloc": "b"}}', '2: "kmalloc" stands twice in names'],
  ['{"names":\n[]}', "2: names must be an object in braces"],
  ['{"names": {"kmalloc":\n12}}', '2: the value of "kmalloc" must be a text in double quotes'],
  ['{"names": {"kmalloc": ""}}', '1: the value of "kmalloc" must be a text in double quotes'],
  ['{"names": {\n"kmaloc": "a"}}', '2: the ABI has no name "kmaloc"'],
  ['{"names": {"kmalloc":\n"absent"}}', "2: the image has no symbol absent"],
  ['{"lacks": ["kmalloc",\n"kmaloc"]}', '2: the ABI has no name "kmaloc"'],
  ['{"lacks": [true]}', "1: each of lacks must be a text in double quotes"],
  [`{"waive": {\n"${ABSENT}": "x"}}`, `2: no specification has a clause "${ABSENT}"`],
  ['{"waive": {"HEAP-9": null}}', '1: the value of "HEAP-9" must be a text in double quotes'],
  ["[".repeat(100_000), "1: it is nested too deeply"],
  ['{"completion": "a\\q"}', '1: cannot read "a\\q"'],
];

for (const [text, message] of faults) {
  Deno.test(`A manifest is refused: ${message.slice(3)} [MANIFEST-5]`, () => {
    const error = assertThrows(() => parse(text), ManifestError);
    assertEquals(error.message, `my.json:${message}`);
  });
}
