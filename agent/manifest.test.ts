// The manifest read back as a cluster would read it: rights are the least that the agent's policy uses, the pod is restricted, values cannot break out.
import { parseAllDocuments } from "yaml";
import { expect, test } from "vitest";
import { impersonationOf, reporterIdentity } from "./kube/policy.ts";
import { AGENT_NAMESPACE, agentManifest, manifestText, rbacManifest, type ManifestOptions } from "./manifest.ts";

interface Rule {
  readonly apiGroups?: string[];
  readonly resources?: string[];
  readonly resourceNames?: string[];
  readonly verbs: string[];
}
interface Read {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly labels: Record<string, string> };
  readonly rules: Rule[];
  readonly roleRef: { readonly name: string };
  readonly subjects: { readonly kind: string; readonly name: string }[];
  readonly stringData: Record<string, string>;
  // oxlint-disable-next-line typescript/no-explicit-any -- pod specs are deep, and each test names the path that it means
  readonly spec: any;
}

const plain: ManifestOptions = { token: "bowline-join-1", image: "example/agent:1", storageClass: "", proxy: { httpProxy: "", httpsProxy: "", noProxy: "" }, isConstrained: false };

function read(options: Partial<ManifestOptions> = {}): Read[] {
  return parseAllDocuments(manifestText(agentManifest({ ...plain, ...options }))).map((document) => {
    expect(document.errors).toEqual([]);
    return document.toJS() as Read;
  });
}

function only(documents: readonly Read[], kind: string, name?: string): Read {
  const found = documents.filter((document) => document.kind === kind && (name === undefined || document.metadata.name === name));
  expect(found, `${kind} ${name ?? ""}`).toHaveLength(1);
  return found[0]!;
}

test("a cluster gets every kind that the agent needs, with the namespace before what lies in it", () => {
  const kinds = read().map(({ kind }) => kind);
  expect(kinds[0]).toBe("Namespace");
  expect([...new Set(kinds)].sort()).toEqual(["ClusterRole", "ClusterRoleBinding", "Deployment", "Namespace", "NetworkPolicy", "PersistentVolumeClaim", "Role", "RoleBinding", "Secret", "ServiceAccount"]);
});

test("the agent's own account may act as somebody in the two groups of its policy, and nothing else", () => {
  const documents = read();
  const bindings = documents.filter(({ kind, subjects }) => kind === "ClusterRoleBinding" && subjects.some((subject) => subject.kind === "ServiceAccount"));
  expect(bindings.map(({ roleRef }) => roleRef.name)).toEqual(["bowline:impersonate"]);
  const { rules } = only(documents, "ClusterRole", "bowline:impersonate");
  expect(rules.flatMap(({ verbs }) => verbs).every((verb) => verb === "impersonate")).toBe(true);
  const groups = rules.find(({ resources }) => resources?.includes("groups") === true);
  expect(groups?.resourceNames).toEqual([...impersonationOf("ada", "admin").groups, ...reporterIdentity.groups]);
});

test("the agent's own account may read and write one Secret by name, which is there and empty, and make none", () => {
  const documents = read();
  expect(only(documents, "Role").rules).toEqual([{ apiGroups: [""], resources: ["secrets"], resourceNames: ["bowline-agent-witness"], verbs: ["get", "patch"] }]);
  expect(only(documents, "RoleBinding")).toMatchObject({ metadata: { namespace: AGENT_NAMESPACE }, roleRef: { kind: "Role", name: only(documents, "Role").metadata.name }, subjects: [{ kind: "ServiceAccount", name: "bowline-agent" }] });
  const secret = only(documents, "Secret", "bowline-agent-witness");
  for (const name of ["data", "stringData"]) expect(secret).not.toHaveProperty(name); // an apply of the manifest must not undo what is in it
});

test("constrained impersonation stands alone, since the plain verb beside it would undo it", () => {
  const { rules } = only(read({ isConstrained: true }), "ClusterRole", "bowline:impersonate");
  expect(rules.flatMap(({ verbs }) => verbs)).not.toContain("impersonate");
  const groups = rules.find(({ resources }) => resources?.includes("groups") === true);
  expect(groups).toMatchObject({ apiGroups: ["authentication.k8s.io"], verbs: ["impersonate:user-info"], resourceNames: ["bowline:admin", "bowline:report"] });
  expect(rules.filter(({ apiGroups }) => apiGroups?.[0] === "*").flatMap(({ verbs }) => verbs)).toContain("impersonate-on:user-info:watch");
});

