// Whose address is it, for caps: an IPv4 address is one client (or one NAT); of an IPv6 address only the first 64 bits are, because whoever has one has 2^64 of them
// (RFC 6177, RFC 7421). Pure.

const groupsOfBlock = 4;

/** What a cap counts by. An address that cannot be read counts as itself. */
export function addressBlock(address: string): string {
  if (!address.includes(":")) return address;
  const v4 = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address);
  if (v4 !== null) return v4[1]!;
  const [plain = ""] = address.split("%");
  if (!URL.canParse(`http://[${plain}]/`)) return address;
  const [head = "", tail] = new URL(`http://[${plain}]/`).hostname.slice(1, -1).split("::");
  const before = head === "" ? [] : head.split(":");
  const after = tail === undefined || tail === "" ? [] : tail.split(":");
  const groups = tail === undefined ? before : [...before, ...Array.from({ length: 8 - before.length - after.length }, () => "0"), ...after];
  return `${groups.slice(0, groupsOfBlock).join(":")}::/64`;
}
