import { z } from "zod";

import type { Dialect, Route } from "../dialect.js";
import { dialects } from "../dialects.js";
import type { ProblemCode } from "../http/problem.js";
import { Problem } from "../http/problem.js";
import { openai } from "../openai/dialect.js";

type Errors = Pick<Dialect, "error" | "problem">;

/** The OpenAPI document of the dialects' routes and of those that keep the server running. */
export function openApiDocument(version: string, operationRoutes: readonly Route[]): object {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const { routes, ...dialect } of [...dialects, { ...openai, name: "Operation", routes: operationRoutes }]) {
    for (const route of routes) {
      const path = route.path.replace(/:(\w+)(\{[^}]*\})?/g, "{$1}");
      (paths[path] ??= {})[route.method.toLowerCase()] = { tags: [dialect.name], ...operation(route, path, dialect) };
    }
  }
  return {
    openapi: "3.1.0",
    info: { title: "llama-native", version },
    security: [{ bearer: [] }],
    paths,
    components: { securitySchemes: { bearer: { type: "http", scheme: "bearer" } } },
  };
}

/** What may go wrong on a route, by HTTP status. */
export function statusesOf(route: Route, { error }: Pick<Dialect, "error">): number[] {
  const codes: ProblemCode[] = ["host_not_allowed", "internal", ...(route.problems ?? [])];
  if (route.open !== true) codes.push("unauthorized");
  if (route.body !== undefined) {
    codes.push(
      "invalid_request",
      "body_too_large",
      "unsupported_media_type",
      "model_not_found",
      "loading",
      "queue_full",
    );
  }
  if (route.path.includes(":")) codes.push("model_not_found");
  if (route.kind === "generation") codes.push("content_filter");
  const statuses = codes.map((code) => {
    const problem = new Problem(code, "");
    return error(problem, "").status ?? problem.status;
  });
  return [...new Set(statuses)].sort((a, b) => a - b);
}

function operation(route: Route, path: string, dialect: Errors): object {
  const parameters = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name,
    in: "path",
    required: true,
    schema: { type: "string" },
  }));
  return {
    summary: route.summary,
    ...(route.open === true ? { security: [] } : {}),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(route.body === undefined
      ? {}
      : {
          requestBody: { required: true, content: { "application/json": { schema: toSchema(route.body, "input") } } },
        }),
    responses: { 200: { description: "The answer", content: answersOf(route) }, ...problemsOf(route, dialect) },
  };
}

function answersOf(route: Route): Record<string, unknown> {
  const content: Record<string, unknown> = {};
  if (route.answer !== undefined) {
    content[route.answerType ?? "application/json"] = { schema: toSchema(route.answer, "output") };
  }
  if (route.kind === "generation" && route.chunk !== undefined) {
    content[route.chunkType ?? "text/event-stream"] = { schema: toSchema(route.chunk, "output") };
  }
  return content;
}

function problemsOf(route: Route, dialect: Errors): Record<number, unknown> {
  const content = { "application/json": { schema: toSchema(dialect.problem, "output") } };
  return Object.fromEntries(statusesOf(route, dialect).map((status) => [status, { description: "An error", content }]));
}

function toSchema(schema: z.ZodType, io: "input" | "output"): object {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: "any" });
  return rest;
}
