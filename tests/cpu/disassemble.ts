/** WebAssembly instructions as text: the opposite of cpu/wasm.ts, from the specification's chapter 5. */
import { OPCODES } from "../../cpu/wasm.ts";

const NAMES = new Map(Object.entries(OPCODES).map(([name, code]) => [code as number, name]));

/** Numbers that follow an opcode: how many unsigned ones, or one signed. */
function operandCount(name: string): number {
  if (/\.(load|store)/.test(name) || name === "call_indirect") return 2;
  return /^(local|br|br_if|call|block|loop|if)(\.|$)/.test(name) ? 1 : 0;
}

/** One line for each instruction, indented by its depth. */
export function disassemble(bytes: Uint8Array): string[] {
  const lines: string[] = [];
  let at = 0, depth = 0;
  const unsigned = (): number => {
    let value = 0, factor = 1, byte: number;
    do {
      byte = bytes[at++];
      value += (byte & 0x7f) * factor;
      factor *= 128;
    } while (byte & 0x80);
    return value;
  };
  const signed = (): number => {
    let value = 0, shift = 0, byte: number;
    do {
      byte = bytes[at++];
      value |= (byte & 0x7f) << shift;
      shift += 7;
    } while (byte & 0x80);
    return shift < 32 && byte & 0x40 ? value | -1 << shift : value;
  };
  while (at < bytes.length) {
    const name = NAMES.get(bytes[at++]);
    if (!name) throw new SyntaxError(`Cannot disassemble opcode ${bytes[at - 1]}`);
    const operands = name.endsWith(".const")
      ? [signed()]
      : Array.from({ length: operandCount(name) }, unsigned);
    if (/\.(load|store)/.test(name)) operands.shift(); // the alignment, always 0
    if (/^(if|block|loop)$/.test(name)) operands[0] = operands[0] === 0x40 ? 0 : 1; // results
    if (name === "end" || name === "else") depth--;
    lines.push("  ".repeat(Math.max(depth, 0)) + [name, ...operands].join(" "));
    if (/^(if|else|block|loop)$/.test(name)) depth++;
  }
  return lines;
}
