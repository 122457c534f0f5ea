import type { z } from "zod";

import { abortable } from "../abortable.js";
import { Problem } from "./problem.js";

interface Limits {
  readonly maxBytes: number;
  /** Whether no more can come than `Content-Length` says, as Node's parser of HTTP sees to. */
  readonly endsAsDeclared: boolean;
}

interface ReadOptions extends Limits {
  readonly anyType?: boolean | undefined;
  readonly signal: AbortSignal;
}

/**
 * Reads a JSON body and checks it.
 *
 * A browser may send `text/plain` or a form to another site without asking it first; JSON it may not. So a body of another
 * type is taken only where `anyType` says so, for clients that send none (`curl -d`), and never from a web page. Rejects
 * with the signal's reason where that aborts before the client has sent everything.
 */
export async function readBody<Schema extends z.ZodType>(
  request: Request,
  schema: Schema,
  { anyType = false, signal, ...limits }: ReadOptions,
): Promise<z.output<Schema>> {
  checkContentType(request, anyType);
  return checkBody(schema, parseJson(await abortable(readText(request, limits), signal)));
}

function checkContentType({ headers }: Request, anyType: boolean): void {
  const type = headers.get("content-type")?.split(";")[0]?.trim().toLowerCase();
  if (type === "application/json" || type?.endsWith("+json") === true) return;
  if (anyType && headers.get("origin") === null) return;
  const received = type === undefined ? "no Content-Type" : `Content-Type ${JSON.stringify(type)}`;
  throw new Problem("unsupported_media_type", `Expected Content-Type "application/json" but received ${received}`);
}

async function readText(request: Request, { maxBytes, endsAsDeclared }: Limits): Promise<string> {
  const tooLarge = (): Problem =>
    new Problem("body_too_large", `The body is larger than ${maxBytes} bytes, which is the limit here`);
  const declared = request.headers.get("content-length");
  if (declared !== null && Number(declared) > maxBytes) throw tooLarge();
  try {
    // Without a stream the listener has much less to do.
    if (endsAsDeclared && declared !== null) return await request.text();
    return await readStream(request.body, maxBytes, tooLarge);
  } catch (cause) {
    if (cause instanceof Problem) throw cause;
    throw new Problem("invalid_request", "The body could not be read to its end", { cause });
  }
}

async function readStream(
  body: ReadableStream<Uint8Array> | null,
  maxBytes: number,
  tooLarge: () => Problem,
): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > maxBytes) throw tooLarge();
    chunks.push(chunk);
  }
  return new TextDecoder().decode(Buffer.concat(chunks)); // without the byte order mark that some clients send
}

function parseJson(text: string): unknown {
  if (text === "") throw new Problem("invalid_request", "Expected a JSON body but received none");
  try {
    return JSON.parse(text);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : "it cannot be parsed";
    throw new Problem("invalid_request", `The body is not JSON: ${reason}`, { cause });
  }
}

/** Throws a problem that names the field's path. */
export function checkBody<Schema extends z.ZodType>(schema: Schema, body: unknown): z.output<Schema> {
  const { success, data, error } = schema.safeParse(body, firstIssueOnly);
  if (success) return data;
  const issue = mostTelling(error.issues, []);
  const param = toPath(issue.path);
  const message = param === "" ? issue.message : `${param}: ${issue.message}`;
  throw new Problem(issue.refused ? "unsupported" : "invalid_request", message, {
    param: param === "" ? undefined : param,
  });
}

/**
 * Only the first issue is told. Without `abortEarly`, which zod has for `z.validate` and its types do not show, it would make one of each
 * element of a list, and that for every kind of list that a field may be: gigabytes for a body of a few megabytes.
 */
const firstIssueOnly: z.core.ParseContext<z.core.$ZodIssue> = Object.assign(
  { reportInput: true },
  { abortEarly: true },
);

interface FoundIssue {
  readonly path: readonly PropertyKey[];
  readonly message: string;
  readonly refused: boolean;
}

/** The first issue; of a union that of the branch the value most resembles, which is the one that failed deepest. */
function mostTelling(issues: readonly z.core.$ZodIssue[], base: readonly PropertyKey[]): FoundIssue {
  const [issue] = issues;
  if (issue === undefined) return { path: base, message: "Invalid value", refused: false };
  const path = [...base, ...issue.path];
  if (issue.code === "unrecognized_keys") {
    return { path: [...path, issue.keys[0] ?? ""], message: "There is no such field", refused: true };
  }
  if (issue.code === "invalid_union") {
    const found = issue.errors.map((branch) => mostTelling(branch, path));
    const deepest = found.sort((a, b) => b.path.length - a.path.length)[0];
    if (deepest !== undefined && deepest.path.length > path.length) return deepest;
  }
  const refused = issue.code === "custom" && issue.params?.["refused"] === true;
  return { path, message: issue.message, refused };
}

/** `messages[0].content` */
function toPath(path: readonly PropertyKey[]): string {
  return path
    .map((key, index) => (typeof key === "number" ? `[${key}]` : `${index === 0 ? "" : "."}${String(key)}`))
    .join("");
}
