import { readFileSync } from "node:fs";
import { join } from "node:path";

import { format } from "prettier";
import { expect, test } from "vitest";
import { z } from "zod";

import type { Dialect, Route } from "../../src/server/dialect.js";
import { Problem } from "../../src/server/http/problem.js";
import { dialects } from "../../src/server/dialects.js";
import { openai } from "../../src/server/openai/dialect.js";
import { openApiDocument, statusesOf } from "../../src/server/operation/openapi.js";
import { operationRoutes } from "../../src/server/operation/operation-routes.js";
import { packageDir } from "../support/compiled.js";
import { expectShape } from "./support.js";

const path = join(packageDir, "docs", "server.md");
const mark = "<!-- routes: made by test/server/docs.test.ts from the schemas -->\n";

const problemCodes = ["invalid_request", "context_length_exceeded", "queue_full", "internal", "loading"] as const;

interface JsonSchema {
  description?: string;
  type?: string | string[];
  const?: unknown;
  enum?: unknown[];
  anyOf?: JsonSchema[];
  oneOf?: JsonSchema[];
  properties?: Record<string, JsonSchema>;
  required?: string[];
  items?: JsonSchema;
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
}

test("docs/server.md has every route and field, as the schemas have them (vitest -u writes it)", async () => {
  const head = readFileSync(path, "utf8").split(mark)[0]!;
  const operation = { ...openai, name: "Operation", routes: operationRoutes(null as never) };
  const tables = [...dialects, operation].flatMap((dialect) => [
    dialect === operation ? "## Routes of operation\n" : `## ${dialect.name}'s routes\n`,
    ...dialect.routes.map((route) => describeRoute(route, dialect)),
  ]);
  const page = await format(`${head}${mark}\n${tables.join("\n")}`, { parser: "markdown", printWidth: 120 });
  await expect(page).toMatchFileSnapshot(path);
});

test("the OpenAPI document has every route with its body", () => {
  const operation = operationRoutes(null as never); // none of them is called
  const document = openApiDocument("1.0.0", operation) as {
    paths: Record<string, Record<string, { requestBody?: object }>>;
  };
  const routes = [...dialects.flatMap((dialect): readonly Route[] => dialect.routes), ...operation];
  const listed = Object.values(document.paths).flatMap((methods) => Object.values(methods));
  expect(listed).toHaveLength(routes.length);
  expect(listed.filter(({ requestBody }) => requestBody !== undefined)).toHaveLength(
    routes.filter(({ body }) => body !== undefined).length,
  );
  expect(document.paths["/v1/models/{id}"]).toHaveProperty("get");
  expect(document.paths["/health"]).toMatchObject({ get: { security: [] } });
  expect(document.paths["/metrics"]?.["get"]).not.toHaveProperty("security");
});

test.each(dialects.flatMap((dialect) => problemCodes.map((code) => [dialect.name, code, dialect] as const)))(
  "%s tells %s in the form that its document has",
  (_, code, dialect) => {
    const details = { promptTokens: 9, contextSize: 8 };
    const { body } = dialect.error(new Problem(code, "Why", { details }), "request-1");
    expectShape(dialect.problem, body);
    // Some have streams in which it may come as an event.
    if (dialect.name === "Anthropic") for (const chunk of chunksOf(dialect)) expectShape(chunk, body);
  },
);

function chunksOf({ routes }: Dialect): z.ZodType[] {
  return routes.flatMap((route) => (route.kind === "generation" && route.chunk ? [route.chunk] : []));
}

function describeRoute(route: Route, dialect: Pick<Dialect, "error">): string {
  const title = `### ${route.method} ${route.path.replace(/\{.*\}$/, "")}\n`;
  const statuses = `${route.summary}. Statuses: 200, ${statusesOf(route, dialect).join(", ")}.\n`;
  if (route.body === undefined) return `${title}\n${statuses}`;
  const schema = z.toJSONSchema(route.body, { io: "input", unrepresentable: "any" }) as JsonSchema;
  return `${title}\n${statuses}\n| field | |\n| --- | --- |\n${rowsOf(schema, "").join("\n")}\n`;
}

/** Fields of fields, and of a list's items, follow those that they are in. */
function rowsOf({ properties = {}, required = [] }: JsonSchema, within: string): string[] {
  return Object.entries(properties).flatMap(([name, field]) => {
    const text = field.description ?? kindOf(field);
    const row = `| \`${within}${name}\`${required.includes(name) ? " (required)" : ""} | ${text.replace(/\|/g, "\\|")} |`;
    return [row, ...insideOf(field).flatMap(([inner, mark]) => rowsOf(inner, `${within}${name}${mark}.`))];
  });
}

function insideOf(field: JsonSchema): [schema: JsonSchema, mark: string][] {
  if (field.description !== undefined) return [];
  if (field.properties !== undefined) return [[field, ""]];
  if (field.items !== undefined) return insideOf(field.items).map(([inner, mark]) => [inner, `[]${mark}`]);
  return (field.anyOf ?? field.oneOf ?? []).flatMap(insideOf);
}

function kindOf(field: JsonSchema): string {
  const { type, minimum, maximum, exclusiveMinimum } = field;
  if (field.const !== undefined) return `\`${JSON.stringify(field.const)}\``;
  if (field.enum !== undefined) return field.enum.map((value) => `\`${JSON.stringify(value)}\``).join(", ");
  const union = (field.anyOf ?? field.oneOf)?.filter((one) => one.type !== "null").map(kindOf);
  if (union !== undefined) return [...new Set(union)].join(" or ");
  const low = minimum ?? exclusiveMinimum;
  const isSet = (bound: number | undefined): bound is number => bound !== undefined && Math.abs(bound) < 0x7fffffff;
  const range = [
    isSet(low) ? `${exclusiveMinimum === undefined ? "from" : "above"} ${low}` : "",
    isSet(maximum) ? `to ${maximum}` : "",
  ];
  const types = [type ?? "any"].flat().filter((one) => one !== "null");
  return [types.join(" or "), ...range].filter((text) => text !== "").join(" ");
}
