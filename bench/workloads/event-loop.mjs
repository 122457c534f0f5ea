// The event loop's delay: while eight streams run, while a text of 1 MB is tokenized, and when a chat is begun.
//
// A server that generates also answers health checks, accepts connections and sets timers; they all wait while the JS
// thread is held up. Node's own monitor measures by how much a timer of 1 ms is late; the idle loop's lateness, measured
// first, is what the machine does by itself.

import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";

import { promptPlans } from "../lib/prompts.mjs";
import { streams, WARM_UP_PROMPT, warmUp } from "../lib/streams.mjs";
import { textOfBytes } from "../lib/words.mjs";

const RESOLUTION_MS = 1;
const SETTLING_MS = 20;

/**
 * @typedef {{ kind: "streams" | "tokenize" | "chat", idleMs: number, tokens?: number, bytes?: number }} Parameters
 * @typedef {import("../lib/workload.js").Job<Parameters>} Job
 */

/** @type {import("../lib/workload.js").Workload<Parameters>} */
export const workload = {
  title: "Event loop delay",
  about: "How late timers of the JS thread are meanwhile, against those of an idle process.",
  programs: ["ours", "node-llama-cpp", "fugood"],
  variants: true,
  metrics: {
    maxMs: { label: "at worst, ms", better: "less", digits: 1 },
    p99Ms: { label: "p99, ms", better: "less", digits: 1 },
    p99AboveIdleMs: { label: "p99 above idle, ms", better: "less", digits: 1 },
    idleMaxMs: { label: "idle at worst, ms", better: "less", digits: 1 },
  },
  cases: ({ quick }) => [
    {
      name: "8 streams",
      model: "125m",
      chart: "Event loop delay at worst, 8 streams, ms",
      kind: "streams",
      tokens: quick ? 16 : 128,
      idleMs: quick ? 300 : 2000,
      prompts: [WARM_UP_PROMPT, ...promptPlans(8, { tokens: 64 })],
      contextSize: 8 * 256,
      sequences: 8,
    },
    {
      name: "1 MB tokenized",
      model: "125m",
      chart: "Event loop delay at worst, 1 MB tokenized, ms",
      kind: "tokenize",
      bytes: quick ? 100_000 : 1_000_000,
      idleMs: quick ? 300 : 2000,
    },
    {
      name: "a chat begun",
      model: "125m",
      programs: ["ours", "node-llama-cpp"],
      kind: "chat",
      tokens: 4,
      idleMs: quick ? 300 : 2000,
      contextSize: 1024,
      sequences: 1,
    },
  ],
};

/**
 * @param {import("../lib/workload.js").ProgramSide} program
 * @param {Job} job
 * @returns {Promise<import("../lib/workload.js").Measured>}
 */
export async function measure(program, job) {
  const idle = await delayDuring(() => sleep(job.case.idleMs));
  const busy = await KINDS[job.case.kind](program, job);
  return {
    metrics: {
      maxMs: busy.maxMs,
      p99Ms: busy.p99Ms,
      p99AboveIdleMs: Math.max(0, busy.p99Ms - idle.p99Ms),
      idleMaxMs: idle.maxMs,
    },
    details: { idle, busy },
  };
}

const KINDS = {
  /**
   * @param {import("../lib/workload.js").ProgramSide} program
   * @param {Job} job
   */
  async streams(program, job) {
    const [warmUpPrompt, ...prompts] = job.prompts;
    const engine = await program.open(job);
    await warmUp(engine, warmUpPrompt);
    const { tokens: maxTokens = 0 } = job.case;
    const delay = await delayDuring(() => streams(engine, prompts, { maxTokens }));
    await engine.close();
    return delay;
  },
  /**
   * @param {import("../lib/workload.js").ProgramSide} program
   * @param {Job} job
   */
  async tokenize(program, job) {
    const text = textOfBytes(job.case.bytes ?? 0, 1);
    const tokenizer = await program.openTokenizer(job);
    await tokenizer.encode("A short text first");
    const delay = await delayDuring(() => tokenizer.encode(text));
    await tokenizer.close();
    return delay;
  },
  /**
   * Loading is part of it: what a program does at the first message cannot be told from what it does before.
   * @param {import("../lib/workload.js").ProgramSide} program
   * @param {Job} job
   */
  async chat(program, job) {
    const { tokens: maxTokens = 0 } = job.case;
    return delayDuring(async () => {
      const chat = await program.openChat(job);
      await chat.send("Good morning!", { maxTokens, onFirstToken: () => undefined });
      await chat.close();
    });
  },
};

/**
 * @param {() => Promise<unknown>} work
 * @returns {Promise<{ maxMs: number, p99Ms: number, medianMs: number, samples: number, seconds: number }>}
 */
async function delayDuring(work) {
  const monitor = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  monitor.enable();
  // It measures from one timer to the next, so that nothing is seen before the first.
  await sleep(SETTLING_MS);
  const started = performance.now();
  await work();
  const seconds = (performance.now() - started) / 1000;
  // A delay is noticed by the first timer after it.
  await sleep(SETTLING_MS);
  monitor.disable();
  // The monitor records the time between two timers, which is the interval itself where none is late.
  const late = (/** @type {number} */ nanoseconds) => Math.max(0, nanoseconds / 1e6 - RESOLUTION_MS);
  return {
    maxMs: late(monitor.max),
    p99Ms: late(monitor.percentile(99)),
    medianMs: late(monitor.percentile(50)),
    samples: monitor.count,
    seconds,
  };
}
