/**
 * The I/O port space: which device answers at which port.
 * Spec: specs/machine/bus.md. Not modelled: 16-bit and 32-bit wide registers; wait states.
 */
import type { PortDevice } from "../devices/device.ts";

const PORTS = 0x10000;

/** What the bus tells to whoever listens. */
export interface BusHooks {
  /** A byte was read from a port; after the device answered. */
  portRead?(port: number, value: number): void;
  /** A byte is being written to a port; before the device sees it. */
  portWrite?(port: number, value: number): void;
}

interface Claim {
  readonly base: number;
  readonly owner: string;
  readonly device: PortDevice;
}

/** Port space of 65,536 byte-wide ports. Wider accesses are bytes in ascending order. */
export class Bus {
  readonly #claims: Claim[] = [];
  readonly #claimOf = new Uint8Array(PORTS); // index + 1 into #claims; 0 where nobody answers
  readonly #hooks: BusHooks;
  readonly #unclaimed = new Map<number, number>();

  /** An empty port space. */
  constructor(hooks: BusHooks = {}) {
    this.#hooks = hooks;
  }

  /** Gives `count` ports from `base` to a device; throws a RangeError if one is taken. */
  claim(base: number, count: number, owner: string, device: PortDevice): void {
    for (let port = base; port < base + count; port++) {
      const taken = this.#claims[this.#claimOf[port] - 1];
      if (port < 0 || port >= PORTS) {
        throw new RangeError(`Cannot map port ${hex(port)}: no such port`);
      }
      if (taken) throw new RangeError(`Cannot map port ${hex(port)}: owned by ${taken.owner}`);
    }
    this.#claims.push({ base, owner, device });
    this.#claimOf.fill(this.#claims.length, base, base + count);
  }

  /** Who answers at a port. */
  owner(port: number): string | undefined {
    return this.#claims[this.#claimOf[port] - 1]?.owner;
  }

  /** Reads `bytes` (1, 2 or 4) bytes, little-endian. */
  read(port: number, bytes: number): number {
    if (bytes === 1) return this.#readByte(port);
    let value = 0;
    for (let i = 0; i < bytes; i++) value += this.#readByte(port + i) * 2 ** (8 * i);
    return value;
  }

  /** Writes `bytes` (1, 2 or 4) bytes, little-endian. */
  write(port: number, bytes: number, value: number): void {
    for (let i = 0; i < bytes; i++) this.#writeByte(port + i, (value >>> (8 * i)) & 0xff);
  }

  /** How often each port that nobody claims was accessed. */
  get unclaimed(): ReadonlyMap<number, number> {
    return this.#unclaimed;
  }

  /** Takes back what `unclaimed` was. */
  restoreUnclaimed(counts: Iterable<readonly [number, number]>): void {
    this.#unclaimed.clear();
    for (const [port, count] of counts) this.#unclaimed.set(port, count);
  }

  #readByte(port: number): number {
    const claim = this.#claims[this.#claimOf[port] - 1];
    const value = claim ? claim.device.read(port - claim.base) & 0xff : this.#nobody(port);
    this.#hooks.portRead?.(port, value);
    return value;
  }

  #writeByte(port: number, value: number): void {
    this.#hooks.portWrite?.(port, value);
    const claim = this.#claims[this.#claimOf[port] - 1];
    if (claim) claim.device.write(port - claim.base, value);
    else this.#nobody(port);
  }

  #nobody(port: number): number {
    this.#unclaimed.set(port, (this.#unclaimed.get(port) ?? 0) + 1); // BUS-5
    return 0xff; // BUS-4
  }
}

function hex(port: number): string {
  return `0x${port.toString(16)}`;
}
