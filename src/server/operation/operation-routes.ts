import { z } from "zod";

import type { PlainRoute } from "../dialect.js";
import { plainRoute } from "../dialect.js";
import type { Service } from "../service.js";
import { openApiDocument } from "./openapi.js";

const ok = z.strictObject({ status: z.literal("ok") });

/** What keeps a server running, and tells what it is. */
export function operationRoutes(service: Service): PlainRoute[] {
  const routes: PlainRoute[] = [
    plainRoute({
      method: "GET",
      path: "/",
      summary: "That the server is there, in words; Ollama's clients ask before all else",
      open: true,
      body: undefined,
      answer: z.string(),
      answerType: "text/plain",
      handle: () =>
        new Response("llama-native is running", { headers: { "content-type": "text/plain; charset=utf-8" } }),
    }),
    plainRoute({
      method: "GET",
      path: "/health",
      summary: "Whether the process lives",
      open: true,
      body: undefined,
      answer: ok,
      handle: () => ({ status: "ok" }),
    }),
    plainRoute({
      method: "GET",
      path: "/ready",
      summary: "Whether requests for text are answered: 503 while loading or draining",
      open: true,
      problems: ["loading", "draining"],
      body: undefined,
      answer: ok,
      handle() {
        service.assertReady();
        return { status: "ok" };
      },
    }),
    plainRoute({
      method: "GET",
      path: "/metrics",
      summary: "Numbers for Prometheus",
      body: undefined,
      answer: z.string(),
      answerType: "text/plain",
      handle: async () =>
        new Response(await service.metrics.text(), { headers: { "content-type": service.metrics.contentType } }),
    }),
    plainRoute({
      method: "GET",
      path: "/openapi.json",
      summary: "This API, made from the schemas that check requests",
      body: undefined,
      answer: z.looseObject({ openapi: z.string() }),
      handle: () => openApiDocument(service.version, routes),
    }),
  ];
  return routes;
}
