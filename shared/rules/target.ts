// Request targets: forwarded octet for octet behind the site's prefix, judged on what they mean. Refused in the path (never in the query,
// which may carry anything): whole segments "..", "//", "%2f", "\", ";", absolute form. Applied at the relay and again at the agent. Pure.
import { Fault } from "../kit/errors.ts";
import { shown } from "../kit/shown.ts";

const PREFIX = "/k8s/";
/** Go's and Node's own limits are far above; a target beyond this is nobody's honest request (a 20 KB exec command line is 60 KB encoded). */
export const targetCharsMax = 262_144;
/** A DNS label without "--": with it the relay marks the name of a site that is over, so nobody may choose such a one. */
export const SITE_NAME = /^(?!.*--)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

/** A site's name as it is given, taken or joined with. Fault USAGE; `hint`: the command that would be right. */
export function requireSiteName(name: unknown, hint: string): string {
  if (typeof name === "string" && SITE_NAME.test(name)) return name;
  throw new Fault("USAGE", { what: `"${shown(name, 64)}" cannot be a site's name`, why: "a name is a DNS label without --: lower case letters, digits and single - between them, at most 63 characters", hint });
}

/** A name, or a pattern with one `*`, for which some name exists. Fault USAGE. */
export function requireSitePattern(pattern: string, hint: string): string {
  const parts = pattern.split("*");
  if (parts.length <= 2 && SITE_NAME.test(parts.join("x"))) return pattern;
  throw new Fault("USAGE", { what: `"${shown(pattern, 64)}" cannot be a site's name or pattern`, why: "a name is a DNS label without --: lower case letters, digits and single - between them; a pattern has one * where the rest of the name stands", hint });
}

export interface SiteTarget {
  readonly site: string;
  /** What the API server sees: starts with "/". */
  readonly target: string;
}

/** Splits `/k8s/<site>/<rest>`; null when it is not below the prefix. A missing rest is "/". */
export function findSiteTarget(url: string): SiteTarget | null {
  if (!url.startsWith(PREFIX)) return null;
  const end = indexOfAny(url, "/?", PREFIX.length);
  const site = url.slice(PREFIX.length, end);
  const rest = url.slice(end);
  return { site, target: rest.startsWith("/") ? rest : `/${rest}` };
}

function indexOfAny(text: string, chars: string, from: number): number {
  for (let index = from; index < text.length; index += 1) if (chars.includes(text[index]!)) return index;
  return text.length;
}

/** Fault PATH_REFUSED when the target's path has a form that two readers could take for different resources. */
export function requireHonestTarget(target: string): void {
  const refuse = (why: string): never => {
    throw new Fault("PATH_REFUSED", { what: "this request path is not forwarded", why, hint: "send the plain path of the resource, as kubectl does" });
  };
  if (target.length > targetCharsMax) refuse(`it is longer than ${targetCharsMax} characters`);
  if (!target.startsWith("/")) refuse("it is not in origin form (it does not begin with /)");
  const query = target.indexOf("?");
  const path = query === -1 ? target : target.slice(0, query);
  // oxlint-disable-next-line no-control-regex -- control characters are what is refused
  if (/[\u0000-\u0020\u007f-\uffff#]/.test(target)) refuse("it holds a character that must be percent-encoded");
  if (path.includes("//")) refuse('it holds "//"');
  if (path.includes("\\") || /%5c/i.test(path)) refuse('it holds "\\"');
  if (path.includes(";") || /%3b/i.test(path)) refuse('it holds ";"');
  if (/%2f/i.test(path)) refuse('it holds an encoded "/"');
  if (/%00/.test(path)) refuse("it holds an encoded NUL");
  if (path.includes(".") || /%2e/i.test(path)) {
    for (const segment of path.split("/")) if (segment.replace(/%2e/gi, ".") === "..") refuse('it holds ".." as a segment');
  }
}
