import { z } from "zod";

import { isShallow, mostLevels } from "../../chat/json-values.js";

// For dialects, which import nothing from outside the server.
export { isShallow, mostLevels };

/** A field that clients may leave out or set to null, which means the same. */
export function maybe<Schema extends z.ZodType>(schema: Schema): z.ZodOptional<z.ZodNullable<Schema>> {
  return schema.nullish();
}

/**
 * A field of the API that cannot be honoured: any value is refused by name, with the reason, but for null and those that
 * ask for what happens anyway.
 */
export function refused(reason: string, ...harmless: (string | number | boolean)[]): z.ZodOptional<z.ZodUnknown> {
  return z
    .unknown()
    .optional()
    .superRefine((value, context) => {
      if (value === undefined || value === null || harmless.includes(value as string)) return;
      if (Array.isArray(value) && value.length === 0) return;
      context.addIssue({ code: "custom", message: `Not supported: ${reason}`, params: { refused: true } });
    })
    .meta({ description: `Refused${butFor(harmless)}: ${reason}` });
}

function butFor(harmless: readonly unknown[]): string {
  return harmless.length === 0 ? "" : ` but for ${harmless.map((value) => JSON.stringify(value)).join(" and ")}`;
}

/** What a client library adds to an answer for its own caller, who may send the answer back with it: it says nothing new. */
export const clientsOwn = z.unknown().optional().meta({ description: "Accepted: the client library's own" });

/** JSON of any kind, looked at by what uses it. */
export const jsonObject = z
  .record(z.string(), z.unknown())
  .refine((value) => isShallow(value), `Expected at most ${mostLevels} levels of nesting`);

/** OpenAI's limit. */
const mostTools = 128;

/** A request's list of tools. */
export function someTools<Tool extends z.ZodType>(tool: Tool): z.ZodOptional<z.ZodNullable<z.ZodArray<Tool>>> {
  return maybe(z.array(tool).max(mostTools, `Expected at most ${mostTools} tools`));
}
