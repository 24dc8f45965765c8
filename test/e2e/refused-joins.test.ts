// What a join token that is not good gets: refused before anything is dialled where its own text shows it, by the relay where only that can know. A use is taken once,
// whoever asks at once, and what waits for approval is served nothing.
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openRelaySocket } from "../../agent/dial.ts";
import { noProxySettings } from "../../shared/kit/dial.ts";
import { asFault } from "../../shared/kit/errors.ts";
import { makeBoxKeys, makeSigningKeys } from "../../shared/kit/keys.ts";
import { agentHandshake } from "../../shared/link/handshake.ts";
import { joinTokenText, parseJoinToken, type JoinToken } from "../../shared/trust/join-token.ts";
import { expectFault } from "./expect-fault.ts";
import { ask } from "./kube-rest.ts";
import { statusParts } from "./live.ts";
import { Place, type Finished } from "./place.ts";

const place = new Place();
beforeAll(async () => {
  await place.relay();
  await place.login();
});
afterAll(() => place.close());

const made = async (...args: readonly string[]): Promise<string> => (await place.ok(["token", "create", ...args])).trim();
const askToJoin = (token: string, folder: string): Promise<Finished> => place.cli(["agent", "join", "--token", token, "--data", join(place.dir, folder), "--kubeconfig", "/nowhere"]);

test("cut short, mistyped and of another kind are refused before anything is dialled", async () => {
  const token = await made("--name", "cut");
  expectFault(await askToJoin(token.slice(0, 200), "a-cut"), "JOIN_TOKEN_MALFORMED", 2, /cut short/, /copy the whole line/);
  expectFault(await askToJoin(token.slice(0, 3), "a-cut"), "JOIN_TOKEN_MALFORMED", 2, /cut short/);
  expectFault(await askToJoin(`${token.slice(0, 50)}X${token.slice(51)}`, "a-cut"), "JOIN_TOKEN_MALFORMED", 2, /check digits/);
  expectFault(await askToJoin("hello", "a-cut"), "JOIN_TOKEN_MALFORMED", 2);
});

test("a token is good for one agent, which is told that it has joined when it asks again; a wrong match code lets nobody in", async () => {
  const token = await made("--name", "once");
  const first = await askToJoin(token, "a-once");
  expect([first.code, /code: [A-Z]+-[A-Z]+-\d\d/.test(first.out)]).toEqual([0, true]);
  expectFault(await askToJoin(token, "a-once"), "CONFLICT", 6, /has joined already, as once/, /bowline agent run/);
  expectFault(await askToJoin(token, "a-once-2"), "JOIN_TOKEN_USED", 6);
  expectFault(await place.cli(["approve", "once", "--code", "TEAL-OTTER-00"]), "MATCH_CODE_WRONG", 4);
  const { status, body } = await ask(place, "GET", "/k8s/once/version");
  expect([status, statusParts(JSON.stringify(body)).fault]).toEqual([503, "SITE_WAITING"]);
});

test("of fifty that use one use at once, one joins and the others are told that it was used", async () => {
  const token = parseJoinToken(await made("--name", "crowd"));
  const outcomes = await Promise.all(Array.from({ length: 50 }, () => joinOnce(token, Buffer.from(token.secret, "base64url"))));
  expect(outcomes.filter((outcome) => outcome === "waiting")).toHaveLength(1);
  expect(outcomes.filter((outcome) => outcome === "JOIN_TOKEN_USED")).toHaveLength(49);
});

test("a token whose secret is another's is unknown, as one that was never made", async () => {
  const token = parseJoinToken(await made("--name", "guessed"));
  expect(await joinOnce(token, randomBytes(32))).toBe("JOIN_TOKEN_UNKNOWN");
  expect(await joinOnce({ ...token, id: "jt_0000000000000000" }, Buffer.from(token.secret, "base64url"))).toBe("JOIN_TOKEN_UNKNOWN");
  expect(await joinOnce(token, Buffer.from(token.secret, "base64url"))).toBe("waiting");
});

/** One join with fresh keys; the state it was answered with, or the Fault code. */
async function joinOnce(token: JoinToken, secret: Uint8Array): Promise<string> {
  const socket = await openRelaySocket({ relay: token, proxy: noProxySettings, signal: new AbortController().signal });
  const keys = makeSigningKeys();
  try {
    const join = { token: token.id, signKey: keys.publicKey, boxKey: makeBoxKeys().publicKey, name: token.name, labels: {}, secret };
    return (await agentHandshake(socket, { purpose: "join", relayKeys: token.identity, boot: randomBytes(12).toString("hex"), dial: 1, keys, join })).welcome.state;
  } catch (error) {
    return asFault(error).code;
  } finally {
    socket.close();
  }
}

test("expired and revoked tokens are refused", async () => {
  expectFault(await askToJoin(await made("--name", "brief", "--ttl", "1ms"), "a-brief"), "JOIN_TOKEN_EXPIRED", 3);
  const listed = JSON.parse(await place.ok(["token", "create", "--name", "gone", "-o", "json"])) as { id: string; token: string };
  await place.ok(["token", "revoke", listed.id]);
  expectFault(await askToJoin(listed.token, "a-gone"), "JOIN_TOKEN_UNKNOWN", 3);
});

test("a relay with another identity key hears neither site nor token", async () => {
  const token = parseJoinToken(await made("--name", "wrong-key"));
  const forged = joinTokenText({ ...token, identity: [makeSigningKeys().publicKey] });
  expectFault(await askToJoin(forged, "a-wrong"), "RELAY_KEY_WRONG", 4, /nothing that names the site/);
  expect(await place.ok(["site", "ls"])).not.toContain("wrong-key");
});

test("after all of this the next good token joins", async () => {
  expect((await askToJoin(await made("--name", "good"), "a-good")).code).toBe(0);
});
