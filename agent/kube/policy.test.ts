// What this site's own policy refuses, and that whoever is refused hears what to try: it is an operator who reads it, by way of kubectl.
import { expect, test } from "vitest";
import type { RequestHead } from "../../shared/wire/message.ts";
import { impersonationOf, judgeRequest } from "./policy.ts";

const refused = expect.objectContaining({ code: "POLICY_REFUSED", message: expect.stringMatching(/./), why: expect.stringMatching(/./), hint: expect.stringMatching(/./) });

test.each([
  ["a tier that it does not know", "ann", "root"],
  ["a tier that every object has", "ann", "constructor"],
  ["an operator's name with a colon", "system:admin", "admin"],
  ["no operator's name", "", "admin"],
])("%s is refused with something to try", (_what, operator, tier) => {
  expect(() => impersonationOf(operator, tier)).toThrow(refused);
});

test.each(["CONNECT", "TRACE", "get"])("the method %s is refused with something to try", (method) => {
  expect(() => judgeRequest({ method, target: "/api", operator: "ann", tier: "admin" } as RequestHead)).toThrow(refused);
});

test("an operator acts in the group of the tier, and never under a bare name", () => {
  expect(judgeRequest({ method: "GET", target: "/api", operator: "ann", tier: "admin" } as RequestHead)).toEqual({ user: "bowline:ann", groups: ["bowline:admin"] });
});
