// Something unknown as words for an error or a log: bounded, and it never throws. `String(x)` calls what x says its toString is, and a peer's JSON may say
// {"toString":null}. Used wherever a refusal names what came.

export function shown(value: unknown, charsMax = 80): string {
  const text = typeof value === "string" ? value : value instanceof Error ? value.message : (JSON.stringify(value) as string | undefined) ?? typeof value;
  return text.length > charsMax ? `${text.slice(0, charsMax - 3)}...` : text;
}
