// The table of what kubesim serves, and the registry that CustomResourceDefinitions add to. One row: group/version, plural,
// Kind, short names, and marks (n = lives in a namespace, s = has a status subresource, c = has scale, a = category "all").
// Discovery, routing, OpenAPI and the store read this table; a kind that is not here does not exist.

export interface Kind {
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly singular: string;
  readonly kind: string;
  readonly namespaced: boolean;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly hasStatus: boolean;
  readonly hasScale: boolean;
  /** Served from a CustomResourceDefinition: lists are atomic, strategic merge patches are refused. */
  readonly isCustom: boolean;
  /** The CRD's own schema and printer columns. */
  readonly schema?: unknown;
  readonly columns?: unknown;
}

const table = `
v1                              namespaces                Namespace                s    ns
v1                              nodes                     Node                     s    no
v1                              pods                      Pod                      nsa  po
v1                              services                  Service                  nsa  svc
v1                              configmaps                ConfigMap                n    cm
v1                              secrets                   Secret                   n
v1                              serviceaccounts           ServiceAccount           n    sa
v1                              events                    Event                    n    ev
v1                              endpoints                 Endpoints                n    ep
v1                              persistentvolumeclaims    PersistentVolumeClaim    ns   pvc
v1                              persistentvolumes         PersistentVolume         s    pv
v1                              replicationcontrollers    ReplicationController    nsca rc
v1                              resourcequotas            ResourceQuota            ns   quota
v1                              limitranges               LimitRange               n    limits
apps/v1                         deployments               Deployment               nsca deploy
apps/v1                         replicasets               ReplicaSet               nsca rs
apps/v1                         statefulsets              StatefulSet              nsca sts
apps/v1                         daemonsets                DaemonSet                nsa  ds
apps/v1                         controllerrevisions       ControllerRevision       n
batch/v1                        jobs                      Job                      nsa
batch/v1                        cronjobs                  CronJob                  nsa  cj
batch/v1beta1                   cronjobs                  CronJob                  nsa  cj
rbac.authorization.k8s.io/v1    clusterroles              ClusterRole              -
rbac.authorization.k8s.io/v1    clusterrolebindings       ClusterRoleBinding       -
rbac.authorization.k8s.io/v1    roles                     Role                     n
rbac.authorization.k8s.io/v1    rolebindings              RoleBinding              n
coordination.k8s.io/v1          leases                    Lease                    n
networking.k8s.io/v1            ingresses                 Ingress                  ns   ing
networking.k8s.io/v1            ingressclasses            IngressClass             -
networking.k8s.io/v1            networkpolicies           NetworkPolicy            n    netpol
policy/v1                       poddisruptionbudgets      PodDisruptionBudget      ns   pdb
autoscaling/v2                  horizontalpodautoscalers  HorizontalPodAutoscaler  nsa  hpa
storage.k8s.io/v1               storageclasses            StorageClass             -    sc
scheduling.k8s.io/v1            priorityclasses           PriorityClass            -    pc
discovery.k8s.io/v1             endpointslices            EndpointSlice            n
apiextensions.k8s.io/v1         customresourcedefinitions CustomResourceDefinition s    crd,crds
`;

function parseRow(row: string): Kind {
  const [groupVersion = "", plural = "", kind = "", marks = "", shortNames = ""] = row.split(/\s+/);
  const slash = groupVersion.indexOf("/");
  return {
    group: slash < 0 ? "" : groupVersion.slice(0, slash),
    version: groupVersion.slice(slash + 1),
    plural,
    singular: kind.toLowerCase(),
    kind,
    namespaced: marks.includes("n"),
    shortNames: shortNames === "" ? [] : shortNames.split(","),
    categories: marks.includes("a") ? ["all"] : [],
    hasStatus: marks.includes("s"),
    hasScale: marks.includes("c"),
    isCustom: false,
  };
}

const builtInKinds: readonly Kind[] = table.trim().split("\n").map(parseRow);

export const groupVersionOf = (kind: Pick<Kind, "group" | "version">): string => (kind.group === "" ? kind.version : `${kind.group}/${kind.version}`);

/** Verbs that every stored resource takes, in the order the real discovery lists them. */
export const storedVerbs = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"] as const;

/** Review resources: POST only, nothing is stored. */
export const reviewKinds = [
  { group: "authorization.k8s.io", version: "v1", plural: "selfsubjectaccessreviews", kind: "SelfSubjectAccessReview" },
  { group: "authorization.k8s.io", version: "v1", plural: "selfsubjectrulesreviews", kind: "SelfSubjectRulesReview" },
  { group: "authorization.k8s.io", version: "v1", plural: "subjectaccessreviews", kind: "SubjectAccessReview" },
  { group: "authentication.k8s.io", version: "v1", plural: "selfsubjectreviews", kind: "SelfSubjectReview" },
  { group: "authentication.k8s.io", version: "v1", plural: "tokenreviews", kind: "TokenReview" },
] as const;

export type ReviewKind = (typeof reviewKinds)[number];

export class KindRegistry {
  readonly #kinds: Kind[] = [...builtInKinds];

  all(): readonly Kind[] {
    return this.#kinds;
  }

  find(group: string, version: string, plural: string): Kind | null {
    return this.#kinds.find((kind) => kind.plural === plural && kind.group === group && kind.version === version) ?? null;
  }

  /** By plural, Kind, singular or short name, as a person would say it; the first row wins. */
  named(word: string): Kind | null {
    const lower = word.toLowerCase();
    const [plural = "", ...group] = lower.split(".");
    return (
      this.#kinds.find((kind) => kind.plural === plural && kind.group === group.join(".")) ??
      this.#kinds.find((kind) => [kind.plural, kind.singular, ...kind.shortNames].includes(lower)) ??
      null
    );
  }

  ofObject(apiVersion: string, kindName: string): Kind | null {
    return this.#kinds.find((kind) => kind.kind === kindName && groupVersionOf(kind) === apiVersion) ?? null;
  }

  add(kind: Kind): void {
    this.remove(kind);
    this.#kinds.push(kind);
  }

  remove(kind: Pick<Kind, "group" | "version" | "plural">): void {
    const index = this.#kinds.findIndex((other) => other.plural === kind.plural && other.group === kind.group && other.version === kind.version);
    if (index >= 0 && this.#kinds[index]!.isCustom) this.#kinds.splice(index, 1);
  }
}
