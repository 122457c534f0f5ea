/** The marks that a model writes around what it thinks before it answers. */
export interface ThinkingSyntax {
  readonly open: string;
  readonly close: string;
  /** Whether the marks are control tokens, which are not part of the text unless they are asked for. */
  readonly isSpecial: boolean;
}

const marks = [
  // DeepSeek R1, Qwen 3 and most others.
  { open: "<think>", close: "</think>" },
  // Mistral's Magistral.
  { open: "[THINK]", close: "[/THINK]" },
  // ByteDance's Seed-OSS.
  { open: "<seed:think>", close: "</seed:think>" },
] as const;

/** The marks a chat template speaks of, or undefined where it knows none. */
export function thinkingMarksOf(source: string): { readonly open: string; readonly close: string } | undefined {
  return marks.find(({ close }) => source.includes(close));
}
