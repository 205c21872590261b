/** Planted defects in keyboard, serial port and text console. */
import { type Mutant, mutantsOf } from "./patch.ts";

const keyboard = mutantsOf("kernel/keyboard.ts", [
  {
    name: "German letters",
    clause: "KERNEL-KEYBOARD-2",
    find: "\\tqwertyuiop[]\\n\\x7fasdfghjkl;'`\\x7f\\\\zxcv",
    replace: "\\tqwertzuiop[]\\n\\x7fasdfghjkl;'`\\x7f\\\\yxcv",
  },
  {
    name: "a released tab key types again",
    clause: "KERNEL-KEYBOARD-2",
    find: "else if (pressed && key <= LAST_MAPPED)",
    replace: "else if ((pressed || key == 0x0f) && key <= LAST_MAPPED)",
  },
  {
    name: "shift 2 is a quotation mark",
    clause: "KERNEL-KEYBOARD-3",
    find: "\\x1b!@#$%",
    replace: '\\x1b!"#$%',
  },
  {
    name: "one shift key released ends both",
    clause: "KERNEL-KEYBOARD-3",
    find: "setShift(2, pressed)",
    replace: "setShift(1, pressed)",
  },
  {
    name: "caps lock shifts digits",
    clause: "KERNEL-KEYBOARD-4",
    find: "(isLetter && capsLock)",
    replace: "capsLock",
  },
  {
    name: "caps lock does not reverse shift",
    clause: "KERNEL-KEYBOARD-4",
    find: "(shiftKeys != 0) != (isLetter",
    replace: "(shiftKeys != 0) || (isLetter",
  },
  {
    name: "queue of 255 characters",
    clause: "KERNEL-KEYBOARD-5",
    find: "queueTail - queueHead == QUEUE_SIZE)",
    replace: "queueTail - queueHead == QUEUE_SIZE - 1)",
  },
  {
    name: "a full queue loses its oldest character",
    clause: "KERNEL-KEYBOARD-5",
    find: "if (c == NONE || queueTail - queueHead == QUEUE_SIZE) return;",
    replace: "if (c == NONE) return;\n  if (queueTail - queueHead == QUEUE_SIZE) queueHead++;",
  },
  {
    name: "input is counted, not told",
    clause: "KERNEL-KEYBOARD-6",
    find: "return queueHead != queueTail ? 1 : 0;",
    replace: "return queueTail - queueHead;",
  },
  {
    name: "an empty queue gives an old character",
    clause: "KERNEL-KEYBOARD-6",
    find: "(queueHead++ % QUEUE_SIZE)) : 0;",
    replace: "(queueHead++ % QUEUE_SIZE)) : load<u8>(queue);",
  },
  {
    name: "the shift code of extended keys shifts",
    clause: "KERNEL-KEYBOARD-7",
    find: "if (code == KEYPAD_ENTER || ",
    replace: "if ((code & ~RELEASED) == LEFT_SHIFT || code == KEYPAD_ENTER || ",
  },
  {
    name: "extended keys type",
    clause: "KERNEL-KEYBOARD-7",
    find: "if (code == KEYPAD_ENTER || code == KEYPAD_SLASH) handleKey(code);",
    replace: "handleKey(code);",
  },
  {
    name: "a byte from before the start is taken for the configuration",
    clause: "KERNEL-KEYBOARD-1",
    find: "n < 32 && ",
    replace: "n < 0 && ",
  },
]);

const serial = mutantsOf("kernel/serial.ts", [
  {
    name: "19,200 baud",
    clause: "KERNEL-SERIAL-1",
    find: "DIVISOR_9600: u8 = 12",
    replace: "DIVISOR_9600: u8 = 6",
  },
  {
    name: "even parity",
    clause: "KERNEL-SERIAL-1",
    find: "LCR_8N1: u8 = 0x03",
    replace: "LCR_8N1: u8 = 0x1b",
  },
  {
    name: "FIFO trigger at 8 bytes",
    clause: "KERNEL-SERIAL-2",
    find: "FCR_TRIGGER_14: u8 = 0xc7",
    replace: "FCR_TRIGGER_14: u8 = 0x87",
  },
  {
    name: "no request to send",
    clause: "KERNEL-SERIAL-2",
    find: "MCR_READY: u8 = 0x0b",
    replace: "MCR_READY: u8 = 0x09",
  },
  {
    name: "any byte passes the self-test",
    clause: "KERNEL-SERIAL-3",
    also: ["MAIN-6", "KERNEL-SERIAL-10"],
    find: "&& inb(port + DATA) == TEST_BYTE",
    replace: "&& inb(port + DATA) != 0",
  },
  {
    name: "strings get carriage returns",
    clause: "KERNEL-SERIAL-4",
    find: "c = load<u8>(++text)) serial_putchar(port, c);",
    replace: `c = load<u8>(++text)) {
    if (c == 10) serial_putchar(port, 13);
    serial_putchar(port, c);
  }`,
  },
  {
    name: "an empty transmitter is told by its bit",
    clause: "KERNEL-SERIAL-5",
    find: "return (inb(port + LSR) & LSR_THRE) != 0 ? 1 : 0;",
    replace: "return inb(port + LSR) & LSR_THRE;",
  },
  {
    name: "a busy transmitter is awaited for ever",
    clause: "KERNEL-SERIAL-6",
    also: ["KERNEL-SERIAL-3"], // the self-test of a dead port waits as well
    find: "polls < POLL_LIMIT; polls++",
    replace: "polls < POLL_LIMIT;",
  },
  {
    name: "no input reads as ones",
    clause: "KERNEL-SERIAL-7",
    find: "(queueHead++ % QUEUE_SIZE)) : 0;",
    replace: "(queueHead++ % QUEUE_SIZE)) : 0xff;",
  },
  {
    name: "COM1 does not interrupt",
    clause: "KERNEL-SERIAL-8",
    also: ["KERNEL-SERIAL-9", "MONITOR-4"],
    find: "outb(COM1 + IER, IER_RECEIVED);",
    replace: "outb(COM1 + IER, 0);",
  },
  {
    name: "a full queue loses bytes",
    clause: "KERNEL-SERIAL-9",
    find: `while (queueTail - queueHead < QUEUE_SIZE && (inb(COM1 + LSR) & LSR_DATA_READY) != 0) {
    store<u8>(queue + (queueTail++ % QUEUE_SIZE), inb(COM1 + DATA));`,
    replace: `while ((inb(COM1 + LSR) & LSR_DATA_READY) != 0) {
    const c = inb(COM1 + DATA);
    if (queueTail - queueHead < QUEUE_SIZE) store<u8>(queue + (queueTail++ % QUEUE_SIZE), c);`,
  },
]);

