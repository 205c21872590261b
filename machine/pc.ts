/**
 * The schematic of the PC: which chips there are and how they are wired. Spec: specs/machine/pc.md.
 * Not there: DMA, disks, PCI, parallel port, APIC.
 *
 *     PIT 0 ─────────── IRQ 0 ┐              COM2 ─── IRQ 3 ┐
 *     keyboard, i8042 ─ IRQ 1 ┤              COM1 ─── IRQ 4 ┤
 *     RTC ─ IRQ 8 ─ slave ─ 2 ┴── master 8259A ─────────────┴── INTR of the processor
 */
import { Cpu, type CpuHooks, type Ports } from "../cpu/cpu.ts";
import type { Device, Diagnose, PortDevice } from "../devices/device.ts";
import { I8042 } from "../devices/i8042.ts";
import { Keyboard } from "../devices/keyboard.ts";
import { Pic } from "../devices/pic.ts";
import { Pit } from "../devices/pit.ts";
import { SystemPortB } from "../devices/portb.ts";
import {
  DebugConsole,
  DebugExit,
  FastGate,
  PostPort,
  PowerControl,
  ResetControl,
} from "../devices/ports.ts";
import { Rtc } from "../devices/rtc.ts";
import { Uart } from "../devices/uart.ts";
import { Vga } from "../devices/vga.ts";
import { Bus, type BusHooks } from "./bus.ts";
import { Clock } from "./clock.ts";
import { IdleWatch } from "./idle.ts";
import type { Memory } from "./memory.ts";
import { SerialPort } from "./serial.ts";

const FRAME = 0x18000; // of the text screen in the memory of devices: B8000h

/** What a machine tells to whoever listens. No hook changes anything. */
export interface MachineHooks extends BusHooks, CpuHooks {
  /** A byte left a serial line or the debug console. */
  serial?(line: "com1" | "com2" | "debug", byte: number): void;
  /** A chip was programmed in a way that its specification calls reserved. */
  diagnose?(clause: string, message: string): void;
}

/** How a PC is equipped. */
export interface PcOptions {
  /** Its memory. */
  readonly memory: Memory;
  /** Listeners. */
  readonly hooks?: MachineHooks;
  /** Serial characters take the time of the programmed rate. */
  readonly lineRate?: boolean;
  /** Date and time at power-on, `YYYY-MM-DDTHH:MM:SS`. */
  readonly date?: string;
}

/** What the guest asked of the machine as a whole. */
export type Wish =
  | { readonly kind: "guest-exit"; readonly value: number }
  | { readonly kind: "reset"; readonly by: string }
  | { readonly kind: "power-off" };

/** Everything that the chips remember, by name. */
export type ChipStates = Readonly<Record<string, unknown>>;

/** How firmware leaves the chips for a boot loader, as writes to ports (PC-4). */
const firmware: readonly (readonly [port: number, value: number])[] = [
  ...([[0x20, 0x11], [0x21, 0x08], [0x21, 0x04], [0x21, 0x01], [0x21, 0xb8]] as const),
  ...([[0xa0, 0x11], [0xa1, 0x70], [0xa1, 0x02], [0xa1, 0x01], [0xa1, 0x8e]] as const),
  ...([[0x43, 0x34], [0x40, 0x00], [0x40, 0x00]] as const),
  ...([[0x3fb, 0x83], [0x3f8, 0x0c], [0x3f9, 0x00], [0x3fb, 0x03]] as const),
  ...([[0x2fb, 0x83], [0x2f8, 0x0c], [0x2f9, 0x00], [0x2fb, 0x03]] as const),
];

