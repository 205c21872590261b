/** Seeded pseudo-random numbers for tests (xorshift32, Marsaglia 2003): the same on every machine. */
export class Random {
  #state: number;

  /** A sequence that `seed` determines. */
  constructor(seed: number) {
    this.#state = (seed ^ 0x9e3779b9) | 0 || 1;
  }

  /** 32 random bits, unsigned. */
  u32(): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x;
    return x >>> 0;
  }

  /** A number below `bound`. */
  below(bound: number): number {
    return Math.floor(this.u32() / 2 ** 32 * bound);
  }

  /** One of them. */
  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)];
  }

  /** True once in `n` times. */
  oneIn(n: number): boolean {
    return this.below(n) === 0;
  }
}
