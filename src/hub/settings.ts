import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";

import { InvalidOptionError } from "../errors.js";
import { withoutCredentials } from "./credentials.js";

const publicEndpoint = "https://huggingface.co";
const publicHosts = ["huggingface.co", "www.huggingface.co", "hf.co"];

/** Where models come from and go to, by the variables that the hub's other clients read too. */
export interface HubSettings {
  /** `HF_ENDPOINT`, without a slash at the end. */
  endpoint: string;
  /** `HF_TOKEN`, or what `hf auth login` left in a file. */
  token: string | undefined;
  /** The variable or file that the token is in. */
  tokenFrom: string | undefined;
  /** Whether nothing may be asked of the network: `HF_HUB_OFFLINE`. */
  offline: boolean;
  /** `HF_HUB_CACHE`, or `hub` in `HF_HOME`, by default `~/.cache/huggingface/hub`. */
  cache: string;
}

/** Read anew each time, as callers may set the variables. */
export function hubSettings(env: NodeJS.ProcessEnv = process.env): HubSettings {
  const home = hubHome(env);
  return {
    endpoint: hubEndpoint(env),
    ...findToken(env, home),
    offline: isTrue(env["HF_HUB_OFFLINE"]) || isTrue(env["TRANSFORMERS_OFFLINE"]),
    cache: folder(env["HF_HUB_CACHE"]) ?? folder(env["HUGGINGFACE_HUB_CACHE"]) ?? join(home, "hub"),
  };
}

/** @throws InvalidOptionError where what is set as `HF_ENDPOINT` is no address to ask */
export function checkEndpoint({ endpoint }: HubSettings): void {
  const { username, password } = URL.canParse(endpoint) ? new URL(endpoint) : { username: "", password: "" };
  const isOpen = username === "" && password === "";
  if (/^https?:\/\//i.test(endpoint) && URL.canParse(endpoint) && isOpen) return;
  const expected = `a URL such as ${publicEndpoint}${isOpen ? "" : ", without a name or password,"}`;
  throw new InvalidOptionError("HF_ENDPOINT", expected, withoutCredentials(endpoint));
}

/** Hosts, with their ports, whose pages are the hub's. */
export function hubHosts(env: NodeJS.ProcessEnv = process.env): string[] {
  const endpoint = hubEndpoint(env);
  return URL.canParse(endpoint) ? [...publicHosts, new URL(endpoint).host] : publicHosts;
}

/** Whether a host is the hub's own, and none of a mirror. */
export function isPublicHub(host: string): boolean {
  return publicHosts.includes(host.toLowerCase());
}

function hubEndpoint(env: NodeJS.ProcessEnv): string {
  return (given(env, "HF_ENDPOINT") ?? publicEndpoint).replace(/\/+$/, "");
}

function hubHome(env: NodeJS.ProcessEnv): string {
  return folder(env["HF_HOME"]) ?? join(folder(env["XDG_CACHE_HOME"]) ?? join(homedir(), ".cache"), "huggingface");
}

function findToken(env: NodeJS.ProcessEnv, home: string): Pick<HubSettings, "token" | "tokenFrom"> {
  for (const variable of ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"]) {
    const token = given(env, variable);
    if (token !== undefined) return { token, tokenFrom: variable };
  }
  const file = folder(env["HF_TOKEN_PATH"]) ?? join(home, "token");
  try {
    const token = readFileSync(file, "utf8").trim();
    if (token !== "") return { token, tokenFrom: file };
  } catch {
    // nobody has logged in
  }
  return { token: undefined, tokenFrom: undefined };
}

/** A variable that is set, and to something. */
function given(env: NodeJS.ProcessEnv, name: string): string | undefined {
  const value = env[name]?.trim();
  return value === "" ? undefined : value;
}

function folder(path: string | undefined): string | undefined {
  if (!path) return undefined;
  return path === "~" || /^~[/\\]/.test(path) ? resolve(homedir(), path.slice(2)) : resolve(path);
}

function isTrue(value: string | undefined): boolean {
  return ["1", "ON", "YES", "TRUE"].includes((value ?? "").toUpperCase());
}
