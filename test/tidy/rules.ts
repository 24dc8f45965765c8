// The house rules by name: what tidy.test.ts runs over the repository, and over a violation of each. `exceptions` are dated and named, and one that nothing
// needs any more is a failure, so that the list can only shrink.
import { cycles, floors, roomsApart, sidesApart, unitTests } from "./doors.ts";
import { installScripts, pins, readmeCommands } from "./manifests.ts";
import { oneDial, packageDoors, processDoors } from "./packages.ts";
import { keptOut, machineWords, strangeHosts } from "./places.ts";
import { protocolPage } from "./protocol.ts";
import { pureRooms } from "./purity.ts";
import { barrels, defaultExports, fileLength, folderLevel, functionLength, headComment, orphanTests, parses } from "./shape.ts";
import type { Finding, Tree } from "./tree.ts";
import { refusedWords } from "./words.ts";

/** What a rule may ask beside the files. */
export interface Surroundings {
  /** Globs of every ring's configuration. */
  readonly ringGlobs: readonly string[];
  readonly isIgnored: (path: string) => boolean;
  /** Paths that name this machine. */
  readonly here: readonly string[];
  readonly registryHosts: readonly string[];
}

export type Rule = (tree: Tree, around: Surroundings) => Finding[];

export const RULES: Readonly<Record<string, Rule>> = {
  parses,
  "sides-apart": sidesApart,
  floors,
  "rooms-apart": roomsApart,
  cycles,
  "unit-tests": unitTests,
  "pure-rooms": pureRooms,
  "package-doors": packageDoors,
  "one-dial": oneDial,
  "process-doors": processDoors,
  "default-exports": defaultExports,
  barrels,
  "file-length": fileLength,
  "function-length": functionLength,
  "head-comment": headComment,
  "folder-level": folderLevel,
  "orphan-tests": (tree, around) => orphanTests(tree, around.ringGlobs),
  words: refusedWords,
  "machine-words": (tree, around) => machineWords(tree, around.here, around.registryHosts),
  "strange-hosts": strangeHosts,
  "kept-out": (_tree, around) => keptOut(around.isIgnored),
  pins,
  "install-scripts": installScripts,
  "readme-commands": readmeCommands,
  "protocol-page": protocolPage,
};

export interface Exception {
  readonly rule: string;
  readonly path: string;
  /** Part of the finding's text; empty for every finding of the rule in this file. */
  readonly what: string;
  readonly since: string;
  readonly reason: string;
}

/** To be emptied. */
export const EXCEPTIONS: readonly Exception[] = [
  { rule: "words", path: "agent/kube/library-exchange.ts", what: "onResponseData", since: "2026-11-25", reason: "undici's own name for it" },
  { rule: "words", path: "test/e2e/place.ts", what: "Data", since: "2026-11-25", reason: "the process tests are being extended right now" },
];
