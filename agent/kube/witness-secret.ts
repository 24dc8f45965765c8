// The agent's witness in its own cluster: one Secret by name, beside the agent, which survives the loss and the putting back of its volume. The only object that the
// agent reads and writes as itself; its Role names this one and allows nothing else.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Fault } from "../../shared/kit/errors.ts";
import { SERVICE_ACCOUNT_DIR } from "./access.ts";
import { statusFault, type KubeObjects } from "./objects.ts";

/** Also in manifest.ts. */
const WITNESS_SECRET = "bowline-agent-witness";
/** An API server that keeps every version pays for each write. */
const everyMs = 30_000;
const callMs = 10_000;

interface SecretBody {
  readonly data?: Readonly<Record<string, string>>;
}

export function secretWitness(objects: Pick<KubeObjects, "call">, serviceAccountDir = SERVICE_ACCOUNT_DIR) {
  const path = (): string => `/api/v1/namespaces/${encodeURIComponent(ownNamespace(serviceAccountDir))}/secrets/${WITNESS_SECRET}`;
  return {
    name: "secret" as const,
    everyMs,
    read: async (): Promise<string | null> => {
      const answer = await objects.call({ method: "GET", path: path(), as: "itself", signal: AbortSignal.timeout(callMs) });
      if (answer.status !== 200) throw notThere(answer);
      const text = (answer.body as SecretBody).data?.["witness"];
      return text === undefined ? null : Buffer.from(text, "base64").toString("utf8");
    },
    write: async (text: string): Promise<void> => {
      const body = { data: { witness: Buffer.from(text).toString("base64") } };
      const answer = await objects.call({ method: "PATCH", path: path(), as: "itself", body, contentType: "application/merge-patch+json", signal: AbortSignal.timeout(callMs) });
      if (answer.status !== 200) throw notThere(answer);
    },
  };
}

function ownNamespace(dir: string): string {
  try {
    return readFileSync(join(dir, "namespace"), "utf8").trim();
  } catch (error) {
    throw new Fault("FILE_MISSING", { what: "the agent does not know its own namespace", why: (error as Error).message, cause: error });
  }
}

function notThere(answer: { readonly status: number; readonly body: unknown }): Fault {
  const fault = statusFault(answer, `the Secret ${WITNESS_SECRET} cannot be used`);
  return new Fault(fault.code, { what: fault.message, why: fault.why, hint: "apply the agent's manifest of this version again: bowline agent manifest --token TOKEN | kubectl apply -f -" });
}
