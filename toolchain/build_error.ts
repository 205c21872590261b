/** A source that cannot be built; the message names file and line where they are known, and what is wrong. */
export class BuildError extends Error {
  /** Names the class in messages. */
  override name: string = "BuildError";
}
