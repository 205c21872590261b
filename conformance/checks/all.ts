/** Every check, in the order in which they are made. */
import type { Check } from "../check.ts";
import { checks as boot } from "./boot.ts";
import { checks as drivers } from "./drivers.ts";
import { checks as exceptions } from "./exceptions.ts";
import { checks as hardware } from "./hardware.ts";
import { checks as heap } from "./heap.ts";
import { checks as interrupts } from "./interrupts.ts";
import { checks as link } from "./link.ts";
import { checks as monitor } from "./monitor.ts";
import { checks as multiboot } from "./multiboot.ts";
import { checks as pmm } from "./pmm.ts";
import { checks as serial } from "./serial.ts";
import { checks as shadow } from "./shadow.ts";
import { checks as statistics } from "./statistics.ts";
import { checks as terminal } from "./terminal.ts";
import { checks as vmm } from "./vmm.ts";

/** Every check. */
export const checks: readonly Check[] = [
  ...boot,
  ...hardware,
  ...statistics,
  ...pmm,
  ...vmm,
  ...heap,
  ...shadow,
  ...drivers,
  ...interrupts,
  ...serial,
  ...terminal,
  ...exceptions,
  ...multiboot,
  ...link,
  ...monitor,
];
