// The Kubernetes manifest of an in-cluster agent: namespace, ServiceAccount, roles, token Secret, volume, Deployment. JSON documents, which are YAML: nothing
// can break out of a quoted value. Pure. kube.md section 5 and trust.md section 6 give the rules that it keeps.

export interface ManifestOptions {
  readonly token: string;
  readonly image: string;
  /** "" leaves it to the cluster's default. */
  readonly storageClass: string;
  readonly proxy: { readonly httpProxy: string; readonly httpsProxy: string; readonly noProxy: string };
  /** For API servers >= 1.36: constrained impersonation alone, which refuses nodes and service accounts. Older servers know only the plain verb. */
  readonly isConstrained: boolean;
}

export const AGENT_NAMESPACE = "bowline-system";
const NAME = "bowline-agent";
const TOKEN_SECRET = "bowline-token";
/** Also in kube/witness-secret.ts. */
const WITNESS_SECRET = "bowline-agent-witness";
const PROXY_SECRET = "bowline-proxy";
/** Names that every operator of the tier acts in; the relay cannot choose another (agent/kube/policy.ts). */
const ADMIN_GROUP = "bowline:admin";
const REPORT_GROUP = "bowline:report";
const healthPort = 8081;
const labels = { "app.kubernetes.io/name": NAME, "app.kubernetes.io/managed-by": "bowline" } as const;

type Doc = Readonly<Record<string, unknown>>;

function meta(name: string, isNamespaced: boolean): Doc {
  return { name, ...(isNamespaced ? { namespace: AGENT_NAMESPACE } : {}), labels };
}

function clusterRole(name: string, rules: readonly Doc[]): Doc {
  return { apiVersion: "rbac.authorization.k8s.io/v1", kind: "ClusterRole", metadata: meta(name, false), rules };
}

function clusterRoleBinding(name: string, subject: Doc): Doc {
  return { apiVersion: "rbac.authorization.k8s.io/v1", kind: "ClusterRoleBinding", metadata: meta(name, false), roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name }, subjects: [subject] };
}

const group = (name: string): Doc => ({ apiGroup: "rbac.authorization.k8s.io", kind: "Group", name });
const serviceAccount: Doc = { kind: "ServiceAccount", name: NAME, namespace: AGENT_NAMESPACE };

/** The roles behind the two groups: what operators may do here, and what the report may see. Enough for an agent outside the cluster. */
export function rbacManifest(): Doc[] {
  return [
    // One tier of operators so far, and it is the cluster's administrator. The site owner may narrow this role; the agent never acts as itself.
    clusterRole("bowline:admin", [
      { apiGroups: ["*"], resources: ["*"], verbs: ["*"] },
      { nonResourceURLs: ["*"], verbs: ["*"] },
    ]),
    clusterRoleBinding("bowline:admin", group(ADMIN_GROUP)),
    clusterRole("bowline:report", [
      { apiGroups: [""], resources: ["nodes"], verbs: ["list"] },
      { apiGroups: ["apps"], resources: ["deployments", "statefulsets", "daemonsets"], verbs: ["list"] },
      { apiGroups: ["batch"], resources: ["jobs"], verbs: ["list"] },
      { nonResourceURLs: ["/version"], verbs: ["get"] },
    ]),
    clusterRoleBinding("bowline:report", group(REPORT_GROUP)),
  ];
}

/**
 * What the agent itself may do: act as somebody in one of two groups, and nothing in its own name but to keep its witness. RBAC cannot say "users whose name begins with bowline:", so
 * users are open: a stolen ServiceAccount token can take the name of any user who was given rights by name. Groups, which carry all our rights, are these two.
 */
function impersonation(isConstrained: boolean): Doc[] {
  const apiGroups = [isConstrained ? "authentication.k8s.io" : ""];
  const verbs = [isConstrained ? "impersonate:user-info" : "impersonate"];
  // The plain verb beside the constrained ones would undo them: the server falls back to it.
  const on = ["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"].map((verb) => `impersonate-on:user-info:${verb}`);
  const onNonResource = ["get", "head", "post", "put", "patch", "delete", "options"].map((verb) => `impersonate-on:user-info:${verb}`);
  const deeds = [
    { apiGroups: ["*"], resources: ["*"], verbs: on },
    { nonResourceURLs: ["*"], verbs: onNonResource },
  ];
  return [
    clusterRole("bowline:impersonate", [
      { apiGroups, resources: ["users"], verbs },
      { apiGroups, resources: ["groups"], verbs, resourceNames: [ADMIN_GROUP, REPORT_GROUP] },
      ...(isConstrained ? deeds : []),
    ]),
    clusterRoleBinding("bowline:impersonate", serviceAccount),
  ];
}

