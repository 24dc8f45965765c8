// SPDY header blocks: pairs of names and values, deflated with a fixed dictionary in one context per direction. Reading inflates with
// zlib; writing sends stored (uncompressed) deflate blocks, which every inflater takes and which need no state.
import { createInflate, type Inflate } from "node:zlib";

const names =
  "options head post put delete trace accept accept-charset accept-encoding accept-language accept-ranges age allow authorization cache-control connection content-base content-encoding content-language content-length content-location content-md5 content-range content-type date etag expect expires from host if-match if-modified-since if-none-match if-range if-unmodified-since last-modified location max-forwards pragma proxy-authenticate proxy-authorization range referer retry-after server te trailer transfer-encoding upgrade user-agent vary via warning www-authenticate method get status|200 OK version|HTTP/1.1 url public set-cookie keep-alive origin";
const tail =
  "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented503 Service UnavailableJan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMTchunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0.";

function prefixed(word: string): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(word.length);
  return Buffer.concat([length, Buffer.from(word, "latin1")]);
}

/** The dictionary of SPDY/3: header names with their lengths, then fragments of common values. 1423 bytes. */
const dictionary = Buffer.concat([
  ...names
    .replace("200 OK", "200\u0001OK")
    .split(/[ |]/)
    .map((word) => prefixed(word.replace("\u0001", " "))),
  Buffer.from(tail, "latin1"),
]);

function adler32(bytes: Buffer): number {
  let low = 1;
  let high = 0;
  for (const byte of bytes) {
    low = (low + byte) % 65_521;
    high = (high + low) % 65_521;
  }
  return high * 65_536 + low;
}

export type Headers = Readonly<Record<string, string>>;

const headersMax = 256;

function parseBlock(block: Buffer): Headers {
  const headers: Record<string, string> = {};
  let at = 4;
  const next = (): string => {
    const length = block.readUInt32BE(at);
    const text = block.toString("latin1", at + 4, at + 4 + length);
    at += 4 + length;
    return text;
  };
  const count = block.readUInt32BE(0);
  if (count > headersMax) throw new RangeError("a SPDY header block has too many headers");
  for (let index = 0; index < count; index += 1) {
    const name = next().toLowerCase();
    headers[name] = next();
  }
  return headers;
}

/** One direction's reading side; blocks must come in the order they were sent. */
export class HeaderReader {
  readonly #inflate: Inflate = createInflate({ dictionary });

  read(block: Buffer): Promise<Headers> {
    return new Promise((resolve, reject) => {
      const failed = (error: Error): void => reject(error);
      this.#inflate.once("error", failed);
      this.#inflate.write(block, () => {
        this.#inflate.off("error", failed);
        try {
          resolve(parseBlock((this.#inflate.read() as Buffer | null) ?? Buffer.alloc(4)));
        } catch (error) {
          reject(error as Error);
        }
      });
    });
  }

  close(): void {
    this.#inflate.close();
  }
}

/** One direction's writing side. The first block opens the zlib stream: 78 BB = deflate, 32 KiB window, a dictionary named next. */
export class HeaderWriter {
  #isOpen = false;

  write(headers: Headers): Buffer {
    const entries = Object.entries(headers);
    const count = Buffer.alloc(4);
    count.writeUInt32BE(entries.length);
    const plain = Buffer.concat([count, ...entries.flatMap(([name, value]) => [prefixed(name), prefixed(value)])]);
    const stored = Buffer.alloc(5);
    // 00 = stored, not the last block; then the length and its complement.
    stored.writeUInt16LE(plain.length, 1);
    stored.writeUInt16LE(plain.length ^ 0xffff, 3);
    // An empty stored block flushes what came before it out of the reader's inflater.
    const flush = Buffer.from([0, 0, 0, 0xff, 0xff]);
    const opening = Buffer.alloc(this.#isOpen ? 0 : 6);
    if (!this.#isOpen) {
      opening.writeUInt16BE(0x78bb, 0);
      opening.writeUInt32BE(adler32(dictionary), 2);
    }
    this.#isOpen = true;
    return Buffer.concat([opening, stored, plain, flush]);
  }
}
