import { describe, expect, test } from "vitest";
import { z } from "zod";

import { dialects } from "../../src/server/dialects.js";

/** Paths of all fields that may be left out and must not be null. */
function unforgiving(schema: z.ZodType, path: string, found: string[] = []): string[] {
  if (schema instanceof z.ZodObject) {
    for (const [name, field] of Object.entries<z.ZodType>(schema.shape)) {
      const at = `${path}.${name}`;
      if (field.safeParse(undefined).success && !field.safeParse(null).success) found.push(at);
      unforgiving(field, at, found);
    }
    return found;
  }
  const parts: unknown[] = Object.values(schema.def).flat();
  for (const part of parts) if (part instanceof z.ZodType) unforgiving(part, path, found);
  return found;
}

const bodies = dialects.flatMap(({ routes }) =>
  routes.flatMap(({ path, body }) => (body === undefined ? [] : [[path, body] as const])),
);

describe("null is as good as nothing in every field that may be left out", () => {
  test.each(bodies)("%s", (path, body) => {
    expect(unforgiving(body, path)).toEqual([]);
  });

  test("which this test would find out", () => {
    const schema = z.object({ a: z.array(z.union([z.string(), z.object({ b: z.string().optional() })])) });
    expect(unforgiving(schema, "")).toEqual([".a.b"]);
  });
});
