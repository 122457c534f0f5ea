import { randomUUID } from "node:crypto";
import { ServerResponse } from "node:http";

import type { Context } from "hono";
import { Hono } from "hono";
import { cors } from "hono/cors";

import type { Dialect, Route } from "./dialect.js";
import { dialectOf, dialects } from "./dialects.js";
import { answerPlain, generate, publicProblem } from "./http/answer-request.js";
import { ApiKeys } from "./http/api-keys.js";
import { HostCheck } from "./http/host-check.js";
import { Problem } from "./http/problem.js";
import { operationRoutes } from "./operation/operation-routes.js";
import { RequestRecord } from "./operation/request-record.js";
import type { Service } from "./service.js";

interface Env {
  Variables: { record: RequestRecord };
  /** What the Node listener gives; other frameworks have other things, or nothing. */
  Bindings: { outgoing?: unknown };
}

/** A client that has left gets this, in case somebody looks; it is nginx's. */
const clientLeft = 499;
/** Which pages may read of an answer from another origin: clients in browsers wait and tell ids by them. */
const exposeHeaders = ["x-request-id", "request-id", "retry-after", "x-should-retry"];
const givenId = /^[\w.:-]{1,128}$/;

/** All routes of the server, behind what holds for every request. */
export function createApp(service: Service): Hono<Env> {
  const app = new Hono<Env>();
  const { apiKeys, allowedHosts, cors: origins } = service.options;
  const keys = new ApiKeys(apiKeys);
  const hosts = allowedHosts === undefined ? undefined : new HostCheck(allowedHosts);

  app.use(async (context, next) => {
    const { req } = context;
    const given = req.header("x-request-id");
    const id = given !== undefined && givenId.test(given) ? given : randomUUID();
    const record = new RequestRecord({ id, method: req.method, path: req.path }, service.options.log, service.metrics);
    context.set("record", record);
    await next();
    record.status = context.res.status;
    const headers = { "x-request-id": id, ...dialectOf(req.path).headers?.(id) };
    for (const [name, value] of Object.entries(headers)) context.res.headers.set(name, value);
    if (service.draining) context.res.headers.set("connection", "close");
    if (!record.streams) record.end();
  });
  if (origins.length > 0) app.use(cors({ origin: origins === "*" ? "*" : [...origins], exposeHeaders }));

  const open = new Set<string>();
  const all: (Route & { dialect: Dialect })[] = [];
  for (const dialect of dialects) for (const route of dialect.routes) all.push({ ...route, dialect });
  for (const route of operationRoutes(service)) {
    if (route.open === true) open.add(`${route.method} ${route.path}`);
    all.push({ ...route, dialect: dialectOf(route.path) });
  }
  app.use(async ({ req }, next) => {
    hosts?.check(req.raw);
    const method = req.method === "HEAD" ? "GET" : req.method;
    if (!open.has(`${method} ${req.path}`)) keys.check(req.raw);
    await next();
  });

  for (const route of all) {
    app.on(route.method, route.path, async (context) => {
      const record = context.get("record");
      record.route = `${route.method} ${route.path.replace(/\{.*\}$/, "")}`;
      const param = (name: string): string => context.req.param(name) ?? "";
      const hangUp = hangUpOf(context.env);
      const exchange = { request: context.req.raw, record, dialect: route.dialect, service, param, hangUp };
      try {
        return await (route.kind === "generation" ? generate(route, exchange) : answerPlain(route, exchange));
      } catch (error) {
        throw asError(error);
      }
    });
  }
  for (const path of new Set(all.map((route) => route.path))) {
    const allowed = all.filter((route) => route.path === path).map(({ method }) => method);
    app.all(path, ({ req }) => {
      throw new Problem("method_not_allowed", `${req.method} is not for ${req.path}; ${allowed.join(", ")} is`, {
        headers: { allow: allowed.join(", ") },
      });
    });
  }
  app.notFound((context) => tell(context, new Problem("not_found", `There is nothing at ${context.req.path}`)));
  app.onError((error, context) => {
    const record = context.get("record");
    if (!context.req.raw.signal.aborted) return tell(context, publicProblem(error, record));
    record.abandoned = true;
    return new Response(null, { status: clientLeft });
  });
  return app;
}

/**
 * The router hands on only errors, and lets go of everything else together with the request's place in log and metrics; but a
 * client's connection ends with a text as its reason, and a content filter may throw anything.
 */
function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error), { cause: error });
}

/** The adapter prints the error of a body that breaks off; a connection that is closed ends it without one. */
function hangUpOf(env: Env["Bindings"] | undefined): (() => void) | undefined {
  const outgoing = env?.outgoing;
  return outgoing instanceof ServerResponse ? () => void outgoing.destroy() : undefined;
}

function tell(context: Context<Env>, problem: Problem): Response {
  const { body, status } = dialectOf(context.req.path).error(problem, context.get("record").id);
  const headers = new Headers(problem.headers);
  if (problem.retryAfter !== undefined) headers.set("retry-after", String(problem.retryAfter));
  // Clients that try again by themselves would only wait for as long again.
  if (problem.code === "time_limit") headers.set("x-should-retry", "false");
  return Response.json(body, { status: status ?? problem.status, headers });
}
