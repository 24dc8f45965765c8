// One small violation of each house rule, and what the rule must say of it; beside some a neighbour that is allowed, for a rule that refuses too much gets
// switched off. Made-up files: nothing here is part of the tree.

export interface Violation {
  readonly rule: string;
  readonly files: Readonly<Record<string, string>>;
  /** `path:line text` of each finding, the text as far as it matters; none when it is allowed. */
  readonly finds: readonly string[];
}

const HEAD = "// What this made-up file promises, what it refuses and who calls it, in one line.\n";
const broken = (rule: string, files: Readonly<Record<string, string>>, ...finds: string[]): Violation => ({ rule, files, finds });
const allowed = (rule: string, files: Readonly<Record<string, string>>): Violation => ({ rule, files, finds: [] });
const lines = (count: number, line: string): string => `${line}\n`.repeat(count);

const imports: readonly Violation[] = [
  broken("sides-apart", { "shared/kit/a.ts": 'import { x } from "../../agent/dial.ts";\n' }, "shared/kit/a.ts:1 shared imports agent/dial.ts"),
  broken("sides-apart", { "shared/link/a.ts": 'import type { X } from "../../relay/config.ts";\n' }, "shared/link/a.ts:1 shared imports relay/config.ts"),
  broken("sides-apart", { "agent/kube/a.ts": 'import type { X } from "../../relay/config.ts";\n' }, "agent/kube/a.ts:1 agent imports relay/config.ts"),
  broken("sides-apart", { "relay/http/a.ts": '\nexport { x } from "../../agent/dial.ts";\n' }, "relay/http/a.ts:2 relay imports agent/dial.ts"),
  broken("sides-apart", { "relay/cli/a.ts": 'import { x } from "../store/sites.ts";\n' }, "relay/cli/a.ts:1 relay/cli sees shared/ only"),
  broken("sides-apart", { "relay/http/a.ts": 'const a = await import("../cli/main.ts");\n' }, "relay/http/a.ts:1 nobody imports relay/cli/main.ts"),
  broken("sides-apart", { "relay/kube/a.ts": 'import { x } from "../../test/kit/a.ts";\n' }, "relay/kube/a.ts:1 the product imports test/kit/a.ts"),
  allowed("sides-apart", {
    "relay/cli/a.ts": 'import { x } from "../../shared/api.ts";\nimport { y } from "./b.ts";\n',
    "test/a.ts": 'import "../agent/a.ts";\nimport "../relay/a.ts";\n',
  }),
  broken("floors", { "shared/kit/a.ts": 'import { x } from "../wire/frame.ts";\n' }, "shared/kit/a.ts:1 shared/kit stands on floor 0"),
  broken("floors", { "shared/wire/a.ts": 'import type { X } from "../rules/lanes.ts";\n' }, "shared/wire/a.ts:1 shared/wire stands on floor 2"),
  broken("floors", { "shared/outbox/a.ts": 'import { x } from "../mux/mux.ts";\n' }, "shared/outbox/a.ts:1 shared/outbox stands on floor 3"),
  broken("floors", { "shared/novel/a.ts": 'import { x } from "../kit/errors.ts";\n' }, "shared/novel/a.ts:1 shared/novel has no floor"),
  allowed("floors", { "shared/link/a.ts": 'import { x } from "../mux/mux.ts";\nimport { y } from "../kit/log.ts";\nimport { z } from "./b.ts";\n' }),
  broken(
    "rooms-apart",
    { "agent/command/a.ts": 'import { x } from "../kube/objects.ts";\n' },
    "agent/command/a.ts:1 agent/command imports agent/kube/objects.ts",
  ),
  broken(
    "rooms-apart",
    { "relay/http/a.ts": 'const worker = new URL("../command/a.ts", import.meta.url);\n' },
    "relay/http/a.ts:1 relay/http imports relay/command/a.ts",
  ),
  broken("rooms-apart", { "relay/http/a.ts": 'import { x } from "../config.ts";\n' }, "relay/http/a.ts:1 a room imports relay/config.ts"),
  broken("rooms-apart", { "agent/dial.ts": 'import { x } from "./kube/access.ts";\n' }, "agent/dial.ts:1 agent/dial.ts imports agent/kube/access.ts"),
  allowed("rooms-apart", {
    "relay/http/a.ts": 'import { x } from "../store/sites.ts";\nimport type { Y } from "../kube/gateway.ts";\n',
    "relay/relay.ts": 'import { x } from "./http/server.ts";\n',
  }),
  broken(
    "cycles",
    {
      "shared/kit/a.ts": 'import { x } from "./b.ts";\n',
      "shared/kit/b.ts": 'import { y } from "./c.ts";\n',
      "shared/kit/c.ts": 'import { z } from "./a.ts";\n',
    },
    "shared/kit/a.ts:1 modules import each other: shared/kit/a.ts -> shared/kit/b.ts -> shared/kit/c.ts -> shared/kit/a.ts",
  ),
  allowed("cycles", { "shared/kit/a.ts": 'import type { X } from "./b.ts";\n', "shared/kit/b.ts": 'import { y } from "./a.ts";\n' }),
  broken(
    "unit-tests",
    { "shared/mux/a.test.ts": 'import { x } from "./mux.ts";\nimport { y } from "../link/link.ts";\n' },
    "shared/mux/a.test.ts:2 a unit test imports a second room (shared/link/link.ts)",
  ),
  broken(
    "unit-tests",
    { "agent/a.test.ts": 'import { x } from "./kube/policy.ts";\nimport { y } from "./command/job.ts";\n' },
    "agent/a.test.ts:2 a unit test imports a second room (agent/command/job.ts)",
  ),
  allowed("unit-tests", {
    "shared/mux/a.test.ts":
      'import { x } from "./mux.ts";\nimport { y } from "../kit/random.ts";\nimport { k } from "../../test/kit/k.ts";\nimport type { Z } from "../wire/message.ts";\n',
    "test/a.test.ts": 'import "../agent/agent.ts";\nimport "../relay/relay.ts";\n',
  }),
];

