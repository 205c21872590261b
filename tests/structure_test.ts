import { assertEquals, assertNotEquals } from "@std/assert";
import { importsOf, moduleGraph, readTree, RULES, type Tree, unpaired } from "./structure.ts";

for (const [rule, check] of Object.entries(RULES)) {
  Deno.test(rule, async () => assertEquals(check(await readTree()), []));
}

/** A small project without fault, with `changes` laid over it; undefined takes a file away. */
function project(changes: Record<string, string | undefined> = {}): Tree {
  const files: Record<string, string | undefined> = {
    "deno.json": `{ "tasks": { "test": "deno test --allow-read" } }`,
    "mod.ts": `export { boot } from "./machine/boot.ts";`,
    "cli/boot.ts": `import { boot } from "../mod.ts";\nDeno.exit(boot());`,
    "cli/run.ts": `import "./boot.ts";`,
    "machine/boot.ts": `import type { Chip } from "../devices/chip.ts"; // CHIP-1`,
    "devices/chip.ts": `export type Chip = 1;`,
    ...paired("machine/boot", "BOOT"),
    ...paired("devices/chip", "CHIP"),
    ...changes,
  };
  return new Map(
    Object.entries(files).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}

function paired(stem: string, name: string): Record<string, string> {
  return {
    [`specs/${stem}.md`]: `# A module\n\n- **${name}-1** It works.\n`,
    [`tests/${stem}_test.ts`]: `Deno.test("It works [${name}-1]", () => {});`,
    [`fixtures/${stem}.trace`]: "# claudeos-trace 1\n",
  };
}

const faults: [
  fault: string,
  rule: keyof typeof RULES,
  changes: Record<string, string | undefined>,
][] = [
  [
    "a module without a specification",
    "Every module has a specification, a test and a golden trace",
    { "devices/new.ts": "" },
  ],
  [
    "a module without a trace",
    "Every module has a specification, a test and a golden trace",
    { "fixtures/devices/chip.trace": undefined },
  ],
  [
    "a specification without a module",
    "Every specification has its module",
    { "specs/cpu/old.md": "- **OLD-1** It was." },
  ],
  [
    "a clause with another file's name",
    "Every clause is named after its file and defined once",
    { "specs/devices/chip.md": "- **CHOP-1** It works." },
  ],
  [
    "a clause that is defined twice",
    "Every clause is named after its file and defined once",
    { "specs/devices/chip.md": "- **CHIP-1** It works.\n- **CHIP-1** It does not." },
  ],
  [
    "a clause without a test",
    "Every clause is cited by a test",
    { "specs/devices/chip.md": "- **CHIP-1** It works.\n- **CHIP-2** It lasts." },
  ],
  [
    "a clause that only a comment cites",
    "Every clause is cited by a test",
    { "tests/devices/chip_test.ts": `Deno.test("It works", () => {}); // [CHIP-1]` },
  ],
  [
    "a test of a clause that does not exist",
    "Every cited clause exists",
    { "tests/devices/chip_test.ts": `Deno.test("It works [CHIP-1, CHAP-2]", () => {});` },
  ],
  [
    "a comment with a wrong number",
    "Every cited clause exists",
    { "devices/chip.ts": "// CHIP-7" },
  ],
  [
    "a device that imports the machine",
    "Imports follow the arrows of the design",
    { "devices/chip.ts": `import { boot } from "../machine/boot.ts";` },
  ],
  [
    "a machine that imports the kernel",
    "Imports follow the arrows of the design",
    { "machine/boot.ts": `export * from "../kernel/pic.ts";`, "kernel/pic.ts": "" },
  ],
  [
    "a device that imports a package",
    "Imports follow the arrows of the design",
    { "devices/chip.ts": `import fc from "npm:fast-check@4";` },
  ],
  [
    "an import of a file that does not exist",
    "Imports follow the arrows of the design",
    { "machine/boot.ts": `import "../devices/chop.ts";` },
  ],
  [
    "a package in the graph of boot",
    "Booting needs no package",
    { "devices/chip.ts": `import fc from "npm:fast-check@4";` },
  ],
  [
    "a device that reads a file",
    "Only cli, bench and tests use Deno's API",
    { "devices/chip.ts": "export const text = Deno.readTextFileSync;" },
  ],
  ["a folder for anything", "Folders are named after what is in them", {
    "machine/utils/x.ts": "",
  }],
  [
    "a task with every permission",
    "Tasks ask for the permissions that they need",
    { "deno.json": `{ "tasks": { "test": { "command": "deno test -A" } } }` },
  ],
  [
    "a path of one machine",
    "No file names a place of one machine",
    { "README.md": `Look into /home/${"me"}/kernel.` },
  ],
];

Deno.test("Rules find nothing in a project that keeps them", () => {
  for (const check of Object.values(RULES)) {
    const problems = check(project()).filter((problem) => !problem.includes("exemption"));
    assertEquals(problems, []);
  }
});

for (const [fault, rule, changes] of faults) {
  Deno.test(`Rules find ${fault}`, () => {
    const problems = RULES[rule](project(changes)).filter((text) => !text.includes("exemption"));
    assertNotEquals(problems, []);
  });
}

Deno.test("unpaired finds exemptions that nobody needs any more", () => {
  assertEquals(unpaired(project()).every((problem) => problem.includes("is of no use")), true);
});

Deno.test("importsOf reads every form of import", () => {
  const source = `
    import a from "./a.ts";
    import {
      b,
    } from "./b.ts";
    import type { C } from "./c.ts";
    import "./d.ts";
    export * from './e.ts';
    const f = await import("./f.ts");
    /** import "./not.ts" */
    const text = "./not.ts";`;
  assertEquals(importsOf(source), ["./a.ts", "./b.ts", "./c.ts", "./d.ts", "./e.ts", "./f.ts"]);
});

Deno.test("moduleGraph follows imports of imports", () => {
  assertEquals(moduleGraph(project(), "cli/run.ts").files.sort(), [
    "cli/boot.ts",
    "cli/run.ts",
    "devices/chip.ts",
    "machine/boot.ts",
    "mod.ts",
  ]);
});
