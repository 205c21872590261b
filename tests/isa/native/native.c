/*
 * Runs single instructions on the host processor and writes what they did.
 * Format of the lines: specs/isa/vectors.md.
 *
 *   gcc -m32 -no-pie -O1 -o native native.c
 *   native --origin          vendor, family, model and name of the processor
 *   native < stimuli > lines every line up to its "=" is read, and written again with the response
 *
 * The instruction stands on a page of INT3 bytes. A signal handler loads the wanted registers into
 * the interrupted context; INT3 or a fault gives them back in the next signal. No register is lost,
 * ESP included, because handlers run on a stack of their own.
 */
#define _GNU_SOURCE
#include <cpuid.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

enum { PAGE = 4096, LOW_CODE = 0x6000, LOW_DATA = 0x7000, CODE = 0x100000, DATA = 0x200000 };
enum { START = CODE + 0x400 };
enum { RF = 0x10000, MAX_LINE = 8192 };
enum { PAGE_FAULT = 14, PRESENT = 1, WRITE = 2, USER = 4 };

static const char *const names[8] = {"eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"};
static const int slots[8] = {REG_EAX, REG_ECX, REG_EDX, REG_EBX,
                             REG_ESP, REG_EBP, REG_ESI, REG_EDI};
static const uint32_t background[8] = {0xa0b1c2d3, 0x01234567, 0x89abcdef, 0x13579bdf,
                                       DATA + 0xc00, DATA + 0xa00, DATA + 0x400, DATA + 0x800};
static const uint32_t areas[2] = {LOW_DATA, DATA};

static uint32_t input[8], input_flags, output[8], output_flags, output_eip, output_trap, output_error, output_cr2;
static uint8_t before[2][PAGE];
static gregset_t host;

static uint8_t pattern(uint32_t address) {
  return (uint8_t)(address * 181 + (address >> 8) * 29 + 77);
}

/* Leaves the host: the context that was interrupted becomes the instruction's. */
static void enter(int signal, siginfo_t *info, void *context) {
  (void)signal, (void)info;
  greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
  memcpy(host, registers, sizeof host);
  for (int i = 0; i < 8; i++) registers[slots[i]] = (greg_t)input[i];
  registers[REG_UESP] = (greg_t)input[4];
  registers[REG_EFL] = (greg_t)input_flags;
  registers[REG_EIP] = START;
}

/* Comes back: keeps the registers that the instruction left. */
static void leave(int signal, siginfo_t *info, void *context) {
  (void)signal, (void)info;
  greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
  for (int i = 0; i < 8; i++) output[i] = (uint32_t)registers[slots[i]];
  output_flags = (uint32_t)registers[REG_EFL] & ~(uint32_t)RF;
  output_trap = (uint32_t)registers[REG_TRAPNO];
  output_error = (uint32_t)registers[REG_ERR] & (PRESENT | WRITE | USER);
  output_cr2 = (uint32_t)((ucontext_t *)context)->uc_mcontext.cr2;
  output_eip = (uint32_t)registers[REG_EIP] - (output_trap == 3);
  memcpy(registers, host, sizeof host);
}

static void install(void) {
  static uint8_t stack[65536];
  stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
  sigaltstack(&alternate, NULL);
  struct sigaction action = {.sa_flags = SA_SIGINFO | SA_ONSTACK};
  sigfillset(&action.sa_mask);
  action.sa_sigaction = enter;
  sigaction(SIGUSR1, &action, NULL);
  action.sa_sigaction = leave;
  static const int signals[] = {SIGTRAP, SIGFPE, SIGSEGV, SIGILL, SIGBUS};
  for (unsigned i = 0; i < sizeof signals / sizeof *signals; i++) sigaction(signals[i], &action, NULL);
}

