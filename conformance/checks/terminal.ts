/** What a kernel's text console shows: cells, colours, cursor, and the copy on COM1. Spec: specs/kernel/terminal.md. */
import { type Check, expect, expectSame } from "../check.ts";
import { DATA, put } from "../probe.ts";
import type { Subject } from "../subject.ts";

const COLUMNS = 80, ROWS = 25;
const GREY = 0x07, GREEN = 0x02, COLOURS = [0x02, 0x1e, 0x9e, 0x70, 0xff];
const NEWLINE = 10, RETURN = 13, TAB = 9, BACKSPACE = 8;

const base = ["terminal_initialize", "terminal_putchar"] as const;

/** Begins with a clear screen, from the start of a line. */
function clear(subject: Subject): void {
  if (subject.has("terminal_putchar")) subject.call("terminal_putchar", RETURN);
  subject.call("terminal_initialize");
}

/** Expects the next character here, by showing one. */
function expectNext(subject: Subject, row: number, column: number, mark = "#"): void {
  show(subject, mark);
  const { code } = subject.machine.screen.rows[row][column];
  expectSame(subject, `the character at ${row}, ${column}`, String.fromCharCode(code), mark);
}

/** Shows a text, character by character: no other function is needed. */
function show(subject: Subject, text: string): void {
  for (const c of text) subject.call("terminal_putchar", c.charCodeAt(0));
}

/** The characters of a row without the spaces at its end. */
function row(subject: Subject, index: number): string {
  const cells = subject.machine.screen.rows[index];
  return cells.map(({ code }) => String.fromCharCode(code)).join("").replace(/ +$/, "");
}

function expectRow(subject: Subject, index: number, expected: string): void {
  expectSame(subject, `row ${index}`, row(subject, index), expected);
}

/** Row and column of the hardware cursor; a visible one. */
function cursor(subject: Subject): string {
  const { row, column } = subject.machine.screen.cursor;
  return `${row}, ${column}`;
}

function expectCursor(subject: Subject, row: number, column: number): void {
  expectSame(subject, "the cursor's row and column", cursor(subject), `${row}, ${column}`);
}

function expectColour(subject: Subject, row: number, column: number, expected: number): void {
  const { attribute } = subject.machine.screen.rows[row][column];
  expectSame(subject, `the attribute at ${row}, ${column}`, attribute, expected);
}

/** What COM1 gets while something is done. */
function said(subject: Subject, action: () => void): string {
  const before = subject.said.length;
  action();
  return subject.said.slice(before);
}

