import type { AnswerStream, StreamEncoder } from "../dialect.js";
import type { InferenceEvent } from "../inference/events.js";
import type { Run } from "../inference/backend.js";

export interface EventStreamOptions {
  readonly stream: AnswerStream;
  /** The request, which may still be waiting for its model. */
  readonly run: Promise<Run>;
  /** Milliseconds without news after which a sign of life is sent. */
  readonly keepAliveMs: number;
  /** Milliseconds after which a client that takes nothing is given up. */
  readonly stallMs: number;
  readonly onEvent: (event: InferenceEvent) => void;
  /** An error in mid-stream, as the dialect tells it. */
  readonly describe: (error: unknown) => unknown;
  /** Aborts when the client leaves. */
  readonly client: AbortSignal;
  /** Ends the request; it is aborted from outside when the time is up, the server drains, or the client leaves. */
  readonly stop: AbortController;
  /** Closes the client's connection, where there is one; a body that breaks off is then nobody's error. */
  readonly hangUp: (() => void) | undefined;
  /** The client has left or is given up. */
  onAbandoned(): void;
  /** Called once, when nothing more will be sent. */
  onEnd(): void;
}

/** A server-sent event of JSON. */
export function sse(data: unknown, event?: string): string {
  return `${event === undefined ? "" : `event: ${event}\n`}data: ${JSON.stringify(data)}\n\n`;
}

export const eventStream = { contentType: "text/event-stream; charset=utf-8", keepAlive: ": keep-alive\n\n" } as const;

const encoder = new TextEncoder();
/** Milliseconds for a client to take what is left of an answer that was ended. */
const lastCallMs = 1000;
const quiet = Symbol("quiet");
type News = InferenceEvent[] | undefined;

/**
 * Turns a request's events into a response's body. What the client takes is what is made: nothing is encoded before it is
 * asked for, and what has come in the meantime is sent at once. So a slow client costs its answer's events, which its
 * model's context bounds, and for no longer than `stallMs` without taking anything. Whatever fails - the model, a filter,
 * an encoder - ends the request, and the client is told.
 */
export class EventStream {
  readonly #options: EventStreamOptions;
  #encoder: StreamEncoder | undefined;
  #news: Promise<News> | undefined;
  /** Both timers are made once and then refreshed, as every piece of a stream sets them anew. */
  #stall: NodeJS.Timeout | undefined;
  #quiet: NodeJS.Timeout | undefined;
  #onQuiet: (() => void) | undefined;
  /** Whether the client waits for something. */
  #pulling = false;
  #ended = false;

  constructor(options: EventStreamOptions) {
    this.#options = options;
  }

