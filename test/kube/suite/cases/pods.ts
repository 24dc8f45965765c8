// Pods: logs, exec, attach, cp and port-forward, over whatever upgrade each client speaks (SPDY up to 1.29, WebSocket after).
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { get } from "node:http";
import { join } from "node:path";
import type { Case, Trial } from "../trial.ts";
import { agnhost, pod, ready, sleeper } from "./objects.ts";

const mebibyte = 1_048_576;
/** Large moves of the slow set. */
const largeBytes = 100 * mebibyte;
const largeMs = 180_000;

const sha256 = (content: Buffer | string): string => createHash("sha256").update(content).digest("hex");

/** The same octets on every run, and no two blocks alike: a lost or repeated block changes the hash. */
function octets(count: number): Buffer {
  const block = Buffer.alloc(65_536);
  const out = Buffer.alloc(count);
  for (let at = 0, number = 0; at < count; at += block.length, number += 1) {
    createHash("sha512").update(String(number)).digest().copy(block);
    for (let filled = 64; filled < block.length; filled *= 2) block.copyWithin(filled, 0, filled);
    block.copy(out, at);
  }
  return out;
}

async function sha256InPod(trial: Trial, path: string): Promise<string> {
  const { stdout } = await trial.hand(["-n", trial.namespace, "exec", "box", "--", "sha256sum", path]);
  return stdout.split(" ")[0]!;
}

/** name + content of every file, in order: what two folders have in common when they are equal. */
function folderSha256(dir: string): string {
  const hash = createHash("sha256");
  for (const name of readdirSync(dir).sort()) hash.update(name).update(readFileSync(join(dir, name)));
  return hash.digest("hex");
}

