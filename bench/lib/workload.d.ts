// What a workload file exports as `workload`, and what its measuring function gets and gives.

import type { ModelName } from "./models.mjs";
import type { Family, Program } from "./programs.mjs";
import type { Prompt, PromptPlan } from "./prompts.mjs";
import type { LlamaTools } from "./llama-tools.mjs";

export interface Metric {
  /** With its unit, as a column's heading. */
  label: string;
  better: "more" | "less";
  /** Digits after the point. */
  digits: number;
}

/** With what the workload's own measuring function wants to know. */
export type Case<Parameters = object> = CommonCase & Parameters;

interface CommonCase {
  name: string;
  model: ModelName;
  prompts?: PromptPlan[];
  /** Tokens of the KV cache, for all sequences together. */
  contextSize?: number;
  sequences?: number;
  kvType?: "f16" | "q8_0" | "q4_0";
  /** Programs that have this case; default the workload's. */
  programs?: Family[];
  /** Rounds at most. */
  rounds?: number;
  /** Default true: a round comes first that does not count. */
  warmUp?: boolean;
  timeoutSeconds?: number;
  /** A program that takes this many times as long as another is ended; default 10. */
  mostTimesSlower?: number;
  /** Options of the Node process that measures. */
  nodeOptions?: string[];
  /** Title of its panel in the chart, which shows the workload's first metric; default none. */
  chart?: string;
}

export interface Workload<Parameters = object> {
  title: string;
  /** What is measured and why, for the report. */
  about: string;
  programs: Family[];
  /** Whether node-llama-cpp runs with several numbers of threads. Default false. */
  variants?: boolean;
  /** The first one is the workload's main metric. */
  metrics: Record<string, Metric>;
  cases(options: { quick: boolean }): Case<Parameters>[];
}

export interface Job<Parameters = object> {
  workload: string;
  program: Program;
  case: Case<Parameters>;
  modelPath: string;
  prompts: Prompt[];
  tools: LlamaTools | null;
}

export interface Measured {
  /** Those of the workload's metrics that this program has. */
  metrics: Record<string, number>;
  /** Anything else worth keeping: raw times, threads, counts. */
  details?: Record<string, unknown>;
}

export interface GenerateOptions {
  maxTokens: number;
  /** GBNF. */
  grammar?: string | undefined;
  /** Ends the request, which then resolves with what there is. */
  signal?: AbortSignal | undefined;
  /** Whether `signal` must end the evaluation of the prompt as well; some programs have another interface for that. */
  cancelPrompt?: boolean | undefined;
  /** Called with the text as it arrives, the way the program's users read it. */
  onText?: ((text: string) => void) | undefined;
  /** Called as tokens arrive. */
  onTokens?: ((count: number) => void) | undefined;
}

/** A program with a model and a context, ready for requests. All requests are greedy and ignore the end of text. */
export interface Engine {
  /** The process whose memory and processor time are the program's. */
  pid: number;
  threads: number | null;
  /** Resolves to the number of tokens. Any number of requests up to `sequences` may run at once. */
  generate(prompt: Prompt, options: GenerateOptions): Promise<number>;
  /** Steps of the decoder so far, and the requests that took part in them, summed up; null where it does not tell. */
  steps(): Promise<{ steps: number; requests: number } | null>;
  close(): Promise<void>;
}

export interface Chat {
  /** Resolves to the number of tokens of the answer. */
  send(message: string, options: { maxTokens: number; onFirstToken: () => void }): Promise<number>;
  close(): Promise<void>;
}

/** What the workload can ask of a program: the modules in its folder. */
export interface ProgramSide {
  open(job: Job): Promise<Engine>;
  openChat(job: Job): Promise<Chat>;
  /** Tokenizes off or on the JS thread, as the program does for a long text. Node's own programs have it. */
  openTokenizer(job: Job): Promise<{ encode(text: string): Promise<number>; close(): Promise<void> }>;
}
