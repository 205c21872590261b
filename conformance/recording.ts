/**
 * Records a kernel with settings and input: the whole of what `trace record` does.
 * Spec: specs/conformance/recording.md.
 */
import type { Machine } from "../machine/machine.ts";
import { readImage } from "../machine/multiboot.ts";
import { describeStop, type Stop } from "../machine/stop.ts";
import type { Event, MachineEvent, Trace } from "../trace/event.ts";
import { formatField } from "../trace/text.ts";
import { signatures } from "./abi.ts";
import { type EventChoice, findFunctions, managesMemory, parseEvents } from "./event_list.ts";
import type { Action, Condition, Deed } from "./input.ts";
import { LocatedError } from "./located_json.ts";
import { type HookKind, Recorder } from "./recorder.ts";
import { bootOptions, type Settings, writeHead } from "./settings.ts";
import {
  cursorEvent,
  heapEvents,
  heapStatistics,
  mappingEvents,
  pageStatistics,
  rowEvents,
} from "./views.ts";

/** Instructions between two looks at the screen for a text on it: RECORDING-4. */
const LOOK = 100_000;

/** A recording. */
export interface Recording {
  /** The trace. */
  readonly trace: Trace;
  /** For each event the linear address where the processor was. */
  readonly places: readonly number[];
  /** How it ended. */
  readonly stop: Stop;
  /** The machine at its end. */
  readonly machine: Machine;
  /** Whether it ended because there were too many events. */
  readonly full: boolean;
  /** The first action of the input that was not done, and why. */
  readonly missed: { readonly action: Action; readonly why: string } | undefined;
}

/**
 * Records a run of `image`, named `subject`, until it has taken all input and waits for more, or
 * ends. Throws a SyntaxError or {@link LocatedError} for settings that do not fit the image, an
 * `ImageError` if it cannot be booted. `most` limits the number of events.
 */
export function recordTrace(
  image: Uint8Array,
  subject: string,
  settings: Settings,
  most: number = Infinity,
): Recording {
  const session = new Session(image, settings, most);
  const stop = session.run();
  const { recorder: { events, places, machine, full }, missed } = session;
  const trace = { head: writeHead(subject, settings), events };
  return { trace, places, stop, machine, full, missed };
}

const hookKinds: Readonly<Partial<Record<string, readonly HookKind[]>>> = {
  serial: ["serial"],
  control: ["control"],
  interrupt: ["interrupt"],
  exception: ["exception"],
  diagnose: ["diagnose"],
  port: ["in", "out"],
};

/** One recording at work. */
class Session {
  readonly recorder: Recorder;
  missed: { action: Action; why: string } | undefined;
  readonly #settings: Settings;
  readonly #views: Views;
  #last!: Stop; // how the last advance ended

  constructor(image: Uint8Array, settings: Settings, most: number) {
    this.#settings = settings;
    const choice = parseEvents(settings.events), { kinds } = choice;
    const watched = ["memory", "pages", "blocks"].some((kind) => kinds.has(kind as never))
      ? Object.keys(signatures).filter(managesMemory)
      : [];
    const hooked = [...kinds].flatMap((kind) => hookKinds[kind] ?? []);
    const { names, signatures: shapes } = findFunctions(choice, readImage(image).symbols);
    const selection = { functions: names, signatures: shapes, watched, kinds: hooked, most };
    this.recorder = new Recorder(image, selection, bootOptions(settings));
    this.#views = new Views(this.recorder, choice);
  }

  run(): Stop {
    this.#tryKeys();
    this.recorder.onReturn = (symbol, depth) => this.#views.returned(symbol, depth);
    const stop = this.#play();
    this.recorder.flush();
    this.#views.look();
    const code = stop.kind === "guest-exit" ? stop.code : undefined;
    this.recorder.add({ kind: "stop", reason: stop.kind, code });
    return stop;
  }

