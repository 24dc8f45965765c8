// Makes a development CA and one certificate in out/, good for 30 days. For trying `relay run --tls-cert --tls-key --tls-ca`; never for a real site.
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { issueCertificate, makeAuthority } from "../shared/kit/certificates.ts";

const days = 30;
const out = join(dirname(fileURLToPath(import.meta.url)), "out");
const names = process.argv.slice(2);
const authority = await makeAuthority("Bowline development CA", days, Date.now());
const pair = await issueCertificate(authority, names.length > 0 ? names : ["localhost", "127.0.0.1", "::1"], days, Date.now());
const files = { "ca.crt": authority.cert, "ca.key": authority.key, "tls.crt": pair.cert + authority.cert, "tls.key": pair.key };
mkdirSync(out, { recursive: true });
for (const [name, text] of Object.entries(files)) writeFileSync(join(out, name), text, { mode: 0o600 });
console.log(`wrote ${Object.keys(files).join(", ")} to ${out}`);
