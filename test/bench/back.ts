// back: the relay is killed, stays away for 5 s or 60 s, and starts again on the same port and folder. From the moment that it listens until each site serves a request
// again. The control's central hop is killed and started the same way: it dials the site itself, so what it needs is what a process and a request need.
import { request } from "node:https";
import { readFileSync } from "node:fs";
import { Ground, paths, pause, type Subject } from "./ground.ts";
import type { BenchOptions } from "./main.ts";
import { Report } from "./report.ts";
import { spread, spreadText } from "./turns.ts";

/** Between two tries of one site (ms). */
const tryEveryMs = 20;
const giveUpMs = 120_000;

/** One request on a socket of its own, as kubectl makes it. */
function serves(subject: Subject, ca: string): Promise<boolean> {
  return new Promise((resolve) => {
    const asked = request(subject.base + paths.small, { ca, agent: false, timeout: 10_000, headers: subject.token === "" ? {} : { authorization: `Bearer ${subject.token}` } }, (answer) => {
      answer.resume();
      answer.on("end", () => resolve(answer.statusCode === 200));
      answer.on("error", () => resolve(false));
    });
    asked.on("timeout", () => asked.destroy());
    asked.on("error", () => resolve(false));
    asked.end();
  });
}

async function untilServes(subject: Subject, sinceMs: number): Promise<number> {
  const ca = readFileSync(subject.ca, "utf8");
  while (performance.now() - sinceMs < giveUpMs) {
    if (await serves(subject, ca)) return (performance.now() - sinceMs) / 1_000;
    await pause(tryEveryMs);
  }
  return Infinity;
}

interface Away {
  readonly downS: number;
  readonly product: number[];
  readonly control: number[];
}

class Stage {
  readonly ground = new Ground();
  #products: Subject[] = [];
  #control!: Subject;

  async start(sites: number, profile: boolean): Promise<void> {
    const { ground } = this;
    await ground.start({ profile });
    this.#products = [ground.product()];
    for (let count = 1; count < sites; count += 1) this.#products.push(ground.product(`bench-${count}`, await ground.site(`bench-${count}`)));
    this.#control = await ground.control();
  }

  /** Both are away at once: what one needs to come back is next to nothing. */
  async round(downS: number): Promise<Pick<Away, "product" | "control">> {
    const { ground } = this;
    const port = Number(new URL(this.#control.base).port);
    const [first, second] = this.#control.ends;
    await Promise.all([ground.relay.kill(), first!.kill()]);
    await pause(downS * 1_000);
    const hop = await ground.hop(ground.secondHopUrl, port);
    this.#control = { ...this.#control, ends: [hop.started, second!] };
    const control = await untilServes(this.#control, performance.now());
    await ground.startRelay();
    const sinceMs = performance.now();
    const product = await Promise.all(this.#products.map((subject) => untilServes(subject, sinceMs)));
    return { product, control: [control] };
  }
}

export async function back(options: BenchOptions): Promise<void> {
  const report = new Report("back");
  const stage = new Stage();
  const seen: Away[] = [5, 60].map((downS) => ({ downS, product: [], control: [] }));
  try {
    await stage.start(options.isQuick ? 3 : 6, options.profile);
    for (const away of seen) {
      const rounds = away.downS > 10 ? (options.isQuick ? 1 : 2) : options.isQuick ? 2 : 4;
      for (let index = 0; index < rounds; index += 1) {
        const { product, control } = await stage.round(away.downS);
        away.product.push(...product);
        away.control.push(...control);
        await pause(1_000);
      }
    }
    report.table(["seconds until served again", "control", "product, each site", "site-rounds"], seen.map(({ downS, product, control }) => [`away ${downS} s`, spreadText(control), spreadText(product), product.length]));
    report.say("counted from the moment that the process says it listens; a relay that was killed opens its database first");
    report.goal({ name: "back.5s", sign: "<=", bound: 1, value: spread(seen[0]!.product).median });
    report.goal({ name: "back.60s", sign: "<=", bound: 2, value: spread(seen[1]!.product).median });
    report.write();
  } finally {
    await stage.ground.stop();
  }
}
