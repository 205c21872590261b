/** Where a serial line's bytes go: standard output or a file, a line at a time. */

/** Takes bytes one by one. */
export interface Sink {
  /** Takes a byte. */
  put(byte: number): void;
  /** Writes what is still held back. */
  flush(): void;
  /** Whether the last byte was none that ends a line. */
  readonly midLine: boolean;
}

/** A sink that loses everything. */
export const nowhere: Sink = { put() {}, flush() {}, midLine: false };

const ROOM = 4096;
const LINE_FEED = 10, CARRIAGE_RETURN = 13;

/** Collects bytes and writes them at each line's end. */
export class LineSink implements Sink {
  /** Whether line feeds get a carriage return, as a raw terminal needs. */
  raw = false;
  midLine = false;
  readonly #write: (bytes: Uint8Array) => void;
  readonly #bytes = new Uint8Array(ROOM);
  #length = 0;

  /** Writes through `write`, which must take all bytes. */
  constructor(write: (bytes: Uint8Array) => void) {
    this.#write = write;
  }

  /** Takes a byte. */
  put(byte: number): void {
    if (this.raw && byte === LINE_FEED) this.#bytes[this.#length++] = CARRIAGE_RETURN;
    this.#bytes[this.#length++] = byte;
    this.midLine = byte !== LINE_FEED;
    if (byte === LINE_FEED || this.#length > ROOM - 2) this.flush();
  }

  /** Writes what is still held back. */
  flush(): void {
    const bytes = this.#bytes.subarray(0, this.#length);
    this.#length = 0;
    if (bytes.length > 0) this.#write(bytes);
  }
}

/** Writes all bytes to a stream. A reader that has gone away ends the process quietly. */
export function writeAll(
  stream: { writeSync(bytes: Uint8Array): number },
  bytes: Uint8Array,
): void {
  try {
    for (let at = 0; at < bytes.length;) at += stream.writeSync(bytes.subarray(at));
  } catch (error) {
    if (error instanceof Deno.errors.BrokenPipe) Deno.exit(0);
    throw error;
  }
}

/** Writes text to standard output or standard error. */
export function print(stream: typeof Deno.stdout | typeof Deno.stderr, text: string): void {
  writeAll(stream, new TextEncoder().encode(text));
}
