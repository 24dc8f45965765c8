// Label and field selectors as queries carry them, parsed into predicates. A selector that cannot be parsed, or a field that the kind
// does not select by, is a 400 in the API server's words.
import { badRequest } from "./status.ts";
import { place, type KubeObject } from "./tree.ts";

export type Predicate = (object: KubeObject) => boolean;

interface Requirement {
  readonly key: string;
  readonly values: readonly string[];
  readonly operator: "in" | "notIn" | "exists" | "absent";
}

const labelPattern =
  /^\s*(?:(?<absent>!)\s*(?<absentKey>[^\s!=(),]+)|(?<setKey>[^\s!=(),]+)\s+(?<not>not)?in\s*\((?<set>[^)]*)\)|(?<key>[^\s!=(),]+)\s*(?:(?<operator>==|=|!=)\s*(?<value>[^\s,()]*))?)\s*(?:,|$)/;

function parseLabelSelector(source: string): Requirement[] {
  const requirements: Requirement[] = [];
  let rest = source;
  while (rest.trim() !== "") {
    const match = labelPattern.exec(rest);
    if (match === null) throw badRequest(`unable to parse requirement: found '${rest.trim()}', expected: a selector`);
    requirements.push(requirementOf(match.groups!));
    rest = rest.slice(match[0].length);
  }
  return requirements;
}

function requirementOf(parts: Record<string, string | undefined>): Requirement {
  if (parts["absent"] !== undefined) return { key: parts["absentKey"]!, values: [], operator: "absent" };
  if (parts["setKey"] !== undefined) {
    const values = parts["set"]!.split(",").map((value) => value.trim());
    return { key: parts["setKey"], values, operator: parts["not"] === undefined ? "in" : "notIn" };
  }
  if (parts["operator"] === undefined) return { key: parts["key"]!, values: [], operator: "exists" };
  return { key: parts["key"]!, values: [parts["value"] ?? ""], operator: parts["operator"] === "!=" ? "notIn" : "in" };
}

function holds(requirement: Requirement, labels: Readonly<Record<string, string>>): boolean {
  const value = labels[requirement.key];
  switch (requirement.operator) {
    case "exists":
      return value !== undefined;
    case "absent":
      return value === undefined;
    case "in":
      return value !== undefined && requirement.values.includes(value);
    case "notIn":
      return value === undefined || !requirement.values.includes(value);
  }
}

function labelPredicate(source: string): Predicate {
  const requirements = parseLabelSelector(source);
  return (object) => requirements.every((requirement) => holds(requirement, object.metadata.labels ?? {}));
}

/** The fields each kind selects by, beside metadata.name and metadata.namespace. */
const fieldsOfKind: Readonly<Record<string, readonly string[]>> = {
  Pod: ["spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName", "spec.hostNetwork", "status.phase", "status.podIP", "status.nominatedNodeName"],
  Event: ["involvedObject.kind", "involvedObject.namespace", "involvedObject.name", "involvedObject.uid", "involvedObject.apiVersion", "involvedObject.resourceVersion", "involvedObject.fieldPath", "reason", "reportingComponent", "source", "type"],
  Secret: ["type"],
  Namespace: ["status.phase"],
  Node: ["spec.unschedulable"],
  Job: ["status.successful"],
  ReplicaSet: ["status.replicas"],
  Service: ["spec.clusterIP", "spec.type"],
};

function fieldText(object: KubeObject, field: string): string {
  const value = place(object, ...field.split("."));
  if (field === "spec.unschedulable" || field === "spec.hostNetwork") return String(value ?? false);
  return value === undefined || value === null ? "" : String(value);
}

function fieldPredicate(source: string, kind: string): Predicate {
  const allowed = ["metadata.name", "metadata.namespace", ...(fieldsOfKind[kind] ?? [])];
  const terms = source.split(",").filter((term) => term.trim() !== "");
  const checks = terms.map((term): Predicate => {
    const match = /^\s*([^!=\s]+)\s*(==|=|!=)\s*(.*?)\s*$/.exec(term);
    if (match === null) throw badRequest(`invalid selector: '${term}'; can't understand '${term}'`);
    const [, field = "", operator = "", wanted = ""] = match;
    if (!allowed.includes(field)) throw badRequest(`field label not supported: ${field}`);
    return (object) => (fieldText(object, field) === wanted) === (operator !== "!=");
  });
  return (object) => checks.every((check) => check(object));
}

/** The predicate of one list or watch request. */
export function selection(query: URLSearchParams, kind: string): Predicate {
  const labels = labelPredicate(query.get("labelSelector") ?? "");
  const fields = fieldPredicate(query.get("fieldSelector") ?? "", kind);
  return (object) => labels(object) && fields(object);
}

/** A LabelSelector object (matchLabels and matchExpressions), as controllers use it. */
export function selectorObjectPredicate(selector: unknown): Predicate {
  const terms = Object.entries((place(selector, "matchLabels") ?? {}) as Record<string, string>).map(
    ([key, value]): Requirement => ({ key, values: [value], operator: "in" }),
  );
  const operators: Record<string, Requirement["operator"]> = { In: "in", NotIn: "notIn", Exists: "exists", DoesNotExist: "absent" };
  for (const expression of (place(selector, "matchExpressions") ?? []) as { key: string; operator: string; values?: string[] }[]) {
    terms.push({ key: expression.key, values: expression.values ?? [], operator: operators[expression.operator] ?? "exists" });
  }
  return (object) => terms.every((term) => holds(term, object.metadata.labels ?? {}));
}
