import { Counter, Gauge, Histogram, Registry } from "prom-client";

import type { LlamaContext } from "../../llama-context.js";
import type { AnswerEnd, RequestUsage } from "../inference/events.js";
import type { ProblemCode } from "../http/problem.js";
import type { ModelPool } from "../models/model-pool.js";

const latencyBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300];

/** What Prometheus gets; the engine's own numbers are read when it asks. */
export class Metrics {
  readonly #registry = new Registry();
  readonly #requests = this.#counter("requests_total", "Requests by route and status", ["route", "status"]);
  readonly #left = this.#counter("requests_abandoned_total", "Requests whose client left before the end", ["route"]);
  readonly #broken = this.#counter(
    "streams_failed_total",
    "Streams that ended with an error behind their head, whose status was 200, by what the client was told",
    ["route", "problem"],
  );
  readonly #duration = this.#histogram("request_duration_seconds", "From a request to the end of its answer", [
    "route",
  ]);
  readonly #firstToken = this.#histogram("time_to_first_token_seconds", "From a request to its first token", ["model"]);
  readonly #queued = this.#histogram("queue_seconds", "From a request to the start of its evaluation", ["model"]);
  readonly #prompt = this.#counter("prompt_tokens_total", "Tokens of prompts that were answered to the end", ["model"]);
  readonly #cached = this.#counter("cached_tokens_total", "Tokens of such prompts that came from the cache", ["model"]);
  readonly #generated = this.#counter(
    "generated_tokens_total",
    "Tokens of answers, also of those that were left or failed before their end",
    ["model"],
  );

  constructor(pool: ModelPool) {
    const perModel = (name: string, help: string, read: (stats: Stats) => number): void => {
      new Gauge({
        name: `llama_native_${name}`,
        help,
        labelNames: ["model"],
        registers: [this.#registry],
        collect() {
          this.reset();
          for (const { id, loaded } of pool.models) {
            const context = loaded?.context;
            if (context && !context.disposed) this.set({ model: id }, read(context.stats()));
          }
        },
      });
    };
    perModel("requests_running", "Answers being generated", (stats) => stats.running);
    perModel("requests_waiting", "Answers waiting in the queue", (stats) => stats.waiting);
    perModel("kv_cells_used", "Tokens in the KV cache", (stats) => stats.usedCells);
    perModel("kv_cells", "Tokens the KV cache has room for", (stats) => stats.totalCells);
    perModel("cache_hits", "Prompts that found a part of themselves in the cache", (stats) => stats.cacheHits);
    perModel("cache_evictions", "Cached sequences that had to go", (stats) => stats.evictions);
    perModel("preemptions", "Answers that had to wait again for room", (stats) => stats.preemptions);
    perModel("engine_steps", "Steps of the engine", (stats) => stats.steps);
    new Gauge({
      name: "llama_native_model_loaded",
      help: "Whether a model is loaded",
      labelNames: ["model"],
      registers: [this.#registry],
      collect() {
        for (const { id, loaded } of pool.models) this.set({ model: id }, loaded === undefined ? 0 : 1);
      },
    });
    new Gauge({
      name: "llama_native_model_memory_bytes",
      help: "Estimated bytes that a model which the server loaded takes of RAM or a device",
      labelNames: ["model", "memory"],
      registers: [this.#registry],
      collect() {
        this.reset();
        for (const { id, loaded, needs } of pool.models) {
          if (loaded === undefined) continue;
          for (const [memory, bytes] of needs?.memories ?? []) this.set({ model: id, memory }, Math.round(bytes));
        }
      },
    });
  }

  request(route: string, status: number, seconds: number, abandoned: boolean): void {
    this.#requests.inc({ route, status: String(status) });
    this.#duration.observe({ route }, seconds);
    if (abandoned) this.#left.inc({ route });
  }

  brokenStream(route: string, problem: ProblemCode): void {
    this.#broken.inc({ route, problem });
  }

  /** What a whole request took. */
  usage(model: string, { promptTokens, cachedTokens, completionTokens }: RequestUsage): void {
    this.#prompt.inc({ model }, promptTokens);
    this.#cached.inc({ model }, cachedTokens);
    this.#generated.inc({ model }, completionTokens);
  }

  answer(model: string, { usage, timings }: AnswerEnd): void {
    this.#queued.observe({ model }, timings.queueMs / 1000);
    if (usage.completionTokens > 0) this.#firstToken.observe({ model }, timings.firstTokenMs / 1000);
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  text(): Promise<string> {
    return this.#registry.metrics();
  }

  #counter<Label extends string>(name: string, help: string, labelNames: Label[]): Counter<Label> {
    return new Counter({ name: `llama_native_${name}`, help, labelNames, registers: [this.#registry] });
  }

  #histogram<Label extends string>(name: string, help: string, labelNames: Label[]): Histogram<Label> {
    const registers = [this.#registry];
    return new Histogram({ name: `llama_native_${name}`, help, labelNames, registers, buckets: latencyBuckets });
  }
}

type Stats = ReturnType<LlamaContext["stats"]>;
