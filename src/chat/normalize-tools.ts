import type { PlainMessage, ToolCall } from "./messages.js";
import type { TemplateTraits, ToolTraits } from "./template-traits.js";

type CallWithId = ToolCall & { readonly id: string };

/** A message with the results of tools that follow it. */
interface Turn {
  readonly message: PlainMessage;
  readonly results: PlainMessage[];
}

/** Puts calls and results of tools in a form that the template accepts. */
export function normalizeTools(messages: readonly PlainMessage[], tools: TemplateTraits["tools"]): PlainMessage[] {
  if (tools === "none") return messages.map(asText);
  const ids = new ToolIds(messages, tools.ids);
  const turns = toTurns(messages);
  return turns.flatMap((turn, index) => {
    const { message, results } = turn;
    // Calls without results may only stand last, results without calls nowhere.
    const answered = results.length > 0 || index === turns.length - 1;
    if (message.toolCalls !== undefined && answered) return normalizeTurn(turn, ids, tools.parallel);
    return [message, ...results].map(asText);
  });
}

function toTurns(messages: readonly PlainMessage[]): Turn[] {
  const turns: Turn[] = [];
  for (const message of messages) {
    const last = turns.at(-1);
    if (message.role === "tool" && last !== undefined) last.results.push(message);
    else turns.push({ message, results: [] });
  }
  return turns;
}

/** Results follow in the order of their calls; those that answer none become text. */
function normalizeTurn({ message, results }: Turn, ids: ToolIds, parallel: boolean): PlainMessage[] {
  const calls: CallWithId[] = (message.toolCalls ?? []).map((call) => ({ ...call, id: call.id ?? ids.next() }));
  const open = new OpenCalls(calls);
  const answers = new Map<CallWithId, PlainMessage>();
  const stray: PlainMessage[] = [];
  for (const result of results) {
    const call = open.take(result);
    if (call === undefined) stray.push(asText(result));
    else answers.set(call, { ...result, name: result.name ?? call.name, toolCallId: ids.accepted(call.id) });
  }
  const groups = parallel ? [calls] : calls.map((call) => [call]);
  const { thinking: _, ...later } = { ...message, content: "" };
  const normalized = groups.flatMap((group, index): PlainMessage[] => [
    {
      ...(index === 0 ? message : later),
      toolCalls: group.map((call) => ({ ...call, id: ids.accepted(call.id) })),
    },
    ...group.map((call) => answers.get(call)).filter((answer) => answer !== undefined),
  ]);
  return [...normalized, ...stray];
}

/** Calls that have no result yet. Lists have the first one last, and may still have some that were taken by way of others. */
class OpenCalls {
  readonly #open: Set<CallWithId>;
  readonly #all: CallWithId[];
  readonly #byId: ReadonlyMap<string, CallWithId[]>;
  readonly #byName: ReadonlyMap<string, CallWithId[]>;

  constructor(calls: readonly CallWithId[]) {
    this.#open = new Set(calls);
    this.#all = calls.toReversed();
    this.#byId = grouped(this.#all, ({ id }) => id);
    this.#byName = grouped(this.#all, ({ name }) => name);
  }

  /** The one that a result answers: by id, or else by name, or else in order. */
  take({ toolCallId, name }: PlainMessage): CallWithId | undefined {
    if (toolCallId !== undefined) return this.#first(this.#byId.get(toolCallId));
    return this.#first(name === undefined ? this.#all : this.#byName.get(name));
  }

  #first(calls: CallWithId[] = []): CallWithId | undefined {
    for (let call = calls.pop(); call !== undefined; call = calls.pop()) if (this.#open.delete(call)) return call;
    return undefined;
  }
}

function grouped(calls: readonly CallWithId[], key: (call: CallWithId) => string): Map<string, CallWithId[]> {
  const groups = new Map<string, CallWithId[]>();
  for (const call of calls) {
    const group = groups.get(key(call));
    if (group === undefined) groups.set(key(call), [call]);
    else group.push(call);
  }
  return groups;
}

/** Calls become text of the assistant, results text of the user. */
function asText(message: PlainMessage): PlainMessage {
  if (message.role === "tool") return { role: "user", content: message.content };
  if (message.toolCalls === undefined) return message;
  const calls = message.toolCalls.map(({ name, arguments: args }) => JSON.stringify({ name, arguments: args }));
  const { toolCalls: _, ...said } = message;
  return { ...said, content: [message.content, ...calls].filter((text) => text !== "").join("\n\n") };
}

/** Gives calls without an id one, and others a short one where the template insists on that. */
class ToolIds {
  readonly #kind: ToolTraits["ids"];
  readonly #given: ReadonlySet<string | undefined>;
  readonly #short = new Map<string, string>();
  #count = 0;

  constructor(messages: readonly PlainMessage[], kind: ToolTraits["ids"]) {
    this.#kind = kind;
    this.#given = new Set(messages.flatMap(({ toolCalls = [] }) => toolCalls.map(({ id }) => id)));
  }

  next(): string {
    let id: string;
    do id = `call${String(++this.#count).padStart(5, "0")}`;
    while (this.#given.has(id));
    return id;
  }

  accepted(id: string): string {
    if (this.#kind === "any" || /^[a-zA-Z0-9]{9}$/.test(id)) return id;
    const short = this.#short.get(id) ?? this.next();
    this.#short.set(id, short);
    return short;
  }
}
