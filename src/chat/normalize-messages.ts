import { joinTexts } from "./join-texts.js";
import type { PlainMessage } from "./messages.js";
import { normalizeTools } from "./normalize-tools.js";
import type { TemplateTraits } from "./template-traits.js";

type Normalization = Omit<TemplateTraits, "form">;

/**
 * Puts a conversation in a form that a template accepts, so that nobody meets the exception of a template that is
 * stricter than real conversations. Text is never dropped and never changes its order; where texts come together in one
 * message, a blank line stands between them.
 */
export function normalizeMessages(messages: readonly PlainMessage[], traits: Normalization): PlainMessage[] {
  let result = normalizeTools(messages, traits.tools);
  if (traits.system !== "anywhere") result = foldSystem(result, traits.system === "first");
  if (traits.needsUser) result = withUser(result);
  if (traits.userFirst) result = startWithUser(result);
  if (traits.alternates) result = joinNeighbours(result);
  return result;
}

/** System text goes in front of the user message that follows it, or becomes one where none does. */
function foldSystem(messages: readonly PlainMessage[], keepsFirst: boolean): PlainMessage[] {
  const conversationStart = messages.findIndex((message) => message.role !== "system");
  const leading = messages.slice(0, conversationStart < 0 ? messages.length : conversationStart);
  const result: PlainMessage[] = [];
  let rest = messages;
  if (keepsFirst && leading.length > 0) {
    result.push({ role: "system", content: joinTexts(leading.map(({ content }) => content)) });
    rest = messages.slice(leading.length);
  }
  let waiting: string[] = [];
  for (const message of rest) {
    if (message.role === "system") {
      waiting.push(message.content);
    } else {
      if (waiting.length > 0 && message.role !== "user") result.push({ role: "user", content: joinTexts(waiting) });
      const folds = waiting.length > 0 && message.role === "user";
      result.push(folds ? { ...message, content: joinTexts([...waiting, message.content]) } : message);
      waiting = [];
    }
  }
  if (waiting.length > 0) result.push({ role: "user", content: joinTexts(waiting) });
  return result;
}

/** System text alone is said by the user; any other conversation without a user begins with an empty message. */
function withUser(messages: PlainMessage[]): PlainMessage[] {
  if (messages.some((message) => message.role === "user")) return messages;
  if (messages.some((message) => message.role !== "system")) return startWithUser(messages);
  return [{ role: "user", content: joinTexts(messages.map(({ content }) => content)) }];
}

/** An assistant who speaks first gets an empty user message to answer. */
function startWithUser(messages: readonly PlainMessage[]): PlainMessage[] {
  const first = messages.findIndex((message) => message.role !== "system");
  if (first < 0 || messages[first]?.role === "user") return [...messages];
  return [...messages.slice(0, first), { role: "user", content: "" }, ...messages.slice(first)];
}

function joinNeighbours(messages: readonly PlainMessage[]): PlainMessage[] {
  const result: PlainMessage[] = [];
  for (const message of messages) {
    const last = result.at(-1);
    const joins = last?.role === message.role && message.role !== "tool";
    if (joins) result[result.length - 1] = joinMessages(last, message);
    else result.push(message);
  }
  return result;
}

function joinMessages(first: PlainMessage, second: PlainMessage): PlainMessage {
  const toolCalls = [...(first.toolCalls ?? []), ...(second.toolCalls ?? [])];
  return {
    ...first,
    content: joinTexts([first.content, second.content]),
    ...(toolCalls.length > 0 ? { toolCalls } : {}),
  };
}
