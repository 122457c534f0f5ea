import { anthropic } from "./anthropic/dialect.js";
import type { Dialect } from "./dialect.js";
import { llamacpp } from "./llamacpp/dialect.js";
import { ollama } from "./ollama/dialect.js";
import { openai } from "./openai/dialect.js";
import { tgi } from "./tgi/dialect.js";

/** Every API the server speaks; what no other owns is told as OpenAI does. */
export const dialects: readonly Dialect[] = [openai, llamacpp, anthropic, ollama, tgi];

export function dialectOf(path: string): Dialect {
  return dialects.find((dialect) => dialect.owns(path)) ?? openai;
}
