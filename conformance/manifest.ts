/** What a kernel's author says about it. Spec: specs/conformance/manifest.md. */

/** Names that differ, clauses that are waived, functions that are not there. */
export interface Manifest {
  /** Symbol of the image by name of the ABI. */
  readonly names: ReadonlyMap<string, string>;
  /** Reason by clause. */
  readonly waive: ReadonlyMap<string, string>;
  /** Names of the ABI that the kernel does not claim to have. */
  readonly lacks: ReadonlySet<string>;
}

/** The manifest of a kernel that comes without one. */
export const noManifest: Manifest = { names: new Map(), waive: new Map(), lacks: new Set() };
