/** Functions of kernel/link.ts that become instructions instead of calls. Spec: specs/toolchain/lower.md. */
import type { Lowering } from "./lower.ts";
import { al, ax, cr, dx, immediate, type Operand, register } from "./operands.ts";
import type { Node } from "./tree.ts";

/** Emits the instructions; returns the register of the result, if there is one. */
export type Intrinsic = (lowering: Lowering, operands: readonly Node[]) => number | void;

const EAX = 0, EDX = 2, EBP = 5;

function port(lowering: Lowering, node: Node): Operand {
  const constant = lowering.immediate(node);
  if (constant && constant.value >= 0 && constant.value <= 0xff) return constant;
  lowering.code.move(EDX, lowering.operand(node));
  return dx;
}

function out(width: 8 | 16): Intrinsic {
  return (lowering, [to, node]) => {
    const constant = lowering.immediate(node);
    const value = constant ?? register(lowering.value(low(node, width)));
    const number = lowering.immediate(to) ? to : held(lowering, to);
    const place = port(lowering, number);
    lowering.code.move(EAX, value);
    lowering.code.emit("out", [place, width === 8 ? al : ax]);
  };
}

/** Only the low bits leave: a mask for them says nothing. */
function low(node: Node, width: 8 | 16): Node {
  const mask = node.kind === "binary" && node.operator === "and" ? node.right : null;
  return mask?.kind === "const" && mask.value === 2 ** width - 1 && node.kind === "binary"
    ? node.left
    : node;
}

function held(lowering: Lowering, node: Node): Node {
  return { kind: "register", number: lowering.value(low(node, 16)) };
}

const inb: Intrinsic = (lowering, [from]) => {
  const number = lowering.immediate(from) ? from : held(lowering, from);
  lowering.code.emit("in", [al, port(lowering, number)]);
  const result = lowering.code.fresh();
  lowering.code.emit("movzx", [register(result), al]);
  return result;
};

const plain = (...mnemonics: string[]): Intrinsic => (lowering) => {
  for (const mnemonic of mnemonics) lowering.code.emit(mnemonic);
};
const symbol = (name: string): Intrinsic => (lowering) =>
  lowering.code.copy(immediate(0, name)).number;
const control = (number: number): Intrinsic => (lowering) => lowering.code.copy(cr(number)).number;

/** Instructions by the name of the declared function. */
export const intrinsics: ReadonlyMap<string, Intrinsic> = new Map<string, Intrinsic>([
  ["outb", out(8)],
  ["outw", out(16)],
  ["inb", inb],
  ["io_wait", (lowering) => lowering.code.emit("out", [immediate(0x80), al])],
  ["cli", plain("cli")],
  ["sti", plain("sti")],
  ["hlt", plain("hlt")],
  ["sti_hlt", plain("sti", "hlt")],
  ["read_cr0", control(0)],
  ["read_cr2", control(2)],
  ["read_cr3", control(3)],
  ["read_ebp", (lowering) => lowering.code.copy(register(EBP)).number],
  ["read_eflags", (lowering) => {
    const result = lowering.code.fresh();
    lowering.code.emit("pushf");
    lowering.code.emit("pop", [register(result)]);
    return result;
  }],
  ["invlpg", (lowering, [address]) => {
    lowering.code.emit("invlpg", [lowering.address(address, 0, 0)]);
  }],
  ["kernel_start", symbol("kernel_start")],
  ["kernel_readonly_end", symbol("kernel_readonly_end")],
  ["kernel_end", symbol("kernel_end")],
  ["interrupt_stub", (lowering, [vector]) => {
    const result = lowering.code.fresh();
    const pointer: Node = {
      kind: "binary",
      operator: "add",
      left: { kind: "global.get", name: "interrupt_stubs" },
      right: { kind: "binary", operator: "shl", left: vector, right: { kind: "const", value: 2 } },
    };
    lowering.code.emit("mov", [register(result), lowering.address(pointer, 0, 32)]);
    return result;
  }],
]);
