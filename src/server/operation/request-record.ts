import type { RequestFacts } from "../dialect.js";
import type { ProblemCode } from "../http/problem.js";
import type { AnswerEnd, InferenceEvent, RequestUsage } from "../inference/events.js";
import { totalUsage } from "../inference/events.js";
import type { ServerLog } from "./log.js";
import type { Metrics } from "./metrics.js";

/** What is known of one HTTP request, for the log and the metrics. */
export class RequestRecord {
  readonly id: string;
  readonly method: string;
  readonly path: string;
  /** Where the route is known; it has no names of models in it. */
  route = "none";
  model: string | undefined;
  user: string | undefined;
  status = 0;
  abandoned = false;
  /** Whether the answer's end comes after its head. */
  streams = false;
  error: unknown;
  /** What was wrong, as the client is told it. */
  problem: ProblemCode | undefined;
  /** See {@link Run.generatedTokens}. */
  generatedTokens: readonly number[] = [];
  /** Answers to each prompt, which they have read once. */
  answersPerPrompt = 1;
  readonly #started = performance.now();
  readonly #ends: AnswerEnd[] = [];
  readonly #log: ServerLog;
  readonly #metrics: Metrics;
  #promptTokens = 0;
  #done = false;

  constructor(facts: { id: string; method: string; path: string }, log: ServerLog, metrics: Metrics) {
    this.id = facts.id;
    this.method = facts.method;
    this.path = facts.path;
    this.#log = log;
    this.#metrics = metrics;
  }

  event(event: InferenceEvent): void {
    if (event.type === "end") this.#ends[event.choice] = event;
  }

  /** Of a request for something else than text. */
  note({ model, user, promptTokens }: RequestFacts): void {
    this.model = model;
    this.user = user;
    this.#promptTokens = promptTokens;
  }

  /** Writes it all down, once. */
  end(): void {
    if (this.#done) return;
    this.#done = true;
    const ms = performance.now() - this.#started;
    const { id: requestId, method, path, route, status, model, user, abandoned, streams, problem, error } = this;
    this.#metrics.request(route, status, ms / 1000, abandoned);
    const failure = streams ? problem : undefined;
    if (failure !== undefined) this.#metrics.brokenStream(route, failure);
    const usage = this.#usage();
    const { completionTokens } = usage;
    const isCounted = this.#ends.length > 0 || this.#promptTokens > 0;
    if (model !== undefined) {
      this.#metrics.usage(model, usage);
      this.#ends.forEach((end) => this.#metrics.answer(model, end));
    }
    const facts = {
      requestId,
      method,
      path,
      status,
      ms: Math.round(ms),
      model,
      user,
      abandoned: abandoned || undefined,
      problem,
      ...(isCounted ? usage : completionTokens > 0 ? { completionTokens } : {}),
    };
    if (error !== undefined) this.#log.error({ ...facts, err: error }, "request failed");
    else if (failure !== undefined) this.#log.warn(facts, "request failed");
    else this.#log.info(facts, "request");
  }

  /** What the answers took. Of those that did not come to their end, the prompts' tokens are not known. */
  #usage(): RequestUsage {
    const whole = totalUsage(this.#ends, this.answersPerPrompt);
    const cut = this.generatedTokens.filter((_, choice) => this.#ends[choice] === undefined);
    return {
      ...whole,
      promptTokens: whole.promptTokens + this.#promptTokens,
      completionTokens: cut.reduce((sum, tokens) => sum + tokens, whole.completionTokens),
    };
  }
}
