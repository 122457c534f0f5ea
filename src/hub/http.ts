import { setTimeout as sleep } from "node:timers/promises";

import type { Agent, Dispatcher, Response } from "undici";
import { fetch } from "undici";

import { LlamaError } from "../errors.js";
import { proxyingAgent } from "./proxies.js";

export interface RequestOptions {
  method?: "GET" | "HEAD";
  headers?: Record<string, string>;
  /** Sent to this URL's own host, but not to another one that it redirects to. */
  token?: string | undefined;
  signal?: AbortSignal | undefined;
  /** Called before a pause that people would notice, with its milliseconds. */
  onPause?: ((milliseconds: number) => void) | undefined;
  /** How often to ask where nobody answers; by default as often as for any other reason. */
  tries?: number | undefined;
}

/** A request's answer with its body, or the first bytes of that. */
export interface WholeAnswer {
  response: Response;
  /** Empty for an answer that is a failure. */
  body: Buffer;
}

/** What is shorter than this nobody needs to be told. In milliseconds. */
const noticed = 1000;

/** Tries of a request that fails for a reason that may pass; between them, milliseconds that double. */
const attempts = 5;
const firstPause = 300;
/** Tries where nobody answers and the cache can: nobody should wait long for what is only perhaps newer. */
export const triesBesideCache = 2;
/** A server that wants a longer pause is not waited for. In milliseconds. */
const longestPause = 60_000;

/** Statuses after which the same request may succeed. */
const passing = new Set([408, 429, 500, 502, 503, 504]);

/** What a network that drops packets may take to make a connection, in milliseconds. */
const longestConnect = 10_000;

let agent: Dispatcher | undefined;

function dispatcher(): Dispatcher {
  agent ??= proxyingAgent(agentOptions(process.env), process.env);
  return agent;
}

/** How long to wait for what. */
export function agentOptions(env: NodeJS.ProcessEnv): Agent.Options {
  // The hub's other clients read this variable too, in seconds.
  const timeout = 1000 * (Number(env["HF_HUB_DOWNLOAD_TIMEOUT"]) || 30);
  return {
    headersTimeout: timeout,
    bodyTimeout: timeout,
    connect: { timeout: Math.min(timeout, longestConnect) },
  };
}

/**
 * A request that is repeated while it fails for a reason that may pass. Every answer of a server is returned, whatever its
 * status.
 *
 * @throws LlamaError `DOWNLOAD` where no server answers; the signal's reason when cancelled
 */
export async function request(url: string, options: RequestOptions = {}): Promise<Response> {
  return requestAndRead(url, options, (response) => Promise.resolve(response));
}

/** The same with the body of a good answer, or the first bytes of that: one that breaks off is asked for again too. */
export async function requestBody(url: string, options: RequestOptions, mostBytes: number): Promise<WholeAnswer> {
  return requestAndRead(url, options, async (response) => {
    if (response.ok) return { response, body: await readBody(response, mostBytes) };
    await response.body?.cancel();
    return { response, body: Buffer.alloc(0) };
  });
}

async function requestAndRead<T>(
  url: string,
  options: RequestOptions,
  read: (response: Response) => Promise<T>,
): Promise<T> {
  const { method = "GET", headers = {}, token, signal, onPause, tries = attempts } = options;
  const through = dispatcher();
  for (let attempt = 1; ; attempt++) {
    signal?.throwIfAborted();
    let pause = firstPause * 2 ** (attempt - 1);
    let hasAnswered = false;
    try {
      const response = await fetch(url, {
        method,
        headers: { ...headers, ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) },
        dispatcher: through,
        ...(signal === undefined ? {} : { signal }),
      });
      hasAnswered = true;
      const wanted = retryAfter(response) ?? 0;
      if (!passing.has(response.status) || attempt === attempts || wanted > longestPause) return await read(response);
      pause = Math.max(pause, wanted);
      await response.body?.cancel();
    } catch (error) {
      signal?.throwIfAborted();
      if (attempt >= tries || !mayPass(error)) throw hasAnswered ? brokenOff(url, error) : unreachable(url, error);
    }
    await waitFor(pause, { signal, onPause });
  }
}

