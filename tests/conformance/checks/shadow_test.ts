/** The checks of how a kernel uses its heap: on correct kernels, and on one with a defect for each. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { type Check, Failure, Skip } from "../../../conformance/check.ts";
import { checks, shadowed } from "../../../conformance/checks/shadow.ts";
import { describeMisuse } from "../../../conformance/shadow.ts";
import { Subject } from "../../../conformance/subject.ts";
import { correct, reference } from "../kernels.ts";
import { buildPatched, type Patch, readSources } from "../mutants/patch.ts";
import { kernel } from "../../machine/images.ts";

const CHANCE = { seed: 5, runs: 20 };

/** What the kernel's demonstration does wrong besides what it does, and what the functions do wrong. */
const defects: readonly Patch[] = [
  {
    file: "kernel/main.ts",
    find: "  const second = showAllocation",
    replace: `  if (load<u32>(first + 8) == 12345) terminal_putchar(0x21);
  store<u8>(first + 1024, load<u8>(first + 1027));
  store<u8>(first + 1024, 0xe0);
  const second = showAllocation`,
  },
  {
    file: "kernel/main.ts",
    find: "  showFree(third);",
    replace: `  showFree(third);
  if (load<u8>(second + 100) == 77) terminal_putchar(0x21);
  kfree(second);`,
  },
  {
    file: "kernel/heap.ts",
    find: "return (size + 7) & ~7;",
    replace: "return size < 16 ? (size + 7) & ~7 : (size + 3) & ~7;",
  },
  {
    file: "kernel/terminal.ts",
    find: "c != 0; c = load<u8>(++text)) put(c);",
    replace: "c != 0; c = load<u8>(++text)) put(c + (load<u8>(text + 2) == 1 ? 1 : 0));",
  },
  {
    file: "kernel/serial.ts",
    find: "c != 0; c = load<u8>(++text)) debug_putchar(c);",
    replace: "c != 0 || load<u32>(text - 1) == 77; c = load<u8>(++text)) debug_putchar(c);",
  },
];

let subject: Subject | undefined;
async function defective(): Promise<Subject> {
  subject ??= new Subject(await buildPatched(await readSources(), defects));
  return subject;
}

function named(title: RegExp): Check {
  const found = checks.filter((check) => title.test(check.title));
  assertEquals(found.length, 1, `${title}`);
  return found[0];
}

/** The failure of a check, or what it was instead. */
async function outcome(check: Check, of: Subject, chance = CHANCE): Promise<Failure | string> {
  try {
    await check.run(of, chance);
    return "passed";
  } catch (thrown) {
    if (thrown instanceof Failure) return thrown;
    assert(thrown instanceof Skip, `${thrown}`);
    return thrown.reason;
  }
}

for (const [name, image] of Object.entries({ reference, correct })) {
  Deno.test(`The ${name} kernel passes all checks of its heap's use`, async () => {
    const subject = new Subject(image);
    for (const check of checks) assertEquals(await outcome(check, subject), "passed", check.title);
  });
}

Deno.test("A kernel that misuses its heap while it comes up is caught [SHADOW-1, SHADOW-2, SHADOW-3, SHADOW-5]", async () => {
  const { shadow } = shadowed(await defective());
  assertEquals(shadow.misuses.map(({ clause, access }) => `${clause} ${access}`), [
    "SHADOW-3 load",
    "SHADOW-1 load",
    "SHADOW-1 store",
    "SHADOW-1 store",
    "SHADOW-2 load",
    "SHADOW-5 call",
  ]);
  for (const { at, call } of shadow.misuses) {
    assertEquals([at.replace(/\+.*/, ""), call], ["kernel_main", "the boot"]);
  }
  const failure = await outcome(named(/comes up/), await defective());
  assert(failure instanceof Failure);
  assertEquals([failure.clauses, failure.calls], [["SHADOW-3"], []]);
  assertMatch(failure.seen, /^never written: kernel_main\+\S+ read 4 bytes at .*; and 5 more$/);
});

Deno.test("Functions that read more than they are given are caught [SHADOW-1]", async () => {
  for (
    const [name, expected] of [["terminal_writestring", 1], ["debug_write_string", 4]] as const
  ) {
    const failure = await outcome(named(new RegExp(`^${name} `)), await defective());
    assert(failure instanceof Failure);
    assertEquals(failure.clauses, ["SHADOW-1"]);
    assertMatch(
      failure.seen,
      new RegExp(`${name}\\+\\S+ read ${expected} byte.*, during ${name}\\(`),
    );
    assertMatch(failure.calls[0], /^kmalloc\(\d+\) = 0x/);
  }
  assertEquals(await outcome(named(/^serial_write_string /), await defective()), "passed");
});

Deno.test("A heap that writes into live allocations is caught, with few calls [SHADOW-4]", async () => {
  const check = named(/heap's functions/), failure = await outcome(check, await defective());
  assert(failure instanceof Failure);
  assertEquals(failure.clauses, ["SHADOW-4"]);
  assertMatch(failure.seen, /^overwritten by the allocator: \S+ wrote 4 bytes at /);
  assert(failure.calls.length <= 2, failure.calls.join("; "));
  const again = await outcome(check, await defective(), { ...CHANCE, ...failure });
  assert(again instanceof Failure);
  assertEquals([again.seen, again.calls], [failure.seen, failure.calls]);
});

Deno.test("A kernel whose heap is elsewhere cannot be watched", async () => {
  // mov esp, 180000h; cli; hlt; mov eax, 200000h; ret
  const code = [0xbc, 0, 0, 0x18, 0, 0xfa, 0xf4, 0xb8, 0, 0, 0x20, 0, 0xc3];
  const symbols = ["kmalloc", "terminal_writestring"].map((name) => ({
    ...{ name, address: 0x100013, bytes: 6 },
  }));
  const subject = new Subject(kernel(code, { symbols }));
  assertMatch(`${await outcome(named(/^terminal_writestring/), subject)}`, /could be watched$/);
  assertEquals(shadowed(subject).shadow.misuses.map(describeMisuse), []);
});
