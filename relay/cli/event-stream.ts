// Reads server-sent events from octets as they come, in whatever pieces: fields `id`, `event` and `data` of blocks that an empty line ends; comments and everything
// else are passed over. An event has the id that was last said, with it or before. Refuses a block without end.
import { Fault } from "../../shared/kit/errors.ts";

/** Characters of one block: a command with a long outcome has some 20,000. */
const blockCharsMax = 4_194_304;

export interface ServerEvent {
  /** Where to go on from, or "" while none was said. A place without an event has the type "". */
  readonly id: string;
  readonly type: string;
  readonly text: string;
}

export class EventParser {
  readonly #decoder = new TextDecoder();
  #rest = "";
  #id = "";

  /** Whole blocks of what came. Fault BODY_TOO_LARGE. */
  feed(octets: Uint8Array): ServerEvent[] {
    this.#rest += this.#decoder.decode(octets, { stream: true }).replaceAll("\r", "");
    const blocks = this.#rest.split("\n\n");
    this.#rest = blocks.pop()!;
    if (this.#rest.length > blockCharsMax) throw new Fault("BODY_TOO_LARGE", { what: "an event of the relay is over 4 MiB", why: "no event of the API is so long", hint: "list instead of watching" });
    return blocks.map((block) => this.#event(block));
  }

  #event(block: string): ServerEvent {
    let type = "";
    const text: string[] = [];
    for (const line of block.split("\n")) {
      const [, name, value = ""] = /^(id|event|data)(?:: ?(.*))?$/.exec(line) ?? [];
      if (name === "id") this.#id = value;
      else if (name === "event") type = value;
      else if (name === "data") text.push(value);
    }
    return { id: this.#id, type: text.length === 0 ? "" : type === "" ? "message" : type, text: text.join("\n") };
  }
}