/** All checks of the text console. */
export const checks: readonly Check[] = [
  {
    title: "terminal_initialize clears the screen in 07h and puts the cursor at the top left",
    clauses: ["TERMINAL-1"],
    needs: base,
    run(subject) {
      show(subject, "abc");
      subject.call("terminal_initialize");
      const { rows } = subject.machine.screen;
      const stain = rows.flat().findIndex(({ code, attribute }) =>
        code !== 0x20 || attribute !== GREY
      );
      const place = `${Math.floor(stain / COLUMNS)}, ${stain % COLUMNS}`;
      expect(subject, stain < 0, "spaces in 07h everywhere", `another cell at ${place}`);
      expectNext(subject, 0, 0);
    },
  },
  {
    title: "terminal_putchar shows a character, moves right, and goes on in the next line",
    clauses: ["TERMINAL-2"],
    needs: base,
    run(subject) {
      clear(subject);
      const text = Array.from({ length: 82 }, (_, n) => String.fromCharCode(0x41 + n % 26)).join(
        "",
      );
      show(subject, text);
      expectRow(subject, 0, text.slice(0, COLUMNS));
      expectRow(subject, 1, text.slice(COLUMNS));
      subject.call("terminal_putchar", 0xdb);
      expectSame(subject, "the code shown", subject.machine.screen.rows[1][2].code, 0xdb);
    },
  },
  {
    title: "terminal_setcolor colours later characters only",
    clauses: ["TERMINAL-3"],
    needs: [...base, "terminal_setcolor"],
    run(subject) {
      clear(subject);
      for (const colour of COLOURS) {
        subject.call("terminal_setcolor", colour);
        show(subject, "x");
      }
      COLOURS.forEach((colour, column) => expectColour(subject, 0, column, colour));
    },
  },
  {
    title: "Newline, carriage return and tab move as they should",
    clauses: ["TERMINAL-4"],
    needs: base,
    run(subject) {
      clear(subject);
      show(subject, "one\nt\tx\ry");
      expectRow(subject, 0, "one");
      expectRow(subject, 1, "y       x");
      for (const [c, ...place] of [[NEWLINE, 2, 0], [TAB, 2, 8], [TAB, 2, 16], [RETURN, 2, 0]]) {
        subject.call("terminal_putchar", c);
        expectNext(subject, place[0], place[1], c === RETURN ? "@" : "#");
      }
      show(subject, "\n" + "x".repeat(79) + "\t");
      expectNext(subject, 4, 0);
    },
  },
  {
    title: "Backspace moves left, over a line's start too, and erases nothing",
    clauses: ["TERMINAL-5"],
    needs: base,
    run(subject) {
      clear(subject);
      subject.call("terminal_putchar", BACKSPACE);
      expectNext(subject, 0, 0, "a");
      show(subject, "b\b");
      expectRow(subject, 0, "ab");
      expectNext(subject, 0, 1, "c");
      show(subject, "\n\b");
      expectRow(subject, 0, "ac");
      expectNext(subject, 0, 79);
    },
  },
  {
    title: "A line below the last scrolls by one line, colours too, and is blank",
    clauses: ["TERMINAL-6"],
    needs: [...base, "terminal_setcolor"],
    run(subject) {
      clear(subject);
      for (let n = 0; n < ROWS + 1; n++) {
        subject.call("terminal_setcolor", n + 1);
        show(subject, `line ${n}\n`);
      }
      for (let n = 0; n < ROWS - 1; n++) {
        expectRow(subject, n, `line ${n + 2}`);
        expectColour(subject, n, 0, n + 3);
      }
      expectRow(subject, ROWS - 1, "");
      subject.call("terminal_setcolor", GREEN);
      show(subject, "x".repeat(COLUMNS) + "y");
      expectRow(subject, ROWS - 2, "x".repeat(COLUMNS));
      expectRow(subject, ROWS - 1, "y");
      expectColour(subject, ROWS - 1, COLUMNS - 1, GREEN); // blank in the colour of now
    },
  },
  {
    title: "The hardware cursor follows, and is visible",
    clauses: ["TERMINAL-7"],
    needs: base,
    run(subject) {
      clear(subject);
      const { visible } = subject.machine.screen.cursor;
      expectSame(subject, "a visible cursor:", visible, true);
      show(subject, "abc\nde");
      expectCursor(subject, 1, 2);
      show(subject, "f");
      expectCursor(subject, 1, 3);
      show(subject, "\n".repeat(11) + "g");
      expectCursor(subject, 12, 1);
      show(subject, "\n".repeat(30) + "h");
      expectCursor(subject, ROWS - 1, 1);
    },
  },
  {
    title: "The cursor is at the next cell after every function",
    clauses: ["TERMINAL-7"],
    needs: ["terminal_initialize", "terminal_write", "terminal_writestring"],
    run(subject) {
      clear(subject);
      subject.call("terminal_writestring", "abcd");
      expectCursor(subject, 0, 4);
      put(subject, DATA, [0x41, 0x42]);
      subject.call("terminal_write", DATA, 2);
      expectCursor(subject, 0, 6);
    },
  },
  {
    title: "COM1 gets every byte that the screen gets, unchanged and in order",
    clauses: ["TERMINAL-8"],
    needs: [...base, "terminal_writestring"],
    run(subject) {
      clear(subject);
      const text = "tab\tand\rreturn\b\n";
      const write = (): void => void subject.call("terminal_writestring", text);
      expectSame(subject, "COM1", said(subject, write), text);
      const all = Array.from({ length: 255 }, (_, n) => String.fromCharCode(n + 1)).join("");
      expectSame(subject, "COM1", said(subject, () => show(subject, all)), all);
    },
  },
  {
    title: "terminal_write shows exactly its bytes, terminal_writestring those up to NUL",
    clauses: ["TERMINAL-9"],
    needs: ["terminal_initialize", "terminal_write", "terminal_writestring"],
    run(subject) {
      clear(subject);
      put(subject, DATA, [...new TextEncoder().encode("abc\0def")]);
      subject.call("terminal_write", DATA, 2);
      expectRow(subject, 0, "ab");
      subject.call("terminal_write", DATA, 0);
      expectRow(subject, 0, "ab");
      subject.call("terminal_writestring", DATA);
      expectRow(subject, 0, "ababc");
      subject.call("terminal_write", DATA, 7);
      const codes = subject.machine.screen.rows[0].slice(5, 12).map(({ code }) => code).join(" ");
      expectSame(subject, "the codes shown", codes, "97 98 99 0 100 101 102");
    },
  },
];
