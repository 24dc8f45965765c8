// A small upstream in place of an API server: answers of any size whose octets are known, sent no faster than they are taken, and counts of what is under way.
// `/version` answers as an API server does; everything but that and /bulk/OCTETS is a 404.
import { createHash } from "node:crypto";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { seededRandom } from "../../shared/kit/random.ts";

const blockBytes = 65_536;

export class BulkUpstream {
  readonly #server: Server;
  readonly #block: Buffer;
  #underWay = 0;
  sentOctets = 0;

  private constructor(seed: number) {
    const random = seededRandom(seed);
    this.#block = Buffer.from(Uint8Array.from({ length: blockBytes }, () => Math.floor(random() * 256)));
    this.#server = createServer((request, response) => {
      const bulk = /^\/bulk\/(\d+)$/.exec(request.url ?? "");
      if (bulk !== null) return this.#bulk(response, Number(bulk[1]));
      const isVersion = request.url === "/version";
      response.writeHead(isVersion ? 200 : 404, { "content-type": "application/json" });
      response.end(isVersion ? '{"gitVersion":"v1.33.0"}' : '{"kind":"Status","status":"Failure","code":404}');
    });
    this.#server.keepAliveTimeout = 120_000;
  }

  static async start(seed = 1): Promise<BulkUpstream> {
    const upstream = new BulkUpstream(seed);
    await new Promise<void>((resolve) => upstream.#server.listen(0, "127.0.0.1", resolve));
    return upstream;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Answers that have begun and have neither ended nor been given up. */
  get underWay(): number {
    return this.#underWay;
  }

  /** Of a whole /bulk answer. */
  sha256(octets: number): string {
    const hash = createHash("sha256");
    for (let left = octets; left > 0; left -= blockBytes) hash.update(this.#block.subarray(0, Math.min(left, blockBytes)));
    return hash.digest("hex");
  }

  #bulk(response: ServerResponse, octets: number): void {
    let left = octets;
    this.#underWay += 1;
    response.once("close", () => (this.#underWay -= 1));
    response.writeHead(200, { "content-type": "application/octet-stream", "content-length": octets });
    const send = (): void => {
      while (left > 0) {
        const chunk = this.#block.subarray(0, Math.min(left, blockBytes));
        left -= chunk.length;
        this.sentOctets += chunk.length;
        if (!response.write(chunk)) return void response.once("drain", send);
      }
      response.end();
    };
    send();
  }

  stop(): Promise<void> {
    this.#server.closeAllConnections();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }
}
