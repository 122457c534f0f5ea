import { describe, expect, test } from "vitest";

import { dialects } from "../../src/server/dialects.js";
import { checkBody } from "../../src/server/http/read-body.js";

const schema = { type: "object", properties: {} };
const grammar = 'root ::= "a"';
const inputs: Record<string, object> = {
  "/v1/chat/completions": { messages: [{ role: "user", content: "x" }] },
  "/v1/completions": { prompt: "x" },
  "/v1/responses": { input: "x" },
};
const format = { name: "a", schema };
const own: Record<string, object> = {
  "/v1/chat/completions": { response_format: { type: "json_schema", json_schema: format } },
  "/v1/responses": { text: { format: { type: "json_schema", ...format } } },
};

function prepare(path: string, body: object): unknown {
  const route = dialects.flatMap(({ routes }) => routes).find((one) => one.path === path);
  if (route?.kind !== "generation") throw new Error(`Expected a route that generates at ${path}`);
  return route.prepare(checkBody(route.body, { ...inputs[path], ...body }));
}

/** Pairs of fields that each say what the answer must look like. */
const pairs = Object.keys(inputs).flatMap((path): [string, object][] => [
  [path, { json_schema: schema, grammar }],
  ...(own[path] === undefined
    ? []
    : ([
        [path, { ...own[path], json_schema: schema }],
        [path, { ...own[path], grammar }],
      ] as [string, object][])),
]);

describe("an answer's form is said once", () => {
  test.each(pairs)("%s refuses %j", (path, body) => {
    const refusal = expect.objectContaining({
      status: 400,
      code: "invalid_request",
      message: expect.stringContaining("Expected only one of"),
    });
    expect(() => prepare(path, body)).toThrow(refusal);
  });

  test.each(pairs)("%s takes each of %j alone", (path, body) => {
    for (const [field, value] of Object.entries(body)) expect(() => prepare(path, { [field]: value })).not.toThrow();
  });
});
