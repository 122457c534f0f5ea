import { z } from "zod";

import { tokenLogprobSchema } from "./answer-parts.js";
import { outputItem, outputText, reasoningText, response } from "./response-answer.js";

/** Where in a response's output an event belongs. */
const inItem = { item_id: z.string(), output_index: z.int() };
const inPart = { ...inItem, content_index: z.int() };
const logprobs = z.array(tokenLogprobSchema);
const part = z.discriminatedUnion("type", [outputText, reasoningText]);

const event = <Type extends string, Shape extends z.ZodRawShape>(
  type: Type,
  shape: Shape,
): z.ZodObject<{ type: z.ZodLiteral<Type>; sequence_number: z.ZodInt } & Shape, z.core.$strict> =>
  z.strictObject({ type: z.literal(type), sequence_number: z.int().min(0), ...shape });

/** All that a stream of `/v1/responses` consists of. */
export const responseEvent = z.discriminatedUnion("type", [
  event("response.created", { response }),
  event("response.in_progress", { response }),
  event("response.output_item.added", { output_index: z.int(), item: outputItem }),
  event("response.content_part.added", { ...inPart, part }),
  event("response.reasoning_text.delta", { ...inPart, delta: z.string() }),
  event("response.reasoning_text.done", { ...inPart, text: z.string() }),
  event("response.output_text.delta", { ...inPart, delta: z.string(), logprobs }),
  event("response.output_text.done", { ...inPart, text: z.string(), logprobs }),
  event("response.content_part.done", { ...inPart, part }),
  event("response.function_call_arguments.delta", { ...inItem, delta: z.string() }),
  event("response.function_call_arguments.done", { ...inItem, name: z.string(), arguments: z.string() }),
  event("response.output_item.done", { output_index: z.int(), item: outputItem }),
  event("response.completed", { response }),
  event("response.incomplete", { response }),
  event("error", { code: z.string().nullable(), message: z.string(), param: z.string().nullable() }),
]);

export type ResponseEvent = z.output<typeof responseEvent>;

/** An event but for its number. */
export type UnnumberedEvent = ResponseEvent extends infer Event
  ? Event extends ResponseEvent
    ? Omit<Event, "sequence_number">
    : never
  : never;
