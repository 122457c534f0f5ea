import { describe, expect, test, vi } from "vitest";

import type { StreamEncoder } from "../../src/server/dialect.js";
import type { EventStreamOptions } from "../../src/server/http/event-stream.js";
import { EventStream, sse } from "../../src/server/http/event-stream.js";
import type { Run } from "../../src/server/inference/backend.js";
import type { InferenceEvent } from "../../src/server/inference/events.js";

const piece: InferenceEvent = { type: "text", choice: 0, text: "a" };
const plain: StreamEncoder = {
  start: () => "(",
  event: (event) => (event.type === "text" ? `[${event.text}]` : ""),
  end: () => ")",
};

/** A run of these events; the last promise may never settle. */
function runOf(...news: (InferenceEvent[] | undefined | Promise<never>)[]): Run {
  const rest = [...news];
  return { info: {} as Run["info"], generatedTokens: [], next: async () => rest.shift() };
}

function make(encoder: StreamEncoder, run: Run, more: Partial<EventStreamOptions> = {}) {
  const client = new AbortController();
  const stop = new AbortController();
  const seen = { onEnd: vi.fn(), onAbandoned: vi.fn(), onEvent: vi.fn() };
  const stream = new EventStream({
    stream: { contentType: "text/plain", keepAlive: undefined, encoder: () => encoder, error: (body) => sse(body) },
    run: Promise.resolve(run),
    keepAliveMs: 1000,
    stallMs: 1000,
    describe: (error) => ({ error: (error as Error).message }),
    client: client.signal,
    stop,
    hangUp: undefined,
    ...seen,
    ...more,
  });
  return { stream, client, stop, ...seen };
}

const read = async (body: ReadableStream<Uint8Array>): Promise<string> => new Response(body).text();
const forever = new Promise<never>(() => undefined);

describe("an encoder that throws", () => {
  const fault = new Error("cannot say this");
  const fail = (): never => {
    throw fault;
  };

  test.each<[keyof StreamEncoder, string]>([
    ["start", ""],
    ["event", ""],
    ["end", "([a]"],
  ])("in %s ends the request once, and the client is told", async (method, before) => {
    const { stream, stop, onEnd, onAbandoned } = make({ ...plain, [method]: fail }, runOf([piece], undefined));
    expect(await read(await stream.begin())).toBe(`${before}data: {"error":"cannot say this"}\n\n`);
    expect(stop.signal.reason).toBe(fault);
    expect(onEnd).toHaveBeenCalledTimes(1);
    expect(onAbandoned).not.toHaveBeenCalled();
  });
});

test("a stream without faults is what the encoder says", async () => {
  const { stream, stop, onEnd } = make(plain, runOf([piece, piece], [piece], undefined));
  // What has come together is one piece.
  expect(await read(await stream.begin())).toBe("([aa][a])");
  expect([stop.signal.aborted, onEnd.mock.calls.length]).toEqual([false, 1]);
});

describe("a client that leaves", () => {
  test("ends a body that nobody reads with its reason", async () => {
    const { stream, client, stop, onAbandoned } = make(plain, runOf([piece], forever));
    client.signal.addEventListener("abort", () => stop.abort(client.signal.reason));
    const body = await stream.begin();
    client.abort(new Error("enough"));
    await expect(read(body)).rejects.toThrow("enough");
    expect(onAbandoned).toHaveBeenCalledTimes(1);
  });

  test("has its connection closed instead, where it has one, and the body is no error", async () => {
    const hangUp = vi.fn();
    const { stream, client, stop, onAbandoned } = make(plain, runOf([piece], forever), { hangUp });
    client.signal.addEventListener("abort", () => stop.abort(client.signal.reason));
    const body = await stream.begin();
    client.abort(new Error("enough"));
    expect(await read(body)).toBe("");
    expect([hangUp.mock.calls.length, onAbandoned.mock.calls.length]).toEqual([1, 1]);
  });

  test("is hung up on when it takes nothing for too long", async () => {
    const hangUp = vi.fn();
    const { stream, stop, onEnd } = make(plain, runOf([piece], forever), { hangUp, stallMs: 20 });
    await stream.begin();
    await expect.poll(() => hangUp.mock.calls.length).toBe(1);
    expect([stop.signal.aborted, onEnd.mock.calls.length]).toEqual([true, 1]);
  });
});
