// The join token: everything an agent needs to find and recognise its relay, in one text that survives a chat window. Form:
// "bwl1." + base64url JSON + "." + 8 hex digits of its SHA-256. Refuses what is cut short or mistyped, and says so. Contains a secret.
import { Fault } from "../kit/errors.ts";
import { parseKey, sha256 } from "../kit/keys.ts";
import { shown } from "../kit/shown.ts";

export interface JoinToken {
  readonly urls: readonly string[];
  /** Identity keys the relay may prove: current and spare. */
  readonly identity: readonly string[];
  /** How the relay's TLS is judged. */
  readonly tls: { readonly kind: "pin"; readonly pins: readonly string[] } | { readonly kind: "ca"; readonly ca: string } | { readonly kind: "webpki" };
  /** Hex hash of trust document version 1. */
  readonly trustRoot: string;
  readonly id: string;
  /** 32 octets, base64url. */
  readonly secret: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly tier: string;
  readonly setting: "relayed" | "sealed";
  readonly binding: "exporter" | "none";
  /** Ms since 1970. */
  readonly expires: number;
  readonly uses: number;
}

const PREFIX = "bwl1.";
const checkChars = 8;
/** A token with an enclosed CA is some 2 KiB. */
const tokenCharsMax = 16_384;

export function joinTokenText(token: JoinToken): string {
  const json = Buffer.from(JSON.stringify(token)).toString("base64url");
  return `${PREFIX}${json}.${check(json)}`;
}

function check(json: string): string {
  return sha256(json).toString("hex").slice(0, checkChars);
}

/** Fault JOIN_TOKEN_MALFORMED that says what is wrong with the text. Expiry is the relay's to judge: a site's clock may be wrong. */
export function parseJoinToken(text: string): JoinToken {
  const trimmed = text.trim();
  const refuse = (why: string): Fault => new Fault("JOIN_TOKEN_MALFORMED", { what: "this is not a whole join token", why, hint: "copy the whole line that `bowline token create` printed, or make a new one" });
  if (trimmed === "") throw refuse("it is empty");
  if (trimmed.length > tokenCharsMax) throw refuse(`it has ${trimmed.length} characters, at most ${tokenCharsMax} are possible`);
  if (!trimmed.startsWith(PREFIX)) throw refuse(PREFIX.startsWith(trimmed.slice(0, PREFIX.length)) ? "it is cut short after its first characters" : `it does not begin with "${PREFIX}"`);
  const cut = trimmed.lastIndexOf(".");
  const json = trimmed.slice(PREFIX.length, cut);
  const digits = trimmed.slice(cut + 1);
  if (cut < PREFIX.length || !/^[0-9a-f]{8}$/.test(digits)) throw refuse(`it is cut short: it has ${trimmed.length} characters and does not end in "." and ${checkChars} check digits`);
  if (check(json) !== digits) throw refuse("its check digits do not fit: a character is missing or mistyped");
  let token: JoinToken;
  try {
    token = JSON.parse(Buffer.from(json, "base64url").toString("utf8")) as JoinToken;
  } catch {
    throw refuse("its content cannot be read");
  }
  return requireToken(token, refuse);
}

const isText = (value: unknown): value is string => typeof value === "string" && value !== "";
const areTexts = (value: unknown): boolean => Array.isArray(value) && value.length > 0 && value.every(isText);

/** What is said of TLS is whole: pins to compare with, or an authority. */
function saysTls(tls: unknown): boolean {
  const { kind, pins, ca } = (tls ?? {}) as { kind?: unknown; pins?: unknown; ca?: unknown };
  return kind === "webpki" || (kind === "pin" && areTexts(pins)) || (kind === "ca" && isText(ca));
}

function requireToken(token: JoinToken | null, refuse: (why: string) => Fault): JoinToken {
  if (typeof token !== "object" || token === null) throw refuse("its content is not an object");
  if (!areTexts(token.urls) || !token.urls.every((url) => url.startsWith("https://"))) throw refuse("it names no relay address");
  if (!Array.isArray(token.identity) || token.identity.length === 0) throw refuse("it names no identity key of the relay");
  for (const key of token.identity) parseKey("ed25519", key);
  if (!saysTls(token.tls)) throw refuse("it does not say how the relay's certificate is judged");
  if (!isText(token.trustRoot) || !/^[0-9a-f]{64}$/.test(token.trustRoot)) throw refuse("it names no trust root");
  if (!isText(token.id) || !isText(token.secret) || Buffer.from(token.secret, "base64url").length !== 32) throw refuse("its secret is missing");
  if (typeof token.name !== "string" || !isText(token.tier)) throw refuse("it has no name or tier");
  if (typeof token.labels !== "object" || token.labels === null || !Object.values(token.labels).every((value) => typeof value === "string")) throw refuse("its labels are not texts");
  if (token.setting !== "relayed") throw refuse(`it asks for the setting "${shown(token.setting)}", which this version does not have`);
  if (token.binding !== "exporter" && token.binding !== "none") throw refuse("it does not say how it is bound to TLS");
  if (!Number.isSafeInteger(token.expires) || !Number.isSafeInteger(token.uses)) throw refuse("it has no expiry, or no number of uses");
  return token;
}
