import type { GenerationRoute } from "../dialect.js";
import { generationRoute } from "../dialect.js";
import { eventStream, sse } from "../http/event-stream.js";
import { lastOf } from "./chat-answer.js";
import { response, toResponse } from "./response-answer.js";
import { responseEvent } from "./response-events.js";
import { responseBody, toResponseRequest } from "./response-request.js";
import { ResponseStream } from "./response-stream.js";

export const responseRoute: GenerationRoute = generationRoute({
  path: "/v1/responses",
  summary: "Answers an input; nothing is stored",
  body: responseBody,
  answer: response,
  chunk: responseEvent,
  prepare: (body) => {
    let stream: ResponseStream | undefined;
    return {
      request: toResponseRequest(body),
      streams: body.stream === true,
      answer: (answers, info) => toResponse(body, lastOf(answers), info),
      stream: {
        ...eventStream,
        encoder: (info) => (stream = new ResponseStream(body, info)),
        error: (problem) => {
          const { code, message, param } = (problem as { error: Parameters<ResponseStream["error"]>[0] }).error;
          const error = { code, message, param };
          return stream?.error(error) ?? sse({ type: "error", sequence_number: 0, ...error }, "error");
        },
      },
    };
  },
});
