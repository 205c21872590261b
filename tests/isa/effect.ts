/** What an instruction does to the background of the native vectors, in a line (specs/isa/vectors.md). */
import { parse, runConcrete } from "../cpu/execute.ts";
import { pagesBefore, START, type Vector } from "./vectors.ts";

const REGISTERS = ["eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"];
const FLAGS: readonly (readonly [number, string])[] = [
  [0x800, "O"],
  [0x400, "D"],
  [0x80, "S"],
  [0x40, "Z"],
  [0x10, "A"],
  [4, "P"],
  [1, "C"],
];

/**
 * Runs `BYTES [REGISTER=HEX]... [fl=HEX] [@ADDRESS=BYTES]...` on the concrete machine: changed registers, a fault,
 * EIP where it is not the next one, the flags that are set, changed memory.
 */
export function effect(text: string): string {
  const [bytes, ...rest] = text.split(" ");
  const at = rest.findIndex((field) => field.startsWith("@"));
  const named = rest.some((field) => field.startsWith("fl="));
  const fields = named ? rest : rest.toSpliced(at < 0 ? rest.length : at, 0, "fl=202");
  const vector = parse([bytes, ...fields]), result = runConcrete(vector);
  if (!result) throw new SyntaxError(`Cannot run ${bytes}: system code`);
  const changed = REGISTERS.flatMap((name, i) =>
    result.registers[i] === vector.before.registers[i]
      ? []
      : [`${name}=${result.registers[i].toString(16)}`]
  );
  const isNext = result.eip === START + vector.bytes.length;
  const control = result.fault !== undefined
    ? [`fault=${result.fault}`]
    : isNext
    ? []
    : [`eip=${result.eip.toString(16)}`];
  const flags = FLAGS.filter(([bit]) => result.flags & bit).map(([, name]) => name).join("");
  return [...changed, ...control, `[${flags}]`, ...changedMemory(vector, result.page)].join(" ");
}

/** Runs of bytes that differ afterwards. */
function changedMemory(vector: Vector, page: (address: number) => Uint8Array): string[] {
  const runs: string[] = [];
  for (const [address, before] of pagesBefore(vector)) {
    const after = page(address);
    for (let i = 0; i < before.length; i++) {
      if (before[i] === after[i]) continue;
      const first = i;
      while (i < before.length && before[i] !== after[i]) i++;
      const hex = [...after.subarray(first, i)].map((byte) => byte.toString(16).padStart(2, "0"));
      runs.push(`@${(address + first).toString(16)}=${hex.join("")}`);
    }
  }
  return runs;
}

/** The effects of a table's texts, to be compared with the table. */
export function effects(table: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.keys(table).map((text) => [text, effect(text)]));
}