const pure: readonly Violation[] = [
  broken(
    "pure-rooms",
    { "shared/wire/a.ts": 'import { x } from "node:crypto";\nimport { y } from "tweetnacl";\n' },
    "shared/wire/a.ts:1 a pure file imports node:crypto",
    "shared/wire/a.ts:2 a pure file imports tweetnacl",
  ),
  broken("pure-rooms", { "shared/mux/a.ts": 'import { systemClock } from "../kit/clock.ts";\n' }, "shared/mux/a.ts:1 a pure file imports shared/kit/clock.ts"),
  broken(
    "pure-rooms",
    { "shared/rules/a.ts": "const a = Date.now();\nconst b = new Date();\nconst c = Math.random();\nconst d = performance.now();\n" },
    "shared/rules/a.ts:1 a pure file uses Date.now",
    "shared/rules/a.ts:2 a pure file reads the clock",
    "shared/rules/a.ts:3 a pure file uses Math.random",
    "shared/rules/a.ts:4 a pure file uses performance",
  ),
  broken(
    "pure-rooms",
    { "shared/mux/a.ts": "async function go() {\n  await 1;\n}\nsetTimeout(go, 1);\nconsole.log(1);\n" },
    "shared/mux/a.ts:1 a pure file has an async function",
    "shared/mux/a.ts:2 a pure file awaits",
    "shared/mux/a.ts:4 a pure file uses setTimeout",
    "shared/mux/a.ts:5 a pure file uses console",
  ),
  broken("pure-rooms", { "shared/wire/a.ts": "const a = Buffer.alloc(1);\n" }, "shared/wire/a.ts:1 a pure file uses Buffer"),
  broken(
    "pure-rooms",
    { "shared/trust/a.ts": 'import { randomBytes } from "node:crypto";\nimport { log } from "../kit/log.ts";\n' },
    "shared/trust/a.ts:1 a pure file imports node:crypto",
    "shared/trust/a.ts:2 a pure file imports shared/kit/log.ts",
  ),
  broken("pure-rooms", { "agent/kube/policy.ts": "const a = process.env;\n" }, "agent/kube/policy.ts:1 a pure file uses process"),
  allowed("pure-rooms", {
    "shared/trust/a.ts": 'import { sha256 } from "../kit/keys.ts";\nconst a = Buffer.from("");\nconst b = new Date(0).toISOString();\n',
    "shared/mux/a.ts": "const a = { process: 1 };\nconst b = a.process + Math.floor(2);\n",
    "shared/link/a.ts": "const now = Date.now();\n",
  }),
];

