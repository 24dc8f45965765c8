// An address as URLs write it is reached as the address that it is: an IPv6 literal in brackets, plain and with TLS, its certificate checked for the address.
import { createServer, type AddressInfo, type Server } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { networkInterfaces } from "node:os";
import { afterEach, describe, expect, test } from "vitest";
import { issueCertificate, makeAuthority } from "./certificates.ts";
import { dial, noProxySettings, type DialOptions } from "./dial.ts";
import { describeRoute, parseProxySettings } from "./proxy.ts";

const hasIpv6 = Object.values(networkInterfaces()).some((list) => list?.some(({ address }) => address === "::1") === true);
const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

async function listen(server: Server, host: string): Promise<number> {
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  return (server.address() as AddressInfo).port;
}

const options = (rest: Pick<DialOptions, "host" | "port" | "tls">): DialOptions => ({ proxy: noProxySettings, timeoutMs: 5_000, faults: { down: "RELAY_UNREACHABLE", tls: "RELAY_TLS" }, signal: new AbortController().signal, ...rest });

describe.skipIf(!hasIpv6)("an IPv6 address in brackets", () => {
  const url = new URL("https://[::1]:8443");

  test("is dialled", async () => {
    const port = await listen(createServer((socket) => socket.on("error", () => {}).end("hello")), "::1");
    const socket = await dial(options({ host: url.hostname, port, tls: null }));
    expect(socket.remoteAddress).toBe("::1");
    socket.destroy();
  });

  test("is dialled with TLS, and the certificate has to name the address", async () => {
    const authority = await makeAuthority("test", 1, Date.now());
    for (const [names, code] of [[["::1"], null], [["localhost"], "RELAY_TLS"]] as const) {
      const port = await listen(createTlsServer(await issueCertificate(authority, names, 1, Date.now()), (socket) => socket.on("error", () => {}).end()), "::1");
      const dialled = dial(options({ host: url.hostname, port, tls: { serverName: url.hostname, ca: authority.cert } }));
      if (code === null) (await dialled).destroy();
      else await expect(dialled).rejects.toMatchObject({ code });
    }
  });
});

test("NO_PROXY means an IPv6 address with and without the brackets of its URL", () => {
  const proxy = parseProxySettings({ httpProxy: "", httpsProxy: "http://proxy.example:3128", noProxy: "fd00::7" });
  for (const host of ["fd00::7", "[fd00::7]", "[::1]"]) expect(describeRoute(proxy, { host, port: 8_443, isTls: true })).toMatch(/^direct/);
  expect(describeRoute(proxy, { host: "[fd00::8]", port: 8_443, isTls: true })).toMatch(/^through proxy/);
});
