/** The planted defects, all of them. */
import { drivers } from "./drivers.ts";
import { hardware } from "./hardware.ts";
import { heap } from "./heap.ts";
import { memory } from "./memory.ts";
import type { Mutant } from "./patch.ts";
import { reports } from "./reports.ts";
import { various } from "./various.ts";
import { shadow } from "./shadow.ts";

/** One defect each. */
export const mutants: readonly Mutant[] = [
  ...hardware,
  ...reports,
  ...drivers,
  ...memory,
  ...heap,
  ...various,
  ...shadow,
];
