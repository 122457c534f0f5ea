// `npm run test:load [seconds] [clients]`: clients of all kinds against a server on this machine's loopback, beside the same
// work done with the library alone. Prints what came of it, writes it to docs/load-test.json, and fails where a request was
// lost or crossed with another, memory grew, or a status has no explanation.

import { fork } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { packageDir } from "./lib/paths.mjs";

const seconds = Number(process.argv[2] ?? 120);
const clients = Number(process.argv[3] ?? 64);
const sequences = 8;
const tokens = 64;
const context = { contextSize: 8192, sequences, queueSize: 256 };
const prompt = (/** @type {number} */ id) => `Request number ${id}. Count: 1, 2, 3,`;
const request = { temperature: 0, ignoreEos: true, maxTokens: tokens };

const part = process.env["LOAD_TEST_PART"];
if (part !== undefined) process.on("disconnect", () => process.exit());
if (part === "server") await serve();
else if (part === "library") await useLibrary();
else await main();

async function serve() {
  const { createServer } = await import(pathToFileURL(join(packageDir, "dist", "server", "index.js")).href);
  const server = await createServer({ port: 0, models: { source: "smollm2", name: "smollm2", context } });
  await server.ready;
  process.send?.({ url: server.url });
  process.on("message", (message) => {
    if (message === "memory") process.send?.({ memory: process.memoryUsage().rss });
    if (message === "end") void server.close().then(() => process.disconnect());
  });
}

/** The library's own throughput: as many requests at once as the server has sequences, one after the other. */
async function useLibrary() {
  const { loadModel } = await import(pathToFileURL(join(packageDir, "dist", "index.js")).href);
  const model = await loadModel("smollm2");
  const own = await model.createContext(context);
  const run = async (/** @type {number} */ worker, /** @type {number} */ until) => {
    let generated = 0;
    for (let id = worker * 100_000; Date.now() < until; id++) {
      generated += (await own.generate({ prompt: prompt(id), ...request })).usage.completionTokens;
    }
    return generated;
  };
  await Promise.all(Array.from({ length: sequences }, (_, worker) => run(worker, Date.now() + 2000)));
  const started = Date.now();
  const until = started + Math.min(30, seconds) * 1000;
  const generated = await Promise.all(Array.from({ length: sequences }, (_, worker) => run(worker, until)));
  const rate = generated.reduce((a, b) => a + b, 0) / ((Date.now() - started) / 1000);
  process.send?.({ rate });
  await model.dispose();
  process.disconnect();
}

/** @param {string} name */
function start(name) {
  const child = fork(import.meta.filename, process.argv.slice(2), { env: { ...process.env, LOAD_TEST_PART: name } });
  /** @returns {Promise<any>} */
  const next = () => new Promise((resolve) => child.once("message", resolve));
  return { child, next };
}

