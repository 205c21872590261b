import { assertEquals, assertThrows } from "@std/assert";
import {
  cachedSegment,
  checkSegment,
  Descriptor,
  hasTss32,
  isBig,
  isFlat,
  loadLdt,
  loadSegment,
  loadTask,
} from "../../cpu/segments.ts";
import { CODE0, DATA0, DATA3, GDT, TestCpu } from "./testcpu.ts";
import { replayGolden } from "./traces.ts";

const GDTR = 316, LDTR = 332, TR = 348, CR0 = 300, CR2 = 304, CR3 = 308, CPL = 364;
const ES = 0, CS = 1, SS = 2, DS = 3, GS = 5;
const READ = 1, WRITE = 2;

const cache = (low: number, high: number) => new Descriptor(0x30, low, high, GDT).cache();

function load(cpu: TestCpu, segment: number, selector: number): string {
  return cpu.outcome(() => loadSegment(cpu, segment, selector));
}

/** How loading a fresh descriptor with this access byte ends, in ring `cpl`. */
function loadAccess(segment: number, access: number, cpl: number, selector: number): string {
  const cpu = new TestCpu();
  cpu.state.set(CPL, cpl);
  cpu.descriptor(0x30, 0, 0xfffff, access, 0xc);
  return load(cpu, segment, selector);
}

Deno.test("Descriptor puts base and limit together [SEGMENTS-1]", () => {
  const bytes = new Descriptor(0x30, 0x3456789a, 0xab0492cd, GDT);
  assertEquals([bytes.base, bytes.limit], [0xabcd3456, 0x4789a]);
  assertEquals(new Descriptor(0x30, 0x0000789a, 0x00849200, GDT).limit, 0x4789afff);
  assertEquals(new Descriptor(0x30, 0x0000ffff, 0x00cf9200, GDT).limit, 0xffffffff);
});

Deno.test("Expand-up segments reach from 0 to the limit [SEGMENTS-2]", () => {
  const rights = (access: number) => cache(0xffff, access << 8).rights;
  const { first, span, limit } = cache(0x1234, 0x9200);
  assertEquals([first, span, limit], [0, 0x1234, 0x1234]);
  assertEquals([0x90, 0x92, 0x98, 0x9a].map(rights), [READ, READ | WRITE, 0, READ]);
});

Deno.test("Expand-down segments reach from limit + 1 to the top [SEGMENTS-3]", () => {
  const small = cache(0x0fff, 0x9600), big = cache(0x0fff, 0x409600);
  assertEquals([small.first, small.span, small.rights], [0x1000, 0xefff, READ | WRITE]);
  assertEquals([big.first, big.span], [0x1000, 0xffffefff]);
  assertEquals(cache(0xffff, 0x9600).rights, 0);
  assertEquals(cache(0xffff, 0xcf9600).rights, 0);
  const cpu = new TestCpu();
  cpu.descriptor(0x30, 0x40000, 0xfff, 0x96);
  assertEquals(load(cpu, GS, 0x30), "ok");
  const at = (offset: number, bytes: number) =>
    cpu.outcome(() => void checkSegment(cpu.state, GS, offset, bytes, true));
  assertEquals([at(0xfff, 1), at(0x1000, 4)], ["fault 13 0x0", "ok"]);
  assertEquals([at(0xfffc, 4), at(0xfffd, 4)], ["ok", "fault 13 0x0"]);
  assertEquals([at(0xffff, 1), at(0x10000, 1)], ["ok", "fault 13 0x0"]);
});

Deno.test("checkSegment is #SS(0) through SS and #GP(0) otherwise [SEGMENTS-4]", () => {
  const cpu = new TestCpu();
  cpu.descriptor(0x30, 0x40000, 0xff, 0x92);
  cpu.descriptor(0x38, 0x40000, 0xff, 0x90);
  for (const segment of [SS, DS]) assertEquals(load(cpu, segment, 0x30), "ok");
  const at = (segment: number, write: boolean, offset: number) =>
    cpu.outcome(() => {
      assertEquals(checkSegment(cpu.state, segment, offset, 4, write), 0x400fc);
    });
  assertEquals([at(SS, true, 0xfc), at(DS, true, 0xfc)], ["ok", "ok"]);
  assertEquals([at(SS, true, 0xfd), at(DS, true, 0xfd)], ["fault 12 0x0", "fault 13 0x0"]);
  assertEquals(load(cpu, DS, 0x38), "ok");
  assertEquals([at(DS, false, 0xfc), at(DS, true, 0xfc)], ["ok", "fault 13 0x0"]);
  assertEquals(at(CS, true, 0xfc), "fault 13 0x0");
});

Deno.test("Accesses wrap only in a segment of 4 GB [SEGMENTS-5]", () => {
  const cpu = new TestCpu();
  assertEquals(checkSegment(cpu.state, DS, 0xfffffffe, 4, true), 0xfffffffe);
  cpu.descriptor(0x30, 0, 0xffffe, 0x92, 0xc);
  assertEquals(load(cpu, DS, 0x30), "ok");
  const at = (offset: number) =>
    cpu.outcome(() => void checkSegment(cpu.state, DS, offset, 4, true));
  assertEquals([at(0xffffeffc), at(0xffffeffd), at(0xfffffffe)], [
    "ok",
    "fault 13 0x0",
    "fault 13 0x0",
  ]);
});

