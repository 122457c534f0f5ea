import { z } from "zod";

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

/** One text or a list of texts, or the tokens of one or of several. */
export type TextsOrTokens = string | string[] | number[] | number[][];

/**
 * Tells only the first thing that is wrong: zod would make an issue of each element that is not of a kind's, for each of the
 * kinds, and a body has room for millions of elements.
 */
export function textsOrTokens(options: { most: number; emptyTexts: boolean }): z.ZodType<TextsOrTokens> {
  const text = { type: "string", ...(options.emptyTexts ? {} : { minLength: 1 }) };
  const tokens = { type: "array", items: { type: "integer", minimum: 0 }, minItems: 1 };
  const lists = [text, tokens].map((items) => ({ type: "array", items, minItems: 1, maxItems: options.most }));
  return z
    .unknown()
    .superRefine((value, context) => {
      const problem = problemOf(value, options);
      if (problem !== undefined) context.addIssue({ code: "custom", ...problem });
    })
    .meta({ anyOf: [text, tokens, ...lists] }) as unknown as z.ZodType<TextsOrTokens>;
}

interface ValueProblem {
  readonly message: string;
  readonly path?: number[];
}

function problemOf(
  value: unknown,
  { most, emptyTexts }: { most: number; emptyTexts: boolean },
): ValueProblem | undefined {
  const isText = (one: unknown): boolean => typeof one === "string" && (emptyTexts || one !== "");
  const isToken = (one: unknown): boolean => typeof one === "number" && Number.isInteger(one) && one >= 0;
  if (typeof value === "string") return isText(value) ? undefined : { message: "Expected a text that is not empty" };
  if (!Array.isArray(value)) return { message: "Expected a text or its tokens, or a list of either" };
  const list = value as unknown[];
  if (list.length === 0) return { message: "Expected at least one text or token" };
  if (typeof list[0] === "number") return firstOther(list, isToken, "Expected a token id", []);
  if (list.length > most) return { message: `Expected at most ${most} texts but received ${list.length}` };
  if (typeof list[0] === "string") {
    return firstOther(list, isText, emptyTexts ? "Expected a text" : "Expected a text that is not empty", []);
  }
  const isList = (one: unknown): boolean => Array.isArray(one) && one.length > 0;
  const noList = firstOther(list, isList, "Expected a list of token ids", []);
  if (noList !== undefined) return noList;
  for (const [index, tokens] of list.entries()) {
    const problem = firstOther(tokens as unknown[], isToken, "Expected a token id", [index]);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function firstOther(
  list: readonly unknown[],
  fits: (one: unknown) => boolean,
  message: string,
  path: readonly number[],
): ValueProblem | undefined {
  const index = list.findIndex((one) => !fits(one));
  return index < 0 ? undefined : { message, path: [...path, index] };
}

/** What a client library adds to an answer for its own caller, who may send the answer back with it: it says nothing new. */
export const clientsOwn = z.unknown().optional().meta({ description: "Accepted: the client library's own" });

/** JSON of any kind, looked at by what uses it. */
export const jsonObject = z.record(z.string(), z.unknown());
