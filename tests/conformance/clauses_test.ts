import { assertEquals } from "@std/assert";
import { readClauses } from "../../cli/clauses.ts";
import { checks } from "../../conformance/checks/all.ts";
import { clauses } from "../../conformance/clauses.ts";
import { clausesModule, clausesOf } from "../../conformance/specification.ts";
import { uncheckable } from "../../conformance/uncheckable.ts";

Deno.test("clauses.ts is current: if not, run deno task clauses [CLAUSES-1]", async () => {
  const path = new URL("../../conformance/clauses.ts", import.meta.url);
  assertEquals(await Deno.readTextFile(path), clausesModule(await readClauses()));
});

Deno.test("A clause is a list item with its id in bold [CLAUSES-2]", () => {
  const text = `# Title\n\nSee **HEAP-3**.\n\n- **X-1** One, e.g. this:\n  and more. Then.\n` +
    "- other\n- **X-Y-22** `two` sizes.\n";
  const [one, two, ...more] = clausesOf(text, "specs/x.md");
  assertEquals(one, {
    id: "X-1",
    text: "One, e.g. this: and more. Then.",
    sentence: "One, e.g. this: and more.",
    file: "specs/x.md",
  });
  assertEquals([two.id, two.sentence, more.length], ["X-Y-22", "`two` sizes.", 0]);
});

Deno.test("Every clause has a check or a reason why not [CLAUSES-3]", () => {
  const checked = new Set(checks.flatMap((check) => check.clauses));
  const ids = clauses.map(({ id }) => id);
  assertEquals(ids.filter((id) => !checked.has(id) && !uncheckable.has(id)), []);
  assertEquals(ids.filter((id) => checked.has(id) && uncheckable.has(id)), []);
  assertEquals([...uncheckable.keys()].filter((id) => !ids.includes(id)), []);
});
