/** Files that a command is given and files that it makes; what goes wrong is one line for its user. */
import { UsageError } from "./options.ts";

/** The bytes of a file; `intent` begins the line that tells what went wrong. */
export function readFile(path: string | URL, intent: string): Uint8Array {
  try {
    if (Deno.statSync(path).isDirectory) throw new UsageError(`${intent}: it is a directory`);
    return Deno.readFileSync(path);
  } catch (error) {
    throw toUsageError(error, intent);
  }
}

/** A file's text; it must be UTF-8. */
export function readText(path: string | URL, intent: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(readFile(path, intent));
  } catch (error) {
    if (error instanceof TypeError) throw new UsageError(`${intent}: it is not text (UTF-8)`);
    throw error;
  }
}

/**
 * Writes a whole file or nothing: under another name first, then renamed. What is no ordinary file,
 * such as a terminal, is written directly.
 */
export function writeWhole(
  path: string,
  text: string,
  intent: string = `Cannot write ${path}`,
): void {
  const bytes = new TextEncoder().encode(text), part = `${path}.${Deno.pid}.part`;
  try {
    if (isSpecial(path)) return Deno.writeFileSync(path, bytes);
    Deno.writeFileSync(part, bytes, { createNew: true });
    Deno.renameSync(part, path);
  } catch (error) {
    removeIfThere(part);
    throw toUsageError(error, intent);
  }
}

function isSpecial(path: string): boolean {
  try {
    const { isFile, isDirectory } = Deno.statSync(path);
    if (isDirectory) throw new Deno.errors.IsADirectory("it is a directory");
    return !isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

function removeIfThere(path: string): void {
  try {
    Deno.removeSync(path);
  } catch { /* it was not written */ }
}

const reasons: readonly (readonly [new () => Error, string])[] = [
  [Deno.errors.NotFound, "there is no such file or directory"],
  [Deno.errors.NotCapable, "Deno was started without the permission for it"],
  [Deno.errors.PermissionDenied, "the system forbids it"],
];

/** What went wrong with a file, as a {@link UsageError}. */
export function toUsageError(error: unknown, intent: string): unknown {
  if (!(error instanceof Error) || error instanceof UsageError) return error;
  const known = reasons.find(([kind]) => error instanceof kind);
  return new UsageError(`${intent}: ${known ? known[1] : error.message.split("\n")[0]}`);
}
