// Names of objects as people type them for kubectl: KIND/NAME, with the kinds and short names that every cluster has, or KIND.VERSION.GROUP/NAME for any other. A site
// that is away cannot be asked what kinds it knows, so nothing is looked up.
import type { KubeObject, ObjectRef } from "../../shared/api.ts";
import { Fault } from "../../shared/kit/errors.ts";

/** Kind, API version, and what kubectl calls it beside the kind's own name. Without a namespace: of the whole cluster. */
const KINDS: readonly { readonly kind: string; readonly apiVersion: string; readonly names: readonly string[]; readonly isOfCluster?: true }[] = [
  { kind: "Deployment", apiVersion: "apps/v1", names: ["deployments", "deploy"] },
  { kind: "StatefulSet", apiVersion: "apps/v1", names: ["statefulsets", "sts"] },
  { kind: "DaemonSet", apiVersion: "apps/v1", names: ["daemonsets", "ds"] },
  { kind: "ReplicaSet", apiVersion: "apps/v1", names: ["replicasets", "rs"] },
  { kind: "Pod", apiVersion: "v1", names: ["pods", "po"] },
  { kind: "Service", apiVersion: "v1", names: ["services", "svc"] },
  { kind: "ConfigMap", apiVersion: "v1", names: ["configmaps", "cm"] },
  { kind: "Secret", apiVersion: "v1", names: ["secrets"] },
  { kind: "ServiceAccount", apiVersion: "v1", names: ["serviceaccounts", "sa"] },
  { kind: "PersistentVolumeClaim", apiVersion: "v1", names: ["persistentvolumeclaims", "pvc"] },
  { kind: "Namespace", apiVersion: "v1", names: ["namespaces", "ns"], isOfCluster: true },
  { kind: "Node", apiVersion: "v1", names: ["nodes", "no"], isOfCluster: true },
  { kind: "PersistentVolume", apiVersion: "v1", names: ["persistentvolumes", "pv"], isOfCluster: true },
  { kind: "Job", apiVersion: "batch/v1", names: ["jobs"] },
  { kind: "CronJob", apiVersion: "batch/v1", names: ["cronjobs", "cj"] },
  { kind: "Ingress", apiVersion: "networking.k8s.io/v1", names: ["ingresses", "ing"] },
  { kind: "NetworkPolicy", apiVersion: "networking.k8s.io/v1", names: ["networkpolicies", "netpol"] },
  { kind: "HorizontalPodAutoscaler", apiVersion: "autoscaling/v2", names: ["horizontalpodautoscalers", "hpa"] },
  { kind: "PodDisruptionBudget", apiVersion: "policy/v1", names: ["poddisruptionbudgets", "pdb"] },
];

const HINT = "write KIND/NAME, as deployment/web or cm/settings; any other kind as Kind.version.group/NAME, as Certificate.v1.cert-manager.io/shop";

/** `KIND/NAME`. Fault USAGE for a kind that is not known by that name. */
export function parseRef(text: string, namespace: string): ObjectRef {
  const [kindText = "", name = "", ...rest] = text.split("/");
  if (kindText === "" || name === "" || rest.length > 0) throw new Fault("USAGE", { what: `"${text.slice(0, 100)}" does not name an object`, why: "it is not KIND/NAME", hint: HINT });
  const wanted = kindText.toLowerCase();
  const known = KINDS.find(({ kind, names }) => kind.toLowerCase() === wanted || names.includes(wanted));
  if (known !== undefined) return { apiVersion: known.apiVersion, kind: known.kind, name, ...(known.isOfCluster === true ? {} : { namespace }) };
  const [kind, version, ...group] = kindText.split(".");
  if (version === undefined || !/^v[a-z0-9]+$/.test(version) || !/^[A-Z]/.test(kind!)) throw new Fault("USAGE", { what: `the kind "${kindText.slice(0, 100)}" is not known by that name`, why: "the site is not asked what kinds it has", hint: HINT });
  return { apiVersion: group.length === 0 ? version : `${group.join(".")}/${version}`, kind: kind!, name, namespace };
}

/** What a manifest names. */
export function refOfObject({ apiVersion, kind, metadata }: KubeObject): ObjectRef {
  return { apiVersion, kind, name: metadata.name, ...(metadata.namespace === undefined ? {} : { namespace: metadata.namespace }) };
}
