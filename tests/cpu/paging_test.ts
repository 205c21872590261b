import { assertEquals, assertThrows } from "@std/assert";
import { Fault } from "../../cpu/fault.ts";
import { Paging } from "../../cpu/paging.ts";
import { Random } from "../random.ts";
import { RAM, TestCpu } from "./testcpu.ts";
import { replayGolden } from "./traces.ts";

// Words of the state (specs/cpu/state.md).
const FAULT_VECTOR = 268, FAULT_CODE = 272, STOPPED = 288, CR0 = 300, CR2 = 304, CR3 = 308;
const CR4 = 312, CPL = 364;
const TABLES = {
  readSupervisor: 0x1000000,
  writeSupervisor: 0x1400000,
  readUser: 0x1800000,
  writeUser: 0x1c00000,
};
const DEVICE_MEMORY = 0x2000000;

const DIRECTORY = 0x10000, TABLE = 0x11000;
const P = 1, W = 2, U = 4, A = 0x20, D = 0x40, PS = 0x80, G = 0x100;
const PG = 0x80000001, WP = 0x10000, PSE = 0x10, PGE = 0x80;

/** Paging on; the first 4 MB through {@link TABLE}, which is empty. */
function paged(cr0 = 0): TestCpu {
  const cpu = new TestCpu();
  cpu.state.set(CR3, DIRECTORY);
  cpu.state.set(CR0, PG | 0x10 | cr0);
  cpu.poke(DIRECTORY, TABLE | P | W | U);
  return cpu;
}

function map(cpu: TestCpu, linear: number, entry: number): void {
  cpu.poke(TABLE + 4 * (linear >>> 12), entry);
}

/** `ok PHYSICAL` or `fault CODE CR2`. */
function access(cpu: TestCpu, linear: number, write = false, user = false): string {
  try {
    return "ok " + cpu.paging.translate(linear, write, user).toString(16);
  } catch (fault) {
    if (!(fault instanceof Fault)) throw fault;
    assertEquals(fault.vector, 14);
    return `fault ${fault.code.toString(16)} ${cpu.state.get(CR2).toString(16)}`;
  }
}

function tableWords(cpu: TestCpu, linear: number): Record<string, number> {
  const entries = Object.entries(TABLES);
  return Object.fromEntries(
    entries.map(([name, at]) => [name, cpu.state.get(at + 4 * (linear >>> 12))]),
  );
}

Deno.test("Paging passes linear addresses through while CR0.PG is clear [PAGING-1]", () => {
  const cpu = new TestCpu();
  assertEquals(access(cpu, 0x12345, true, true), "ok 12345");
  cpu.state.set(CPL, 3);
  cpu.paging.storeSlow(0x5000, 4, 0x11223344);
  assertEquals(cpu.peek(0x5000), 0x11223344);
  assertEquals(cpu.state.get(STOPPED), 0);
});

Deno.test("Paging walks directory and table [PAGING-2]", () => {
  const cpu = paged();
  cpu.state.set(CR3, 0x12018); // PCD and PWT are not part of the address
  cpu.poke(0x12000 + 4 * 0x3a5, 0x13000 | P);
  cpu.poke(0x13000 + 4 * 0x2c7, 0x54000 | P);
  assertEquals(access(cpu, (0x3a5 << 22 | 0x2c7 << 12 | 0xabc) >>> 0), "ok 54abc");
});

Deno.test("Paging checks U/S and R/W of both levels and CR0.WP [PAGING-3]", () => {
  for (let bits = 0; bits < 128; bits++) {
    const [directory, table] = [bits & 3, bits >> 2 & 3].map((rights) => rights << 1);
    const write = (bits & 16) !== 0, user = (bits & 32) !== 0, wp = (bits & 64) !== 0;
    const cpu = paged(wp ? WP : 0);
    cpu.poke(DIRECTORY, TABLE | P | directory);
    map(cpu, 0x7000, 0x55000 | P | table);
    const both = directory & table;
    const allowed = user
      ? (both & U) !== 0 && (!write || (both & W) !== 0)
      : !write || !wp || (both & W) !== 0;
    const code = (1 | (write ? 2 : 0) | (user ? 4 : 0)).toString(16);
    const expected = allowed ? "ok 55123" : `fault ${code} 7123`;
    assertEquals(access(cpu, 0x7123, write, user), expected, `case ${bits}`);
  }
});

