import { createApp } from "./app.js";
import type { HandlerOptions } from "./server-options.js";
import { readHandlerOptions } from "./server-options.js";
import { Service } from "./service.js";

/** The server as a function from requests to responses, for any framework, and for clients that take a `fetch`. */
export interface FetchHandler {
  (request: Request): Promise<Response>;
  (input: string | URL | Request, init?: RequestInit): Promise<Response>;
  /** Resolves when the models are loaded; rejects where one cannot be. */
  readonly ready: Promise<void>;
  /** Ends what runs (after `deadlineMs`, default 0, which requests in work have to end by themselves) and unloads the models. */
  close(options?: { deadlineMs?: number }): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Makes the server without a socket. It begins to load its models at once; requests get a 503 until that is done, see
 * `ready`. A model that is given as a context is used and not disposed. Throws `INVALID_OPTION`.
 */
export function createFetchHandler(options: HandlerOptions): FetchHandler {
  const service = new Service(readHandlerOptions(options));
  const app = createApp(service);
  const handle = async (input: string | URL | Request, init?: RequestInit): Promise<Response> => {
    const request = input instanceof Request && init === undefined ? input : new Request(input, init);
    const response = await app.fetch(request);
    request.signal.throwIfAborted(); // as any fetch does
    return response;
  };
  const close = async ({ deadlineMs = 0 }: { deadlineMs?: number } = {}): Promise<void> => {
    await service.drain(deadlineMs);
    await service.dispose();
  };
  return Object.assign(handle, { ready: service.ready, close, [Symbol.asyncDispose]: () => close() });
}
