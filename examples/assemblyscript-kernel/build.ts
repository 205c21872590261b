import { buildKernel } from "@claudeos/claudeos/toolchain";

const FILES = ["kernel/link.ts", "kernel/main.ts"];
const EXPORTS = ["kernel_main", "kmalloc", "kfree_all"];

const here = (file: string): URL => new URL(file, import.meta.url);
const texts = await Promise.all(FILES.map((file) => Deno.readTextFile(here(file))));
const sources = new Map(FILES.map((file, n) => [file, texts[n]]));
const { image } = await buildKernel(sources, { exports: EXPORTS });
await Deno.writeFile(here("kernel.elf"), image);
console.log(`kernel.elf: ${image.length} bytes`);