Deno.test("Paging maps 4 MB with PS while CR4.PSE is set [PAGING-4]", () => {
  const cpu = paged();
  cpu.poke(DIRECTORY + 4, P | W | PS); // 4 MB at physical 0, or a table at 0
  cpu.poke(4 * 0x123, 0x66000 | P);
  assertEquals(access(cpu, 0x523456), "ok 66456");
  cpu.paging.flush(true);
  cpu.state.set(CR4, PSE);
  assertEquals(access(cpu, 0x523456), "ok 123456");
});

Deno.test("Paging sets A and D as the access allows [PAGING-5]", () => {
  const cpu = paged(WP);
  assertEquals(access(cpu, 0x7000), "fault 0 7000");
  assertEquals(cpu.peek(DIRECTORY), TABLE | P | W | U | A);
  map(cpu, 0x7000, 0x55000 | P);
  assertEquals(access(cpu, 0x7000, true), "fault 3 7000");
  assertEquals(cpu.peek(TABLE + 4 * 7), 0x55000 | P);
  assertEquals(access(cpu, 0x7000), "ok 55000");
  assertEquals(cpu.peek(TABLE + 4 * 7), 0x55000 | P | A);
  map(cpu, 0x8000, 0x56000 | P | W);
  assertEquals(access(cpu, 0x8000, true), "ok 56000");
  assertEquals(cpu.peek(TABLE + 4 * 8), 0x56000 | P | W | A | D);
  cpu.state.set(CR4, PSE);
  cpu.poke(DIRECTORY + 4, P | W | PS);
  assertEquals(access(cpu, 0x400000), "ok 0");
  assertEquals(cpu.peek(DIRECTORY + 4), P | W | PS | A);
  assertEquals(access(cpu, 0x400000, true), "ok 0");
  assertEquals(cpu.peek(DIRECTORY + 4), P | W | PS | A | D);
});

Deno.test("Paging reports address and error code of a fault [PAGING-6]", () => {
  const cpu = paged(WP);
  assertEquals(access(cpu, 0x7abc), "fault 0 7abc");
  assertEquals(access(cpu, 0x7abc, true), "fault 2 7abc");
  assertEquals(access(cpu, 0x7abc, false, true), "fault 4 7abc");
  assertEquals(access(cpu, 0x7abc, true, true), "fault 6 7abc");
  map(cpu, 0x7000, 0x55000 | P);
  assertEquals(access(cpu, 0x7abc, true), "fault 3 7abc");
  assertEquals(access(cpu, 0x7abc, false, true), "fault 5 7abc");
  assertEquals(access(cpu, 0x7abc, true, true), "fault 7 7abc");
  assertEquals(access(cpu, 0xfffff123, true, true), "fault 6 fffff123");
});

Deno.test("Paging faults on reserved bits while CR4.PSE is set [PAGING-7]", () => {
  const cpu = paged();
  map(cpu, 0x7000, 0x55000 | P | W | U | PS);
  assertEquals(access(cpu, 0x7000), "ok 55000");
  cpu.paging.flush(true);
  cpu.state.set(CR4, PSE);
  assertEquals(access(cpu, 0x7000, true, true), "fault f 7000");
  for (let bit = 12; bit < 22; bit++) {
    cpu.poke(DIRECTORY + 4, P | W | U | PS | 1 << bit);
    assertEquals(access(cpu, 0x400000), "fault 9 400000", `bit ${bit}`);
  }
});

