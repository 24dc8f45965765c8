// Two agents with the keys of one site. A newer link of the same start replaces the older one, whose requests still finish; a dial that comes late must not; and a
// second agent on a copy of the data folder is a clone: refused, recorded, while the site goes on being served.
import { cpSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { decodeFrames } from "../../shared/wire/decoder.ts";
import { FRAME_TYPES } from "../../shared/wire/frame.ts";
import type { FrameSocket } from "../../shared/link/frame-socket.ts";
import { encodeHead } from "../../shared/wire/message.ts";
import { frame } from "./hostile-bytes.ts";
import { ask } from "./kube-rest.ts";
import { Live } from "./live.ts";
import { Place, until, type Started } from "./place.ts";
import { byeAfter, RawAgent } from "./raw-peers.ts";
import { startSimCluster, type SimCluster } from "./test-cluster.ts";

const place = new Place();
let cluster: SimCluster;
let relay: Started;
beforeAll(async () => {
  cluster = await startSimCluster();
  relay = await place.relay();
  await place.login();
});
afterAll(async () => {
  await place.close();
  await cluster?.stop();
});

/** Answers every request on a link with 200 and the link's own name, when told. */
function answering(socket: FrameSocket, name: string): { readonly asked: Promise<number>; answer(stream: number): void } {
  const asked = new Promise<number>((resolve) => socket.attach((message) => decodeFrames(message).forEach(({ type, stream }) => type === "OPEN" && resolve(stream))));
  const answer = (stream: number): void =>
    socket.sendMessage(Buffer.concat([frame(FRAME_TYPES.HEAD, stream, encodeHead({ status: 200, headers: ["content-type", "text/plain"] })), frame(FRAME_TYPES.BODY, stream, Buffer.from(name)), frame(FRAME_TYPES.FIN, stream, new Uint8Array(0))]));
  return { asked, answer };
}

test("a newer link takes the site; a request on the older one still gets its answer, then that one is told LINK_REPLACED", async () => {
  await place.joined("twice", cluster.kubeconfig);
  const raw = await RawAgent.open(place, "twice");
  const older = await raw.link();
  const first = answering(older.socket, "older");
  const slow = new Live(place, "/k8s/twice/version");
  const stream = await first.asked;

  const byeOfOlder = new Promise<string>((resolve) => older.socket.attach((message) => decodeFrames(message).forEach(({ type, payload }) => type === "BYE" && resolve(Buffer.from(payload).toString("latin1")))));
  const newer = await raw.link();
  expect(newer.fence).toBeGreaterThan(older.fence);
  expect(await byeOfOlder).toContain("LINK_REPLACED");
  const second = answering(newer.socket, "newer");
  const quick = new Live(place, "/k8s/twice/version");
  second.answer(await second.asked);
  expect([(await quick.ended).how, quick.tail]).toEqual(["complete", "newer"]);
  first.answer(stream);
  expect([(await slow.ended).how, slow.tail]).toEqual(["complete", "older"]);
  await older.socket.ended;

  // A dial of the same start that hung somewhere and arrives now is late, and changes nothing.
  await expect(raw.link({ dial: 1 })).rejects.toMatchObject({ code: "LINK_LATE", byeCode: "late" });
  const third = new Live(place, "/k8s/twice/version");
  const again = answering(newer.socket, "still the newer");
  again.answer(await again.asked);
  expect([(await third.ended).how, third.tail]).toEqual(["complete", "still the newer"]);
  newer.socket.close();
  await raw.close();
});

test("an agent on a copy of a data folder is refused as a clone and recorded; the site is served meanwhile", async () => {
  const agent = await place.site("copied", cluster.kubeconfig);
  await agent.stop();
  cpSync(place.agentData("copied"), place.agentData("copy"), { recursive: true });
  const original = place.agent("copied", cluster.kubeconfig);
  await original.said(/"msg":"linked"/);
  const copy = place.agent("copy", cluster.kubeconfig);
  await copy.said(/"code":"SITE_CLONED".*another agent runs with this site's keys/);
  expect((await ask(place, "GET", "/k8s/copied/version")).status).toBe(200);
  expect([original.hasEnded, copy.hasEnded]).toEqual([false, false]);
  expect(original.err.match(/"msg":"linked"/g)).toHaveLength(1);
  expect(await place.ok(["site", "describe", "copied"])).toMatch(/cloned +a second agent with this site's keys dialled/);
  await copy.stop();
  await original.stop();
});

test("a copy that has dialled more often takes the site once; the original does not take turns with it, and is the clone when it asks again", async () => {
  await (await place.site("lost", cluster.kubeconfig)).stop();
  cpSync(place.agentData("lost"), place.agentData("thief"), { recursive: true });
  let original = place.agent("lost", cluster.kubeconfig);
  await original.said(/"msg":"linked"/);
  const drawn = await RawAgent.open(place, "thief");
  const taking = await drawn.link({ boot: "thief", dial: 1_000 });
  await original.said(/"code":"LINK_REPLACED".*"msg":"link ended"/);
  const bye = byeAfter(taking.socket, () => {}).catch((error: Error) => error.message);
  await original.stop();
  original = place.agent("lost", cluster.kubeconfig);
  await original.said(/"code":"SITE_CLONED"/);
  taking.socket.close();
  expect(await bye).toMatch(/without a BYE/); // nobody took the site from the copy
  expect(await place.ok(["site", "describe", "lost"])).toMatch(/cloned/);
  await drawn.close();
  await original.stop();
  expect(relay.hasEnded).toBe(false);
  await until("nobody is linked", async () => ((await ask(place, "GET", "/api/v1/sites/lost")).body as { link: string }).link !== "online");
});
