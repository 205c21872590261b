/* A kernel with a first-fit heap of 64 KB that says on COM1 when it is ready. */
#include <stdint.h>

enum { COM1 = 0x3f8, LINE_STATUS = 5, TRANSMITTER_EMPTY = 0x20, HEAP_BYTES = 65536 };

struct block {
  uint32_t size; /* bytes behind this header */
  uint32_t is_free;
};

static uint8_t heap[HEAP_BYTES] __attribute__((aligned(8)));

static struct block *first(void) { return (struct block *)heap; }

static struct block *after(struct block *block) {
  struct block *next = (struct block *)((uint8_t *)(block + 1) + block->size);
  return (uint8_t *)next == heap + HEAP_BYTES ? 0 : next;
}

static void split(struct block *block, uint32_t size) {
  if (block->size < size + sizeof *block + 8) return;
  struct block *rest = (struct block *)((uint8_t *)(block + 1) + size);
  *rest = (struct block){block->size - size - sizeof *block, 1};
  block->size = size;
}

void *kmalloc(uint32_t size) {
  if (size == 0 || size > HEAP_BYTES) return 0;
  size = (size + 7) & ~7u;
  for (struct block *block = first(); block; block = after(block)) {
    if (!block->is_free || block->size < size) continue;
    split(block, size);
    block->is_free = 0;
    return block + 1;
  }
  return 0;
}

void kfree(void *pointer) {
  if (!pointer) return;
  ((struct block *)pointer - 1)->is_free = 1;
  for (struct block *block = first(), *next; block; block = next) {
    next = after(block);
    if (!next || !block->is_free || !next->is_free) continue;
    block->size += sizeof *next + next->size;
    next = block; /* there may be more */
  }
}

static inline void outb(uint16_t port, uint8_t value) { asm volatile("outb %0, %1" ::"a"(value), "Nd"(port)); }

static inline uint8_t inb(uint16_t port) {
  uint8_t value;
  asm volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}

static void print(const char *text) {
  for (; *text; text++) {
    while (!(inb(COM1 + LINE_STATUS) & TRANSMITTER_EMPTY)) {
    }
    outb(COM1, (uint8_t)*text);
  }
}

void kernel_main(void) {
  *first() = (struct block){HEAP_BYTES - sizeof(struct block), 1};
  print("A tiny kernel in C\n");
  print("ready\n");
}
