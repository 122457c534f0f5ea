// The library alone, at the work that the clients ask of the server.

import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { packageDir } from "../lib/paths.mjs";
import { answer, inTurns, meter } from "./channel.mjs";
import { context as contextOptions, prompts, request } from "./plan.mjs";

const { loadModel } = await import(pathToFileURL(join(packageDir, "dist", "index.js")).href);

/** @typedef {import("./plan.mjs").Task} Task */

/** @type {any} */
let context;

/** @param {{ model: string }} order */
async function open({ model }) {
  context = await (await loadModel(model)).createContext({ ...contextOptions, queueSize: 256 });
}

/** @param {{ tasks: Task[], workers: number }} order */
async function round({ tasks, workers }) {
  /** @type {{ prompt: number, text: string, left: boolean }[]} */
  const texts = [];
  /** @type {PromiseLike<unknown>[]} */
  const generations = [];
  const end = meter();
  await inTurns(tasks, workers, async (task) => void texts.push(await take(task, generations)));
  await Promise.all(generations);
  return { ...end(), texts };
}

/**
 * Reads one answer. Who leaves goes on to the next request at once, as a client does.
 * @param {Task} task @param {PromiseLike<unknown>[]} generations
 * @returns {Promise<{ prompt: number, text: string, left: boolean }>}
 */
function take({ prompt, leaveAfter, cachePrompt }, generations) {
  let text = "";
  return new Promise((resolve, reject) => {
    const onToken = (/** @type {{ text: string }} */ piece) => {
      text += piece.text;
      if (leaveAfter === null || text.length < leaveAfter) return;
      generation.cancel();
      resolve({ prompt, text, left: true });
    };
    const generation = context.generate({ prompt: prompts[prompt], ...request, cachePrompt, onToken });
    generations.push(generation);
    generation.then(() => resolve({ prompt, text, left: false }), reject);
  });
}

answer({ open, round });
