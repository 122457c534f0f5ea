// The clients, in a process of their own.

import { setTimeout as sleep } from "node:timers/promises";
import { answer, inTurns, meter } from "./channel.mjs";
import { ask } from "./client.mjs";
import { pauseMs, stormTask } from "./plan.mjs";

/** @typedef {import("./plan.mjs").Task} Task @typedef {import("./outcome.mjs").Taken} Taken */

/** @param {{ url: string, tasks: Task[], workers: number }} order */
async function round({ url, tasks, workers }) {
  /** @type {Taken[]} */
  const taken = [];
  const end = meter();
  await inTurns(tasks, workers, async (task) => void taken.push(await ask(url, task)));
  return { ...end(), taken };
}

/** @param {{ url: string, clients: number, seconds: number }} order */
async function storm({ url, clients, seconds }) {
  const until = Date.now() + seconds * 1000;
  /** @type {Taken[]} */
  const taken = [];
  let sent = 0;
  const go = async (/** @type {number} */ client) => {
    for (let turn = 0; Date.now() < until; turn++) {
      sent++;
      const one = await ask(url, stormTask(client, turn));
      taken.push(one);
      await sleep(pauseAfter(one));
    }
  };
  await Promise.all(Array.from({ length: clients }, (_, client) => go(client)));
  return { sent, taken };
}

/** @param {Taken} taken */
function pauseAfter({ task: { kind }, status }) {
  if (kind === "rubbish" || kind === "hasty") return pauseMs[kind];
  return status === 429 ? pauseMs.refused : 0;
}

answer({ round, storm });
