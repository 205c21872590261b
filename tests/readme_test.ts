import { assert, assertEquals } from "@std/assert";
import { boot } from "../mod.ts";

const ROOT = new URL("../", import.meta.url);
const readme = await Deno.readTextFile(new URL("README.md", ROOT));

Deno.test("README shows the screen as a boot leaves it", async () => {
  const machine = boot(await Deno.readFile(new URL("fixtures/kernel.elf", ROOT)));
  machine.run({ until: "idle", budget: 100_000_000 });
  assertEquals(readme.match(/```\n([^`]*)\n```/)?.[1], machine.screen.text.trimEnd());
});

Deno.test("README names tasks that exist", async () => {
  const { tasks } = JSON.parse(await Deno.readTextFile(new URL("deno.json", ROOT)));
  const names = [...readme.matchAll(/task ([a-z:]+)/g)].map(([, name]) => name);
  assert(names.length > 5);
  assertEquals(names.filter((name) => !(name in tasks)), []);
});

Deno.test("README names files that exist", async () => {
  const paths = [...readme.matchAll(/`([a-z]+\/[a-z_./]*)`/g)].map(([, path]) => path);
  assert(paths.length > 10);
  for (const path of paths) await Deno.stat(new URL(path, ROOT));
});
