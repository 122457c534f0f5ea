import type { LlamaErrorCode, LlamaErrorDetails } from "../errors.js";
import { DisposedError, LlamaError } from "../errors.js";
import type { NativeErrorShape } from "./contract.js";

const codes: ReadonlySet<string> = new Set<LlamaErrorCode>([
  "NOT_BUILT",
  "BACKEND_UNAVAILABLE",
  "MODEL_NOT_FOUND",
  "MODEL_FORMAT",
  "INSUFFICIENT_MEMORY",
  "CONTEXT_OVERFLOW",
  "INVALID_OPTION",
  "GRAMMAR",
  "TEMPLATE",
  "QUEUE_FULL",
  "TIMEOUT",
  "DISPOSED",
  "DOWNLOAD",
  "DECODE",
]);

function isCatalogued(code: unknown): code is LlamaErrorCode {
  return typeof code === "string" && codes.has(code);
}

interface AddonError extends Error {
  code?: unknown;
  details?: unknown;
}

/** Whether the addon ended a load because of `loadCancel`. */
export function isCancelled(error: unknown): boolean {
  return error instanceof Error && (error as AddonError).code === "CANCELLED";
}

/** Turns what the addon threw into the class of the catalogue; anything else is returned as it is. */
export function fromAddon(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof LlamaError) return error;
  const { code, details, message, cause } = error as AddonError;
  if (!isCatalogued(code)) return error;
  return build(code, message, (details ?? {}) as LlamaErrorDetails, cause);
}

/** The same for the error of a request's end event. */
export function fromErrorShape(shape: NativeErrorShape): LlamaError {
  const cause = shape.log === null ? undefined : new Error(shape.log);
  return build(isCatalogued(shape.code) ? shape.code : "DECODE", shape.message, shape.details, cause);
}

function build(code: LlamaErrorCode, message: string, details: LlamaErrorDetails, cause: unknown): LlamaError {
  if (code === "DISPOSED") return new DisposedError(message.replace(/ has been disposed$/, ""));
  return new LlamaError(code, message, { cause, details });
}

/** Runs a synchronous call of the addon; its errors become those of the catalogue. */
export function callAddon<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw fromAddon(error);
  }
}

/**
 * Awaits an asynchronous call of the addon. The stack is taken now, while the caller is still on it: an error that comes
 * from another thread later would point nowhere. A call that had to wait its turn passes the `origin` it was made at.
 */
export async function awaitAddon<T>(call: () => Promise<T>, origin = captureOrigin(awaitAddon)): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw withOrigin(fromAddon(error), origin);
  }
}

export interface Origin {
  readonly stack?: string;
}

/** Remembers the current stack without the frames down to and including `below`. */
export function captureOrigin(below: (...args: never[]) => unknown): Origin {
  const origin: { stack?: string } = {};
  Error.captureStackTrace(origin, below);
  return origin;
}

/** Gives a {@link LlamaError} the stack of the call that led to it. */
export function withOrigin(error: unknown, origin: Origin): unknown {
  if (error instanceof LlamaError && origin.stack !== undefined) {
    const frames = origin.stack.indexOf("\n");
    error.stack = `${error.name}: ${error.message}${frames < 0 ? "" : origin.stack.slice(frames)}`;
  }
  return error;
}
