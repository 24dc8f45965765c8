// Reading: versions, discovery, every output format, selectors, raw paths, errors, a list of many objects, watches and their end.
import type { Case } from "../trial.ts";
import { configMap, file } from "./objects.ts";

const outputs = ["wide", "json", "yaml", "name", "jsonpath={.items[*].metadata.name}", "custom-columns=A:.metadata.name,B:.data.key", "go-template={{range .items}}{{.metadata.name}}={{.data.key}} {{end}}"];

/** Latency that kube.md section 7 allows between an event and its line. */
const eventMsMax = 200;

export const readCases: readonly Case[] = [
  {
    name: "version",
    async run(trial) {
      await trial.kubectl(["version", "-o", "json"]);
      await trial.kubectl(["cluster-info"]);
    },
  },
  {
    name: "discovery",
    async run(trial) {
      await trial.kubectl(["api-versions"]);
      await trial.kubectl(["api-resources", "-o", "name"]);
      await trial.kubectl(["explain", "deployment.spec.strategy"]);
      await trial.kubectl(["explain", "configmap", "--recursive"]);
    },
  },
  {
    name: "get in all outputs",
    async run(trial) {
      const objects = ["a", "b", "c"].map((name) => configMap(name, { key: `value of ${name}` }, { tier: name === "c" ? "back" : "front" }));
      await trial.kubectl(["create", "-f", file(trial, "maps.yaml", ...objects)]);
      await trial.kubectl(["get", "configmaps"]);
      for (const output of outputs) await trial.kubectl(["get", "configmaps", "-l", "tier", "-o", output]);
      await trial.kubectl(["get", "configmaps", "-l", "tier in (front)", "--show-labels", "--sort-by={.metadata.name}"]);
      await trial.kubectl(["get", "configmaps", "--field-selector", "metadata.name=a", "--no-headers"]);
      await trial.kubectl(["get", "configmap/a", "serviceaccount/default", "-o", "name"]);
      await trial.kubectl(["describe", "configmap", "a"]);
      await trial.kubectl(["get", "nodes", "-o", "wide"]);
      await trial.kubectl(["get", "componentstatuses"], { compare: "code" }); // with a Warning header
    },
  },
  {
    name: "errors of reading",
    async run(trial) {
      await trial.kubectl(["get", "configmap", "absent"], { code: 1 });
      await trial.kubectl(["get", "nosuchkind"], { code: 1 });
      await trial.kubectl(["get", "pods", "--field-selector", "no.such.field=1"], { code: 1 });
      await trial.kubectl(["logs", "absent"], { code: 1 });
      await trial.kubectl(["exec", "absent", "--", "true"], { code: 1 });
    },
  },
  {
    name: "auth can-i",
    async run(trial) {
      await trial.kubectl(["auth", "can-i", "create", "deployments.apps"]);
      await trial.kubectl(["auth", "can-i", "*", "*"]);
      await trial.kubectl(["auth", "can-i", "get", "/metrics"]);
    },
  },
  {
    name: "get --raw",
    // Older ones ask for the raw path at the server's root and drop the prefix of its address (kubernetes/kubernetes#131165).
    prefixSince: 34,
    async run(trial) {
      await trial.hand(["-n", trial.namespace, "create", "configmap", "raw", "--from-literal=k=v"]);
      await trial.kubectl(["get", "--raw", `/api/v1/namespaces/${trial.namespace}/configmaps/raw`]);
      await trial.kubectl(["get", "--raw", `/api/v1/namespaces/${trial.namespace}/configmaps?labelSelector=a%2Fb%20in%20%28c%2Cd%29&limit=1`]);
      await trial.kubectl(["get", "--raw", "/version"]);
      await trial.kubectl(["get", "--raw", "/readyz?verbose=true"], { compare: "code" });
      await trial.kubectl(["get", "--raw", "/apis/no.such.group/v1"], { code: 1 });
      await trial.kubectl(["get", "--raw", `/api/v1/namespaces/${trial.namespace}/configmaps?resourceVersion=1&resourceVersionMatch=Exact`], { code: "any" });
      await trial.kubectl(["get", "--raw", "/openapi/v3"]);
      await trial.kubectl(["get", "--raw", "/openapi/v2"], { isHashed: true });
    },
  },
  {
    name: "a list of many objects",
    async run(trial) {
      const items = Array.from({ length: 600 }, (_value, index) => configMap(`many-${String(index).padStart(4, "0")}`, { key: `${index} `.repeat(600) }));
      const made = await trial.hand(["-n", trial.namespace, "create", "-f", "-"], JSON.stringify({ apiVersion: "v1", kind: "List", items }));
      trial.check(made.code === 0, `600 objects can be made: ${made.stderr.slice(0, 200)}`);
      const listed = await trial.kubectl(["get", "configmaps", "-o", "json"]);
      trial.check((JSON.parse(listed.stdout) as { items: unknown[] }).items.length >= 600, "every object is in the list");
      await trial.kubectl(["get", "configmaps", "-o", "name", "--chunk-size=50"]);
      await trial.kubectl(["get", "configmaps", "-o", "name", "--chunk-size=0"]);
    },
  },
  {
    name: "watch: each event at once",
    isAlone: true,
    async run(trial) {
      const watching = trial.background(["get", "configmaps", "-w", "-o", "jsonpath={.metadata.name}{'\\n'}"]);
      await watching.match(/kube-root-ca/, 20_000);
      const late: number[] = [];
      for (let index = 0; index < 9; index += 1) {
        const seen = watching.match(new RegExp(`event-${index}\\b`), 20_000).then(() => performance.now());
        await trial.hand(["-n", trial.namespace, "create", "configmap", `event-${index}`]);
        const madeMs = performance.now();
        late.push(Math.max(0, (await seen) - madeMs));
      }
      const median = Math.round(late.sort((left, right) => left - right)[4]!);
      trial.measures["median ms from the event to its line"] = median;
      trial.check(median < eventMsMax, `the median event is seen within ${eventMsMax} ms of the answer to its maker (${median} ms)`);
      const ended = await watching.stop("SIGINT");
      trial.note("the watch's lines", ended.stdout);
    },
  },
  {
    name: "watch: ends at the API server with its client",
    isAlone: true,
    async run(trial) {
      // Nobody else watches CronJobs of one namespace, so the API server's own gauge counts ours.
      const open = async (): Promise<number> => {
        const { stdout } = await trial.hand(["get", "--raw", "/metrics"]);
        const line = /^apiserver_longrunning_requests\{[^}]*resource="cronjobs",scope="namespace"[^}]*verb="WATCH"[^}]*\} (\d+)/m.exec(stdout);
        return Number(line?.[1] ?? "0");
      };
      const before = await open();
      const watching = trial.background(["get", "cronjobs", "--watch-only"]);
      await trial.until("the watch is open at the API server", async () => ((await open()) > before ? true : null), 20_000);
      const killedMs = performance.now();
      await watching.stop("SIGKILL");
      await trial.until("the API server's request ends after its client was killed", async () => ((await open()) <= before ? true : null), 10_000);
      const took = Math.round(performance.now() - killedMs);
      trial.measures["ms until the killed watch ended at the API server"] = took;
      trial.check(took < 2_500, `a killed client frees the API server within 2 s (${took} ms, with the look at it)`);
    },
  },
  {
    name: "kubectl proxy",
    since: 25,
    async run(trial) {
      const serving = trial.background(["proxy", "--port=0", "--append-server-path"]);
      const [, address] = await serving.match(/Starting to serve on (\S+)/, 20_000);
      const answer = await fetch(`http://${address}/api/v1/namespaces/${trial.namespace}/serviceaccounts/default`);
      const body = (await answer.json()) as { metadata: { name: string } };
      trial.note("status and object", `${answer.status} ${body.metadata.name} ${answer.headers.get("content-type")}`);
      await serving.stop("SIGINT");
    },
  },
];
