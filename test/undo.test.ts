// The command `undo` against an API server in memory: Deployments by their ReplicaSets, StatefulSets and DaemonSets by their ControllerRevisions, and that a second run
// of one order never undoes the first.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { KubeObject } from "./kit/kubesim/tree.ts";
import { CommandBench } from "./kit/command-bench.ts";

let bench: CommandBench;
let name: string;
let made = 0;

beforeAll(async () => {
  bench = await CommandBench.open();
});
afterAll(() => bench.close());
beforeEach(() => {
  bench.strike = () => null;
  name = `web-${(made += 1)}`;
});

const KINDS = ["Deployment", "StatefulSet", "DaemonSet"] as const;
type Kind = (typeof KINDS)[number];

const undo = (kind: Kind, toRevision = 0) => ({ kind: "undo", object: { apiVersion: "apps/v1", kind, name, namespace: "default" }, toRevision });
const imageOf = (kind: Kind): string => (bench.sim.find(kind, "default", name) as unknown as { spec: { template: { spec: { containers: { image: string }[] } } } }).spec.template.spec.containers[0]!.image;

/** Sets the image, and waits until the controller has a revision of it. */
async function roll(kind: Kind, image: string, more: object = {}): Promise<void> {
  bench.sim.put({ apiVersion: "apps/v1", kind, metadata: { name, namespace: "default", annotations: { "kubernetes.io/change-cause": image } }, spec: { replicas: 1, serviceName: "web", selector: { matchLabels: { app: name } }, template: { metadata: { labels: { app: name } }, spec: { containers: [{ name: "web", image }] } }, ...more } });
  const holder = kind === "Deployment" ? "ReplicaSet" : "ControllerRevision";
  const has = (object: KubeObject): boolean => object.metadata.ownerReferences?.[0]?.name === name && JSON.stringify(object).includes(`"image":"${image}"`);
  await expect.poll(() => bench.sim.objects(holder, "default").some(has)).toBe(true);
}

describe.each(KINDS)("a %s", (kind) => {
  test("goes back to the revision before, and back again by another order", async () => {
    for (const image of ["v1", "v2", "v3"]) await roll(kind, image);
    expect(await bench.run(undo(kind))).toMatchObject({ state: "succeeded", what: `${kind}/${name} is rolled back to revision 2`, objects: [{ result: "configured" }] });
    expect(imageOf(kind)).toBe("v2");
    await roll(kind, "v2"); // the controller has seen it
    expect(await bench.run(undo(kind))).toMatchObject({ what: `${kind}/${name} is rolled back to revision 3` });
    expect(imageOf(kind)).toBe("v3");
  });

  test("goes to the revision that was named, without the label that its controller adds", async () => {
    for (const image of ["v1", "v2", "v3"]) await roll(kind, image);
    expect(await bench.run(undo(kind, 1))).toMatchObject({ state: "succeeded", what: `${kind}/${name} is rolled back to revision 1` });
    expect(imageOf(kind)).toBe("v1");
    expect(JSON.stringify(bench.sim.find(kind, "default", name)!["spec"])).not.toMatch(/pod-template-hash|\$patch/);
  });

  test("is not undone twice by one order, whatever is the revision before by then", async () => {
    for (const image of ["v1", "v2"]) await roll(kind, image);
    await bench.run(undo(kind));
    await roll(kind, "v1"); // now v2 is the one before
    expect(await bench.again(undo(kind))).toMatchObject({ state: "succeeded", what: `${kind}/${name} is rolled back to revision 1`, objects: [{ result: "configured" }] });
    expect(imageOf(kind)).toBe("v1");
  });

  test("stays as somebody has made it since the order began", async () => {
    for (const image of ["v1", "v2"]) await roll(kind, image);
    await bench.run(undo(kind));
    await roll(kind, "v3");
    await expect(bench.again(undo(kind))).rejects.toMatchObject({ code: "COMMAND_FAILED", why: expect.stringContaining("somebody has changed it") as string });
    expect(imageOf(kind)).toBe("v3");
  });

  test("that has the template already is left as it is", async () => {
    for (const image of ["v1", "v2"]) await roll(kind, image);
    const before = bench.sim.find(kind, "default", name)!["spec"];
    expect(await bench.run(undo(kind, 2))).toMatchObject({ state: "succeeded", what: "skipped rollback (current template already matches revision 2)", objects: [{ result: "unchanged" }] });
    expect(bench.sim.find(kind, "default", name)!["spec"]).toEqual(before);
  });

  test("without such a revision is an error that names those there are", async () => {
    await roll(kind, "v1");
    await expect(bench.run(undo(kind))).rejects.toMatchObject({ code: "COMMAND_FAILED", why: "there is no revision before the current one: its history has revision 1" });
    await roll(kind, "v2");
    await expect(bench.run(undo(kind, 7))).rejects.toMatchObject({ code: "COMMAND_FAILED", why: "there is no revision 7: its history has revisions 1, 2" });
    expect(bench.resolved).toBeNull();
  });
});

test("a second run knows its own work by what the template says, although the API server has added a default", async () => {
  for (const image of ["v1", "v2"]) await roll("Deployment", image);
  await bench.run(undo("Deployment"));
  bench.strike = (call) => {
    if (call.method !== "GET" || !call.path.endsWith(`/deployments/${name}`)) return null;
    const found = structuredClone(bench.sim.find("Deployment", "default", name)) as unknown as { spec: { template: { spec: Record<string, unknown> } } };
    found.spec.template.spec["addedByANewerServer"] = true;
    return { status: 200, body: found };
  };
  expect(await bench.again(undo("Deployment"))).toMatchObject({ state: "succeeded", what: `Deployment/${name} is rolled back to revision 1` });
});

test("a Deployment gets the annotations that it had then, and keeps those that are its own", async () => {
  for (const image of ["v1", "v2"]) await roll("Deployment", image);
  await bench.run(undo("Deployment"));
  const { annotations } = bench.sim.find("Deployment", "default", name)!.metadata;
  expect(annotations).toMatchObject({ "kubernetes.io/change-cause": "v1", "deployment.kubernetes.io/revision": expect.stringMatching(/\d/) as string });
});

test("a paused Deployment is not rolled back", async () => {
  for (const image of ["v1", "v2"]) await roll("Deployment", image);
  bench.sim.put({ apiVersion: "apps/v1", kind: "Deployment", metadata: { name, namespace: "default" }, spec: { paused: true, replicas: 1, selector: { matchLabels: { app: name } }, template: { metadata: { labels: { app: name } }, spec: { containers: [{ name: "web", image: "v2" }] } } } });
  await expect(bench.run(undo("Deployment"))).rejects.toMatchObject({ why: "it is paused", hint: expect.stringContaining("kubectl rollout resume") as string });
  expect(imageOf("Deployment")).toBe("v2");
});

test("what is not there cannot be rolled back", async () => {
  await expect(bench.run(undo("StatefulSet"))).rejects.toMatchObject({ code: "COMMAND_FAILED", why: expect.stringContaining(`there is no StatefulSet/${name} in default`) as string });
});
