/**
 * The host's end of a serial line: collects what the guest sends, holds back what it is sent until it
 * can take it. Spec: specs/machine/serial.md. Not modelled: parity and framing errors, modem lines.
 */

/** Bytes that a port keeps of what the guest sent; up to twice as many before it forgets the oldest. */
export const KEPT_BYTES = 0x1000000;

/** What the host's end needs of a UART. */
export interface Receiver {
  /** Offers a byte; false when there is no room. */
  receive(byte: number): boolean;
}

/** What a serial port remembers. */
export interface SerialState {
  /** What was sent, as far as it is kept. */
  readonly text: string;
  /** What the guest has not yet taken. */
  readonly queue: readonly number[];
}

/** The host's end of a serial line. */
export class SerialPort {
  readonly #listen: (byte: number) => void;
  #receiver: Receiver | undefined;
  #text = "";
  #queue: number[] = [];

  /** `listen` gets each byte from the guest. */
  constructor(listen: (byte: number) => void = () => {}) {
    this.#listen = listen;
  }

  /** What the guest has sent, one character a byte (Latin-1): all of it, up to the last 16 MB (SERIAL-7). */
  get text(): string {
    return this.#text;
  }

  /** The same as bytes. */
  get bytes(): Uint8Array {
    return Uint8Array.from(this.#text, (character) => character.charCodeAt(0));
  }

  /** Number of bytes for the guest that it has not yet taken. */
  get pending(): number {
    return this.#queue.length;
  }

  /** Sends bytes to the guest, or text as UTF-8. They wait until it reads them. */
  send(data: string | Uint8Array): void {
    for (const byte of typeof data === "string" ? new TextEncoder().encode(data) : data) {
      this.#queue.push(byte);
    }
    this.deliver();
  }

  /** Connects the UART. */
  connect(receiver: Receiver): void {
    this.#receiver = receiver;
  }

  /** Called by the UART for each byte that has left it. */
  transmitted(byte: number): void {
    this.#text += String.fromCharCode(byte);
    if (this.#text.length > 2 * KEPT_BYTES) this.#text = this.#text.slice(-KEPT_BYTES);
    this.#listen(byte);
  }

  /** Hands over what the UART has room for; called by it when it has room again. */
  deliver(): void {
    while (this.#queue.length > 0 && this.#receiver?.receive(this.#queue[0])) this.#queue.shift();
  }

  /** What the port remembers. */
  state(): SerialState {
    return { text: this.#text, queue: [...this.#queue] };
  }

  /** Takes back what `state()` returned. */
  restore(state: SerialState): void {
    this.#text = state.text;
    this.#queue = [...state.queue];
  }
}
