/** Boots any Multiboot 1 image: `deno task run IMAGE`. */
import { start } from "./start.ts";

if (import.meta.main) Deno.exit(await start("run", Deno.args));
