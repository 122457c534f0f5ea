import type { RequestFacts } from "../dialect.js";
import type { AnswerEnd, InferenceEvent } from "../inference/events.js";
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
    this.#metrics.request(this.route, this.status, ms / 1000, this.abandoned);
    const answers = totalUsage(this.#ends, this.answersPerPrompt);
    const usage = { ...answers, promptTokens: answers.promptTokens + this.#promptTokens };
    this.#metrics.usage(this.model ?? "", usage);
    this.#ends.forEach((end) => this.#metrics.answer(this.model ?? "", end));
    const { id: requestId, method, path, status, model, user, abandoned, error } = this;
    const facts = {
      requestId,
      method,
      path,
      status,
      ms: Math.round(ms),
      model,
      user,
      abandoned: abandoned || undefined,
      ...(this.#ends.length === 0 && this.#promptTokens === 0 ? {} : usage),
    };
    if (error !== undefined) this.#log.error({ ...facts, err: error }, "request failed");
    else this.#log.info(facts, "request");
  }
}
