// What a request's body may be: JSON within its bounds, refused in words before anything recursive walks over it.
import { Readable } from "node:stream";
import { expect, test } from "vitest";
import { readJson, type ApiRequest } from "./answers.ts";

const body = (text: string): ApiRequest => Readable.from([Buffer.from(text)]) as unknown as ApiRequest;
const nested = (depth: number): string => `{"a":${"[".repeat(depth - 1)}${"]".repeat(depth - 1)}}`;

test.each([nested(501), nested(100_000), `{"a":${'{"b":'.repeat(20_000)}1${"}".repeat(20_000)}}`, `{"a":"\\"","b":${"[".repeat(9_000)}`])("JSON that is nested too deep is refused in words, not by the stack (%#)", async (text) => {
  const fault = await readJson(body(text)).catch((error: unknown) => error);
  expect(fault).toMatchObject({ code: "USAGE", message: "the request body is nested too deep" });
  expect((fault as { hint: string }).hint).not.toBe("");
});

test.each([nested(500), `{"a":${JSON.stringify("[{".repeat(5_000))}}`, `{"a":"${String.raw`\\\"[`.repeat(2_000)}"}`, `{"a":[${"[],{},".repeat(5_000)}1]}`])("brackets that are not inside each other, or stand in a text, are no depth (%#)", async (text) => {
  expect(await readJson(body(text))).toEqual(JSON.parse(text));
});
