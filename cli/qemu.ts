/**
 * QEMU as a witness: starts `qemu-system-i386` on an image and talks to it over QMP. Left out: anything
 * that a comparison does not need.
 */

/** The program. */
export const QEMU = "qemu-system-i386";

const SCRATCH = ".scratch"; // for QEMU's files, in the project's folder
const PATIENCE = 30_000; // milliseconds
const PATIENCE_WITH_ECHO = 2_000;
const REST = 300;
const POLL = 5;

/** The processor's control registers. */
export interface ControlRegisters {
  readonly cr0: number;
  readonly cr3: number;
  readonly cr4: number;
}

/** The first line of `--version`, or undefined where QEMU is not installed. */
export async function qemuVersion(): Promise<string | undefined> {
  try {
    const { stdout } = await new Deno.Command(QEMU, { args: ["--version"] }).output();
    return new TextDecoder().decode(stdout).split("\n")[0];
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** A running QEMU. */
export class Qemu implements AsyncDisposable {
  readonly #folder: string;
  readonly #process: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #replies: ReadableStreamDefaultReader<string>;

  private constructor(folder: string, process: Deno.ChildProcess) {
    this.#folder = folder;
    this.#process = process;
    this.#input = process.stdin.getWriter();
    this.#replies = process.stdout.pipeThrough(new TextDecoderStream())
      .pipeThrough(new Lines()).getReader();
  }

  /** Boots `image` with `megabytes` of memory. */
  static async start(image: string, megabytes: number): Promise<Qemu> {
    await Deno.mkdir(SCRATCH, { recursive: true });
    const folder = await Deno.makeTempDir({ dir: SCRATCH });
    const process = new Deno.Command(QEMU, {
      args: [
        ...["-kernel", image, "-m", `${megabytes}`, "-qmp", "stdio"],
        ...["-serial", `file:${folder}/serial`, "-display", "none", "-net", "none", "-no-reboot"],
        ...["-device", "isa-debug-exit,iobase=0xf4,iosize=0x04"],
      ],
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    const qemu = new Qemu(folder, process);
    await qemu.#execute("qmp_capabilities");
    return qemu;
  }

  /** What the guest has sent on COM1. */
  async serial(): Promise<Uint8Array> {
    try {
      return await Deno.readFile(`${this.#folder}/serial`);
    } catch {
      return new Uint8Array(); // not yet made
    }
  }

  /** Waits until COM1 has sent `count` bytes, or shows no sign of doing so for half a minute. */
  async serialReaches(count: number): Promise<void> {
    await this.#until(async () => (await this.serial()).length >= count, PATIENCE);
  }

  /** Types keys by QEMU's names, each when the guest has echoed the one before. */
  async type(keys: readonly string[]): Promise<void> {
    for (const key of keys) {
      const before = (await this.serial()).length;
      await this.#command(`sendkey ${key} 10`);
      await this.#until(async () => (await this.serial()).length > before, PATIENCE_WITH_ECHO);
    }
  }

  /** Types keys at a steady pace, whether the guest echoes them or not. */
  async typeBlindly(keys: readonly string[]): Promise<void> {
    for (const key of keys) {
      await this.#command(`sendkey ${key} 20`);
      await sleep(80);
    }
  }

  /** Waits until the guest rests: it is halted whenever one looks, for as long as some timer ticks take. */
  async rest(): Promise<void> {
    let looks = 0;
    await this.#until(async () => {
      looks = (await this.#command("info registers")).includes("HLT=1") ? looks + 1 : 0;
      return looks * POLL >= REST;
    }, PATIENCE);
  }

  /** Stops the processor. */
  async stop(): Promise<void> {
    await this.#execute("stop");
  }

  /** A copy of physical memory from address 0. */
  async memory(bytes: number): Promise<Uint8Array> {
    const filename = `${this.#folder}/memory`;
    await this.#execute("pmemsave", { val: 0, size: bytes, filename });
    return await Deno.readFile(filename);
  }

  /** The control registers. */
  async controlRegisters(): Promise<ControlRegisters> {
    const text = await this.#command("info registers");
    const read = (name: string): number => parseInt(text.match(`${name}=([0-9a-f]+)`)![1], 16);
    return { cr0: read("CR0"), cr3: read("CR3"), cr4: read("CR4") };
  }

  /** Where the cursor is: row times 80 and column, read from the CRT controller. */
  async cursor(): Promise<number> {
    const register = async (index: number): Promise<number> => {
      await this.#command(`o /b 0x3d4 ${index}`);
      return parseInt((await this.#command("i /b 0x3d5")).split("=")[1], 16);
    };
    return await register(0x0e) << 8 | await register(0x0f);
  }

  /** The exit code, once the guest has ended the run. */
  async exitCode(): Promise<number> {
    return (await this.#process.status).code;
  }

  /** Ends QEMU and removes its files. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#process.kill("SIGKILL");
    } catch {
      // it has ended by itself
    }
    await this.#process.status;
    await this.#input.close().catch(() => {});
    await this.#replies.cancel();
    await Deno.remove(this.#folder, { recursive: true });
  }

  async #until(condition: () => Promise<boolean>, patience: number): Promise<void> {
    const end = Date.now() + patience;
    while (!await condition() && Date.now() < end) await sleep(POLL);
  }

  async #command(line: string): Promise<string> {
    return String(await this.#execute("human-monitor-command", { "command-line": line }));
  }

  async #execute(command: string, values: Record<string, unknown> = {}): Promise<unknown> {
    const text = JSON.stringify({ execute: command, arguments: values });
    await this.#input.write(new TextEncoder().encode(`${text}\n`));
    for (;;) {
      const { value: line, done } = await this.#replies.read();
      if (done) throw new Error(`Cannot do ${command}: QEMU has ended`);
      const reply = JSON.parse(line);
      if ("error" in reply) throw new Error(`Cannot do ${command}: ${reply.error.desc}`);
      if ("return" in reply) return reply.return; // greetings and events lie between
    }
  }
}

class Lines extends TransformStream<string, string> {
  constructor() {
    let rest = "";
    super({
      transform(chunk, controller) {
        const lines = (rest + chunk).split("\n");
        rest = lines.pop()!;
        for (const line of lines) if (line.trim() !== "") controller.enqueue(line);
      },
    });
  }
}

/** Bytes as text, one character a byte. */
export function latin1(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
}

function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
