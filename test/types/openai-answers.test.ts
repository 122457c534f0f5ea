import type OpenAI from "openai";
import { describe, expectTypeOf, it } from "vitest";
import type { z } from "zod";

import type { chatChunk, chatCompletion } from "../../src/server/openai/chat-answer.js";
import type { completion, completionChunk } from "../../src/server/openai/completions.js";
import type { modelSchema } from "../../src/server/openai/models.js";
import type { response } from "../../src/server/openai/response-answer.js";
import type { responseEvent } from "../../src/server/openai/response-events.js";
import type { usageSchema } from "../../src/server/openai/answer-parts.js";

/**
 * Every property may also be undefined: OpenAI's types were not written for exactOptionalPropertyTypes. `output_text` is what the
 * client itself puts together, and is not sent.
 */
type Loose<T> = T extends readonly (infer Item)[]
  ? Loose<Item>[]
  : T extends object
    ? {
        [Name in keyof T as Name extends "output_text" ? never : Name]:
          Loose<T[Name]> | (undefined extends T[Name] ? undefined : never);
      }
    : T;

describe("answers are what the openai package says they are", () => {
  it("chat completions and their chunks", () => {
    expectTypeOf<z.output<typeof chatCompletion>>().toExtend<Loose<OpenAI.ChatCompletion>>();
    expectTypeOf<z.output<typeof chatChunk>>().toExtend<Loose<OpenAI.ChatCompletionChunk>>();
  });

  it("completions and their chunks, whose reason to end is null until they do", () => {
    expectTypeOf<z.output<typeof completion>>().toExtend<Loose<OpenAI.Completion>>();
    type Ended<T extends { choices: unknown[] }> = Omit<T, "usage" | "choices">;
    expectTypeOf<Ended<z.output<typeof completionChunk>>>().toExtend<Omit<OpenAI.Completion, "usage" | "choices">>();
  });

  it("responses and the events of their streams", () => {
    expectTypeOf<z.output<typeof response>>().toExtend<Loose<OpenAI.Responses.Response>>();
    type Event = z.output<typeof responseEvent>;
    expectTypeOf<Event>().toExtend<Loose<OpenAI.Responses.ResponseStreamEvent>>();
    // Each is what the package calls by its name, and not only like one of them.
    type Theirs<Type> = Loose<Extract<OpenAI.Responses.ResponseStreamEvent, { type: Type }>>;
    type Wrong = { [Type in Event["type"]]: Extract<Event, { type: Type }> extends Theirs<Type> ? never : Type };
    expectTypeOf<Wrong[Event["type"]]>().toBeNever();
    expectTypeOf<Event["type"]>().toExtend<OpenAI.Responses.ResponseStreamEvent["type"]>();
  });

  it("models and usage", () => {
    expectTypeOf<z.output<typeof modelSchema>>().toExtend<OpenAI.Model>();
    expectTypeOf<z.output<typeof usageSchema>>().toExtend<OpenAI.CompletionUsage>();
  });
});