Deno.test("Paging checks both pages of a crossing access first [PAGING-8]", () => {
  const cpu = paged();
  map(cpu, 0x7000, 0x55000 | P | W);
  cpu.poke(0x55ffc, 0xaaaaaaaa);
  assertEquals(cpu.outcome(() => cpu.paging.write(0x7ffe, 4, 0x11223344, false)), "fault 14 0x2");
  assertEquals(cpu.state.get(CR2), 0x8000);
  assertEquals(cpu.peek(0x55ffc), 0xaaaaaaaa);
  assertEquals(cpu.outcome(() => cpu.paging.read(0x7fff, 2, false)), "fault 14 0x0");
  assertEquals(cpu.outcome(() => cpu.paging.write(0x6ffe, 4, 0, false)), "fault 14 0x2");
  assertEquals(cpu.state.get(CR2), 0x6ffe);
  map(cpu, 0x8000, 0x44000 | P | W);
  cpu.paging.write(0x7ffd, 4, 0x11223344, false);
  assertEquals(cpu.peek(0x55ffc), 0x223344aa);
  assertEquals(cpu.peek(0x44000), 0x11); // and nothing after it
  assertEquals(cpu.paging.read(0x7ffd, 4, false), 0x11223344);
});

Deno.test("Paging crosses from the last page to the first [PAGING-8]", () => {
  const cpu = paged();
  cpu.poke(DIRECTORY + 4 * 0x3ff, 0x12000 | P);
  cpu.poke(0x12000 + 4 * 0x3ff, 0x55000 | P);
  map(cpu, 0, 0x44000 | P);
  cpu.poke(0x55ffc, 0x22110000);
  cpu.poke(0x44000, 0x4433);
  assertEquals(cpu.paging.read(0xfffffffe, 4, false), 0x44332211);
});

Deno.test("Paging clears bit 20 while A20 is closed [PAGING-9]", () => {
  const cpu = new TestCpu();
  cpu.poke(0x100010, 1);
  cpu.poke(0x10, 2);
  assertEquals(cpu.paging.read(0x100010, 4, false), 1);
  cpu.paging.a20 = false;
  assertEquals(cpu.paging.read(0x100010, 4, false), 2);
  assertEquals(cpu.paging.a20, false);
  cpu.state.set(CR3, 0x100000 + DIRECTORY);
  cpu.state.set(CR0, PG);
  cpu.poke(DIRECTORY, 0x100000 | TABLE | P);
  cpu.poke(TABLE, 0x155000 | P);
  cpu.state.set(CR4, PGE);
  cpu.poke(TABLE, 0x155000 | P | G);
  assertEquals(access(cpu, 0x10), "ok 55010");
  cpu.paging.a20 = true;
  assertEquals(access(cpu, 0x10).startsWith("fault"), true);
});

Deno.test("Paging reads all ones where nothing is, and counts [PAGING-10]", () => {
  const cpu = new TestCpu(0x200000);
  assertEquals(cpu.paging.read(0x200000, 4, false), 0xffffffff);
  assertEquals(cpu.paging.read(0xfee00000, 2, false), 0xffff);
  assertEquals(cpu.paging.loadSlow(0x80000000 | 0, 1), 0xff);
  cpu.paging.write(0x200000, 4, 5, false);
  assertEquals(cpu.paging.absent, { reads: 3, writes: 1 });
  assertEquals(cpu.peek(0), 0);
});

Deno.test("Paging gives A0000h to BFFFFh to device memory [PAGING-10]", () => {
  const cpu = new TestCpu();
  cpu.paging.write(0xb8000, 2, 0x0741, false);
  assertEquals(cpu.state.bytes[DEVICE_MEMORY + 0x18000], 0x41);
  assertEquals(cpu.state.bytes[RAM + 0xb8000], 0);
  assertEquals(cpu.paging.read(0xb8001, 1, false), 0x07);
  cpu.paging.write(0xc0000, 1, 0x55, false);
  assertEquals(cpu.state.bytes[RAM + 0xc0000], 0x55);
  cpu.paging.write(0x9ffff, 1, 0x66, false);
  assertEquals(cpu.state.bytes[RAM + 0x9ffff], 0x66);
  assertEquals(cpu.paging.absent, { reads: 0, writes: 0 });
});

