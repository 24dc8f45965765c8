// Request targets: forwarded as they are, or refused when two readers could take their path for different resources. trust.md section 7, path tricks.
import { describe, expect, test } from "vitest";
import { findSiteTarget, requireHonestTarget, requireSiteName, requireSitePattern, SITE_NAME, targetCharsMax } from "./target.ts";

const refused = (why?: RegExp): unknown =>
  expect.objectContaining({ code: "PATH_REFUSED", ...(why === undefined ? {} : { why: expect.stringMatching(why) as string }) });

describe("below a site's prefix", () => {
  test.each([
    ["/k8s/plant-07/api/v1/pods?limit=1", "plant-07", "/api/v1/pods?limit=1"],
    ["/k8s/plant-07", "plant-07", "/"],
    ["/k8s/plant-07/", "plant-07", "/"],
    ["/k8s/plant-07?x=/y", "plant-07", "/?x=/y"],
    ["/k8s/plant-07//api", "plant-07", "//api"],
    ["/k8s/a/b/k8s/c", "a", "/b/k8s/c"],
    ["/k8s//api", "", "/api"],
    ["/k8s/%70lant-07/api", "%70lant-07", "/api"],
  ])("%s is site %s, target %s", (url, site, target) => {
    expect(findSiteTarget(url)).toEqual({ site, target });
  });

  test.each(["/", "/k8s", "/K8S/a/b", "/api/k8s/a", "k8s/a/b", "//k8s/a/b", "https://relay.example/k8s/a"])("%s is not", (url) => {
    expect(findSiteTarget(url)).toBe(null);
  });

  test("a site's name is what DNS allows", () => {
    for (const name of ["a", "plant-07", "0", "a".repeat(63)]) expect(SITE_NAME.test(name), name).toBe(true);
    for (const name of ["", "-a", "a-", "A", "a_b", "a.b", "a/b", "..", "a".repeat(64), "a\n", "%61", "a--b", "plant-07--revoked-0123456789ab"])
      expect(SITE_NAME.test(name), JSON.stringify(name)).toBe(false);
  });

  test("a site's name that is given is judged once for all, with all four parts", () => {
    expect(requireSiteName("plant-07", "x")).toBe("plant-07");
    for (const name of ["a--b", "shop-", "", 7, null, "x".repeat(9_000)]) expect(() => requireSiteName(name, "--name plant-07")).toThrow(expect.objectContaining({ code: "USAGE", why: expect.stringContaining("--") as string, hint: "--name plant-07" }));
  });

  test("a pattern has one *, and some name fits it", () => {
    for (const pattern of ["shop-*", "*", "*-north", "a-*-b", "plant-07"]) expect(requireSitePattern(pattern, "x")).toBe(pattern);
    for (const pattern of ["shop-", "a--b", "a--*", "-*", "*-", "*-*", "**", "", "A*", "a".repeat(64)]) expect(() => requireSitePattern(pattern, "--name 'shop-*'"), pattern).toThrow(expect.objectContaining({ code: "USAGE", hint: "--name 'shop-*'" }));
  });
});

describe("a target", () => {
  test.each([
    "/",
    "/api/v1/namespaces/default/pods/web/exec?command=sh&command=-c&command=ls%20/%2e%2e",
    "/apis/apps/v1/deployments?labelSelector=app%3Dweb%2Ctier%21%3Dx&fieldSelector=metadata.name%3Dx",
    "/api/v1/namespaces/a/services/http:web:80/proxy/x?y=//../;%2f%5c",
    "/openapi/v3?hash=AB%2F..%2FCD",
    "/api/v1/pods/...",
    "/api/v1/pods/.hidden",
    "/api/v1/pods/a..b",
    "/api/v1/configmaps/%252e%252e",
    "/api/v1/pods?x=a\u007e~!$&'()*+,=:@",
    `/api?x=${"a".repeat(targetCharsMax - 7)}`,
  ])("%s goes on", (target) => {
    expect(() => requireHonestTarget(target)).not.toThrow();
  });

  test.each([
    ["/api/../secrets", /"\.\."/],
    ["/..", /"\.\."/],
    ["/api/v1/..", /"\.\."/],
    ["/api/%2e%2e/secrets", /"\.\."/],
    ["/api/%2E./secrets", /"\.\."/],
    ["/api/.%2e/secrets?x", /"\.\."/],
    ["//api/v1", /"\/\/"/],
    ["/api//v1", /"\/\/"/],
    ["/api/v1//", /"\/\/"/],
    ["/api\\v1", /"\\"/],
    ["/api%5Cv1", /"\\"/],
    ["/api;x=1/v1", /";"/],
    ["/api%3bx", /";"/],
    ["/api%2fv1", /encoded "\/"/],
    ["/api%2Fv1?x", /encoded "\/"/],
    ["/api%00", /NUL/],
    ["", /origin form/],
    ["api/v1", /origin form/],
    ["*", /origin form/],
    ["http://other.example/api", /origin form/],
    ["other.example:443", /origin form/],
    ["?x", /origin form/],
    ["/api v1", /percent-encoded/],
    ["/api\r\nX: y", /percent-encoded/],
    ["/api\u0000", /percent-encoded/],
    ["/api\t", /percent-encoded/],
    ["/api\u007f", /percent-encoded/],
    ["/caf\u00e9", /percent-encoded/],
    ["/api#frag", /percent-encoded/],
    ["/api?x=a b", /percent-encoded/],
    ["/api?x=\n", /percent-encoded/],
    [`/${"a".repeat(targetCharsMax)}`, /longer/],
  ])("%j is refused", (target, why) => {
    expect(() => requireHonestTarget(target)).toThrow(refused(why));
  });
});