const packages: readonly Violation[] = [
  broken(
    "package-doors",
    { "shared/trust/a.ts": 'import nacl from "tweetnacl";\n' },
    "shared/trust/a.ts:1 the package tweetnacl is used outside its door (shared/kit/keys.ts)",
  ),
  broken("package-doors", { "relay/http/a.ts": 'import { x } from "left-pad";\n' }, "relay/http/a.ts:1 the package left-pad has no door"),
  broken(
    "package-doors",
    { "agent/agent.ts": 'const k = await import("@kubernetes/client-node");\n' },
    "agent/agent.ts:1 the package @kubernetes/client-node is used outside its door",
  ),
  allowed("package-doors", {
    "agent/agent.ts": 'import type { Pool } from "undici";\n',
    "agent/kube/a.ts": 'import { Pool } from "undici";\n',
    "test/a.ts": 'import nacl from "tweetnacl";\n',
  }),
  broken("one-dial", { "agent/dial.ts": 'import { connect } from "node:tls";\n' }, "agent/dial.ts:1 connect of node:tls opens sockets"),
  broken(
    "one-dial",
    { "agent/kube/a.ts": 'import https from "node:https";\nimport { request } from "undici";\n' },
    "agent/kube/a.ts:1 default of node:https opens sockets",
    "agent/kube/a.ts:2 request of undici opens sockets",
  ),
  broken(
    "one-dial",
    { "relay/cli/a.ts": 'await fetch("https://relay.example");\nconst pool = new Pool("https://relay.example");\n' },
    "relay/cli/a.ts:1 fetch opens sockets",
    "relay/cli/a.ts:2 this Pool dials by itself",
  ),
  broken(
    "one-dial",
    { "agent/dial.ts": 'const ws = new WebSocket("wss://relay.example");\nconst raw = new Socket();\n' },
    "agent/dial.ts:1 this WebSocket dials by itself",
    "agent/dial.ts:2 new Socket opens a socket",
  ),
  allowed("one-dial", {
    "agent/dial.ts": 'import type { Socket } from "node:net";\nconst ws = new WebSocket(url, { createConnection: () => socket });\n',
    "relay/cli/a.ts": "const pool = new Pool(url, { connect: undiciConnector(options) });\n",
    "shared/kit/dial.ts": 'import { connect } from "node:net";\n',
  }),
  broken(
    "process-doors",
    { "agent/dial.ts": 'const a = process.env["HOME"];\nprocess.exit(1);\nconsole.error("x");\n' },
    "agent/dial.ts:1 process.env is read",
    "agent/dial.ts:2 process.exit ends",
    "agent/dial.ts:3 console.error writes",
  ),
  broken("process-doors", { "relay/http/a.ts": 'import { env } from "node:process";\n' }, "relay/http/a.ts:1 process is imported"),
  allowed("process-doors", {
    "agent/config.ts": "const a = process.env;\n",
    "agent/main.ts": "process.exit(1);\n",
    "test/a.ts": "console.log(process.env);\n",
    "relay/relay.ts": "process.exitCode = 1;\n",
  }),
];

const shapes: readonly Violation[] = [
  broken("parses", { "shared/kit/a.ts": "const a = ;\n" }, "shared/kit/a.ts:1 the file cannot be read"),
  broken(
    "default-exports",
    { "shared/kit/a.ts": "export default function a() {}\n", "test/b.ts": "const b = 1;\nexport { b as default };\n" },
    "shared/kit/a.ts:1 a default export",
    "test/b.ts:2 a default export",
  ),
  allowed("default-exports", { "vitest.config.ts": "export default {};\n" }),
  broken(
    "barrels",
    { "shared/kit/index.ts": `${HEAD}import { a } from "./a.ts";\nexport { b } from "./b.ts";\nexport { a };\n` },
    "shared/kit/index.ts:1 the file only passes on",
  ),
  broken("barrels", { "shared/kit/a.ts": 'export * from "./b.ts";\nexport const a = 1;\n' }, "shared/kit/a.ts:1 export * hides"),
  allowed("barrels", { "shared/kit/a.ts": 'export { b } from "./b.ts";\nexport const a = 1;\n' }),
  broken("file-length", { "shared/kit/a.ts": lines(301, "const a = 1;") }, "shared/kit/a.ts:301 the file has 301 lines"),
  allowed("file-length", { "shared/kit/a.ts": lines(300, "const a = 1;"), "notes.md": lines(900, "text") }),
  broken(
    "function-length",
    { "shared/kit/a.ts": `function long() {\n${lines(59, "  go();")}}\n`, "test/b.ts": `class B {\n  run = () => {\n${lines(59, "    go();")}  };\n}\n` },
    "shared/kit/a.ts:1 a function has 61 lines",
    "test/b.ts:2 a function has 61 lines",
  ),
  allowed("function-length", {
    "shared/kit/a.ts": `function short() {\n${lines(58, "  go();")}}\n`,
    "test/b.ts": `describe("b", () => {\n${lines(90, "  go();")}});\n`,
  }),
  broken(
    "head-comment",
    { "shared/kit/a.ts": "const a = 1;\n", "shared/kit/b.ts": "// Short.\nconst b = 1;\n", "shared/kit/c.ts": `${lines(9, HEAD.trim())}const c = 1;\n` },
    "shared/kit/a.ts:1 the file does not open with a comment",
    "shared/kit/b.ts:1 the head says too little",
    "shared/kit/c.ts:1 the head has 9 lines",
  ),
  allowed("head-comment", { "bin/a.mjs": `#!/usr/bin/env node\n${HEAD}const a = 1;\n` }),
  broken(
    "folder-level",
    { "shared/kit/deep/a.ts": HEAD, "test/a/b/c/d/e.ts": HEAD },
    "shared/kit/deep/a.ts:1 the file lies too deep",
    "test/a/b/c/d/e.ts:1 the file lies too deep",
  ),
  allowed("folder-level", { "shared/kit/a.ts": HEAD, "test/kube/suite/cases/a.ts": HEAD }),
  broken("orphan-tests", { "deploy/a.test.ts": HEAD, "test/unit.test.ts": HEAD }, "deploy/a.test.ts:1 no ring runs this test"),
  broken("words", { "shared/kit/util.ts": HEAD }, 'shared/kit/util.ts:1 the path has the word "util"'),
  broken(
    "words",
    { "shared/kit/a.ts": "const tcpConnection = 1;\nfunction openTunnel() {}\nclass SiteManager {\n  #session_id = 1;\n}\n" },
    "shared/kit/a.ts:1 the name tcpConnection",
    "shared/kit/a.ts:2 the name openTunnel",
    "shared/kit/a.ts:3 the name SiteManager",
    "shared/kit/a.ts:4 the name session_id",
  ),
  broken(
    "words",
    { "shared/kit/a.ts": "interface A {\n  readonly helperOf: string;\n}\nconst f = ({ x: data }: B, [info]: string[]) => data;\ntype Channels = 1;\n" },
    "shared/kit/a.ts:2 the name helperOf",
    "shared/kit/a.ts:4 the name data",
    "shared/kit/a.ts:4 the name info",
    "shared/kit/a.ts:5 the name Channels",
  ),
  allowed("words", {
    "shared/kit/a.ts":
      'import { connection } from "elsewhere";\nconst { data } = await read();\nconst database = { session: 1 };\nserver.on("connection", () => {});\nconst informed = 1;\n',
  }),
];

