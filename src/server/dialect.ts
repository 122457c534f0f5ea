import type { z } from "zod";

import type { Problem, ProblemCode } from "./http/problem.js";
import type { Answer, AnswerInfo, InferenceEvent } from "./inference/events.js";
import type { ChatPrompt, InferenceRequest } from "./inference/request.js";
import type { ModelFacts } from "./models/model-facts.js";

/** One API that the server speaks: mappings without any knowledge of the engine. */
export interface Dialect {
  readonly name: string;
  /** Whether problems of this path are told in this dialect. */
  owns(path: string): boolean;
  /** A problem in the dialect's own shape; the status where it is another than the problem's own. */
  error(problem: Problem, requestId: string): { readonly body: unknown; readonly status?: number };
  /** Of the body of an error, for the documentation and the tests. */
  readonly problem: z.ZodType;
  /** Headers of every answer. */
  headers?(requestId: string): Readonly<Record<string, string>>;
  readonly routes: readonly Route[];
}

interface RouteBase {
  readonly method: "GET" | "POST";
  /** With `:name` for a part that varies and `:name{.+}` for one with slashes. */
  readonly path: string;
  /** For the documentation. */
  readonly summary: string;
  readonly body: z.ZodType | undefined;
  /** Of the answer, for the documentation and the tests. */
  readonly answer: z.ZodType | undefined;
  /** Its Content-Type; default JSON. */
  readonly answerType?: string;
  /** What may go wrong besides what does so on every such route, for the documentation. */
  readonly problems?: readonly ProblemCode[];
  /** Whether bodies of any Content-Type are read as JSON, as the original server does. */
  readonly anyContentType?: boolean;
  /** Whether there is something to see without an API key. */
  readonly open?: boolean;
}

/** A route that generates text. */
export interface GenerationRoute extends RouteBase {
  readonly kind: "generation";
  readonly body: z.ZodType;
  prepare(body: unknown): PreparedRequest;
  /** Of the pieces of a stream, for the documentation and the tests. */
  readonly chunk: z.ZodType | undefined;
  /** Content-Type of a stream; default `text/event-stream`. */
  readonly chunkType?: string;
}

/** A request with the ways to answer it. */
export interface PreparedRequest {
  readonly request: InferenceRequest;
  readonly streams: boolean;
  /** Milliseconds that the model stays loaded afterwards, where the client says so; negative for not at all. */
  readonly keepMs?: number | undefined;
  answer(answers: readonly Answer[], info: AnswerInfo): unknown;
  stream: AnswerStream;
}

export interface AnswerStream {
  readonly contentType: string;
  /** What may be sent while there is nothing to say, or undefined where the format has no such thing. */
  readonly keepAlive: string | undefined;
  encoder(info: AnswerInfo): StreamEncoder;
  /** An error in mid-stream. */
  error(body: unknown): string;
}

/** Writes one stream; every method returns the text to send, which may be empty. */
export interface StreamEncoder {
  start(): string;
  event(event: InferenceEvent): string;
  end(): string;
}

/** A route that answers at once. */
export interface PlainRoute extends RouteBase {
  readonly kind: "plain";
  handle(input: PlainInput, services: PlainServices): unknown;
}

export interface PlainInput {
  /** Checked. */
  readonly body: unknown;
  readonly param: (name: string) => string;
  readonly signal: AbortSignal;
  /** Tells the log and the metrics. */
  readonly note: (facts: RequestFacts) => void;
}

export interface RequestFacts {
  readonly model: string;
  readonly promptTokens: number;
  readonly user?: string | undefined;
}

/** What plain routes may ask of the server. */
export interface PlainServices {
  readonly version: string;
  models(): ModelFacts[];
  /** Rejects with `model_not_found`. */
  model(name: string | undefined): Promise<ModelFacts>;
  /** Loads the model where that is needed. */
  loadedModel(name: string | undefined, signal: AbortSignal, keepMs?: number): Promise<ModelFacts>;
  tokenize(
    model: string | undefined,
    text: string,
    options: TokenizeOptions,
    signal: AbortSignal,
  ): Promise<TokenPiece[]>;
  detokenize(model: string | undefined, tokens: readonly number[], signal: AbortSignal): Promise<string>;
  renderChat(model: string | undefined, prompt: ChatPrompt, signal: AbortSignal): Promise<string>;
  countTokens(model: string | undefined, prompt: ChatPrompt, signal: AbortSignal): Promise<number>;
  embed(model: string | undefined, request: EmbeddingRequest, signal: AbortSignal): Promise<Embeddings>;
}

/** What every dialect's request for embeddings becomes. */
export interface EmbeddingRequest {
  readonly texts: readonly (string | readonly number[])[];
  /** The field they are from, and whether it has a list of them; for messages. */
  readonly param: string;
  readonly isList: boolean;
  /** Numbers of each vector, which is then as long as its text's first ones; default the model's own length. */
  readonly dimensions: number | undefined;
  /** Whether a text that is too long loses its end. Default: it is refused. */
  readonly truncates?: boolean;
  /** Whether vectors are of length 1. Default true. */
  readonly normalizes?: boolean;
  /** See {@link PreparedRequest.keepMs}. */
  readonly keepMs?: number | undefined;
}

export interface Embeddings {
  readonly model: string;
  /** In the texts' order. */
  readonly vectors: readonly Float32Array[];
  readonly promptTokens: number;
  readonly loadMs: number;
}

export interface TokenizeOptions {
  readonly addSpecial: boolean;
  readonly parseSpecial: boolean;
}

export interface TokenPiece {
  readonly id: number;
  readonly bytes: Uint8Array;
}

export type Route = GenerationRoute | PlainRoute;

/** Keeps a generation route's body type within its definition. */
export function generationRoute<Schema extends z.ZodType>(
  route: Omit<GenerationRoute, "kind" | "method" | "prepare" | "body"> & {
    body: Schema;
    prepare(body: z.output<Schema>): PreparedRequest;
  },
): GenerationRoute {
  return {
    ...route,
    kind: "generation",
    method: "POST",
    prepare: (body) => route.prepare(body as z.output<Schema>),
  };
}

/** The same for a plain route with a body. */
export function plainRoute<Schema extends z.ZodType>(
  route: Omit<PlainRoute, "kind" | "handle" | "body"> & {
    body: Schema | undefined;
    handle(input: PlainInput & { body: z.output<Schema> }, services: PlainServices): unknown;
  },
): PlainRoute {
  return {
    ...route,
    kind: "plain",
    handle: (input, services) => route.handle(input as PlainInput & { body: z.output<Schema> }, services),
  };
}
