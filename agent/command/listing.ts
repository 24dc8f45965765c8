// Lists of what is in the cluster, page by page and with a ceiling, and the labels that choose from them: for commands that look before they act. A page that
// cannot be read ends the list; a list that the API server has forgotten half-way is asked for again with the command.
import { Fault } from "../../shared/kit/errors.ts";
import type { Impersonation } from "../kube/policy.ts";
import type { Cluster } from "./cluster.ts";

/** Objects of one answer: an answer has 16 MiB at most, and a pod 20 KB or so. */
const pageItems = 250;

export interface Wanted {
  /** The collection's path. */
  readonly path: string;
  /** `labelSelector`, `fieldSelector`. */
  readonly query?: Readonly<Record<string, string>>;
  readonly itemsMax: number;
  readonly as: Impersonation;
  readonly signal: AbortSignal;
}

export interface Listed<Item> {
  readonly items: readonly Item[];
  /** There were more than the ceiling. */
  readonly isCut: boolean;
}

/** Faults: the API server's refusals as statusFault says them, API_SERVER_BROKE. */
export async function listAll<Item>({ objects, statusFault }: Cluster, { path, query = {}, itemsMax, as, signal }: Wanted): Promise<Listed<Item>> {
  const items: Item[] = [];
  for (let next = ""; ; ) {
    const limit = String(Math.min(pageItems, itemsMax));
    const asked = new URLSearchParams({ ...query, limit, ...(next === "" ? {} : { continue: next }) });
    const answer = await objects.call({ method: "GET", path: `${path}?${asked.toString()}`, as, signal });
    if (answer.status === 410) throw new Fault("API_SERVER_BROKE", { what: `${path} could not be listed to its end`, why: "the API server has forgotten where the list was", hint: "nothing: it is asked again" });
    if (answer.status !== 200) throw statusFault(answer, `${path} could not be listed`);
    const page = answer.body as { items?: Item[]; metadata?: { continue?: string } };
    items.push(...(page.items ?? []));
    next = page.metadata?.continue ?? "";
    if (next === "" || items.length >= itemsMax) return { items: items.slice(0, itemsMax), isCut: next !== "" || items.length > itemsMax };
  }
}

interface LabelSelector {
  readonly matchLabels?: Readonly<Record<string, string>>;
  readonly matchExpressions?: readonly { readonly key: string; readonly operator: string; readonly values?: readonly string[] }[];
}

/** A workload's selector as a query carries it. */
export function selectorText({ matchLabels = {}, matchExpressions = [] }: LabelSelector): string {
  const words: Readonly<Record<string, string>> = { In: "in", NotIn: "notin" };
  const equal = Object.entries(matchLabels).map(([key, value]) => `${key}=${value}`);
  const others = matchExpressions.map(({ key, operator, values = [] }) => (operator === "Exists" ? key : operator === "DoesNotExist" ? `!${key}` : `${key} ${words[operator] ?? operator} (${values.join(",")})`));
  return [...equal, ...others].join(",");
}
