import { assert, assertEquals, assertThrows } from "@std/assert";
import { Failure } from "../../conformance/check.ts";
import { noManifest } from "../../conformance/manifest.ts";
import { describeOutcome, Subject } from "../../conformance/subject.ts";
import { freshSubject, haltsAtOnce, reference } from "./kernels.ts";

Deno.test("fresh goes back to the first wait for input [SUBJECT-1]", () => {
  const subject = freshSubject(), hash = subject.machine.hash();
  assertEquals(subject.booted.kind, "idle");
  subject.call("kmalloc", 1000);
  subject.call("debug_write_string", "hello");
  subject.machine.type("x");
  subject.run({ until: "idle" });
  assert(subject.machine.hash() !== hash && subject.said.startsWith("hello"));
  subject.fresh();
  assertEquals(subject.machine.hash(), hash);
  assertEquals([subject.said, subject.log, subject.deeds.deliveries], ["", [], []]);
});

Deno.test("call gives EAX, and a failure for a call that does not return [SUBJECT-2]", () => {
  const subject = freshSubject();
  assert(subject.call("kmalloc", 16) >= 0x400000);
  subject.callBudget = 100;
  const failure = assertThrows(() => subject.call("timer_wait", 5), Failure);
  assertEquals(failure.expected, "timer_wait to return");
  assert(failure.seen.startsWith("it did not return, and is at "), failure.seen);
  assertEquals(failure.calls.length, 2);
});

Deno.test("invoke tells returns, panics and other ends apart [SUBJECT-3]", () => {
  const subject = freshSubject();
  assertEquals(subject.invoke("pmm_get_total_pages").kind, "returned");
  const panic = subject.invoke("kernel_panic", ["enough"]);
  assertEquals(panic.kind, "panicked");
  assertEquals(describeOutcome(panic), 'it printed "KERNEL PANIC: enough" and halted');
  subject.fresh();
  subject.callBudget = 100;
  assertEquals(subject.invoke("timer_wait", [9]).kind, "stopped");
});

Deno.test("log prints calls with their values [SUBJECT-4]", () => {
  const subject = freshSubject();
  subject.call("heap_get_total_size");
  subject.call("kfree", 0);
  subject.call("debug_write_string", 'a"b');
  subject.note("a key is pressed");
  assertEquals(subject.log, [
    "heap_get_total_size() = 0x00100000",
    "kfree(0)",
    'debug_write_string("a\\"b")',
    "a key is pressed",
  ]);
});

Deno.test("said is what COM1 got since fresh [SUBJECT-5]", () => {
  const subject = freshSubject();
  subject.call("debug_write_string", "hello");
  assertEquals(subject.said, "hello");
  assert(subject.bootOutput.includes("Day 6 Memory Management System Complete!"));
});

Deno.test("Names go through the manifest [SUBJECT-6]", () => {
  const manifest = {
    ...noManifest,
    names: new Map([["kmalloc", "pmm_get_total_pages"], ["kfree", "nothing"]]),
    lacks: new Map([["kcalloc", ""]]),
  };
  const subject = new Subject(reference, manifest);
  assertEquals(subject.call("kmalloc", 5), subject.call("pmm_get_total_pages"));
  assertEquals(["kmalloc", "kfree", "kcalloc"].map((name) => subject.has(name)), [
    true,
    false,
    false,
  ]);
  assertThrows(() => subject.address("kcalloc"), RangeError, "Cannot find kcalloc");
});

Deno.test("deeds are what the machine saw the kernel do [SUBJECT-7]", () => {
  const subject = freshSubject();
  assert(subject.bootDeeds.deliveries.every(({ source }) => source === "external"));
  assertEquals(subject.bootDeeds.diagnoses, []);
  subject.run({ until: ({ ticks }) => ticks > subject.booted.ticks + 5_000_000 });
  const vectors = new Set(subject.deeds.deliveries.map(({ vector }) => vector));
  assertEquals([...vectors], [32]);
});

Deno.test("A variant is another machine with the same count of calls [SUBJECT-8]", () => {
  const subject = new Subject(reference);
  const large = subject.variant({ ramBytes: 64 << 20 });
  const pages = large.call("pmm_get_total_pages");
  assert(pages > subject.call("pmm_get_total_pages"));
  assertEquals([subject.calls, large.calls], [2, 2]);
});

Deno.test("setInterrupts decides whether calls are interrupted [SUBJECT-9]", () => {
  const subject = freshSubject();
  const ticksDuring = (on: boolean): number => {
    subject.fresh();
    subject.setInterrupts(on);
    subject.callBudget = 5_000_000;
    const before = subject.call("timer_get_ticks");
    subject.call("kfree", subject.call("kcalloc", 1, 2_000_000));
    return subject.call("timer_get_ticks") - before;
  };
  assertEquals(ticksDuring(false), 0);
  assert(ticksDuring(true) > 0);
});

Deno.test("A kernel that never waits for input is a subject too", () => {
  assertEquals(new Subject(haltsAtOnce).booted.kind, "halted");
});