  /** RECORDING-5: keys that the keyboard does not have are told before anything runs. */
  #tryKeys(): void {
    const { input } = this.#settings;
    if (!input.some(({ deed }) => "key" in deed || deed.kind === "type")) return;
    this.recorder.aside((machine) => input.forEach((action) => perform(machine, action)));
  }

  #play(): Stop {
    for (const action of this.#settings.input) {
      const stop = this.#await(action.condition);
      if (stop !== undefined) {
        this.missed = { action, why: `${describeStop(stop)} at ${stop.instructions}` };
        return stop;
      }
      this.#views.look();
      if (action.deed.kind === "stop") return this.#stopNow();
      perform(this.recorder.machine, action);
    }
    return this.#advance();
  }

  #stopNow(): Stop {
    return { ...this.recorder.machine.run({ budget: 0 }), kind: "condition" };
  }

  #advance(instructions: number = Infinity, idleAfter: number = this.#settings.rest): Stop {
    return this.recorder.advance(Math.min(instructions, this.#settings.budget), idleAfter);
  }

  /** Runs until a condition is true; how the run ended if it never came true. */
  #await(condition: Condition): Stop | undefined {
    const ways: { [K in Condition["kind"]]: (c: Extract<Condition, { kind: K }>) => boolean } = {
      at: ({ instructions }) => this.#reach(instructions),
      serial: ({ text }) => this.#hear(text),
      screen: ({ text }) => this.#see(text),
      idle: () => (this.#last = this.#advance()).kind === "idle",
    };
    const way = ways[condition.kind] as (condition: Condition) => boolean;
    return way(condition) && !this.recorder.full ? undefined : this.#last;
  }

  /** RECORDING-3: at the instruction, or at once for a guest that only input can wake. */
  #reach(instructions: number): boolean {
    this.#last = this.#advance(instructions, Infinity);
    const { kind } = this.#last;
    return kind === "idle" || kind === "budget" && this.#last.instructions >= instructions;
  }

  #hear(text: string): boolean {
    this.recorder.waitFor(text);
    this.#last = this.#advance();
    this.recorder.waitFor(undefined);
    return this.#last.kind === "condition";
  }

  #see(text: string): boolean {
    const { machine } = this.recorder, { budget } = this.#settings;
    for (;;) {
      const now = machine.instructions;
      this.#last = this.#advance(now - now % LOOK + LOOK);
      if (machine.screen.text.includes(text)) return true;
      if (this.#last.kind !== "budget" || machine.instructions >= budget) return false;
    }
  }
}

const byDeed: {
  readonly [K in Deed["kind"]]: (machine: Machine, deed: Extract<Deed, { kind: K }>) => void;
} = {
  type: (machine, { text }) => machine.type(text),
  send: (machine, { text }) => machine.serial.send(text),
  press: (machine, { key }) => {
    machine.pc.keyboard.press(key);
    machine.pc.keyboard.release(key);
  },
  hold: (machine, { key }) => machine.pc.keyboard.press(key),
  release: (machine, { key }) => machine.pc.keyboard.release(key),
  stop: () => {},
};

/** Does what an action says; an {@link LocatedError} where the keyboard has not the key for it. */
function perform(machine: Machine, { deed, line }: Action): void {
  try {
    (byDeed[deed.kind] as (machine: Machine, deed: Deed) => void)(machine, deed);
  } catch (error) {
    if (error instanceof RangeError) throw new LocatedError(line, error.message);
    throw error;
  }
}

/** What of the machine is looked at now and then, and written where it has changed: RECORDING-2. */
class Views {
  readonly #recorder: Recorder;
  readonly #kinds: EventChoice["kinds"];
  readonly #seen = new Map<string, string>();
  #heap = false; // whether the heap has been set up

  constructor(recorder: Recorder, { kinds }: EventChoice) {
    this.#recorder = recorder;
    this.#kinds = kinds;
    for (const [name, events] of this.#screen()) this.#changed(name, events); // as firmware left it
  }

  /** A function has returned: those that manage memory are looked behind. */
  returned(symbol: string, depth: number): void {
    this.#heap ||= symbol === "heap_init";
    if (depth === 0 && managesMemory(symbol)) this.#look(this.#memory(this.#heap));
  }

  /** Looks at everything. */
  look(): void {
    this.#look([...this.#screen(), ...this.#memory(true)]);
  }

  #look(views: readonly (readonly [string, MachineEvent[]])[]): void {
    for (const [name, events] of views) {
      if (!this.#changed(name, events)) continue;
      for (const event of events) this.#recorder.add(event);
    }
  }

  #changed(name: string, events: readonly MachineEvent[]): boolean {
    const now = JSON.stringify(events), before = this.#seen.get(name) ?? "[]";
    this.#seen.set(name, now);
    return now !== before;
  }

  #screen(): [string, MachineEvent[]][] {
    const { machine } = this.#recorder;
    if (!this.#kinds.has("screen")) return [];
    const rows = rowEvents(machine).map((event): [string, MachineEvent[]] => [
      `row ${event.row}`,
      [event],
    ]);
    return [...rows, ["cursor", [cursorEvent(machine)]]];
  }

  #memory(heap: boolean): [string, MachineEvent[]][] {
    const { machine } = this.#recorder,
      aside: Recorder["aside"] = (look) => this.#recorder.aside(look);
    const views: [string, MachineEvent[]][] = [];
    if (this.#kinds.has("memory")) {
      views.push(["pages", pageStatistics(machine, aside)]);
      if (heap) views.push(["heap", heapStatistics(machine, aside)]);
    }
    if (this.#kinds.has("pages")) {
      views.push(["mappings", titled("the page tables", mappingEvents(machine))]);
    }
    if (this.#kinds.has("blocks")) {
      views.push(["blocks", titled("the heap's blocks", heapEvents(machine))]);
    }
    return views;
  }
}

function titled(text: string, events: MachineEvent[]): MachineEvent[] {
  return events.length === 0 ? [] : [{ kind: "note", text }, ...events];
}

/** The symbol that an event is about: of a call or return. */
export function symbolOf({ kind, fields }: Event): string | undefined {
  return kind === "call" || kind === "return" ? formatField(fields[0]) : undefined;
}
