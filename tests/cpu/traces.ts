/**
 * The golden traces of the system code: each line of fixtures/cpu/*.trace is a stimulus and, after `=`,
 * what came of it. Replaying drives a fresh processor with the stimuli and writes the whole text again.
 */
import { effectiveOffset, linearAddress } from "../../cpu/context.ts";
import { decode } from "../../cpu/decode.ts";
import { faultClass, isFault } from "../../cpu/fault.ts";
import { interrupt, raise, type Source } from "../../cpu/interrupts.ts";
import { cachedSegment, loadSegment } from "../../cpu/segments.ts";
import { innerStack, Stack } from "../../cpu/stack.ts";
import type { Field } from "../../trace/event.ts";
import { formatTrace, parseTrace } from "../../trace/text.ts";
import { GDT, hex, TestCpu } from "./testcpu.ts";

const GENERAL = ["eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"];
const SEGMENTS = ["es", "cs", "ss", "ds", "fs", "gs"];
/** Words of the state (specs/cpu/state.md). */
const WORDS: Record<string, number> = {
  cr0: 300,
  cr2: 304,
  cr3: 308,
  cr4: 312,
  gdtr: 316,
  "gdtr-limit": 320,
  idtr: 324,
  "idtr-limit": 328,
  ldtr: 332,
  tr: 348,
  "tr-limit": 356,
  stopped: 288,
  cpl: 364,
};

/** What a line says after `=`; a line without responses gives none. */
type Command = (cpu: TestCpu, fields: readonly Field[], numbers: number[]) => Field[] | void;

/** `ok ...`, `fault VECTOR CODE` or `unmodelled "..."`. */
function outcome(cpu: TestCpu, action: () => Field[] | void): Field[] {
  let result: Field[] = [];
  const text = cpu.outcome(() => void (result = action() ?? []));
  return text === "ok" ? ["ok", ...result] : fieldsOf(text);
}

/** The fields of an outcome's text. */
function fieldsOf(text: string): Field[] {
  const [word, ...rest] = text.split(" ");
  if (word === "unmodelled") return [word, { text: JSON.parse(rest.join(" ")) }];
  return [word, ...rest];
}

function bytesOf(field: Field): number[] {
  if (typeof field === "string") throw new SyntaxError(`Cannot read ${field} as machine code`);
  return field.text.split(" ").map((byte) => parseInt(byte, 16));
}

function sourceOf(field: Field): Source {
  return field as Source;
}

