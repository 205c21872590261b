/**
 * The golden traces of decoding, meanings and compiled code: each stimulus of fixtures/cpu/*.trace, what it
 * gave after `=`, and the lines that it caused. Replaying makes all but the stimuli anew.
 */
import { decode } from "../../cpu/decode.ts";
import { Exit, packFlags, unpackFlags } from "../../cpu/state.ts";
import * as offsets from "../../cpu/state.ts";
import { addressKey, addressOf, formKey, formOf, needsAddress } from "../../cpu/form.ts";
import { explain } from "../../cpu/explain.ts";
import { allForms } from "../../cpu/form.ts";
import { record } from "../../cpu/graph.ts";
import { OPERATION_FIELDS } from "../../cpu/operation.ts";
import { buildInterpreter } from "../../cpu/interpreter_build.ts";
import { HandlerPrinter, LocalPool } from "../../cpu/print.ts";
import { Code, type Opcode } from "../../cpu/wasm.ts";
import type { Instruction } from "../../isa/instruction.ts";
import { type Event, type Field, hex, text } from "../../trace/event.ts";
import { formatTrace, parseNumber, parseTrace } from "../../trace/text.ts";
import { disassemble } from "./disassemble.ts";
import { execute, type MachineCode, parse } from "./execute.ts";
import { Bench } from "./bench.ts";
import { Program } from "./program.ts";

/** What a stimulus gives after `=`; what it causes goes to `emit`. */
type Command = (fields: readonly Field[], emit: Emit) => Field[] | void;

/** Adds a line after the stimulus. */
type Emit = (kind: string, ...fields: Field[]) => void;

/** The stimuli of one trace, on a subject of its own. */
interface Subject {
  readonly commands: Readonly<Record<string, Command>>;
  /** The stamp of each line, if it has one of its own: the count of instructions. */
  readonly stamp?: () => number;
}

const words = (field: Field) => typeof field === "string" ? field : field.text;
const bytesOf = (field: Field) =>
  Uint8Array.from(words(field).split(" "), (digits) => parseInt(digits, 16));