Deno.test("Paging keeps a translation until it is invalidated [PAGING-11]", () => {
  const cpu = paged();
  map(cpu, 0x7000, 0x55000 | P);
  assertEquals(access(cpu, 0x7000), "ok 55000");
  map(cpu, 0x7000, 0x66000 | P);
  assertEquals(access(cpu, 0x7000), "ok 55000");
  cpu.paging.setCodePage(0x55, true); // tables may be emptied at any time: nobody may notice
  cpu.paging.refill();
  assertEquals(access(cpu, 0x7000), "ok 55000");
  cpu.paging.invalidate(0x7fff);
  assertEquals(access(cpu, 0x7000), "ok 66000");
  map(cpu, 0x7000, 0);
  cpu.paging.flush(false);
  assertEquals(access(cpu, 0x7000), "fault 0 7000");
});

Deno.test("Paging looks up again what a kept translation forbids [PAGING-12]", () => {
  const cpu = paged(WP);
  map(cpu, 0x7000, 0x55000 | P);
  assertEquals(access(cpu, 0x7000), "ok 55000");
  map(cpu, 0x7000, 0x66000 | P | W | U);
  assertEquals(access(cpu, 0x7000, true, true), "ok 66000");
  map(cpu, 0x8000, 0x55000 | P | W);
  assertEquals(access(cpu, 0x8000), "ok 55000");
  map(cpu, 0x8000, 0);
  assertEquals(access(cpu, 0x8000), "ok 55000");
  assertEquals(access(cpu, 0x8000, true), "fault 2 8000"); // D was not set: the tables decide
  assertEquals(access(cpu, 0x8000), "fault 0 8000");
});

Deno.test("Paging keeps global pages over a load of CR3 [PAGING-13]", () => {
  for (const pge of [0, PGE]) {
    const cpu = paged();
    cpu.state.set(CR4, pge);
    map(cpu, 0x7000, 0x55000 | P | G);
    access(cpu, 0x7000);
    map(cpu, 0x7000, 0x66000 | P | G);
    cpu.paging.flush(false);
    assertEquals(access(cpu, 0x7000), pge ? "ok 55000" : "ok 66000");
    cpu.paging.flush(true);
    assertEquals(access(cpu, 0x7000), "ok 66000");
  }
});

Deno.test("Paging invalidates global and 4 MB pages by INVLPG [PAGING-14]", () => {
  const cpu = paged();
  cpu.state.set(CR4, PGE | PSE);
  map(cpu, 0x7000, 0x55000 | P | G);
  access(cpu, 0x7000);
  map(cpu, 0x7000, 0x66000 | P);
  cpu.paging.invalidate(0x7123);
  assertEquals(access(cpu, 0x7000), "ok 66000");
  cpu.poke(DIRECTORY + 4, P | PS | G);
  assertEquals([access(cpu, 0x401000), access(cpu, 0x7ff000)], ["ok 1000", "ok 3ff000"]);
  cpu.poke(DIRECTORY + 4, 0x400000 | P | PS);
  cpu.paging.invalidate(0x600000);
  assertEquals([access(cpu, 0x401000), access(cpu, 0x7ff000)], ["ok 401000", "ok 7ff000"]);
  cpu.poke(DIRECTORY + 8, 0x400000 | P | PS);
  assertEquals(access(cpu, 0x800000), "ok 400000");
  cpu.poke(DIRECTORY + 8, P | PS);
  cpu.paging.invalidate(0x7fffff);
  assertEquals(access(cpu, 0x800000), "ok 400000"); // another 4 MB page
});

