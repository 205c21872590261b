/** What is written to allocations, so that a change to it is noticed. */

const EDGE = 8192; // of a large allocation, only both ends are written and compared
const PATTERN = patternBytes(2 * EDGE + 4096);

/** What is written to an allocation: pieces by offset. */
export function patterns(size: number, tag: number): (readonly [number, Uint8Array])[] {
  const start = (tag * 97) % 4096;
  if (size <= 2 * EDGE) return [[0, PATTERN.subarray(start, start + size)]];
  const low = PATTERN.subarray(start, start + EDGE);
  return [[0, low], [size - EDGE, PATTERN.subarray(start + EDGE, start + 2 * EDGE)]];
}

function patternBytes(length: number): Uint8Array {
  let x = 0x2545f491;
  return Uint8Array.from({ length }, () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x & 0xff) || 0x5a;
  });
}
