// Tokens that are believed for a while: a token in use never waits for the database, and what was revoked is refused within two seconds all the same.
import { beforeEach, expect, test } from "vitest";
import { Fault } from "../../shared/kit/errors.ts";
import { ManualClock } from "../../shared/kit/manual-clock.ts";
import type { RelayStore } from "../store/store.ts";
import { Authenticator } from "./auth.ts";

const header = "Bearer bwo1_secret";
const found = { operator: "ann", tier: "admin", purpose: "login", expiresMs: 1e15, isRevoked: false };
let clock: ManualClock;
let auth: Authenticator;
let looks: number;
let look: () => Promise<unknown>;
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const code = async (): Promise<string> => {
  try {
    return (await auth.authenticate(header)).name;
  } catch (error) {
    return (error as Fault).code;
  }
};

beforeEach(() => {
  clock = new ManualClock();
  looks = 0;
  look = () => Promise.resolve(found);
  const store = { call: () => ((looks += 1), look()) } as unknown as RelayStore;
  auth = new Authenticator(store, clock);
});

test("a token in use is known at once, however long the database takes to say so again", async () => {
  expect(await code()).toBe("ann");
  let answer = (_row: unknown): void => {};
  look = () => new Promise((resolve) => (answer = resolve));
  for (let ms = 0; ms < 1_900; ms += 100) {
    expect(auth.authenticate(header)).toMatchObject({ name: "ann" }); // and no promise
    clock.advance(100);
  }
  expect(looks).toBe(2);
  answer(found);
  await turn();
  clock.advance(900);
  expect(auth.authenticate(header)).toMatchObject({ name: "ann" });
});

test("one that nobody used for two seconds is looked up before it is believed", async () => {
  await code();
  clock.advance(2_000);
  expect(auth.authenticate(header)).toBeInstanceOf(Promise);
});

test.each([
  ["was revoked", () => Promise.resolve({ ...found, isRevoked: true }), "TOKEN_REVOKED"],
  ["is gone", () => Promise.resolve(null), "TOKEN_UNKNOWN"],
  ["cannot be looked up", () => Promise.reject(new Fault("STORE_FAILED", { what: "the disk is gone" })), "STORE_FAILED"],
])("one that %s is refused as soon as that is known", async (_name, then, refused) => {
  await code();
  look = then;
  clock.advance(1_000);
  expect(auth.authenticate(header)).toMatchObject({ name: "ann" });
  await turn();
  expect(await code()).toBe(refused);
});
