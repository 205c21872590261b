/** Boots the reference kernel: `deno task boot`. */
import { start } from "./start.ts";

if (import.meta.main) Deno.exit(await start("boot", Deno.args));