Deno.test("Loading SS checks in the manual's order [SEGMENTS-6]", () => {
  const ss = (access: number, cpl: number, selector: number) =>
    loadAccess(SS, access, cpl, selector);
  assertEquals(ss(0x92, 0, 0x30), "ok");
  assertEquals(ss(0xf2, 3, 0x33), "ok");
  assertEquals(ss(0x92, 0, 0), "fault 13 0x0");
  assertEquals(ss(0x92, 0, 3), "fault 13 0x0");
  assertEquals(ss(0x92, 0, 0x100), "fault 13 0x100");
  assertEquals(ss(0x92, 0, 0x31), "fault 13 0x30"); // RPL
  assertEquals(ss(0xf2, 0, 0x30), "fault 13 0x30"); // DPL
  for (const access of [0x90, 0x9a, 0x82]) assertEquals(ss(access, 0, 0x30), "fault 13 0x30");
  assertEquals(ss(0x12, 0, 0x30), "fault 12 0x30"); // not present
  assertEquals(ss(0x10, 0, 0x30), "fault 13 0x30"); // neither writable nor present
});

Deno.test("Loading DS, ES, FS, GS checks in the manual's order [SEGMENTS-7]", () => {
  const ds = (access: number, cpl: number, selector: number) =>
    loadAccess(DS, access, cpl, selector);
  for (const access of [0x90, 0x92, 0x96, 0x9a, 0x9e]) assertEquals(ds(access, 0, 0x30), "ok");
  assertEquals([ds(0x92, 0, 0x33), ds(0x92, 3, 0x30)], ["fault 13 0x30", "fault 13 0x30"]);
  assertEquals([ds(0x9a, 3, 0x33), ds(0x9e, 3, 0x33)], ["fault 13 0x30", "ok"]); // conforming
  assertEquals([ds(0x98, 0, 0x30), ds(0x89, 0, 0x30)], ["fault 13 0x30", "fault 13 0x30"]);
  assertEquals([ds(0x12, 0, 0x30), ds(0x18, 0, 0x30)], ["fault 11 0x30", "fault 13 0x30"]);
  assertEquals(ds(0x92, 0, 0x100), "fault 13 0x100");
  const cpu = new TestCpu();
  assertEquals(load(cpu, ES, 3), "ok");
  assertEquals(cpu.state.selector(ES), 3);
  assertEquals(
    cpu.outcome(() => void checkSegment(cpu.state, ES, 0, 1, false)),
    "fault 13 0x0",
  );
});

Deno.test("loadSegment refuses CS: far transfers load it", () => {
  const cpu = new TestCpu();
  assertThrows(() => loadSegment(cpu, CS, CODE0), RangeError, "far transfer");
});

Deno.test("Loading sets the accessed bit, or nothing with a fault [SEGMENTS-8]", () => {
  const cpu = new TestCpu(), writes: number[] = [];
  cpu.descriptor(0x30, 0, 0xfff, 0x92);
  cpu.descriptor(0x38, 0, 0xfff, 0x12);
  cpu.paging.setCodePage(GDT >> 12, true);
  cpu.paging.onCodeWrite = (physAddr) => writes.push(physAddr);
  assertEquals([load(cpu, DS, 0x30), load(cpu, DS, 0x30)], ["ok", "ok"]);
  assertEquals(cpu.peek(GDT + 0x34), 0x9300);
  assertEquals(writes, [GDT + 0x35]);
  assertEquals(cpu.state.selector(DS), 0x30);
  assertEquals(load(cpu, DS, 0x38), "fault 11 0x38");
  assertEquals([cpu.state.selector(DS), cpu.peek(GDT + 0x3c)], [0x30, 0x1200]);
  assertEquals(writes.length, 1);
});

Deno.test("Selectors lie inside GDT or LDT by their last byte [SEGMENTS-9]", () => {
  const cpu = new TestCpu();
  cpu.state.set(GDTR + 4, 0x16);
  assertEquals(load(cpu, DS, DATA0), "fault 13 0x10");
  cpu.state.set(GDTR + 4, 0x17);
  assertEquals(load(cpu, DS, DATA0), "ok");
  assertEquals(load(cpu, DS, 0x0c), "fault 13 0xc");
  cpu.state.set(GDTR + 4, 0xff);
  cpu.descriptor(0x30, 0x5000, 0x0f, 0x82);
  loadLdt(cpu, 0x30);
  cpu.poke(0x5000, 0x0000ffff); // the LDT's index 0 is no null selector
  cpu.poke(0x5004, 0x00409200);
  assertEquals([load(cpu, DS, 0x04), load(cpu, DS, 0x14)], ["ok", "fault 13 0x14"]);
  assertEquals(cachedSegment(cpu.state, DS).limit, 0xffff);
  cpu.poke(0x5008, 0x0000ffff);
  cpu.poke(0x500c, 0x00409200);
  assertEquals(load(cpu, DS, 0x0c), "ok");
  cpu.state.set(LDTR + 8, 0x0e);
  assertEquals([load(cpu, DS, 0x04), load(cpu, DS, 0x0c)], ["ok", "fault 13 0xc"]);
});

