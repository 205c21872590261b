/** Reads what a kernel prints about its memory, where the specification leaves the wording free. */

/** A block as `heap_dump_blocks` shows it. */
export interface ShownBlock {
  /** Address of its header. */
  readonly address: number;
  /** Bytes of payload. */
  readonly size: number;
  /** Whether it is free. */
  readonly isFree: boolean;
}

/** The blocks in the text of `heap_dump_blocks`: a line each. */
export function shownBlocks(text: string): ShownBlock[] {
  return text.split("\n").flatMap((line) => {
    const found = line.match(/\b(?:0x)?([0-9a-f]{6,8})\b\D*?\b(\d+)\b(.*)/i);
    const word = found?.[3].match(/free|used|alloc|busy/i)?.[0].toLowerCase();
    if (!found || !word) return [];
    return [{ address: parseInt(found[1], 16), size: +found[2], isFree: word === "free" }];
  });
}

/** Whether a text has a number, and next to it what it counts where that is free or used. */
export function isSaid(text: string, name: string, count: number): boolean {
  const words = { free: "free", used: "(?:used|in use|alloc\\w*)" }[name];
  if (words === undefined) return new RegExp(`\\b${count}\\b`).test(text);
  const after = `\\b${count}(?: \\w+)? ${words}`, before = `${words}(?: \\w+)?[: =]+${count}\\b`;
  return new RegExp(`${after}|${before}`, "i").test(text);
}
