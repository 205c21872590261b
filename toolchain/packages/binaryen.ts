/** Binaryen: WebAssembly's intermediate form, and its optimiser. */
export { default } from "npm:binaryen@131.0.0-nightly.20260721";