export const podCases: readonly Case[] = [
  {
    name: "logs",
    async run(trial) {
      await ready(trial, pod("talker", ["sh", "-c", "i=0; while [ $i -lt 120000 ]; do echo line $i of many; i=$((i+1)); done; echo the end; sleep 3600"]), "talker");
      await trial.until("the pod has said it all", async () => ((await trial.hand(["-n", trial.namespace, "logs", "talker", "--tail=1"])).stdout === "the end\n" ? true : null));
      const whole = await trial.kubectl(["logs", "talker"], { isHashed: true });
      const expected = `${Array.from({ length: 120_000 }, (_value, index) => `line ${index} of many`).join("\n")}\nthe end\n`;
      trial.check(whole.sha256 === sha256(expected), `the log is whole (${whole.stdoutBytes} of ${expected.length} octets)`);
      await trial.kubectl(["logs", "talker", "--tail=3"]);
      await trial.kubectl(["logs", "-l", "app=talker", "--tail=2", "--timestamps"]);
      await trial.kubectl(["logs", "talker", "--limit-bytes=100"]);
      await trial.kubectl(["logs", "talker", "-c", "absent"], { code: 1 });
      await trial.kubectl(["logs", "talker", "--previous"], { code: 1, compare: "code" }); // the message holds an id of its own
    },
  },
  {
    name: "logs -f",
    async run(trial) {
      await ready(trial, pod("clock", ["sh", "-c", "i=0; while [ ! -f /stop ]; do echo tick $i; i=$((i+1)); sleep 0.2; done; echo stopped"]), "clock");
      const following = trial.background(["logs", "-f", "clock"]);
      await following.match(/tick 5\n/, 30_000);
      await trial.hand(["-n", trial.namespace, "exec", "clock", "--", "touch", "/stop"]);
      const ended = await following.ended;
      trial.check(ended.code === 0, `following ends with the container, exit code 0 (${ended.code}: ${ended.stderr})`);
      const lines = ended.stdout.trimEnd().split("\n");
      trial.check(lines.slice(0, -1).every((line, index) => line === `tick ${index}`), "no line is lost, doubled or out of order");
      trial.note("its last line", lines.at(-1)!);
    },
  },
  {
    name: "exec",
    async run(trial) {
      await sleeper(trial);
      await trial.kubectl(["exec", "box", "--", "echo", "hello", "with  spaces", "ü", "$HOME", "a=b&c;d"]);
      await trial.kubectl(["exec", "box", "--", "sh", "-c", "echo out; echo err >&2; exit 7"], { code: 7 });
      await trial.kubectl(["exec", "box", "--", "no-such-program"], { code: "any", compare: "code" });
      await trial.kubectl(["exec", "box", "-c", "absent", "--", "true"], { code: 1 });
      await trial.kubectl(["exec", "box", "--", "sh", "-c", "kill -9 $$"], { code: 137 });
      const long = "x".repeat(20_480);
      const counted = await trial.kubectl(["exec", "box", "--", "sh", "-c", "echo ${#1}", "sh", long]);
      trial.check(counted.stdout === "20480\n", "a command line of 20 KB arrives whole");
    },
  },
  {
    name: "exec with stdin",
    async run(trial) {
      await sleeper(trial);
      await trial.kubectl(["exec", "-i", "box", "--", "cat"], { stdin: "one\ntwo\n" });
      const sent = octets(2 * mebibyte);
      const hashed = await trial.kubectl(["exec", "-i", "box", "--", "sha256sum"], { stdin: sent });
      trial.check(hashed.stdout.startsWith(sha256(sent)), "2 MiB on standard input arrive whole");
      const echoed = await trial.kubectl(["exec", "-i", "box", "--", "cat"], { stdin: sent, isHashed: true });
      trial.check(echoed.sha256 === sha256(sent), "2 MiB there and back at once are the same octets");
    },
  },
  {
    name: "exec with a terminal",
    async run(trial) {
      await sleeper(trial);
      // script(1) gives kubectl a terminal, whose size kubectl must pass on; the size comes after the start, so the pod waits for it.
      const inside = "for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do [ \"$(stty size)\" = \"33 77\" ] && break; sleep 0.2; done; stty size; test -t 0 && test -t 1 && echo a terminal; exit 5";
      const command = `stty rows 33 cols 77; exec ${trial.client.kubectl} -n ${trial.namespace} exec -it box -- sh -c '${inside}'`;
      const ended = await trial.step("script", ["-qec", command, "/dev/null"], "script kubectl exec -it", { code: 5, compare: "code" });
      trial.check(ended.stdout.includes("33 77") && ended.stdout.includes("a terminal"), `the pod has a terminal of 33 by 77 (${JSON.stringify(ended.stdout.slice(-200))})`);
    },
  },
  {
    name: "attach",
    async run(trial) {
      await ready(trial, pod("parrot", ["sh", "-c", "while read line; do echo you said $line; [ \"$line\" = bye ] && exit 3; done"], { stdin: true, stdinOnce: true }), "parrot");
      const attached = await trial.kubectl(["attach", "-i", "parrot"], { stdin: "hello\nbye\n", compare: "code", code: "any" });
      trial.check(attached.stdout.includes("you said hello\nyou said bye\n"), `the pod answers what it hears (${JSON.stringify(attached)})`);
    },
  },
  {
    name: "run -i --rm",
    async run(trial) {
      const image = pod("x", []);
      const { containers } = image["spec"] as { containers: { image: string }[] };
      const ran = await trial.kubectl(["run", "once", "-i", "--rm", "--restart=Never", `--image=${containers[0]!.image}`, "--", "sh", "-c", "read line; echo heard $line"], { stdin: "this\n", compare: "code", timeoutMs: 90_000 });
      trial.check(ran.stdout.includes("heard this"), `the pod hears its standard input (${JSON.stringify(ran.stdout)})`);
      await trial.kubectl(["get", "pod", "once", "--ignore-not-found", "-o", "name"], { compare: "nothing" });
    },
  },
  {
    name: "debug with an ephemeral container",
    since: 23,
    async run(trial) {
      await sleeper(trial);
      const image = pod("x", []);
      const { containers } = image["spec"] as { containers: { image: string }[] };
      await trial.kubectl(["debug", "box", `--image=${containers[0]!.image}`, "-c", "looker", "--", "sh", "-c", "echo looking; sleep 3600"], { compare: "code" });
      await trial.until("the ephemeral container speaks", async () => ((await trial.hand(["-n", trial.namespace, "logs", "box", "-c", "looker"])).stdout === "looking\n" ? true : null));
    },
  },
  {
    name: "cp of 1,000 files, both ways",
    async run(trial) {
      await sleeper(trial);
      const from = join(trial.dir, "files");
      mkdirSync(from);
      for (let index = 0; index < 1_000; index += 1) writeFileSync(join(from, `file-${index}.txt`), `content of ${index}\n`.repeat(1 + (index % 50)));
      await trial.kubectl(["cp", "files", `${trial.namespace}/box:/tmp/files`]);
      await trial.kubectl(["exec", "box", "--", "sh", "-c", "ls /tmp/files | wc -l; cat /tmp/files/* | sha256sum"]);
      await trial.kubectl(["cp", `${trial.namespace}/box:/tmp/files`, "back"]);
      trial.check(folderSha256(join(trial.dir, "back")) === folderSha256(from), "the folder that came back equals the one that left");
    },
  },
  {
    name: "cp of a file of 8 MiB, both ways",
    async run(trial) {
      await sleeper(trial);
      await copyBothWays(trial, octets(8 * mebibyte), 60_000);
    },
  },
  {
    name: "port-forward, 50 requests at once",
    async run(trial) {
      await ready(trial, pod("web", ["/agnhost", "netexec", "--http-port=8080"], { image: agnhost }), "web");
      const forwarding = trial.background(["port-forward", "pod/web", ":8080"]);
      const [, port] = await forwarding.match(/Forwarding from 127\.0\.0\.1:(\d+)/, 30_000);
      await trial.until("the pod's server answers", async () => (await httpGet(Number(port), "/echo?msg=up").catch(() => null)) ?? null, 20_000);
      const answers = await Promise.all(Array.from({ length: 50 }, (_value, index) => httpGet(Number(port), `/echo?msg=request-${index}-${"y".repeat(index * 20)}`)));
      trial.check(answers.every((answer, index) => answer === `request-${index}-${"y".repeat(index * 20)}`), "each of 50 requests at once gets its own answer");
      trial.note("after a refused port", await httpGet(Number(port), "/echo?msg=still"));
      const ended = await forwarding.stop("SIGINT");
      trial.note("port-forward's exit code", String(ended.code));
    },
  },
  {
    name: "100 MiB through exec and cp",
    isSlow: true,
    isAlone: true,
    async run(trial) {
      await sleeper(trial);
      const sent = octets(largeBytes);
      const hashed = await trial.kubectl(["exec", "-i", "box", "--", "sha256sum"], { stdin: sent, timeoutMs: largeMs });
      trial.check(hashed.stdout.startsWith(sha256(sent)), "100 MiB on standard input arrive whole");
      await copyBothWays(trial, sent, largeMs);
      const read = await trial.kubectl(["exec", "box", "--", "cat", "/tmp/blob"], { isHashed: true, timeoutMs: largeMs });
      trial.check(read.sha256 === sha256(sent), "100 MiB from standard output arrive whole");
    },
  },
];

async function copyBothWays(trial: Trial, content: Buffer, timeoutMs: number): Promise<void> {
  writeFileSync(join(trial.dir, "blob"), content);
  await trial.kubectl(["cp", "blob", "box:/tmp/blob"], { timeoutMs });
  trial.check((await sha256InPod(trial, "/tmp/blob")) === sha256(content), "the file arrives whole in the pod");
  await trial.kubectl(["cp", "box:/tmp/blob", "blob-back"], { timeoutMs });
  trial.check(sha256(readFileSync(join(trial.dir, "blob-back"))) === sha256(content), "the file comes back whole");
}

function httpGet(port: number, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const asking = get({ host: "127.0.0.1", port, path, agent: false, timeout: 20_000 }, (answer) => {
      let text = "";
      answer.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
      answer.on("end", () => (answer.statusCode === 200 ? resolve(text) : reject(new Error(`status ${answer.statusCode}`))));
      answer.on("error", reject);
    });
    asking.on("timeout", () => asking.destroy(new Error("no answer within 20 s")));
    asking.on("error", reject);
  });
}
