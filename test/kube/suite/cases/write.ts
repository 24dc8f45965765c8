// Changing: create, apply in both kinds, conflicts, diff, patch, edit, delete, refusals that must arrive as they are, kustomize, new kinds, tokens.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Case } from "../trial.ts";
import { busybox, configMap, deployment, file } from "./objects.ts";

export const writeCases: readonly Case[] = [
  {
    name: "create, label, annotate, delete",
    async run(trial) {
      await trial.kubectl(["create", "configmap", "made", "--from-literal=a=1", "--from-literal=b=two words"]);
      await trial.kubectl(["create", "secret", "generic", "hidden", "--from-literal=p=s3cret"]);
      await trial.kubectl(["create", "quota", "q", "--hard=configmaps=50"]);
      await trial.kubectl(["create", "configmap", "made"], { code: 1 });
      await trial.kubectl(["label", "configmap", "made", "tier=front"]);
      await trial.kubectl(["annotate", "configmap", "made", "note=with ü and \"quotes\""]);
      await trial.kubectl(["get", "configmap", "made", "-o", "yaml"]);
      await trial.kubectl(["delete", "configmap", "made", "--wait=false"]);
      await trial.kubectl(["delete", "configmap", "made"], { code: 1 });
      await trial.kubectl(["delete", "secret", "hidden", "--ignore-not-found", "--now"]);
    },
  },
  {
    name: "apply",
    async run(trial) {
      await trial.kubectl(["apply", "-f", file(trial, "one.yaml", configMap("one", { a: "1" }), configMap("two", { b: "2" }))]);
      await trial.kubectl(["apply", "-f", "one.yaml"]);
      await trial.kubectl(["apply", "-f", file(trial, "one.yaml", configMap("one", { a: "changed" }))]);
      await trial.kubectl(["apply", "-f", "-"], { stdin: JSON.stringify(configMap("three", { c: "3" })) });
      await trial.kubectl(["apply", "-f", "one.yaml", "--dry-run=server", "-o", "name"]);
      await trial.kubectl(["replace", "-f", file(trial, "replaced.yaml", configMap("two", { b: "replaced" }))]);
      await trial.kubectl(["get", "configmaps", "one", "two", "three", "-o", "jsonpath={range .items[*]}{.metadata.name}={.data}{\"\\n\"}{end}"]);
    },
  },
  {
    name: "server-side apply and its conflict",
    async run(trial) {
      await trial.kubectl(["apply", "--server-side", "--field-manager=ada", "-f", file(trial, "owned.yaml", configMap("owned", { key: "ada's" }))]);
      file(trial, "owned.yaml", configMap("owned", { key: "bob's" }));
      await trial.kubectl(["apply", "--server-side", "--field-manager=bob", "-f", "owned.yaml"], { code: 1 });
      await trial.kubectl(["apply", "--server-side", "--field-manager=bob", "--force-conflicts", "-f", "owned.yaml"]);
      await trial.kubectl(["get", "configmap", "owned", "-o", "jsonpath={.data.key}"]);
    },
  },
  {
    name: "diff",
    async run(trial) {
      await trial.kubectl(["apply", "-f", file(trial, "d.yaml", configMap("d", { a: "1" }))]);
      await trial.kubectl(["diff", "-f", "d.yaml"]);
      // The API server notes in whole seconds when a manager wrote, and old clients show it: only in a later second does that line differ on every route.
      const writtenAt = Math.floor(Date.now() / 1000);
      await trial.until("the second of the write is over", () => Promise.resolve(Math.floor(Date.now() / 1000) > writtenAt ? true : null));
      await trial.kubectl(["diff", "-f", file(trial, "d.yaml", configMap("d", { a: "2" }))], { code: 1 });
      await trial.kubectl(["diff", "-f", file(trial, "new.yaml", configMap("new", { a: "2" }))], { code: 1 });
      await trial.kubectl(["get", "configmap", "new"], { code: 1 });
    },
  },
  {
    name: "patch and edit",
    async run(trial) {
      await trial.kubectl(["create", "-f", file(trial, "p.yaml", deployment("p", 0), configMap("edited", { colour: "red" }))]);
      await trial.kubectl(["patch", "deployment", "p", "-p", '{"spec":{"template":{"spec":{"containers":[{"name":"main","env":[{"name":"A","value":"1"}]}]}}}}']);
      await trial.kubectl(["patch", "deployment", "p", "--type=merge", "-p", '{"metadata":{"labels":{"m":"1"}}}']);
      await trial.kubectl(["patch", "deployment", "p", "--type=json", "-p", '[{"op":"add","path":"/metadata/labels/j","value":"1"}]']);
      await trial.kubectl(["patch", "deployment", "p", "--type=json", "-p", '[{"op":"remove","path":"/nowhere"}]'], { code: 1 });
      await trial.kubectl(["get", "deployment", "p", "-o", "jsonpath={.metadata.labels} {.spec.template.spec.containers[0].env}"]);
      await trial.kubectl(["edit", "configmap", "edited"], { env: { KUBE_EDITOR: "sed -i s/red/blue/" } });
      await trial.kubectl(["get", "configmap", "edited", "-o", "jsonpath={.data.colour}"]);
    },
  },
  {
    name: "refusals arrive as they are",
    async run(trial) {
      await trial.kubectl(["create", "-f", file(trial, "bad.yaml", { apiVersion: "apps/v1", kind: "Deployment", metadata: { name: "bad" }, spec: { replicas: -1 } })], { code: 1 });
      await trial.kubectl(["create", "--validate=false", "-f", file(trial, "name.yaml", configMap("Not_A_Name", {}))], { code: 1 });
      await trial.kubectl(["create", "-f", file(trial, "stale.yaml", configMap("stale", { a: "1" }))]);
      const stale = { ...configMap("stale", { a: "2" }), metadata: { name: "stale", resourceVersion: "1" } };
      await trial.kubectl(["replace", "-f", file(trial, "stale2.yaml", stale)], { code: 1 });
    },
  },
  {
    name: "an object that is too large (413)",
    async run(trial) {
      await trial.kubectl(["create", "-f", file(trial, "large.yaml", configMap("large", { a: "x".repeat(5 * 1_048_576) }))], { code: 1 });
      await trial.kubectl(["create", "configmap", "after"]);
    },
  },
  {
    name: "kustomize",
    async run(trial) {
      const dir = join(trial.dir, "k");
      mkdirSync(dir);
      writeFileSync(join(dir, "kustomization.yaml"), "namePrefix: site-\ncommonAnnotations: {from: kustomize}\nresources: [map.yaml]\nconfigMapGenerator: [{name: generated, literals: [a=1]}]\n");
      writeFileSync(join(dir, "map.yaml"), JSON.stringify(configMap("map", { a: "1" })));
      await trial.kubectl(["kustomize", "k"]);
      await trial.kubectl(["apply", "-k", "k"]);
      await trial.kubectl(["diff", "-k", "k"]);
      await trial.kubectl(["delete", "-k", "k"]);
    },
  },
  {
    name: "a kind that is new to the cluster",
    async run(trial) {
      const group = `${trial.namespace}.bowline.test`;
      const schema = { type: "object", properties: { spec: { type: "object", properties: { size: { type: "integer", minimum: 1 } } } } };
      const definition = {
        apiVersion: "apiextensions.k8s.io/v1",
        kind: "CustomResourceDefinition",
        metadata: { name: `anvils.${group}` },
        spec: { group, scope: "Namespaced", names: { plural: "anvils", singular: "anvil", kind: "Anvil" }, versions: [{ name: "v1", served: true, storage: true, schema: { openAPIV3Schema: schema } }] },
      };
      try {
        await trial.kubectl(["create", "-f", file(trial, "crd.yaml", definition)]);
        await trial.kubectl(["wait", "--for=condition=Established", `crd/anvils.${group}`, "--timeout=30s"]);
        const anvil = (size: number): Record<string, unknown> => ({ apiVersion: `${group}/v1`, kind: "Anvil", metadata: { name: "small" }, spec: { size } });
        await trial.until("the new kind is served", async () => ((await trial.hand(["-n", trial.namespace, "create", "-f", "-"], JSON.stringify(anvil(2)))).code === 0 ? true : null), 30_000);
        await trial.kubectl(["get", `anvils.${group}`]);
        await trial.kubectl(["patch", `anvils.${group}`, "small", "--type=merge", "-p", '{"spec":{"size":0}}'], { code: 1 });
        await trial.kubectl(["get", `anvils.${group}`, "small", "-o", "jsonpath={.spec}"]);
      } finally {
        await trial.hand(["delete", "crd", `anvils.${group}`, "--ignore-not-found", "--wait=false"]);
      }
    },
  },
  {
    name: "create token",
    since: 24,
    async run(trial) {
      const made = await trial.kubectl(["create", "token", "default", "--duration=10m"]);
      trial.check(made.stdout.split(".").length === 3, "a token has three parts");
    },
  },
  {
    name: "rollout, scale, set image",
    async run(trial) {
      const wait = { compare: "code", timeoutMs: 90_000 } as const; // its lines tell the progress, which differs
      await trial.kubectl(["apply", "-f", file(trial, "web.yaml", deployment("web", 1))]);
      await trial.kubectl(["rollout", "status", "deployment/web", "--timeout=80s"], wait);
      await trial.kubectl(["scale", "deployment", "web", "--replicas=2"]);
      await trial.kubectl(["rollout", "status", "deployment/web", "--timeout=80s"], wait);
      await trial.kubectl(["set", "env", "deployment/web", "STEP=2"]);
      await trial.kubectl(["rollout", "status", "deployment/web", "--timeout=80s"], wait);
      await trial.kubectl(["rollout", "history", "deployment/web"]);
      await trial.kubectl(["rollout", "undo", "deployment/web"]);
      await trial.kubectl(["rollout", "status", "deployment/web", "--timeout=80s"], wait);
      await trial.kubectl(["get", "deployment", "web", "-o", "jsonpath={.spec.replicas} {.status.readyReplicas} {.spec.template.spec.containers[0].env}"]);
      await trial.kubectl(["rollout", "restart", "deployment/web"]);
      await trial.kubectl(["rollout", "status", "deployment/web", "--timeout=80s"], wait);
      await trial.kubectl(["set", "image", "deployment/web", `main=${busybox}`]);
      await trial.kubectl(["expose", "deployment", "web", "--port=80", "--target-port=8080"]);
      await trial.kubectl(["scale", "deployment", "web", "--replicas=0", "--current-replicas=7"], { code: 1 });
      await trial.kubectl(["delete", "deployment,service", "-l", "app=web"]);
    },
  },
  {
    name: "wait",
    async run(trial) {
      await trial.kubectl(["run", "waited", `--image=${busybox}`, "--restart=Never", "--", "sleep", "3600"]);
      await trial.kubectl(["wait", "--for=condition=Ready", "pod/waited", "--timeout=60s"]);
      await trial.kubectl(["wait", "--for=condition=Never", "pod/waited", "--timeout=1s"], { code: 1 });
      await trial.hand(["-n", trial.namespace, "delete", "pod", "waited", "--grace-period=1", "--wait=false"]);
      await trial.kubectl(["wait", "--for=delete", "pod/waited", "--timeout=60s"], { compare: "code" });
    },
  },
];
