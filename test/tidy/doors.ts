// Doors 1, 2, 4 and cycles (house.md section 3): who may import whom. A type-only import is no door between rooms of one side: it is erased, and is how a
// room names what the composition root hands to it. Between the sides, and into shared's upper floors, types count as well.
import { isProduct, isTest, placeOf, type Finding, type Import, type Source, type Tree } from "./tree.ts";

/** shared's floors: a room sees those below its own. api.ts holds types and stands above kit. */
const FLOORS: Readonly<Record<string, number>> = { kit: 0, "": 1, wire: 2, rules: 2, trust: 2, mux: 3, outbox: 3, link: 4 };
/** Where rooms meet. doctor looks at a cluster without an agent, so it puts the same parts together for itself. */
const COMPOSERS = new Set(["agent/agent.ts", "agent/ports.ts", "agent/doctor.ts", "relay/core.ts", "relay/relay.ts"]);
/** Every room of a side may use its store. */
const OPEN_ROOM = "store";
/** Entries and files that no other file of the product has any business with. */
const CLOSED = /^(?:test|deploy|bin|certs-dev)\//;

type Judge = (source: Source, target: string, one: Import) => string | null;

function judgeImports(tree: Tree, rule: string, judge: Judge): Finding[] {
  const findings: Finding[] = [];
  for (const source of tree.sources) {
    if (!isProduct(source.path)) continue;
    for (const one of source.imports) {
      const what = one.path === null ? null : judge(source, one.path, one);
      if (what !== null) findings.push({ rule, path: source.path, line: one.line, what });
    }
  }
  return findings;
}

/** Door 1. */
export function sidesApart(tree: Tree): Finding[] {
  return judgeImports(tree, "sides-apart", (source, target) => {
    const from = placeOf(source.path);
    const to = placeOf(target);
    if (CLOSED.test(target)) return `the product imports ${target}`;
    if (from.side === "shared" && to.side !== "shared") return `shared imports ${target}`;
    if (to.side === "shared" || (from.room === to.room && from.side === to.side)) return null;
    if (from.side !== to.side) return `${from.side} imports ${target}`;
    if (from.side === "relay" && ["cli", "console"].includes(from.room)) return `relay/${from.room} sees shared/ only, it imports ${target}`;
    return from.side === "relay" && ["cli", "console"].includes(to.room) ? `nobody imports ${target}: it is a program of its own` : null;
  });
}

/** Door 2. */
export function floors(tree: Tree): Finding[] {
  return judgeImports(tree, "floors", (source, target) => {
    const from = placeOf(source.path);
    const to = placeOf(target);
    if (from.side !== "shared" || to.side !== "shared" || from.room === to.room) return null;
    const [low, high] = [FLOORS[to.room], FLOORS[from.room]];
    if (low === undefined || high === undefined) return `shared/${low === undefined ? to.room : from.room} has no floor: give it one in the plan`;
    return low < high ? null : `shared/${from.room || "api.ts"} stands on floor ${high}, it imports ${target} on floor ${low}`;
  });
}

/** Door 4. */
export function roomsApart(tree: Tree): Finding[] {
  return judgeImports(tree, "rooms-apart", (source, target, one) => {
    const from = placeOf(source.path);
    const to = placeOf(target);
    if (one.isTypeOnly || from.side !== to.side || from.side === "shared" || from.room === to.room) return null;
    if (to.room === OPEN_ROOM || COMPOSERS.has(source.path)) return null;
    if (to.room === "") return `a room imports ${target}, which stands above it: let the composition root hand over what is needed`;
    return `${from.room === "" ? source.path : `${from.side}/${from.room}`} imports ${target}: rooms meet in the composition root only`;
  });
}

/** No cycles among modules as they run; type-only imports are gone by then. One finding a cycle, at its first file by name. */
export function cycles(tree: Tree): Finding[] {
  const edges = new Map<string, readonly Import[]>(
    tree.sources.map((source) => [source.path, source.imports.filter((one) => one.path !== null && !one.isTypeOnly)]),
  );
  const findings: Finding[] = [];
  const done = new Set<string>();
  const walk = (path: string, trail: readonly string[]): void => {
    const at = trail.indexOf(path);
    if (at !== -1) {
      const ring = trail.slice(at);
      const first = ring.indexOf([...ring].sort()[0]!);
      const turned = [...ring.slice(first), ...ring.slice(0, first)];
      findings.push({ rule: "cycles", path: turned[0]!, line: 1, what: `modules import each other: ${[...turned, turned[0]!].join(" -> ")}` });
      return;
    }
    if (done.has(path)) return;
    for (const one of edges.get(path) ?? []) walk(one.path!, [...trail, path]);
    done.add(path);
  };
  for (const path of [...edges.keys()].sort()) walk(path, []);
  return findings;
}

/** A test beside its file knows its own room, kit's tools and those of test/kit (house.md section 2); one that needs a second room belongs to test/. */
export function unitTests(tree: Tree): Finding[] {
  const findings: Finding[] = [];
  for (const source of tree.sources) {
    const home = placeOf(source.path);
    if (!isTest(source.path) || home.side === "") continue;
    const rooms = new Set<string>(home.room === "" ? [] : [`${home.side}/${home.room}`]);
    for (const one of source.imports) {
      if (one.path === null || one.isTypeOnly) continue;
      const { side, room } = placeOf(one.path);
      if ((side === "shared" && room === "kit") || one.path.startsWith("test/kit/")) continue;
      if (side === home.side && room === "") continue;
      rooms.add(`${side}/${room}`);
      if (rooms.size > 1)
        findings.push({ rule: "unit-tests", path: source.path, line: one.line, what: `a unit test imports a second room (${one.path}): it belongs to test/` });
    }
  }
  return findings;
}
