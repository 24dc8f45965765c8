// A support bundle within its bound: one JSON document, compressed, as text. What is worth least goes first, and the document says how much of what is missing. And
// what may be in it of an object: never a value of an environment, data of a ConfigMap or Secret, or a copy of what was applied.
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import type { SupportBundle } from "../../shared/api.ts";
import { bundleCharsMax } from "../../shared/rules/outcome.ts";

type Section = "nodes" | "workloads" | "pods" | "events" | "logs";

export interface Finding {
  readonly section: Section;
  readonly item: unknown;
}

/** Octets of JSON that are compressed at once. An agent has 256 MiB in all, and ten times the bound seldom fit. */
const plainOctetsMax = 8 * 1_048_576;
const compressed = promisify(gzip);

export interface Bundle {
  readonly content: SupportBundle;
  /** The content as it travels: JSON, gzip, base64. */
  readonly bundle: string;
}

/** The most of the findings, from the first on, that fits. */
export async function fittedBundle(head: Omit<SupportBundle, Section | "leftOut">, findings: readonly Finding[]): Promise<Bundle> {
  const make = async (count: number): Promise<Bundle> => {
    const content = contentOf(head, findings, count);
    return { content, bundle: (await compressed(JSON.stringify(content))).toString("base64") };
  };
  let tooMany = countWithin(findings);
  let best = await make(tooMany);
  if (best.bundle.length <= bundleCharsMax) return best;
  best = await make(0);
  for (let fits = 0; tooMany - fits > 1; ) {
    const count = Math.floor((fits + tooMany) / 2);
    const one = await make(count);
    if (one.bundle.length > bundleCharsMax) tooMany = count;
    else {
      fits = count;
      best = one;
    }
  }
  return best;
}

/** How many of the findings may be held as one text. */
function countWithin(findings: readonly Finding[]): number {
  let left = plainOctetsMax;
  const at = findings.findIndex(({ item }) => (left -= JSON.stringify(item).length) < 0);
  return at === -1 ? findings.length : at;
}

function contentOf(head: Omit<SupportBundle, Section | "leftOut">, findings: readonly Finding[], count: number): SupportBundle {
  const sections: Record<Section, unknown[]> = { nodes: [], workloads: [], pods: [], events: [], logs: [] };
  const leftOut: Record<string, number> = {};
  for (const [index, { section, item }] of findings.entries()) {
    if (index < count) sections[section].push(item);
    else leftOut[section] = (leftOut[section] ?? 0) + 1;
  }
  return { ...head, leftOut, ...sections, logs: sections.logs as SupportBundle["logs"] };
}

const LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration";
const LEFT_OUT = "(left out)";

/** An object without what tells nothing (who manages which field, images of a node) and without what may be secret. */
export function plainObject(object: object): unknown {
  return JSON.parse(JSON.stringify(object), function (this: unknown, name: string, value: unknown) {
    if (name === "managedFields" || name === LAST_APPLIED) return undefined;
    if (name === "images" && Array.isArray(value)) return undefined; // of a node: hundreds of names
    if (name === "env" && Array.isArray(value)) return value.map((variable: Record<string, unknown>) => (variable?.["value"] === undefined ? variable : { ...variable, value: LEFT_OUT }));
    return value;
  });
}