const repository: readonly Violation[] = [
  broken(
    "machine-words",
    { "README.md": ["fine\nsee ", "work", "notes"].join("/"), "a.ts": "// built in here-dir/x\n" },
    "README.md:2 a machine's own path",
    "a.ts:1 a machine's own path: here-dir",
  ),
  broken("machine-words", { "a.json": '{ "from": "packages.mirror.example" }\n' }, "a.json:1 a registry's host: packages.mirror.example"),
  allowed("machine-words", { "a.ts": 'const at = `${home}/work/x`;\nconst b = "./work/";\n' }),
  broken(
    "strange-hosts",
    { "a.ts": ["// see https:/", "intranet.corp.biz/page\nconst a = 'wss:/", "relay.real-company.io/link';\n"].join("/") },
    "a.ts:1 an address at intranet.corp.biz",
    "a.ts:2 an address at relay.real-company.io",
  ),
  allowed("strange-hosts", {
    "a.ts":
      'const a = ["https://relay.example.com:8443", "http://127.0.0.1", "https://kubernetes.default.svc", "https://HOST", "http://user:pw@proxy.example:3128", `https://${host}`];\n',
  }),
  broken(
    "pins",
    {
      "package.json": '{\n  "dependencies": {\n    "ws": "^8.0.0",\n    "pino": "10.4.0"\n  }\n}\n',
      "package-lock.json": '{ "packages": { "": { "dependencies": { "ws": "^8.0.0", "pino": "10.3.0" } } } }',
    },
    "package.json:3 ws is not pinned to one version: ^8.0.0",
    "package.json:4 the lockfile does not have pino 10.4.0",
  ),
  broken(
    "install-scripts",
    {
      "package-lock.json":
        '{ "packages": {\n "node_modules/native": { "hasInstallScript": true },\n "node_modules/esbuild": { "hasInstallScript": true },\n "node_modules/far": { "resolved": "https://packages.example/far.tgz" } } }',
      ".npmrc": "save-exact=true\n",
    },
    "package-lock.json:2 node_modules/native runs a script",
    "package-lock.json:4 node_modules/far names the registry",
    ".npmrc:1 ignore-scripts=true is missing",
  ),
  broken(
    "readme-commands",
    {
      "package.json": '{\n  "scripts": {\n    "test": "node bin/launch.mjs vitest run",\n    "demo": "node bin/launch.mjs test/demo/main.ts"\n  }\n}\n',
      "bin/launch.mjs": HEAD,
      "README.md": "Run `npm run bench`, then npm test.\nSee [there](docs/gone.md) and [here](bin/launch.mjs).\n.ci/run  # all of it\n",
    },
    'README.md:1 there is no script "bench"',
    "README.md:2 the link to docs/gone.md leads nowhere",
    "README.md:3 there is no .ci/run",
    'package.json:4 the script "demo" starts test/demo/main.ts',
  ),
];

export const VIOLATIONS: readonly Violation[] = [...imports, ...pure, ...packages, ...shapes, ...repository];