Deno.test("Paging fills access tables with what is allowed [PAGING-15]", () => {
  const cpu = paged(WP), host = RAM + 0x55000;
  const none = { readSupervisor: 0, writeSupervisor: 0, readUser: 0, writeUser: 0 };
  assertEquals(tableWords(cpu, 0x7000), none);
  map(cpu, 0x7000, 0x55000 | P | W | U);
  access(cpu, 0x7000);
  assertEquals(tableWords(cpu, 0x7000), { ...none, readSupervisor: host, readUser: host });
  access(cpu, 0x7000, true);
  assertEquals(tableWords(cpu, 0x7000), {
    readSupervisor: host,
    writeSupervisor: host,
    readUser: host,
    writeUser: host,
  });
  map(cpu, 0x8000, 0x55000 | P | W);
  access(cpu, 0x8000, true);
  assertEquals(tableWords(cpu, 0x8000), { ...none, readSupervisor: host, writeSupervisor: host });
  map(cpu, 0x9000, 0x55000 | P | U | D);
  access(cpu, 0x9000);
  assertEquals(tableWords(cpu, 0x9000), { ...none, readSupervisor: host, readUser: host });
  cpu.state.set(CR0, PG);
  cpu.paging.refill();
  assertEquals(tableWords(cpu, 0x9000), none);
  access(cpu, 0x9000, true);
  assertEquals(tableWords(cpu, 0x9000), {
    ...none,
    readSupervisor: host,
    writeSupervisor: host,
    readUser: host,
  });
  map(cpu, 0xa000, 0x200000 | P | W | U);
  access(cpu, 0xa000, true);
  assertEquals(tableWords(cpu, 0xa000), none);
  cpu.paging.flush(true);
  for (const page of [7, 8, 9, 10]) assertEquals(tableWords(cpu, page << 12), none);
});

Deno.test("Paging watches pages that hold translated code [PAGING-16]", () => {
  const cpu = paged(), writes: string[] = [];
  cpu.paging.onCodeWrite = (physAddr, bytes) => writes.push(`${physAddr.toString(16)} ${bytes}`);
  for (const linear of [0x7000, 0x8000]) {
    map(cpu, linear, 0x55000 | P | W | U);
    access(cpu, linear, true);
  }
  map(cpu, 0x9000, 0x56000 | P | W | U);
  access(cpu, 0x9000, true);
  cpu.paging.setCodePage(0x55, true);
  assertEquals(tableWords(cpu, 0x9000).writeSupervisor, RAM + 0x56000); // another page
  for (const linear of [0x7000, 0x8000]) {
    const { readUser, writeSupervisor, writeUser } = tableWords(cpu, linear);
    assertEquals([readUser, writeSupervisor, writeUser], [RAM + 0x55000, 0, 0]);
  }
  cpu.paging.storeSlow(0x7010, 4, 1);
  cpu.paging.storeSlow(0x8ffe, 2, 1);
  cpu.paging.write(0x7001, 1, 1, false);
  assertEquals(writes, ["55010 4", "55ffe 2", "55001 1"]);
  assertEquals(tableWords(cpu, 0x7000).writeSupervisor, 0);
  cpu.paging.setCodePage(0x55, false);
  cpu.paging.storeSlow(0x7010, 4, 1);
  assertEquals(tableWords(cpu, 0x7000).writeSupervisor, RAM + 0x55000);
  assertEquals(writes.length, 3);
  cpu.paging.setCodePage(TABLE >> 12, true);
  map(cpu, 0xc000, 0x55000 | P | W);
  writes.length = 0;
  access(cpu, 0xc000, true);
  assertEquals(writes, ["11030 4"]); // its accessed and dirty bits
});

Deno.test("Paging records the fault of a slow access [PAGING-17]", () => {
  const cpu = paged();
  map(cpu, 0x7000, 0x55000 | P | W);
  cpu.poke(0x55ffc, 0x80112233);
  assertEquals(cpu.paging.loadSlow(0x7ffc, 4), 0x80112233 | 0);
  assertEquals(cpu.paging.loadSlow(0x7ffd, 2), 0x1122);
  assertEquals(cpu.state.get(STOPPED), 0);
  assertEquals(cpu.paging.loadSlow(0x7ffe, 4), 0);
  const found = [STOPPED, FAULT_VECTOR, FAULT_CODE, CR2].map((word) => cpu.state.get(word));
  assertEquals(found, [1, 14, 0, 0x8000]);
  cpu.state.set(STOPPED, 0);
  cpu.state.set(CPL, 3);
  cpu.paging.storeSlow(0x7ffe, 4, 0x99999999 | 0);
  assertEquals([cpu.state.get(STOPPED), cpu.state.get(FAULT_CODE)], [1, 7]);
  assertEquals(cpu.peek(0x55ffc), 0x80112233);
  cpu.state.set(CPL, 2); // rings 1 and 2 are supervisors
  cpu.state.set(STOPPED, 0);
  cpu.paging.storeSlow(0x7ffc, 4, 0x99999999 | 0);
  assertEquals([cpu.state.get(STOPPED), cpu.peek(0x55ffc)], [0, 0x99999999]);
});

