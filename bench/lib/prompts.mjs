// Prompts of an exact number of tokens. Programs that take tokens get the same ones; those that take text only get text
// that has as many.

import { words } from "./words.mjs";

/**
 * @typedef {object} PromptPlan
 * @property {number} tokens all of them: prefix and BOS included
 * @property {number} seed
 * @property {{ tokens: number, seed: number }} [prefix] what this prompt begins with; BOS included
 *
 * @typedef {object} Prompt
 * @property {number[]} tokens with BOS where the model has one
 * @property {string} text without BOS, which every program adds by itself
 *
 * @typedef {{ addBos: boolean, encode: (text: string, options: { addSpecial: true }) => Int32Array }} Encoder
 */

/**
 * @param {PromptPlan} plan
 * @param {Encoder} tokenizer
 * @returns {Prompt}
 */
export function makePrompt({ tokens: count, seed, prefix }, tokenizer) {
  const special = tokenizer.addBos ? 1 : 0;
  const shared = prefix === undefined ? [] : words(prefix.tokens - special, prefix.seed);
  const text = [...shared, ...words(count - special - shared.length, seed)].join(" ");
  const tokens = Array.from(tokenizer.encode(text, { addSpecial: true }));
  if (tokens.length !== count) throw new Error(`Expected a prompt of ${count} tokens but made one of ${tokens.length}`);
  return { tokens, text };
}

/**
 * Prompts that have nothing in common but BOS, or a prefix.
 * @param {number} count
 * @param {Omit<PromptPlan, "seed">} plan
 * @returns {PromptPlan[]}
 */
export function promptPlans(count, plan) {
  return Array.from({ length: count }, (_, index) => ({ ...plan, seed: index + 1 }));
}
