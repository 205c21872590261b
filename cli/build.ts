/** `deno task build`: kernel/*.ts to fixtures/kernel.elf, with a table of sizes. */
import { buildKernel, type BuiltKernel } from "../toolchain/build.ts";
import { BuildError } from "../toolchain/build_error.ts";

const USAGE = `Builds the reference kernel: kernel/*.ts to fixtures/kernel.elf.

Usage: deno task build [--check] [--output FILE]

  --check        Build and compare with the existing file; write nothing.
  --output FILE  Write to FILE instead of fixtures/kernel.elf.
  --help         Show this text.

Exit codes: 0 built (or equal), 1 the sources cannot be built, or the file differs, 2 wrong usage.`;

const KERNEL = new URL("../kernel/", import.meta.url);
const IMAGE = new URL("../fixtures/kernel.elf", import.meta.url);
/** The size of the original Day 6 kernel. */
const LIMIT = 38_680;

interface Arguments {
  readonly check: boolean;
  readonly output: string | URL;
}

/** Reads the sources of a kernel; the keys are `kernel/NAME.ts`, in the order of the names. */
export async function readKernelSources(directory: URL = KERNEL): Promise<Map<string, string>> {
  const names: string[] = [];
  for await (const { name, isFile } of Deno.readDir(directory)) {
    if (isFile && name.endsWith(".ts")) names.push(name);
  }
  names.sort();
  const texts = await Promise.all(names.map((name) => Deno.readTextFile(new URL(name, directory))));
  return new Map(names.map((name, at) => [`kernel/${name}`, texts[at]]));
}

function sizeRow(name: string, size: number): string {
  return `  ${name.padEnd(28)}${size.toLocaleString("en-US").padStart(9)}`;
}

/** Sizes of sections and of the code that each source file became. */
export function sizeTable({ image, sections, symbols }: BuiltKernel): string {
  const files = new Map<string, number>();
  for (const { kind, size, source } of symbols) {
    if (kind !== "function") continue;
    const file = source?.file ?? "toolchain/start/";
    files.set(file, (files.get(file) ?? 0) + size);
  }
  const bySize = [...files].sort(([, a], [, b]) => b - a);
  return [
    "Section",
    ...sections.map(({ name, size }) => sizeRow(name, size)),
    "Code by source file",
    ...bySize.map(([file, size]) => sizeRow(file, size)),
    "Image",
    sizeRow(`of at most ${LIMIT.toLocaleString("en-US")}`, image.length),
  ].join("\n");
}

function parse(args: readonly string[]): Arguments | string {
  let check = false;
  let output: string | URL = IMAGE;
  for (let at = 0; at < args.length; at++) {
    if (args[at] === "--check") check = true;
    else if (args[at] === "--output" && args[at + 1] !== undefined) output = args[++at];
    else return `unknown or incomplete argument "${args[at]}"; see --help`;
  }
  return { check, output };
}

async function readImage(file: string | URL): Promise<Uint8Array | null> {
  try {
    return await Deno.readFile(file);
  } catch {
    return null;
  }
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}

async function finish({ check, output }: Arguments, image: Uint8Array): Promise<number> {
  const name = output instanceof URL ? "fixtures/kernel.elf" : output;
  if (image.length > LIMIT) {
    console.error(`build: the image has ${image.length} bytes, more than ${LIMIT}`);
    return 1;
  }
  if (!check) {
    await Deno.writeFile(output, image);
    console.log(`Wrote ${name}`);
    return 0;
  }
  const existing = await readImage(output);
  if (existing !== null && sameBytes(existing, image)) {
    console.log(`${name} is up to date`);
    return 0;
  }
  const why = existing === null ? "does not exist" : "differs from what the sources give";
  console.error(`build: ${name} ${why}; run \`deno task build\``);
  return 1;
}

/** Runs the command; returns its exit code. */
export async function main(args: readonly string[]): Promise<number> {
  if (args.includes("--help")) {
    console.log(USAGE);
    return 0;
  }
  const parsed = parse(args);
  if (typeof parsed === "string") {
    console.error(`build: ${parsed}`);
    return 2;
  }
  try {
    const kernel = await buildKernel(await readKernelSources());
    console.log(sizeTable(kernel));
    return await finish(parsed, kernel.image);
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
    console.error(error.message);
    return 1;
  }
}

if (import.meta.main) Deno.exit(await main(Deno.args));
