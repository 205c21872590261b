/** Random testing with shrinking. The one place that names the package. */
export { default } from "npm:fast-check@4.10.2";
export type { Arbitrary, Command, RunDetails } from "npm:fast-check@4.10.2";
