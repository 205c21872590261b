/**
 * The golden traces of the parts that native vectors do not show: each stimulus of fixtures/isa/*.trace and
 * what it gave after `=`, or the lines that it caused. Replaying makes all but the stimuli anew.
 */
import { execute, type Operands } from "../../cpu/concrete.ts";
import { Fault } from "../../cpu/fault.ts";
import { unpackFlags } from "../../cpu/state.ts";
import { condition, conditionNames } from "../../isa/flags.ts";
import type { Form, Meaning } from "../../isa/machine.ts";
import { generalAddress, linear, type Through } from "../../isa/memory.ts";
import * as registers from "../../isa/registers.ts";
import { row } from "../../isa/row.ts";
import { rows } from "../../isa/rows.ts";
import { type Event, type Field, hex, text } from "../../trace/event.ts";
import { formatTrace, parseNumber, parseTrace } from "../../trace/text.ts";

type Emit = (kind: string, ...fields: Field[]) => void;
type Command = (fields: readonly Field[], emit: Emit) => Field[] | void;

const words = (field: Field) => typeof field === "string" ? field : field.text;
const ZERO = 40, SIGN = 44, CARRY = 48, ADDRESS = 36;
const BASE = 64, FIRST = 88, SPAN = 112, RIGHTS = 136, ATTRIBUTES = 184;
const SEGMENTS = ["es", "cs", "ss", "ds", "fs", "gs"];

/** Runs a meaning on registers at their offsets; a fault as `fault VECTOR CODE`. */
export function run(
  meaning: Meaning,
  view: DataView,
  form: Partial<Form> = {},
  operands: Partial<Operands> = {},
): "ok" | string {
  const nowhere = () => {
    throw new RangeError("Cannot access memory: there is none");
  };
  const memory = { read: nowhere, write: nowhere, probeWrite: nowhere };
  const whole: Form = {
    name: "",
    size: 32,
    places: [],
    addressSize: 32,
    flat: false,
    repeat: 0,
    ...form,
  };
  const none = { base: 32, index: 32, scale: 0, immediate: 0, target: 0, next: 0 };
  try {
    execute(
      meaning,
      whole,
      {
        ...none,
        slots: [32, 32],
        displacement: 0,
        segment: 3,
        ...operands,
      },
      view,
      memory,
    );
    return "ok";
  } catch (reason) {
    if (reason instanceof Fault) return `fault ${reason.vector} ${reason.code}`;
    throw reason;
  }
}

/** The sixteen conditions for a value of EFLAGS, as a number of sixteen bits. */
export function conditionsOf(flags: number): number {
  const view = new DataView(new ArrayBuffer(256));
  unpackFlags(flags).forEach((word, i) => view.setInt32([ZERO, SIGN, CARRY][i], word, true));
  let all = 0;
  for (let number = 0; number < 16; number++) {
    run((m) => m.setRegister(0, condition(m, number)), view);
    all |= view.getUint32(0, true) << number;
  }
  return all;
}

const flags: Record<string, Command> = {
  conditions: ([eflags]) => {
    const all = conditionsOf(parseNumber(eflags));
    return conditionNames.filter((_, number) => all >> number & 1);
  },
};

/** Segments and registers that the next accesses see. */
function accesses(): Record<string, Command> {
  const view = new DataView(new ArrayBuffer(256));
  const outcome = (result: string): Field[] =>
    result === "ok" ? [hex(view.getUint32(ADDRESS, true), 8)] : result.split(" ");
  return {
    segment: ([name, ...fields]) => {
      const at = 4 * SEGMENTS.indexOf(words(name));
      [BASE, FIRST, SPAN, RIGHTS, ATTRIBUTES].forEach((field, i) =>
        view.setUint32(field + at, parseNumber(fields[i] ?? "0"), true)
      );
    },
    access: ([through, way, offset, bytes, addressSize = "32"]) => {
      const size = addressSize === "16" ? 16 : 32, at = parseNumber(offset);
      return outcome(run(
        (m, form) => {
          const kind = through as Through, write = way === "write";
          m.setRegister(ADDRESS, linear(m, form, kind, m.const(at), parseNumber(bytes), write));
        },
        view,
        { addressSize: size },
      ));
    },
    operand: ([segment, way, offset, bytes, addressSize]) => {
      const form = {
        bytes: parseNumber(bytes),
        write: way === "write",
        addressSize: addressSize === "16" ? 16 : 32,
        stack: segment === "ss",
        bitString: 0,
      } as const;
      const operands = {
        displacement: parseNumber(offset),
        segment: SEGMENTS.indexOf(words(segment)),
      };
      return outcome(run((m) => generalAddress(m, form), view, {}, operands));
    },
  };
}

const offsets: Record<string, Command> = {
  register: ([name]) => [`${(registers as unknown as Record<string, number>)[words(name)]}`],
};

const traits = ["modrm", "plus", "lockable", "byte"] as const;

const single: Record<string, Command> = {
  row: ([source]) => {
    const it = row(words(source));
    return [
      it.mnemonic,
      `opcode:${it.opcode.map((byte) => byte.toString(16).padStart(2, "0")).join(":")}`,
      ...(it.digit < 0 ? [] : [`digit:${it.digit}`]),
      ...it.operands,
      ...traits.filter((trait) => it[trait]),
    ];
  },
};

const all: Record<string, Command> = {
  rows: (_, emit) => {
    for (const { text: source, meaning } of rows) {
      emit(meaning ? "meaning" : "system", text(source));
    }
    return [`${rows.length}`];
  },
};

/** The stimuli of each trace, by its stem. */
export const subjects: Readonly<Record<string, () => Record<string, Command>>> = {
  flags: () => flags,
  memory: accesses,
  registers: () => offsets,
  row: () => single,
  rows: () => all,
};

/** Does the stimuli of a trace again and writes the whole of it. */
export function replay(stem: string, golden: string): string {
  const commands = subjects[stem](), { head, events } = parseTrace(golden);
  const replayed: Event[] = [];
  for (const event of events) {
    if (event.kind === "note") replayed.push(event);
    const command = commands[event.kind];
    if (!command) continue; // a note, or what a stimulus caused
    const end = event.fields.indexOf("=");
    const stimulus = end < 0 ? event.fields : event.fields.slice(0, end);
    const place = replayed.push(event) - 1;
    const response = command(stimulus, (kind, ...fields) => {
      replayed.push({ stamp: event.stamp, kind, fields });
    });
    replayed[place] = { ...event, fields: response ? [...stimulus, "=", ...response] : stimulus };
  }
  return formatTrace({ head, events: replayed });
}

/** Replays fixtures/isa/STEM.trace: the text that it should hold and the text that it holds. */
export async function replayGolden(stem: string): Promise<[replayed: string, golden: string]> {
  const path = new URL(`../../fixtures/isa/${stem}.trace`, import.meta.url);
  const golden = await Deno.readTextFile(path);
  return [replay(stem, golden), golden];
}
