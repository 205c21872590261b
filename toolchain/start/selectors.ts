/** Selectors of the flat kernel segments in the GDT that the kernel builds. */

/** Kernel code, ring 0. */
export const KERNEL_CODE = 0x08;
/** Kernel data, ring 0. */
export const KERNEL_DATA = 0x10;