/** The one thing that the agent does in its own name: keep its database's witness. An empty Secret, because "create" cannot be held to a name. */
function witness(): Doc[] {
  const rules = [{ apiGroups: [""], resources: ["secrets"], resourceNames: [WITNESS_SECRET], verbs: ["get", "patch"] }];
  return [
    { apiVersion: "v1", kind: "Secret", metadata: meta(WITNESS_SECRET, true), type: "Opaque" },
    { apiVersion: "rbac.authorization.k8s.io/v1", kind: "Role", metadata: meta(WITNESS_SECRET, true), rules },
    { apiVersion: "rbac.authorization.k8s.io/v1", kind: "RoleBinding", metadata: meta(WITNESS_SECRET, true), roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: WITNESS_SECRET }, subjects: [serviceAccount] },
  ];
}

/** A proxy's address often holds a password, so it is a Secret and not a line of the Deployment. Empty when there is none. */
function proxySecret(proxy: ManifestOptions["proxy"]): Doc[] {
  const pairs = Object.entries({ HTTP_PROXY: proxy.httpProxy, HTTPS_PROXY: proxy.httpsProxy, NO_PROXY: proxy.noProxy }).filter(([, value]) => value !== "");
  if (pairs.length === 0) return [];
  return [{ apiVersion: "v1", kind: "Secret", metadata: meta(PROXY_SECRET, true), type: "Opaque", stringData: Object.fromEntries(pairs) }];
}

function deployment(options: ManifestOptions): Doc {
  const container = {
    name: "agent",
    image: options.image,
    args: ["run"],
    env: [
      { name: "BOWLINE_DATA", value: "/var/lib/bowline" },
      { name: "BOWLINE_TOKEN_FILE", value: "/etc/bowline/token" },
      { name: "BOWLINE_HEALTH_PORT", value: String(healthPort) },
    ],
    ...(proxySecret(options.proxy).length > 0 ? { envFrom: [{ secretRef: { name: PROXY_SECRET } }] } : {}),
    ports: [{ name: "health", containerPort: healthPort }],
    livenessProbe: { httpGet: { path: "/healthz", port: "health" }, initialDelaySeconds: 10, periodSeconds: 20 },
    readinessProbe: { httpGet: { path: "/readyz", port: "health" }, periodSeconds: 5 },
    resources: { requests: { cpu: "20m", memory: "96Mi" }, limits: { memory: "256Mi" } },
    securityContext: { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ["ALL"] } },
    volumeMounts: [
      { name: "data", mountPath: "/var/lib/bowline" },
      { name: "token", mountPath: "/etc/bowline", readOnly: true },
      { name: "tmp", mountPath: "/tmp" },
    ],
  };
  const pod = {
    serviceAccountName: NAME,
    terminationGracePeriodSeconds: 20,
    securityContext: { runAsNonRoot: true, runAsUser: 65_532, runAsGroup: 65_532, fsGroup: 65_532, seccompProfile: { type: "RuntimeDefault" } },
    containers: [container],
    volumes: [
      { name: "data", persistentVolumeClaim: { claimName: NAME } },
      // Optional: after the join the token is spent, and its Secret may be deleted.
      { name: "token", secret: { secretName: TOKEN_SECRET, optional: true } },
      { name: "tmp", emptyDir: { sizeLimit: "64Mi" } },
    ],
  };
  // Recreate: two agents with one identity would look like a clone, and one volume takes one writer.
  return { apiVersion: "apps/v1", kind: "Deployment", metadata: meta(NAME, true), spec: { replicas: 1, strategy: { type: "Recreate" }, selector: { matchLabels: { "app.kubernetes.io/name": NAME } }, template: { metadata: { labels }, spec: pod } } };
}

export function agentManifest(options: ManifestOptions): Doc[] {
  const restricted = { "pod-security.kubernetes.io/enforce": "restricted", "pod-security.kubernetes.io/warn": "restricted" };
  return [
    { apiVersion: "v1", kind: "Namespace", metadata: { name: AGENT_NAMESPACE, labels: { ...labels, ...restricted } } },
    { apiVersion: "v1", kind: "ServiceAccount", metadata: meta(NAME, true) },
    ...rbacManifest(),
    ...impersonation(options.isConstrained),
    ...witness(),
    { apiVersion: "v1", kind: "Secret", metadata: meta(TOKEN_SECRET, true), type: "Opaque", stringData: { token: options.token } },
    ...proxySecret(options.proxy),
    {
      apiVersion: "v1",
      kind: "PersistentVolumeClaim",
      metadata: meta(NAME, true),
      spec: { accessModes: ["ReadWriteOnce"], ...(options.storageClass === "" ? {} : { storageClassName: options.storageClass }), resources: { requests: { storage: "1Gi" } } },
    },
    // Nothing may come in but the kubelet, which network policies do not stop.
    { apiVersion: "networking.k8s.io/v1", kind: "NetworkPolicy", metadata: meta(NAME, true), spec: { podSelector: { matchLabels: { "app.kubernetes.io/name": NAME } }, policyTypes: ["Ingress"], ingress: [] } },
    deployment(options),
  ];
}

/** One JSON document a block: what `kubectl apply -f -` takes. */
export function manifestText(documents: readonly Doc[]): string {
  return documents.map((document) => `---\n${JSON.stringify(document, null, 2)}\n`).join("");
}
