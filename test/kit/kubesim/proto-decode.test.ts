// Bodies as kubectl 1.36 sends them, recorded; no other source of them is at hand in tests.
import { expect, test } from "vitest";
import { decodeProtobuf } from "./proto-decode.ts";

const recorded = {
  secret: "azhzAAoMCgJ2MRIGU2VjcmV0Eh0KEQoBcxIAGgAiACoAMgA4AEIAEgYKAWESAWIaABoAIgA=",
  service: "azhzAAoNCgJ2MRIHU2VydmljZRJoCh8KA3dlYhIAGgAiACoAMgA4AEIAWgoKA2FwcBIDd2ViEkEKGwoHODAtODA4MBIDVENQGFAiBwgAEJA/GgAoABIKCgNhcHASA3dlYhoAIghOb2RlUG9ydDoAQgBSAFoAYABoABoCCgAaACIA",
  deployment:
    "azhzAAoVCgdhcHBzL3YxEgpEZXBsb3ltZW50EqMBChsKAWQSABoAIgAqADIAOABCAFoICgNhcHASAWQSdggAEgoKCAoDYXBwEgFkGl4KGgoAEgAaACIAKgAyADgAQgBaCAoDYXBwEgFkEkASIgoFbmdpbngSBW5naW54KgBCAGoAcgCAAQCIAQCQAQCiAQAaADIAQgBKAFIAWABgAGgAggEAigEAmgEAwgEAIgIKACgAOAAaDAgAEAAYACAAKAA4ABoAIgA=",
};
const decoded = (name: keyof typeof recorded): unknown => decodeProtobuf(Buffer.from(recorded[name], "base64"));

test("a Secret's bytes come as base64, as JSON would bring them", () => {
  expect(decoded("secret")).toEqual({ apiVersion: "v1", kind: "Secret", metadata: { name: "s" }, data: { a: "Yg==" } });
});

test("a Service's ports keep number and text apart", () => {
  expect(decoded("service")).toEqual({
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "web", labels: { app: "web" } },
    spec: { ports: [{ name: "80-8080", protocol: "TCP", port: 80, targetPort: 8080 }], selector: { app: "web" }, type: "NodePort" },
  });
});

test("zero replicas of a pointer field stay, zeros of other fields go", () => {
  expect(decoded("deployment")).toMatchObject({
    kind: "Deployment",
    spec: { replicas: 0, selector: { matchLabels: { app: "d" } }, template: { spec: { containers: [{ name: "nginx", image: "nginx" }] } } },
  });
  expect(JSON.stringify(decoded("deployment"))).not.toContain("minReadySeconds");
});

test("a body cut at any byte is refused or read, never a crash of another kind", () => {
  const whole = Buffer.from(recorded.service, "base64");
  for (let end = 0; end < whole.length; end += 1) {
    try {
      decodeProtobuf(whole.subarray(0, end));
    } catch (error) {
      expect(error).toHaveProperty("code", 400);
    }
  }
});
