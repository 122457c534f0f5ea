// Runs llama.cpp's bench: the model's decode loop alone, with no sampling, no text and nobody who waits for it.

import { spawn } from "node:child_process";
import { once } from "node:events";

/**
 * @param {import("../../lib/workload.js").Job} job
 * @param {{ tokens: number, depth: number }} test
 * @returns {Promise<number>} tokens a second
 */
export async function runBench({ tools, modelPath, program }, { tokens, depth }) {
  if (tools === null) throw new Error("llama.cpp's bench was not built");
  const options = { "-m": modelPath, "-p": 0, "-n": tokens, "-d": depth, "-r": 1, "-t": program.threads, "-o": "json" };
  const args = Object.entries(options).flat().map(String);
  const child = spawn(tools["llama-bench"], args, { stdio: ["ignore", "pipe", "pipe"] });
  let [output, log] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text) => (output += text));
  child.stderr.setEncoding("utf8").on("data", (text) => (log = (log + text).slice(-4000)));
  const [code, signal] = await once(child, "close");
  if (code !== 0) throw new Error(`llama-bench ended with ${signal ?? `code ${code}`}:\n${log}`);
  const [result] = JSON.parse(output);
  return result.avg_ts;
}