static void map(uint32_t address) {
  void *wanted = (void *)address;
  if (mmap(wanted, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC,
           MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == wanted) return;
  fprintf(stderr, "Cannot map page %#x: lower vm.mmap_min_addr to 4096\n", address);
  exit(1);
}

/* Writes bytes given in hexadecimal to memory; returns how many. */
static unsigned put(uint8_t *target, const char *hex) {
  unsigned count = 0, value;
  while (sscanf(hex + 2 * count, "%2x", &value) == 1) target[count++] = (uint8_t)value;
  return count;
}

static void field(char *text) {
  char *value = strchr(text, '=');
  if (!value) return;
  *value++ = 0;
  if (text[0] == '@') put((uint8_t *)strtoul(text + 1, NULL, 16), value);
  if (!strcmp(text, "fl")) input_flags = strtoul(value, NULL, 16);
  for (int i = 0; i < 8; i++)
    if (!strcmp(text, names[i])) input[i] = strtoul(value, NULL, 16);
}

static void reset(void) {
  memcpy(input, background, sizeof input);
  memset((void *)LOW_CODE, 0xcc, PAGE);
  memset((void *)CODE, 0xcc, PAGE);
  for (int area = 0; area < 2; area++)
    for (uint32_t i = 0; i < PAGE; i++) ((uint8_t *)areas[area])[i] = pattern(areas[area] + i);
}

static void print_memory(void) {
  for (int area = 0; area < 2; area++) {
    const uint8_t *now = (const uint8_t *)areas[area];
    for (uint32_t i = 0; i < PAGE; i++) {
      if (now[i] == before[area][i]) continue;
      printf(" @%x=", areas[area] + i);
      for (; i < PAGE && now[i] != before[area][i]; i++) printf("%02x", now[i]);
    }
  }
}

static void print_response(unsigned length) {
  for (int i = 0; i < 8; i++)
    if (output[i] != input[i]) printf(" %s=%x", names[i], output[i]);
  if (output_trap != 3) printf(" fault=%u", output_trap);
  if (output_trap == PAGE_FAULT) printf(" error=%x cr2=%x", output_error, output_cr2);
  if (output_eip != START + (output_trap == 3 ? length : 0)) printf(" eip=%x", output_eip);
  printf(" fl=%x", output_flags);
  print_memory();
  putchar('\n');
}

static void run(char *line) {
  printf("%s =", line);
  reset();
  strtok(line, " "); /* stamp */
  strtok(NULL, " "); /* mnemonic */
  unsigned length = put((uint8_t *)START, strtok(NULL, " "));
  for (char *text; (text = strtok(NULL, " "));) field(text);
  for (int area = 0; area < 2; area++) memcpy(before[area], (void *)areas[area], PAGE);
  raise(SIGUSR1);
  __asm__ volatile("pushl $0x202\n\tpopfl" ::: "cc", "memory"); /* NT, AC and ID outlive signals */
  print_response(length);
}

static void print_origin(void) {
  uint32_t a, text[12] = {0}, vendor[4] = {0};
  __get_cpuid(0, &a, &vendor[0], &vendor[2], &vendor[1]);
  __get_cpuid(1, &a, &text[0], &text[1], &text[2]);
  uint32_t family = (a >> 8 & 15) + (a >> 20 & 255), model = (a >> 4 & 15) | (a >> 12 & 0xf0);
  for (uint32_t i = 0; i < 3; i++)
    __get_cpuid(0x80000002 + i, &text[4 * i], &text[4 * i + 1], &text[4 * i + 2], &text[4 * i + 3]);
  printf("%s family %u model %u (%.48s)\n", (char *)vendor, family, model, (char *)text);
}

int main(int count, char **arguments) {
  static char line[MAX_LINE];
  if (count > 1 && !strcmp(arguments[1], "--origin")) return print_origin(), 0;
  map(LOW_CODE), map(LOW_DATA), map(CODE), map(DATA);
  install();
  while (fgets(line, sizeof line, stdin)) {
    line[strcspn(line, "\n")] = 0;
    run(line);
  }
  return 0;
}
