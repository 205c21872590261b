/** Code that changes, moves, has two addresses or two pages. Spec: specs/cpu/code_cache.md. */
import { assert, assertEquals } from "@std/assert";
import { CodeCache } from "../../cpu/code_cache.ts";
import { handlers } from "../../cpu/interpreter.ts";
import { replayGolden } from "./code_traces.ts";
import {
  CODE,
  DIRECTORY,
  EAX,
  EBX,
  ECX,
  EDX,
  HANDLERS,
  Program,
  RAM,
  STACK,
  TABLE,
} from "./program.ts";

const ENTRY = 7; // present, writable, user

Deno.test("code_cache replays its golden trace [CODE-CACHE-1]", async () => {
  const [replayed, golden] = await replayGolden("code_cache");
  assertEquals(replayed, golden);
});

Deno.test("CodeCache executes what a page holds now, also after it was written [CODE-CACHE-1]", () => {
  const program = new Program().code(
    "b9 03000000 " + // 10000 mov ecx, 3
      "40 " + //          10005 inc eax, becomes inc edx
      "c6 05 05000100 42 " + // 10006 mov byte [10005], 42h
      "49 75 f5 f4", //   1000d dec ecx; jnz 10005; hlt
  );
  assertEquals(program.run(), "halt");
  assertEquals([program.register(EAX), program.register(EDX)], [1, 2]);
  assertEquals(program.cpu.retired, 1 + 3 * 4 + 1);
});

Deno.test("CodeCache executes an instruction that the one before it has written [CODE-CACHE-2]", () => {
  const program = new Program().code("c6 05 07000100 42 40 40 f4"); // mov byte [10007], 42h; inc eax twice
  program.run();
  assertEquals([program.register(EAX), program.register(EDX), program.cpu.retired], [1, 1, 4]);
});

Deno.test("CodeCache executes what REP STOS wrote over itself [CODE-CACHE-2]", () => {
  const program = new Program().code("f3 aa 40 40 40 f4"); // rep stosb over itself and what follows
  program.cpu.state.setRegister(EAX, 0x42);
  program.cpu.state.setRegister(ECX, 3);
  program.cpu.state.setRegister(7, CODE + 2);
  assertEquals(program.run(), "halt");
  assertEquals([program.register(EDX), program.cpu.retired], [3, 7]);
  const over = new Program().code("40 f3 aa f4");
  over.cpu.state.setRegister(EAX, 0x41);
  over.cpu.state.setRegister(ECX, 2);
  over.cpu.state.setRegister(7, CODE + 1);
  over.run(2); // inc eax; the first iteration turns F3 AA into 42 AA: inc edx, stosb
  assertEquals([over.cpu.state.eip, over.register(ECX)], [CODE + 1, 1]);
  over.run(2);
  assertEquals([over.register(EDX), over.cpu.state.eip], [1, CODE + 3]);
});

Deno.test("CodeCache notices writes by system code: pushes, segment loads [CODE-CACHE-2]", () => {
  const program = new Program().code("9c 9c 40 40 40 40 40 40 40 40 f4"); // pushf over what follows
  program.cpu.state.setRegister(4, CODE + 8);
  program.cpu.state.eflags = 0x42; // pushed: 42 00 00 00: inc edx; add [eax], al
  program.cpu.state.setRegister(EAX, 0x30000);
  program.run(4); // pushf, pushf, add [eax], al, inc edx
  assertEquals([program.register(EDX), program.cpu.state.eip], [1, CODE + 5]);
});

Deno.test("CodeCache keeps a page whose data is written beside its code [CODE-CACHE-3]", () => {
  const program = new Program().code("c7 05 80000100 01000000 e2 f4 f4"); // mov dword [10080], 1; loop
  program.cpu.state.setRegister(ECX, 100);
  assertEquals([program.run(), program.word(CODE + 0x80)], ["halt", 1]);
  assertEquals(program.cpu.retired, 201);
});

Deno.test("CodeCache executes a block that begins inside an instruction of another [CODE-CACHE-4]", () => {
  const program = new Program().code("b8 40404040 eb fa f4"); // mov eax, 40404040h; jmp 10001
  program.run(2 + 4 + 1);
  assertEquals([program.register(EAX), program.cpu.state.eip], [0x40404044, CODE + 1]);
});

/** A program that begins three bytes before the end of a page with MOV EAX, imm32. */
function crossing(): Program {
  const program = new Program();
  program.page(0x100);
  program.bytes(CODE + 0xffd, "b8 01000000 43 c3"); // mov eax, 1; inc ebx; ret
  return program;
}

