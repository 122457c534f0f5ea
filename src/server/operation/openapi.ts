import { z } from "zod";

import type { Route } from "../dialect.js";
import { dialects } from "../dialects.js";

/** The OpenAPI document of the dialects' routes and of those that keep the server running. */
export function openApiDocument(version: string, operationRoutes: readonly Route[]): object {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const { name, routes } of [...dialects, { name: "Operation", routes: operationRoutes }]) {
    for (const route of routes) {
      const path = route.path.replace(/:(\w+)(\{[^}]*\})?/g, "{$1}");
      (paths[path] ??= {})[route.method.toLowerCase()] = { tags: [name], ...operation(route, path) };
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

function operation(route: Route, path: string): object {
  const parameters = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name,
    in: "path",
    required: true,
    schema: { type: "string" },
  }));
  const content: Record<string, unknown> = {};
  if (route.answer !== undefined) content["application/json"] = { schema: toSchema(route.answer, "output") };
  if (route.kind === "generation" && route.chunk !== undefined) {
    content["text/event-stream"] = { schema: toSchema(route.chunk, "output") };
  }
  return {
    summary: route.summary,
    ...(route.open === true ? { security: [] } : {}),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(route.body === undefined
      ? {}
      : {
          requestBody: { required: true, content: { "application/json": { schema: toSchema(route.body, "input") } } },
        }),
    responses: { 200: { description: "The answer", content }, default: { description: "An error" } },
  };
}

function toSchema(schema: z.ZodType, io: "input" | "output"): object {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: "any" });
  return rest;
}
