/**
 * The error catalogue: every error this package throws on purpose is a {@link LlamaError} whose `code` is one of
 * {@link LlamaErrorCode} and never changes its meaning between releases. Cancelling is the one exception: it rejects
 * with the abort signal's own reason.
 */

export type LlamaErrorCode =
  /** The addon is not built on this machine; the message says what to install. */
  | "NOT_BUILT"
  /** A backend or device that was asked for is not there or does not work here. */
  | "BACKEND_UNAVAILABLE"
  /** No file, or no known model, has this name. */
  | "MODEL_NOT_FOUND"
  /** The file is not a GGUF file, is truncated or corrupt, or is of an architecture that is not supported. */
  | "MODEL_FORMAT"
  /** The model, its KV cache or its compute buffers do not fit in memory. */
  | "INSUFFICIENT_MEMORY"
  /** The prompt has more tokens than the context can hold; `details` has both counts. */
  | "CONTEXT_OVERFLOW"
  /** An option or argument has the wrong type or value. */
  | "INVALID_OPTION"
  /** A GBNF grammar that cannot be parsed, or that no token of the model can satisfy. */
  | "GRAMMAR"
  /** A chat template that cannot be parsed or rendered; `details.line` is the template's line where it is known. */
  | "TEMPLATE"
  /** Too many requests are waiting in this context. */
  | "QUEUE_FULL"
  /**
   * A request did not end within its `timeout`. `details` says how far it came: `timeoutMs`, `queueMs` (before it was
   * started), `promptTokens`, `processedTokens` (of the prompt), `generatedTokens`, `text`, what they say, and
   * `thinking`, where they say some of that.
   */
  | "TIMEOUT"
  /** The object was disposed before or during the call. */
  | "DISPOSED"
  /** A model could not be downloaded or failed its checksum. */
  | "DOWNLOAD"
  /** llama.cpp failed while evaluating; `cause` has its own words. */
  | "DECODE";

/** Facts of an error in a form programs can use, e.g. `{ promptTokens: 9000, contextSize: 4096 }`. */
export type LlamaErrorDetails = Readonly<Record<string, string | number | boolean | null>>;

export interface LlamaErrorOptions {
  cause?: unknown;
  details?: LlamaErrorDetails;
}

export class LlamaError extends Error {
  override readonly name: string = "LlamaError";
  readonly code: LlamaErrorCode;
  readonly details: LlamaErrorDetails;

  constructor(code: LlamaErrorCode, message: string, options: LlamaErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.details = options.details ?? {};
  }
}

/** Thrown by every use of a model, context, sequence or session after `dispose()`. */
export class DisposedError extends LlamaError {
  override readonly name: string = "DisposedError";

  constructor(what: string) {
    super("DISPOSED", `${what} has been disposed`);
  }
}

/** A wrong option or argument: always "Expected X for Y but received Z". */
export class InvalidOptionError extends LlamaError {
  override readonly name: string = "InvalidOptionError";

  constructor(option: string, expected: string, received: unknown) {
    super("INVALID_OPTION", `Expected ${expected} for ${option} but received ${describe(received)}`, {
      details: { option },
    });
  }
}

/** Names a received value briefly: its type, and its content where that helps and is short. */
export function describe(value: unknown): string {
  if (value === null) return "null";
  switch (typeof value) {
    case "undefined":
      return "undefined";
    case "string":
      return value.length > 60 ? `a string of ${value.length} characters` : JSON.stringify(value);
    case "number":
    case "boolean":
      return String(value);
    case "bigint":
      return `${value}n`;
    case "function":
      return "a function";
    case "symbol":
      return "a symbol";
    default:
      if (Array.isArray(value)) return `an array of length ${value.length}`;
      return `an object of type ${(value as { constructor?: { name?: string } }).constructor?.name ?? "Object"}`;
  }
}
