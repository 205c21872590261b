/** Clauses that no check judges, and why each cannot be judged from outside. */

/** Reason by clause. */
export const uncheckable: ReadonlyMap<string, string> = new Map([
  [
    "PANIC-2",
    "no call makes a correct kernel's own assertion or bounds check fail",
  ],
]);