Deno.test("Paging writes slowly over a page boundary [PAGING-17]", () => {
  const cpu = paged(WP);
  map(cpu, 0x7000, 0x55000 | P | W);
  map(cpu, 0x8000, 0x44000 | P);
  cpu.poke(0x44000, 0x99999999);
  cpu.paging.storeSlow(0x7ffd, 4, 0x11223344);
  assertEquals([cpu.state.get(STOPPED), cpu.state.get(CR2), cpu.state.get(FAULT_CODE)], [
    1,
    0x8000,
    3,
  ]);
  assertEquals([cpu.peek(0x55ffc), cpu.peek(0x44000)], [0, 0x99999999]);
  cpu.state.set(STOPPED, 0);
  map(cpu, 0x8000, 0x44000 | P | W);
  cpu.paging.storeSlow(0x7ffd, 4, 0x11223344);
  assertEquals([cpu.peek(0x55ffc), cpu.peek(0x44000)], [0x22334400, 0x99999911]);
  assertEquals(cpu.state.get(STOPPED), 0);
});

Deno.test("Paging checks for writing before reading or probing [PAGING-18]", () => {
  const cpu = paged(WP);
  map(cpu, 0x7000, 0x55000 | P);
  cpu.poke(0x55000, 0x12345678);
  assertEquals(cpu.paging.modifySlow(0x7000, 4), 0);
  assertEquals([cpu.state.get(STOPPED), cpu.state.get(FAULT_CODE)], [1, 3]);
  cpu.state.set(STOPPED, 0);
  map(cpu, 0x7000, 0x55000 | P | W);
  assertEquals(cpu.paging.modifySlow(0x7000, 4), 0x12345678);
  assertEquals(cpu.paging.modifySlow(0x7001, 2), 0x3456);
  cpu.paging.probeSlow(0x7000, 4096);
  assertEquals([cpu.state.get(STOPPED), cpu.peek(0x55000)], [0, 0x12345678]);
  map(cpu, 0x8000, 0x55000 | P);
  for (
    const crossing of [
      () => cpu.paging.probeSlow(0x7ff0, 32),
      () => cpu.paging.modifySlow(0x7ffe, 4),
    ]
  ) {
    cpu.state.set(STOPPED, 0);
    crossing();
    const found = [STOPPED, FAULT_CODE, CR2].map((word) => cpu.state.get(word));
    assertEquals(found, [1, 3, 0x8000]);
  }
});

Deno.test("Paging probes without effect [PAGING-19]", () => {
  const cpu = paged();
  map(cpu, 0x7000, 0x55000 | P | W | G);
  cpu.state.set(CR4, PGE);
  assertEquals(cpu.paging.probe(0x7123), {
    physAddr: 0x55123,
    writable: true,
    user: false,
    accessed: false,
    dirty: false,
    large: false,
    global: true,
  });
  assertEquals(cpu.paging.probe(0x8000), undefined);
  assertEquals([cpu.peek(DIRECTORY), cpu.peek(TABLE + 28)], [TABLE | 7, 0x55000 | P | W | G]);
  map(cpu, 0x7000, 0x66000 | P);
  assertEquals(access(cpu, 0x7000), "ok 66000"); // the probe left no translation
  assertEquals(cpu.state.get(CR2), 0);
});

Deno.test("Paging restores translations and A20 [PAGING-20]", () => {
  const cpu = paged();
  map(cpu, 0x7000, 0x55000 | P | W);
  access(cpu, 0x7000, true);
  map(cpu, 0x7000, 0x66000 | P | W);
  const saved = JSON.parse(JSON.stringify(cpu.paging.state()));
  const copy = new Paging(cpu.state, 0x200000);
  copy.a20 = false;
  copy.restore(saved);
  assertEquals(copy.translate(0x7000, true, false), 0x55000);
  assertEquals(copy.a20, true);
  assertEquals(copy.state(), saved);
});

