// The relay's settings, where a value is of the right form and still no use: a drain that no timer can wait for, or longer than an agent waits for it.
import { expect, test } from "vitest";
import { readRelaySettings } from "./config.ts";

test.each(["61m", "25d"])("a drain of %s is refused, with the range that is taken", (text) => {
  expect(() => readRelaySettings(["--drain", text])).toThrow(expect.objectContaining({ code: "USAGE", why: "it takes from 0s to 1h" }));
});

test("a drain within an hour is taken", () => {
  expect(["0s", "1h"].map((text) => readRelaySettings(["--drain", text]).settings.drainMs)).toEqual([0, 3_600_000]);
});

test("what a queue may hold is set in commands and in MiB or GiB", () => {
  expect(readRelaySettings(["--queue-commands-max", "5", "--queue-bytes-max", "2GiB"]).settings).toMatchObject({ queueCommandsMax: 5, queueBytesMax: 2 * 1_073_741_824 });
  for (const text of ["64", "0MiB", "64MB", "65GiB"]) expect(() => readRelaySettings(["--queue-bytes-max", text])).toThrow(expect.objectContaining({ code: "USAGE", why: "it takes 1MiB to 64GiB" }) as Error);
});
