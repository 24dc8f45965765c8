// Reviews: a question is posted, the answer comes back in its status, nothing is stored. They ask the same authorizer that decides
// about requests.
import { effectiveUser, type Attributes, type Caller, type User } from "./identity.ts";
import type { ReviewKind } from "./kinds.ts";
import { branch, list, text, type Tree } from "./tree.ts";
import type { World } from "./world.ts";

function attributesOf(spec: Tree): Attributes {
  const resource = branch(spec, "resourceAttributes");
  const plain = branch(spec, "nonResourceAttributes");
  return {
    verb: text(resource, "verb") || text(plain, "verb"),
    group: text(resource, "group"),
    resource: text(resource, "resource"),
    subresource: text(resource, "subresource"),
    namespace: text(resource, "namespace"),
    name: text(resource, "name"),
    path: text(plain, "path"),
  };
}

function accessStatus(world: World, user: User, spec: Tree): Tree {
  const why = world.settings.authorize(user, attributesOf(spec));
  return why === null ? { allowed: true } : { allowed: false, reason: why };
}

const userTree = (user: User): Tree => ({ username: user.name, groups: user.groups, ...(user.uid === undefined ? {} : { uid: user.uid }), ...(user.extra === undefined ? {} : { extra: user.extra }) });

function answer(world: World, kind: ReviewKind, caller: Caller, spec: Tree): Tree {
  const user = effectiveUser(caller);
  switch (kind.kind) {
    case "SelfSubjectAccessReview":
      return accessStatus(world, user, spec);
    case "SubjectAccessReview":
      return accessStatus(world, { name: text(spec, "user"), groups: list(spec, "groups").map(String) }, spec);
    case "SelfSubjectRulesReview": {
      const everything = { verbs: ["*"], apiGroups: ["*"], resources: ["*"] };
      return { resourceRules: [everything], nonResourceRules: [{ verbs: ["*"], nonResourceURLs: ["*"] }], incomplete: false };
    }
    case "SelfSubjectReview":
      return { userInfo: userTree(user) };
    case "TokenReview": {
      const known = world.settings.tokens?.get(text(spec, "token"));
      return known === undefined ? { user: {}, error: "invalid bearer token" } : { authenticated: true, user: userTree(known) };
    }
  }
}

export function review(world: World, kind: ReviewKind, caller: Caller, body: Tree): Tree {
  return { kind: kind.kind, apiVersion: `${kind.group}/${kind.version}`, metadata: { creationTimestamp: null }, spec: branch(body, "spec"), status: answer(world, kind, caller, branch(body, "spec")) };
}