Deno.test("Paging names the pages that were written [PAGING-21]", () => {
  const cpu = paged(), { paging } = cpu;
  map(cpu, 0x7000, 0x55000 | P | W);
  map(cpu, 0x8000, 0x66000 | P | W);
  paging.forgetWritten();
  access(cpu, 0x7000, false);
  assertEquals(paging.writtenPages, [0x10, 0x11]); // accessed bits, in directory and table
  paging.storeSlow(0x7010, 4, 1);
  paging.storeSlow(0x7020, 4, 1);
  assertEquals(paging.writtenPages, [0x10, 0x11, 0x55]);
  assertEquals(tableWords(cpu, 0x7000).writeSupervisor, 0x2100000 + 0x55000);
  paging.forgetWritten();
  assertEquals(tableWords(cpu, 0x7000).writeSupervisor, 0);
  paging.loadSlow(0x7000, 4); // dirty already, but no write yet
  assertEquals(tableWords(cpu, 0x7000).writeSupervisor, 0);
  assertEquals(paging.writtenPages, []);
  paging.write(0x8000, 1, 5, false);
  assertEquals(paging.writtenPages.toSorted((a, b) => a - b), [0x11, 0x66]);
});

/** Paging on with pages 7000h and 8000h mapped, 7000h watched; what the observer is told. */
function watched(): { cpu: TestCpu; told: string[] } {
  const cpu = paged(), told: string[] = [];
  map(cpu, 0x7000, 0x55000 | P | W);
  map(cpu, 0x8000, 0x66000 | P | W);
  cpu.paging.watch(0x7000, 0x8000, (linear, bytes, access) => {
    told.push(`${access} ${linear.toString(16)} ${bytes}`);
  });
  return { cpu, told };
}

Deno.test("Paging tells of each access to a watched page, of no other [PAGING-22]", () => {
  const { cpu, told } = watched(), { paging } = cpu;
  const words = tableWords(cpu, 0x7000);
  paging.storeSlow(0x7010, 2, 1);
  paging.loadSlow(0x7010, 4);
  paging.modifySlow(0x7fff, 1);
  paging.write(0x7020, 1, 5, false);
  assertEquals(paging.read(0x7020, 1, false), 5);
  assertEquals(tableWords(cpu, 0x7000), words, "all zero");
  paging.storeSlow(0x7ffe, 4, 1);
  paging.loadSlow(0x6fff, 2); // faults: not mapped
  paging.probeSlow(0x7000, 4);
  paging.loadSlow(0x8000, 4);
  paging.translate(0x7000, false, false);
  const seen = ["store 7010 2", "load 7010 4", "modify 7fff 1", "store 7020 1", "load 7020 1"];
  assertEquals(told, [...seen, "store 7ffe 4"]);
  paging.unwatch();
  paging.storeSlow(0x7010, 4, 1);
  assertEquals(told.length, 6);
  assertEquals(tableWords(cpu, 0x7000).writeSupervisor, 0x2100000 + 0x55000);
});

Deno.test("Paging is told before a watched store is made, and not of what faults [PAGING-22]", () => {
  const { cpu, told } = watched(), { paging } = cpu;
  const values: number[] = [];
  paging.watch(0x7000, 0x9000, () => void values.push(cpu.peek(0x55010)));
  paging.storeSlow(0x7010, 4, 7);
  paging.storeSlow(0x7010, 4, 8);
  assertEquals(values, [0, 7]);
  paging.storeSlow(0x8fff, 2, 1); // its second byte faults
  cpu.state.set(STOPPED, 0);
  paging.loadSlow(0x8ffe, 4);
  assertEquals([values.length, told.length], [2, 0]);
});

