import { describe, expect, it } from "vitest";

import type { TemplateMessage } from "../../src/chat/template-messages.js";
import type { ProbeVocabulary, RenderProbe, TemplateTraits } from "../../src/chat/template-traits.js";
import { probeTemplate as probe, probeToolDefinitions } from "../../src/chat/template-traits.js";
import { chatml, mistral } from "./fake-addon.js";

const form = { content: "string", toolArguments: "object", noTools: null } as const;
const permissive: TemplateTraits = {
  form,
  system: "anywhere",
  alternates: false,
  userFirst: false,
  needsUser: false,
  answerSpace: "none",
  tools: { ids: "any", parallel: true },
};

const bytePairs: ProbeVocabulary = { spacePrefix: false, endsWithControlToken: () => false };
const sentencePiece: ProbeVocabulary = { ...bytePairs, spacePrefix: true };
const probeTemplate = (render: RenderProbe, vocabulary = bytePairs): TemplateTraits => probe(render, vocabulary);

const rendering =
  (template: typeof chatml): RenderProbe =>
  (messages) =>
    template({ messages, tools: null, add_generation_prompt: true, bos_token: "", eos_token: "" });
const lines = (messages: TemplateMessage[]): string => messages.map((message) => JSON.stringify(message)).join("\n");
const refuseIf = (condition: boolean): void => {
  if (condition) throw new Error("the template raised");
};

describe("probeToolDefinitions", () => {
  it.each([
    [true, (messages, tools) => lines(messages) + JSON.stringify(tools)],
    [false, (messages) => lines(messages)],
    [
      false,
      () => {
        throw new Error("the template raised");
      },
    ],
  ] satisfies [boolean, RenderProbe][])("tells whether a template shows tools: %s", (shows, render) => {
    expect(probeToolDefinitions(render, form)).toBe(shows);
  });
});

describe("probeTemplate", () => {
  it("knows a template that takes everything but tools", () => {
    expect(probeTemplate(rendering(chatml))).toEqual({ ...permissive, tools: "none" });
  });

  it("knows Mistral-7B-Instruct-v0.2's", () => {
    expect(probeTemplate(rendering(mistral), sentencePiece)).toEqual({
      form,
      system: "none",
      alternates: true,
      userFirst: true,
      needsUser: true,
      answerSpace: "missing",
      tools: "none",
    });
  });

  it("notices system text that vanishes without an error", () => {
    const render: RenderProbe = (messages) => lines(messages.filter(({ role }) => role !== "system"));
    expect(probeTemplate(render)).toMatchObject({ system: "none", alternates: false });
  });

  it("notices that only the first message may be a system message", () => {
    const render: RenderProbe = (messages) => {
      refuseIf(messages.slice(1).some(({ role }) => role === "system"));
      return lines(messages);
    };
    expect(probeTemplate(render)).toEqual({ ...permissive, system: "first" });
  });

  it("notices that only the last of several system messages is kept", () => {
    const render: RenderProbe = (messages) => {
      const lastSystem = messages.findLast(({ role }) => role === "system");
      return lines(messages.filter((message) => message.role !== "system" || message === lastSystem));
    };
    expect(probeTemplate(render)).toMatchObject({ system: "first" });
  });

  it("notices a template that takes parts only", () => {
    const render: RenderProbe = (messages) =>
      messages
        .map(({ role, content }) => role + (content as { text: string }[]).map(({ text }) => text).join(""))
        .join();
    expect(probeTemplate(render)).toEqual({ ...permissive, form: { ...form, content: "parts" }, tools: "none" });
  });

  it("notices calls of tools whose arguments must be text", () => {
    const render: RenderProbe = (messages) =>
      messages
        .map(({ content, tool_calls = [] }) => {
          for (const { function: call } of tool_calls) refuseIf(typeof call.arguments !== "string");
          return (
            JSON.stringify(content) +
            tool_calls.map((call) => call.function.name + String(call.function.arguments)).join()
          );
        })
        .join();
    expect(probeTemplate(render)).toEqual({ ...permissive, form: { ...form, toolArguments: "json" } });
  });

  it("notices a template that goes over its tools without asking whether there are any", () => {
    const render: RenderProbe = (messages, tools) => {
      refuseIf(tools === null);
      return lines(messages);
    };
    expect(probeTemplate(render)).toEqual({ ...permissive, form: { ...form, noTools: [] } });
  });

  it("notices that there must be a user", () => {
    const render: RenderProbe = (messages) => {
      refuseIf(messages.every(({ role }) => role !== "user"));
      return lines(messages);
    };
    expect(probeTemplate(render)).toEqual({ ...permissive, needsUser: true });
  });

  it("notices restrictions of calls", () => {
    const render: RenderProbe = (messages) => {
      for (const { tool_calls = [] } of messages)
        refuseIf(tool_calls.length > 1 || (tool_calls[0]?.id ?? "123456789").length !== 9);
      return lines(messages);
    };
    expect(probeTemplate(render)).toEqual({ ...permissive, tools: { ids: "short", parallel: false } });
  });

  describe("the space between prompt and answer", () => {
    const spaceOf = (prompt: string, before: string, vocabulary: ProbeVocabulary): string =>
      probeTemplate(
        (messages) =>
          messages
            .map(({ role, content }) =>
              role === "assistant" ? before + (content as string) : `${content as string}${prompt}`,
            )
            .join(""),
        vocabulary,
      ).answerSpace;

    it("is missing where SentencePiece would set it and the template does not", () => {
      expect(spaceOf("[/INST]", "", sentencePiece)).toBe("missing");
      expect(spaceOf("[/INST]", "", bytePairs)).toBe("none");
    });

    it("is not missing behind white space or a control token", () => {
      expect(spaceOf("Assistant: ", "", sentencePiece)).toBe("none");
      expect(spaceOf("assistant\n", "", sentencePiece)).toBe("none");
      expect(spaceOf("<|a|>", "", { ...sentencePiece, endsWithControlToken: (text) => text.endsWith("<|a|>") })).toBe(
        "none",
      );
    });

    it("is the template's where it writes one", () => {
      expect(spaceOf("[/INST]", " ", sentencePiece)).toBe("template");
      expect(spaceOf("ASSISTANT:", " ", bytePairs)).toBe("template");
    });
  });

  it("assumes nothing of a template that always fails, so that its own error shows", () => {
    const render: RenderProbe = () => {
      throw new Error("undefined filter");
    };
    expect(probeTemplate(render)).toEqual(permissive);
  });
});
