// What a kernel's terminal does between kubectl's raw bytes and a program: echo, lines, backspace, end of input, line breaks. And the
// interactive shell that runs in it.
import { ExitShell, type Output, type Process } from "./process.ts";

const controlC = 0x03;
const controlD = 0x04;

/** Lines as a program reads them, each echoed while it is typed. Ends at ctrl-D; ctrl-C aborts. */
export async function* cookedLines(raw: AsyncIterable<Buffer>, echo: Output, interrupt: () => void): AsyncGenerator<Buffer> {
  let line: number[] = [];
  for await (const chunk of raw) {
    for (const byte of chunk) {
      if (byte === controlD && line.length === 0) return;
      if (byte === controlC) {
        await echo("^C\r\n");
        line = [];
        interrupt();
      } else if (byte === 0x7f || byte === 0x08) {
        if (line.pop() !== undefined) await echo("\b \b");
      } else if (byte === 0x0d || byte === 0x0a) {
        await echo("\r\n");
        yield Buffer.from([...line, 0x0a]);
        line = [];
      } else {
        line.push(byte);
        await echo(Buffer.from([byte]));
      }
    }
  }
  if (line.length > 0) yield Buffer.from(line);
}

/** Line feeds become carriage return and line feed, as on a real terminal. */
export const terminalOutput =
  (out: Output): Output =>
  (bytes) =>
    out(Buffer.from(Buffer.from(bytes as Buffer).toString("latin1").replace(/\r?\n/g, "\r\n"), "latin1"));

const prompt = "/ # ";

export async function interactive(process: Process, run: (line: string) => Promise<number>): Promise<number> {
  let status = 0;
  await process.out(prompt);
  try {
    for await (const line of process.stdin) {
      const source = line.toString("utf8").trim();
      if (source !== "") status = await run(source);
      await process.out(prompt);
    }
  } catch (error) {
    if (error instanceof ExitShell) return error.code;
    throw error;
  }
  await process.out("\n");
  return status;
}