async function readBody(response: Response, mostBytes: number): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  for await (const piece of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    pieces.push(piece);
    length += piece.length;
    if (length > mostBytes) break; // which ends the response; one that has no more keeps its connection
  }
  return Buffer.concat(pieces, Math.min(length, mostBytes));
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

/** Whether an error says that nothing could be asked of a server, as opposed to what it answered. */
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

/** A host that does not exist or refuses will not be there half a second later, nor be trusted, nor a proxy change its mind. */
function mayPass(error: unknown): boolean {
  const code = codeOf(error);
  if (["ENOTFOUND", "ECONNREFUSED", "ERR_INVALID_URL"].includes(code) || isUntrusted(code)) return false;
  const refusal = proxyStatus(error);
  return refusal === undefined || passing.has(refusal);
}

/** OpenSSL's names for what is wrong with a certificate, and Node's for one of another host. */
function isUntrusted(code: string): boolean {
  return /^(CERT_|SELF_SIGNED_CERT|DEPTH_ZERO_SELF|UNABLE_TO_(GET|VERIFY|DECRYPT|DECODE)|INVALID_(CA|PURPOSE)|ERR_TLS_CERT)/.test(
    code,
  );
}

/** What a proxy answered where it did not let a connection through. */
function proxyStatus(error: unknown): number | undefined {
  const status = /^Proxy response \((\d+)\)/.exec(reasonOf(error))?.[1];
  return status === undefined ? undefined : Number(status);
}

function unreachable(url: string, error: unknown): LlamaError {
  const { host, protocol } = new URL(url);
  const variable = protocol === "https:" ? "HTTPS_PROXY" : "HTTP_PROXY";
  return new LlamaError("DOWNLOAD", unreachableMessage(host, variable, error), {
    cause: error,
    details: { host, reason: "unreachable" },
  });
}

function brokenOff(url: string, error: unknown): LlamaError {
  const { host } = new URL(url);
  return new LlamaError("DOWNLOAD", `The connection to ${host} breaks off again and again: ${reasonOf(error)}`, {
    cause: error,
    details: { host, reason: "unreachable" },
  });
}

function unreachableMessage(host: string, variable: string, error: unknown): string {
  const reason = reasonOf(error);
  const code = codeOf(error);
  const status = proxyStatus(error);
  if (status === 407) {
    return `The proxy on the way to ${host} asks for a name and password, or does not accept those it got (407): ${variable} can have them, as http://name:password@proxy.example:3128`;
  }
  if (status !== undefined) {
    return `The proxy on the way to ${host} does not let the connection through (${status}). Ask who runs it, or let NO_PROXY name the host`;
  }
  if (isUntrusted(code)) return `Cannot trust the certificate of ${host}: ${reason}. ${certificateAdvice(code)}`;
  return `Cannot reach ${host}: ${reason}. Check the network connection; behind a proxy, ${variable} must name it.`;
}

function certificateAdvice(code: string): string {
  if (code === "CERT_HAS_EXPIRED" || code === "CERT_NOT_YET_VALID") return "Check this machine's clock.";
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") return "Check the address: it is answered by another host.";
  return "Where a proxy or server has an authority of its own, NODE_EXTRA_CA_CERTS can name a file with its certificate.";
}

/** What went wrong below fetch's own "fetch failed". */
export function reasonOf(error: unknown): string {
  const cause = causesOf(error).at(-1);
  const message = cause instanceof Error ? cause.message : String(cause);
  return message === "" ? codeOf(error) : message;
}

function codeOf(error: unknown): string {
  const codes = causesOf(error).map((cause) => (cause as { code?: unknown } | undefined)?.code);
  return codes.filter((code) => typeof code === "string").at(-1) ?? "";
}

/** An error, what caused it, what caused that, and so on. */
function causesOf(error: unknown): unknown[] {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause instanceof Error ? [error, ...causesOf(cause)] : [error];
}