  /** Waits for the first news, so that what fails early has its own status, or until a sign of life is due. */
  async begin(): Promise<ReadableStream<Uint8Array>> {
    await this.#nextOrQuiet();
    return new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          const { signal } = this.#options.stop;
          this.#watch(controller);
          // It may be that nobody asks for anything any more, and so would not hear of it.
          signal.addEventListener("abort", () => this.#watch(controller), { once: true });
        },
        pull: (controller) => this.#pull(controller),
        cancel: (reason) => this.#abandon(toError(reason)),
      },
      { highWaterMark: 0 },
    );
  }

  async #pull(controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
    this.#pulling = true;
    const text = await this.#nextText();
    this.#pulling = false;
    if (text !== "") controller.enqueue(encoder.encode(text));
    if (this.#ended) controller.close();
    else this.#watch(controller);
  }

  /** While the client does not ask for more: gives it up after a time, of which it has less once the request was ended. */
  #watch(controller: ReadableStreamDefaultController<Uint8Array>): void {
    if (this.#ended || this.#pulling) return;
    const { stop, client, stallMs } = this.#options;
    if (client.aborted) {
      this.#giveUp(controller);
    } else if (stop.signal.aborted) {
      clearTimeout(this.#stall);
      this.#stall = setTimeout(() => this.#giveUp(controller), Math.min(stallMs, lastCallMs)).unref();
    } else {
      this.#stall ??= setTimeout(() => this.#giveUp(controller), stallMs).unref();
      this.#stall.refresh();
    }
  }

  #giveUp(controller: ReadableStreamDefaultController<Uint8Array>): void {
    if (this.#ended || this.#pulling) return; // it has asked for more meanwhile
    const { client, hangUp } = this.#options;
    const reason = client.aborted ? toError(client.reason) : new Error("The client takes nothing");
    this.#abandon(reason);
    if (hangUp === undefined) {
      controller.error(reason);
    } else {
      hangUp();
      controller.close();
    }
  }

  #abandon(reason: Error): void {
    if (this.#ended) return;
    this.#options.onAbandoned();
    this.#end();
    this.#options.stop.abort(reason);
  }

  /** Something to send, or "" at the end. Rejects only where nobody is left to tell. */
  async #nextText(): Promise<string> {
    const { stream, describe, client, hangUp } = this.#options;
    try {
      for (;;) {
        const news = await this.#nextOrQuiet();
        if (news === quiet) {
          if (stream.keepAlive !== undefined) return stream.keepAlive;
          continue;
        }
        this.#news = undefined;
        const text = this.#encode(news);
        if (text !== "" || this.#ended) return text;
      }
    } catch (error) {
      if (client.aborted) {
        this.#abandon(toError(client.reason));
        if (hangUp !== undefined) return "";
        throw client.reason;
      }
      const text = stream.error(describe(error));
      this.#options.stop.abort(error);
      this.#end();
      return text;
    }
  }

  #encode(events: News): string {
    const { onEvent } = this.#options;
    if (events === undefined) {
      const text = this.#encoder?.end() ?? "";
      this.#end();
      return text;
    }
    let text = "";
    for (const event of events) onEvent(event);
    for (const event of joined(events)) text += this.#encoder?.event(event) ?? "";
    return text;
  }

  #nextOrQuiet(): Promise<News | typeof quiet> {
    const news = (this.#news ??= this.#next());
    this.#quiet ??= setTimeout(() => this.#onQuiet?.(), this.#options.keepAliveMs).unref();
    this.#quiet.refresh();
    return new Promise((resolve, reject) => {
      this.#onQuiet = (): void => resolve(quiet);
      news.then(resolve, reject);
    });
  }

  async #next(): Promise<News> {
    const run = await this.#options.run;
    if (this.#encoder !== undefined) return run.next();
    const first = await run.next();
    this.#encoder = new Opened(this.#options.stream.encoder(run.info));
    return first;
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#stall);
    clearTimeout(this.#quiet);
    this.#options.onEnd();
  }
}

/** Texts that follow each other in one answer are one piece. */
function joined(events: readonly InferenceEvent[]): InferenceEvent[] {
  const pieces: InferenceEvent[] = [];
  for (const event of events) {
    const last = pieces.at(-1);
    const isMore = last?.type === event.type && last.choice === event.choice;
    if (isMore && isPlainText(event) && isPlainText(last)) {
      pieces[pieces.length - 1] = { ...last, text: last.text + event.text };
    } else pieces.push(event);
  }
  return pieces;
}

function isPlainText(event: InferenceEvent): event is InferenceEvent & { type: "text" | "thinking" } {
  return event.type === "thinking" || (event.type === "text" && event.logprobs === undefined);
}

function toError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error("The client has gone");
}

/** Puts what a stream starts with before what comes first. */
class Opened implements StreamEncoder {
  readonly #inner: StreamEncoder;
  #opened = false;

  constructor(inner: StreamEncoder) {
    this.#inner = inner;
  }

  start(): string {
    if (this.#opened) return "";
    this.#opened = true;
    return this.#inner.start();
  }

  event(event: InferenceEvent): string {
    return this.start() + this.#inner.event(event);
  }

  end(): string {
    return this.start() + this.#inner.end();
  }
}