/** Calls the code at the end of the page. */
function call(program: Program): number {
  program.code("e8 f80f0000 e6 f4"); // 10000 call 10ffd; stop
  program.go(CODE);
  assertEquals(program.run(), "limit");
  return program.register(EAX);
}

Deno.test("CodeCache executes an instruction across two pages, which need not be neighbours [CODE-CACHE-5]", () => {
  const program = crossing();
  program.words(TABLE + 4 * 0x11, 0x30000 | ENTRY);
  program.bytes(0x30000, "0002 43 c3");
  assertEquals([call(program), program.register(EBX)], [0x02000001, 1]);
});

Deno.test("CodeCache follows the second page of an instruction to other memory [CODE-CACHE-6]", () => {
  const program = crossing();
  assertEquals(call(program), 1);
  program.bytes(0x30000, "0003 43 c3");
  program.words(TABLE + 4 * 0x11, 0x30000 | ENTRY);
  program.cpu.paging.invalidate(0x11000);
  program.cpu.flushCode();
  assertEquals(call(program), 0x03000001);
});

Deno.test("CodeCache follows it also in a loop within the first page [CODE-CACHE-6]", () => {
  const program = new Program();
  program.page(0x100);
  // 10ff8 mov cr3, edx; nop; nop; mov eax, imm32 (from 10ffd); at 11002 inc ebx; jmp 10ff8
  program.bytes(CODE + 0xff8, "0f 22 da 90 90 b8 01 00");
  program.bytes(CODE + 0x1000, "0000 43 eb f3");
  program.bytes(0x31000, "0005 43 eb f3");
  program.go(CODE + 0xff8);
  program.cpu.state.setRegister(EDX, DIRECTORY);
  program.run(18);
  assertEquals([program.register(EAX), program.register(EBX)], [1, 3]);
  program.words(TABLE + 4 * 0x11, 0x31000 | ENTRY);
  program.run(6);
  assertEquals(program.register(EAX), 0x05000001);
});

Deno.test("CodeCache notices a write to either page of an instruction [CODE-CACHE-7]", () => {
  const program = crossing();
  assertEquals(call(program), 1);
  program.bytes(CODE + 0x20, "c6 05 01100100 07 e6 f4"); // mov byte [11001], 7; stop
  program.go(CODE + 0x20);
  program.run();
  assertEquals(call(program), 0x07000001);
  program.bytes(CODE + 0x20, "c6 05 fe0f0100 09 e6 f4"); // mov byte [10ffe], 9; stop
  program.cpu.changed();
  program.go(CODE + 0x20);
  program.run();
  assertEquals(call(program), 0x07000009);
});

Deno.test("CodeCache notices a write to the second page of a jump [CODE-CACHE-7]", () => {
  const program = new Program();
  program.page(0x100);
  program.bytes(CODE + 0xffd, "e9 fe ef 00 00"); // 10ffd jmp 20000
  program.bytes(0x20000, "40 e6 f4");
  program.bytes(0x30000, "42 e6 f4");
  program.go(CODE + 0xffd).run();
  program.bytes(0x40000, "c6 05 00100100 01 e9 f10ffdff"); // mov byte [11000], 1; jmp 10ffd
  program.go(0x40000).run();
  assertEquals([program.register(EAX), program.register(EDX)], [1, 1]);
});

Deno.test("CodeCache faults on the second page, with nothing changed [CODE-CACHE-8]", () => {
  const delivered: string[] = [];
  const program = new Program({
    hooks: { delivered: (vector, code) => void delivered.push(`${vector} ${code}`) },
  });
  program.page(0x100);
  program.bytes(CODE + 0xffd, "b8 01000000");
  program.words(TABLE + 4 * 0x11, 0);
  program.cpu.paging.flush(true);
  program.go(CODE + 0xffd);
  program.run(1);
  assertEquals(delivered, ["14 0"]);
  assertEquals([program.cpu.state.get(304), program.word(STACK - 12)], [0x11000, CODE + 0xffd]);
  assertEquals(program.register(EAX), 0);
});

Deno.test("CodeCache needs no second page for an instruction that ends with the first [CODE-CACHE-8]", () => {
  const program = new Program();
  program.page(0x100);
  program.words(TABLE + 4 * 0x11, 0);
  program.cpu.paging.flush(true);
  program.bytes(CODE + 0xffb, "b8 01000000");
  program.go(CODE + 0xffb);
  program.run(1);
  assertEquals([program.register(EAX), program.cpu.state.eip], [1, CODE + 0x1000]);
});

