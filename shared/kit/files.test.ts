// Errors of the file system in words: each says what is wrong with which file, and a Fault stays what it is.
import { expect, test } from "vitest";
import { Fault } from "./errors.ts";
import { fileFault } from "./files.ts";

test.each([
  ["ENOSPC", "DISK_FULL"],
  ["EDQUOT", "DISK_FULL"],
  ["ENOENT", "FILE_MISSING"],
  ["EACCES", "FILE_INVALID"],
  ["EPERM", "FILE_INVALID"],
  ["EROFS", "FILE_INVALID"],
  ["ENOTDIR", "FILE_INVALID"],
  ["EISDIR", "FILE_INVALID"],
  ["EEXIST", "FILE_INVALID"],
  ["EMFILE", "BUG"],
])("%s is %s and names the file", (code, fault) => {
  const cause = Object.assign(new Error(`${code}: the system's words`), { code });
  const found = fileFault(cause, "/data/relay.db");
  expect(found).toMatchObject({ code: fault, cause });
  expect(found.why).toContain("the system's words");
  if (fault !== "BUG") expect(found.message).toContain("/data/relay.db");
});

test("a Fault passes through", () => {
  const own = new Fault("FILE_EXPOSED", { what: "others can read it" });
  expect(fileFault(own, "x")).toBe(own);
});
