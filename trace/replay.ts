/** Replays a device's trace: stimuli in, the whole trace out again. Spec: specs/trace.md. */

import { type Event, type Field, hex, text, type Trace } from "./event.ts";
import { formatTrace, parseNumber, parseTrace } from "./text.ts";

/** The callbacks by which a replayed device writes its responses into the trace. */
export interface Outputs {
  /** A pin: `line NAME 0|1` for each call. */
  line(name: string): (level: boolean) => void;
  /** An output of bytes or codes: `emit NAME VALUE` for each call. */
  emit(name: string): (value: number) => void;
  /** Reserved programming: `diagnose CLAUSE "message"`. */
  diagnose(clause: string, message: string): void;
}

/** What can stand behind `do NAME`, and what it can return. */
export type Value = number | boolean | string;

/** The methods of a device by the names that its trace uses. */
export type Methods = Readonly<Record<string, (...values: never[]) => Value | void>>;

/** What replaying needs of a device; every device of this project has it. */
export interface Replayable {
  /** Serves `in REG`. */
  read?(register: number): number;
  /** Serves `out REG VALUE`. */
  write?(register: number, value: number): void;
  /** Lets virtual ticks pass. */
  advance(cycles: number): void;
  /** Ticks until the next change of an output. */
  cyclesToEvent(): number;
}

/** A device with the methods that `do` can call. */
export interface Subject<D extends Replayable> {
  /** The device. */
  readonly device: D;
  /** What `do` can call. */
  readonly methods?: Methods;
}

/** Builds the device, its outputs connected to the trace. */
export type SubjectFactory<D extends Replayable = Replayable> = (outputs: Outputs) => Subject<D>;

/** Runs the stimuli of `source` on a new device: its regenerated trace and the device. */
export function replay<D extends Replayable>(
  factory: SubjectFactory<D>,
  source: string,
): { trace: string; device: D } {
  const golden: Trace = parseTrace(source);
  const player = new Player(factory);
  for (const event of golden.events) player.play(event);
  return {
    trace: formatTrace({ head: golden.head, events: player.events }),
    device: player.subject.device,
  };
}

class Player<D extends Replayable> {
  readonly events: Event[] = [];
  readonly subject: Subject<D>;
  #now = 0;

  constructor(factory: SubjectFactory<D>) {
    this.subject = factory({
      line: (name) => (level) => this.#respond("line", [name, level ? "1" : "0"]),
      emit: (name) => (value) => this.#respond("emit", [name, hex(value)]),
      diagnose: (clause, message) => this.#respond("diagnose", [clause, text(message)]),
    });
  }

  play(event: Event): void {
    if (RESPONSES.has(event.kind)) return;
    const stimulus = stimuli[event.kind];
    if (stimulus === undefined) {
      throw new SyntaxError(
        `Cannot replay the event "${event.kind}" at ${event.stamp}: expected one of ` +
          [...Object.keys(stimuli), ...RESPONSES].join(", "),
      );
    }
    this.#advanceTo(event.stamp);
    const place = this.events.push(event) - 1; // a response follows its stimulus
    const fields = stimulus(this.subject, event.fields);
    this.events[place] = { ...event, fields };
  }

  /** Steps from change to change, so that each response has its exact stamp (TRACE-10). */
  #advanceTo(stamp: number): void {
    while (this.#now < stamp) {
      const step = Math.min(stamp - this.#now, Math.max(this.subject.device.cyclesToEvent(), 1));
      this.#now += step;
      this.subject.device.advance(step);
    }
  }

  #respond(kind: string, fields: Field[]): void {
    this.events.push({ stamp: this.#now, kind, fields });
  }
}

const RESPONSES: ReadonlySet<string> = new Set(["line", "emit", "diagnose"]);

type Stimulus = (subject: Subject<Replayable>, fields: readonly Field[]) => readonly Field[];

/** Each serves one kind of stimulus and returns the fields that its line has now. */
const stimuli: Readonly<Record<string, Stimulus>> = {
  note: (_, fields) => fields,
  advance: (_, fields) => fields,
  out: ({ device }, fields) => {
    if (device.write === undefined) throw new SyntaxError("Cannot replay out: no registers");
    device.write(parseNumber(fields[0]), parseNumber(fields[1]));
    return fields;
  },
  in: ({ device }, [register]) => {
    if (device.read === undefined) throw new SyntaxError("Cannot replay in: no registers");
    return [register, "=", hex(device.read(parseNumber(register)))];
  },
  do: ({ methods }, fields) => {
    const end = fields.indexOf("=");
    const [name, ...values] = end < 0 ? fields : fields.slice(0, end);
    const method = methods?.[name as string];
    if (method === undefined) throw new SyntaxError(`Cannot replay do ${name}: no such method`);
    const result = method(...values.map(toValue) as never[]);
    return [name, ...values, ...(result === undefined ? [] : ["=", fromValue(result)])];
  },
};

function toValue(field: Field): Value {
  if (typeof field !== "string") return field.text;
  if (field === "true" || field === "false") return field === "true";
  return /^[0-9]/.test(field) ? parseNumber(field) : field;
}

function fromValue(value: Value): Field {
  if (typeof value === "string") return text(value);
  return typeof value === "number" ? hex(value) : `${value}`;
}
