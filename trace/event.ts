/** Events: what one line of a trace says. Spec: specs/trace.md. */

/** A quoted field: any text, as opposed to a bare token. */
export interface Text {
  /** The text, without quotes and escapes. */
  readonly text: string;
}

/** One field of a line: a bare token exactly as it is written, or a quoted text. */
export type Field = string | Text;

/** One line of a trace: when, what, and its fields in their written form. */
export interface Event {
  /** Retired instructions for a machine, virtual ticks of 10 ns for a device. */
  readonly stamp: number;
  /** A lower-case word. */
  readonly kind: string;
  /** What the kind calls for, see the specification. */
  readonly fields: readonly Field[];
}

/** A whole trace. */
export interface Trace {
  /** The head's lines after the first, without `# `: `subject: devices/pit`, `origin: ...`. */
  readonly head: readonly string[];
  /** The events in order; stamps never decrease. */
  readonly events: readonly Event[];
}

/** A marker for readers, with the clauses that the following events show in square brackets. */
export interface NoteEvent {
  /** Discriminator. */
  readonly kind: "note";
  /** Free text. */
  readonly text: string;
}

/** The boot or test reached a named stage. */
export interface StageEvent {
  /** Discriminator. */
  readonly kind: "stage";
  /** What was reached. */
  readonly name: string;
}

/** A complete line that the guest sent, without its line end. */
export interface SerialEvent {
  /** Discriminator. */
  readonly kind: "serial";
  /** `com1`, `com2` or `debug`. */
  readonly port: string;
  /** The line, one character a byte (Latin-1). */
  readonly line: string;
}

/** One row of the text screen. */
export interface ScreenEvent {
  /** Discriminator. */
  readonly kind: "screen";
  /** 0 is the top row. */
  readonly row: number;
  /** Its characters, without trailing spaces. */
  readonly text: string;
  /** Runs of attribute bytes over the whole row: `[attribute, columns]`. */
  readonly attributes: readonly (readonly [number, number])[];
}

/** The place of the hardware cursor. */
export interface CursorEvent {
  /** Discriminator. */
  readonly kind: "cursor";
  /** 0 is the top row. */
  readonly row: number;
  /** 0 is the left column. */
  readonly column: number;
}

/** A guest function was entered. */
export interface CallEvent {
  /** Discriminator. */
  readonly kind: "call";
  /** Its symbol. */
  readonly symbol: string;
  /** The 32-bit arguments on the stack, left to right. */
  readonly arguments: readonly number[];
}

/** A guest function returned. */
export interface ReturnEvent {
  /** Discriminator. */
  readonly kind: "return";
  /** Its symbol. */
  readonly symbol: string;
  /** The arguments of the call, as they were on entry. */
  readonly arguments: readonly number[];
  /** EAX, absent for a function without result. */
  readonly result?: number;
}

/** Memory statistics: as the guest reports them, or as read from the guest's own structures. */
export interface MemoryEvent {
  /** Discriminator. */
  readonly kind: "memory";
  /** Who says so. */
  readonly source: "reported" | "recomputed";
  /** `pages` counts pages of 4 KB, `heap` counts bytes. */
  readonly of: "pages" | "heap";
  /** Free plus used. */
  readonly total: number;
  /** Available. */
  readonly free: number;
  /** Given away. */
  readonly used: number;
}

/** A control register or a descriptor-table register changed. */
export interface ControlEvent {
  /** Discriminator. */
  readonly kind: "control";
  /** `cr0`, `cr2`, `cr3`, `cr4`, `gdtr`, `idtr`, `ldtr` or `tr`. */
  readonly register: string;
  /** The value, or the base address. */
  readonly value: number;
}

/** The processor begins to serve an interrupt. */
export interface InterruptEvent {
  /** Discriminator. */
  readonly kind: "interrupt";
  /** 0 to 255. */
  readonly vector: number;
  /** `hardware` from the interrupt controller, `software` from INT, INT3 or INTO. */
  readonly source: "hardware" | "software";
  /** The address that the guest will return to. */
  readonly eip: number;
}

/** The processor begins to serve an exception. */
export interface ExceptionEvent {
  /** Discriminator. */
  readonly kind: "exception";
  /** 0 to 31. */
  readonly vector: number;
  /** The address that is pushed. */
  readonly eip: number;
  /** The error code, for vectors that have one. */
  readonly error?: number;
  /** CR2, for page faults. */
  readonly cr2?: number;
}

/** The guest read or wrote a port. */
export interface PortEvent {
  /** Discriminator. */
  readonly kind: "in" | "out";
  /** 0 to 0xffff. */
  readonly port: number;
  /** 1, 2 or 4. */
  readonly bytes: number;
  /** What was read or written. */
  readonly value: number;
}

