#!/usr/bin/env node
// Entry of the built product (copied to dist/): agent ... -> the agent, relay ... -> the relay, anything else -> the operator's command
// line. Looks at Node's version before anything is loaded, because a native module of a newer Node dies without a message.
const [major, minor] = process.versions.node.split(".").map(Number);
if (major < 22 || (major === 22 && minor < 21)) {
  console.error(`error: Node ${process.versions.node} is too old for Bowline\n  why    it needs Node 22.21 or newer, and is tested on 24\n  try    install Node 24 LTS and run the command again`);
  process.exitCode = 1;
} else {
  const [word, ...rest] = process.argv.slice(2);
  const isOwn = word === "agent" || word === "relay";
  const program = new URL(isOwn ? `./${word}.mjs` : "./cli.mjs", import.meta.url);
  process.argv = [process.execPath, program.pathname, ...(isOwn ? rest : process.argv.slice(2))];
  await import(program.href);
}
