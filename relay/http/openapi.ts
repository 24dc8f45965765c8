// The API's own description, OpenAPI 3.1, at /api/v1/openapi.json: made from the schemas and this list of what each route takes and gives. A test holds it to the routes
// and to real answers.
import type { TSchema } from "typebox";
import * as schema from "../../shared/api-schema.ts";
import type { Route } from "./api.ts";

interface Operation {
  readonly summary: string;
  readonly takes?: TSchema | readonly TSchema[];
  /** By status. */
  readonly gives: Readonly<Record<number, TSchema | readonly TSchema[]>>;
  readonly query?: Readonly<Record<string, string>>;
  readonly isPublic?: true;
  readonly isKeyed?: true;
  /** Server-sent events as well. */
  readonly isWatched?: true;
}

const command = { 200: schema.CommandView };
const FILTER = { site: "of one site", selector: "of the sites whose labels fit, as in Kubernetes", state: "in one state" };

export const OPERATIONS: Readonly<Record<string, Operation>> = {
  "POST /login": { summary: "A first-login token for a token; any other is answered as it is", takes: schema.LoginRequest, gives: { 200: schema.LoginAnswer }, isPublic: true },
  "POST /logout": { summary: "Ends the caller's token", gives: { 200: schema.Nothing } },
  "GET /whoami": { summary: "Who the caller is", gives: { 200: schema.WhoAmI } },
  "GET /operators": { summary: "Operators", gives: { 200: schema.listOf(schema.OperatorRow) } },
  "POST /operators": { summary: "Adds an operator", takes: schema.OperatorRequest, gives: { 201: schema.OperatorMade } },
  "DELETE /operators/:name": { summary: "Removes an operator with all tokens", gives: { 200: schema.Nothing } },
  "POST /operator-tokens": { summary: "Makes a token, shown once", takes: schema.OperatorTokenRequest, gives: { 201: schema.LoginAnswer } },
  "GET /operator-tokens": { summary: "Tokens that are good", gives: { 200: schema.listOf(schema.OperatorTokenRow) } },
  "DELETE /operator-tokens/:id": { summary: "Revokes one token", gives: { 200: schema.Nothing } },
  "POST /kube-login": { summary: "A token for kubeconfigs", takes: schema.KubeLoginRequest, gives: { 201: schema.KubeLoginAnswer } },
  "POST /tokens": { summary: "Makes a join token, shown once", takes: schema.JoinTokenRequest, gives: { 201: schema.JoinTokenCreated } },
  "GET /tokens": { summary: "Join tokens", gives: { 200: schema.listOf(schema.JoinTokenRow) } },
  "DELETE /tokens/:id": { summary: "Revokes a join token", gives: { 200: schema.Nothing } },
  "GET /sites": { summary: "Sites", gives: { 200: schema.listOf(schema.SiteSummary) }, query: { selector: FILTER.selector } },
  "GET /sites/:name": { summary: "All about one site", gives: { 200: schema.SiteDetail } },
  "POST /sites/:name/approve": { summary: "Lets a waiting agent in", takes: schema.ApproveRequest, gives: { 200: schema.SiteSummary } },
  "POST /sites/:name/deny": { summary: "Refuses a waiting agent", gives: { 200: schema.SiteSummary } },
  "DELETE /sites/:name": { summary: "Revokes a site", gives: { 200: schema.SiteSummary } },
  "GET /commands": {
    summary: "Commands, newest first, in pages; or their changes as server-sent events: command (id: where to go on, as Last-Event-ID or since), end (why it ended)",
    gives: { 200: schema.CommandPage },
    query: { ...FILTER, limit: "1 to 500", cursor: "next of the page before", watch: "1: changes from now on", since: "with watch: where to begin" },
    isWatched: true,
  },
  "POST /commands": { summary: "Gives an order to one site, or to many with an answer for each: 207 when not all took it", takes: [schema.CommandRequest, schema.CommandsRequest], gives: { 202: [schema.CommandView, schema.CommandResults], 207: schema.CommandResults }, isKeyed: true },
  "GET /commands/:id": { summary: "One command, with its place in line", gives: command },
  "POST /commands/:id/retry": { summary: "Gives what ended without success anew, in its place", gives: { 202: schema.CommandView } },
  "POST /commands/:id/cancel": { summary: "Takes an order back, or asks its site to", gives: command },
  "POST /commands/:id/abandon": { summary: "Gives up on it", gives: command },
  "POST /commands/:id/skip": { summary: "Lets those behind it go on", gives: command },
  "GET /restored": { summary: "What waits for a person after the relay was put back from a copy", gives: { 200: schema.RestoredView } },
  "POST /restored/confirm": { summary: "Lets what was not revoked or cancelled stand", gives: { 200: schema.RestoredView } },
  "GET /openapi.json": { summary: "This", gives: { 200: schema.Nothing }, isPublic: true },
};

export function openApiRoute(): Route {
  const body = openApi();
  return { method: "GET", path: "/openapi.json", isPublic: true, handle: async () => ({ status: 200, body }) };
}

function openApi(): Record<string, unknown> {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const [line, operation] of Object.entries(OPERATIONS)) {
    const [method = "", path = ""] = line.split(" ");
    const place = path.replaceAll(/:(\w+)/g, "{$1}");
    paths[place] = { ...paths[place], [method.toLowerCase()]: described(operation, [...path.matchAll(/:(\w+)/g)].map(([, name]) => name!)) };
  }
  return {
    openapi: "3.1.0",
    info: { title: "Bowline relay", version: "v1", description: "JSON only; members are only ever added. Errors are RFC 9457 problems." },
    servers: [{ url: "/api/v1" }],
    security: [{ operator: [] }],
    components: { securitySchemes: { operator: { type: "http", scheme: "bearer" } } },
    paths,
  };
}

function described({ summary, takes, gives, query = {}, isPublic, isKeyed, isWatched }: Operation, parts: readonly string[]): Record<string, unknown> {
  const parameters = [
    ...parts.map((name) => ({ name, in: "path", required: true, schema: { type: "string" } })),
    ...Object.entries(query).map(([name, description]) => ({ name, in: "query", description, schema: { type: "string" } })),
    ...(isKeyed === true ? [{ name: "Idempotency-Key", in: "header", description: "the same call with the same key is taken once; for many sites it completes what is missing", schema: { type: "string", minLength: 1, maxLength: 200 } }] : []),
  ];
  const answers = Object.entries(gives).map(([status, body]) => [status, { description: summary, content: { "application/json": { schema: oneOf(body) }, ...(isWatched === true ? { "text/event-stream": {} } : {}) } }]);
  return {
    summary,
    ...(isPublic === true ? { security: [] } : {}),
    parameters,
    ...(takes === undefined ? {} : { requestBody: { required: true, content: { "application/json": { schema: oneOf(takes) } } } }),
    responses: { ...Object.fromEntries(answers), default: { description: "what went wrong", content: { "application/problem+json": { schema: schema.Problem } } } },
  };
}

function oneOf(body: TSchema | readonly TSchema[]): unknown {
  return Array.isArray(body) ? { anyOf: body as readonly TSchema[] } : body;
}
