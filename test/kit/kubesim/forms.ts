// The two forms that an object takes inside other answers: as the version it was asked in, and its metadata alone. Used by present and tables.
import { groupVersionOf, type Kind } from "./kinds.ts";
import type { KubeObject, Tree } from "./tree.ts";

/** An object as the version it was asked in. */
export function versioned(kind: Kind, object: KubeObject): KubeObject {
  const apiVersion = groupVersionOf(kind);
  return object.apiVersion === apiVersion && object.kind === kind.kind ? object : { ...object, apiVersion, kind: kind.kind };
}

export function partialMetadata(object: KubeObject, metaVersion: string): Tree {
  return { kind: "PartialObjectMetadata", apiVersion: `meta.k8s.io/${metaVersion}`, metadata: object.metadata };
}
