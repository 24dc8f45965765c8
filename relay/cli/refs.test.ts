// Names of objects as people type them: short names, full kinds, kinds of no cluster's own, and what is refused.
import { expect, test } from "vitest";
import { parseRef } from "./refs.ts";

test.each([
  ["deployment/web", { apiVersion: "apps/v1", kind: "Deployment", name: "web", namespace: "shop" }],
  ["deploy/web", { apiVersion: "apps/v1", kind: "Deployment", name: "web", namespace: "shop" }],
  ["Deployments/web", { apiVersion: "apps/v1", kind: "Deployment", name: "web", namespace: "shop" }],
  ["cm/settings", { apiVersion: "v1", kind: "ConfigMap", name: "settings", namespace: "shop" }],
  ["ns/shop", { apiVersion: "v1", kind: "Namespace", name: "shop" }],
  ["Certificate.v1.cert-manager.io/shop", { apiVersion: "cert-manager.io/v1", kind: "Certificate", name: "shop", namespace: "shop" }],
  ["Event.v1/e", { apiVersion: "v1", kind: "Event", name: "e", namespace: "shop" }],
])("%s", (text, ref) => {
  expect(parseRef(text, "shop")).toEqual(ref);
});

test.each(["web", "deployment/", "/web", "deployment/web/x", "widget/x", "certificate.v1.cert-manager.io/shop", "Widget.x/y"])("%s is refused with what to write", (text) => {
  expect(() => parseRef(text, "shop")).toThrow(expect.objectContaining({ code: "USAGE", hint: expect.stringContaining("KIND/NAME") as string }));
});
