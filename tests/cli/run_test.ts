import { assert, assertEquals } from "@std/assert";
import { concat, header, kernel, words } from "../machine/images.ts";
import { scratchFile } from "../scratch.ts";

const ROOT = new URL("../../", import.meta.url);

interface Outcome {
  code: number;
  out: string;
  err: string;
}

/** Runs a command as its task does. */
async function cli(command: "boot" | "run" | "main", ...args: string[]): Promise<Outcome> {
  const permissions = ["--allow-read", "--allow-write"];
  const { code, stdout, stderr } = await new Deno.Command("deno", {
    args: ["run", "--no-prompt", ...permissions, `cli/${command}.ts`, ...args],
    cwd: ROOT,
    stdin: "null",
    env: { NO_COLOR: "1" },
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, out: text(stdout), err: text(stderr) };
}

/** Runs `use` with the path of a file that holds an image. */
async function withImage<T>(image: Uint8Array, use: (path: string) => Promise<T>): Promise<T> {
  const path = await scratchFile(".elf");
  try {
    await Deno.writeFile(path, image);
    return await use(path);
  } finally {
    await Deno.remove(path);
  }
}

Deno.test("boot prints the kernel's serial output and ends when it waits for input", async () => {
  const { code, out, err } = await cli("boot");
  assertEquals(code, 0);
  assert(out.includes("Day 6 Memory Management System Complete!"));
  assert(err.includes("the guest waits for input"));
  assert(/[0-9,]+ instructions, [0-9.]+ s virtual, [0-9.]+ s wall/.test(err));
});

Deno.test("boot draws the screen and sends a file to the monitor", async () => {
  const input = await scratchFile();
  await Deno.writeTextFile(input, "ticks\n");
  const { code, out } = await cli("boot", "--serial", "none", "--screen", "--input", input);
  await Deno.remove(input);
  assertEquals(code, 0);
  assert(/> ticks\n[0-9]+\n>/.test(out), out);
  assert(!out.includes("\x1b["), "NO_COLOR is set");
});

Deno.test("run writes serial output to a file and gives the guest's exit code", async () => {
  // out 3f8h, 'H'; out f4h, 10h
  const code = [0x66, 0xba, 0xf8, 0x03, 0xb0, 0x48, 0xee, 0xb0, 0x10, 0xe6, 0xf4];
  const serial = await scratchFile();
  const outcome = await withImage(kernel(code), (path) => cli("run", path, "--serial", serial));
  assertEquals([outcome.code, outcome.out], [33, ""]);
  assertEquals(await Deno.readTextFile(serial), "H");
  await Deno.remove(serial);
});

Deno.test("run has an exit code for each way to end", async () => {
  const ends: [number[], number][] = [
    [[0x0f, 0x0b], 4],
    [[0xfa, 0xf4], 6],
    [[0xeb, 0xfe], 8],
    [[0xb0, 0xfe, 0xe6, 0x64], 10],
  ];
  for (const [code, expected] of ends) {
    const outcome = await withImage(kernel(code), (path) => cli("run", path, "--budget", "1M"));
    assertEquals(outcome.code, expected, outcome.err);
  }
});

Deno.test("run names in one line why an image cannot be booted", async () => {
  const elf64 = kernel([0x90]);
  elf64[4] = 2;
  const noHeader = kernel([0x90]);
  noHeader.fill(0, noHeader.length - 13);
  const bad: [Uint8Array, string][] = [
    [new Uint8Array(), "the file is empty"],
    [new TextEncoder().encode("hello, world"), "not an ELF file"],
    [elf64, "64-bit"],
    [noHeader, "no Multiboot header"],
    [kernel([0x90]).subarray(0, 200), "truncated"],
    [concat(words(0x1badb002, 3, 0), new Uint8Array(64)), "bad checksum"],
    [concat(words(0xe85250d6, 0, 16), new Uint8Array(64)), "Multiboot 2"],
    [concat(new Uint8Array(8192), header()), "past the first 8 KiB"],
    [kernel([0x90], { memBytes: 0x10000000 }), "outside the 32 MB of memory"],
  ];
  for (const [image, reason] of bad) {
    const { code, out, err } = await withImage(image, (path) => cli("run", path));
    assertEquals([code, out, err.trimEnd().split("\n").length], [2, "", 1], err);
    assert(err.startsWith("Cannot boot ") && err.includes(reason), err);
  }
});

Deno.test("run names a directory, a missing file and wrong arguments in one line", async () => {
  const wrong: [string[], string][] = [
    [["fixtures"], "Cannot boot fixtures: it is a directory"],
    [["no-such-file"], "Cannot boot no-such-file: there is no such file"],
    [[], "Cannot run: no image is given"],
    [["fixtures/kernel.elf", "--initrd", "gone"], "Cannot load the module gone"],
    [["fixtures/kernel.elf", "--frobnicate"], "--frobnicate"],
  ];
  for (const [args, reason] of wrong) {
    const { code, err } = await cli("run", ...args);
    assertEquals([code, err.trimEnd().split("\n").length], [2, 1], err);
    assert(err.includes(reason), err);
  }
});

Deno.test("run --json closes with one line of JSON", async () => {
  const { code, err } = await withImage(kernel([0xfa, 0xf4]), (path) => cli("run", path, "--json"));
  assertEquals([code, JSON.parse(err).stop.kind], [6, "halted"]);
});

Deno.test("help documents exit codes and has an example", async () => {
  for (const command of ["boot", "run"] as const) {
    const { code, out } = await cli(command, "--help");
    assertEquals(code, 0);
    for (const text of ["Exit codes", "triple fault", "Example: deno task", "Ctrl-A x"]) {
      assert(out.includes(text), text);
    }
  }
  assertEquals((await cli("main", "help")).code, 0);
  assertEquals((await cli("main", "nonsense")).code, 2);
});
