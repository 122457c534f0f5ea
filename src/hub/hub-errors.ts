import { isAbsolute } from "node:path";

import type { Response } from "undici";

import { LlamaError } from "../errors.js";
import { retryAfter } from "./http.js";
import { isPublicHub, type HubSettings } from "./settings.js";

/** What the hub would not give: a repository, or one of its files. */
export interface Wanted {
  repository: string;
  revision?: string;
  file?: string;
  /** Repositories of similar names, for a 404. */
  near?: readonly string[];
}

/** Says of a failed answer of the hub what to do about it. */
export function hubFailure(response: Response, wanted: Wanted, settings: HubSettings): LlamaError {
  const { status } = response;
  const reason = response.headers.get("x-error-code") ?? "";
  const details = {
    status,
    repository: wanted.repository,
    ...(wanted.file === undefined ? {} : { file: wanted.file }),
  };
  const elsewhere = otherHost(response, settings);
  if (elsewhere !== undefined && isRefusal(status)) {
    const message = `${elsewhere}, where the hub keeps files of ${wanted.repository}, refuses them (${status}). A firewall or proxy on the way may be why: let it allow that host`;
    return new LlamaError("DOWNLOAD", message, { details: { ...details, host: elsewhere } });
  }
  const missing = isMissing(response);
  const message = missing
    ? missingMessage(reason, wanted, settings)
    : failureMessage(response, reason, wanted, settings);
  return new LlamaError(missing ? "MODEL_NOT_FOUND" : "DOWNLOAD", message, { details });
}

/** The host that answered, where a redirect led away from the hub: what that says is nothing about tokens or names. */
function otherHost({ url, headers }: Response, { endpoint }: HubSettings): string | undefined {
  if (headers.has("x-error-code")) return undefined; // as only the hub has it
  const { host } = new URL(url);
  return host === new URL(endpoint).host || isPublicHub(host) ? undefined : host;
}

/** Whether trying again later, or from the beginning, would not help. */
function isRefusal(status: number): boolean {
  return status < 500 && status !== 416 && status !== 429;
}

/** Whether an answer says that there is nothing of this name, or nothing for strangers to see. */
export function isMissing({ status, headers }: Response): boolean {
  return status === 404 || headers.get("x-error-code") === "RepoNotFound";
}

function missingMessage(
  reason: string,
  { repository, revision, file, near = [] }: Wanted,
  settings: HubSettings,
): string {
  if (reason === "RevisionNotFound")
    return `${repository} has no branch, tag or commit ${JSON.stringify(revision ?? "main")}`;
  if (reason === "EntryNotFound" && file !== undefined) return `${repository} has no file ${file}`;
  const hint = near.length > 0 ? `Did you mean ${near.join(", ")}?` : "Check its spelling.";
  const access = settings.token === undefined ? " A private one needs a token in HF_TOKEN." : "";
  return `The hub has no repository ${repository}. ${hint}${access}`;
}

function failureMessage(response: Response, reason: string, { repository }: Wanted, settings: HubSettings): string {
  const { endpoint, token, tokenFrom = "HF_TOKEN" } = settings;
  const page = `${endpoint}/${repository}`;
  const tokens = `${endpoint}/settings/tokens`;
  if (reason === "GatedRepo" && token === undefined) {
    return `${repository} is gated: accept its terms at ${page}, then set HF_TOKEN to a token from ${tokens}`;
  }
  if (reason === "GatedRepo")
    return `${repository} is gated, and your account has no access yet: ask for it at ${page}`;
  switch (response.status) {
    case 401:
      return token === undefined
        ? `The hub gives ${repository} only to those who may see it, or there is none: check the name, or set HF_TOKEN to a token from ${tokens}`
        : `The hub does not accept the token in ${tokenFrom}: make a new one at ${tokens}${isAbsolute(tokenFrom) ? ", and log in with it (`hf auth login`)" : ""}`;
    case 403:
      return token === undefined
        ? `The hub does not give ${repository} without a token (403), as it is gated or private: set HF_TOKEN to a token from ${tokens}, and where ${page} has terms, accept them first`
        : `Your token may not read ${repository}: give it that right at ${tokens}, or ask for access at ${page}`;
    case 416:
      return `The hub has less of ${repository} than was begun to be downloaded (416). Try again; where that does not help, \`llama-native models rm hf:${repository}\` removes what was begun`;
    case 429: {
      const seconds = Math.ceil((retryAfter(response) ?? 0) / 1000);
      const wait = seconds > 0 ? `Try again in ${seconds} s` : "Try again later";
      return `The hub has had too many requests from here (429). ${wait}${token === undefined ? "; with a token in HF_TOKEN it allows more" : ""}`;
    }
    default:
      return response.status >= 500
        ? `The hub has trouble of its own (${response.status}). Try again later; what was downloaded is kept`
        : `The hub refuses ${repository} (${response.status}). ${page} may say why; where HF_ENDPOINT names a mirror, try without it`;
  }
}