async function main() {
  const before = await libraryRate();
  const server = start("server");
  const { url } = await server.next();
  const memory = async () => {
    server.child.send("memory");
    return (await server.next()).memory;
  };
  /** @type {Record<string, number>} */
  const statuses = {};
  const tally = { finished: 0, left: 0, slow: 0, rubbish: 0, crossed: 0, lost: 0, failed: 0 };
  const counted = (/** @type {number} */ status) => (statuses[status] = (statuses[status] ?? 0) + 1);
  await phase(url, 5, sequences * 2, () => "plain", { counted, tally });
  const firstRate = await rateOf(url, () =>
    phase(url, Math.min(30, seconds), sequences * 2, () => "plain", { counted, tally }),
  );
  const after = await libraryRate();

  const samples = [await memory()];
  const sampler = setInterval(() => void memory().then((/** @type {number} */ bytes) => samples.push(bytes)), 10_000);
  // A third leaves in mid-stream, an eighth is slow, an eighth sends rubbish.
  const kind = (/** @type {number} */ client) =>
    client % 3 === 0 ? "leaves" : client % 8 === 1 ? "slow" : client % 8 === 2 ? "rubbish" : "plain";
  await phase(url, seconds, clients, kind, { counted, tally });
  clearInterval(sampler);
  await sleep(2000);
  const metrics = await (await fetch(`${url}/metrics`)).text();
  const running = Number(/requests_running\{[^}]*\} (\d+)/.exec(metrics)?.[1]);
  samples.push(await memory());
  server.child.send("end");

  const library = (before + after) / 2;
  const mebi = (/** @type {number} */ bytes) => Math.round(bytes / 2 ** 20);
  const half = Math.floor(samples.length / 2);
  const growth = mebi(Math.max(...samples.slice(half)) - Math.max(...samples.slice(1, half + 1)));
  const result = {
    when: new Date().toISOString(),
    seconds,
    clients,
    statuses,
    ...tally,
    runningInTheEnd: running,
    memoryMiB: samples.map(mebi),
    memoryGrowthMiB: growth,
    tokensPerSecond: { library: [before, after].map(Math.round), server: Math.round(firstRate) },
    serverShare: Math.round((firstRate / library) * 1000) / 1000,
  };
  console.log(JSON.stringify(result, null, 2));
  writeFileSync(join(packageDir, "docs", "load-test.json"), `${JSON.stringify(result, null, 2)}\n`);
  const explained = new Set(["200", "400", "429"]);
  const bad = [
    ...Object.keys(statuses).filter((status) => !explained.has(status)),
    ...(tally.crossed + tally.lost + tally.failed + running > 0 ? ["lost, crossed or left running"] : []),
    ...(growth > 64 ? [`memory grew by ${growth} MiB`] : []),
  ];
  if (bad.length > 0) console.error(`Failed: ${bad.join(", ")}`);
  process.exitCode = bad.length === 0 ? 0 : 1;
}

async function libraryRate() {
  const { next } = start("library");
  return (await next()).rate;
}

/** @param {string} url @param {() => Promise<void>} work */
async function rateOf(url, work) {
  const generated = async () => {
    const text = await (await fetch(`${url}/metrics`)).text();
    return Number(/generated_tokens_total\{[^}]*\} (\d+)/.exec(text)?.[1]);
  };
  const [from, started] = [await generated(), Date.now()];
  await work();
  return ((await generated()) - from) / ((Date.now() - started) / 1000);
}

/**
 * @param {string} url
 * @param {number} forSeconds
 * @param {number} count
 * @param {(client: number) => string} kindOf
 * @param {{ counted: (status: number) => void, tally: Record<string, number> }} results
 */
async function phase(url, forSeconds, count, kindOf, results) {
  const until = Date.now() + forSeconds * 1000;
  const work = async (/** @type {number} */ client) => {
    for (let id = client * 100_000; Date.now() < until; id++) await oneRequest(url, id, kindOf(client), results);
  };
  await Promise.all(Array.from({ length: count }, (_, client) => work(client)));
}

/**
 * @param {string} url
 * @param {number} id
 * @param {string} kind
 * @param {{ counted: (status: number) => void, tally: Record<string, any> }} results
 */
async function oneRequest(url, id, kind, { counted, tally }) {
  const body = { prompt: prompt(id), temperature: 0, ignore_eos: true, max_tokens: tokens, stream: true, echo: true };
  const abort = new AbortController();
  try {
    const response = await fetch(`${url}/v1/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: kind === "rubbish" ? JSON.stringify({ ...body, prompt: { id } }).slice(id % 3) : JSON.stringify(body),
      signal: abort.signal,
    });
    counted(response.status);
    if (response.status !== 200 || response.body === null) {
      tally["rubbish"] += kind === "rubbish" ? 1 : 0;
      await response.text();
      if (response.status === 429) await sleep(1000);
      return;
    }
    let text = "";
    for await (const chunk of response.body) {
      text += Buffer.from(chunk).toString("utf8");
      if (kind === "slow") await sleep(100);
      if (kind === "leaves" && text.length > 2000) {
        tally["left"] += 1;
        return;
      }
    }
    const said = text.split("\n").flatMap((line) => (line.startsWith("data: {") ? [JSON.parse(line.slice(6))] : []));
    const whole = said.map(({ choices }) => choices[0].text).join("");
    if (!whole.startsWith(prompt(id))) tally["crossed"] += 1;
    if (!text.endsWith("data: [DONE]\n\n")) tally["lost"] += 1;
    tally[kind === "slow" ? "slow" : "finished"] += 1;
  } catch (error) {
    tally["failed"] += 1;
    console.error(error);
  } finally {
    abort.abort();
  }
}
