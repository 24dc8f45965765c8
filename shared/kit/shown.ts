// Something unknown as words for an error or a log: bounded, and it never throws. `String(x)` calls what x says its toString is, and a peer's JSON may say
// {"toString":null}. Used wherever a refusal names what came. Also text of others as a terminal may be shown it.

export function shown(value: unknown, charsMax = 80): string {
  const text = typeof value === "string" ? value : value instanceof Error ? value.message : (JSON.stringify(value) as string | undefined) ?? typeof value;
  return text.length > charsMax ? `${text.slice(0, charsMax - 3)}...` : text;
}

/**
 * One line of text that came from elsewhere, as a terminal may see it: without control characters, which could move the cursor or forge a row, and without marks
 * that turn the direction of what follows. Ends of lines and tabs become spaces.
 */
export function printable(text: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what is removed
  return text.replace(/[\t\n\r\u2028\u2029]+/g, " ").replace(/[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, "");
}
