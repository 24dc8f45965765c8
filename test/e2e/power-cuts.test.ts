// Power cuts under a relay and an agent that work: what they wrote is recorded, and the disk is made anew as a cut would have left it, at every moment at which somebody
// was told something and at many others, each with its own luck for what was not synchronised. Every image opens with the product's own store, whole, with all that was
// acknowledged in it. The last test shows that this judge finds what it looks for.
import { rmSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { seededRandom } from "../../shared/kit/random.ts";
import { makeTempDir } from "../kit/temp-dir.ts";
import { describeNeeding } from "../kit/needs.ts";
import { imageAt, putImage } from "../power/image.ts";
import { faultsOf } from "../power/judge.ts";
import { straceMissing } from "../power/trace.ts";
import { recordWork, type Recorded } from "../power/workload.ts";
import { Place, root } from "./place.ts";
import { startSimCluster, type SimCluster } from "./test-cluster.ts";

const seed = Number(process.env["SEED"] ?? Math.floor(Date.now() / 1_000));
/** How many images are made: at moments of no meaning, and with different luck at each acknowledgement. */
interface Extent {
  readonly randomly: number;
  readonly atEach: number;
}

const proof: Extent = { randomly: Number(process.env["IMAGES"] ?? "300"), atEach: 3 };
const glance: Extent = { randomly: 60, atEach: 1 };

interface Verdict {
  readonly images: number;
  readonly acknowledged: number;
  /** One line an image that is wrong. */
  readonly wrong: readonly string[];
}

/** Images of one side, at each of its acknowledgements and at random operations of its disk. */
async function judge(side: "agent" | "relay", { told, ops }: Recorded, { randomly, atEach }: Extent): Promise<Verdict> {
  const random = seededRandom(seed);
  const ours = told.filter(({ at }) => at === side);
  const moments = ours.flatMap(({ atMs }) => Array.from({ length: atEach }, () => atMs));
  for (let count = 0; count < randomly; count += 1) {
    const { beganMs, endedMs } = ops[side][Math.floor(random() * ops[side].length)]!;
    moments.push(beganMs + random() * (endedMs - beganMs));
  }
  const dir = makeTempDir(`power-${side}`);
  const wrong: string[] = [];
  try {
    for (const [index, atMs] of moments.entries()) {
      putImage(join(dir, "image"), imageAt(ops[side], atMs, random));
      const faults = await faultsOf(side, join(dir, "image"), ours.filter((ack) => ack.atMs <= atMs));
      if (faults.length > 0) wrong.push(`image ${index} (${new Date(atMs).toISOString()}): ${faults.join("; ")}`);
    }
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
  process.stderr.write(`power cuts: ${side}, seed ${seed}: ${moments.length} images of ${ops[side].length} operations, ${ours.length} acknowledgements, ${wrong.length} images wrong\n`);
  return { images: moments.length, acknowledged: ours.length, wrong };
}

describeNeeding(straceMissing(), "after a power cut", () => {
  let cluster: SimCluster;
  beforeAll(async () => void (cluster = await startSimCluster()));
  afterAll(() => cluster?.stop());

  async function recorded(env: Readonly<Record<string, string>> = {}): Promise<Recorded> {
    const place = new Place();
    try {
      return await recordWork(place, cluster, env);
    } finally {
      await place.close();
    }
  }

  test("each database opens, whole, with everything that was acknowledged", { timeout: 240_000 }, async () => {
    const work = await recorded();
    for (const side of ["relay", "agent"] as const) {
      const { images, acknowledged, wrong } = await judge(side, work, proof);
      expect(wrong).toEqual([]);
      expect(images).toBeGreaterThan(proof.randomly);
      expect(acknowledged).toBeGreaterThan(20);
      expect(work.ops[side].filter(({ kind }) => kind === "sync").length).toBeGreaterThan(50);
    }
  });

  test("the judge finds acknowledged rows lost when commits are not synchronised", { timeout: 240_000 }, async () => {
    const work = await recorded({ NODE_OPTIONS: `--import ${pathToFileURL(join(root, "test", "power", "normal.ts")).href}` });
    for (const side of ["relay", "agent"] as const) {
      const { wrong } = await judge(side, work, glance);
      expect(wrong.filter((line) => /lost: |went back: |does not open: STORE_CORRUPT .* is gone or empty/.test(line)).length).toBeGreaterThan(10);
    }
  });
});
