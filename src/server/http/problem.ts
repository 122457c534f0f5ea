import type { LlamaErrorCode, LlamaErrorDetails } from "../../errors.js";
import { LlamaError } from "../../errors.js";

/** Everything that can go wrong with a request; each has one HTTP status, see `statuses`. */
export type ProblemCode =
  /** The body or a parameter is wrong; `param` says which. */
  | "invalid_request"
  /** The request asks for something that this server or model cannot do; `param` says what. */
  | "unsupported"
  /** The content filter refused the request. */
  | "content_filter"
  | "context_length_exceeded"
  | "unauthorized"
  | "host_not_allowed"
  | "not_found"
  | "model_not_found"
  | "method_not_allowed"
  | "body_too_large"
  | "unsupported_media_type"
  | "queue_full"
  | "internal"
  | "loading"
  | "draining"
  | "time_limit"
  | "insufficient_memory";

const statuses: Readonly<Record<ProblemCode, ProblemStatus>> = {
  invalid_request: 400,
  unsupported: 400,
  content_filter: 400,
  context_length_exceeded: 400,
  unauthorized: 401,
  host_not_allowed: 403,
  not_found: 404,
  model_not_found: 404,
  method_not_allowed: 405,
  body_too_large: 413,
  unsupported_media_type: 415,
  queue_full: 429,
  internal: 500,
  loading: 503,
  draining: 503,
  time_limit: 503,
  insufficient_memory: 503,
};

export type ProblemStatus = 400 | 401 | 403 | 404 | 405 | 413 | 415 | 422 | 429 | 500 | 503;

export interface ProblemOptions {
  /** Where in the request the problem is, e.g. `messages[0].content`. */
  readonly param?: string | undefined;
  /** Seconds after which trying again makes sense. */
  readonly retryAfter?: number | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly details?: LlamaErrorDetails | undefined;
  readonly cause?: unknown;
}

/** Why a request is not answered, in no dialect's terms. */
export class Problem extends Error {
  override readonly name = "Problem";
  readonly code: ProblemCode;
  readonly param: string | null;
  readonly retryAfter: number | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly details: LlamaErrorDetails;

  constructor(code: ProblemCode, message: string, options: ProblemOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.param = options.param ?? null;
    this.retryAfter = options.retryAfter;
    this.headers = options.headers ?? {};
    this.details = options.details ?? {};
  }

  get status(): ProblemStatus {
    return statuses[this.code];
  }
}

/** How the library's own errors look from outside; what is not listed is the server's fault. */
const problemCodes: Partial<Readonly<Record<LlamaErrorCode, ProblemCode>>> = {
  INVALID_OPTION: "invalid_request",
  GRAMMAR: "invalid_request",
  TEMPLATE: "invalid_request",
  CONTEXT_OVERFLOW: "context_length_exceeded",
  QUEUE_FULL: "queue_full",
  DISPOSED: "draining",
  INSUFFICIENT_MEMORY: "insufficient_memory",
  TIMEOUT: "time_limit",
};

/** Makes a problem of anything that was thrown. The message of an `internal` one is for the log, not for the client. */
export function toProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  if (!(error instanceof LlamaError)) return internal(error);
  const code = problemCodes[error.code];
  if (code === undefined) return internal(error);
  const { details } = error;
  return new Problem(code, error.message, {
    details,
    param: error.code === "GRAMMAR" ? "grammar" : code === "invalid_request" ? optionName(details) : undefined,
    retryAfter: code === "queue_full" || code === "draining" ? 1 : undefined,
    cause: error,
  });
}

function internal(error: unknown): Problem {
  return new Problem("internal", error instanceof Error ? error.message : String(error), { cause: error });
}

/** The library's option as requests spell it, `logit_bias` for `logitBias`; what follows is a path within its value. */
function optionName({ option }: LlamaErrorDetails): string | undefined {
  if (typeof option !== "string") return undefined;
  return option.replace(
    /^\w+/,
    (name) => fields[name] ?? name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
  );
}

/** Of options whose fields have other names. */
const fields: Readonly<Record<string, string>> = {
  stopTokens: "stop_token_ids",
  samplerOrder: "samplers",
  templateVariables: "chat_template_kwargs",
};
