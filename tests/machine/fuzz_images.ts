/**
 * Boots images mutated at random from the reference kernel: each must give one line that refuses it,
 * or a typed stop; never a host exception, never a hang.
 *
 *     deno task fuzz:images [--count 10000] [--seed 0] [--shard 1/1]
 *
 * Image n of a run is made from seed + n; shard i of k takes every k-th image. A line `seed N: ...` is
 * shown for each that fails, and `--seed N --count 1` repeats it.
 */
import { boot } from "../../machine/boot.ts";
import { ImageError } from "../../machine/elf.ts";

const RAM = 0x400000;
const BUDGET = 300_000;

/** Numbers from 0 to below `limit`, the same for the same seed. */
function generator(seed: number): (limit: number) => number {
  let x = seed >>> 0 || 1;
  return (limit) => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x >>> 0) % limit;
  };
}

type Mutation = (image: Uint8Array, random: (limit: number) => number) => Uint8Array;

const mutations: readonly Mutation[] = [
  function flipHeaderBytes(image, random) {
    for (let i = random(4); i >= 0; i--) image[random(256)] = random(256);
    return image;
  },
  function flipBytes(image, random) {
    for (let i = random(64); i >= 0; i--) image[random(image.length)] = random(256);
    return image;
  },
  function truncate(image, random) {
    return image.subarray(0, random(image.length));
  },
  function clearBlock(image, random) {
    const start = random(image.length);
    return image.fill(0, start, start + random(512));
  },
  function copyBlock(image, random) {
    return image.copyWithin(random(image.length), random(image.length), random(image.length));
  },
  function insertBytes(image, random) {
    const at = random(image.length), longer = new Uint8Array(image.length + 1 + random(64));
    longer.set(image.subarray(0, at));
    longer.set(image.subarray(at), longer.length - image.length + at);
    return longer;
  },
];

/** How one mutated image ended: a stop's kind, or `refused`. Throws for what must not happen. */
export function bootMutated(original: Uint8Array, seed: number): string {
  const random = generator(Math.imul(seed + 1, 0x9e3779b1));
  const mutate = mutations[random(mutations.length)];
  const image = mutate(original.slice(), random);
  try {
    const machine = boot(image, { ramBytes: RAM });
    return machine.run({ budget: BUDGET, idleAfter: 50 }).kind;
  } catch (error) {
    if (error instanceof ImageError && !error.message.includes("\n")) return "refused";
    throw new Error(`Mutation ${mutate.name} of seed ${seed} was not refused cleanly`, {
      cause: error,
    });
  }
}

/** Boots `count` images; how often each end was met. */
export function fuzzImages(
  original: Uint8Array,
  count: number,
  firstSeed = 0,
): Map<string, number> {
  const ends = new Map<string, number>();
  for (let seed = firstSeed; seed < firstSeed + count; seed++) {
    const end = bootMutated(original, seed);
    ends.set(end, (ends.get(end) ?? 0) + 1);
  }
  return ends;
}

/** The numbers of `--count`, `--seed` and `--shard`. */
function readOptions(args: readonly string[]): { seeds: number[]; name: string } {
  const value = (name: string, otherwise: string): string =>
    args.includes(name) ? args[args.indexOf(name) + 1] ?? "" : otherwise;
  const count = Number(value("--count", "10000")), seed = Number(value("--seed", "0"));
  const [shard, shards] = value("--shard", "1/1").split("/").map(Number);
  if (![count, seed, shard, shards].every(Number.isInteger) || shard < 1 || shard > shards) {
    throw new RangeError("Give --count N, --seed N and --shard I/N with 1 <= I <= N");
  }
  const all = Array.from({ length: count }, (_, n) => seed + n);
  return {
    seeds: all.filter((_, n) => n % shards === shard - 1),
    name: `seeds ${seed} to ${seed + count - 1}, shard ${shard}/${shards}`,
  };
}

/** Boots the images of a shard; the number of those that failed. */
async function main(args: readonly string[]): Promise<number> {
  const { seeds, name } = readOptions(args);
  const kernel = await Deno.readFile(new URL("../../fixtures/kernel.elf", import.meta.url));
  const began = performance.now(), ends = new Map<string, number>();
  let failed = 0;
  for (const seed of seeds) {
    try {
      const end = bootMutated(kernel, seed);
      ends.set(end, (ends.get(end) ?? 0) + 1);
    } catch (error) {
      failed++;
      console.log(`seed ${seed}: ${error instanceof Error ? error.cause ?? error : error}`);
    }
  }
  for (const [end, times] of [...ends].sort((a, b) => b[1] - a[1])) console.log(`${times} ${end}`);
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  console.log(`${name}: ${seeds.length - failed} passed, ${failed} failed (${seconds} s)`);
  return failed;
}

if (import.meta.main) {
  try {
    Deno.exit(await main(Deno.args) === 0 ? 0 : 1);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    console.error(`fuzz:images: ${error.message}`);
    Deno.exit(2);
  }
}
