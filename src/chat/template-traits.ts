import type { ChatRole, PlainMessage } from "./messages.js";
import type { TemplateForm, TemplateMessage } from "./template-messages.js";
import { toTemplateMessage } from "./template-messages.js";

/** What a template can render, found out by rendering small conversations with it. */
export interface TemplateTraits {
  readonly form: TemplateForm;
  /** Where system messages may stand; "first": a single one, before everything else. */
  readonly system: "anywhere" | "first" | "none";
  /** Whether user and assistant must take turns. */
  readonly alternates: boolean;
  /** Whether a user's message must come first, and whether there must be one at all. */
  readonly userFirst: boolean;
  readonly needsUser: boolean;
  /**
   * The space between a prompt and its answer, as in `[/INST] answer`: it belongs to the format and is not part of the
   * answer, though the model generates it. "missing" where the format has one that the template does not write:
   * SentencePiece puts a space in front of every text it encodes, which gives each message of the training one. Only
   * behind a control token the tokenizer does so by itself.
   */
  readonly answerSpace: "none" | "template" | "missing";
  /** What calls and results of tools may be like, where there may be any. */
  readonly tools: "none" | ToolTraits;
}

export interface ToolTraits {
  /** "short": nine letters and digits, no more and no less. */
  readonly ids: "any" | "short";
  /** Whether a message may have several calls. */
  readonly parallel: boolean;
}

/** Renders messages with the template, `tools` standing for no tools; throws where the template does. */
export type RenderProbe = (messages: TemplateMessage[], tools: null | readonly unknown[]) => string;

/** What a template's traits depend on besides itself. */
export interface ProbeVocabulary {
  /** Whether the tokenizer sets a space before texts. */
  readonly spacePrefix: boolean;
  readonly endsWithControlToken: (text: string) => boolean;
}

type Accepts = (...probes: Probe[]) => boolean;
type Probe = PlainMessage & { readonly marks: readonly string[] };

const probe = (role: ChatRole, mark: string): Probe => ({ role, content: mark, marks: [mark] });

const system = probe("system", "systemmark");
const laterSystem = probe("system", "latermark");
const user = probe("user", "usermark");
const nextUser = probe("user", "nextmark");
const assistant = probe("assistant", "answermark");
const nextAssistant = probe("assistant", "moremark");

const forms: readonly TemplateForm[] = [
  { content: "string", toolArguments: "object", noTools: null },
  { content: "parts", toolArguments: "object", noTools: null },
  { content: "string", toolArguments: "object", noTools: [] },
  { content: "parts", toolArguments: "object", noTools: [] },
];

/** A conversation counts as accepted where all of its texts are in the output. */
export function probeTemplate(render: RenderProbe, vocabulary: ProbeVocabulary): TemplateTraits {
  const renderIn = (form: TemplateForm, probes: Probe[]): string | undefined => {
    const messages = probes.map((message) => toTemplateMessage(message, form));
    try {
      return render(messages, form.noTools);
    } catch {
      return undefined;
    }
  };
  const acceptsIn =
    (form: TemplateForm): Accepts =>
    (...probes) => {
      const text = renderIn(form, probes);
      return text !== undefined && probes.every(({ marks }) => marks.every((mark) => text.includes(mark)));
    };
  const form = forms.find((candidate) => acceptsIn(candidate)(user));
  if (form === undefined) return unknownTemplate;
  const accepts = acceptsIn(form);
  return {
    system: probeSystem(accepts),
    alternates: !accepts(user, nextUser) || !accepts(user, assistant, nextAssistant, nextUser),
    userFirst: !accepts(assistant, user),
    needsUser: !accepts(system) || !accepts(assistant),
    answerSpace: probeAnswerSpace(renderIn(form, [user]), renderIn(form, [user, assistant]), vocabulary),
    ...probeTools(form, acceptsIn),
  };
}

/** Whether the tools there are show in a template's output. */
export function probeToolDefinitions(render: RenderProbe, form: TemplateForm): boolean {
  const definition = { name: "definitionmark", description: "a", parameters: { type: "object", properties: {} } };
  try {
    const tools = [{ type: "function", function: definition }];
    return render([toTemplateMessage(user, form)], tools).includes(definition.name);
  } catch {
    return false;
  }
}

/** Where nothing works nothing can be told: the template's own error shall come up when it is used. */
const unknownTemplate: TemplateTraits = {
  form: { content: "string", toolArguments: "object", noTools: null },
  system: "anywhere",
  alternates: false,
  userFirst: false,
  needsUser: false,
  answerSpace: "none",
  tools: { ids: "any", parallel: true },
};

function probeSystem(accepts: Accepts): TemplateTraits["system"] {
  if (!accepts(system, user)) return "none";
  const anywhere = accepts(system, laterSystem, user) && accepts(system, user, assistant, laterSystem, nextUser);
  return anywhere ? "anywhere" : "first";
}

function probeAnswerSpace(
  prompt = "",
  answered = "",
  { spacePrefix, endsWithControlToken }: ProbeVocabulary,
): TemplateTraits["answerSpace"] {
  if (answered.startsWith(`${prompt} ${assistant.content}`)) return "template";
  const flush = answered.startsWith(prompt + assistant.content) && /\S$/.test(prompt);
  return flush && spacePrefix && !endsWithControlToken(prompt) ? "missing" : "none";
}

function probeTools(
  form: TemplateForm,
  acceptsIn: (form: TemplateForm) => Accepts,
): Pick<TemplateTraits, "form" | "tools"> {
  for (const ids of ["any", "short"] as const) {
    for (const toolArguments of ["object", "json"] as const) {
      const candidate = { ...form, toolArguments };
      const accepts = acceptsIn(candidate);
      if (!accepts(...toolConversation(ids, "first"))) continue;
      return { form: candidate, tools: { ids, parallel: accepts(...toolConversation(ids, "first", "second")) } };
    }
  }
  return { form, tools: "none" };
}

function toolConversation(ids: ToolTraits["ids"], ...marks: string[]): Probe[] {
  const calls = marks.map((mark, index) => ({
    id: ids === "any" ? `call_0123456789abcdef${index}` : `call0000${index}`,
    name: `${mark}tool`,
    arguments: { argument: `${mark}value` },
  }));
  const content = { role: "assistant", content: "", toolCalls: calls } as const;
  const results = calls.map(({ id, name }, index): Probe => {
    const text = `${marks[index] ?? ""}result`;
    return { role: "tool", content: text, name, toolCallId: id, marks: [text] };
  });
  const callMarks = marks.flatMap((mark) => [`${mark}tool`, `${mark}value`]);
  return [user, { ...content, marks: callMarks }, ...results, assistant, nextUser];
}