const commands: Record<string, Command> = {
  ring: (cpu, _, [ring]) => cpu.ring(ring === 3 ? 3 : 0),
  set: (cpu, [name], [, value]) => {
    const key = String(name), register = GENERAL.indexOf(key);
    if (key === "eflags") cpu.state.eflags = value;
    else if (key === "eip") cpu.state.eip = value;
    else if (register >= 0) cpu.state.setRegister(register, value);
    else cpu.state.set(WORDS[key], value);
  },
  get: (cpu, names) => names.map((name) => hex(cpu.state.get(WORDS[String(name)]))),
  a20: (cpu, _, [open]) => {
    cpu.paging.a20 = open === 1;
  },
  port: (cpu, _, [port, value]) => void cpu.ports.set(port, value),
  poke: (cpu, _, [address, ...values]) => {
    values.forEach((value, i) => cpu.poke(address + 4 * i, value));
  },
  peek: (cpu, _, [address, count]) =>
    Array.from({ length: count }, (_, i) => hex(cpu.peek(address + 4 * i))),
  descriptor: (cpu, _, [selector, base, limit, access, flags]) =>
    cpu.descriptor(selector, base, limit, access, flags),
  gate: (cpu, _, [vector, selector, offset, access]) => cpu.gate(vector, selector, offset, access),
  callgate: (cpu, _, [gate, selector, offset, access, count]) =>
    cpu.gateAt(GDT + gate, selector, offset, access, count),
  exec: (cpu, [code]) => {
    const result = fieldsOf(cpu.execute(...bytesOf(code)));
    return [...result, ...cpu.asked.map((asked) => ({ text: asked }))];
  },
  registers: (cpu) => {
    const { state } = cpu;
    const general = GENERAL.flatMap((name, i) => [name, hex(state.register(i))]);
    const selectors = SEGMENTS.flatMap((name, i) => [name, hex(state.selector(i))]);
    const rest = ["eip", hex(state.eip), "eflags", hex(state.eflags), "cpl", String(state.cpl)];
    return [...rest, ...selectors, ...general];
  },
  segment: (cpu, [name]) => {
    const cache = cachedSegment(cpu.state, SEGMENTS.indexOf(String(name)));
    return Object.entries(cache).flatMap(([field, value]) => [field, hex(value)]);
  },
  load: (cpu, [name], [, selector]) =>
    outcome(cpu, () => loadSegment(cpu, SEGMENTS.indexOf(String(name)), selector)),
  translate: (cpu, [, way, who], [linear]) => {
    const result = outcome(
      cpu,
      () => [hex(cpu.paging.translate(linear, way === "write", who === "user"))],
    );
    return result[0] === "ok" ? result : [...result, hex(cpu.state.get(WORDS.cr2))];
  },
  read: (cpu, [, , who], [linear, bytes]) =>
    outcome(cpu, () => [hex(cpu.paging.read(linear, bytes, who === "user"))]),
  write: (cpu, [, , , who], [linear, bytes, value]) =>
    outcome(cpu, () => cpu.paging.write(linear, bytes, value, who === "user")),
  flush: (cpu, [what]) => cpu.paging.flush(what === "all"),
  invalidate: (cpu, _, [linear]) => cpu.paging.invalidate(linear),
  probe: (cpu, _, [linear]) => {
    const found = cpu.paging.probe(linear);
    if (!found) return ["nothing"];
    const { physAddr, ...bits } = found;
    return [hex(physAddr), ...Object.entries(bits).filter(([, on]) => on).map(([name]) => name)];
  },
  deliver: (cpu, [, , source], [vector, code]) =>
    outcome(cpu, () => interrupt(cpu, vector, code | 0, sourceOf(source), cpu.state.eip)),
  raise: (cpu, [, , source], [vector, code]) => {
    const result = raise(cpu, vector, code | 0, sourceOf(source));
    if (!result) return ["handled", hex(cpu.state.eip)];
    const links = result.chain.map(({ vector, code }) => `${vector}:${code < 0 ? "-" : hex(code)}`);
    return ["shutdown", ...links];
  },
  classify: (_cpu, _, [vector]) => {
    const name = faultClass(vector).replace(" ", "-");
    return isFault(vector) ? [name, "saves-rf"] : [name];
  },
  push: (cpu, _, [bytes, value]) =>
    outcome(cpu, () => {
      const stack = Stack.current(cpu);
      stack.push(bytes, value);
      stack.commit();
      return [hex(stack.pointer)];
    }),
  pop: (cpu, _, [bytes]) =>
    outcome(cpu, () => {
      const stack = Stack.current(cpu), value = stack.pop(bytes);
      stack.commit();
      return [hex(value), hex(stack.pointer)];
    }),
  inner: (cpu, _, [ring]) =>
    outcome(cpu, () => {
      const { stack, descriptor } = innerStack(cpu, ring);
      return [hex(descriptor.selector), hex(stack.pointer)];
    }),
  operand: (cpu, [code, way], [, , bytes]) => {
    const buffer = new Uint8Array(16);
    buffer.set(bytesOf(code));
    const instruction = decode(buffer, 0, 16, cpu.state.eip, true)!;
    const linear = () => [hex(linearAddress(cpu, instruction, bytes, way === "write"))];
    return [hex(effectiveOffset(cpu, instruction)), ...outcome(cpu, linear)];
  },
};

/** Drives a fresh processor with the stimuli of a trace and writes the trace again. */
export function replay(golden: string): string {
  const cpu = new TestCpu(), { head, events } = parseTrace(golden);
  const replayed = events.map((event) => {
    if (event.kind === "note") return { ...event, stamp: cpu.retired };
    const end = event.fields.indexOf("=");
    const stimulus = end < 0 ? event.fields : event.fields.slice(0, end);
    const stamp = cpu.retired, command = commands[event.kind];
    if (!command) throw new SyntaxError(`Cannot replay "${event.kind}": no such stimulus`);
    const response = command(cpu, stimulus, stimulus.map(Number));
    const fields = response ? [...stimulus, "=", ...response] : stimulus;
    return { stamp, kind: event.kind, fields };
  });
  return formatTrace({ head, events: replayed });
}

/** Replays fixtures/cpu/STEM.trace: the text that it holds and the text that it should hold. */
export async function replayGolden(stem: string): Promise<[replayed: string, golden: string]> {
  const path = new URL(`../../fixtures/cpu/${stem}.trace`, import.meta.url);
  const golden = await Deno.readTextFile(path);
  return [replay(golden), golden];
}
