/** Near jumps, calls, returns and loops. Spec: specs/isa/control.md. */
import { condition, conditionOf } from "./flags.ts";
import { checkTarget, pop, push } from "./memory.ts";
import { fixed, type Form, type Machine, type Meaning } from "./machine.ts";
import { BR, CS, ECX, FLAG_ZERO, GP, SEGMENT_LIMIT } from "./registers.ts";

/** JMP to a displacement. */
export const jmp: Meaning = (m, form) => {
  checkTarget(m, form, m.target());
  m.jump();
};

/** JMP to a register's or memory operand's value. */
export const jmpIndirect: Meaning = (m, form) => {
  m.jump(checkTarget(m, form, m.get(form.places[0])));
};

/** CALL to a displacement. */
export const call: Meaning = (m, form) => {
  checkTarget(m, form, m.target());
  push(m, form, m.next());
  m.jump();
};

/** CALL to a register's or memory operand's value. */
export const callIndirect: Meaning = (m, form) => {
  const target = checkTarget(m, form, m.get(form.places[0]));
  push(m, form, m.next());
  m.jump(target);
};

/** RET, which may drop bytes of arguments. */
export const ret: Meaning = (m, form) => {
  const extra = form.places.length > 0 ? m.get(form.places[0]) : undefined;
  m.jump(checkTarget(m, form, pop(m, form, extra)));
};

/** Jumps to the direct target where the condition holds. */
function branch<V, W>(m: Machine<V, W>, form: Form, when: V): void {
  if (!form.flat) {
    m.skipIf(m.eq(when, m.const(0)));
    checkTarget(m, form, m.target());
  }
  m.jumpIf(when);
}

/** Jcc. */
export const jcc: Meaning = (m, form): void =>
  branch(m, form, condition(m, conditionOf(form, "j")));

/** JCXZ, JECXZ. */
export const jcxz: Meaning = (m, form) => {
  branch(m, form, m.eq(m.get(fixed(ECX, form.addressSize)), m.const(0)));
};

/** LOOP, LOOPE, LOOPNE. */
export const loop: Meaning = (m, form) => {
  const counter = fixed(ECX, form.addressSize), left = m.sub(m.get(counter), m.const(1));
  const rest = form.addressSize === 16 ? m.and(left, m.const(0xffff)) : left;
  const more = m.eq(m.eq(rest, m.const(0)), m.const(0)),
    taken = m.and(more, loopCondition(m, form));
  if (!form.flat) m.faultIf(m.and(taken, outside(m)), GP, 0);
  m.set(counter, left);
  m.jumpIf(taken);
};

function loopCondition<V, W>(m: Machine<V, W>, form: Form): V {
  if (form.name === "loop") return m.const(1);
  const zero = m.eq(m.register(FLAG_ZERO), m.const(0));
  return form.name === "loope" ? zero : m.xor(zero, m.const(1));
}

function outside<V, W>(m: Machine<V, W>): V {
  return m.ltU(m.register(SEGMENT_LIMIT + 4 * CS), m.target());
}

/** BOUND: #BR unless the signed index lies within both bounds. */
export const bound: Meaning = (m, { size, places: [index] }) => {
  const at = m.address(), value = m.signExtend(size, m.get(index));
  const lower = m.signExtend(size, m.load(size, at));
  const upper = m.signExtend(size, m.load(size, m.add(at, m.const(size / 8))));
  m.faultIf(m.or(m.ltS(value, lower), m.ltS(upper, value)), BR);
};