Deno.test("Paging does the same watched and not: memory, faults, bits, translations [PAGING-22]", () => {
  const ends = [false, true].map((isWatched) => {
    const cpu = paged(WP), { paging } = cpu, random = new Random(22), values: unknown[] = [];
    for (let page = 1; page < 9; page++) {
      map(cpu, page << 12, 0x50000 + (page << 12) | random.below(8) | P);
    }
    if (isWatched) paging.watch(0x2000, 0x6000, () => {});
    for (let i = 0; i < 3000; i++) {
      const linear = 0x800 + random.below(0x9000), bytes = [1, 2, 4][random.below(3)];
      const way = (["loadSlow", "storeSlow", "modifySlow", "probeSlow"] as const)[random.below(4)];
      values.push(paging[way](linear, bytes, i), cpu.state.get(STOPPED), cpu.state.get(CR2));
      cpu.state.set(STOPPED, 0);
      cpu.state.set(CPL, random.below(2) * 3);
      if (random.below(50) === 0) paging.invalidate(linear);
      if (random.below(50) === 0) paging.flush(false);
    }
    return [values, paging.state(), cpu.state.bytes.slice(0x2100000, 0x2100000 + 0x60000)];
  });
  assertEquals(ends[1], ends[0]);
});

Deno.test("Paging refuses RAM that is not whole pages of the memory", () => {
  const { state } = new TestCpu(0x200000);
  assertThrows(() => new Paging(state, 0x1234), RangeError, "whole pages");
  assertThrows(() => new Paging(state, 0x40000000), RangeError, "whole pages");
});

/** The tables of the SDM, read as they stand: the outcome of one access to fresh tables. */
function model(
  words: Map<number, number>,
  linear: number,
  write: boolean,
  user: boolean,
  wp: boolean,
  pse: boolean,
): string {
  const cause = (write ? 2 : 0) + (user ? 4 : 0);
  const fault = (bits: number) => `fault ${(cause + bits).toString(16)} ${linear.toString(16)}`;
  const directory = words.get(DIRECTORY + 4 * Math.floor(linear / 0x400000)) ?? 0;
  if (!(directory & P)) return fault(0);
  const large = pse && (directory & PS) !== 0;
  const table = large ? directory : words.get(TABLE + 4 * (Math.floor(linear / 4096) % 1024)) ?? 0;
  if (!(table & P)) return fault(0);
  if (large ? (directory & 0x3ff000) !== 0 : pse && (table & 0x80) !== 0) return fault(9);
  const isUser = (directory & table & U) !== 0, isWritable = (directory & table & W) !== 0;
  if (user && !isUser) return fault(1);
  if (write && !isWritable && (user || wp)) return fault(1);
  const [size, frame] = large ? [0x400000, directory] : [0x1000, table];
  const base = Math.floor((frame >>> 0) / size) * size;
  return "ok " + (base + linear % size).toString(16);
}

Deno.test("Paging agrees with the manual's table on random entries [PAGING-3] [PAGING-7]", () => {
  let seed = 12345;
  const random = (below: number) => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    return Math.floor(seed / 0x100000000 * below);
  };
  const cpu = paged();
  const seen = new Set<string>();
  for (let i = 0; i < 20000; i++) {
    const wp = random(2) === 1, pse = random(2) === 1;
    cpu.state.set(CR0, PG | (wp ? WP : 0));
    cpu.state.set(CR4, pse ? PSE : 0);
    cpu.paging.flush(true);
    const isLarge = random(4) === 0 ? PS : 0, odd = random(4) === 0 ? 0x5000 : 0;
    const directory = isLarge && pse ? 0xc00000 + odd | PS : TABLE;
    const linear = random(4) * 0x400000 + random(8) * 0x1000 + random(0x1000);
    const entries = new Map([
      [DIRECTORY + 4 * (linear >>> 22), directory | random(4) * 2 | (random(8) ? P : 0)],
      [
        TABLE + 4 * (linear >>> 12 & 0x3ff),
        0x55000 | random(4) * 2 | (random(8) ? P : 0) | (random(6) ? 0 : PS),
      ],
    ]);
    for (const [at, entry] of entries) cpu.poke(at, entry);
    const write = random(2) === 1, user = random(2) === 1;
    const expected = model(entries, linear, write, user, wp, pse);
    assertEquals(access(cpu, linear, write, user), expected);
    seen.add(expected.slice(0, 7));
  }
  assertEquals(seen.size >= 13, true, [...seen].join());
});

Deno.test("Paging replays its golden trace", async () => {
  const [replayed, golden] = await replayGolden("paging");
  assertEquals(replayed, golden);
});