const terminal = mutantsOf("kernel/terminal.ts", [
  {
    name: "the screen begins white on black",
    clause: "TERMINAL-1",
    find: "attribute = GREY;\n  for",
    replace: "attribute = WHITE;\n  for",
  },
  {
    name: "clearing leaves the cursor in its column",
    clause: "TERMINAL-1",
    also: [2, 3, 4, 5, 6, 7, 8, 9].map((n) => `TERMINAL-${n}`), // no place is what it was thought
    find: "row = 0;\n  column = 0;\n",
    replace: "row = 0;\n",
  },
  {
    name: "lines end before the last column",
    clause: "TERMINAL-2",
    also: ["TERMINAL-4", "TERMINAL-5", "TERMINAL-6", "TERMINAL-7"],
    find: "++column == COLUMNS",
    replace: "++column == COLUMNS - 1",
  },
  {
    name: "colours never blink",
    clause: "TERMINAL-3",
    find: "attribute = color;\n}",
    replace: "attribute = color & 0x7f;\n}",
  },
  {
    name: "tabs of four columns",
    clause: "TERMINAL-4",
    find: "8 - (column & 7)",
    replace: "4 - (column & 3)",
  },
  {
    name: "carriage return starts a new line",
    clause: "TERMINAL-4",
    find: "else if (c == RETURN) column = 0;",
    replace: "else if (c == RETURN) nextLine();",
  },
  {
    name: "backspace erases",
    clause: "TERMINAL-5",
    find: "else if (c == BACKSPACE) stepBack();",
    replace: `else if (c == BACKSPACE) {
    stepBack();
    store<u8>(cell(row, column), 0x20);
  }`,
  },
  {
    name: "backspace stops at column 0",
    clause: "TERMINAL-5",
    find: "else if (row > 0) {",
    replace: "else if (row > ROWS) {",
  },
  {
    name: "the last line wraps to the first",
    clause: "TERMINAL-6",
    also: ["TERMINAL-2", "TERMINAL-4", "TERMINAL-7", "MONITOR-2"],
    find: "else scroll();",
    replace: "else row = 0;",
  },
  {
    name: "the new line repeats the old one",
    clause: "TERMINAL-6",
    also: ["MONITOR-2"],
    find: "  clearLine(ROWS - 1);\n",
    replace: "",
  },
  {
    name: "the new line is grey in any colour",
    clause: "TERMINAL-6",
    find: "(<u32> attribute << 24) | 0x200020 | (<u32> attribute << 8)",
    replace: "(<u32> GREY << 24) | 0x200020 | (<u32> GREY << 8)",
  },
  {
    name: "the cursor stays behind a write of given size",
    clause: "TERMINAL-7",
    find: "put(load<u8>(data + i));\n  showCursor();",
    replace: "put(load<u8>(data + i));",
  },
  {
    name: "the cursor never leaves the first 256 cells",
    clause: "TERMINAL-7",
    also: ["TERMINAL-4", "TERMINAL-5", "TERMINAL-6", "MONITOR-2"], // it shows where a line starts
    find: "<u8> (position >> 8)",
    replace: "0",
  },
  {
    name: "COM1 hears no tabs",
    clause: "TERMINAL-8",
    find: "  debug_putchar(c);",
    replace: "  if (c != TAB) debug_putchar(c);",
  },
  {
    name: "a write of given size ends at NUL",
    clause: "TERMINAL-9",
    find: "i < size; i++) put(load<u8>(data + i));",
    replace: "i < size && load<u8>(data + i) != 0; i++) put(load<u8>(data + i));",
  },
]);

/** Defects of keyboard, serial and terminal. */
export const drivers: readonly Mutant[] = [...keyboard, ...serial, ...terminal];
