import type { SpecialTexts } from "../model/special-texts.js";
import type { Tokenizer } from "../model/tokenizer.js";
import type { RenderedText } from "./special-text-shield.js";

interface Segment {
  readonly text: string;
  readonly parseSpecial: boolean;
}

/** Never part of a text: it fills the places where nothing may be found. */
const filler = "\uffff";

/**
 * Cuts a prompt (from `from` on) into segments to be tokenized one by one with the tokens of the whole as the result, but
 * for its literals, which stay plain text.
 *
 * A tokenizer first splits a text at its control tokens and then works on each stretch between them alone. So cutting at
 * control tokens changes nothing: a stretch with a literal is cut out, from the control token before it to the one after
 * it, and tokenized without parsing control tokens. Without literals the whole is one segment.
 */
export function segmentPrompt(prompt: RenderedText, specials: SpecialTexts, from = 0): Segment[] {
  const { text } = prompt;
  const literals = prompt.literals.filter((literal) => literal.start >= from);
  if (literals.length === 0) return nonEmpty([{ text: text.slice(from), parseSpecial: true }]);

  const marks = specials.find(masked(text, prompt)).filter((mark) => mark.start >= from);
  const segments: Segment[] = [];
  let done = from;
  let next = 0; // the first mark behind the literal; as none is in it, the one before that is the last in front of it
  for (const literal of literals) {
    if (literal.start < done) continue; // in the stretch of the literal before
    while ((marks[next]?.start ?? Infinity) < literal.end) next++;
    const start = marks[next - 1]?.end ?? from;
    const end = marks[next]?.start ?? text.length;
    segments.push({ text: text.slice(done, start), parseSpecial: true });
    segments.push({ text: text.slice(start, end), parseSpecial: false });
    done = end;
  }
  segments.push({ text: text.slice(done), parseSpecial: true });
  return nonEmpty(segments);
}

function masked(text: string, { literals }: RenderedText): string {
  let result = "";
  let from = 0;
  for (const { start, end } of literals) {
    result += text.slice(from, start) + filler.repeat(end - start);
    from = end;
  }
  return result + text.slice(from);
}

function nonEmpty(segments: Segment[]): Segment[] {
  return segments.filter((segment) => segment.text !== "");
}

/** Tokens of a prompt from `from` on, with BOS in front exactly once where the vocabulary asks for it. */
export function encodePrompt(tokenizer: Tokenizer, prompt: RenderedText, from = 0): Int32Array {
  const segments = segmentsFor(tokenizer, prompt, from);
  const parts = segments.map(({ text, parseSpecial }) => tokenizer.encode(text, { parseSpecial }));
  return from === 0 ? withBos(tokenizer, parts) : concatTokens(parts);
}

/** The same; the JS thread does not wait for long texts. */
export async function encodePromptSoon(tokenizer: Tokenizer, prompt: RenderedText, from = 0): Promise<Int32Array> {
  const segments = segmentsFor(tokenizer, prompt, from);
  const parts = await Promise.all(
    segments.map(async ({ text, parseSpecial }) => tokenizer.encodeSoon(text, { parseSpecial })),
  );
  return from === 0 ? withBos(tokenizer, parts) : concatTokens(parts);
}

function segmentsFor(tokenizer: Tokenizer, prompt: RenderedText, from: number): Segment[] {
  if (prompt.literals.length === 0) return nonEmpty([{ text: prompt.text.slice(from), parseSpecial: true }]);
  return segmentPrompt(prompt, tokenizer.specialTexts, from);
}

function withBos(tokenizer: Tokenizer, parts: readonly Int32Array[]): Int32Array {
  const { bos, addBos } = tokenizer;
  if (!addBos || bos === null || parts[0]?.[0] === bos) return concatTokens(parts);
  return concatTokens([Int32Array.of(bos), ...parts]);
}

export function concatTokens(parts: readonly Int32Array[]): Int32Array {
  if (parts.length === 1 && parts[0] !== undefined) return parts[0];
  const result = new Int32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    result.set(part, offset);
    offset += part.length;
  }
  return result;
}
