import { execFile } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";

import { beforeAll, expect, test } from "vitest";

import { packageDir } from "../support/compiled.js";
import { smollm2 } from "../support/models.js";

const run = promisify(execFile);

/** What each example must print. */
const expected: Record<string, RegExp> = {
  "automatic-context.mjs":
    /^A context of 8192 tokens, as large as it may be, with a KV cache in f16: it takes \d+ MB of /,
  "cancel.mjs": /6, 7, 8, 9\ncancelled\nTimeoutError\nTIMEOUT: \d+ tokens in 200 ms:/,
  "chat.mjs": /Tokyo.*\n.*Rome.*\n\d+ of \d+ prompt tokens came from the cache\n/,
  "drafts.mjs": /^(\d+) of \d+ drafted tokens were right\nthe same text\n$/,
  "embeddings.mjs": /cat and kitten: 0\.9\d\ncat and market: 0\.[78]\d\n/,
  "grammar.mjs": /\{ city: '[^']+', country: '[^']+' \}/,
  "json-schema.mjs": /\{\s+name: 'Paris',\s+country: '[^']+',\s+sights: \[ '[^\]]+' \]\s+\}/,
  "many-requests.mjs": /France: Paris\nItaly: Rome\n[\s\S]*[4-6]\.\d requests a step/,
  "ram-cache.mjs": /^4\d\d of 4\d\d prompt tokens came from the cache\n$/,
  "require.cjs": /Paris/,
  "save-session.mjs": /Rome/,
  "server.mjs": /Tokyo.*\n2 vectors\n\d+ tokens\n/,
  "tools.mjs": /^temperature\(\{"city":"Rome"\}\)\nThe .*28 degrees/,
  "score.mjs": /hot: [\d.]+\ncold: [\d.]+\nblue: [\d.]+\nthe fork has 14 tokens, the question still 13\n/,
};

beforeAll(async () => {
  await smollm2();
});

test("every example is tested", () => {
  expect(readdirSync(join(packageDir, "examples")).sort()).toEqual(Object.keys(expected).sort());
});

test.each(Object.entries(expected))("examples/%s", async (name, output) => {
  const { stdout, stderr } = await run(process.execPath, [join(packageDir, "examples", name)]);
  expect(stdout).toMatch(output);
  expect(stderr).toBe("");
});
