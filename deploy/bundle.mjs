// `npm run build`: makes dist/, which runs on Node alone: agent, relay, command line, and the modules that database threads load.
// Promises that every file a bundle opens by its own address (`new URL("./x", import.meta.url)`) has a known place in dist/: an
// unknown one fails the build, not the user. Also carries SQLite's native files and the licences of what is inside.
//
//   dist/bowline.mjs                    picks the program, as bin/bowline.mjs does in the clone
//   dist/agent.mjs relay.mjs cli.mjs    the programs (flat, so that one relative address is right in every file)
//   dist/*-operations.mjs store-worker.mjs   opened by address
//   dist/native/<platform>.node         SQLite
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const NATIVE_PLATFORMS = ["linux-x64", "linux-arm64", "linuxmusl-x64", "linuxmusl-arm64"];

/** Source file -> name in dist: a program first, then what it opens by address. The agent's alone make its image. */
export const AGENT_ENTRIES = {
  "agent/main.ts": "agent",
  "shared/kit/store-worker.ts": "store-worker",
  "agent/store/operations.ts": "agent-operations",
};
const PRODUCT_ENTRIES = {
  ...AGENT_ENTRIES,
  "relay/main.ts": "relay",
  "relay/cli/main.ts": "cli",
  "relay/store/operations.ts": "relay-operations",
};

// CommonJS packages inside an ES module need these three names; each file of dist/ gets its own.
const BANNER = `import { createRequire as __bowlineRequire } from "node:module";
import { fileURLToPath as __bowlinePath } from "node:url";
const require = __bowlineRequire(import.meta.url), __filename = __bowlinePath(import.meta.url), __dirname = __bowlinePath(new URL(".", import.meta.url));`;

/** Addresses in our own sources: a relative one is rewritten to where the target lies in dist/. */
function addressPlugin(entries) {
  const placeOf = new Map(Object.entries(entries).map(([source, name]) => [join(root, source), `./${name}.mjs`]));
  placeOf.set(join(root, "package.json"), "./package.json");
  return {
    name: "addresses",
    setup(builder) {
      builder.onLoad({ filter: /\.(?:ts|mjs)$/ }, ({ path }) => {
        if (path.includes("/node_modules/")) return undefined;
        const contents = readFileSync(path, "utf8").replaceAll(/new URL\("(\.{1,2}\/[^"]*)",\s*import\.meta\.url\)/g, (_whole, address) => {
          const place = placeOf.get(resolve(dirname(path), address));
          if (place === undefined) throw new Error(`${relative(root, path)} opens ${address} by its address; name its place in dist/ in deploy/bundle.mjs`);
          return `new URL(${JSON.stringify(place)}, import.meta.url)`;
        });
        return { contents, loader: path.endsWith(".ts") ? "ts" : "js" };
      });
    },
  };
}

/** better-sqlite3 looks for its binary beside its own folder, which a bundle does not have: it is told to look in dist/native. */
const nativePlugin = {
  name: "native",
  setup(builder) {
    builder.onLoad({ filter: /better-sqlite3\/lib\/binding\.js$/ }, ({ path }) => {
      let found = 0;
      const replaced = (text) => (_whole) => ((found += 1), text);
      const contents = readFileSync(path, "utf8")
        .replaceAll("__dirname, '..', 'build'", replaced("__dirname, 'native', 'build'"))
        .replaceAll("__dirname, '..', 'prebuilds'", replaced("__dirname, 'native'"));
      if (found !== 3) throw new Error(`better-sqlite3/lib/binding.js has another form than deploy/bundle.mjs knows (${found} places, expected 3)`);
      return { contents, loader: "js" };
    });
  },
};

/** Builds `entries` into `outDir`, which is made anew, with SQLite's file for each of `platforms`. Answers the octets of each file. */
export async function bundle({ entries = PRODUCT_ENTRIES, outDir = join(root, "dist"), platforms = NATIVE_PLATFORMS } = {}) {
  const missing = Object.keys(entries).filter((source) => !existsSync(join(root, source)));
  if (missing.length > 0) throw new Error(`there is no ${missing.join(", ")}`);
  rmSync(outDir, { recursive: true, force: true });
  mkdirSync(join(outDir, "native"), { recursive: true });
  const { metafile, warnings } = await build({
    absWorkingDir: root,
    entryPoints: Object.entries(entries).map(([source, name]) => ({ in: source, out: name })),
    outdir: outDir,
    outExtension: { ".js": ".mjs" },
    chunkNames: "part-[hash]",
    bundle: true,
    splitting: true, // a lazy import stays lazy: the agent in a pod never loads the kubeconfig library
    platform: "node",
    target: "node22",
    format: "esm",
    banner: { js: BANNER },
    // Names stay readable in stack traces; the rest is worth its megabyte.
    minifyWhitespace: true,
    minifySyntax: true,
    legalComments: "none", // whole licences go into LICENSES.txt
    plugins: [nativePlugin, addressPlugin(entries)],
    // Optional accelerators that are not installed; their absence is handled by the packages.
    external: ["bufferutil", "utf-8-validate"],
    metafile: true,
    logLevel: "silent",
  });
  for (const warning of warnings) throw new Error(`${warning.location?.file ?? ""}: ${warning.text}`);
  for (const platform of platforms) cpSync(join(root, "node_modules/better-sqlite3/prebuilds", `${platform}.node`), join(outDir, "native", `${platform}.node`));
  const { name, version, license } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  writeFileSync(join(outDir, "package.json"), `${JSON.stringify({ name, version, license, private: true, type: "module" }, null, 2)}\n`);
  if (entries === PRODUCT_ENTRIES) cpSync(join(root, "deploy/bowline.mjs"), join(outDir, "bowline.mjs"));
  writeFileSync(join(outDir, "LICENSES.txt"), licences(Object.keys(metafile.inputs)));
  return Object.fromEntries(readdirSync(outDir, { recursive: true }).map((file) => [file, statSync(join(outDir, file))]).filter(([, at]) => at.isFile()).map(([file, at]) => [file, at.size]));
}

/** The licence text of every package that has a file in the bundles. */
function licences(inputs) {
  const homes = [...new Set(inputs.map((input) => /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(input)?.[0]).filter((home) => home !== undefined))].sort();
  return homes
    .map((home) => {
      const dir = join(root, home);
      const own = JSON.parse(readFileSync(join(dir, "package.json"), "utf8"));
      const file = readdirSync(dir).find((entry) => /^licen[cs]e/i.test(entry));
      return `=== ${own.name} ${own.version} (${own.license ?? "see its text"})\n\n${file === undefined ? "The package carries no licence text.\n" : readFileSync(join(dir, file), "utf8")}`;
    })
    .join("\n");
}

if (process.argv[1] && import.meta.url === pathToFileURL(resolve(process.argv[1])).href) {
  try {
    const sizes = await bundle();
    for (const [file, octets] of Object.entries(sizes).sort()) console.log(`${String(Math.ceil(octets / 1024)).padStart(7)} KiB  dist/${file}`);
  } catch (error) {
    console.error(`error: the build failed: ${error.message}`);
    process.exitCode = 1;
  }
}