Deno.test("CodeCache knows one page at two addresses, and writes through either [CODE-CACHE-9]", () => {
  const program = new Program();
  program.page(0x100);
  program.words(TABLE + 4 * 0x40, 0x10000 | ENTRY); // 40000 is 10000
  program.bytes(CODE, "e8 00000000 58 e6 f4"); // call next; pop eax: where am I?; stop
  program.run();
  assertEquals(program.register(EAX), CODE + 5);
  program.go(0x40000);
  program.run();
  assertEquals(program.register(EAX), 0x40005);
  program.bytes(0x20000, "c6 05 05000400 5a e6 f4"); // mov byte [40005], 5ah: pop edx; stop
  program.go(0x20000);
  program.run();
  for (const at of [CODE, 0x40000]) {
    program.go(at);
    program.run();
    assertEquals(program.register(EDX), at + 5);
  }
});

Deno.test("CodeCache decodes the same bytes anew for 16-bit code [CODE-CACHE-10]", () => {
  const program = new Program().code("b8 01000000 e6 f4"); // mov eax, 1; stop; as 16-bit code mov ax, 1
  program.words(0x1030, 0xffff, 0x8f9b00); // 16-bit code
  program.run();
  assertEquals(program.register(EAX), 1);
  program.bytes(0x20000, "ea 00000000 3000"); // jmp 30:0
  program.words(0x1030, 0x0000ffff, 0x8f9b01); // base 10000
  program.cpu.state.setRegister(EAX, 0x55555555);
  program.go(0x20000);
  program.run(2);
  assertEquals([program.register(EAX), program.cpu.state.eip], [0x55550001, 3]);
});

Deno.test("CodeCache faults with #GP where the segment ends within an instruction [CODE-CACHE-11]", () => {
  const delivered: string[] = [];
  const program = new Program({
    hooks: { delivered: (vector, code) => void delivered.push(`${vector} ${code}`) },
  });
  program.words(0x1030, 0x00000003, 0x409b01); // 32-bit code at 10000, limit 3
  program.code("90 90 b8 01000000");
  program.bytes(0x20000, "ea 00000000 3000");
  program.go(0x20000);
  program.run(3);
  assertEquals([delivered, program.cpu.state.eip], [[], 2]);
  program.run(1);
  assertEquals(delivered, ["13 0"]);
});

Deno.test("CodeCache executes absent memory as FFh bytes [CODE-CACHE-12]", () => {
  const delivered: string[] = [];
  const program = new Program({
    hooks: { delivered: (vector) => void delivered.push(`${vector}`) },
  });
  program.go(0x8000_0000);
  program.run(1);
  assertEquals(delivered, ["6"]);
});

Deno.test("CodeCache notices a write to the second unit of a jump [CODE-CACHE-1]", () => {
  const program = new Program(); // the jump's last bytes are alone in their 32 bytes
  program.bytes(CODE + 0x1d, "e9 de ff 00 00"); // 1001d jmp 20000
  program.bytes(0x20000, "40 e6 f4");
  program.bytes(0x30000, "42 e6 f4");
  program.go(CODE + 0x1d).run();
  program.bytes(0x40000, "c6 05 20000100 01 e9 1100fdff"); // mov byte [10020], 1; jmp 1001d
  program.go(0x40000).run();
  assertEquals([program.register(EAX), program.register(EDX)], [1, 1]);
});

/** A code cache of its own over a page of INC EAX at {@link CODE}. */
function cache(): CodeCache {
  const program = new Program(), { state, paging } = program.cpu;
  new Uint8Array(program.ram.buffer, RAM + CODE, 0x1000).fill(0x40);
  return new CodeCache(state, paging, handlers);
}

const KIND = { code32: true, flat: true, limit: 0xffffffff };

Deno.test("CodeCache finds an operation again, for the same kind of code only [CODE-CACHE-10]", () => {
  const code = cache(), find = (other: object) => code.lookUp(CODE, { ...KIND, ...other }, false);
  const kinds = [{}, { flat: false }, { flat: false, code32: false }, { limit: 0x1ffff }];
  const found = kinds.map(find);
  assertEquals(new Set(found).size, kinds.length);
  assertEquals(kinds.map(find), found);
});

Deno.test("CodeCache makes room by forgetting everything [CODE-CACHE-13]", () => {
  const code = cache(), { generation } = code;
  let kinds = 0;
  for (; code.generation === generation; kinds++) { // a page of operations for each kind
    for (let eip = CODE; eip < CODE + 0x1000; eip += 64) {
      const operation = code.lookUp(eip, { ...KIND, limit: 0xfffff000 + kinds }, false);
      assert(operation >= 0x100000 && operation + 64 * 32 < 0x1000000); // where operations may be
    }
  }
  assert(kinds > 50 && kinds < 200, `${kinds}`);
  for (let eip = CODE; eip < CODE + 0x1000; eip += 64) {
    assertEquals(code.eip(code.lookUp(eip, { ...KIND, limit: 0xfffff000 }, false)), eip);
  }
});