/** The chips of a PC, wired. */
export class Pc {
  /** The processor. */
  readonly cpu: Cpu;
  /** RAM and device memory. */
  readonly memory: Memory;
  /** Port space. */
  readonly bus: Bus;
  /** Virtual time. */
  readonly clock: Clock;
  /** First interrupt controller. */
  readonly master: Pic;
  /** Second interrupt controller, on the first one's input 2. */
  readonly slave: Pic;
  /** Timer. */
  readonly pit: Pit;
  /** Port 61h: the timer's channel 2 and the speaker. */
  readonly portB: SystemPortB;
  /** CMOS clock. */
  readonly rtc: Rtc;
  /** Keyboard. */
  readonly keyboard: Keyboard;
  /** Keyboard controller. */
  readonly i8042: I8042;
  /** Serial chip of COM1. */
  readonly uart1: Uart;
  /** Serial chip of COM2. */
  readonly uart2: Uart;
  /** The host's end of COM1. */
  readonly com1: SerialPort;
  /** The host's end of COM2. */
  readonly com2: SerialPort;
  /** The debug console's output. */
  readonly debug: SerialPort;
  /** The screen. */
  readonly vga: Vga;
  /** Small ports. */
  readonly post: PostPort;
  /** Watches whether the guest works. */
  readonly idle: IdleWatch = new IdleWatch();
  /** What the guest asked for and the machine has not yet granted. */
  wish: Wish | undefined;
  readonly #hooks: MachineHooks;
  readonly #chips: Readonly<Record<string, Device<unknown>>>;

