/** Segments of implicit accesses. Spec: specs/isa/memory.md. */
import { assertEquals } from "@std/assert";
import { type ConcreteMemory, execute } from "../../cpu/concrete.ts";
import { Fault } from "../../cpu/fault.ts";
import type { Form, Meaning } from "../../isa/machine.ts";
import { linear } from "../../isa/memory.ts";
import * as moves from "../../isa/moves.ts";
import { replayGolden, run } from "./traces.ts";

const ESP = 16, ADDRESS = 36;
const BASE = 64, FIRST = 88, SPAN = 112, RIGHTS = 136, ATTRIBUTES = 184;
const SS = 2, DS = 3, BIG = 0x400000;

/** One segment's cache: base, first offset, span, rights, attributes. */
function segment(at: number, ...fields: number[]): DataView {
  const view = new DataView(new ArrayBuffer(256));
  [BASE, FIRST, SPAN, RIGHTS, ATTRIBUTES].forEach((field, i) =>
    view.setUint32(field + 4 * at, fields[i] ?? 0, true)
  );
  return view;
}

/** Where an access through DS ends: its linear address, or the fault. */
function source(view: DataView, offset: number, bytes: number, write = false): number | string {
  const result = run(
    (m, form) => m.setRegister(ADDRESS, linear(m, form, "source", m.const(offset), bytes, write)),
    view,
  );
  return result === "ok" ? view.getUint32(ADDRESS, true) : result;
}

Deno.test("memory replays its golden trace [ISA-MEMORY-1, ISA-MEMORY-2, ISA-MEMORY-3, ISA-MEMORY-4, ISA-MEMORY-6, ISA-MEMORY-7]", async () => {
  const [replayed, golden] = await replayGolden("memory");
  assertEquals(replayed, golden);
});

Deno.test("linear leaves a flat form's offset as it is [ISA-MEMORY-1]", () => {
  const view = segment(DS, 0x1000, 0, 0, 0);
  const meaning: Meaning = (m, form) =>
    m.setRegister(ADDRESS, linear(m, form, "source", m.const(-1), 4, true));
  assertEquals(run(meaning, view, { flat: true }), "ok");
  assertEquals(view.getUint32(ADDRESS, true), 0xffffffff);
});

Deno.test("linear wraps the sum with the base [ISA-MEMORY-1]", () => {
  assertEquals(source(segment(DS, 0xfffff000, 0, 0xffff, 3), 0x1234, 4), 0x234);
});

Deno.test("linear asks for the right of the access [ISA-MEMORY-2]", () => {
  for (const [rights, read, write] of [[0, false, false], [1, true, false], [3, true, true]]) {
    const view = segment(DS, 0, 0, 0xffff, Number(rights));
    assertEquals(source(view, 0, 1), read ? 0 : "fault 13 0");
    assertEquals(source(view, 0, 1, true), write ? 0 : "fault 13 0");
  }
});

Deno.test("linear checks first and last byte against every limit [ISA-MEMORY-3]", () => {
  for (const [first, span] of [[0, 0], [0, 0xfff], [0x1000, 0xefff], [0x1000, 0xffffefff]]) {
    const view = segment(DS, 0, first, span, 3), last = first + span;
    for (const bytes of [1, 2, 4]) {
      for (const offset of [0, first - 1, first, last - 4, last - 3, last - 1, last, last + 1]) {
        const at = offset >>> 0, ends = at + bytes - 1;
        const isInside = at >= first && ends <= last && at <= last;
        assertEquals(source(view, at, bytes), isInside ? at : "fault 13 0", `${first} ${at}`);
      }
    }
  }
  assertEquals(source(segment(DS, 0, 0, 0xffffffff, 3), 0xffffffff, 4), 0xffffffff);
});

const FORM: Form = {
  name: "push",
  size: 32,
  places: [{ kind: "immediate", size: 32 }],
  addressSize: 32,
  flat: false,
  repeat: 0,
};

/** Memory that records accesses, or faults. */
function recorder(log: string[], faults = false): ConcreteMemory {
  const note = (name: string, linear: number, bytes: number) => {
    log.push(`${name} ${linear.toString(16)} ${bytes}`);
    if (faults) throw new Fault(14, 0);
    return 0;
  };
  return {
    read: (linear, bytes) => note("read", linear, bytes),
    write: (linear, bytes) => void note("write", linear, bytes),
    probeWrite: (linear, bytes) => void note("probe", linear, bytes),
  };
}

function stack(meaning: Meaning, view: DataView, form: Partial<Form> = {}, faults = false) {
  const log: string[] = [], none = { slots: [0, 0], base: 32, index: 32, scale: 0 } as const;
  const rest = { displacement: 0, segment: DS, immediate: 0, target: 0, next: 0 };
  try {
    execute(meaning, { ...FORM, ...form }, { ...none, ...rest }, view, recorder(log, faults));
  } catch (reason) {
    if (!(reason instanceof Fault)) throw reason;
    log.push(`fault ${reason.vector}`);
  }
  return [...log, `esp ${view.getUint32(ESP, true).toString(16)}`];
}

function withStack(esp: number, big: boolean, span: number): DataView {
  const view = segment(SS, 0x30000, 0, span, 3, big ? BIG : 0);
  view.setUint32(ESP, esp, true);
  return view;
}

Deno.test("The stack wraps at 64 KB without SS.B and keeps the upper half of ESP [ISA-MEMORY-4]", () => {
  const push = (esp: number, big: boolean, size: 16 | 32 = 32) =>
    stack(moves.push, withStack(esp, big, 0xffff), { size });
  assertEquals(push(0x12340000, false), ["write 3fffc 4", "esp 1234fffc"]);
  assertEquals(push(0x12341000, false, 16), ["write 30ffe 2", "esp 12340ffe"]);
  assertEquals(push(0x12340002, false), ["fault 12", "esp 12340002"]); // its bytes would wrap
  assertEquals(push(0x1000, true), ["write 30ffc 4", "esp ffc"]);
  assertEquals(push(0x12341000, true), ["fault 12", "esp 12341000"]);
});

Deno.test("PUSHA wraps on a 16-bit stack, and checks all places first [ISA-MEMORY-4]", () => {
  const places = (esp: number, span: number) =>
    stack(moves.pusha, withStack(esp, false, span), { name: "pusha", places: [] });
  const log = places(0x10, 0xffff);
  assertEquals(log.length, 8 + 8 + 1);
  assertEquals(log.slice(8, 14).map((text) => text.split(" ")[1]), [
    "3000c",
    "30008",
    "30004",
    "30000",
    "3fffc",
    "3fff8",
  ]);
  assertEquals(places(0x10, 0xfff), ["fault 12", "esp 10"]);
});

Deno.test("Pushes and pops access before ESP changes [ISA-MEMORY-5]", () => {
  const form = { places: [{ kind: "register", slot: 0, size: 32 }] } as const;
  const view = () => withStack(0x1000, true, 0xffff);
  assertEquals(stack(moves.push, view(), {}, true), ["write 30ffc 4", "fault 14", "esp 1000"]);
  assertEquals(stack(moves.pop, view(), form, true), ["read 31000 4", "fault 14", "esp 1000"]);
  assertEquals(stack(moves.pop, view(), form), ["read 31000 4", "esp 1004"]);
});
