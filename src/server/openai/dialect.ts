import type { Dialect } from "../dialect.js";
import { generationRoute } from "../dialect.js";
import { eventStream, sse } from "../http/event-stream.js";
import { chatChunk, chatCompletion, ChatStream, toChatCompletion } from "./chat-answer.js";
import { chatBody, toChatRequest } from "./chat-request.js";
import { completionRoute } from "./completions.js";
import { embeddingRoute } from "./embeddings.js";
import { modelRoutes } from "./models.js";
import { problemBody, toProblemBody } from "./problem-body.js";
import { responseRoute } from "./responses.js";

const chat = generationRoute({
  path: "/v1/chat/completions",
  summary: "Answers a conversation",
  body: chatBody,
  answer: chatCompletion,
  chunk: chatChunk,
  prepare: (body) => ({
    request: toChatRequest(body),
    streams: body.stream === true,
    answer: toChatCompletion,
    stream: {
      ...eventStream,
      encoder: (info) => new ChatStream(info, body.n ?? 1, body.stream_options?.include_usage === true),
      error: (error) => sse(error),
    },
  }),
});

export const openai: Dialect = {
  name: "OpenAI",
  owns: () => false, // what no other owns is OpenAI's
  error: (problem) => ({ body: toProblemBody(problem) }),
  problem: problemBody,
  routes: [chat, completionRoute, responseRoute, embeddingRoute, ...modelRoutes],
};
