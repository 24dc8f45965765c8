// How an agent ends when it is asked to at an awkward moment, on a real process.
import { chmodSync, existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { Place, until } from "./place.ts";

const place = new Place();
afterAll(() => place.close());

test("an agent that is asked to stop while it waits for its cluster's credentials ends, and is not held by what it opens afterwards", async () => {
  await place.relay();
  await place.login();
  const token = (await place.ok(["token", "create", "--name", "early"])).trim();
  const [asked, go, plugin, kubeconfig] = ["asked", "go", "plugin", "kubeconfig"].map((name) => join(place.dir, name)) as [string, string, string, string];
  writeFileSync(plugin, `#!/bin/sh\ntouch ${asked}\nwhile [ ! -e ${go} ]; do sleep 0.05; done\necho '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"t"}}'\n`);
  chmodSync(plugin, 0o755);
  const exec = { apiVersion: "client.authentication.k8s.io/v1", command: plugin, interactiveMode: "Never" };
  const config = { apiVersion: "v1", kind: "Config", "current-context": "c", contexts: [{ name: "c", context: { cluster: "c", user: "u" } }], clusters: [{ name: "c", cluster: { server: "https://127.0.0.1:9" } }], users: [{ name: "u", user: { exec } }] };
  writeFileSync(kubeconfig, JSON.stringify(config));

  const agent = place.start(["agent", "run", "--data", place.agentData("early"), "--kubeconfig", kubeconfig, "--token", token]);
  await until("the agent asks for credentials", () => existsSync(asked));
  agent.child.kill("SIGTERM");
  writeFileSync(go, "");
  await agent.said(/"signal":"SIGTERM"/);
  await until("the agent ends", () => agent.hasEnded);
  expect(agent.child.signalCode).toBeNull();
});
