import type { PlainMessage } from "./messages.js";
import { normalizeTools } from "./normalize-tools.js";
import type { TemplateTraits } from "./template-traits.js";

type Normalization = Omit<TemplateTraits, "form">;

const blankLine = "\n\n";

/**
 * Puts a conversation in a form that a template accepts, so that nobody meets the exception of a template that is
 * stricter than real conversations. Text is never dropped; where texts come together in one message, a blank line stands
 * between them. For Mistral-7B-Instruct this is what Mistral AI's own tokenizer does.
 */
export function normalizeMessages(messages: readonly PlainMessage[], traits: Normalization): PlainMessage[] {
  let result = normalizeTools(messages, traits.tools);
  if (traits.system !== "anywhere") result = foldSystem(result, traits.system === "first");
  if (traits.needsUser) result = withUser(result);
  if (traits.userFirst) result = startWithUser(result);
  if (traits.alternates) result = joinNeighbours(result);
  return traits.answerSpace === "missing" ? result.map(withSpace) : result;
}

/** System text goes in front of what the user says in the same turn, with an empty message where that is nothing. */
function foldSystem(messages: readonly PlainMessage[], keepsFirst: boolean): PlainMessage[] {
  const leading = messages.findIndex((message) => message.role !== "system");
  const kept = keepsFirst ? messages.slice(0, leading < 0 ? messages.length : leading) : [];
  const rest = messages.slice(kept.length);
  const first: PlainMessage[] = kept.length === 0 ? [] : [{ role: "system", content: joinSystem(kept) }];
  return [...first, ...toTurns(rest).flatMap(foldTurn)];
}

/** Runs of messages of system and user, and every other message alone. */
function toTurns(messages: readonly PlainMessage[]): PlainMessage[][] {
  const isPrompt = (message: PlainMessage | undefined): boolean =>
    message?.role === "system" || message?.role === "user";
  const turns: PlainMessage[][] = [];
  for (const message of messages) {
    const last = turns.at(-1);
    if (last !== undefined && isPrompt(message) && isPrompt(last[0])) last.push(message);
    else turns.push([message]);
  }
  return turns;
}

function foldTurn(turn: readonly PlainMessage[]): PlainMessage[] {
  const system = turn.filter((message) => message.role === "system");
  if (system.length === 0) return [...turn];
  const [first, ...others] = turn.filter((message) => message.role !== "system");
  const text = joinSystem(system);
  const user = first ?? { role: "user", content: "" };
  return [text === "" ? user : { ...user, content: text + blankLine + user.content }, ...others];
}

function joinSystem(messages: readonly PlainMessage[]): string {
  const texts = messages.map(({ content }) => content);
  return texts.filter((text) => text !== "").join(blankLine);
}

/** System text alone is said by the user; any other conversation without a user begins with an empty message. */
function withUser(messages: PlainMessage[]): PlainMessage[] {
  if (messages.some((message) => message.role === "user")) return messages;
  if (messages.some((message) => message.role !== "system")) return startWithUser(messages);
  return [{ role: "user", content: joinSystem(messages) }];
}

/** An assistant who speaks first gets an empty user message to answer. */
function startWithUser(messages: readonly PlainMessage[]): PlainMessage[] {
  const first = messages.findIndex((message) => message.role !== "system");
  if (first < 0 || messages[first]?.role === "user") return [...messages];
  return [...messages.slice(0, first), { role: "user", content: "" }, ...messages.slice(first)];
}

function joinNeighbours(messages: readonly PlainMessage[]): PlainMessage[] {
  const runs: { first: PlainMessage; others: PlainMessage[] }[] = [];
  for (const message of messages) {
    const run = runs.at(-1);
    if (run?.first.role === message.role && message.role !== "tool") run.others.push(message);
    else runs.push({ first: message, others: [] });
  }
  return runs.map(({ first, others }) => (others.length === 0 ? first : joinMessages(first, others)));
}

function joinMessages(first: PlainMessage, others: readonly PlainMessage[]): PlainMessage {
  const all = [first, ...others];
  const toolCalls = all.flatMap((message) => message.toolCalls ?? []);
  const thoughts = all.flatMap(({ thinking }) => (thinking === undefined ? [] : [thinking]));
  return {
    ...first,
    content: all.map(({ content }) => content).join(blankLine),
    ...(thoughts.length > 0 ? { thinking: thoughts.join(blankLine) } : {}),
    ...(toolCalls.length > 0 ? { toolCalls } : {}),
  };
}

/** See {@link TemplateTraits.answerSpace}. */
function withSpace(message: PlainMessage): PlainMessage {
  if (message.role !== "assistant" || message.content === "") return message;
  return { ...message, content: ` ${message.content}` };
}
