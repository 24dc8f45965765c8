// A bounded record of every request: who, as whom, what, and how it ended. Tests read it to prove what reached the API server, and
// `openCount` to prove that a killed client freed it.
import type { IncomingHttpHeaders } from "node:http";
import type { User } from "./identity.ts";

export interface AuditEntry {
  readonly number: number;
  readonly atMs: number;
  readonly method: string;
  /** The request target as it came, byte for byte. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  verb: string;
  resource: string;
  namespace: string;
  name: string;
  user: string;
  impersonated: User | null;
  /** 0 until a head was written. */
  status: number;
  /** open: still under way · complete: answered in full · aborted: the client left or a fault cut it. */
  outcome: "open" | "complete" | "aborted";
}

const entriesMax = 10_000;
/** Never credentials: Authorization is kept as its scheme only. */
const keptHeaders = ["accept", "content-type", "content-length", "transfer-encoding", "user-agent", "upgrade", "host", "audit-id", "x-forwarded-for", "cookie", "sec-websocket-protocol", "x-stream-protocol-version", "kubectl-command"];

function headersSubset(headers: IncomingHttpHeaders): Record<string, string> {
  const subset: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined && (keptHeaders.includes(name) || name.startsWith("impersonate-"))) subset[name] = String(value);
  }
  if (headers.authorization !== undefined) subset["authorization"] = headers.authorization.split(" ")[0]!;
  if (subset["sec-websocket-protocol"]?.includes("bearer") === true) subset["sec-websocket-protocol"] = subset["sec-websocket-protocol"].replace(/(base64url\.bearer\.\S+?\.)[\w-]+$|(base64url\.bearer\.authorization\.k8s\.io\.)[\w-]+/, "$1$2...");
  return subset;
}

export class Audit {
  #entries: AuditEntry[] = [];
  #next = 1;
  #open = 0;
  readonly #waiters = new Set<() => void>();

  begin(atMs: number, method: string, path: string, headers: IncomingHttpHeaders): AuditEntry {
    const entry: AuditEntry = {
      number: this.#next++,
      atMs,
      method,
      path,
      headers: headersSubset(headers),
      verb: method.toLowerCase(),
      resource: "",
      namespace: "",
      name: "",
      user: "",
      impersonated: null,
      status: 0,
      outcome: "open",
    };
    this.#entries.push(entry);
    if (this.#entries.length > entriesMax) this.#entries.splice(0, this.#entries.length - entriesMax);
    this.#open += 1;
    this.#wake();
    return entry;
  }

  end(entry: AuditEntry, outcome: "complete" | "aborted"): void {
    if (entry.outcome !== "open") return;
    entry.outcome = outcome;
    this.#open -= 1;
    this.#wake();
  }

  get openCount(): number {
    return this.#open;
  }

  entries(): readonly AuditEntry[] {
    return this.#entries;
  }

  /** Resolves once `holds` is true of the record; looks again whenever a request begins or ends. */
  async until(holds: (audit: Audit) => boolean, signal: AbortSignal): Promise<void> {
    while (!holds(this)) {
      signal.throwIfAborted();
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          this.#waiters.delete(wake);
          signal.removeEventListener("abort", wake);
          resolve();
        };
        this.#waiters.add(wake);
        signal.addEventListener("abort", wake, { once: true });
      });
    }
  }

  clear(): void {
    this.#entries = [];
  }

  #wake(): void {
    for (const waiter of Array.from(this.#waiters)) waiter();
  }
}
