import { assert, assertEquals } from "@std/assert";
import { kernel } from "../machine/images.ts";
import { scratchFile } from "../scratch.ts";

const ROOT = new URL("../../", import.meta.url);
const ABSENT = `HEAP-${99}`; // no clause
const KERNEL = "fixtures/kernel.elf";

interface Outcome {
  code: number;
  out: string;
  err: string;
}

async function conform(...args: string[]): Promise<Outcome> {
  const permissions = ["--allow-read", "--allow-write=.scratch"];
  const { code, stdout, stderr } = await new Deno.Command("deno", {
    args: ["run", "--no-prompt", ...permissions, "cli/conform.ts", ...args],
    cwd: ROOT,
    stdin: "null",
    env: { NO_COLOR: "1" },
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, out: text(stdout), err: text(stderr) };
}

/** Runs `use` with the path of a file that holds `content`. */
async function withFile<T>(
  content: string | Uint8Array<ArrayBuffer>,
  use: (path: string) => Promise<T>,
): Promise<T> {
  const path = await scratchFile();
  try {
    await (typeof content === "string"
      ? Deno.writeTextFile(path, content)
      : Deno.writeFile(path, content));
    return await use(path);
  } finally {
    await Deno.remove(path);
  }
}

Deno.test("conform prints a report, and exits with 0 when nothing failed", async () => {
  const { code, out, err } = await conform("--only", "LINK", "--jobs", "1", KERNEL);
  assertEquals([code, /^[0-9]+ checks in [0-9.]+ s\n$/.test(err)], [0, true]);
  assert(out.startsWith("fixtures/kernel.elf: ") && out.includes("passed (5)\n  LINK-1 to LINK-5"));
});

Deno.test("conform exits with 1 for a failure, and its command shows the same failure again", async () => {
  const manifest = `{ "names": { "inb": "pmm_get_total_pages" } }`;
  await withFile(manifest, async (path) => {
    const { code, out } = await conform("--only", "LINK", "--manifest", path, KERNEL);
    assertEquals(code, 1);
    const failure = /^FAILED outb writes and inb reads a byte[^]*?^ {2}again: +(.*)$/m.exec(out)!;
    assert(failure[0].includes("  calls:\n    outb(1023, 90)\n    inb(1023) = "), failure[0]);
    const [, , , image, ...rest] = failure[1].match(/'[^']*'|\S+/g)!
      .map((word) => word.replaceAll("'", ""));
    const again = await conform(image, ...rest);
    assertEquals(again.code, 1);
    assert(again.out.includes(failure[0]));
  });
});

Deno.test("conform writes JSON, TAP and JUnit, the same by any number of workers", async () => {
  const only = ["--only", "LINK", KERNEL];
  const [one, three] = await Promise.all([
    conform("--json", "--jobs", "1", ...only),
    conform("--json", "--jobs", "3", ...only),
  ]);
  assertEquals(three.out, one.out);
  assertEquals(JSON.parse(one.out).counts.passed, 5);
  await withFile("", async (path) => {
    const { out } = await conform("--tap", "--junit", path, "--jobs", "1", ...only);
    assert(out.startsWith("TAP version 14\n1..5\nok 1 - LINK-1 "));
    assert((await Deno.readTextFile(path)).includes(`<testsuite name="specs/kernel/link.md"`));
  });
});

Deno.test("conform puts parts together", async () => {
  const part = async (shard: string) =>
    (await conform("--json", "--only", "LINK", "--jobs", "1", "--shard", shard, KERNEL)).out;
  const [whole, first, second] = await Promise.all(["1/1", "1/2", "2/2"].map(part));
  await withFile(first, (a) =>
    withFile(second, async (b) => {
      const { code, out } = await conform("--json", "--merge", b, a);
      assertEquals([code, out], [0, whole]);
      const { code: refused, err } = await conform("--merge", a, a);
      assertEquals([refused, err], [
        2,
        "Cannot put the reports together: two parts have check 1\n",
      ]);
    }));
});

Deno.test("conform says in one line which image cannot be judged", async () => {
  await withFile(new Uint8Array(100), async (path) => {
    const { code, out, err } = await conform(path);
    assertEquals([code, out], [2, ""]);
    assert(/^Cannot judge .*: it is not an ELF file .*\n$/.test(err), err);
  });
  await withFile(kernel([0xfa, 0xf4]).slice(), async (path) => { // cli; hlt
    const { code, out, err } = await conform("--only", "LINK", path);
    assertEquals(code, 2);
    assert(out.includes("the kernel never waited for input"));
    assert(err.endsWith("it never waits for input: halted for good: interrupts are off\n"), err);
  });
});

Deno.test("conform says in one line which manifest cannot be used, and writes nothing", async () => {
  await withFile(`{\n  "waive": { "${ABSENT}": "x" }\n}`, async (path) => {
    const junit = ".scratch/never-written.xml";
    const { code, out, err } = await conform("--manifest", path, "--junit", junit, KERNEL);
    assertEquals([code, out], [2, ""]);
    assertEquals(err, `${path}:2: no specification has a clause "${ABSENT}"\n`);
    assertEquals(await Deno.stat(new URL(junit, ROOT)).catch(() => "absent"), "absent");
  });
  await withFile(`{ "names": { "kfree": "release" } }`, async (path) => {
    const { code, err } = await conform("--manifest", path, KERNEL);
    assertEquals([code, err], [2, `${path}:1: the image has no symbol release\n`]);
  });
});

const wrong: readonly (readonly [args: string[], message: string])[] = [
  [[], "Cannot judge 0 images: give one (deno task conform IMAGE)"],
  [["a", "b"], "Cannot judge 2 images: give one (deno task conform IMAGE)"],
  [["absent.elf"], "Cannot judge absent.elf: there is no such file or directory"],
  [["fixtures"], "Cannot judge fixtures: it is a directory"],
  [["--seed", "1x", KERNEL], "Cannot use --seed 1x: give a whole number from 0 to 2147483647"],
  [["--runs", "0", KERNEL], "Cannot use --runs 0: give a whole number from 1 to 2147483647"],
  [["--shard", "3/2", KERNEL], "Cannot use --shard 3/2: give I/N, such as 2/4"],
  [["--quick", "--runs", "5", KERNEL], "Cannot use both --quick and --runs"],
  [["--json", "--tap", KERNEL], "Cannot print both: give --json or --tap"],
  [["--path", "1:0", KERNEL], "Cannot replay --path: --only must say of which check"],
  [
    ["--only", ABSENT, KERNEL],
    `Cannot use --only: no check has the clause, specification or title "${ABSENT}"`,
  ],
  [
    ["--merge", "deno.json"],
    `Cannot read the report deno.json: it is no report of the format "claudeos-conformance 1"`,
  ],
  [["--merge"], "Cannot put the reports together: there are no parts"],
  [
    ["--manifest", "absent.json", KERNEL],
    "Cannot read the manifest absent.json: there is no such file or directory",
  ],
];

Deno.test("conform tells wrong arguments in one line", async () => {
  const outcomes = await Promise.all(wrong.map(([args]) => conform(...args)));
  const expected = wrong.map(([, message]) => ({ code: 2, out: "", err: `${message}\n` }));
  assertEquals(outcomes, expected);
  assert((await conform("--frobnicate")).err.startsWith("Cannot read the arguments: "));
  assertEquals((await conform("--help")).code, 0);
});

Deno.test("conform prints no report when it cannot write the one that was asked for", async () => {
  const path = ".scratch/absent/report.xml";
  const { code, out, err } = await conform("--only", "LINK-1", "--junit", path, KERNEL);
  assertEquals([code, out], [2, ""]);
  assert(err.endsWith(`\nCannot write ${path}: there is no such file or directory\n`), err);
});