/** A run of virtual pages mapped to consecutive physical pages with the same rights. */
export interface MappingEvent {
  /** Discriminator. */
  readonly kind: "mapping";
  /** The first virtual address. */
  readonly virtual: number;
  /** The length of the run. */
  readonly bytes: number;
  /** The physical address of the first page. */
  readonly physical: number;
  /** Rights, one letter each or `-`: `w` writable, `u` user, `g` global, `l` 4 MB pages. */
  readonly flags: string;
}

/** One block of the guest's heap. */
export interface BlockEvent {
  /** Discriminator. */
  readonly kind: "block";
  /** The address of its header. */
  readonly address: number;
  /** Bytes for the user, without the header. */
  readonly size: number;
  /** Whether it is allocated. */
  readonly use: "used" | "free";
}

/** A device was programmed in a way that its datasheet calls reserved. */
export interface DiagnoseEvent {
  /** Discriminator. */
  readonly kind: "diagnose";
  /** The clause that says so. */
  readonly clause: string;
  /** What was programmed. */
  readonly message: string;
}

/** The run ended. */
export interface StopEvent {
  /** Discriminator. */
  readonly kind: "stop";
  /** The machine's word for it, such as `idle`, `halted`, `guest-exit`, `triple-fault`, `budget`. */
  readonly reason: string;
  /** The exit code, where there is one. */
  readonly code?: number;
}

/** What a machine can tell. */
export type MachineEvent =
  | NoteEvent
  | StageEvent
  | SerialEvent
  | ScreenEvent
  | CursorEvent
  | CallEvent
  | ReturnEvent
  | MemoryEvent
  | ControlEvent
  | InterruptEvent
  | ExceptionEvent
  | PortEvent
  | MappingEvent
  | BlockEvent
  | DiagnoseEvent
  | StopEvent;

/** Makes a quoted field. */
export function text(value: string): Text {
  return { text: value };
}

/** Writes a number as `0x` and at least `digits` lower-case hexadecimal digits. */
export function hex(value: number, digits: number = 2): string {
  return "0x" + (value < 0 ? value >>> 0 : value).toString(16).padStart(digits, "0");
}

const address = (value: number): string => hex(value >>> 0, 8);
const response = (value: string | undefined): string[] => value === undefined ? [] : ["=", value];
const labelled = (name: string, value: number | undefined): string[] =>
  value === undefined ? [] : [name, address(value)];
const runs = (attributes: readonly (readonly [number, number])[]): string =>
  attributes.map(([attribute, columns]) => `${hex(attribute)}:${columns}`).join(",");
const portFields = (e: PortEvent): { port: string; value: string } => ({
  port: hex(e.port),
  value: hex(e.value >>> 0, e.bytes * 2),
});

/** How each kind of machine event writes its fields: the table of TRACE-14. */
const writers: { [K in MachineEvent["kind"]]: (e: Extract<MachineEvent, { kind: K }>) => Field[] } =
  {
    note: (e) => [text(e.text)],
    stage: (e) => [text(e.name)],
    serial: (e) => [e.port, text(e.line)],
    screen: (e) => [`${e.row}`, text(e.text), runs(e.attributes)],
    cursor: (e) => [`${e.row}`, `${e.column}`],
    call: (e) => [e.symbol, ...e.arguments.map(address)],
    return: (e) => [
      e.symbol,
      ...e.arguments.map(address),
      ...response(e.result === undefined ? undefined : address(e.result)),
    ],
    memory: (e) => [e.source, e.of, `${e.total}`, `${e.free}`, `${e.used}`],
    control: (e) => [e.register, address(e.value)],
    interrupt: (e) => [hex(e.vector), e.source, address(e.eip)],
    exception: (e) => [
      hex(e.vector),
      address(e.eip),
      ...labelled("error", e.error),
      ...labelled("cr2", e.cr2),
    ],
    in: (e) => [portFields(e).port, "=", portFields(e).value],
    out: (e) => [portFields(e).port, portFields(e).value],
    mapping: (e) => [address(e.virtual), address(e.bytes), address(e.physical), e.flags],
    block: (e) => [address(e.address), `${e.size}`, e.use],
    diagnose: (e) => [e.clause, text(e.message)],
    stop: (e) => [e.reason, ...(e.code === undefined ? [] : [`${e.code}`])],
  };

/** Turns a machine's event into its line. */
export function machineEvent(stamp: number, event: MachineEvent): Event {
  const write = writers[event.kind] as (event: MachineEvent) => Field[];
  return { stamp, kind: event.kind, fields: write(event) };
}
