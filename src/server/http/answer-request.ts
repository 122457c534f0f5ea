import type { Dialect, GenerationRoute, PlainRoute, PreparedRequest } from "../dialect.js";
import { AnswerCollector } from "../inference/events.js";
import type { Run } from "../inference/backend.js";
import type { RequestRecord } from "../operation/request-record.js";
import type { Service } from "../service.js";
import { EventStream } from "./event-stream.js";
import { Problem, toProblem } from "./problem.js";
import { readBody } from "./read-body.js";

export interface Exchange {
  readonly request: Request;
  readonly record: RequestRecord;
  readonly dialect: Dialect;
  readonly service: Service;
  readonly param: (name: string) => string;
  /** Closes the client's connection, where there is one. */
  readonly hangUp: (() => void) | undefined;
}

/** Answers a request for text. */
export async function generate(route: GenerationRoute, exchange: Exchange): Promise<Response> {
  const { request, record, service } = exchange;
  const stop = new AbortController();
  const counted = service.begin(stop);
  const release = stopInTime(stop, request.signal, service.options.timeLimitMs);
  const finish = (): void => {
    release();
    counted();
  };
  try {
    const { signal } = stop;
    const body = await readBodyOf(route, exchange, signal);
    const prepared = route.prepare(body);
    record.user = prepared.request.user;
    record.answersPerPrompt = prepared.request.n;
    const run = service.backend.run(prepared.request, { requestId: record.id, signal, keepMs: prepared.keepMs });
    run.then(
      ({ info, generatedTokens }) => {
        record.model = info.model;
        record.generatedTokens = generatedTokens;
      },
      () => undefined,
    );
    if (prepared.streams) return await streamAnswer(prepared, run, exchange, stop, finish);
    const response = await wholeAnswer(prepared, await run, record);
    finish();
    return response;
  } catch (error) {
    stop.abort(error);
    finish();
    throw error;
  }
}

/** Answers a request for something else. One with a body may have to wait, for that or for a model, and is bounded like all. */
export async function answerPlain(route: PlainRoute, exchange: Exchange): Promise<Response> {
  const { request, param, service, record } = exchange;
  const note = record.note.bind(record);
  if (route.body === undefined)
    return toResponse(await route.handle({ body: undefined, param, note, signal: request.signal }, service));
  const stop = new AbortController();
  const counted = service.begin(stop);
  const release = stopInTime(stop, request.signal, service.options.timeLimitMs);
  try {
    const body = await readBodyOf(route, exchange, stop.signal);
    return toResponse(await route.handle({ body, param, note, signal: stop.signal }, service));
  } finally {
    release();
    counted();
  }
}

function toResponse(answer: unknown): Response {
  return answer instanceof Response ? answer : Response.json(answer);
}

function readBodyOf(
  route: GenerationRoute | PlainRoute,
  { request, service, hangUp }: Exchange,
  signal: AbortSignal,
): Promise<unknown> {
  if (route.body === undefined) throw new Error("The route takes no body");
  const { maxBodyBytes: maxBytes } = service.options;
  const endsAsDeclared = hangUp !== undefined;
  return readBody(request, route.body, { anyType: route.anyContentType, maxBytes, endsAsDeclared, signal });
}

async function wholeAnswer(prepared: PreparedRequest, run: Run, record: RequestRecord): Promise<Response> {
  const collector = new AnswerCollector();
  for (let events = await run.next(); events !== undefined; events = await run.next()) {
    for (const event of events) {
      collector.add(event);
      record.event(event);
    }
  }
  return Response.json(prepared.answer(collector.answers, run.info));
}

async function streamAnswer(
  prepared: PreparedRequest,
  run: Promise<Run>,
  { request, record, dialect, service, hangUp }: Exchange,
  stop: AbortController,
  finish: () => void,
): Promise<Response> {
  const { keepAliveMs, stallMs } = service.options;
  const events = new EventStream({
    stream: prepared.stream,
    run,
    keepAliveMs,
    stallMs,
    onEvent: (event) => record.event(event),
    describe: (error) => dialect.error(publicProblem(error, record), record.id).body,
    client: request.signal,
    stop,
    hangUp,
    onAbandoned: () => {
      record.abandoned = true;
    },
    onEnd: () => {
      finish();
      record.end();
    },
  });
  const body = await events.begin();
  record.streams = true;
  return new Response(body, {
    headers: {
      "content-type": prepared.stream.contentType,
      "cache-control": "no-cache",
      "x-accel-buffering": "no",
    },
  });
}

/** A problem as the client may see it: what is the server's own fault is told to the log. */
export function publicProblem(error: unknown, record: RequestRecord): Problem {
  const problem = toProblem(error);
  record.problem = problem.code;
  if (problem.code !== "internal") return problem;
  record.error = problem.cause ?? problem;
  return new Problem("internal", `Something went wrong in the server; its log has it as ${record.id}`);
}

/** Aborts when the client leaves or the time is up, until the function that it returns is called. */
function stopInTime(controller: AbortController, client: AbortSignal, timeLimitMs: number): () => void {
  const leave = (): void => controller.abort(client.reason);
  if (client.aborted) leave();
  client.addEventListener("abort", leave, { once: true });
  const timeUp = (): void =>
    controller.abort(new Problem("time_limit", `The answer took longer than ${timeLimitMs} ms, which is the limit`));
  const timer = timeLimitMs === 0 ? undefined : setTimeout(timeUp, timeLimitMs).unref();
  return () => {
    clearTimeout(timer);
    client.removeEventListener("abort", leave);
  };
}
