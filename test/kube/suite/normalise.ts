// Makes the outputs of two runs of one case comparable: what must differ (names of places, times, ids, addresses, ages) becomes a fixed word. Everything
// else stays, so that a lost line, a changed order or another message shows. Pure.

export interface Places {
  /** API server as the kubeconfig has it, `https://host:port/prefix`. */
  readonly server: string;
  readonly namespace: string;
  readonly dir: string;
  readonly home: string;
}

/** In this order: whole addresses and times before their parts. */
const RULES: readonly (readonly [RegExp, string])[] = [
  // oxlint-disable-next-line no-control-regex -- colours begin with one
  [/\u001b\[[0-9;]*m/g, ""],
  [/\r\n/g, "\n"],
  // The API server orders its entries by whole seconds and then by name: two writes across the turn of a second stand the other way round. In YAML, in JSON.
  [/^( *)managedFields:\n(?:\1[- ] .*(?:\n|$))+/gm, ""],
  [/^( *)"managedFields": \[\n(?:\1 .*\n)+\1\],?\n/gm, ""],
  [/\beyJ[\w-]+\.[\w-]+\.[\w-]+/g, "JWT"],
  [/\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b/g, "UID"],
  [/\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z| ?[+-]\d{4}(?: \w+)?)?/g, "TIME"],
  [/\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? +(?:\w{3} +\d+|\d+ \w{3} \d{4}) +\d\d:\d\d:\d\d(?: \d{4}| [+-]\d{4})?/g, "TIME"],
  [/((?:resourceVersion|resource version)"?:? *)"?\d+"?/g, "$1N"],
  [/("?pod-template-hash"?[:=] *)"?[a-z0-9]+"?/g, "$1HASH"],
  [/\/tmp\/(LIVE|MERGED)-\d+/g, "/tmp/$1"],
  [/\b127\.0\.0\.1:\d+/g, "127.0.0.1:PORT"],
  [/\[::1\]:\d+/g, "[::1]:PORT"],
  [/\b10\.\d+\.\d+\.\d+\b/g, "IP"],
  // Names that Kubernetes makes up: ReplicaSet hash and five letters of its own alphabet.
  [/-[a-z0-9]{8,10}-[bcdfghjklmnpqrstvwxz2456789]{5}\b/g, "-HASH-RANDOM"],
  [/(?<=[\s(])(?:\d+(?:ms|[smhd])){1,2}(?=[\s)]|$)|<(?:invalid|unknown)>/gm, "AGE"],
  [/(?<=\S)[ \t]{2,}/g, " "],
  [/[ \t]+$/gm, ""],
];

export function normalise(text: string, places: Places): string {
  const { host } = new URL(places.server);
  let out = text;
  for (const [found, word] of [
    [places.server.replace(/\/+$/, ""), "SERVER"],
    [host, "HOST"],
    [places.namespace, "NS"],
    [places.dir, "DIR"],
    [places.home, "HOME"],
  ] as const) {
    if (found !== "") out = out.replaceAll(found, word);
  }
  for (const [pattern, word] of RULES) out = out.replaceAll(pattern, word);
  return out.trimEnd();
}

/** What kind of complaint it is: the first line that reads as an error, and every warning. Progress and chatter of a version are not compared. */
export function stderrClass(text: string, places: Places): string {
  const lines = normalise(text, places).split("\n");
  const warnings = lines.filter((line) => line.startsWith("Warning:"));
  const error = lines.find((line) => /^(?:error|Error|The \S+ "|Unable|unable|Internal error)/.test(line));
  return [...new Set(warnings), ...(error === undefined ? [] : [error])].join("\n");
}
