// Which requests go first on a full link: short answers that somebody waits for.
import { expect, test } from "vitest";
import { isInteractive } from "./interactive.ts";

test.each([
  ["POST", "/api/v1/namespaces/default/pods"],
  ["DELETE", "/apis/apps/v1/namespaces/default/deployments"],
  ["GET", "/api"],
  ["GET", "/api/v1"],
  ["GET", "/apis?timeout=32s"],
  ["GET", "/apis/apiextensions.k8s.io/v1"],
  ["GET", "/version"],
  ["GET", "/readyz/etcd"],
  ["GET", "/api/v1/nodes/n-1"],
  ["GET", "/api/v1/namespaces/default"],
  ["GET", "/api/v1/namespaces/a-namespace-with-a-long-name/configmaps/one-object-with-a-long-name"],
  ["GET", "/apis/apps/v1/namespaces/default/deployments/web/scale"],
  ["GET", "/apis/rbac.authorization.k8s.io/v1/clusterroles/view?watch=0"],
  ["GET", "/api/v1/namespaces/default/configmaps/proxy"],
])("%s %s waits for a short answer", (method, target) => {
  expect(isInteractive(method, target)).toBe(true);
});

test.each([
  "/api/v1/pods",
  "/api/v1/nodes/",
  "/api/v1/namespaces",
  "/apis/apps/v1/deployments?limit=500",
  "/api/v1/namespaces/default/pods",
  "/api/v1/namespaces/d/pods/p/log",
  "/api/v1/namespaces/d/pods/p/log?follow=true",
  "/api/v1/nodes/n/proxy/logs/",
  "/api/v1/namespaces/d/services/s/proxy/a/file",
  "/api/v1/namespaces/d/pods/p?watch=true",
  "/api/v1/watch/namespaces/d/pods/p",
  "/openapi/v2",
  "/metrics",
  "/",
])("GET %s may be long", (target) => {
  expect(isInteractive("GET", target)).toBe(false);
});
