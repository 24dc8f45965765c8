// Server-sent events, cut anywhere: the same events come out whatever pieces they came in.
import { expect, test } from "vitest";
import { EventParser, type ServerEvent } from "./event-stream.ts";

const stream = Buffer.from('retry: 1000\nid: 1.4\n\n: a comment\n\nid: 1.5\nevent: command\ndata: {"what":"größer"}\n\nevent: end\r\ndata: a\r\ndata:b\r\n\r\ndata\n\nid: 1.6\nevent: cut');
const events: ServerEvent[] = [
  { id: "1.4", type: "", text: "" },
  { id: "1.4", type: "", text: "" },
  { id: "1.5", type: "command", text: '{"what":"größer"}' },
  { id: "1.5", type: "end", text: "a\nb" },
  { id: "1.5", type: "message", text: "" },
];

test.each([stream.length, 1, 2, 7])("in pieces of %i octets", (size) => {
  const parser = new EventParser();
  const found: ServerEvent[] = [];
  for (let at = 0; at < stream.length; at += size) found.push(...parser.feed(stream.subarray(at, at + size)));
  expect(found).toEqual(events);
});

test("an event without end is refused", () => {
  const parser = new EventParser();
  const feed = (): void => {
    for (let count = 0; count < 100; count += 1) parser.feed(Buffer.alloc(100_000, "x"));
  };
  expect(feed).toThrow(expect.objectContaining({ code: "BODY_TOO_LARGE" }) as Error);
});
