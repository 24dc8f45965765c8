#!/usr/bin/env node
// Bowline's one entry: picks the program and, on a machine whose Node is not the one we ship on, runs it under a private Node.
//   agent ... -> agent/main   relay ... -> relay/main   demo ... -> test/demo   anything else -> relay/cli
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const PROGRAMS = { agent: "agent/main.ts", relay: "relay/main.ts", demo: "test/demo/main.ts" };
const [word, ...rest] = process.argv.slice(2);
const own = Object.hasOwn(PROGRAMS, word ?? "");
const program = join(root, own ? PROGRAMS[word] : "relay/cli/main.ts");
const args = own ? rest : process.argv.slice(2);

const { ensureNode, ensurePackages, fail, launch } = await import("./launch.mjs");
try {
  if (ensureNode() === process.execPath) {
    // The right Node already: no second process between a supervisor's signal and the program.
    ensurePackages(process.execPath);
    process.argv = [process.execPath, program, ...args];
    await import(program);
  } else launch(program, args);
} catch (error) {
  fail(error);
}
