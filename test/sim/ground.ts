// What every run begins with: a relay that was set up, sites that joined and were approved, as database files that each run gets a copy of. Made once a process, by the
// product's own operations.
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { RelayRecord } from "../../agent/folder.ts";
import * as agentModule from "../../agent/store/operations.ts";
import * as relayModule from "../../relay/store/operations.ts";
import { boxKeysOf, sha256, signingKeysOf, siteIdOf, type KeyPair } from "../../shared/kit/keys.ts";
import { openStoreInline } from "../../shared/kit/store.ts";
import { sealSiteStatement } from "../../shared/trust/site-statement.ts";
import { firstTrustDocument, sealTrustDocument, trustRootHash } from "../../shared/trust/trust-document.ts";
import { epochMs } from "./world.ts";

export interface GroundSite {
  readonly name: string;
  readonly id: string;
  readonly keys: { readonly sign: KeyPair; readonly box: KeyPair };
}

const keysFor = (name: string): KeyPair => signingKeysOf(sha256(`simulated ${name}`));

export class Ground {
  readonly relayKeys = { identity: keysFor("identity"), command: keysFor("command"), root: keysFor("root") };
  readonly sites: readonly GroundSite[];
  readonly relay: RelayRecord;
  /** In memory where there is such a place: a run commits thousands of times, and what a disk does to a commit is proved elsewhere. */
  readonly #dir = mkdtempSync(join(isFolder("/dev/shm") ? "/dev/shm" : tmpdir(), "bowline-sim-"));
  readonly #trust: Buffer;
  #runs = 0;

  private constructor(names: readonly string[]) {
    const document = firstTrustDocument(this.relayKeys.root, this.relayKeys.command.publicKey, epochMs);
    this.#trust = sealTrustDocument(document, [this.relayKeys.root], epochMs);
    this.relay = { urls: ["https://relay.test"], identity: [this.relayKeys.identity.publicKey], tls: { kind: "webpki" }, trustRoot: trustRootHash(document), binding: "none" };
    this.sites = names.map((name) => {
      const sign = keysFor(`sign ${name}`);
      return { name, id: siteIdOf(sign.publicKey), keys: { sign, box: boxKeysOf(sha256(`box ${name}`)) } };
    });
  }

  static async make(names: readonly string[]): Promise<Ground> {
    const ground = new Ground(names);
    await ground.#makeRelay();
    for (const site of ground.sites) await ground.#makeAgent(site, `${site.name}.db`, `epoch-${site.name}`, 1);
    return ground;
  }

  async #makeRelay(): Promise<void> {
    const store = openStoreInline<relayModule.RelayOperations>({ file: join(this.#dir, "relay.db"), module: relayModule });
    await store.call("putTrust", { version: 1, envelope: this.#trust, nowMs: epochMs });
    await store.call("addOperator", { name: "ann", tier: "admin", nowMs: epochMs });
    for (const site of this.sites) {
      const token = `t-${site.name}`;
      await store.call("putJoinToken", { id: token, secret: Buffer.alloc(32), name: site.name, labels: "{}", tier: "admin", binding: "none", uses: 1, operator: "ann", nowMs: epochMs, expiresMs: epochMs + 3_600_000 });
      await store.call("joinSite", { token, site: site.id, signKey: site.keys.sign.publicKey, boxKey: site.keys.box.publicKey, name: site.name, labels: {}, boot: "joining", dial: 0, fence: 0, nowMs: epochMs });
      await store.call("approveSite", { id: site.id, name: site.name, statement: this.#statement(site), operator: "ann", nowMs: epochMs });
    }
    await store.close();
  }

  #statement(site: GroundSite): Buffer {
    const { id, name, keys } = site;
    return sealSiteStatement({ site: id, version: 1, name, signKey: keys.sign.publicKey, boxKey: keys.box.publicKey, tier: "admin", setting: "relayed", epoch: 1, labels: {} }, this.relayKeys.command, 1, epochMs);
  }

  async #makeAgent(site: GroundSite, file: string, agentEpoch: string, dial: number): Promise<void> {
    const store = openStoreInline<agentModule.AgentOperations>({ file: join(this.#dir, file), module: agentModule });
    const facts = { relay: JSON.stringify(this.relay), agentEpoch, name: site.name, site: site.id, relayEpoch: "1", statement: this.#statement(site).toString("base64url") };
    await store.call("draw", { name: "dial", count: dial });
    await store.call("takeWelcome", { documents: [{ version: 1, envelope: this.#trust }], facts });
    await store.close();
  }

  /** A folder with fresh copies, and what removes it. */
  copy(): { readonly dir: string; remove(): void } {
    const dir = join(this.#dir, `run-${(this.#runs += 1)}`);
    mkdirSync(dir);
    for (const name of ["relay", ...this.sites.map((site) => site.name)]) copyFileSync(join(this.#dir, `${name}.db`), join(dir, `${name}.db`));
    return { dir, remove: () => rmSync(dir, { recursive: true, force: true }) };
  }

  /** As when a site's disk was lost and its keys were not: a new database, with an epoch of its own, that goes on from a dial number above the old ones. */
  async freshAgent(site: GroundSite, dir: string, agentEpoch: string, dial: number): Promise<void> {
    const file = `fresh-${this.#runs}-${agentEpoch}.db`;
    await this.#makeAgent(site, file, agentEpoch, dial);
    for (const end of ["-wal", "-shm"]) rmSync(join(dir, `${site.name}.db${end}`), { force: true });
    copyFileSync(join(this.#dir, file), join(dir, `${site.name}.db`));
    rmSync(join(this.#dir, file));
  }

  remove(): void {
    rmSync(this.#dir, { recursive: true, force: true });
  }
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}
