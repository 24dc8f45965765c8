// A command in one line, as lists, plans and questions show it: made at the relay from what was asked, and by the command line before anything is sent. Pure.
import type { CommandSpec } from "../api.ts";
import { unreachable } from "../kit/assert.ts";

const titleCharsMax = 200;

export function commandTitle(spec: CommandSpec): string {
  return title(spec).slice(0, titleCharsMax);
}

function title(spec: CommandSpec): string {
  const more = (count: number): string => (count <= 1 ? "" : ` and ${count - 1} more`);
  switch (spec.kind) {
    case "job":
    case "script":
      return `${spec.kind} ${spec.namespace}/${spec.name}`;
    case "apply":
      return `apply ${spec.objects[0]!.kind}/${spec.objects[0]!.metadata.name}${more(spec.objects.length)}`;
    case "delete":
      return `delete ${spec.objects[0]!.kind}/${spec.objects[0]!.name}${more(spec.objects.length)}`;
    case "scale":
      return `scale ${spec.object.kind}/${spec.object.name} to ${spec.replicas}`;
    case "restart":
      return `restart ${spec.object.kind}/${spec.object.name}`;
    case "undo":
      return `undo ${spec.object.kind}/${spec.object.name}${spec.toRevision === 0 ? "" : ` to revision ${spec.toRevision}`}`;
    case "cordon":
      return `${spec.isOn ? "cordon" : "uncordon"} ${spec.node}`;
    case "drain":
      return `drain ${spec.node}`;
    case "collect":
      return `collect ${spec.namespaces.length === 0 ? "all namespaces" : `${spec.namespaces[0]}${more(spec.namespaces.length)}`}`;
    default:
      return unreachable(spec);
  }
}