test("each group of the policy is bound to a role that is shipped, in the cluster and outside it", () => {
  for (const documents of [agentManifest(plain), rbacManifest()] as unknown as Read[][]) {
    for (const group of [...impersonationOf("ada", "admin").groups, ...reporterIdentity.groups]) {
      const binding = documents.find(({ kind, subjects }) => kind === "ClusterRoleBinding" && subjects.some((subject) => subject.kind === "Group" && subject.name === group));
      only(documents, "ClusterRole", binding?.roleRef.name ?? "no binding");
    }
  }
});

test("the report's role reads and never sees a Secret or a ConfigMap", () => {
  const { rules } = only(read(), "ClusterRole", "bowline:report");
  expect(rules.flatMap(({ verbs }) => verbs).filter((verb) => verb !== "get" && verb !== "list")).toEqual([]);
  expect(rules.flatMap(({ resources }) => resources ?? []).filter((name) => ["secrets", "configmaps", "*"].includes(name))).toEqual([]);
});

test("the pod keeps every rule of restricted pod security, with a root that cannot be written", () => {
  const documents = read();
  expect(only(documents, "Namespace").metadata).toMatchObject({ name: AGENT_NAMESPACE, labels: { "pod-security.kubernetes.io/enforce": "restricted" } });
  const pod = only(documents, "Deployment").spec.template.spec;
  expect(pod.securityContext).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } });
  expect(pod.containers).toHaveLength(1);
  expect(pod.containers[0].securityContext).toEqual({ allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ["ALL"] } });
  expect(pod.containers[0].resources.limits.memory).toBeDefined();
});

test("one agent runs at a time, on a claim that outlives it", () => {
  const documents = read({ storageClass: "slow" });
  const { replicas, strategy, template } = only(documents, "Deployment").spec;
  expect({ replicas, strategy }).toEqual({ replicas: 1, strategy: { type: "Recreate" } });
  const claim = only(documents, "PersistentVolumeClaim");
  expect(claim.spec).toMatchObject({ storageClassName: "slow", accessModes: ["ReadWriteOnce"] });
  expect(template.spec.volumes.map((volume: { persistentVolumeClaim?: { claimName: string } }) => volume.persistentVolumeClaim?.claimName)).toContain(claim.metadata.name);
  expect(only(read(), "PersistentVolumeClaim").spec).not.toHaveProperty("storageClassName");
});

test("the kubelet asks for health on the port that the agent was told", () => {
  const [container] = only(read(), "Deployment").spec.template.spec.containers;
  const told = container.env.find(({ name }: { name: string }) => name === "BOWLINE_HEALTH_PORT").value;
  expect(container.ports).toEqual([{ name: "health", containerPort: Number(told) }]);
  expect(container.livenessProbe.httpGet).toEqual({ path: "/healthz", port: "health" });
});

test("a proxy's password is in a Secret and not in the Deployment", () => {
  const httpsProxy = "http://user:pass%22word@proxy.example:3128";
  const documents = read({ proxy: { httpProxy: "", httpsProxy, noProxy: "10.0.0.0/8" } });
  expect(only(documents, "Secret", "bowline-proxy").stringData).toEqual({ HTTPS_PROXY: httpsProxy, NO_PROXY: "10.0.0.0/8" });
  const deployment = only(documents, "Deployment");
  expect(JSON.stringify(deployment)).not.toContain("pass%22word");
  expect(deployment.spec.template.spec.containers[0].envFrom).toEqual([{ secretRef: { name: "bowline-proxy" } }]);
  expect(read().filter(({ metadata }) => metadata.name === "bowline-proxy")).toEqual([]);
});

test("the token is in its Secret alone, and values with quotes and line ends stay values", () => {
  const token = 'x"\n---\nkind: Pod\n# \u2028 ${y} {{z}}';
  const documents = read({ token, image: "a: [b" });
  expect(only(documents, "Secret", "bowline-token").stringData).toEqual({ token });
  expect(documents.filter((document) => JSON.stringify(document).includes("{{z}}"))).toHaveLength(1);
  expect(only(documents, "Deployment").spec.template.spec.containers[0].image).toBe("a: [b");
});
