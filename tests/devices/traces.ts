/** The subject of each golden trace of fixtures/devices: how the device is built, what `do` calls. */

import type { Device } from "../../devices/device.ts";
import { I8042 } from "../../devices/i8042.ts";
import { Keyboard } from "../../devices/keyboard.ts";
import { Pic } from "../../devices/pic.ts";
import { Pit } from "../../devices/pit.ts";
import { SystemPortB } from "../../devices/portb.ts";
import {
  DebugConsole,
  DebugExit,
  FastGate,
  PostPort,
  PowerControl,
  ResetControl,
} from "../../devices/ports.ts";
import { Rtc } from "../../devices/rtc.ts";
import { Uart } from "../../devices/uart.ts";
import { Vga } from "../../devices/vga.ts";
import { type Methods, replay, type Replayable, type SubjectFactory } from "../../trace/replay.ts";

/** By the stem of the trace: fixtures/devices/STEM.trace. */
export const subjects: Readonly<
  Record<string, SubjectFactory<Replayable & Device<unknown>>>
> = {
  pic: ({ line, diagnose }) => {
    const slave: Pic = new Pic((level) => master.irq(2)(level), {}, diagnose);
    const master: Pic = new Pic(line("int"), { 2: slave }, diagnose);
    const chip = (register: number): Pic => register < 2 ? master : slave;
    const device = delegate(master, {
      read: (register) => chip(register).read(register & 1),
      write: (register, value) => chip(register).write(register & 1, value),
      state: () => ({ master: master.state(), slave: slave.state() }),
    });
    const irq = (n: number, level: boolean) => (n < 8 ? master : slave).irq(n & 7)(level);
    return { device, methods: { irq, acknowledge: () => master.acknowledge() } };
  },
  pit: ({ line, diagnose }) => {
    const device = new Pit(line("out0"), undefined, line("out2"), diagnose);
    const gate = (channel: number, level: boolean) => device.gate(channel)(level);
    return { device, methods: { gate } };
  },
  portb: ({ line }) => {
    const pins = { out2: false };
    const device = new SystemPortB(line("gate2"), () => pins.out2);
    const out2 = (level: boolean) => {
      pins.out2 = level;
    };
    return { device, methods: { out2, speaker: () => device.speaker() } };
  },
  rtc: ({ line, diagnose }) => {
    const options = { start: "2024-02-28T23:59:59", memoryBytes: 0x2000000, nmi: line("nmi") };
    return { device: new Rtc(line("irq"), options, diagnose) };
  },
  uart: ({ line, emit, diagnose }) => {
    const device = new Uart(line("irq"), emit("transmit"), {}, diagnose);
    const methods = {
      receive: (byte: number) => device.receive(byte),
      modem: (lines: number) => device.modem(lines),
    };
    return { device, methods };
  },
  keyboard: ({ emit, diagnose }) => {
    const device = new Keyboard(diagnose);
    device.connect(emit("send"));
    const wire = {
      command: (byte: number) => device.receive(byte),
      inhibit: (level: boolean) => device.inhibit(level),
      leds: () => device.leds,
    };
    return { device, methods: { ...keyboardMethods(device), ...wire } };
  },
  i8042: ({ line, diagnose }) => {
    const keyboard = new Keyboard(diagnose);
    const lines = { a20: line("a20"), reset: line("reset") };
    const controller = new I8042(keyboard, line("irq1"), lines, diagnose);
    const device = delegate(controller, {
      read: (register) => controller.read(register),
      write: (register, value) => controller.write(register, value),
      advance: (cycles) => keyboard.advance(cycles),
      cyclesToEvent: () => keyboard.cyclesToEvent(),
      state: () => ({ controller: controller.state(), keyboard: keyboard.state() }),
    });
    return { device, methods: keyboardMethods(keyboard) };
  },
  vga: ({ diagnose }) => {
    const frame = new Uint8Array(0x8000);
    const device = new Vga(frame, diagnose);
    const methods = {
      store: (offset: number, attribute: number, text: string) =>
        [...text].forEach((character, i) => {
          frame[offset + 2 * i] = character.charCodeAt(0);
          frame[offset + 2 * i + 1] = attribute;
        }),
      row: (row: number) => device.text().split("\n")[row],
      cursor: () => Object.values(device.screen().cursor).join(" "),
    };
    return { device, methods };
  },
  ports: ({ line, emit, diagnose }) => {
    const console = new DebugConsole(emit("console"));
    const owners = {
      0x80: new PostPort(emit("post")),
      0x92: new FastGate(line("a20"), line("reset"), diagnose),
      0xe9: console,
      0xf4: new DebugExit(emit("exit")),
      0x604: new PowerControl(() => emit("off")(1), diagnose),
      0xcf9: new ResetControl(line("reset"), diagnose),
    };
    const owner = (port: number) =>
      Object.entries(owners).findLast(([base]) => Number(base) <= port)!;
    const device = delegate(console, {
      read: (port) => owner(port)[1].read(port - Number(owner(port)[0])),
      write: (port, value) => owner(port)[1].write(port - Number(owner(port)[0]), value),
      state: () => Object.fromEntries(Object.entries(owners).map(([p, d]) => [p, d.state()])),
    });
    return { device };
  },
};

function keyboardMethods(keyboard: Keyboard): Methods {
  return {
    press: (code: string) => keyboard.press(code),
    release: (code: string) => keyboard.release(code),
    type: (text: string) => keyboard.type(text),
  };
}

/** A device whose parts are replaced by `parts`, for subjects of several chips. */
function delegate(
  device: Device<unknown> & Replayable,
  parts: Partial<Device<unknown> & Replayable>,
): Device<unknown> & Replayable {
  return {
    reset: () => device.reset(),
    advance: (cycles) => device.advance(cycles),
    cyclesToEvent: () => device.cyclesToEvent(),
    state: () => device.state(),
    restore: (state) => device.restore(state),
    ...parts,
  };
}

/** Reads a golden trace and replays it: both texts and where the device was left. */
export async function replayGolden(
  stem: string,
): Promise<{ golden: string; trace: string; state: unknown }> {
  const fixture = new URL(`../../fixtures/devices/${stem}.trace`, import.meta.url);
  const golden = await Deno.readTextFile(fixture);
  const { trace, device } = replay(subjects[stem], golden);
  return { golden, trace, state: device.state() };
}
