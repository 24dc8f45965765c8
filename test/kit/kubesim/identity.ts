// Who asks, and as whom: bearer tokens against the list of this run, then the impersonation headers, which are honoured and kept
// for the audit ring. Refuses impersonation by a user who may not, and groups without a user, in the API server's words.
import type { IncomingHttpHeaders } from "node:http";
import { StatusError } from "./status.ts";
import type { Settings } from "./world.ts";

export interface User {
  readonly name: string;
  readonly groups: readonly string[];
  readonly uid?: string;
  readonly extra?: Readonly<Record<string, readonly string[]>>;
  /** Default true: kubesim is kind unless a test asks otherwise. */
  readonly mayImpersonate?: boolean;
}

/** What an authorizer decides about. */
export interface Attributes {
  readonly verb: string;
  readonly group: string;
  readonly resource: string;
  readonly subresource: string;
  readonly namespace: string;
  readonly name: string;
  /** For addresses that are no resource, as /version. */
  readonly path: string;
}

export interface Caller {
  readonly user: User;
  /** Set when headers asked for another identity. */
  readonly impersonated: User | null;
}

const anyone: User = { name: "kubesim:anyone", groups: ["system:masters", "system:authenticated"] };

function bearerToken(headers: IncomingHttpHeaders): string {
  const match = /^Bearer\s+(.+)$/i.exec(headers.authorization ?? "");
  if (match !== null) return match[1]!.trim();
  const hidden = /base64url\.bearer\.authorization\.k8s\.io\.([\w-]+)/.exec(headers["sec-websocket-protocol"] ?? "");
  return hidden === null ? "" : Buffer.from(hidden[1]!, "base64url").toString("utf8");
}

function authenticated(headers: IncomingHttpHeaders, settings: Settings): User {
  const token = bearerToken(headers);
  if (settings.tokens === null) return anyone;
  const user = settings.tokens.get(token);
  if (user === undefined) throw new StatusError(401, "Unauthorized");
  return { ...user, groups: [...new Set([...user.groups, "system:authenticated"])] };
}

/** Header lines in the order they came; Node joins repeated ones, which groups must not be. */
function headerLines(rawHeaders: readonly string[], name: string): string[] {
  return rawHeaders.filter((_, index) => index % 2 === 1 && rawHeaders[index - 1]!.toLowerCase() === name);
}

function extraOf(rawHeaders: readonly string[]): Record<string, string[]> {
  const extra: Record<string, string[]> = {};
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]!.toLowerCase();
    if (!name.startsWith("impersonate-extra-")) continue;
    const key = decodeURIComponent(name.slice("impersonate-extra-".length));
    (extra[key] ??= []).push(rawHeaders[index + 1]!);
  }
  return extra;
}

export function callerOf(headers: IncomingHttpHeaders, rawHeaders: readonly string[], settings: Settings): Caller {
  const user = authenticated(headers, settings);
  const [name] = headerLines(rawHeaders, "impersonate-user");
  const groups = headerLines(rawHeaders, "impersonate-group");
  const [uid] = headerLines(rawHeaders, "impersonate-uid");
  const extra = extraOf(rawHeaders);
  if (name === undefined) {
    if (groups.length > 0 || uid !== undefined || Object.keys(extra).length > 0) {
      throw new StatusError(500, `requested ${JSON.stringify({ groups, uid, extra })} without impersonating a user`);
    }
    return { user, impersonated: null };
  }
  if (user.mayImpersonate === false) {
    throw new StatusError(403, `users "${name}" is forbidden: User "${user.name}" cannot impersonate resource "users" in API group "" at the cluster scope`, {
      details: { name, kind: "users" },
    });
  }
  const impersonated: User = { name, groups: [...new Set([...groups, "system:authenticated"])], ...(uid === undefined ? {} : { uid }), extra };
  return { user, impersonated };
}

export const effectiveUser = (caller: Caller): User => caller.impersonated ?? caller.user;

export function requireAllowed(settings: Settings, user: User, attributes: Attributes): void {
  const why = settings.authorize(user, attributes);
  if (why === null) return;
  const resource = attributes.group === "" ? attributes.resource : `${attributes.resource}.${attributes.group}`;
  const whole = attributes.subresource === "" ? attributes.resource : `${attributes.resource}/${attributes.subresource}`;
  const scope = attributes.namespace === "" ? "at the cluster scope" : `in the namespace "${attributes.namespace}"`;
  if (attributes.resource === "") {
    throw new StatusError(403, `forbidden: User "${user.name}" cannot ${attributes.verb} path "${attributes.path}"${why === "" ? "" : `: ${why}`}`, { details: {} });
  }
  const subject = `${resource} ${attributes.name === "" ? "" : `"${attributes.name}" `}`;
  throw new StatusError(
    403,
    `${subject}is forbidden: User "${user.name}" cannot ${attributes.verb} resource "${whole}" in API group "${attributes.group}" ${scope}${why === "" ? "" : `: ${why}`}`,
    { details: { ...(attributes.name === "" ? {} : { name: attributes.name }), ...(attributes.group === "" ? {} : { group: attributes.group }), kind: attributes.resource } },
  );
}
