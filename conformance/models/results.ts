/**
 * Results that the ABI leaves open: a kernel's `kfree` may return nothing. One that says 1 for a good call
 * and 0 for a refused one is taken at its word, and then must always do so.
 */
import type { Subject } from "../subject.ts";

/** Calls of which the result must be this one, or the function has none. */
type Probe = (call: (name: string, ...args: number[]) => number, directory: number) => boolean;

const FREE_PAGE = 0xc00000, LAST_PAGE = 0xfffff000, WRITABLE = 3;

const probes: Readonly<Record<string, Probe>> = {
  kfree: (call) => call("kfree", call("kmalloc", 40)) === 1 && call("kfree", 0x1000) === 0,
  pmm_free_page: (call) =>
    call("pmm_free_page", call("pmm_alloc_page")) === 1 && call("pmm_free_page", 0) === 0,
  vmm_map_page: (call, directory) => {
    const frame = call("pmm_alloc_page");
    return call("vmm_map_page", directory, FREE_PAGE, frame, WRITABLE) === 1 &&
      call("vmm_map_page", directory, LAST_PAGE, frame, WRITABLE) === 0;
  },
  vmm_unmap_page: (call, directory) => {
    call("vmm_map_page", directory, FREE_PAGE, call("pmm_alloc_page"), WRITABLE);
    return call("vmm_unmap_page", directory, FREE_PAGE) === 1 &&
      call("vmm_unmap_page", directory, FREE_PAGE) === 0;
  },
};

/** Those of some functions that have a result. */
export function functionsWithResults(
  subject: Subject,
  names: readonly string[],
): ReadonlySet<string> {
  return new Set(names.filter((name) => name in probes && hasResult(subject, probes[name])));
}

function hasResult(subject: Subject, probe: Probe): boolean {
  subject.fresh();
  const directory = (subject.machine.registers.cr3 & ~0xfff) >>> 0;
  const call = (name: string, ...args: number[]): number => {
    const outcome = subject.has(name) ? subject.invoke(name, args) : undefined;
    return outcome?.kind === "returned" ? outcome.value : -1;
  };
  const isSo = probe(call, directory);
  subject.fresh();
  return isSo;
}
