// What the API server refuses with 422: names, labels, missing and contradicting fields of the kinds that tests and people write by
// hand. Not complete; a field no rule speaks of is allowed.
import type { Kind } from "./kinds.ts";
import { childType, rootType, structs, typeMistake, unknownFields } from "./schema.ts";
import { selectorObjectPredicate } from "./selectors.ts";
import { badRequest, forbiddenValue, invalid, invalidValue, required, type Cause } from "./status.ts";
import { branch, isSame, isTree, list, place, text, type KubeObject, type Tree } from "./tree.ts";

const subdomain = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const subdomainRule =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const label = /^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$/;
const labelRule =
  "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
/** Names of RBAC objects may hold nearly anything. */
const freeNames = new Set(["Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"]);

function metadataCauses(kind: Kind, object: KubeObject): Cause[] {
  const { name, labels = {} } = object.metadata;
  const causes: Cause[] = [];
  if (freeNames.has(kind.kind) ? /[/%]/.test(name) : !subdomain.test(name) || name.length > 253) causes.push(invalidValue("metadata.name", name, subdomainRule));
  for (const value of Object.values(labels)) {
    if (typeof value !== "string" || value.length > 63 || !label.test(value)) causes.push(invalidValue("metadata.labels", value, labelRule));
  }
  return causes;
}

function podCauses(spec: unknown, path: string, restartPolicies: readonly string[]): Cause[] {
  const causes: Cause[] = [];
  const containers = list(spec, "containers");
  if (containers.length === 0) causes.push(required(`${path}.containers`));
  for (const [index, container] of containers.entries()) {
    if (text(container, "name") === "") causes.push(required(`${path}.containers[${index}].name`));
    if (text(container, "image") === "") causes.push(required(`${path}.containers[${index}].image`));
    const mounts = list(container, "volumeMounts");
    for (const [mountIndex, mount] of mounts.entries()) {
      if (!list(spec, "volumes").some((volume) => text(volume, "name") === text(mount, "name"))) {
        causes.push({ reason: "FieldValueNotFound", message: `Not found: ${JSON.stringify(text(mount, "name"))}`, field: `${path}.containers[${index}].volumeMounts[${mountIndex}].name` });
      }
    }
  }
  const policy = text(spec, "restartPolicy");
  if (!restartPolicies.includes(policy)) {
    const wanted = restartPolicies.map((name) => JSON.stringify(name)).join(", ");
    causes.push({ reason: "FieldValueNotSupported", message: `Unsupported value: ${JSON.stringify(policy)}: supported values: ${wanted}`, field: `${path}.restartPolicy` });
  }
  return causes;
}

function workloadCauses(object: KubeObject): Cause[] {
  const causes: Cause[] = [];
  const selector = place(object, "spec", "selector");
  const template = branch(object, "spec", "template");
  const labels = branch(template, "metadata", "labels");
  if (selector === undefined) causes.push(required("spec.selector"));
  else if (!selectorObjectPredicate(selector)({ metadata: { labels } } as unknown as KubeObject)) {
    causes.push(invalidValue("spec.template.metadata.labels", labels, "`selector` does not match template `labels`"));
  }
  const replicas = place(object, "spec", "replicas");
  if (typeof replicas === "number" && replicas < 0) causes.push(invalidValue("spec.replicas", replicas, "must be greater than or equal to 0"));
  return [...causes, ...podCauses(template["spec"], "spec.template.spec", ["Always"])];
}

function serviceCauses(object: KubeObject): Cause[] {
  const ports = list(object, "spec", "ports");
  if (ports.length === 0 && text(object, "spec", "type") !== "ExternalName" && text(object, "spec", "clusterIP") !== "None") return [required("spec.ports")];
  return ports.flatMap((port, index) => {
    const value = place(port, "port");
    const isPort = typeof value === "number" && value >= 1 && value <= 65_535;
    return isPort ? [] : [invalidValue(`spec.ports[${index}].port`, value ?? 0, "must be between 1 and 65535, inclusive")];
  });
}

