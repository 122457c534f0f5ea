import { setTimeout as sleep } from "node:timers/promises";

import type { Response } from "undici";
import { EnvHttpProxyAgent, fetch } from "undici";

import { InvalidOptionError, LlamaError } from "../errors.js";

export interface RequestOptions {
  method?: "GET" | "HEAD";
  headers?: Record<string, string>;
  /** Sent to this URL's own host, but not to another one that it redirects to. */
  token?: string | undefined;
  signal?: AbortSignal | undefined;
  /** Called before a pause that people would notice, with its milliseconds. */
  onPause?: ((milliseconds: number) => void) | undefined;
}

/** What is shorter than this nobody needs to be told. In milliseconds. */
const noticed = 1000;

/** Tries of a request that fails for a reason that may pass; between them, milliseconds that double. */
const attempts = 5;
const firstPause = 300;
/** A server that wants a longer pause is not waited for. In milliseconds. */
const longestPause = 60_000;

/** Statuses after which the same request may succeed. */
const passing = new Set([408, 429, 500, 502, 503, 504]);

let agent: EnvHttpProxyAgent | undefined;

/** Goes through the proxies of `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`. */
function dispatcher(): EnvHttpProxyAgent {
  // The hub's other clients read this variable too, in seconds.
  const timeout = 1000 * (Number(process.env["HF_HUB_DOWNLOAD_TIMEOUT"]) || 30);
  const timeouts = { headersTimeout: timeout, bodyTimeout: timeout, connect: { timeout } };
  agent ??= new EnvHttpProxyAgent({ ...timeouts, ...proxies(process.env) });
  return agent;
}

/**
 * The proxies that variables name; what is left out has none.
 *
 * @throws InvalidOptionError for one that cannot be understood
 */
export function proxies(env: NodeJS.ProcessEnv): { httpProxy?: string; httpsProxy?: string } {
  const all = proxyOf(env, "ALL_PROXY");
  const http = proxyOf(env, "HTTP_PROXY") ?? all;
  const https = proxyOf(env, "HTTPS_PROXY") ?? all;
  return { ...(http === undefined ? {} : { httpProxy: http }), ...(https === undefined ? {} : { httpsProxy: https }) };
}

const proxyProtocols = new Set(["http:", "https:", "socks:", "socks5:", "socks5h:"]);

/** Of a variable in small letters or large; a host with a port alone is one of HTTP, as for curl and pip. */
function proxyOf(env: NodeJS.ProcessEnv, variable: string): string | undefined {
  const value = (env[variable.toLowerCase()] ?? env[variable])?.trim();
  if (value === undefined || value === "") return undefined;
  const url = value.includes("://") ? value : `http://${value}`;
  if (URL.canParse(url) && proxyProtocols.has(new URL(url).protocol)) return url.replace(/^socks5h:/, "socks5:");
  throw new InvalidOptionError(variable, "the address of a proxy such as http://proxy.example:3128", value);
}

/**
 * A request that is repeated while it fails for a reason that may pass. Every answer of a server is returned, whatever its
 * status.
 *
 * @throws LlamaError `DOWNLOAD` where no server answers; the signal's reason when cancelled
 */
export async function request(url: string, options: RequestOptions = {}): Promise<Response> {
  const { method = "GET", headers = {}, token, signal, onPause } = options;
  const through = dispatcher();
  for (let attempt = 1; ; attempt++) {
    signal?.throwIfAborted();
    let pause = firstPause * 2 ** (attempt - 1);
    try {
      const response = await fetch(url, {
        method,
        headers: { ...headers, ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) },
        dispatcher: through,
        ...(signal === undefined ? {} : { signal }),
      });
      if (!passing.has(response.status) || attempt === attempts) return response;
      const wanted = retryAfter(response);
      if (wanted !== undefined && wanted > longestPause) return response;
      pause = Math.max(pause, wanted ?? 0);
      await response.body?.cancel();
    } catch (error) {
      signal?.throwIfAborted();
      if (attempt === attempts || !mayPass(error)) throw unreachable(url, error);
    }
    await waitFor(pause, { signal, onPause });
  }
}

/** Tells pauses that people would notice; rejects with the signal's reason when cancelled meanwhile. */
export async function waitFor(
  milliseconds: number,
  { signal, onPause }: Pick<RequestOptions, "signal" | "onPause">,
): Promise<void> {
  if (milliseconds >= noticed) onPause?.(milliseconds);
  try {
    await sleep(milliseconds, undefined, signal === undefined ? {} : { signal });
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  }
}

/** Whether an error says that no server could be asked, as opposed to what one answered. */
export function isUnreachable(error: unknown): boolean {
  return error instanceof LlamaError && error.details["reason"] === "unreachable";
}

/** Milliseconds that a server asks to wait for. */
export function retryAfter(response: Response): number | undefined {
  const value = response.headers.get("retry-after");
  if (value === null) return undefined;
  const seconds = Number(value);
  const milliseconds = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(value) - Date.now();
  return Number.isFinite(milliseconds) ? Math.max(0, milliseconds) : undefined;
}

/** A host that does not exist or refuses will not be there half a second later. */
function mayPass(error: unknown): boolean {
  return !["ENOTFOUND", "ECONNREFUSED", "ERR_INVALID_URL"].includes(codeOf(error));
}

function unreachable(url: string, error: unknown): LlamaError {
  const { host } = new URL(url);
  const reason = reasonOf(error);
  return new LlamaError(
    "DOWNLOAD",
    `Cannot reach ${host}: ${reason}. Check the network connection; behind a proxy, HTTPS_PROXY must name it.`,
    { cause: error, details: { host, reason: "unreachable" } },
  );
}

/** What went wrong below fetch's own "fetch failed". */
export function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const code = codeOf(error);
  const message = cause instanceof Error ? cause.message : String(cause);
  return message === "" ? code : message;
}

function codeOf(error: unknown): string {
  const { code, cause } = error as { code?: unknown; cause?: { code?: unknown } };
  const found = cause?.code ?? code;
  return typeof found === "string" ? found : "";
}
