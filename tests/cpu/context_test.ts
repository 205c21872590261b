import { assertEquals } from "@std/assert";
import {
  demandRing0,
  effectiveOffset,
  isUser,
  linearAddress,
  readMemory,
  readRm,
  writeRm,
} from "../../cpu/context.ts";
import { decode } from "../../cpu/decode.ts";
import { DATA3, TestCpu } from "./testcpu.ts";
import { replayGolden } from "./traces.ts";

const CR0 = 300, CR3 = 308, CPL = 364;
const EAX = 0, EBX = 3, ESI = 6;

/** LLDT with the given ModRM and following bytes, in 32-bit code. */
function operand(...bytes: number[]) {
  const at = bytes.findIndex((byte) => byte !== 0x67 && byte !== 0x66 && byte !== 0x64);
  const code = [...bytes.slice(0, at), 0x0f, 0x00, ...bytes.slice(at)];
  const buffer = new Uint8Array(16);
  buffer.set(code);
  return decode(buffer, 0, 16, 0x8000, true)!;
}

Deno.test("effectiveOffset sums base, scaled index and displacement [CONTEXT-1]", () => {
  const cpu = new TestCpu();
  cpu.state.setRegister(EBX, 0xfffffff0);
  cpu.state.setRegister(ESI, 0x12345);
  const at = (...bytes: number[]) => effectiveOffset(cpu, operand(...bytes));
  assertEquals(at(0x54, 0xb3, 0x10), 0x48d14); // [ebx + esi*4 + 10h]
  assertEquals(at(0x53, 0xf8), 0xffffffe8); // [ebx - 8]
  assertEquals(at(0x15, 0x78, 0x56, 0x34, 0x12), 0x12345678); // [12345678h]
  assertEquals(at(0x67, 0x50, 0xff), 0x2334); // [bx + si - 1], 16-bit
});

Deno.test("linearAddress adds the base and checks rights and limit [CONTEXT-2]", () => {
  const cpu = new TestCpu();
  cpu.descriptor(0x30, 0x40000, 0xff, 0x90); // read-only, 256 bytes
  cpu.state.setRegister(EAX, 0x30);
  assertEquals(cpu.execute(0x8e, 0xe0), "ok"); // mov fs, ax
  const at = (bytes: number, write: boolean, ...code: number[]) =>
    cpu.outcome(() => {
      assertEquals(linearAddress(cpu, operand(...code), bytes, write), 0x400fc);
    });
  assertEquals(at(4, false, 0x64, 0x15, 0xfc, 0, 0, 0), "ok");
  assertEquals(at(5, false, 0x64, 0x15, 0xfc, 0, 0, 0), "fault 13 0x0");
  assertEquals(at(4, true, 0x64, 0x15, 0xfc, 0, 0, 0), "fault 13 0x0");
  const write = () => writeRm(cpu, operand(0x64, 0x15, 0xfc, 0, 0, 0), 2, 1);
  assertEquals(cpu.outcome(write), "fault 13 0x0");
});

Deno.test("Operands wrap within 16-bit addresses [CONTEXT-3]", () => {
  const cpu = new TestCpu();
  cpu.poke(0, 0xbbaa);
  cpu.poke(0x10000, 0x1111);
  assertEquals(readMemory(cpu, operand(0x67, 0x16, 0xfe, 0xff), 2, 2), 0xbbaa);
  assertEquals(readMemory(cpu, operand(0x15, 0xfe, 0xff, 0, 0), 2, 2), 0x1111);
});

Deno.test("Operands are user accesses in ring 3 only [CONTEXT-4]", () => {
  const cpu = new TestCpu();
  cpu.state.set(CR3, 0x10000);
  cpu.state.set(CR0, 0x80000011);
  cpu.poke(0x10000, 0x11007);
  cpu.poke(0x11000 + 4 * 5, 0x5003); // a supervisor's page
  const read = () => cpu.outcome(() => readMemory(cpu, operand(0x15, 0, 0x50, 0, 0), 2));
  for (const ring of [0, 1, 2]) {
    cpu.state.set(CPL, ring);
    assertEquals([isUser(cpu), read()], [false, "ok"]);
  }
  cpu.ring(3);
  assertEquals(cpu.state.selector(3), DATA3);
  assertEquals([isUser(cpu), read()], [true, "fault 14 0x5"]);
});

Deno.test("16-bit writes keep the upper half of a register [CONTEXT-5]", () => {
  const cpu = new TestCpu();
  cpu.state.setRegister(EBX, 0x11112222);
  writeRm(cpu, operand(0xd3), 2, 0x3333);
  assertEquals(cpu.state.register(EBX), 0x11113333);
  assertEquals(readRm(cpu, operand(0xd3), 2), 0x3333);
  writeRm(cpu, operand(0xd3), 4, 0x4444);
  assertEquals(cpu.state.register(EBX), 0x4444);
});

Deno.test("demandRing0 faults in rings 1 to 3 [CONTEXT-6]", () => {
  const cpu = new TestCpu();
  for (const ring of [0, 1, 2, 3]) {
    cpu.state.set(CPL, ring);
    assertEquals(cpu.outcome(() => demandRing0(cpu)), ring ? "fault 13 0x0" : "ok");
  }
});

Deno.test("Operands replay their golden trace", async () => {
  const [replayed, golden] = await replayGolden("context");
  assertEquals(replayed, golden);
});