Deno.test("Descriptors are read by the supervisor in every ring [SEGMENTS-10]", () => {
  const cpu = new TestCpu();
  cpu.state.set(CR3, 0x10000);
  cpu.poke(0x10000, 0x11003);
  cpu.poke(0x11004, 0x1003);
  cpu.state.set(CR0, 0x80000011);
  cpu.ring(3);
  assertEquals(load(cpu, DS, DATA3), "ok");
  assertEquals(cpu.peek(GDT + 0x24), 0xcff300);
  cpu.descriptor(0x30, 0, 0xfff, 0xf2);
  cpu.poke(0x11004, 0x1001);
  cpu.state.set(CR0, 0x80010011);
  cpu.paging.flush(true);
  assertEquals(load(cpu, DS, 0x33), "fault 14 0x3"); // the accessed bit, on a page not to be written
  assertEquals(cpu.state.get(CR2), 0x1035);
});

Deno.test("loadLdt checks as LLDT does [SEGMENTS-11]", () => {
  const ldt = (selector: number, access: number) => {
    const cpu = new TestCpu();
    cpu.descriptor(0x30, 0x5000, 0x27, access);
    return [
      cpu.outcome(() => loadLdt(cpu, selector)),
      ...[0, 4, 8].map((at) => cpu.state.get(LDTR + at)),
    ];
  };
  assertEquals(ldt(0x30, 0x82), ["ok", 0x30, 0x5000, 0x27]);
  assertEquals(ldt(0, 0x82), ["ok", 0, 0, 0]);
  assertEquals(ldt(0x34, 0x82)[0], "fault 13 0x34");
  assertEquals(ldt(0x100, 0x82)[0], "fault 13 0x100");
  assertEquals(ldt(0x30, 0x92)[0], "fault 13 0x30");
  assertEquals(ldt(0x30, 0x89)[0], "fault 13 0x30");
  assertEquals(ldt(0x30, 0x02)[0], "fault 11 0x30");
  const cpu = new TestCpu();
  cpu.descriptor(0x30, GDT, 0xff, 0x82); // an LDT that is the GDT
  loadLdt(cpu, 0x30);
  assertEquals(cpu.outcome(() => loadLdt(cpu, 0x34)), "fault 13 0x34");
  cpu.descriptor(0x38, 0, 0x67, 0x89);
  assertEquals(cpu.outcome(() => loadTask(cpu, 0x3c)), "fault 13 0x3c");
});

Deno.test("loadTask checks as LTR does and marks the TSS busy [SEGMENTS-12]", () => {
  const task = (selector: number, access: number) => {
    const cpu = new TestCpu();
    cpu.descriptor(0x30, 0x5000, 0x67, access);
    const outcome = cpu.outcome(() => loadTask(cpu, selector));
    return [outcome, cpu.state.get(TR), cpu.peek(GDT + 0x34), hasTss32(cpu.state)];
  };
  assertEquals(task(0x30, 0x89), ["ok", 0x30, 0x8b00, true]);
  assertEquals(task(0x30, 0x81), ["ok", 0x30, 0x8300, false]);
  assertEquals(task(0, 0x89)[0], "fault 13 0x0");
  assertEquals(task(0x34, 0x89)[0], "fault 13 0x34");
  assertEquals(task(0x100, 0x89)[0], "fault 13 0x100");
  for (const access of [0x8b, 0x82, 0x99]) assertEquals(task(0x30, access)[0], "fault 13 0x30");
  assertEquals(task(0x30, 0x09), ["fault 11 0x30", 0, 0x0900, false]);
});

Deno.test("isFlat asks for base 0, all offsets and the rights [SEGMENTS-13]", () => {
  const cpu = new TestCpu();
  assertEquals([isFlat(cpu.state, DS, READ | WRITE), isBig(cpu.state, DS)], [true, true]);
  assertEquals([isFlat(cpu.state, CS, READ), isFlat(cpu.state, CS, WRITE)], [true, false]);
  const flat = (base: number, limit: number, access: number) => {
    cpu.descriptor(0x30, base, limit, access, 0x8);
    assertEquals(load(cpu, DS, 0x30), "ok");
    return isFlat(cpu.state, DS, READ | WRITE);
  };
  assertEquals(flat(0, 0xfffff, 0x92), true);
  assertEquals(isBig(cpu.state, DS), false);
  assertEquals(flat(1, 0xfffff, 0x92), false);
  assertEquals(flat(0, 0xffffe, 0x92), false);
  assertEquals(flat(0, 0xfffff, 0x90), false);
});

Deno.test("Segments replay their golden trace", async () => {
  const [replayed, golden] = await replayGolden("segments");
  assertEquals(replayed, golden);
});