const hexOf = (bytes: Uint8Array) =>
  [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");

function decoded(size: Field, code: Field): Instruction {
  const bytes = new Uint8Array(16);
  bytes.set(bytesOf(code));
  return decode(bytes, 0, bytes.length, 0x1000, size === "32")!;
}

const REGISTERS = ["eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"];
const SEGMENTS = ["es", "cs", "ss", "ds", "fs", "gs"];

function memoryOperand(it: Instruction): string {
  const parts = [
    ...(it.base < 0 ? [] : [REGISTERS[it.base]]),
    ...(it.index < 0 ? [] : [`${REGISTERS[it.index]}*${1 << it.scale}`]),
    `${it.displacement}`,
  ];
  return `${SEGMENTS[it.segment]}:${parts.join("+")}`;
}

/** What the decoder found, in words. */
export function describe(it: Instruction): Field[] {
  return [
    text(it.row.text),
    `length:${it.length}`,
    `size:${it.operandSize}`,
    `address:${it.addressSize}`,
    ...(it.row.modrm ? [`mod:${it.mod}`, `reg:${it.reg}`, `rm:${it.rm}`] : [`reg:${it.reg}`]),
    ...(it.isMemory ? [memoryOperand(it)] : []),
    ...(it.immediate ? [`imm:${it.immediate}`] : []),
    ...(it.immediate2 ? [`imm2:${it.immediate2}`] : []),
    ...(it.lock ? ["lock"] : []),
    ...(it.repeat ? [`repeat:${hex(it.repeat)}`] : []),
  ];
}

const decoding: Record<string, Command> = {
  decode: ([size, code]) => describe(decoded(size, code)),
};

const forming: Record<string, Command> = {
  form: ([segments, size, code]) => {
    const instruction = decoded(size, code), flat = segments === "flat";
    const key = text(formKey(formOf(instruction, flat)));
    return needsAddress(instruction, flat)
      ? [key, text(addressKey(addressOf(instruction)))]
      : [key];
  },
};

function explaining(kinds: string): Subject {
  return {
    commands: {
      [kinds]: ([key], emit) => {
        const lines = explain(words(key).split(" ")[0]).get(words(key));
        if (!lines) throw new SyntaxError(`Cannot explain "${words(key)}": no such form`);
        for (const line of lines) emit("step", text(line));
      },
    },
  };
}

function printed(key: string, hot: boolean): Uint8Array {
  const { row, form } = allForms().forms.get(key)!, code = new Code();
  const depths = { fault: 4, lookup: 3, next: 0, uncounted: 1 };
  const loop = hot ? { count: 1, readTable: 2, writeTable: 3 } : undefined;
  const locals = new LocalPool(hot ? 5 : 1, 16);
  new HandlerPrinter(code, { operation: 0, loop, locals }, depths)
    .print(record(row.meaning!, form));
  return code.bytes();
}

const printing: Record<string, Command> = {
  print: ([where, key], emit) => {
    for (const line of disassemble(printed(words(key), where === "hot"))) emit("code", text(line));
  },
};

const encoding: Record<string, Command> = {
  unsigned: ([value]) => [text(hexOf(new Code().unsigned(parseNumber(value)).bytes()))],
  signed: ([value]) => [text(hexOf(new Code().signed(Number(value)).bytes()))],
  op: ([name, ...operands]) => [
    text(hexOf(new Code().op(name as Opcode, ...operands.map(parseNumber)).bytes())),
  ],
};

const layout: Record<string, Command> = {
  word: ([name]) => [hex((offsets as unknown as Record<string, number>)[words(name)])],
  unpack: ([flags]) => unpackFlags(parseNumber(flags)).map((word) => hex(word >>> 0)),
  pack: (fields) => {
    const [zero, sign, carry] = fields.map((field) => parseNumber(field) | 0);
    return [hex(packFlags(zero, sign, carry))];
  },
};

const fields: Record<string, Command> = {
  field: ([name]) => [`${OPERATION_FIELDS[words(name) as keyof typeof OPERATION_FIELDS]}`],
};

/** Handlers by mnemonic, in the hot loop and outside. */
const building: Record<string, Command> = {
  build: (_, emit) => {
    const { keys } = buildInterpreter(), counts = new Map<string, number>();
    for (const key of keys) {
      const [name] = key.split(" ");
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    for (const [name, count] of [...counts].sort()) emit("forms", name, `${count}`);
    return [`${keys.length}`];
  },
};

const computing: Record<string, Command> = {
  execute: (fields) => execute(parse(fields.map(words)) as MachineCode),
};

/** A program on the processor: see {@link Program}. */
function running(): Subject {
  const cause: { emit: Emit } = { emit: () => {} };
  let inputs: number[] = [];
  const program: Program = new Program({
    hooks: {
      delivered: (vector, code, source) => {
        const error = code < 0 ? [] : ["error", hex(code)];
        cause.emit(source, hex(vector), "eip", hex(program.cpu.state.eip), ...error);
      },
      control: (register, value) => cause.emit("control", `cr${register}`, hex(value)),
    },
    ports: {
      read: (port) => inputs.shift() ?? port & 0xff,
      write: (port, _, value) => {
        if (port === 0xf4) program.cpu.limit = 0;
        cause.emit("out", hex(port), hex(value));
      },
    },
  });
  const heard = (command: Command): Command => (fields, emit) => {
    cause.emit = emit;
    return command(fields, emit);
  };
  const commands: Record<string, Command> = {
    bytes: ([at, code]) => void program.bytes(parseNumber(at), words(code)),
    words: ([at, ...values]) => program.words(parseNumber(at), ...values.map(parseNumber)),
    page: ([count]) => program.page(parseNumber(count)),
    flush: () => {
      program.cpu.paging.flush(true);
      program.cpu.flushCode();
    },
    ring: ([ring]) => program.ring(ring === "3" ? 3 : 0),
    go: ([eip]) => void program.go(parseNumber(eip)),
    flags: ([value]) => void (program.cpu.state.eflags = parseNumber(value)),
    set: ([name, value]) =>
      program.cpu.state.setRegister(REGISTERS.indexOf(words(name)), parseNumber(value)),
    input: (values) => void (inputs = values.map(parseNumber)),
    line: ([level]) => program.cpu.setInterruptLine(level === "1"),
    breakpoints: (all) => program.cpu.setBreakpoints(new Set(all.map(parseNumber))),
    skip: () => program.cpu.skipBreakpoint(),
    run: ([count]) => [program.run(parseNumber(count)), "eip", hex(program.cpu.state.eip)],
    registers: () => program.summary.slice(0, 10).map((value) => hex(value)),
    peek: ([at]) => [hex(program.word(parseNumber(at)))],
  };
  return {
    commands: Object.fromEntries(
      Object.entries(commands).map(([name, command]) => [name, heard(command)]),
    ),
    stamp: () => program.cpu.retired,
  };
}

/** Operations written by hand, run by the interpreter alone: see {@link Bench}. */
function stepping(): Subject {
  const bench = new Bench();
  const exitName = (exit: number) =>
    Object.entries(Exit).find(([, value]) => value === exit)![0].toLowerCase();
  return {
    commands: {
      operation: ([key, ...fields]) => {
        const values = fields.map((field) => words(field).split(":"));
        const at = bench.add(words(key), Object.fromEntries(values.map(([k, v]) => [k, +v])));
        return [hex(at)];
      },
      jump: ([eip, at]) => bench.enterJump(parseNumber(eip), parseNumber(at)),
      set: ([name, value]) =>
        bench.state.setRegister(REGISTERS.indexOf(words(name)), parseNumber(value)),
      run: ([at, count], emit) => {
        bench.onAccess = (name, linear, bytes) => emit("slow", name, hex(linear), `${bytes}`);
        const exit = bench.run(parseNumber(at), parseNumber(count));
        return [exitName(exit), hex(bench.operation), `${bench.remaining}`];
      },
      registers: () => REGISTERS.map((_, i) => hex(bench.state.register(i))),
    },
  };
}

/** The subject of each trace, by its stem. */
export const subjects: Readonly<Record<string, () => Subject>> = {
  state: () => ({ commands: layout }),
  decode: () => ({ commands: decoding }),
  form: () => ({ commands: forming }),
  graph: () => explaining("graph"),
  explain: () => explaining("explain"),
  print: () => ({ commands: printing }),
  wasm: () => ({ commands: encoding }),
  operation: () => ({ commands: fields }),
  interpreter: stepping,
  interpreter_build: () => ({ commands: building }),
  concrete: () => ({ commands: computing }),
  code_cache: running,
  cpu: running,
};

/** Does the stimuli of a trace again and writes the whole of it. */
export function replay(stem: string, golden: string): string {
  const { commands, stamp = () => 0 } = subjects[stem](), { head, events } = parseTrace(golden);
  const replayed: Event[] = [];
  for (const event of events) {
    if (event.kind === "note") replayed.push({ ...event, stamp: stamp() });
    const command = commands[event.kind];
    if (!command) continue; // a note, or what a stimulus caused
    const end = event.fields.indexOf("=");
    const stimulus = end < 0 ? event.fields : event.fields.slice(0, end);
    const place = replayed.push({ ...event, stamp: stamp() }) - 1;
    const emit: Emit = (kind, ...fields) => void replayed.push({ stamp: stamp(), kind, fields });
    const response = command(stimulus, emit);
    const fields = response ? [...stimulus, "=", ...response] : stimulus;
    replayed[place] = { ...replayed[place], fields };
  }
  return formatTrace({ head, events: replayed });
}

/** Replays fixtures/cpu/STEM.trace: the text that it should hold and the text that it holds. */
export async function replayGolden(stem: string): Promise<[replayed: string, golden: string]> {
  const path = new URL(`../../fixtures/cpu/${stem}.trace`, import.meta.url);
  const golden = await Deno.readTextFile(path);
  return [replay(stem, golden), golden];
}
