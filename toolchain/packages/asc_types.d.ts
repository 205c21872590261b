/** The part of `npm:assemblyscript/asc` that the toolchain and its tests use. */

/** The standard library's sources by path. */
export const libraryFiles: Record<string, string>;

/** The compiler as a command. */
declare const asc: {
  main(
    args: string[],
    host: {
      readFile?(name: string, folder: string): string | null;
      writeFile?(name: string, contents: Uint8Array | string, folder: string): void;
      listFiles?(folder: string): string[];
    },
  ): Promise<{ error: Error | null; stderr: { toString(): string } }>;
};
export default asc;
