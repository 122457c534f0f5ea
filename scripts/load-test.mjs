// `npm run test:load [seconds] [clients] [rounds] [rounds of 7B]`: the same work with the library and through the server, in
// turns, with a small model and one of Mistral-7B's size, then clients of all kinds against a server. Writes docs/load-test.json and docs/load-test.md, and fails where throughput, an answer, a
// status, a number of the server or its memory is not as it must be; docs/server.md tells what is compared.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { format, resolveConfig } from "prettier";
import { packageDir } from "./lib/paths.mjs";
import { median, shares } from "./load/figures.mjs";
import { failures } from "./load/judgement.mjs";
import { bounds, largePrompts, prompts } from "./load/plan.mjs";
import { runRounds, runStorm } from "./load/run.mjs";
import { toMarkdown } from "./load/table.mjs";
import { cachedModel } from "./models/cached-model.mjs";

const [seconds = 120, clients = 64, roundCount = 36, largeRoundCount = 5] = process.argv.slice(2).map(Number);

// K-quants in Mistral's shape: what a token gets does not depend on who shares its batch, so that answers can be compared.
const rounds = await runRounds(await model("125m"), roundCount, prompts.length);
show(rounds);
// What the library is for: a step takes so long that nothing beside it should show. Minutes, so that there are fewer requests.
const large = await runRounds(await model("7b"), largeRoundCount, largePrompts);
show(large);
// A small model makes more requests in the same time, and leaves more of it to the server.
const storm = await runStorm(await model("tiny"), { seconds, clients });
const failed = failures({ rounds, large, ...storm }, bounds);
const share = Math.round(median(shares(rounds, "library", "server")) * 1000) / 1000;
const result = { when: new Date().toISOString(), seconds, clients, bounds, share, rounds, large, storm, failed };
await write("load-test.json", JSON.stringify(result), "json");
const text = toMarkdown(result);
await write("load-test.md", text, "markdown");
console.log(text);
for (const one of failed) console.error(`Failed: ${one}`);
process.exitCode = failed.length === 0 ? 0 : 1;

/** @param {import("./load/table.mjs").Rounds} rounds */
function show(rounds) {
  console.table(
    rounds.map((round) => Object.fromEntries(Object.entries(round).map(([side, { seconds }]) => [side, seconds]))),
  );
}

/** @param {"125m" | "7b" | "tiny"} shape */
async function model(shape) {
  const [path] = await cachedModel({ shape, type: "q4_k_m", seed: 1, split: 1, vocabularyOnly: false });
  if (path === undefined) throw new Error(`Expected a file of the model ${shape} but none was written`);
  return path;
}

/** @param {string} name @param {string} content @param {"json" | "markdown"} parser */
async function write(name, content, parser) {
  const path = join(packageDir, "docs", name);
  writeFileSync(path, await format(content, { ...(await resolveConfig(path)), parser }));
}
