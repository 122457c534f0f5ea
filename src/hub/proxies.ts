import type { Dispatcher } from "undici";
import { Agent, EnvHttpProxyAgent } from "undici";

import { InvalidOptionError } from "../errors.js";
import { withoutCredentials } from "./credentials.js";

/** Proxies by the protocol of what is asked for; undefined for none. */
interface Proxies {
  httpProxy?: string;
  httpsProxy?: string;
}

/**
 * The proxies that variables name; what is left out has none.
 *
 * @throws InvalidOptionError for one that cannot be understood
 */
export function proxies(env: NodeJS.ProcessEnv): Proxies {
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
  if (!URL.canParse(url) || !proxyProtocols.has(new URL(url).protocol)) {
    const expected = "the address of a proxy such as http://proxy.example:3128";
    throw new InvalidOptionError(variable, expected, withoutCredentials(value));
  }
  try {
    credentialsOf(url);
  } catch {
    const expected = 'an address whose name and password have a "%" written as %25';
    throw new InvalidOptionError(variable, expected, withoutCredentials(value));
  }
  return url.replace(/^socks5h:/, "socks5:");
}

/** Throws URIError where they are not encoded as in URLs. */
function credentialsOf(url: string): string {
  const { username, password } = new URL(url);
  return `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
}

/** Sends requests through the proxies of `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`. */
export function proxyingAgent(options: Agent.Options, env: NodeJS.ProcessEnv): Dispatcher {
  const { httpProxy, httpsProxy } = proxies(env);
  const [http, https] = [httpProxy, httpsProxy].map((proxy) => agentThrough(proxy, options));
  return new Agent(options).compose((direct) => (request, handler) => {
    const agent = String(request.origin).startsWith("https:") ? https : http;
    return agent === undefined ? direct(request, handler) : agent.dispatch(request, handler);
  });
}

/** One agent for each proxy, as undici's takes that of one protocol for the other too where only one is set. */
function agentThrough(proxy: string | undefined, options: Agent.Options): EnvHttpProxyAgent | undefined {
  if (proxy === undefined) return undefined;
  const credentials = credentialsOf(proxy);
  // Undici sends none that have no password.
  const token = credentials === ":" ? {} : { token: `Basic ${Buffer.from(credentials).toString("base64")}` };
  return new EnvHttpProxyAgent({ ...options, ...token, httpProxy: proxy, httpsProxy: proxy });
}
