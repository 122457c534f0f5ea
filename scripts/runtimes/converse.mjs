// What a client asks of a server, whole and as a stream.

/** @param {typeof fetch} ask @param {string} url */
export async function converse(ask, url) {
  for (const stream of [false, true]) {
    const messages = [{ role: "user", content: "Say hello." }];
    const response = await ask(`${url}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ messages, max_tokens: 5, stream }),
    });
    const text = await response.text();
    expect(response.status === 200, `status 200, but got ${response.status}: ${text}`);
    if (stream) expect(text.trim().endsWith("data: [DONE]"), `a stream that ends with [DONE], but got ${text}`);
    else expect(JSON.parse(text).usage.completion_tokens > 0, `tokens in ${text}`);
  }
}

/** @param {boolean} holds @param {string} what */
export function expect(holds, what) {
  if (!holds) throw new Error(`Expected ${what}`);
}
