// The agent's image for the test node, without a registry: a folder of this Node, the libraries that it asks for, one user, the public roots and the agent's
// bundle, imported into the rig's containerd. The same files on a distribution's own base image make the image that is shipped.
import { execFileSync } from "node:child_process";
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { AGENT_ENTRIES, bundle } from "../../deploy/bundle.mjs";
import { importImage } from "./cluster.ts";

export const agentImage = "localhost/bowline-agent:1";
const publicRoots = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"];

/** Builds and imports; `kubectl` images are found under the name at once. */
export async function makeAgentImage(): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), "bowline-agent-image-"));
  try {
    chmodSync(root, 0o755);
    await fillRoot(root);
    importImage(agentImage, root, { entrypoint: "/bin/node /app/agent.mjs", env: "NODE_ENV=production", user: "65532:65532" });
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

/** The root filesystem: everything that a read-only pod needs, and no shell. */
async function fillRoot(root: string): Promise<void> {
  for (const dir of ["bin", "etc/ssl/certs", "tmp", "var/lib/bowline"]) mkdirSync(join(root, dir), { recursive: true });
  const sizes = await bundle({ entries: AGENT_ENTRIES, outDir: join(root, "app"), platforms: ["linux-x64"] });
  if (sizes["agent.mjs"] === undefined) throw new Error("the bundle holds no agent");
  cpSync(process.execPath, join(root, "bin/node"));
  for (const library of librariesOf(process.execPath)) {
    mkdirSync(join(root, dirname(library)), { recursive: true });
    cpSync(realpathSync(library), join(root, library));
  }
  writeFileSync(join(root, "etc/passwd"), "nobody:x:65532:65532:nobody:/:/sbin/nologin\n");
  writeFileSync(join(root, "etc/group"), "nobody:x:65532:\n");
  // Without it a name service looks at the cluster's DNS before /etc/hosts.
  writeFileSync(join(root, "etc/nsswitch.conf"), "hosts: files dns\n");
  const roots = publicRoots.find((path) => existsSync(path));
  if (roots !== undefined) cpSync(realpathSync(roots), join(root, "etc/ssl/certs/ca-certificates.crt"));
}

/** What the dynamic linker would load, with the linker itself. */
function librariesOf(binary: string): string[] {
  const listed = execFileSync("ldd", [binary], { encoding: "utf8" });
  return listed.split("\n").flatMap((line) => /(?:=> )?(\/\S+) \(0x/.exec(line)?.[1] ?? []);
}
