import type { Command } from "commander";

import type { Tokenizer } from "../../model/tokenizer.js";
import { formatToken } from "../format-token.js";
import { addVerboseFlag } from "../generation-flags.js";
import { addPromptFlag, inputText } from "../input-text.js";
import { openModel } from "../open-model.js";
import { writeJson, writeLines } from "../output.js";
import { Stops } from "../stops.js";

interface TokenizeFlags {
  readonly prompt?: string;
  readonly json?: boolean;
  readonly special?: boolean;
  readonly addSpecial?: boolean;
}

export function defineTokenize(command: Command): void {
  addPromptFlag(command, "text to tokenize");
  command
    .option("--special", "parse the text of control tokens, as </s>, instead of taking it as plain text")
    .option("--add-special", "add what the vocabulary asks for around a text, as a leading BOS")
    .option("--json", 'print one JSON document: {"tokens": [...]}')
    .action((model: string, flags: TokenizeFlags) => Stops.during(({ signal }) => tokenize(model, flags, signal)));
  addVerboseFlag(command);
}

async function tokenize(source: string, flags: TokenizeFlags, signal: AbortSignal): Promise<void> {
  const text = await inputText(flags.prompt, { exact: true, signal });
  await using model = await openModel(source, { vocabularyOnly: true }, signal);
  const { special: parseSpecial = false, addSpecial = false } = flags;
  const tokens = await model.tokenizer.encodeAsync(text, { parseSpecial, addSpecial });
  signal.throwIfAborted();
  if (flags.json === true) writeJson({ tokens });
  else writeLines(listTokens(tokens, model.tokenizer));
}

function listTokens(tokens: Int32Array, tokenizer: Tokenizer): string[] {
  const width = String(tokens.reduce((a, b) => Math.max(a, b), 0)).length;
  const seen = new Map<number, string>();
  return Array.from(tokens, (token) => {
    const line = seen.get(token) ?? `${String(token).padStart(width)}  ${formatToken(tokenizer.pieceBytes(token))}`;
    seen.set(token, line);
    return line;
  });
}
