// Looks into a running, unmodified Node process through its own inspector: SIGUSR1 opens it on loopback, the DevTools protocol does the rest. Tells what is alive
// after a full collection: octets held, and how many timers, sockets and abort signals. The process must run with NODE_OPTIONS=--inspect-port=0, or two of them
// would want the same port. Attach before the first footprint: the inspector itself takes a few descriptors.

export const inspectable = { NODE_OPTIONS: "--inspect-port=0" } as const;
const answerMs = 20_000;

/** Constructors' prototypes as expressions in the process; each counted by its living instances. */
const KINDS = {
  timers: "(() => { const timer = setTimeout(() => {}, 0); clearTimeout(timer); return Object.getPrototypeOf(timer); })()",
  sockets: "process.getBuiltinModule('node:net').Socket.prototype",
  signals: "AbortSignal.prototype",
} as const;

export interface Alive {
  /** V8's heap, and what it holds outside (buffers), after a collection. */
  readonly octets: number;
  readonly counts: Readonly<Record<keyof typeof KINDS, number>>;
}

export interface Inspected {
  readonly child: { readonly pid?: number | undefined };
  said(pattern: RegExp): Promise<RegExpExecArray>;
}

interface Answer {
  /** None in what the inspector says unasked. */
  readonly id?: number;
  readonly result?: unknown;
  readonly error?: { readonly message: string };
}

export class Inspector {
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  #lastId = 0;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.addEventListener("message", ({ data }) => {
      const answer = JSON.parse(String(data)) as Answer;
      if (answer.id === undefined) return;
      this.#waiting.get(answer.id)?.(answer);
      this.#waiting.delete(answer.id);
    });
  }

  static async attach(inspected: Inspected): Promise<Inspector> {
    process.kill(inspected.child.pid!, "SIGUSR1");
    const [, url] = await inspected.said(/Debugger listening on (ws:\/\/\S+)/);
    const socket = new WebSocket(url!);
    await new Promise((resolve, reject) => {
      socket.addEventListener("open", resolve, { once: true });
      socket.addEventListener("error", () => reject(new Error(`the inspector at ${url} does not answer`)), { once: true });
    });
    return new Inspector(socket);
  }

  #ask<Result>(method: string, params: Readonly<Record<string, unknown>> = {}): Promise<Result> {
    this.#lastId += 1;
    const id = this.#lastId;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`the inspector did not answer ${method} within ${answerMs} ms`)), answerMs);
      this.#waiting.set(id, ({ result, error }) => {
        clearTimeout(timer);
        if (error === undefined) resolve(result as Result);
        else reject(new Error(`${method}: ${error.message}`));
      });
      this.#socket.send(JSON.stringify({ id, method, params }));
    });
  }

  async alive(): Promise<Alive> {
    await this.#ask("HeapProfiler.collectGarbage");
    const counts = {} as Record<keyof typeof KINDS, number>;
    for (const [kind, expression] of Object.entries(KINDS)) counts[kind as keyof typeof KINDS] = await this.#count(expression);
    await this.#ask("HeapProfiler.collectGarbage");
    const { result } = await this.#ask<{ result: { value: number } }>("Runtime.evaluate", { expression: "(({ heapUsed, external }) => heapUsed + external)(process.memoryUsage())", returnByValue: true });
    return { octets: result.value, counts };
  }

  async #count(expression: string): Promise<number> {
    const prototype = await this.#ask<{ result: { objectId: string } }>("Runtime.evaluate", { expression });
    const found = await this.#ask<{ objects: { objectId: string } }>("Runtime.queryObjects", { prototypeObjectId: prototype.result.objectId });
    const length = await this.#ask<{ result: { value: number } }>("Runtime.callFunctionOn", { objectId: found.objects.objectId, functionDeclaration: "function () { return this.length; }", returnByValue: true });
    for (const { objectId } of [prototype.result, found.objects]) await this.#ask("Runtime.releaseObject", { objectId });
    return length.result.value;
  }

  close(): void {
    this.#socket.close();
  }
}
