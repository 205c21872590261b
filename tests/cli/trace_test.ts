import { assert, assertEquals } from "@std/assert";
import { kernel } from "../machine/images.ts";
import { scratchFile } from "../scratch.ts";

const ROOT = new URL("../../", import.meta.url);
const DEBUG = "fixtures/conformance/debug.elf"; // says "hello" on the debug console and halts

interface Outcome {
  code: number;
  out: string;
  err: string;
}

/** Runs the command as its task does. */
async function trace(...args: string[]): Promise<Outcome> {
  const { code, stdout, stderr } = await new Deno.Command("deno", {
    args: ["run", "--no-prompt", "--allow-read", "--allow-write", "cli/trace.ts", ...args],
    cwd: ROOT,
    stdin: "null",
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, out: text(stdout), err: text(stderr) };
}

/** Paths of new files with these contents, removed afterwards. */
async function withFiles<T>(
  contents: (string | Uint8Array)[],
  use: (...paths: string[]) => Promise<T>,
): Promise<T> {
  const paths = await Promise.all(contents.map(() => scratchFile()));
  try {
    for (const [i, content] of contents.entries()) {
      if (typeof content === "string") await Deno.writeTextFile(paths[i], content);
      else await Deno.writeFile(paths[i], content);
    }
    return await use(...paths);
  } finally {
    for (const path of paths) await Deno.remove(path);
  }
}

/** Nothing but one line on standard error, and exit code 2. */
function assertOneLine({ code, out, err }: Outcome, part: string): void {
  assertEquals([code, out, err.trimEnd().split("\n").length], [2, "", 1], err);
  assert(err.includes(part), err);
}

const RECORDED = `# claudeos-trace 1
# subject: debug.elf
# origin: recorded from this machine only
# events: serial,call=say/1/void
# memory: 32M
# command-line: debug.elf
# budget: 100000000
# rest: 1000
# timing: exact
7 call say 0x0010004d
62 serial debug "hello"
73 return say 0x0010004d
78 stop halted
`;

Deno.test("trace record writes what a kernel does, trace check agrees", async () => {
  await withFiles([""], async (path) => {
    const recorded = await trace("record", DEBUG, "-o", path, "--events", "serial");
    assertEquals([recorded.code, recorded.out], [0, ""]);
    assertEquals(
      recorded.err,
      "2 events; halted for good: interrupts are off after 78 instructions\n",
    );
    const text = await Deno.readTextFile(path);
    assertEquals(
      text,
      RECORDED.replace(",call=say/1/void", "").replace(/^\d+ (call|return) .*\n/gm, ""),
    );
    const { code, out } = await trace("check", DEBUG, path);
    assertEquals([code, out], [0, `${DEBUG} does what ${path} says: 2 events\n`]);
    const standard = await trace("record", DEBUG, "-o", "-", "--events", "serial");
    assertEquals(standard.out, text);
  });
});

Deno.test("trace check reports a changed byte, for people and for programs", async () => {
  const head = "# claudeos-trace 1\n# subject: debug.elf\n# events: serial\n";
  const golden = `${head}62 serial debug "hellO"\n78 stop halted\n`;
  await withFiles([golden], async (path) => {
    const { code, out } = await trace("check", DEBUG, path);
    assertEquals(code, 1);
    assertEquals(
      out,
      `${DEBUG} leaves ${path} at line 4, event 1: serial: the line is "hello", not "hellO"
  - 62 serial debug "hellO"
  - 78 stop halted
  + 62 serial debug "hello"
  + 78 stop halted
at put (0x00100000), debug.c:5
called from say+0x18 (0x0010001c), debug.c:10
called from start+0x10 (0x0010004a), debug.c:16
called from _start+0xa (0x00100036), debug.c:14
`,
    );
    const json = await trace("check", "--json", DEBUG, path), report = JSON.parse(json.out);
    assertEquals([json.code, report.equal, report.line, report.event], [1, false, 4, 1]);
    assertEquals(report.places[0], { address: 0x100000, text: "put", source: "debug.c:5" });
  });
});

Deno.test("trace record takes a script, trace check finds it in the head or takes another", async () => {
  // mov dx, 3fdh; in al, dx; test al, 1; jz; mov dl, f8h; in al, dx; out e9h, al; jmp
  const echo = [0x66, 0xba, 0xfd, 0x03, 0xec, 0xa8, 0x01, 0x74, 0xf7];
  const image = kernel([...echo, 0xb2, 0xf8, 0xec, 0xe6, 0xe9, 0xeb, 0xf0]);
  const script = '# twice\nat 1000 send "a\\n"\nat 5000 send "b\\n"\nat 9000 stop\n';
  await withFiles([image, script, script.replace("b", "c"), ""], async (image, one, two, path) => {
    assertEquals((await trace("record", image, "-o", path, "--input", one)).code, 0);
    const text = await Deno.readTextFile(path);
    assert(text.includes('# input: at 5000 send "b\\n"\n'));
    assert(/^\d+ serial debug "b"$/m.test(text));
    assertEquals((await trace("check", image, path, "--json")).out, '{"equal":true,"events":3}\n');
    const { code, out } = await trace("check", image, path, "--input", two);
    assertEquals(code, 1);
    assert(out.includes('the line is "c", not "b"'), out);
  });
});

Deno.test("trace diff compares two traces", async () => {
  const other = RECORDED.replace("# memory: 32M\n", "").replace("hello", "Hello");
  const late = RECORDED.replaceAll(/^7/gm, "8");
  await withFiles([RECORDED, other, late], async (a, b, c) => {
    assertEquals((await trace("diff", a, a)).out, `${a} and ${a} have the same 4 events\n`);
    const { code, out } = await trace("diff", a, b);
    assertEquals([code, out.split("\n")[0]], [
      1,
      `${a}:11 and ${b}:10 differ, event 2: serial: the line is "Hello", not "hello"`,
    ]);
    const json = JSON.parse((await trace("diff", a, b, "--json")).out);
    assertEquals([json.lines, json.event, json.expected.length], [[11, 10], 2, 3]);
    assertEquals((await trace("diff", a, c)).code, 1);
    assertEquals((await trace("diff", a, c, "--timing", "free")).code, 0);
  });
});

Deno.test("trace show draws a trace, or the chosen kinds of it", async () => {
  await withFiles([RECORDED], async (path) => {
    const { code, out } = await trace("show", path);
    assertEquals(code, 0);
    assert(out.endsWith('62    serial debug "hello"\n73  say(0x0010004d)\n78  stop halted\n'), out);
    const serial = await trace("show", path, "--events", "serial");
    assert(serial.out.endsWith('\n\n62  serial debug "hello"\n78  stop halted\n'), serial.out);
  });
});

Deno.test("trace tells wrong arguments in one line", async () => {
  const wrong: [string[], string][] = [
    [["play"], "Cannot run trace play: give record, check, diff, show"],
    [["record", DEBUG], "Cannot record: no file is given for it (-o FILE)"],
    [["record", "-o", "x"], "Cannot record: no IMAGE is given"],
    [["check", DEBUG], "Cannot check: no FILE is given (deno task trace check IMAGE FILE)"],
    [["diff", "a", "b", "c"], "Cannot diff: c is one file too many"],
    [["record", DEBUG, "-o", "x", "--events", "noise"], 'Cannot use --events: "noise" is no kind'],
    [["record", DEBUG, "-o", "x", "--timing", "loose"], "Cannot use --timing loose"],
    [["record", DEBUG, "-o", "x", "--budget", "much"], "Cannot use --budget much"],
    [["record", DEBUG, "-o", "x", "--memory", "1M"], "Cannot use --memory 1M"],
    [["show", DEBUG, "--loud"], "--loud"],
  ];
  const outcomes = await Promise.all(wrong.map(([args]) => trace(...args)));
  outcomes.forEach((outcome, i) => assertOneLine(outcome, wrong[i][1]));
});

Deno.test("trace tells bad input in one line, with file and line number, and writes nothing", async () => {
  const script = "# a script\n\nafter idle jump\n", late = 'after serial "x" stop\n';
  const key = "after idle press AnyKey\n", head = "# claudeos-trace 1\n";
  const contents = [script, late, key, `${head}nonsense\n`, `${head}5 stop idle\n`, "hello"];
  contents.push(`${head}# events: serial\n# input: at noon stop\n5 stop idle\n`);
  contents.push(`${head}# events: call=kmalloc\n5 stop idle\n`);
  await withFiles(contents, async (...paths) => {
    const [script, late, key, nonsense, headless, hello, noon, kmalloc] = paths;
    const output = `${hello}.trace`;
    const wrong: [string[], string][] = [
      [["record", DEBUG, "-o", output, "--input", script], `${script}:3: type or send`],
      [
        ["record", DEBUG, "-o", output, "--input", late],
        `${late}:1: after serial "x" stop is never`,
      ],
      [["record", DEBUG, "-o", output, "--input", key], `${key}:1: Cannot press "AnyKey"`],
      [
        ["record", DEBUG, "-o", output, "--input", "gone"],
        "Cannot use gone: there is no such file",
      ],
      [["record", DEBUG, "-o", output, "--events", "call=gone"], "the image has no function gone"],
      [["record", DEBUG, "-o", `${hello}/x`], `Cannot write ${hello}/x: `],
      [["record", hello, "-o", output], `Cannot record ${hello}: it is not an ELF file`],
      [["record", "gone", "-o", output], "Cannot record gone: there is no such file"],
      [["record", hello, "-o", hello], "it is the image"],
      [["check", DEBUG, nonsense], `Cannot use ${nonsense}:2: "nonsense" is no stamp`],
      [["check", DEBUG, headless], `Cannot use ${headless}:1: its head has no line`],
      [["check", DEBUG, noon], `Cannot use ${noon}:3: a number of instructions is expected`],
      [["check", DEBUG, kmalloc], "the image has no function kmalloc"],
      [["diff", headless, hello], `Cannot use ${hello}:1: the first line must be`],
      [["show", "fixtures"], "Cannot use fixtures: it is a directory"],
      [["show", DEBUG], `Cannot use ${DEBUG}`],
    ];
    const outcomes = await Promise.all(wrong.map(([args]) => trace(...args)));
    outcomes.forEach((outcome, i) => assertOneLine(outcome, wrong[i][1]));
    for await (const { name } of Deno.readDir(new URL(".scratch/", ROOT))) {
      assert(!name.includes(hello.slice(hello.lastIndexOf("/") + 1) + "."), name);
    }
  });
});

Deno.test("trace explains itself", async () => {
  for (const command of [[], ["record"], ["check"], ["diff"], ["show"]]) {
    const { code, out } = await trace(...command, "--help");
    assertEquals(code, 0);
    assert(/Exit codes/.test(out) || command[0] === "show", out);
    assert(/Example: deno task trace/.test(out), out);
  }
});
