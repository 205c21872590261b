/** Kernel images and small kernels of machine code, for tests of the checker. */
import { Subject } from "../../conformance/subject.ts";
import { kernel } from "../machine/images.ts";

/** The reference kernel. */
export const reference: Uint8Array = read("kernel.elf");
/** Another correct kernel, in C. */
export const correct: Uint8Array = read("ckernel6/good.elf");
/** The same with planted defects. */
export const defective: Uint8Array = read("ckernel6/defects.elf");

function read(name: string): Uint8Array {
  return Deno.readFileSync(new URL(`../../fixtures/${name}`, import.meta.url));
}

/** CLI; HLT: a kernel that never waits for input. */
export const haltsAtOnce: Uint8Array = kernel([0xfa, 0xf4]);

let subject: Subject | undefined;

/** The reference kernel as it waits for input. */
export function freshSubject(): Subject {
  subject ??= new Subject(reference);
  subject.fresh();
  return subject;
}
