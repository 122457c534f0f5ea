import type { Dialect } from "./dialect.js";
import { openai } from "./openai/dialect.js";

/** Every API the server speaks; what no other owns is told as OpenAI does. */
export const dialects: readonly Dialect[] = [openai];

export function dialectOf(path: string): Dialect {
  return dialects.find((dialect) => dialect.owns(path)) ?? openai;
}
