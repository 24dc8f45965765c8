// helm's life of a release, with a chart of our own: hooks, waits, a test, a failed upgrade, rollback, uninstall.
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Case } from "../trial.ts";
import { busybox } from "./objects.ts";

const chart = join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), "chart");
const wait = ["--wait", "--timeout=90s"];
const slow = { timeoutMs: 110_000 } as const;

export const helmCases: readonly Case[] = [
  {
    name: "helm install, upgrade, rollback, uninstall",
    async run(trial) {
      const image = ["--set", `image=${busybox}`];
      await trial.helm(["install", "rel", chart, ...wait, ...image], slow);
      await trial.helm(["upgrade", "rel", chart, ...wait, ...image, "--set", "greeting=good day", "--set", "replicas=2"], slow);
      await trial.helm(["get", "values", "rel"]);
      await trial.helm(["get", "manifest", "rel"]);
      await trial.helm(["status", "rel", "-o", "json"], { compare: "code" });
      await trial.helm(["test", "rel"], { ...slow, compare: "code" });
      await trial.kubectl(["get", "configmap", "rel", "-o", "jsonpath={.data}"]);
      await trial.helm(["upgrade", "rel", chart, "--set", "replicas=-1"], { ...slow, code: 1 });
      await trial.helm(["rollback", "rel", "1", ...wait], slow);
      await trial.helm(["history", "rel"]);
      await trial.kubectl(["get", "configmap", "rel", "-o", "jsonpath={.data}"]);
      await trial.helm(["list"]);
      await trial.helm(["uninstall", "rel", ...wait], slow);
      await trial.helm(["status", "rel"], { code: 1 });
      await trial.kubectl(["get", "deployment,service", "-o", "name"]);
    },
  },
];
