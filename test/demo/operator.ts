// The demo's operator: logs in to the relay with its first-login token and does over the HTTP API what a person does with the command line: join tokens, approvals,
// a kubeconfig. Keeps its login in the demo's own config file, so that nobody's real one is touched.
import { readFileSync } from "node:fs";
import { request } from "node:https";
import { dirname, join } from "node:path";
import type { SiteDetail } from "../../shared/api.ts";
import type { JoinTokenCreated } from "../../shared/api-people.ts";
import { pause, systemClock } from "../../shared/kit/clock.ts";
import { Fault } from "../../shared/kit/errors.ts";
import { noProxySettings } from "../../shared/kit/dial.ts";
import { kubeLogin, login } from "../../relay/cli/login.ts";
import { Run } from "../../relay/cli/run.ts";

/** kubectl's token: a demo is left running for days at most. */
const kubeTokenMs = 30 * 86_400_000;
/** The relay answers from memory or its database; nothing here announces itself. */
const pollMs = 50;
const kubeAnswerMs = 15_000;

export class Operator {
  readonly configFile: string;
  readonly #run: Run;

  constructor(configFile: string, signal: AbortSignal) {
    this.configFile = configFile;
    const terminal = { out: () => {}, say: () => {}, isInteractive: false };
    this.#run = new Run({ terminal, format: "table", contextFile: configFile, contextName: "", configDir: dirname(configFile), proxy: noProxySettings, signal });
  }

  async login(server: string, relayDir: string): Promise<void> {
    await login(this.#run, server, { caFile: join(relayDir, "tls", "ca.crt"), token: readFileSync(join(relayDir, "first-login"), "utf8").trim(), name: "demo" });
  }

  async joinToken(name: string, labels: Readonly<Record<string, string>>, url: string): Promise<string> {
    const { token } = await this.#run.client().post<JoinTokenCreated>("/tokens", { name, labels, urls: [url] });
    return token;
  }

  async approve(name: string, code: string): Promise<void> {
    await this.#run.client().post(`/sites/${name}/approve`, { code });
  }

  site(name: string): Promise<SiteDetail> {
    return this.#run.client().get<SiteDetail>(`/sites/${name}`);
  }

  /** The site's record once `holds` is true of it; as it is after `timeoutMs`. */
  async siteOnce(name: string, timeoutMs: number, holds: (site: SiteDetail) => boolean): Promise<SiteDetail> {
    const untilMs = systemClock.monoMs() + timeoutMs;
    for (;;) {
      const site = await this.site(name);
      if (holds(site) || systemClock.monoMs() > untilMs) return site;
      await pause(systemClock, pollMs, this.#run.signal);
    }
  }

  async writeKubeconfig(file: string): Promise<void> {
    await kubeLogin(this.#run, { sites: [], ttlMs: kubeTokenMs, file });
  }

  /** HTTP status of a small read in the cluster, as this operator: 403 means that the cluster does not know the operator's roles. */
  kubeStatus(site: string): Promise<number> {
    const { server, ca, token } = this.#run.context();
    return new Promise((resolve, reject) => {
      const options = { agent: false, headers: { authorization: `Bearer ${token}` }, signal: AbortSignal.any([this.#run.signal, AbortSignal.timeout(kubeAnswerMs)]), ...(ca === null ? {} : { ca }) };
      const asked = request(`${server}/k8s/${site}/api/v1/namespaces?limit=1`, options, (answer) => {
        answer.resume();
        resolve(answer.statusCode ?? 0);
      });
      asked.once("error", (error) => reject(new Fault("RELAY_UNREACHABLE", { what: `the demo's relay did not answer about ${site}`, why: error.message, cause: error })));
      asked.end();
    });
  }

  close(): Promise<void> {
    return this.#run.close();
  }
}