function kindCauses(kind: Kind, object: KubeObject): Cause[] {
  switch (kind.kind) {
    case "Pod":
      return podCauses(object["spec"], "spec", ["Always", "OnFailure", "Never"]);
    case "Deployment":
    case "ReplicaSet":
    case "StatefulSet":
    case "DaemonSet":
      return workloadCauses(object);
    case "Job":
      return podCauses(place(object, "spec", "template", "spec"), "spec.template.spec", ["OnFailure", "Never"]);
    case "Service":
      return serviceCauses(object);
    default:
      return [];
  }
}

/** Fields that may not change once the object exists. */
function frozenCauses(kind: Kind, before: KubeObject, after: KubeObject): Cause[] {
  const causes: Cause[] = [];
  const mayNotChange = (path: readonly string[]): void => {
    if (!isSame(place(before, ...path), place(after, ...path))) causes.push(invalidValue(path.join("."), place(after, ...path), "field is immutable"));
  };
  if (["Deployment", "ReplicaSet", "DaemonSet", "StatefulSet", "Job"].includes(kind.kind)) mayNotChange(["spec", "selector"]);
  if (kind.kind === "Job") mayNotChange(["spec", "template"]);
  if (["ConfigMap", "Secret"].includes(kind.kind) && before["immutable"] === true && !isSame(before["data"], after["data"])) {
    causes.push(forbiddenValue("data", "field is immutable when `immutable` is set"));
  }
  if (kind.kind === "Secret") mayNotChange(["type"]);
  if (kind.kind.endsWith("RoleBinding")) mayNotChange(["roleRef"]);
  if (kind.kind === "Pod") {
    const bare = (object: KubeObject): unknown =>
      list(object, "spec", "containers").map((container) => ({ ...(container as Tree), image: "", resources: {} }));
    if (!isSame(bare(before), bare(after)) || text(before, "spec", "restartPolicy") !== text(after, "spec", "restartPolicy")) {
      causes.push(forbiddenValue("spec", "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"));
    }
  }
  return causes;
}

export function requireValid(kind: Kind, object: KubeObject, before: KubeObject | null): void {
  const causes = [...metadataCauses(kind, object), ...(kind.isCustom ? [] : kindCauses(kind, object)), ...(before === null ? [] : frozenCauses(kind, before, object))];
  if (causes.length > 0) throw invalid(kind, object.metadata.name, causes);
}

/** Before anything is stored: does the body decode into its kind? `strictness` is the fieldValidation of the request. Answers warnings. */
export function checkDecoding(kind: Kind, body: Tree, strictness: string): string[] {
  if (kind.isCustom || !structs.has(kind.kind)) return [];
  const type = rootType(kind.kind);
  const prefix = `${kind.kind} in version ${JSON.stringify(kind.version)} cannot be handled as a ${kind.kind}: `;
  const mistake = typeMistake(body, type);
  if (mistake !== null) throw badRequest(prefix + mistake);
  if (isTree(body["metadata"]) === false && body["metadata"] !== undefined) throw badRequest(`${prefix}metadata is not an object`);
  const unknown = unknownFields(without(body, "status"), type).map((path) => `unknown field ${JSON.stringify(path)}`);
  if (strictness === "Strict" && unknown.length > 0) throw badRequest(`${prefix}strict decoding error: ${unknown.join(", ")}`);
  return strictness === "Ignore" ? [] : unknown;
}

/** The body without what the schema does not know, as typed decoding drops it. */
export function pruned(kind: Kind, body: Tree): Tree {
  if (kind.isCustom || !structs.has(kind.kind)) return body;
  return prune(body, rootType(kind.kind)) as Tree;
}

function prune(value: unknown, type: ReturnType<typeof rootType>): unknown {
  if (Array.isArray(value)) return type.kind === "list" ? value.map((item) => prune(item, type.of)) : value;
  if (!isTree(value)) return value;
  if (type.kind !== "struct" || type.name === "") return value;
  const known = structs.get(type.name);
  return Object.fromEntries(
    Object.entries(value)
      .filter(([field, child]) => known?.has(field) !== false && child !== null && child !== undefined)
      .map(([field, child]) => [field, prune(child, childType(type, field))]),
  );
}

const without = (tree: Tree, field: string): Tree => Object.fromEntries(Object.entries(tree).filter(([name]) => name !== field));
