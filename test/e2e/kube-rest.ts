// The little that the e2e ring asks an API server itself, through the relay: objects by path, as JSON, with an operator's token.
import { readFileSync } from "node:fs";
import { request } from "node:https";
import { join } from "node:path";
import type { Place } from "./place.ts";

/** Where a relay is and who asks it. */
export type RelayAt = Pick<Place, "relayData" | "relayUrl" | "env">;

export interface Reply {
  readonly status: number;
  readonly body: unknown;
}

export function contextToken(place: RelayAt): string {
  const file = JSON.parse(readFileSync(place.env["BOWLINE_CONFIG"]!, "utf8")) as { current: string; contexts: { name: string; token: string }[] };
  return file.contexts.find((context) => context.name === file.current)!.token;
}

/** One request to the relay; parts instead of an address, so that the path arrives as it is written. */
export function ask(place: RelayAt, method: string, path: string, options: { readonly token?: string; readonly body?: unknown; readonly headers?: Readonly<Record<string, string>> } = {}): Promise<Reply> {
  const ca = readFileSync(join(place.relayData, "tls", "ca.crt"), "utf8");
  const token = options.token ?? contextToken(place);
  const body = options.body === undefined ? null : JSON.stringify(options.body);
  const headers = { ...options.headers, ...(token === "" ? {} : { authorization: `Bearer ${token}` }), ...(body === null ? {} : { "content-type": "application/json", "content-length": Buffer.byteLength(body) }) };
  return new Promise((resolve, reject) => {
    const asked = request({ host: "127.0.0.1", port: new URL(place.relayUrl).port, method, path, ca, headers, agent: false }, (answer) => {
      let text = "";
      answer.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
      answer.on("end", () => {
        try {
          resolve({ status: answer.statusCode!, body: text.startsWith("{") ? (JSON.parse(text) as unknown) : text });
        } catch (error) {
          reject(new Error(`${method} ${path}: ${text.length} characters that are not JSON: ${(error as Error).message}`));
        }
      });
      answer.on("error", reject);
    });
    asked.on("error", reject);
    asked.end(body ?? undefined);
  });
}

export interface Listed {
  readonly items: readonly { readonly metadata: { readonly name: string; readonly uid: string; readonly labels?: Readonly<Record<string, string>>; readonly annotations?: Readonly<Record<string, string>> }; readonly status?: { readonly phase?: string } }[];
}

export async function list(place: RelayAt, site: string, path: string): Promise<Listed> {
  const { status, body } = await ask(place, "GET", `/k8s/${site}${path}`);
  if (status !== 200) throw new Error(`${path} answered ${status}: ${JSON.stringify(body)}`);
  return body as Listed;
}

export interface CommandItem {
  readonly id: string;
  readonly state: string;
  readonly why: string;
  readonly outcome: { readonly what: string } | null;
}

export async function commands(place: RelayAt): Promise<readonly CommandItem[]> {
  const { status, body } = await ask(place, "GET", "/api/v1/commands");
  if (status !== 200) throw new Error(`commands answered ${status}`);
  return (body as { items: CommandItem[] }).items;
}
