import { assertEquals } from "@std/assert";
import { showTrace } from "../../trace/show.ts";
import { parseTrace } from "../../trace/text.ts";

const trace = parseTrace(`# claudeos-trace 1
# subject: a kernel
5 call outer 0x00000005 0x00400010
70 call outer 0x00000002 0x00400010
1100 return inner 0x00010000 = 0x0000000c
1100 serial com1 "a\\n"
1234567 return outer 0x00000002 0x00400010
1234567 return outer 0x00000005 0x00400010
1234568 stop idle
`);

Deno.test("showTrace draws stamps in a column and calls indented [TRACE-18]", () => {
  assertEquals(
    showTrace(trace),
    `subject: a kernel

        5  call outer(5, 0x00400010)
       70    call outer(2, 0x00400010)
    1,100      inner(0x00010000) = 0x0000000c
    1,100      serial com1 "a\\n"
1,234,567    outer(2, 0x00400010)
1,234,567  outer(5, 0x00400010)
1,234,568  stop idle
`,
  );
});

Deno.test("showTrace draws what is wanted [TRACE-18]", () => {
  const serial = showTrace({ ...trace, head: [] }, ({ kind }) => kind === "serial");
  assertEquals(serial, '    1,100  serial com1 "a\\n"\n');
});

Deno.test("showTrace draws a trace without events [TRACE-18]", () => {
  assertEquals(showTrace({ head: [], events: [] }), "");
});