  /** A PC as its firmware leaves it. */
  constructor({ memory, hooks = {}, lineRate, date }: PcOptions) {
    this.memory = memory;
    this.#hooks = hooks;
    const diagnose: Diagnose = (clause, message) => hooks.diagnose?.(clause, message);
    const reset = (by: string) => (level: boolean) => level && this.#ask({ kind: "reset", by });
    const a20 = (level: boolean) => this.cpu.paging.a20 = level;

    // interrupts: slave into master's input 2, master into the processor
    this.slave = new Pic((level) => this.master.irq(2)(level), {}, diagnose);
    this.master = new Pic(
      (level) => this.cpu.setInterruptLine(level),
      { 2: this.slave },
      diagnose,
    );

    // time: channel 0 is IRQ 0, channel 2 the speaker behind port 61h
    this.pit = new Pit(this.master.irq(0), undefined, undefined, diagnose);
    this.portB = new SystemPortB(this.pit.gate(2), () => this.pit.output(2));
    this.rtc = new Rtc(this.slave.irq(0), { start: date, memoryBytes: memory.ramBytes }, diagnose);

    // people: keyboard and screen
    this.keyboard = new Keyboard(diagnose);
    const pins = { a20, reset: reset("the keyboard controller") };
    this.i8042 = new I8042(this.keyboard, this.master.irq(1), pins, diagnose);
    this.vga = new Vga(memory.device.subarray(FRAME), diagnose);

    // lines: COM1 is IRQ 4, COM2 is IRQ 3
    this.com1 = new SerialPort((byte) => hooks.serial?.("com1", byte));
    this.com2 = new SerialPort((byte) => hooks.serial?.("com2", byte));
    this.debug = new SerialPort((byte) => hooks.serial?.("debug", byte));
    this.uart1 = this.#uart(this.com1, this.master.irq(4), lineRate, diagnose);
    this.uart2 = this.#uart(this.com2, this.master.irq(3), lineRate, diagnose);

    // small ports
    this.post = new PostPort();
    const console = new DebugConsole((byte) => this.debug.transmitted(byte));
    const exit = new DebugExit((value) => this.#ask({ kind: "guest-exit", value }));
    const fastGate = new FastGate(a20, reset("port 92h"), diagnose);
    const resetControl = new ResetControl(reset("port CF9h"), diagnose);
    const power = new PowerControl(() => this.#ask({ kind: "power-off" }), diagnose);

    this.bus = new Bus({
      portRead: hooks.portRead && ((port, value) => hooks.portRead!(port, value)),
      portWrite: (port, value) => {
        this.idle.portWritten(port);
        hooks.portWrite?.(port, value);
      },
    });
    this.bus.claim(0x20, 2, "the master 8259A", this.master);
    this.bus.claim(0xa0, 2, "the slave 8259A", this.slave);
    this.bus.claim(0x40, 4, "the 8254", this.pit);
    this.bus.claim(0x61, 1, "system port B", this.portB);
    this.bus.claim(0x60, 1, "the keyboard controller", this.i8042);
    this.bus.claim(0x64, 1, "the keyboard controller", shifted(this.i8042, 4));
    this.bus.claim(0x70, 2, "the CMOS clock", this.rtc);
    this.bus.claim(0x80, 1, "the POST port", this.post);
    this.bus.claim(0x92, 1, "port 92h", fastGate);
    this.bus.claim(0xe9, 1, "the debug console", console);
    this.bus.claim(0xf4, 4, "the debug exit", exit);
    this.bus.claim(0x2f8, 8, "COM2", this.uart2);
    this.bus.claim(0x3c0, 32, "the VGA", this.vga);
    this.bus.claim(0x3f8, 8, "COM1", this.uart1);
    this.bus.claim(0x604, 2, "power management", power);
    this.bus.claim(0xcf9, 1, "reset control", resetControl);

    const { master, slave, pit, portB, rtc, keyboard, i8042, uart1, uart2, vga, post } = this;
    const timed = { pit, portB, rtc, keyboard, i8042, uart1, uart2, vga };
    this.clock = new Clock(Object.values(timed));
    this.#chips = { master, slave, ...timed, post, console, exit, fastGate, resetControl, power };

    this.cpu = this.#newCpu();
    memory.onChange = (physAddr, bytes) => this.cpu.paging.memoryChanged(physAddr, bytes);
    for (const [port, value] of firmware) this.bus.write(port, 1, value);
    for (let at = FRAME; at < FRAME + 0x8000; at += 2) memory.device.set([0x20, 0x07], at);
  }

  /** Instructions retired since power-on; exact also while a port is accessed. */
  get retired(): number {
    return this.cpu.retired;
  }

  /** Executes until `retired` instructions are done, an event is due, or something else stops it. */
  execute(retired: number): ReturnType<Cpu["run"]> {
    return this.cpu.run(Math.min(retired, this.clock.deadline()));
  }

  /** What the chips remember. */
  chipStates(): ChipStates {
    return Object.fromEntries(
      Object.entries(this.#chips).map(([name, chip]) => [name, chip.state()]),
    );
  }

  /** Takes back what `chipStates()` returned. */
  restoreChips(states: ChipStates): void {
    for (const [name, chip] of Object.entries(this.#chips)) chip.restore(states[name]);
  }

  /** A checksum of what the screen can show. */
  screenChecksum(): number {
    const { device } = this.memory,
      words = new Uint32Array(device.buffer, device.byteOffset + FRAME, 8192);
    let sum = 0;
    for (let i = 0; i < words.length; i++) sum = Math.imul(sum, 31) + words[i] | 0;
    return sum;
  }

  #uart(
    port: SerialPort,
    irq: (level: boolean) => void,
    lineRate: boolean | undefined,
    diagnose: Diagnose,
  ): Uart {
    const options = { lineRate, ready: () => port.deliver() };
    const uart = new Uart(irq, (byte) => port.transmitted(byte), options, diagnose);
    port.connect(uart);
    return uart;
  }

  #newCpu(): Cpu {
    const { memory } = this, hooks = this.#hooks;
    return new Cpu({
      memory: memory.wasm,
      ramBytes: memory.ramBytes,
      ports: this.#ports,
      acknowledge: () => this.master.acknowledge(),
      time: () => this.retired + this.clock.skipped,
      hooks: { delivered: hooks.delivered?.bind(hooks), control: hooks.control?.bind(hooks) },
    });
  }

  /** PC-3: chips are brought to the present before an access, and may ask to be served earlier after it. */
  readonly #ports: Ports = {
    read: (port, bytes) => this.#timely(() => this.bus.read(port, bytes)),
    write: (port, bytes, value) => this.#timely(() => this.bus.write(port, bytes, value)),
  };

  #timely<T>(access: () => T): T {
    this.clock.reach(this.retired);
    const result = access();
    const due = this.clock.deadline();
    if (due < this.cpu.limit) this.cpu.limit = due;
    return result;
  }

  #ask(wish: Wish): void {
    this.wish ??= wish;
    this.cpu.limit = 0; // leave after the present instruction
  }
}

/** The registers of a device from `first` on. */
function shifted(device: PortDevice, first: number): PortDevice {
  return {
    read: (register) => device.read(register + first),
    write: (register, value) => device.write(register + first, value),
  };
}
