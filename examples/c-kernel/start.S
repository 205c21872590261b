        .section .note.GNU-stack, "", @progbits
        .section .multiboot, "a"
        .align 4
        .long 0x1badb002, 0, -0x1badb002

        .section .bss
        .align 16
        .skip 4096
stack_top:

        .text
        .globl _start
        .type _start, @function
_start: mov $stack_top, %esp
        call kernel_main
1:      cli
        hlt
        jmp 1b
        .size _start, . - _start