Deno.test("CodeCache bounds its tables, of 16 KiB each [CODE-CACHE-13]", () => {
  const code = cache(), { generation } = code;
  let kinds = 0;
  for (; code.generation === generation && kinds < 5000; kinds++) {
    code.lookUp(CODE + 0xfff, { ...KIND, limit: 0xffff0000 + kinds }, false);
  }
  assert(kinds <= 4097, `${kinds}`);
});

Deno.test("CodeCache goes on where it made room in the middle of a program [CODE-CACHE-13]", () => {
  const program = new Program(); // each round is translated anew, 64 instructions at a time
  program.code("b9 94110000 fe 05 14000100 49 75 f7 f4" + " 90".repeat(80));
  assertEquals(program.run(20_000), "halt");
  assertEquals(program.cpu.retired, 1 + 4500 * 3 + 1);
  assertEquals(program.ram.getUint8(CODE + 0x14), (0x90 + 4500) & 0xff);
});

Deno.test("CodeCache bounds its tables, however many addresses a page has [CODE-CACHE-13]", () => {
  const program = new Program({ ramBytes: 0x100000 });
  program.page(0x100);
  for (let i = 0; i < 8; i++) { // 32 MB of addresses, all of them the page at 30000
    program.words(DIRECTORY + 4 * (8 + i), 0x40000 + 0x1000 * i | ENTRY);
    for (let page = 0; page < 1024; page++) program.words(0x40000 + 0x1000 * i + 4 * page, 0x30007);
  }
  program.bytes(0x30000, "40 81 c3 00100000 ff e3"); // inc eax; add ebx, 1000h; jmp ebx
  program.cpu.state.setRegister(EBX, 0x2000000);
  program.go(0x2000000);
  program.run(3 * 8192);
  assertEquals([program.register(EAX), program.register(EBX)], [8192, 0x4000000]);
});

Deno.test("CodeCache finds code again after its address got other memory [CODE-CACHE-14]", () => {
  const program = new Program();
  program.page(0x100);
  program.bytes(0x30000, "b8 01000000 c3");
  program.bytes(0x31000, "b8 02000000 c3");
  program.code("e8 fbff0100 0f 22 d9 eb f6"); // call 30000; mov cr3, ecx; jmp 10000
  program.bytes(CODE, "e8 fbff0100");
  program.cpu.state.setRegister(ECX, DIRECTORY);
  program.run(4);
  assertEquals(program.register(EAX), 1);
  program.words(TABLE + 4 * 0x30, 0x31000 | ENTRY);
  program.run(5);
  assertEquals(program.register(EAX), 2);
});

Deno.test("CodeCache keeps the rings apart: user code cannot run supervisor pages it knows [CODE-CACHE-15]", () => {
  const delivered: string[] = [];
  const program = new Program({
    hooks: { delivered: (vector, code) => void delivered.push(`${vector} ${code}`) },
  });
  program.page(0x100);
  program.words(TABLE + 4 * 0x30, 0x30003); // for the supervisor
  program.bytes(0x30000, "40 c3");
  program.code("e8 fbff0100 e6 f4"); // call 30000; stop
  assertEquals([program.run(), program.register(EAX)], ["limit", 1]);
  program.ring(3);
  program.go(CODE);
  program.run(1);
  program.run(1);
  assertEquals(delivered, ["14 5"]);
  assertEquals(program.register(EAX), 1);
});

Deno.test("CodeCache puts breakpoints before instructions wherever they are reached from [CODE-CACHE-16]", () => {
  const program = new Program().code("eb 00 40 40 eb fc"); // jmp; inc; inc; jmp 10002
  program.run(20);
  program.cpu.setBreakpoints(new Set([CODE + 3]));
  for (let i = 0; i < 3; i++) {
    assertEquals([program.run(), program.cpu.state.eip], ["breakpoint", CODE + 3]);
    program.cpu.skipBreakpoint();
  }
  assert(program.cpu.retired > 20);
});

Deno.test("CodeCache goes on in handlers that an interrupted page writes [CODE-CACHE-2]", () => {
  const program = new Program().code("cd 30 cd 30 f4"); // int 30h, twice
  program.bytes(HANDLERS + 0x300, "40 fe 05 00430000 cf"); // inc eax; inc byte [4300]: inc ecx next; iret
  assertEquals(program.run(), "halt");
  assertEquals([program.register(EAX), program.register(ECX)], [1, 1]);
});
