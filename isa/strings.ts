/** String instructions: one iteration each, repeated by the prefix. Spec: specs/isa/strings.md. */
import { compare } from "./arithmetic.ts";
import { linear } from "./memory.ts";
import { fixed, type Form, type Machine, type Meaning } from "./machine.ts";
import { EAX, ECX, EDI, EFLAGS, ESI } from "./registers.ts";

/** Bytes to the next element: negative while DF is set. */
function step<V, W>(m: Machine<V, W>, form: Form): V {
  const down = m.and(m.shr(m.register(EFLAGS), m.const(10)), m.const(1)),
    bytes = m.const(form.size / 8);
  return m.sub(bytes, m.mul(down, m.const(form.size / 4)));
}

/** ESI or EDI (SI or DI), and its increment for when the iteration is complete. */
function pointer<V, W>(
  m: Machine<V, W>,
  form: Form,
  offset: number,
): { at: V; advance: () => void } {
  const place = fixed(offset, form.addressSize), at = m.get(place);
  return { at, advance: () => m.set(place, m.add(at, step(m, form))) };
}

/** The element at ESI, through the source segment. */
function loadSource<V, W>(m: Machine<V, W>, form: Form, at: V): V {
  return m.load(form.size, linear(m, form, "source", at, form.size / 8, false));
}

/** The element at ES:EDI. */
function loadDestination<V, W>(m: Machine<V, W>, form: Form, at: V): V {
  return m.load(form.size, linear(m, form, "destination", at, form.size / 8, false));
}

function storeDestination<V, W>(m: Machine<V, W>, form: Form, at: V, value: V): void {
  m.store(form.size, linear(m, form, "destination", at, form.size / 8, true), value);
}

/**
 * Repeats an iteration while the count is not zero; for the comparing ones, while `equal`, which the
 * iteration returns, agrees with the prefix.
 */
function repeated(iteration: <V, W>(m: Machine<V, W>, form: Form) => V | undefined): Meaning {
  return (m, form) => {
    if (form.repeat === 0) {
      iteration(m, form);
      return;
    }
    const counter = fixed(ECX, form.addressSize), count = m.get(counter);
    m.skipIf(m.eq(count, m.const(0)));
    const equal = iteration(m, form), left = m.sub(count, m.const(1));
    m.set(counter, left);
    const more = m.eq(m.eq(left, m.const(0)), m.const(0));
    if (equal === undefined) return m.againIf(more);
    m.againIf(m.and(more, form.repeat === 0xf3 ? equal : m.xor(equal, m.const(1))));
  };
}

/** MOVS. */
export const movs: Meaning = repeated((m, form) => {
  const source = pointer(m, form, ESI), destination = pointer(m, form, EDI);
  storeDestination(m, form, destination.at, loadSource(m, form, source.at));
  source.advance();
  destination.advance();
  return undefined;
});

/** CMPS. */
export const cmps: Meaning = repeated((m, form) => {
  const source = pointer(m, form, ESI), destination = pointer(m, form, EDI);
  const a = loadSource(m, form, source.at), b = loadDestination(m, form, destination.at);
  compare(m, form.size, a, b);
  source.advance();
  destination.advance();
  return m.eq(a, b);
});

/** SCAS. */
export const scas: Meaning = repeated((m, form) => {
  const destination = pointer(m, form, EDI);
  const a = m.get(fixed(EAX, form.size)), b = loadDestination(m, form, destination.at);
  compare(m, form.size, a, b);
  destination.advance();
  return m.eq(a, b);
});

/** LODS. */
export const lods: Meaning = repeated((m, form) => {
  const source = pointer(m, form, ESI);
  m.set(fixed(EAX, form.size), loadSource(m, form, source.at));
  source.advance();
  return undefined;
});

/** STOS. */
export const stos: Meaning = repeated((m, form) => {
  const destination = pointer(m, form, EDI);
  storeDestination(m, form, destination.at, m.get(fixed(EAX, form.size)));
  destination.advance();
  return undefined;
});
